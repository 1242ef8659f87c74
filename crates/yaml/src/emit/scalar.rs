//! Which styles a text can be written in.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

#[derive(Debug)]
pub(super) struct Analysis {
    multiline: bool,
    plain: bool,
    single: bool,
    block: bool,
}

impl Analysis {
    pub(super) fn of(text: &str) -> Analysis {
        if text.is_empty() {
            return Analysis { multiline: false, plain: true, single: true, block: false };
        }
        let mut seen =
            Seen { indicators: text.starts_with("---") || text.starts_with("..."), ..Seen::default() };
        let mut after_blank = true;
        let mut chars = text.chars().peekable();
        let mut first = true;
        while let Some(c) = chars.next() {
            let next = chars.peek();
            let before_blank = next.is_none_or(|n| is_blank_or_break(*n));
            seen.indicators |= is_indicator(c, first, after_blank, before_blank);
            seen.special |= !is_printable(c);
            seen.spaces(c, first, next.is_none());
            after_blank = is_blank_or_break(c);
            first = false;
        }
        seen.judge()
    }

    pub(super) fn style(&self, wanted: Style, simple_key: bool, empty: bool) -> Style {
        let mut style = wanted;
        if simple_key && self.multiline {
            style = Style::Double;
        }
        if style == Style::Plain && (!self.plain || (empty && simple_key)) {
            style = Style::Single;
        }
        if style == Style::Single && !self.single {
            style = Style::Double;
        }
        if style == Style::Literal && (!self.block || simple_key) {
            style = Style::Double;
        }
        style
    }
}

#[derive(Default)]
struct Seen {
    indicators: bool,
    special: bool,
    breaks: bool,
    leading: bool,
    trailing: bool,
    trailing_space: bool,
    break_space: bool,
    space_break: bool,
    previous_space: bool,
    previous_break: bool,
}

impl Seen {
    fn spaces(&mut self, c: char, first: bool, last: bool) {
        let space = c == ' ';
        let line_break = is_break(c);
        self.breaks |= line_break;
        if space || line_break {
            self.leading |= first;
            self.trailing |= last;
        }
        self.trailing_space |= space && last;
        self.break_space |= space && self.previous_break;
        self.space_break |= line_break && self.previous_space;
        self.previous_space = space;
        self.previous_break = line_break;
    }

    fn judge(&self) -> Analysis {
        let bad = self.space_break || self.special;
        Analysis {
            multiline: self.breaks,
            plain: !(self.leading
                || self.trailing
                || self.break_space
                || bad
                || self.breaks
                || self.indicators),
            single: !(self.break_space || bad),
            block: !(self.trailing_space || bad),
        }
    }
}

/// Characters that end or change a plain scalar in block context where they stand.
fn is_indicator(c: char, first: bool, after_blank: bool, before_blank: bool) -> bool {
    if first {
        return match c {
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
            | '`' => true,
            '?' | ':' | '-' => before_blank,
            _ => false,
        };
    }
    match c {
        ':' => before_blank,
        '#' => after_blank,
        _ => false,
    }
}

pub(crate) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank_or_break(c: char) -> bool {
    c == ' ' || c == '\t' || is_break(c)
}

/// As go-yaml has it: no tab, and nothing outside the basic plane.
pub(crate) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && c != '\u{feff}'
}
