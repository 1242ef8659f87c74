//! The thread that brings appended records to disk, in groups.

use super::{SYNC_EVERY, Shared};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;

pub(super) struct Syncer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    pub(super) fn start(shared: Arc<Shared>) -> std::io::Result<Self> {
        // One pending wake-up is enough: a sync covers everything before it.
        let (wake, woken) = sync_channel(1);
        let thread =
            std::thread::Builder::new().name("journal-sync".into()).spawn(move || run(&shared, &woken))?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }

    pub(super) fn wake(&self) {
        if let Some(wake) = &self.wake {
            // A full channel means that the thread is about to sync anyway.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's syncing thread has panicked");
        }
    }
}

fn run(shared: &Shared, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        // Gather what else comes; the end of the channel means that the journal closes, and syncs itself.
        let deadline = std::time::Instant::now() + SYNC_EVERY;
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            match woken.recv_timeout(left) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        if let Err(error) = shared.sync() {
            tracing::error!(%error, path = %shared.path.display(), "cannot sync the journal");
        }
    }
}
