//! What can go wrong at the node.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no running container {container} in pod {namespace}/{pod}")]
    NotRunning { namespace: String, pod: String, container: String },
    #[error("cannot {doing} {}", .path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("the archive of files is damaged")]
    Archive { source: io::Error },
    #[error("cannot register the node {name}")]
    Register { name: String, source: Box<api::ApiError> },
    #[error("container {id}")]
    Container { id: String, source: runtime::Error },
    #[error("this work was stopped before its end")]
    Stopped,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
