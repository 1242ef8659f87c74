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
            other => other,
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
            Error::While { doing, cause } => Error::While { doing, cause: Box::new(cause.at_place(place)) },
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

    /// The whole on one line as kustomize words it: what was being done, from the outside in, then what is wrong.
    /// Where it is wrong, [`Error::to_diagnostic`] says.
    pub fn chain(&self) -> String {
        match self {
            Error::Input { diagnostic } | Error::NotBuilt { diagnostic, .. } => diagnostic.message.clone(),
            Error::File(e) => e.to_string(),
            Error::While { doing, cause } => format!("{doing}: {}", cause.chain()),
        }
    }

    /// One diagnostic for the whole: the innermost place and hint, the way there as notes.
    pub fn to_diagnostic(&self) -> Diagnostic {
        match self {
            Error::Input { diagnostic } | Error::NotBuilt { diagnostic, .. } => (**diagnostic).clone(),
            Error::File(e) => Diagnostic::error(format!("cannot read file: {}", e.reason)).in_file(&e.path),
            Error::While { doing, cause } => {
                let mut diagnostic = cause.to_diagnostic();
                diagnostic.notes.insert(0, format!("while {doing}"));
                diagnostic
            }
        }
    }
}

impl From<yaml::Error> for Error {
    fn from(e: yaml::Error) -> Error {
        Error::Input { diagnostic: e.diagnostic }
    }
}

pub(crate) type Result<T> = std::result::Result<T, Error>;
