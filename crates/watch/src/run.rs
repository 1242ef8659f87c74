//! When to look: at once after a single save, and when it is over after a storm.

use crate::tree::Tree;
use crate::{ChangeKind, ChangeSet};
use notify::event::{AccessKind, AccessMode, EventKind, MetadataKind, ModifyKind, RenameMode};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

pub(crate) enum Message {
    Event(notify::Result<notify::Event>),
    /// Report what has changed up to now, and end.
    Finish,
    Stop,
}

/// A save is over when its file is closed and nothing follows for this long.
const QUIET: Duration = Duration::from_millis(2);
/// Something was moved away or is still open: editors put it back in a moment.
const QUIET_OPEN: Duration = Duration::from_millis(10);
/// Change sets follow each other closely: a storm.
const QUIET_STORM: Duration = Duration::from_millis(25);
/// A storm begins when the last change set is younger.
const STORM: Duration = Duration::from_millis(100);
/// The longest that a change waits.
const LONGEST: Duration = Duration::from_millis(200);

/// What is known of a path before looking.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hint {
    /// Its data may be other: report it even if size and times are the same.
    pub(crate) data: bool,
    /// It was away for a moment.
    pub(crate) gone: bool,
}

#[derive(Default)]
struct Pending {
    paths: BTreeMap<PathBuf, Hint>,
    rescan: bool,
    /// The last event leaves something unfinished.
    open: bool,
}

pub(crate) fn run(mut tree: Tree, messages: &Receiver<Message>, out: &Sender<ChangeSet>) {
    let mut last_sent: Option<Instant> = None;
    loop {
        let mut pending = Pending::default();
        let mut finishes = false;
        match messages.recv() {
            Ok(Message::Event(event)) => pending.add(event),
            Ok(Message::Finish) => finishes = true,
            Ok(Message::Stop) | Err(_) => return,
        }
        let first = Instant::now();
        let storm = last_sent.is_some_and(|sent| first - sent < STORM);
        loop {
            if finishes || pending.is_empty() {
                break;
            }
            let quiet = match (storm, pending.open) {
                (true, _) => QUIET_STORM,
                (false, true) => QUIET_OPEN,
                (false, false) => QUIET,
            };
            let left = LONGEST.saturating_sub(first.elapsed());
            match messages.recv_timeout(quiet.min(left)) {
                Ok(Message::Event(event)) => pending.add(event),
                Ok(Message::Finish) => finishes = true,
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        // Events of the last changes may still be on their way when it ends.
        let whole = pending.rescan || finishes;
        let mut set = if whole { tree.rescan(&pending.paths) } else { tree.look(&pending.paths) };
        set.rescanned = pending.rescan;
        if set.changes.is_empty() && set.problem.is_none() {
            if finishes {
                return;
            }
            continue;
        }
        debug_assert!(set.changes.is_sorted_by(|a, b| a.path < b.path));
        last_sent = Some(Instant::now());
        if out.blocking_send(set).is_err() || finishes {
            return;
        }
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.rescan
    }

    fn add(&mut self, event: notify::Result<notify::Event>) {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                // what was lost with it is not known
                tracing::warn!(%error, "file events failed");
                self.rescan = true;
                return;
            }
        };
        if event.need_rescan() {
            self.rescan = true;
        }
        let (hint, open) = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                (Hint { data: true, gone: false }, false)
            }
            EventKind::Access(_) => return,
            EventKind::Create(_) => (Hint { data: true, gone: false }, true),
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::AccessTime)) => return,
            EventKind::Modify(ModifyKind::Metadata(_)) => (Hint::default(), false),
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) => (Hint { data: true, gone: true }, true),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => (Hint { data: true, gone: false }, false),
            // both names, also said by the two events before
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
                (Hint { data: true, gone: false }, false)
            }
            EventKind::Modify(_) => (Hint { data: true, gone: false }, true),
            EventKind::Remove(_) => (Hint { data: true, gone: true }, true),
            EventKind::Any | EventKind::Other => (Hint { data: true, gone: false }, true),
        };
        self.open = open;
        for path in event.paths {
            let known = self.paths.entry(path).or_default();
            known.data |= hint.data;
            known.gone |= hint.gone;
        }
    }
}

/// The stronger of two findings about one path.
pub(crate) fn merge(old: Option<ChangeKind>, new: ChangeKind) -> ChangeKind {
    match (old, new) {
        (Some(ChangeKind::Replaced), ChangeKind::Written) => ChangeKind::Replaced,
        (_, new) => new,
    }
}
