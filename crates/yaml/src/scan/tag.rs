//! Anchors, aliases, tags and directives.

use super::cursor::is_word;
use super::{Kind, Mark, Result, Scanner, SyntaxError};

impl<'a> Scanner<'a> {
    /// `&name` or `*name`.
    pub(super) fn anchor(&mut self) -> Result<()> {
        let start = self.cursor.mark;
        let alias = self.cursor.peek(0) == b'*';
        self.cursor.skip_ascii(1);
        let name = self.word();
        let ends = matches!(self.cursor.peek(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !(ends || self.cursor.is_gap(0)) {
            return Err(self.error(start, "did not find expected alphabetic or numeric character"));
        }
        let kind = if alias { Kind::Alias(name) } else { Kind::Anchor(name) };
        self.push(kind, start, self.cursor.mark);
        Ok(())
    }

    fn word(&mut self) -> &'a str {
        let from = self.cursor.mark.byte;
        while is_word(self.cursor.peek(0)) {
            self.cursor.skip_ascii(1);
        }
        self.cursor.since(from)
    }

    /// `!<uri>`, `!handle!suffix`, `!suffix` or `!`.
    pub(super) fn tag(&mut self) -> Result<()> {
        let start = self.cursor.mark;
        let (mut handle, mut suffix) = ("", String::new());
        if self.cursor.peek(1) == b'<' {
            self.cursor.skip_ascii(2);
            self.some_uri(start, &mut suffix)?;
            if self.cursor.peek(0) != b'>' {
                return Err(self.error(start, "did not find the expected '>'"));
            }
            self.cursor.skip_ascii(1);
        } else {
            handle = self.handle(start)?;
            if handle.len() > 1 && handle.ends_with('!') {
                self.some_uri(start, &mut suffix)?;
            } else {
                suffix.push_str(&handle[1..]);
                self.uri(start, &mut suffix)?;
                handle = "!";
                if suffix.is_empty() {
                    (handle, suffix) = ("", "!".to_string());
                }
            }
        }
        if !self.cursor.is_gap(0) {
            return Err(self.error(start, "did not find expected whitespace or line break"));
        }
        self.push(Kind::Tag { handle, suffix }, start, self.cursor.mark);
        Ok(())
    }

    fn handle(&mut self, start: Mark) -> Result<&'a str> {
        let from = self.cursor.mark.byte;
        if self.cursor.peek(0) != b'!' {
            return Err(self.error(start, "did not find expected '!'"));
        }
        self.cursor.skip_ascii(1);
        self.word();
        if self.cursor.peek(0) == b'!' {
            self.cursor.skip_ascii(1);
        }
        Ok(self.cursor.since(from))
    }

    fn some_uri(&mut self, start: Mark, uri: &mut String) -> Result<()> {
        let from = self.cursor.mark.byte;
        self.uri(start, uri)?;
        if self.cursor.mark.byte == from {
            return Err(self.error(start, "did not find expected tag URI"));
        }
        Ok(())
    }

    fn uri(&mut self, start: Mark, uri: &mut String) -> Result<()> {
        loop {
            match self.cursor.peek(0) {
                b'%' => self.uri_escape(start, uri)?,
                b if is_word(b) || b";/?:@&=+$,.!~*'()[]".contains(&b) => {
                    uri.push(char::from(b));
                    self.cursor.skip_ascii(1);
                }
                _ => return Ok(()),
            }
        }
    }

    /// The bytes of one character as `%XX`.
    fn uri_escape(&mut self, start: Mark, uri: &mut String) -> Result<()> {
        let mut bytes = Vec::new();
        let mut width = 1;
        while bytes.len() < width {
            let digit = |ahead| char::from(self.cursor.peek(ahead)).to_digit(16);
            let (b'%', Some(high), Some(low)) = (self.cursor.peek(0), digit(1), digit(2)) else {
                return Err(self.error(start, "did not find URI escaped octet"));
            };
            let byte = u8::try_from(high * 16 + low).expect("two digits are a byte");
            if bytes.is_empty() {
                width = match byte {
                    0..=0x7f => 1,
                    0xc0..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xf7 => 4,
                    _ => return Err(self.error(start, "found an incorrect leading UTF-8 octet")),
                };
            }
            bytes.push(byte);
            self.cursor.skip_ascii(3);
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => uri.push_str(text),
            Err(_) => return Err(self.error(start, "found an incorrect trailing UTF-8 octet")),
        }
        Ok(())
    }

    /// `%YAML 1.1` or `%TAG !e! tag:example.com:`.
    pub(super) fn directive(&mut self) -> Result<()> {
        let start = self.cursor.mark;
        self.cursor.skip_ascii(1);
        let name = self.word();
        if name.is_empty() {
            return Err(self.error(start, "could not find expected directive name"));
        }
        if !self.cursor.is_gap(0) {
            return Err(self.error(start, "found unexpected non-alphabetical character"));
        }
        self.cursor.skip_blanks();
        let kind = match name {
            "YAML" => {
                let major = self.version_number(start)?;
                if self.cursor.peek(0) != b'.' {
                    return Err(self.error(start, "did not find expected digit or '.' character"));
                }
                self.cursor.skip_ascii(1);
                Kind::Version { major, minor: self.version_number(start)? }
            }
            "TAG" => self.tag_directive(start)?,
            _ => return Err(self.error(start, "found unknown directive name")),
        };
        let end = self.cursor.mark;
        self.end_line(start)?;
        self.push(kind, start, end);
        Ok(())
    }

    fn tag_directive(&mut self, start: Mark) -> Result<Kind<'a>> {
        let handle = self.handle(start)?;
        if handle != "!" && !handle.ends_with('!') {
            return Err(self.error(start, "did not find expected '!'"));
        }
        if !self.cursor.is_blank(0) {
            return Err(self.error(start, "did not find expected whitespace"));
        }
        self.cursor.skip_blanks();
        let mut prefix = String::new();
        self.some_uri(start, &mut prefix)?;
        if !self.cursor.is_gap(0) {
            return Err(self.error(start, "did not find expected whitespace or line break"));
        }
        Ok(Kind::TagDirective { handle, prefix })
    }

    fn version_number(&mut self, start: Mark) -> std::result::Result<u32, SyntaxError> {
        let from = self.cursor.mark.byte;
        while self.cursor.peek(0).is_ascii_digit() {
            self.cursor.skip_ascii(1);
        }
        match self.cursor.since(from) {
            "" => Err(self.error(start, "did not find expected version number")),
            digits if digits.len() > 2 => Err(self.error(start, "found extremely long version number")),
            digits => Ok(digits.parse().expect("one or two digits are a number")),
        }
    }
}
