//! Which paths changed, and when: the memory that makes it possible to bring any container up to date.

use crate::event::{Change, ChangeKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Counts change sets. A build that starts at `n` holds every change up to and including `n`.
pub(crate) type Seq = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Entry {
    /// When something was there last.
    pub(crate) written: Seq,
    /// When it was last known to be gone, or to have been gone in between.
    pub(crate) removed: Seq,
}

impl Entry {
    pub(crate) fn last(self) -> Seq {
        self.written.max(self.removed)
    }
    pub(crate) fn exists(self) -> bool {
        self.written >= self.removed && self.written > 0
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct ChangeLog {
    entries: BTreeMap<PathBuf, Entry>,
}

impl ChangeLog {
    pub(crate) fn add(&mut self, change: &Change, seq: Seq) {
        let gone = matches!(change.kind, ChangeKind::Removed | ChangeKind::Replaced);
        if gone {
            // what was below is gone with it; what is below now is reported after
            for (path, entry) in self.entries.range_mut(change.path.clone()..) {
                if !path.starts_with(&change.path) {
                    break;
                }
                if entry.written < seq {
                    entry.removed = seq;
                }
            }
        }
        let entry = self.entries.entry(change.path.clone()).or_default();
        if gone {
            entry.removed = seq;
        }
        if change.kind != ChangeKind::Removed {
            entry.written = seq;
        }
    }

    /// Changes after `mark`, by path.
    pub(crate) fn since(&self, mark: Seq) -> impl Iterator<Item = (&Path, Entry)> {
        self.entries.iter().filter(move |(_, e)| e.last() > mark).map(|(p, e)| (p.as_path(), *e))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Path, Entry)> {
        self.entries.iter().map(|(p, e)| (p.as_path(), *e))
    }

    /// Takes over what another log knows about a path.
    pub(crate) fn set(&mut self, path: &Path, entry: Entry) {
        self.entries.insert(path.to_owned(), entry);
    }
}
