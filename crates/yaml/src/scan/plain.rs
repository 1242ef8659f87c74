//! Scalars without quotes.

use std::borrow::Cow;

use super::{Kind, Result, Scanner};

impl Scanner<'_> {
    /// Words up to `: `, ` #` or less indentation; in flow collections up to one of their indicators. Line breaks
    /// between words become a blank, more of them one less.
    pub(super) fn plain_scalar(&mut self) -> Result<()> {
        let start = self.cursor.mark;
        let mut end = start;
        // `value` is the text before `tail`: a scalar on one line is a slice of the text
        let mut value = String::new();
        let mut tail = start.byte;
        let mut gap = Gap::default();
        loop {
            if self.cursor.is_document_indicator() || self.cursor.peek(0) == b'#' {
                break;
            }
            let from = self.cursor.mark.byte;
            self.skip_word();
            if self.cursor.mark.byte > from {
                if gap.lines > 0 {
                    value.push_str(&self.cursor.text[tail..end.byte]);
                    gap.fold_into(&mut value);
                    tail = from;
                }
                gap = Gap::default();
                end = self.cursor.mark;
            }
            if !self.cursor.is_blank(0) && !self.cursor.is_break(0) {
                break;
            }
            while self.cursor.is_blank(0) || self.cursor.is_break(0) {
                if self.cursor.is_break(0) {
                    gap.add(self.cursor.skip_break());
                    continue;
                }
                let tab = self.cursor.peek(0) == b'\t';
                if tab && gap.lines > 0 && self.cursor.mark.column < self.floor {
                    return Err(self.error(start, "found a tab character that violates indentation"));
                }
                self.cursor.skip_ascii(1);
            }
            if !self.in_flow() && self.cursor.mark.column < self.floor {
                break;
            }
        }
        if gap.lines > 0 {
            self.key_allowed = true;
        }
        let last = &self.cursor.text[tail..end.byte];
        let value = if value.is_empty() { Cow::Borrowed(last) } else { Cow::Owned(value + last) };
        self.push(Kind::Scalar { value, plain: true }, start, end);
        Ok(())
    }

    /// Over the characters up to a blank, a break, or an indicator that ends the scalar.
    fn skip_word(&mut self) {
        let in_flow = self.in_flow();
        loop {
            let bytes = &self.cursor.text.as_bytes()[self.cursor.mark.byte..];
            let simple = bytes.iter().take_while(|b| is_simple(**b)).count();
            self.cursor.skip_ascii(simple);
            match self.cursor.peek(0) {
                b':' if self.cursor.is_gap(1) => return,
                b',' | b'?' | b'[' | b']' | b'{' | b'}' if in_flow => return,
                _ if self.cursor.is_gap(0) => return,
                _ => self.cursor.skip(),
            }
        }
    }
}

/// Ends no plain scalar, wherever it stands.
fn is_simple(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b':' | b',' | b'?' | b'[' | b']' | b'{' | b'}')
}

/// The line breaks between two words.
#[derive(Default)]
pub(super) struct Gap {
    pub(super) lines: usize,
    first: String,
    rest: String,
}

impl Gap {
    pub(super) fn add(&mut self, line_break: &str) {
        if self.lines == 0 {
            self.first.push_str(line_break);
        } else {
            self.rest.push_str(line_break);
        }
        self.lines += 1;
    }

    /// After an escaped line break, those that follow are kept.
    pub(super) fn add_escaped(&mut self) {
        self.lines += 1;
    }

    pub(super) fn fold_into(&self, value: &mut String) {
        if !self.first.starts_with('\n') {
            value.push_str(&self.first);
        } else if self.rest.is_empty() {
            value.push(' ');
        }
        value.push_str(&self.rest);
    }
}
