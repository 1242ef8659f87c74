//! A thread that lives in another network namespace.
//!
//! A socket belongs to the namespace of the thread that made it, for ever, wherever it is used. So sockets are
//! made on such a thread and then used on the daemon's one runtime: a task may hold a socket of the router and a
//! socket of the host, and no second runtime has to wake up for each packet. The thread sleeps in a channel.

use crate::{Error, Result};
use nix::sched::{CloneFlags, setns};
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&Inside) + Send>;

/// What a job sees: the namespace that the thread lives in.
pub(crate) struct Inside {
    home: File,
}

impl Inside {
    /// Runs `work` in another namespace and comes back.
    pub(crate) fn within<R>(&self, netns: &File, work: impl FnOnce() -> R) -> io::Result<R> {
        setns(netns, CloneFlags::CLONE_NEWNET)?;
        let result = work();
        setns(&self.home, CloneFlags::CLONE_NEWNET)
            .expect("a thread may return to the namespace that it came from");
        Ok(result)
    }
}

pub(crate) struct NamespaceThread {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
}

impl NamespaceThread {
    pub(crate) fn start(name: &str, path: &Path) -> Result<NamespaceThread> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (entered, outcome) = mpsc::channel();
        let shown = PathBuf::from(path);
        let netns = File::open(path).map_err(|source| Error::Enter { path: shown.clone(), source })?;
        let body = move || {
            let result = setns(&netns, CloneFlags::CLONE_NEWNET).map_err(io::Error::from);
            let failed = result.is_err();
            if entered.send(result).is_err() || failed {
                return;
            }
            let inside = Inside { home: netns };
            while let Ok(job) = queue.recv() {
                job(&inside);
            }
        };
        std::thread::Builder::new()
            .name(name.into())
            .stack_size(256 * 1024)
            .spawn(body)
            .map_err(|source| Error::Thread { path: shown.clone(), source })?;
        outcome.recv().map_err(|_| Error::Stopped)?.map_err(|source| Error::Enter { path: shown, source })?;
        Ok(NamespaceThread { jobs: Mutex::new(Some(jobs)) })
    }

    fn submit(&self, job: Job) -> Result<()> {
        self.jobs.lock().as_ref().ok_or(Error::Stopped)?.send(job).map_err(|_| Error::Stopped)
    }

    pub(crate) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Inside) -> R + Send + 'static,
    ) -> Result<R> {
        let (sender, receiver) = oneshot::channel();
        self.submit(Box::new(move |inside| {
            // The asker may have gone away; the work is done all the same.
            let _ = sender.send(work(inside));
        }))?;
        receiver.await.map_err(|_| Error::Stopped)
    }

    /// For callers that cannot await; only for work of microseconds.
    pub(crate) fn run_blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Inside) -> R + Send + 'static,
    ) -> Result<R> {
        let (sender, receiver) = mpsc::channel();
        self.submit(Box::new(move |inside| {
            let _ = sender.send(work(inside));
        }))?;
        receiver.recv().map_err(|_| Error::Stopped)
    }

    /// The thread ends when it has done what it was given.
    pub(crate) fn stop(&self) {
        self.jobs.lock().take();
    }
}
