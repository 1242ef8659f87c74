//! File events of the operating system become settled change sets.
//!
//! A thread owns the watches and a picture of the trees (path, size, times). Events only say where to look; what is
//! reported is the difference between the picture and the disk, so atomic renames, temporary files and lost events come
//! out right. Nothing here knows what a change means.

mod run;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::mpsc as std_mpsc;
use tokio::sync::mpsc;

/// Watches trees and files until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    inbox: std_mpsc::Sender<run::Message>,
}

/// One settled set of changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeSet {
    /// Sorted by path, each path once.
    pub changes: Vec<Change>,
    /// Events were lost and everything was compared; `changes` is the exact difference all the same.
    pub rescanned: bool,
    /// Something cannot be watched from now on; the text is for the user.
    pub problem: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub path: PathBuf,
    pub kind: ChangeKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// Something is there: new, written, or renamed to this name.
    Written,
    /// Nothing is there any more; what was below it, if anything, is gone too.
    Removed,
    /// A directory that went away and came back, or a file that became a directory or the other way: what was below is
    /// gone, what is below now is reported by itself.
    Replaced,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot watch {}", path.display())]
    Watch { path: PathBuf, source: notify::Error },
    #[error("cannot watch {}: all inotify watches of this user are taken", path.display())]
    NoWatchesLeft { path: PathBuf, hint: String },
    #[error("cannot start the thread that watches files")]
    Thread { source: std::io::Error },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::NoWatchesLeft { hint, .. } => Some(hint),
            Error::Watch { .. } | Error::Thread { .. } => None,
        }
    }
}

/// How to get more watches.
pub(crate) const MORE_WATCHES: &str = "raise the limit: sudo sysctl fs.inotify.max_user_watches=1048576 (and in /etc/sysctl.d/ to keep it), or ignore large directories";

impl Watcher {
    /// Watches files and directories (with all below). A root need not exist yet. An ignored path is not reported, an
    /// ignored directory is not entered: say no for a directory below which something counts. Returns when every
    /// watch is in place: no later change is missed.
    pub fn start(
        roots: Vec<PathBuf>,
        ignore: impl Fn(&Path) -> bool + Send + Sync + 'static,
    ) -> Result<(Watcher, mpsc::Receiver<ChangeSet>), Error> {
        let (inbox, messages) = std_mpsc::channel();
        let to_inbox = inbox.clone();
        let notify = notify::recommended_watcher(move |event| {
            // the thread may be gone already
            to_inbox.send(run::Message::Event(event)).ok();
        })
        .map_err(|source| Error::Watch { path: roots.first().cloned().unwrap_or_default(), source })?;
        let (changes, receiver) = mpsc::channel(16);
        let mut tree = tree::Tree::new(roots, Box::new(ignore), notify);
        tree.start()?;
        std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || run::run(tree, &messages, &changes))
            .map_err(|source| Error::Thread { source })?;
        Ok((Watcher { inbox }, receiver))
    }
}

impl Watcher {
    /// Reports what has changed up to now and ends; the receiver's end is then the end of all changes. For a watch that
    /// takes this one's place and was started before: nothing falls between.
    pub fn finish(self) {
        self.inbox.send(run::Message::Finish).ok();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.inbox.send(run::Message::Stop).ok();
    }
}
