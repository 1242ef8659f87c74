//! What can go wrong in a build: what, where, and on the way to what.

use diag::Diagnostic;

use crate::files::FileError;
use crate::spec::Place;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The user's input is wrong, at a place if one is known.
    #[error("{diagnostic}")]
    Input { diagnostic: Box<Diagnostic> },
    #[error(transparent)]
    File(#[from] FileError),
    /// A field of kustomize that this version does not carry out.
    #[error("{diagnostic}")]
    NotBuilt { field: String, diagnostic: Box<Diagnostic> },
    /// What was being done when the cause came up, from the outside in.
    #[error("{doing}: {cause}")]
    While { doing: String, cause: Box<Error> },
    /// The same, where kustomize does not say it.
    #[error("{cause}")]
    Noted { note: String, cause: Box<Error> },
    /// What kustomize says, word for word, where we say it better.
    #[error("{upstream}")]
    Worded { upstream: String, cause: Box<Error> },
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Error {
        Error::Input { diagnostic: Box::new(Diagnostic::error(message)) }
    }

    pub(crate) fn hint(self, hint: &str) -> Error {
        match self {
            Error::Input { mut diagnostic } => {
                diagnostic.hint = Some(hint.to_string());
                Error::Input { diagnostic }
            }
            Error::File(e) => Error::new(e.to_string()).hint(hint),
            other @ Error::NotBuilt { .. } => other,
            outer => outer.map_cause(|cause| cause.hint(hint)),
        }
    }

    fn map_cause(self, change: impl FnOnce(Error) -> Error) -> Error {
        match self {
            Error::While { doing, cause } => Error::While { doing, cause: Box::new(change(*cause)) },
            Error::Noted { note, cause } => Error::Noted { note, cause: Box::new(change(*cause)) },
            Error::Worded { upstream, cause } => Error::Worded { upstream, cause: Box::new(change(*cause)) },
            innermost => innermost,
        }
    }

    /// Says where the user asked for what failed, unless the error knows a place of its own.
    pub(crate) fn at_place(self, place: &Place) -> Error {
        match self {
            Error::Input { mut diagnostic } => {
                if diagnostic.file.is_none() && diagnostic.position.is_none() {
                    diagnostic.file = Some(place.file.clone());
                    diagnostic.position = place.position;
                    diagnostic.span = Some(place.span);
                }
                Error::Input { diagnostic }
            }
            outer @ (Error::While { .. } | Error::Noted { .. } | Error::Worded { .. }) => {
                outer.map_cause(|cause| cause.at_place(place))
            }
            Error::File(e) => {
                let error = Error::new(e.to_string());
                error.at_place(place)
            }
            other @ Error::NotBuilt { .. } => other,
        }
    }

    pub(crate) fn doing(self, doing: impl Into<String>) -> Error {
        Error::While { doing: doing.into(), cause: Box::new(self) }
    }

    /// As [`Error::doing`], in our diagnostic alone.
    pub(crate) fn noting(self, note: impl Into<String>) -> Error {
        Error::Noted { note: note.into(), cause: Box::new(self) }
    }

    /// Kustomize's own words for the whole.
    pub(crate) fn worded(self, upstream: impl Into<String>) -> Error {
        Error::Worded { upstream: upstream.into(), cause: Box::new(self) }
    }

    /// Words that kustomize puts in front, and that explain nothing.
    pub(crate) fn prefixed(self, prefix: &str) -> Error {
        let upstream = format!("{prefix}: {}", self.chain());
        self.worded(upstream)
    }

    /// The whole as kustomize puts it behind `%q`: in quotes, on one line.
    pub(crate) fn quoted(self, prefix: &str) -> Error {
        let upstream = format!("{prefix} {}", go_quote(&self.chain()));
        self.worded(upstream)
    }

    /// Whether the cause is text that is no YAML.
    pub(crate) fn is_malformed_yaml(&self) -> bool {
        match self {
            Error::Worded { upstream, cause } => {
                upstream.starts_with(MALFORMED_YAML) || cause.is_malformed_yaml()
            }
            Error::While { cause, .. } | Error::Noted { cause, .. } => cause.is_malformed_yaml(),
            _ => false,
        }
    }

    /// The whole on one line as kustomize words it: what was being done, from the outside in, then what is wrong.
    /// Where it is wrong, [`Error::to_diagnostic`] says.
    pub fn chain(&self) -> String {
        match self {
            Error::Input { diagnostic } | Error::NotBuilt { diagnostic, .. } => diagnostic.message.clone(),
            Error::File(e) => e.to_string(),
            Error::While { doing, cause } => format!("{doing}: {}", cause.chain()),
            Error::Noted { cause, .. } => cause.chain(),
            Error::Worded { upstream, .. } => upstream.clone(),
        }
    }

    /// One diagnostic for the whole: the innermost place and hint, the way there as notes.
    pub fn to_diagnostic(&self) -> Diagnostic {
        match self {
            Error::Input { diagnostic } | Error::NotBuilt { diagnostic, .. } => (**diagnostic).clone(),
            Error::File(e) => Diagnostic::error(format!("cannot read file: {}", e.reason)).in_file(&e.path),
            Error::Worded { cause, .. } => cause.to_diagnostic(),
            Error::While { doing, cause } | Error::Noted { note: doing, cause } => {
                let mut diagnostic = cause.to_diagnostic();
                diagnostic.notes.insert(0, format!("while {doing}"));
                diagnostic
            }
        }
    }
}

/// What kustomize calls text that is no YAML.
pub(crate) const MALFORMED_YAML: &str = "MalformedYAMLError";

fn go_quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

impl From<yaml::Error> for Error {
    fn from(e: yaml::Error) -> Error {
        Error::Input { diagnostic: e.diagnostic }
    }
}

pub(crate) type Result<T> = std::result::Result<T, Error>;
