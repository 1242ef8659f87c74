//! Spans, diagnostics with hints, and how they are shown.
//!
//! A [`Diagnostic`] says what is wrong, where, and what to do; it knows no file system and no terminal. Crates that
//! read the user's files make them, [`render`] turns one into text. Enter at [`Diagnostic::error`].

mod render;

use std::fmt;

pub use render::render;

/// A range of bytes in a source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Span {
        Span { start, end }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    Error,
    Warning,
    Note,
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// Line and column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    /// Where a byte offset lies in a text. Offsets past the end mean the end.
    pub fn of(text: &str, offset: usize) -> Position {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Position {
            line: before.bytes().filter(|b| *b == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// What is wrong, lower case, no full stop.
    pub message: String,
    pub file: Option<String>,
    pub position: Option<Position>,
    /// The bytes that the carets go under; needs the source text to be shown.
    pub span: Option<Span>,
    /// What to do about it.
    pub hint: Option<String>,
    pub notes: Vec<String>,
}

impl Diagnostic {
    pub fn new(severity: Severity, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity,
            message: message.into(),
            file: None,
            position: None,
            span: None,
            hint: None,
            notes: Vec::new(),
        }
    }

    pub fn error(message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, message)
    }

    pub fn warning(message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, message)
    }

    /// Points at a span of `source`, and works out line and column from it.
    pub fn at(mut self, source: &str, span: Span) -> Diagnostic {
        self.position = Some(Position::of(source, span.start));
        self.span = Some(span);
        self
    }

    pub fn at_position(mut self, position: Position) -> Diagnostic {
        self.position = Some(position);
        self
    }

    pub fn in_file(mut self, file: impl Into<String>) -> Diagnostic {
        self.file = Some(file.into());
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Diagnostic {
        self.hint = Some(hint.into());
        self
    }

    pub fn note(mut self, note: impl Into<String>) -> Diagnostic {
        self.notes.push(note.into());
        self
    }

    /// `file:line:column`, as far as known.
    pub fn place(&self) -> Option<String> {
        match (&self.file, self.position) {
            (Some(file), Some(at)) => Some(format!("{file}:{}:{}", at.line, at.column)),
            (Some(file), None) => Some(file.clone()),
            (None, Some(at)) => Some(format!("{}:{}", at.line, at.column)),
            (None, None) => None,
        }
    }
}

/// One line: `file:line:column: message`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Diagnostic {}
