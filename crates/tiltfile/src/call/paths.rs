//! Paths, by their text alone.

use std::path::{Component, Path, PathBuf};

/// Joins and cleans, without looking at the disk.
pub(crate) fn absolute(dir: &Path, path: &str) -> PathBuf {
    clean(&dir.join(path))
}

/// Takes `.`, `..` and doubled slashes out.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() && !out.has_root() {
                    out.push("..");
                }
            }
            other => out.push(other),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}
