//! Why a build failed.
use std::path::PathBuf;
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the builder is being written: {name} {} {}", path.display(), images.display())]
    Starting { name: String, path: PathBuf, images: PathBuf },
}

impl Error {
    /// Line in the Dockerfile.
    pub fn line(&self) -> Option<usize> {
        None
    }
    pub fn hint(&self) -> Option<String> {
        None
    }
}
