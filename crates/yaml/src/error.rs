//! Why a text is no YAML that Kubernetes' tools take, and where.

use diag::{Diagnostic, Span};

/// A diagnostic with line and column; the reader knows no file name, the caller adds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{diagnostic}")]
pub struct Error {
    pub diagnostic: Box<Diagnostic>,
    /// In go-yaml's words, with its count of lines.
    upstream: Option<Box<str>>,
}

impl Error {
    pub(crate) fn at(text: &str, span: Span, message: impl Into<String>) -> Error {
        Error { diagnostic: Box::new(Diagnostic::error(message).at(text, span)), upstream: None }
    }

    pub(crate) fn worded(mut self, upstream: String) -> Error {
        self.upstream = Some(upstream.into());
        self
    }

    /// What go-yaml says: `yaml: line 4: did not find expected key`. Its line may be other than ours.
    pub fn upstream(&self) -> String {
        format!("yaml: {}", self.upstream.as_deref().unwrap_or(&self.diagnostic.message))
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
