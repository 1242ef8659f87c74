//! What can go wrong with a container.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {doing} {path}")]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
    #[error("cannot start the {role} of {id}")]
    Spawn { role: &'static str, id: String, source: std::io::Error },
    #[error("{message}")]
    Start { id: String, code: i32, message: String },
    #[error("there is no container {id}")]
    NoContainer { id: String },
    #[error("there is no sandbox {id}")]
    NoSandbox { id: String },
    #[error("the container {id} is not running")]
    NotRunning { id: String },
    #[error("the container {id} exists already")]
    Exists { id: String },
    #[error("containers need root, or the capability to make namespaces")]
    NeedsRoot,
    #[error("cannot attach to the container {id}")]
    Attach { id: String, source: std::io::Error },
    #[error("cannot signal the container {id}")]
    Signal { id: String, source: std::io::Error },
    #[error("cannot change the limits of the container {id}")]
    Resize { id: String, source: std::io::Error },
    #[error("a container id may have letters, digits, '.', '_' and '-' only: {id:?}")]
    BadId { id: String },
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
