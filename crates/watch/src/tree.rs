//! The picture of the watched trees, and its difference from the disk.

use crate::run::{Hint, merge};
use crate::{Change, ChangeKind, ChangeSet, Error, MORE_WATCHES};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    is_dir: bool,
    mode: u32,
    size: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Stamp {
        let is_dir = meta.is_dir();
        Stamp {
            is_dir,
            mode: meta.mode(),
            // of a directory only its identity counts: its entries are looked at by themselves
            size: if is_dir { 0 } else { meta.size() },
            inode: meta.ino(),
            modified: if is_dir { (0, 0) } else { (meta.mtime(), meta.mtime_nsec()) },
            changed: if is_dir { (0, 0) } else { (meta.ctime(), meta.ctime_nsec()) },
        }
    }
}

pub(crate) struct Tree {
    roots: Vec<PathBuf>,
    ignore: Box<dyn Fn(&Path) -> bool + Send + Sync>,
    notify: RecommendedWatcher,
    picture: BTreeMap<PathBuf, Stamp>,
    watched: BTreeSet<PathBuf>,
    problem: Option<String>,
}

type Found = BTreeMap<PathBuf, ChangeKind>;

impl Tree {
    pub(crate) fn new(
        mut roots: Vec<PathBuf>,
        ignore: Box<dyn Fn(&Path) -> bool + Send + Sync>,
        notify: RecommendedWatcher,
    ) -> Tree {
        roots.sort();
        roots.dedup();
        // a root below another one is watched with it
        let all = roots.clone();
        roots.retain(|r| !all.iter().any(|other| other != r && r.starts_with(other)));
        Tree { roots, ignore, notify, picture: BTreeMap::new(), watched: BTreeSet::new(), problem: None }
    }

    /// Sets the watches and takes the first picture.
    pub(crate) fn start(&mut self) -> Result<(), Error> {
        for root in self.roots.clone() {
            self.watch_ancestor(&root)?;
            self.scan(&root, &mut Found::new())?;
        }
        Ok(())
    }

    /// The nearest directory above a root tells when the root comes or goes.
    fn watch_ancestor(&mut self, root: &Path) -> Result<(), Error> {
        match root.ancestors().skip(1).find(|a| a.is_dir()) {
            Some(dir) => self.watch(dir),
            None => Ok(()),
        }
    }

    fn watch(&mut self, dir: &Path) -> Result<(), Error> {
        if self.watched.contains(dir) {
            return Ok(());
        }
        match self.notify.watch(dir, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.watched.insert(dir.to_owned());
                Ok(())
            }
            Err(e) if matches!(e.kind, notify::ErrorKind::PathNotFound) => Ok(()),
            Err(e) if matches!(&e.kind, notify::ErrorKind::Io(io) if io.kind() == std::io::ErrorKind::NotFound) => {
                Ok(())
            }
            Err(e) => {
                let path = dir.to_owned();
                Err(match &e.kind {
                    notify::ErrorKind::MaxFilesWatch => {
                        Error::NoWatchesLeft { path, hint: MORE_WATCHES.to_owned() }
                    }
                    notify::ErrorKind::Io(io) if io.raw_os_error() == Some(28) => {
                        Error::NoWatchesLeft { path, hint: MORE_WATCHES.to_owned() }
                    }
                    _ => Error::Watch { path, source: e },
                })
            }
        }
    }

    /// Takes everything at and below a path into the picture, and says what is new.
    fn scan(&mut self, path: &Path, found: &mut Found) -> Result<(), Error> {
        if (self.ignore)(path) {
            return Ok(());
        }
        let Ok(meta) = std::fs::symlink_metadata(path) else { return Ok(()) };
        let stamp = Stamp::of(&meta);
        if self.picture.insert(path.to_owned(), stamp) != Some(stamp) {
            note(found, path, ChangeKind::Written);
        }
        if !stamp.is_dir {
            return Ok(());
        }
        // first the watch, then the look: nothing can come between
        self.watch(path)?;
        let Ok(entries) = std::fs::read_dir(path) else { return Ok(()) };
        for entry in entries.flatten() {
            self.scan(&entry.path(), found)?;
        }
        Ok(())
    }

    fn scan_or_tell(&mut self, path: &Path, found: &mut Found) {
        if let Err(error) = self.scan(path, found) {
            let hint = error.hint().map(|h| format!("; {h}")).unwrap_or_default();
            self.problem = Some(format!("{error}{hint}"));
        }
    }

    /// Looks at these paths.
    pub(crate) fn look(&mut self, paths: &BTreeMap<PathBuf, Hint>) -> ChangeSet {
        let mut found = Found::new();
        for (path, hint) in paths {
            self.look_at(path, *hint, &mut found);
        }
        self.change_set(found)
    }

    fn look_at(&mut self, path: &Path, hint: Hint, found: &mut Found) {
        let Some(_) = self.roots.iter().find(|r| path.starts_with(r)) else {
            // above a root: it may have come or gone with this directory
            let roots: Vec<PathBuf> = self.roots.iter().filter(|r| r.starts_with(path)).cloned().collect();
            for root in roots {
                if hint.gone {
                    self.watched.retain(|w| !w.starts_with(path));
                }
                if self.watch_ancestor(&root).is_ok() {
                    self.look_at(&root, hint, found);
                }
            }
            return;
        };
        if self.is_ignored(path) {
            return;
        }
        let before = self.picture.get(path).copied();
        let now = std::fs::symlink_metadata(path).ok().map(|m| Stamp::of(&m));
        match (before, now) {
            (None, None) => {}
            (Some(_), None) => {
                self.forget(path);
                note(found, path, ChangeKind::Removed);
            }
            (None, Some(_)) => self.scan_or_tell(path, found),
            (Some(before), Some(now)) if before.is_dir || now.is_dir => {
                let same = before.is_dir && now.is_dir && before.inode == now.inode && !hint.gone;
                if !same {
                    self.forget(path);
                    self.scan_or_tell(path, found);
                    note(found, path, ChangeKind::Replaced);
                } else if before.mode != now.mode {
                    self.picture.insert(path.to_owned(), now);
                    note(found, path, ChangeKind::Written);
                }
            }
            (Some(before), Some(now)) => {
                self.picture.insert(path.to_owned(), now);
                if hint.data || before != now {
                    note(found, path, ChangeKind::Written);
                }
            }
        }
    }

    /// Ignored itself, or by a directory between it and its root.
    fn is_ignored(&self, path: &Path) -> bool {
        let Some(root) = self.roots.iter().find(|r| path.starts_with(r)) else { return true };
        path.ancestors().take_while(|a| a.starts_with(root)).any(|a| (self.ignore)(a))
    }

    fn forget(&mut self, path: &Path) {
        let below: Vec<PathBuf> = self
            .picture
            .range(path.to_owned()..)
            .take_while(|(p, _)| p.starts_with(path))
            .map(|(p, _)| p.clone())
            .collect();
        for gone in below {
            self.picture.remove(&gone);
            if self.watched.remove(&gone) {
                // a directory that was moved away is still watched under its old name
                self.notify.unwatch(&gone).ok();
            }
        }
    }

    /// Events were lost: compares everything.
    pub(crate) fn rescan(&mut self, paths: &BTreeMap<PathBuf, Hint>) -> ChangeSet {
        let mut found = Found::new();
        let known: Vec<PathBuf> = self.picture.keys().cloned().collect();
        for path in known {
            if self.picture.contains_key(&path) {
                self.look_at(&path, Hint::default(), &mut found);
            }
        }
        for root in self.roots.clone() {
            self.scan_or_tell(&root, &mut found);
        }
        for (path, hint) in paths {
            self.look_at(path, *hint, &mut found);
        }
        self.change_set(found)
    }

    fn change_set(&mut self, found: Found) -> ChangeSet {
        ChangeSet {
            changes: found.into_iter().map(|(path, kind)| Change { path, kind }).collect(),
            rescanned: false,
            problem: self.problem.take(),
        }
    }
}

fn note(found: &mut Found, path: &Path, kind: ChangeKind) {
    let kind = merge(found.get(path).copied(), kind);
    found.insert(path.to_owned(), kind);
}
