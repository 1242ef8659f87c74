//! From text to tokens, by the rules of libyaml, which go-yaml follows.
//!
//! Indentation becomes tokens (`BlockSequenceStart`, `BlockMappingStart`, `BlockEnd`); a key without `?` is known as
//! one only when its `:` comes, so tokens wait in a queue until it is certain that no `Key` has to go before them.
//! Like libyaml, and other than YAML 1.2, this takes `{a:b}` for one word and `a: - b` for an error.

mod block;
mod cursor;
mod plain;
mod quoted;
mod tag;
mod token;

use std::collections::VecDeque;

use cursor::Cursor;
pub(crate) use cursor::{Mark, is_word};
pub(crate) use token::{Kind, SyntaxError, Token};

/// A key is at most this long, in characters, and stands on one line.
const MAX_KEY: usize = 1024;

/// Blocks in blocks, and flow collections in flow collections.
const MAX_DEPTH: usize = 10_000;

pub(crate) type Result<T> = std::result::Result<T, SyntaxError>;

pub(crate) struct Scanner<'a> {
    cursor: Cursor<'a>,
    tokens: VecDeque<Token<'a>>,
    /// Tokens that have left the queue.
    taken: usize,
    /// How many tokens go-yaml reads ahead: which of two errors it finds first depends on it.
    lookahead: usize,
    ended: bool,
    /// The column from which on text belongs to the innermost block: its indentation and one.
    floor: usize,
    floors: Vec<usize>,
    /// Possible keys, one for each level of flow collections.
    keys: Vec<PossibleKey>,
    key_allowed: bool,
}

/// A place where a key without `?` may have begun.
#[derive(Debug, Clone, Copy, Default)]
struct PossibleKey {
    possible: bool,
    /// In its place nothing but a key can stand.
    required: bool,
    number: usize,
    mark: Mark,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, lookahead: usize) -> Scanner<'a> {
        Scanner {
            cursor: Cursor::new(text),
            tokens: VecDeque::new(),
            taken: 0,
            lookahead,
            ended: false,
            floor: 0,
            floors: Vec::new(),
            keys: vec![PossibleKey::default()],
            key_allowed: true,
        }
    }

    pub(crate) fn peek(&mut self) -> Result<&Token<'a>> {
        self.fill()?;
        Ok(self.tokens.front().expect("the queue was filled"))
    }

    pub(crate) fn take(&mut self) -> Result<Token<'a>> {
        self.fill()?;
        self.taken += 1;
        Ok(self.tokens.pop_front().expect("the queue was filled"))
    }

    fn fill(&mut self) -> Result<()> {
        loop {
            if self.ended && !self.tokens.is_empty() {
                return Ok(());
            }
            if self.tokens.len() > self.lookahead && !self.first_may_be_key()? {
                return Ok(());
            }
            self.fetch()?;
        }
    }

    /// Whether the first token in the queue may still turn out to be a key.
    fn first_may_be_key(&mut self) -> Result<bool> {
        let at = self.keys.partition_point(|key| key.number < self.taken);
        match self.keys.get(at) {
            Some(key) if key.number == self.taken => self.is_valid(at),
            _ => Ok(false),
        }
    }

    fn is_valid(&mut self, at: usize) -> Result<bool> {
        let (key, now) = (&mut self.keys[at], self.cursor.mark);
        if key.possible && (key.mark.line < now.line || key.mark.index + MAX_KEY < now.index) {
            if key.required {
                let context = key.mark;
                return Err(self.error(context, "could not find expected ':'"));
            }
            key.possible = false;
        }
        Ok(key.possible)
    }

    fn in_flow(&self) -> bool {
        self.keys.len() > 1
    }

    fn save_key(&mut self) -> Result<()> {
        if self.key_allowed {
            let mark = self.cursor.mark;
            let required = !self.in_flow() && self.floor == mark.column + 1;
            self.drop_key()?;
            let number = self.taken + self.tokens.len();
            *self.last_key() = PossibleKey { possible: true, required, number, mark };
        }
        Ok(())
    }

    fn drop_key(&mut self) -> Result<()> {
        let key = self.last_key();
        if key.possible && key.required {
            let context = key.mark;
            return Err(self.error(context, "could not find expected ':'"));
        }
        key.possible = false;
        Ok(())
    }

    fn last_key(&mut self) -> &mut PossibleKey {
        self.keys.last_mut().expect("the level of blocks always stays")
    }

    /// Opens a block at a column that is further right than the one around it.
    fn indent(&mut self, column: usize, before: Option<usize>, kind: Kind<'a>, mark: Mark) -> Result<()> {
        if self.in_flow() || self.floor > column {
            return Ok(());
        }
        self.floors.push(self.floor);
        self.floor = column + 1;
        if self.floors.len() > MAX_DEPTH {
            return Err(self.error(mark, format!("exceeded max depth of {MAX_DEPTH}")));
        }
        self.insert(before, Token { kind, start: mark, end: mark });
        Ok(())
    }

    /// Closes the blocks that are further right. `floor`: the column and one, 0 for all.
    fn unindent(&mut self, floor: usize, mark: Mark) {
        while !self.in_flow() && self.floor > floor {
            self.push(Kind::BlockEnd, mark, mark);
            self.floor = self.floors.pop().unwrap_or(0);
        }
    }

    fn insert(&mut self, before: Option<usize>, token: Token<'a>) {
        match before {
            Some(number) => self.tokens.insert(number - self.taken, token),
            None => self.tokens.push_back(token),
        }
    }

    fn push(&mut self, kind: Kind<'a>, start: Mark, end: Mark) {
        self.tokens.push_back(Token { kind, start, end });
    }

    fn error(&self, context: Mark, problem: impl Into<std::borrow::Cow<'static, str>>) -> SyntaxError {
        SyntaxError { problem: problem.into(), at: self.cursor.mark, context: Some(context), scanning: true }
    }

    /// Puts the next token, or several, into the queue.
    fn fetch(&mut self) -> Result<()> {
        let before = self.cursor.mark;
        self.skip_to_token();
        self.unindent(self.cursor.mark.column + 1, before);
        if self.cursor.is_end() {
            return self.fetch_stream_end();
        }
        if self.cursor.mark.column == 0 && self.cursor.peek(0) == b'%' {
            self.reset_blocks()?;
            return self.directive();
        }
        if self.cursor.is_document_indicator() {
            return self.fetch_document_indicator();
        }
        self.fetch_content()?;
        let last = self.tokens.back();
        if last.is_some_and(|t| t.kind != Kind::BlockEntry && t.end.line == self.cursor.mark.line) {
            self.skip_line_comment();
        }
        Ok(())
    }

    fn fetch_content(&mut self) -> Result<()> {
        let cursor = &self.cursor;
        match cursor.peek(0) {
            b'[' => self.fetch_flow_start(Kind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(Kind::FlowMappingStart),
            b']' => self.fetch_flow_end(Kind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(Kind::FlowMappingEnd),
            b',' => {
                self.drop_key()?;
                self.key_allowed = true;
                self.indicator(Kind::FlowEntry);
                Ok(())
            }
            b'-' if cursor.is_gap(1) => self.fetch_block_entry(),
            b'?' if self.in_flow() || cursor.is_gap(1) => self.fetch_key(),
            b':' if self.in_flow() || cursor.is_gap(1) => self.fetch_value(),
            b'*' | b'&' => {
                self.save_key()?;
                self.key_allowed = false;
                self.anchor()
            }
            b'!' => {
                self.save_key()?;
                self.key_allowed = false;
                self.tag()
            }
            literal @ (b'|' | b'>') if !self.in_flow() => {
                self.drop_key()?;
                self.key_allowed = true;
                self.block_scalar(literal == b'|')
            }
            quote @ (b'\'' | b'"') => {
                self.save_key()?;
                self.key_allowed = false;
                self.quoted_scalar(quote == b'\'')
            }
            b'\t' | b'#' | b'%' | b'@' | b'`' | b'|' | b'>' => Err(self.no_token()),
            // neither `- ` nor, in blocks, `? ` and `: ` come here
            _ => {
                self.save_key()?;
                self.key_allowed = false;
                self.plain_scalar()
            }
        }
    }

    fn no_token(&self) -> SyntaxError {
        self.error(self.cursor.mark, "found character that cannot start any token")
    }

    /// A token of one character.
    fn indicator(&mut self, kind: Kind<'a>) {
        let start = self.cursor.mark;
        self.cursor.skip();
        self.push(kind, start, self.cursor.mark);
    }

    fn reset_blocks(&mut self) -> Result<()> {
        self.unindent(0, self.cursor.mark);
        self.drop_key()?;
        self.key_allowed = false;
        Ok(())
    }

    fn fetch_stream_end(&mut self) -> Result<()> {
        if self.cursor.mark.column != 0 {
            self.cursor.mark.column = 0;
            self.cursor.mark.line += 1;
        }
        self.reset_blocks()?;
        self.ended = true;
        self.push(Kind::StreamEnd, self.cursor.mark, self.cursor.mark);
        Ok(())
    }

    fn fetch_document_indicator(&mut self) -> Result<()> {
        self.reset_blocks()?;
        let kind = if self.cursor.peek(0) == b'-' { Kind::DocumentStart } else { Kind::DocumentEnd };
        let start = self.cursor.mark;
        self.cursor.skip_ascii(3);
        self.push(kind, start, self.cursor.mark);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: Kind<'a>) -> Result<()> {
        self.save_key()?;
        let mark = self.cursor.mark;
        let number = self.taken + self.tokens.len();
        self.keys.push(PossibleKey { number, mark, ..PossibleKey::default() });
        if self.keys.len() > MAX_DEPTH {
            return Err(self.error(mark, format!("exceeded max depth of {MAX_DEPTH}")));
        }
        self.key_allowed = true;
        self.indicator(kind);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: Kind<'a>) -> Result<()> {
        self.drop_key()?;
        if self.in_flow() {
            self.keys.pop();
        }
        self.key_allowed = false;
        self.indicator(kind);
        Ok(())
    }

    /// Goes to the next line; only blanks and a comment may be left on this one, which began with `start`.
    fn end_line(&mut self, start: Mark) -> Result<()> {
        self.cursor.skip_blanks();
        if self.cursor.peek(0) == b'#' {
            self.cursor.skip_to_break();
        }
        if !self.cursor.is_break_or_end(0) {
            return Err(self.error(start, "did not find expected comment or line break"));
        }
        self.cursor.skip_break();
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<()> {
        let mark = self.cursor.mark;
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(self.error(mark, "block sequence entries are not allowed in this context"));
            }
            self.indent(mark.column, None, Kind::BlockSequenceStart, mark)?;
        }
        self.drop_key()?;
        self.key_allowed = true;
        self.indicator(Kind::BlockEntry);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<()> {
        let mark = self.cursor.mark;
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(self.error(mark, "mapping keys are not allowed in this context"));
            }
            self.indent(mark.column, None, Kind::BlockMappingStart, mark)?;
        }
        self.drop_key()?;
        self.key_allowed = !self.in_flow();
        self.indicator(Kind::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<()> {
        let mark = self.cursor.mark;
        if self.is_valid(self.keys.len() - 1)? {
            let key = *self.last_key();
            let token = Token { kind: Kind::Key, start: key.mark, end: key.mark };
            self.insert(Some(key.number), token);
            self.indent(key.mark.column, Some(key.number), Kind::BlockMappingStart, key.mark)?;
            self.last_key().possible = false;
            self.key_allowed = false;
        } else {
            if !self.in_flow() {
                if !self.key_allowed {
                    return Err(self.error(mark, "mapping values are not allowed in this context"));
                }
                self.indent(mark.column, None, Kind::BlockMappingStart, mark)?;
            }
            self.key_allowed = !self.in_flow();
        }
        self.indicator(Kind::Value);
        Ok(())
    }

    /// Over blanks, comments and line breaks. A tab is white space only where no block can begin.
    fn skip_to_token(&mut self) {
        loop {
            if self.cursor.mark.column == 0
                && self.cursor.text[self.cursor.mark.byte..].starts_with('\u{feff}')
            {
                self.cursor.skip();
            }
            while self.cursor.peek(0) == b' '
                || (self.cursor.peek(0) == b'\t' && (self.in_flow() || !self.key_allowed))
            {
                self.cursor.skip_ascii(1);
            }
            if self.cursor.peek(0) == b'#' {
                self.skip_comments();
            }
            if self.cursor.skip_break().is_empty() {
                return;
            }
            if !self.in_flow() {
                self.key_allowed = true;
            }
        }
    }

    /// Over a comment and those on the lines below it, whatever stands before them.
    fn skip_comments(&mut self) {
        loop {
            self.cursor.skip_to_break();
            let mut ahead = self.cursor.clone();
            while ahead.is_blank(0) || ahead.is_break(0) {
                ahead.skip_blanks();
                ahead.skip_break();
            }
            if ahead.peek(0) != b'#' {
                return;
            }
            self.cursor = ahead;
        }
    }

    fn skip_line_comment(&mut self) {
        let mut ahead = self.cursor.clone();
        ahead.skip_blanks();
        if ahead.peek(0) == b'#' {
            ahead.skip_to_break();
            self.cursor = ahead;
        }
    }
}
