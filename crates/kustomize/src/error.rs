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
    /// What was being done when the cause came up, from the outside in.
    #[error("{doing}: {cause}")]
    While { doing: String, cause: Box<Error> },
    /// The same, where kustomize does not say it.
    #[error("{cause}")]
    Noted { note: String, cause: Box<Error> },
    /// What kustomize says, word for word, where we say it better.
    #[error("{upstream}")]
    Worded { upstream: String, cause: Box<Error> },
    /// Errors that have nothing to do with each other, the one at which kustomize stops first.
    #[error("{first}")]
    Several { first: Box<Error>, others: Vec<Error> },
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
            outer => outer.map_cause(|cause| cause.hint(hint)),
        }
    }

    fn map_cause(self, change: impl FnOnce(Error) -> Error) -> Error {
        match self {
            Error::While { doing, cause } => Error::While { doing, cause: Box::new(change(*cause)) },
            Error::Noted { note, cause } => Error::Noted { note, cause: Box::new(change(*cause)) },
            Error::Worded { upstream, cause } => Error::Worded { upstream, cause: Box::new(change(*cause)) },
            Error::Several { first, others } => Error::Several { first: Box::new(change(*first)), others },
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
            Error::Several { first, others } => Error::Several {
                first: Box::new(first.at_place(place)),
                others: others.into_iter().map(|other| other.at_place(place)).collect(),
            },
            outer @ (Error::While { .. } | Error::Noted { .. } | Error::Worded { .. }) => {
                outer.map_cause(|cause| cause.at_place(place))
            }
            Error::File(e) => {
                let error = Error::new(e.to_string());
                error.at_place(place)
            }
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
                let is = |start: &str| upstream.starts_with(start);
                is(MALFORMED_YAML) || is(GO_NIL_MAP) || cause.is_malformed_yaml()
            }
            Error::While { cause, .. } | Error::Noted { cause, .. } => cause.is_malformed_yaml(),
            Error::Several { first, .. } => first.is_malformed_yaml(),
            _ => false,
        }
    }

    /// The whole on one line as kustomize words it: what was being done, from the outside in, then what is wrong.
    /// Where it is wrong, [`Error::to_diagnostic`] says.
    pub fn chain(&self) -> String {
        match self {
            Error::Input { diagnostic } => diagnostic.message.clone(),
            Error::File(e) => e.to_string(),
            Error::While { doing, cause } => format!("{doing}: {}", cause.chain()),
            Error::Noted { cause, .. } => cause.chain(),
            Error::Worded { upstream, .. } => upstream.clone(),
            Error::Several { first, .. } => first.chain(),
        }
    }

    /// One diagnostic for the whole: the innermost place and hint, the way there as notes. Of several, the first.
    pub fn to_diagnostic(&self) -> Diagnostic {
        self.to_diagnostics().swap_remove(0)
    }

    /// All of them, at least one.
    pub fn to_diagnostics(&self) -> Vec<Diagnostic> {
        match self {
            Error::Several { first, others } => {
                std::iter::once(&**first).chain(others).flat_map(Error::to_diagnostics).collect()
            }
            Error::Worded { cause, .. } => cause.to_diagnostics(),
            Error::While { doing, cause } | Error::Noted { note: doing, cause } => {
                cause.to_diagnostics().into_iter().map(|diagnostic| with_note(diagnostic, doing)).collect()
            }
            Error::Input { diagnostic } => vec![(**diagnostic).clone()],
            Error::File(e) => {
                vec![Diagnostic::error(format!("cannot read file: {}", e.reason)).in_file(&e.path)]
            }
        }
    }
}

fn with_note(mut diagnostic: Diagnostic, doing: &str) -> Diagnostic {
    diagnostic.notes.insert(0, format!("while {doing}"));
    diagnostic
}

/// Keeps errors back, so that what does not depend on each other is told together.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    kept: Vec<Error>,
}

impl Errors {
    /// The value, or its default if there is an error, which is kept.
    pub(crate) fn keep<T: Default>(&mut self, result: Result<T>) -> T {
        result.unwrap_or_else(|error| {
            self.kept.push(error);
            T::default()
        })
    }

    pub(crate) fn map(self, change: impl Fn(Error) -> Error) -> Errors {
        Errors { kept: self.kept.into_iter().map(change).collect() }
    }

    /// Fails if anything was kept.
    pub(crate) fn finish(self) -> Result<()> {
        let mut kept = self.kept.into_iter();
        let Some(first) = kept.next() else { return Ok(()) };
        let others: Vec<Error> = kept.collect();
        Err(if others.is_empty() { first } else { Error::Several { first: Box::new(first), others } })
    }
}

/// What kustomize calls text that is no YAML.
pub(crate) const MALFORMED_YAML: &str = "MalformedYAMLError";

/// What its messages about an object that it cannot print begin with.
pub(crate) const GO_NIL_MAP: &str = "map[string]interface {}(nil)";

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
