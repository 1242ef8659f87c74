//! Physical lines become logical ones: continuations joined, comments and blank lines dropped.

/// One instruction's text with a way back to where each part was written.
#[derive(Debug, Clone)]
pub(crate) struct Logical {
    pub(crate) text: String,
    /// Offset in `text` → line and column (1-based) where that part begins.
    pieces: Vec<(usize, usize, usize)>,
}

impl Logical {
    /// Line and column (1-based) of a byte offset in the text.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let piece = self.pieces.iter().rev().find(|piece| piece.0 <= offset).unwrap_or(&self.pieces[0]);
        let between = self.text.get(piece.0..offset).unwrap_or_default();
        (piece.1, piece.2 + between.chars().count())
    }

    pub(crate) fn line(&self) -> usize {
        self.pieces[0].1
    }

    /// For text that is not in a file of its own (ONBUILD triggers).
    pub(crate) fn single(text: &str, line: usize) -> Logical {
        Logical { text: text.trim().to_owned(), pieces: vec![(0, line, 1)] }
    }
}

pub(crate) struct Reader<'a> {
    lines: Vec<&'a str>,
    next: usize,
    pub(crate) escape: char,
}

impl<'a> Reader<'a> {
    /// Reads the parser directives at the top, if any.
    pub(crate) fn new(text: &'a str) -> Reader<'a> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
        let mut reader = Reader { lines, next: 0, escape: '\\' };
        while let Some((key, value)) = reader.lines.get(reader.next).and_then(|line| directive(line)) {
            if key == "escape" && value == "`" {
                reader.escape = '`';
            }
            reader.next += 1;
        }
        reader
    }

    /// The next instruction's text.
    pub(crate) fn logical(&mut self) -> Option<Logical> {
        let mut logical = Logical { text: String::new(), pieces: Vec::new() };
        while let Some(line) = self.lines.get(self.next) {
            self.next += 1;
            let trimmed = line.trim_start();
            // Comments and blank lines are dropped inside a continued instruction, too.
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let first = logical.pieces.is_empty();
            let part = if first { trimmed } else { line };
            let column = 1 + if first { line.chars().count() - trimmed.chars().count() } else { 0 };
            logical.pieces.push((logical.text.len(), self.next, column));
            match self.continued(part) {
                Some(part) => logical.text.push_str(part),
                None => {
                    logical.text.push_str(part.trim_end());
                    return Some(logical);
                }
            }
        }
        (!logical.pieces.is_empty()).then(|| {
            logical.text.truncate(logical.text.trim_end().len());
            logical
        })
    }

    /// The line without its continuation mark, if it has one. A doubled mark is no continuation.
    fn continued<'b>(&self, line: &'b str) -> Option<&'b str> {
        let part = line.trim_end_matches([' ', '\t']).strip_suffix(self.escape)?;
        (!part.ends_with(self.escape)).then_some(part)
    }

    /// Lines up to the one that ends a here-document; `None` if it never ends.
    pub(crate) fn heredoc(&mut self, name: &str, strip_tabs: bool) -> Option<String> {
        let mut body = String::new();
        while let Some(line) = self.lines.get(self.next) {
            self.next += 1;
            let line = if strip_tabs { line.trim_start_matches('\t') } else { line };
            if line == name {
                return Some(body);
            }
            body.push_str(line);
            body.push('\n');
        }
        None
    }
}

/// `# key=value` at the top of the file.
fn directive(line: &str) -> Option<(String, &str)> {
    let (key, value) = line.trim().strip_prefix('#')?.split_once('=')?;
    let key = key.trim().to_ascii_lowercase();
    matches!(key.as_str(), "syntax" | "escape" | "check").then_some((key, value.trim()))
}
