//! A place in the text, and the classes of characters that YAML's grammar is made of.

/// Lines and columns count characters from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    pub(crate) byte: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// Characters before it.
    pub(crate) index: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) mark: Mark,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Cursor<'a> {
        let byte = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Cursor { text, mark: Mark { byte, ..Mark::default() } }
    }

    /// The byte this far ahead; 0 is the end, since no text with control characters comes here.
    pub(super) fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.mark.byte + ahead).copied().unwrap_or(0)
    }

    pub(super) fn is_end(&self) -> bool {
        self.mark.byte >= self.text.len()
    }

    /// Bytes of the line break this far ahead, 0 if there is none.
    pub(super) fn break_length(&self, ahead: usize) -> usize {
        match self.peek(ahead) {
            b'\r' if self.peek(ahead + 1) == b'\n' => 2,
            b'\r' | b'\n' => 1,
            0xc2 if self.peek(ahead + 1) == 0x85 => 2,
            0xe2 if self.peek(ahead + 1) == 0x80 && matches!(self.peek(ahead + 2), 0xa8 | 0xa9) => 3,
            _ => 0,
        }
    }

    pub(super) fn is_break(&self, ahead: usize) -> bool {
        self.break_length(ahead) > 0
    }

    pub(super) fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.peek(ahead), b' ' | b'\t')
    }

    pub(super) fn is_break_or_end(&self, ahead: usize) -> bool {
        self.peek(ahead) == 0 || self.is_break(ahead)
    }

    /// A blank, a line break or the end.
    pub(super) fn is_gap(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break_or_end(ahead)
    }

    /// `---` or `...` at the start of a line, with nothing or a blank after it.
    pub(super) fn is_document_indicator(&self) -> bool {
        self.mark.column == 0
            && matches!((self.peek(0), self.peek(1), self.peek(2)), (b'-', b'-', b'-') | (b'.', b'.', b'.'))
            && self.is_gap(3)
    }

    /// Over one character, which is no line break.
    pub(super) fn skip(&mut self) {
        self.mark.byte += match self.peek(0) {
            0..=0x7f => 1,
            0x80..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        };
        self.mark.column += 1;
        self.mark.index += 1;
    }

    /// Over so many characters of one byte each.
    pub(super) fn skip_ascii(&mut self, count: usize) {
        self.mark.byte += count;
        self.mark.column += count;
        self.mark.index += count;
    }

    /// Over one line break, if there is one. What it means in a scalar: CR, LF, CRLF and NEL are a newline.
    pub(super) fn skip_break(&mut self) -> &'a str {
        let length = self.break_length(0);
        if length == 0 {
            return "";
        }
        let from = self.mark.byte;
        self.mark.byte += length;
        self.mark.index += if self.text.as_bytes()[from..].starts_with(b"\r\n") { 2 } else { 1 };
        self.mark.line += 1;
        self.mark.column = 0;
        if length == 3 { &self.text[from..from + 3] } else { "\n" }
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.skip_ascii(1);
        }
    }

    pub(super) fn skip_to_break(&mut self) {
        while !self.is_break_or_end(0) {
            self.skip();
        }
    }

    pub(super) fn since(&self, byte: usize) -> &'a str {
        &self.text[byte..self.mark.byte]
    }
}

/// What names of anchors, directives and tag handles are made of.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
