//! What several tests of this crate use.

use crate::output::{LogSource, Output};
use devloop::{Line, ResourceStatus};
use parking_lot::Mutex;
use std::sync::Arc;
use tiltfile::plan::Command;
use tokio::sync::watch;

/// Keeps what a session says.
pub(crate) struct Collector {
    logs: Mutex<Vec<String>>,
    changes: watch::Sender<()>,
}

impl Collector {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { logs: Mutex::default(), changes: watch::Sender::new(()) })
    }

    pub(crate) fn output(self: &Arc<Self>) -> Arc<dyn Output> {
        self.clone()
    }

    /// Tells when something was said.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(crate) fn logged(&self) -> Vec<String> {
        self.logs.lock().clone()
    }
}

impl Output for Collector {
    fn line(&self, _: &Line) {}
    fn log(&self, _: &str, _: LogSource, text: &str) {
        self.logs.lock().push(text.to_owned());
        self.changes.send_replace(());
    }
    fn status(&self, _: &str, _: &ResourceStatus) {}
    fn forwarding(&self, _: &str, _: &str) {}
}

pub(crate) fn shell(script: &str) -> Command {
    Command { argv: ["sh", "-c", script].map(str::to_owned).to_vec(), dir: "/".into(), env: Vec::new() }
}
