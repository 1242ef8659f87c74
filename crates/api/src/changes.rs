//! Following the history: what watches and the controllers' driver are fed from.

use crate::{Api, Change};
use std::collections::VecDeque;
use store::Expired;
use tokio::sync::watch;

/// How many changes are read from the history at once.
const BATCH: usize = 256;

/// A cursor in the history. Dropping it is all there is to closing it.
pub struct Changes {
    api: Api,
    seen: u64,
    ready: VecDeque<Change>,
    version: watch::Receiver<u64>,
}

impl Changes {
    pub(crate) fn new(api: Api, since: u64, version: watch::Receiver<u64>) -> Self {
        Self { api, seen: since, ready: VecDeque::new(), version }
    }

    /// The next change, waiting for one if need be. Cancel-safe. After `Expired` the caller lists again.
    pub async fn next(&mut self) -> std::result::Result<Change, Expired> {
        loop {
            if let Some(change) = self.try_next()? {
                return Ok(change);
            }
            let seen = self.seen;
            if self.version.wait_for(|version| *version > seen).await.is_err() {
                // Nobody is left who could write: there will be no further change.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next change if there is one already.
    pub fn try_next(&mut self) -> std::result::Result<Option<Change>, Expired> {
        if self.ready.is_empty() {
            self.ready.extend(self.api.since(self.seen, BATCH)?);
        }
        let Some(change) = self.ready.pop_front() else { return Ok(None) };
        self.seen = change.version;
        Ok(Some(change))
    }

    /// The version up to which changes have been handed out.
    pub fn seen(&self) -> u64 {
        self.seen
    }
}
