//! Why a text is no YAML that Kubernetes' tools take, and where.

use diag::{Diagnostic, Span};

/// A diagnostic with line and column; the reader knows no file name, the caller adds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{diagnostic}")]
pub struct Error {
    pub diagnostic: Box<Diagnostic>,
}

impl Error {
    pub(crate) fn at(text: &str, span: Span, message: impl Into<String>) -> Error {
        Error { diagnostic: Box::new(Diagnostic::error(message).at(text, span)) }
    }

    pub(crate) fn hint(mut self, hint: &str) -> Error {
        self.diagnostic.hint = Some(hint.to_string());
        self
    }

    pub fn in_file(mut self, file: impl Into<String>) -> Error {
        self.diagnostic.file = Some(file.into());
        self
    }
}
