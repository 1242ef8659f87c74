//! What can go wrong in the store.

use std::io;
use std::path::{Path, PathBuf};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{doing} {}", path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Reference(#[from] oci::ReferenceError),
    #[error("image `{name}` is not here")]
    NoImage { name: String },
    #[error("image `{name}` is not here and cannot be pulled from {registry}")]
    Pull { name: String, registry: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("content {digest} is not here")]
    NoBlob { digest: String },
    #[error("{what} is damaged: it should have digest {expected} but has {found}")]
    Damaged { what: String, expected: String, found: String },
    #[error("{what} is not a document that we can read")]
    Document { what: String, source: serde_json::Error },
    #[error("image `{name}` has no variant for {platform} (it has {available})")]
    Platform { name: String, platform: String, available: String },
    #[error("{what} is not an image archive: it has neither index.json nor manifest.json")]
    NotAnArchive { what: String },
    #[error("archive {what} names {missing} but does not hold it")]
    Incomplete { what: String, missing: String },
    #[error("layer {layer}: entry `{entry}`")]
    Entry { layer: String, entry: String, source: io::Error },
    #[error("layer {layer}: the archive is damaged")]
    Archive { layer: String, source: io::Error },
    #[error("layer {layer}: `{}` is of a kind that no archive can carry ({kind})", entry.display())]
    Kind { layer: String, entry: PathBuf, kind: &'static str },
    #[error("this work was stopped before its end")]
    Stopped,
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::File { doing, path, source }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Pull { name, .. } => Some(format!(
                "check the name and the network, or bring the image here from a file: coracle image import FILE (for `{name}`)"
            )),
            Error::NoImage { name } => {
                Some(format!("coracle image pull {name}, or coracle image import FILE"))
            }
            Error::NotAnArchive { .. } => Some(
                "for a plain root file system give the image a name: coracle image import FILE --name NAME"
                    .into(),
            ),
            Error::File { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some space, for example with coracle image prune".into())
            }
            _ => None,
        }
    }
}
