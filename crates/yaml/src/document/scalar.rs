//! Scalars in go-yaml v3's styles, which never fold lines.

use super::Style;
use crate::emit::{Writer, is_break, is_printable};

/// Where a scalar stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    Block,
    Key,
    Flow,
}

pub(super) fn write(text: &str, style: Style, context: Context, indent: usize) -> String {
    let allowed = Allowed::of(text);
    let style = allowed.choose(style, context, text.is_empty());
    let mut written = String::new();
    let mut writer = Writer::new(&mut written);
    match style {
        Style::Plain => return text.to_string(),
        Style::Single => writer.write_single(text, indent + 2, false),
        Style::Double => writer.write_double(text, indent + 2, false),
        Style::Literal => writer.write_literal(text, indent + 2),
        Style::Folded => return folded(text, indent + 2),
    }
    writer.end();
    if !(style == Style::Literal && text.ends_with('\n')) {
        written.pop();
    }
    written
}

#[derive(Default)]
struct Allowed {
    multiline: bool,
    flow_plain: bool,
    block_plain: bool,
    single: bool,
    block: bool,
}

impl Allowed {
    fn of(text: &str) -> Allowed {
        if text.is_empty() {
            return Allowed { block_plain: true, single: true, ..Allowed::default() };
        }
        let chars: Vec<char> = text.chars().collect();
        let document_mark = text.starts_with("---") || text.starts_with("...");
        let (mut flow_indicators, mut block_indicators) = (document_mark, document_mark);
        let (mut special, mut tabs, mut breaks, mut break_space, mut space_break) =
            (false, false, false, false, false);
        let is_blank = |c: char| c == ' ' || c == '\t' || is_break(c);
        for (at, &c) in chars.iter().enumerate() {
            let before = at.checked_sub(1).map(|at| chars[at]);
            let before_blank = chars.get(at + 1).is_none_or(|c| is_blank(*c));
            let after_blank = before.is_none_or(is_blank);
            match c {
                ',' | '[' | ']' | '{' | '}' => {
                    flow_indicators = true;
                    block_indicators |= at == 0;
                }
                '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' if at == 0 => {
                    flow_indicators = true;
                    block_indicators = true;
                }
                '?' => {
                    flow_indicators = true;
                    block_indicators |= at == 0 && before_blank;
                }
                ':' => {
                    flow_indicators = true;
                    block_indicators |= before_blank;
                }
                '-' if at == 0 && before_blank => {
                    flow_indicators = true;
                    block_indicators = true;
                }
                '#' if after_blank => {
                    flow_indicators = true;
                    block_indicators = true;
                }
                _ => {}
            }
            tabs |= c == '\t';
            special |= c != '\t' && !is_printable(c);
            breaks |= is_break(c);
            break_space |= c == ' ' && before.is_some_and(is_break);
            space_break |= is_break(c) && before == Some(' ');
        }
        let edge = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
        let trailing_space = chars.last() == Some(&' ');
        let plain = !(edge(chars.first())
            || edge(chars.last())
            || break_space
            || space_break
            || tabs
            || special
            || breaks);
        Allowed {
            multiline: breaks,
            flow_plain: plain && !flow_indicators,
            block_plain: plain && !block_indicators,
            single: !(break_space || space_break || tabs || special),
            block: !(trailing_space || space_break || special),
        }
    }

    fn choose(&self, wanted: Style, context: Context, empty: bool) -> Style {
        let in_block = context == Context::Block;
        let mut style = if context == Context::Key && self.multiline { Style::Double } else { wanted };
        let plain = if context == Context::Flow { self.flow_plain } else { self.block_plain };
        if style == Style::Plain && (!plain || (empty && !in_block)) {
            style = Style::Single;
        }
        if style == Style::Single && !self.single {
            style = Style::Double;
        }
        if matches!(style, Style::Literal | Style::Folded) && !(self.block && in_block) {
            style = Style::Double;
        }
        style
    }
}

/// Lines that a source had folded come out as one. Every break is written twice, but for those of indented lines.
fn folded(text: &str, indent: usize) -> String {
    let mut written = String::from(">");
    let starts_blank = text.starts_with([' ', '\n']);
    if starts_blank {
        written.push('2');
    }
    let body = text.trim_end_matches('\n');
    match text.len() - body.len() {
        0 => written.push('-'),
        1 if !body.is_empty() => {}
        _ => written.push('+'),
    }
    written.push('\n');
    let (mut at_break, mut indented) = (true, true);
    for c in text.chars() {
        if c == '\n' {
            if !at_break && !indented && !starts_blank {
                written.push('\n');
            }
            written.push('\n');
            at_break = true;
            continue;
        }
        if at_break {
            written.extend(std::iter::repeat_n(' ', indent));
            indented = c == ' ' || c == '\t';
        }
        written.push(c);
        at_break = false;
    }
    written
}
