//! The text so far, with the column and white space state that line breaking depends on.

use super::scalar::{is_break, is_printable};

/// Lines are broken at the first single blank past this column.
const BEST_WIDTH: usize = 80;

pub(crate) struct Writer<'t> {
    text: &'t mut String,
    column: usize,
    /// The last thing written was white space (or nothing).
    whitespace: bool,
    /// Only indentation and indicators stand on this line.
    indention: bool,
}

impl<'t> Writer<'t> {
    pub(crate) fn new(text: &'t mut String) -> Writer<'t> {
        Writer { text, column: 0, whitespace: true, indention: true }
    }

    pub(crate) fn end(self) {
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// Directly after `- ` or `? `, on the same line.
    pub(crate) fn after_indicator(&self) -> bool {
        self.indention
    }

    fn put(&mut self, c: char) {
        self.text.push(c);
        self.column += 1;
    }

    fn put_break(&mut self) {
        self.text.push('\n');
        self.column = 0;
    }

    fn write_break(&mut self, c: char) {
        if c == '\n' {
            self.put_break();
        } else {
            self.text.push(c);
            self.column = 0;
        }
    }

    pub(crate) fn write_indent(&mut self, indent: usize) {
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    pub(crate) fn write_indicator(&mut self, indicator: &str, need_whitespace: bool, keeps_indention: bool) {
        if need_whitespace && !self.whitespace {
            self.put(' ');
        }
        self.text.push_str(indicator);
        self.column += indicator.len();
        self.whitespace = false;
        self.indention = self.indention && keeps_indention;
    }

    pub(crate) fn write_plain(&mut self, text: &str, indent: usize, allow_breaks: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        if !allow_breaks || self.column + text.len() <= BEST_WIDTH {
            self.text.push_str(text);
            self.column += text.chars().count();
        } else {
            self.write_words(text, indent);
        }
        self.whitespace = false;
        self.indention = false;
    }

    /// Plain text that may have to be broken.
    fn write_words(&mut self, text: &str, indent: usize) {
        let mut spaces = false;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == ' ' {
                if !spaces && self.column > BEST_WIDTH && chars.peek() != Some(&' ') {
                    self.write_indent(indent);
                } else {
                    self.put(c);
                }
                spaces = true;
            } else {
                self.put(c);
                self.indention = false;
                spaces = false;
            }
        }
    }

    pub(crate) fn write_single(&mut self, text: &str, indent: usize, allow_breaks: bool) {
        self.write_indicator("'", true, false);
        let (mut spaces, mut breaks) = (false, false);
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c == ' ' {
                let inner = at > 0 && chars.peek().is_some_and(|(_, next)| *next != ' ');
                if allow_breaks && !spaces && self.column > BEST_WIDTH && inner {
                    self.write_indent(indent);
                } else {
                    self.put(c);
                }
                spaces = true;
            } else if is_break(c) {
                if !breaks && c == '\n' {
                    self.put_break();
                }
                self.write_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent(indent);
                }
                if c == '\'' {
                    self.put('\'');
                }
                self.put(c);
                self.indention = false;
                spaces = false;
                breaks = false;
            }
        }
        self.write_indicator("'", false, false);
        self.whitespace = false;
        self.indention = false;
    }

    pub(crate) fn write_double(&mut self, text: &str, indent: usize, allow_breaks: bool) {
        self.write_indicator("\"", true, false);
        // go-yaml looks for the mark at the start of the text, whichever character it is at
        let bom = text.starts_with('\u{feff}');
        let mut spaces = false;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if bom || !is_printable(c) || is_break(c) || c == '"' || c == '\\' {
                for e in escape(c).chars() {
                    self.put(e);
                }
                spaces = false;
            } else if c == ' ' {
                let next = chars.peek().map(|(_, next)| *next);
                let inner = at > 0 && next.is_some();
                if allow_breaks && !spaces && self.column > BEST_WIDTH && inner {
                    self.write_indent(indent);
                    if next == Some(' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(c);
                }
                spaces = true;
            } else {
                self.put(c);
                spaces = false;
            }
        }
        self.write_indicator("\"", false, false);
        self.whitespace = false;
        self.indention = false;
    }

    pub(crate) fn write_literal(&mut self, text: &str, indent: usize) {
        self.write_indicator("|", true, false);
        let first = text.chars().next();
        if first.is_some_and(|c| c == ' ' || is_break(c)) {
            self.write_indicator("2", false, false);
        }
        let mut back = text.chars().rev();
        match (back.next(), back.next()) {
            (Some(last), _) if !is_break(last) => self.write_indicator("-", false, false),
            (Some(_), None) => self.write_indicator("+", false, false),
            (Some(_), Some(before)) if is_break(before) => self.write_indicator("+", false, false),
            _ => {}
        }
        self.put_break();
        self.indention = true;
        self.whitespace = true;
        let mut breaks = true;
        for c in text.chars() {
            if is_break(c) {
                self.write_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent(indent);
                }
                self.put(c);
                self.indention = false;
                breaks = false;
            }
        }
    }
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{1b}' => "\\e",
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{85}' => "\\N",
        '\u{a0}' => "\\_",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        _ => "",
    };
    if !short.is_empty() {
        return short.to_string();
    }
    match c as u32 {
        code @ 0..=0xff => format!("\\x{code:02X}"),
        code @ 0..=0xffff => format!("\\u{code:04X}"),
        code => format!("\\U{code:08X}"),
    }
}
