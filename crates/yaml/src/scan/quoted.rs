//! Scalars in single or double quotes.

use std::borrow::Cow;

use super::plain::Gap;
use super::{Kind, Mark, Result, Scanner};

impl<'a> Scanner<'a> {
    pub(super) fn quoted_scalar(&mut self, single: bool) -> Result<()> {
        let start = self.cursor.mark;
        self.cursor.skip_ascii(1);
        let value = match self.unbroken(single) {
            Some(value) => Cow::Borrowed(value),
            None => Cow::Owned(self.quoted_lines(single, start)?),
        };
        self.cursor.skip_ascii(1);
        self.push(Kind::Scalar { value, plain: false }, start, self.cursor.mark);
        Ok(())
    }

    /// The content up to the closing quote, if nothing in it needs a second look.
    fn unbroken(&mut self, single: bool) -> Option<&'a str> {
        let from = self.cursor.mark.byte;
        let quote = if single { b'\'' } else { b'"' };
        let bytes = &self.cursor.text.as_bytes()[from..];
        let length = bytes.iter().take_while(|b| (b' '..=b'~').contains(b) && **b != quote && **b != b'\\');
        let length = length.count();
        if bytes.get(length) != Some(&quote) || (single && bytes.get(length + 1) == Some(&quote)) {
            return None;
        }
        self.cursor.skip_ascii(length);
        Some(self.cursor.since(from))
    }

    fn quoted_lines(&mut self, single: bool, start: Mark) -> Result<String> {
        let mut value = String::new();
        loop {
            if self.cursor.is_document_indicator() {
                return Err(self.error(start, "found unexpected document indicator"));
            }
            if self.cursor.is_end() {
                return Err(self.error(start, "found unexpected end of stream"));
            }
            let mut gap = Gap::default();
            self.quoted_word(single, start, &mut value, &mut gap)?;
            if self.cursor.peek(0) == if single { b'\'' } else { b'"' } {
                return Ok(value);
            }
            let blanks = self.cursor.mark.byte;
            let mut blanks_end = blanks;
            while self.cursor.is_blank(0) || self.cursor.is_break(0) {
                if self.cursor.is_break(0) {
                    gap.add(self.cursor.skip_break());
                } else {
                    self.cursor.skip_ascii(1);
                    blanks_end = self.cursor.mark.byte;
                }
            }
            if gap.lines > 0 {
                gap.fold_into(&mut value);
            } else {
                value.push_str(&self.cursor.text[blanks..blanks_end]);
            }
        }
    }

    /// Up to a blank, a line break (which may be escaped) or the closing quote.
    fn quoted_word(&mut self, single: bool, start: Mark, value: &mut String, gap: &mut Gap) -> Result<()> {
        while !self.cursor.is_gap(0) {
            match self.cursor.peek(0) {
                b'\'' if single && self.cursor.peek(1) == b'\'' => {
                    value.push('\'');
                    self.cursor.skip_ascii(2);
                }
                b'\'' if single => return Ok(()),
                b'"' if !single => return Ok(()),
                b'\\' if !single && self.cursor.is_break(1) => {
                    self.cursor.skip_ascii(1);
                    self.cursor.skip_break();
                    gap.add_escaped();
                    return Ok(());
                }
                b'\\' if !single => value.push(self.escape(start)?),
                _ => {
                    let from = self.cursor.mark.byte;
                    self.cursor.skip();
                    value.push_str(self.cursor.since(from));
                }
            }
        }
        Ok(())
    }

    fn escape(&mut self, start: Mark) -> Result<char> {
        let (simple, digits) = match self.cursor.peek(1) {
            b'0' => ('\0', 0),
            b'a' => ('\u{7}', 0),
            b'b' => ('\u{8}', 0),
            b't' | b'\t' => ('\t', 0),
            b'n' => ('\n', 0),
            b'v' => ('\u{b}', 0),
            b'f' => ('\u{c}', 0),
            b'r' => ('\r', 0),
            b'e' => ('\u{1b}', 0),
            b' ' => (' ', 0),
            b'"' => ('"', 0),
            // YAML 1.2 has it for the sake of JSON, which some programs write so
            b'/' => ('/', 0),
            b'\'' => ('\'', 0),
            b'\\' => ('\\', 0),
            b'N' => ('\u{85}', 0),
            b'_' => ('\u{a0}', 0),
            b'L' => ('\u{2028}', 0),
            b'P' => ('\u{2029}', 0),
            b'x' => (' ', 2),
            b'u' => (' ', 4),
            b'U' => (' ', 8),
            _ => return Err(self.error(start, "found unknown escape character")),
        };
        self.cursor.skip_ascii(2);
        if digits == 0 {
            return Ok(simple);
        }
        let Some(mut code) = self.hex(0, digits) else {
            return Err(self.error(start, "did not find expected hexdecimal number"));
        };
        let mut length = digits;
        if digits == 4 && (0xd800..0xdc00).contains(&code) {
            // JSON writes a character outside the basic plane as two
            if let (b'\\', b'u', Some(low @ 0xdc00..0xe000)) =
                (self.cursor.peek(4), self.cursor.peek(5), self.hex(6, 4))
            {
                code = 0x10000 + ((code & 0x3ff) << 10 | low & 0x3ff);
                length = 10;
            }
        }
        let Some(decoded) = char::from_u32(code) else {
            return Err(self.error(start, "found invalid Unicode character escape code"));
        };
        self.cursor.skip_ascii(length);
        Ok(decoded)
    }

    fn hex(&self, from: usize, digits: usize) -> Option<u32> {
        (from..from + digits)
            .try_fold(0, |code, ahead| Some(code << 4 | char::from(self.cursor.peek(ahead)).to_digit(16)?))
    }
}
