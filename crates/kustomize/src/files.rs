//! Where files come from: a trait, and an implementation in memory.

use std::collections::BTreeMap;

use crate::path;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {path}: {reason}")]
pub struct FileError {
    pub path: String,
    pub reason: String,
}

/// Reads a tree of files. Paths are those that the caller of [`crate::build`] started from, with `/` between segments.
pub trait Files {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError>;
    fn exists(&self, path: &str) -> bool;
    fn is_dir(&self, path: &str) -> bool;
    /// The names in a directory.
    fn list(&self, path: &str) -> Result<Vec<String>, FileError>;
    /// The path without symbolic links, absolute where the implementation knows how.
    fn canonical(&self, path: &str) -> Result<String, FileError> {
        Ok(path::clean(path))
    }
}

/// Files in memory, for tests and for generated projects.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    files: BTreeMap<String, Vec<u8>>,
}

impl Memory {
    pub fn new() -> Memory {
        Memory::default()
    }

    pub fn with(mut self, path: &str, content: impl Into<Vec<u8>>) -> Memory {
        self.files.insert(path::clean(path), content.into());
        self
    }

    /// Files from one text: each begins with a line `//- path`.
    pub fn from_fixture(fixture: &str) -> Memory {
        let mut memory = Memory::new();
        for part in fixture.split("//- ").skip(1) {
            let (name, content) = part.split_once('\n').unwrap_or((part, ""));
            memory = memory.with(name.trim(), content);
        }
        memory
    }
}

impl Files for Memory {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let path = path::clean(path);
        self.files.get(&path).cloned().ok_or_else(|| FileError {
            reason: if self.is_dir(&path) { "is a directory" } else { "no such file or directory" }
                .to_string(),
            path,
        })
    }

    fn exists(&self, path: &str) -> bool {
        self.files.contains_key(&path::clean(path)) || self.is_dir(path)
    }

    fn is_dir(&self, path: &str) -> bool {
        let path = path::clean(path);
        path == "/"
            || path == "."
            || self.files.keys().any(|file| path::is_below(file, &path) && *file != path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        let path = path::clean(path);
        let mut names: Vec<String> = self
            .files
            .keys()
            .filter(|file| path::is_below(file, &path) && **file != path)
            .filter_map(|file| path::below(file, &path).split('/').next().map(str::to_string))
            .collect();
        names.dedup();
        Ok(names)
    }
}
