//! The operating system's files: the one module of this crate that touches the world, so that every caller
//! (command line, Tiltfile, tests) reads a directory in the same way.

use std::path::Path;

use crate::files::{FileError, Files};

/// Files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        std::fs::read(path).map_err(|e| failure(path, &e))
    }

    fn exists(&self, path: &str) -> bool {
        Path::new(path).exists()
    }

    fn is_dir(&self, path: &str) -> bool {
        Path::new(path).is_dir()
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|e| failure(path, &e))? {
            let entry = entry.map_err(|e| failure(path, &e))?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn canonical(&self, path: &str) -> Result<String, FileError> {
        let path = std::fs::canonicalize(path).map_err(|e| failure(path, &e))?;
        Ok(path.to_string_lossy().into_owned())
    }
}

fn failure(path: &str, error: &std::io::Error) -> FileError {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_string(),
        _ => error.to_string(),
    };
    FileError { path: path.to_string(), reason }
}
