//! What of the file system a plan depends on, watched.

use crate::error::SessionError;
use devloop::{Change, ChangeKind, Event, WatchScope};
use parking_lot::RwLock;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tiltfile::Plan;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use watch::{ChangeSet, Watcher};

/// A running watch; it ends when dropped.
pub(crate) struct Watching {
    watcher: Option<Watcher>,
    pump: JoinHandle<()>,
    scope: Arc<RwLock<WatchScope>>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        if self.watcher.is_some() {
            self.pump.abort();
        }
    }
}

impl Watching {
    pub(crate) fn start(
        plan: &Plan,
        files_read: &BTreeSet<PathBuf>,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, SessionError> {
        let scope = Arc::new(RwLock::new(WatchScope::new(plan, files_read)));
        let roots = roots(&scope.read());
        let shared = scope.clone();
        let ignored = move |path: &Path| is_never_source(path) || shared.read().ignores(path);
        let (watcher, mut changes) = Watcher::start(roots, ignored)?;
        let pump = tokio::spawn(async move {
            while let Some(set) = changes.recv().await {
                if events.send(event(set)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { watcher: Some(watcher), pump, scope })
    }

    /// Watches what the new plan wants. The new watch starts before the old one ends, and the old one still tells what it
    /// has not told: nothing falls between.
    pub(crate) fn update(
        &mut self,
        plan: &Plan,
        files_read: &BTreeSet<PathBuf>,
        events: mpsc::Sender<Event>,
    ) -> Result<(), SessionError> {
        let next = WatchScope::new(plan, files_read);
        if roots(&next) == roots(&self.scope.read()) {
            *self.scope.write() = next;
            return Ok(());
        }
        let mut old = std::mem::replace(self, Self::start(plan, files_read, events)?);
        if let Some(watcher) = old.watcher.take() {
            watcher.finish();
        }
        Ok(())
    }
}

fn roots(scope: &WatchScope) -> Vec<PathBuf> {
    scope.roots().to_vec()
}

fn event(set: ChangeSet) -> Event {
    let kind = |kind| match kind {
        watch::ChangeKind::Written => ChangeKind::Written,
        watch::ChangeKind::Removed => ChangeKind::Removed,
        watch::ChangeKind::Replaced => ChangeKind::Replaced,
    };
    Event::FilesChanged {
        changes: set.changes.into_iter().map(|c| Change { path: c.path, kind: kind(c.kind) }).collect(),
    }
}

/// Version control's own files change with every command of the user's, and are in no image.
fn is_never_source(path: &Path) -> bool {
    path.components().any(|part| matches!(part.as_os_str().to_str(), Some(".git" | ".hg" | ".svn")))
}
