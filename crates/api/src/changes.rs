//! Following the history: what watches and the controllers' driver are fed from.
//!
//! A reader sleeps until something has changed that it wants to see: there are hundreds of watches in a cluster, and
//! each write concerns few of them.

use crate::{Api, Change, Key};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use store::{Expired, History, Interest, Record};
use tokio::sync::watch;

/// How many changes are read from the history at once.
const BATCH: usize = 256;

/// The history and who waits for it.
pub(crate) struct Feed {
    history: History,
    channels: HashMap<Interest, Channel>,
}

/// Where readers with one interest wait.
struct Channel {
    wake: watch::Sender<u64>,
    /// The newest change of this interest that the history has dropped.
    dropped: u64,
}

impl Feed {
    pub(crate) fn new(history: History) -> Self {
        Self { history, channels: HashMap::new() }
    }

    pub(crate) fn push(&mut self, change: Change) {
        let (version, key) = (change.version, change.key.clone());
        let channels = &mut self.channels;
        self.history.push(change, |key, version| {
            for interest in interests(key) {
                if let Some(channel) = channels.get_mut(&interest) {
                    channel.dropped = version;
                }
            }
        });
        for interest in interests(&key) {
            let Some(channel) = self.channels.get(&interest) else { continue };
            if channel.wake.send(version).is_err() {
                // Nobody waits there any more.
                self.channels.remove(&interest);
            }
        }
    }

    fn subscribe(&mut self, interest: &Interest) -> watch::Receiver<u64> {
        let history = &self.history;
        let channel = self.channels.entry(interest.clone()).or_insert_with(|| Channel {
            wake: watch::Sender::new(history.latest()),
            dropped: history.oldest(interest),
        });
        channel.wake.subscribe()
    }

    /// What a reader that has seen everything up to `seen` has not seen, and how far that reaches.
    fn since(&self, seen: u64, interest: &Interest) -> Result<(Vec<Record>, u64), Expired> {
        let oldest = self
            .channels
            .get(interest)
            .map_or_else(|| self.history.oldest(interest), |channel| channel.dropped);
        if seen < oldest {
            return Err(Expired { wanted: seen, oldest });
        }
        let records = self.history.since(seen, BATCH, interest);
        Ok((records, self.history.latest()))
    }
}

/// The interests that a change is of.
fn interests(key: &Key) -> [Interest; 3] {
    let resource = Some(key.resource.clone());
    [
        Interest::default(),
        Interest { resource: resource.clone(), namespace: None },
        Interest { resource, namespace: Some(key.namespace.clone()) },
    ]
}

/// A cursor in the history. Dropping it is all there is to closing it.
pub struct Changes {
    api: Api,
    interest: Interest,
    seen: u64,
    ready: VecDeque<Record>,
    wake: watch::Receiver<u64>,
}

impl Changes {
    pub(crate) fn new(api: Api, since: u64, interest: Interest) -> Self {
        let wake = api.inner.feed.write().subscribe(&interest);
        Self { api, interest, seen: since, ready: VecDeque::new(), wake }
    }

    /// The next change, waiting for one if need be. Cancel-safe. After `Expired` the caller lists again.
    pub async fn next(&mut self) -> std::result::Result<Change, Expired> {
        loop {
            // Looked at before the history, so that a change in between wakes us again.
            self.wake.mark_unchanged();
            if let Some(change) = self.try_next()? {
                return Ok(change);
            }
            if self.wake.changed().await.is_err() {
                // Nobody is left who could write: there will be no further change.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next change if there is one already.
    pub fn try_next(&mut self) -> std::result::Result<Option<Change>, Expired> {
        if self.ready.is_empty() {
            let (records, latest) = self.api.inner.feed.read().since(self.seen, &self.interest)?;
            if records.is_empty() {
                self.seen = self.seen.max(latest);
                return Ok(None);
            }
            self.ready.extend(records);
        }
        let Some(record) = self.ready.pop_front() else { return Ok(None) };
        let change = record.change();
        self.seen = change.version;
        Ok(Some(change))
    }

    /// The version up to which changes have been handed out.
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

impl Api {
    /// Everything that changes after `since`.
    pub fn changes(&self, since: u64) -> Changes {
        Changes::new(self.clone(), since, Interest::default())
    }

    /// What changes of one kind after `since`; an empty namespace means all of them.
    pub fn changes_of(&self, since: u64, resource: &str, namespace: &str) -> Changes {
        let interest = Interest {
            resource: Some(store::Resource::new(resource)),
            namespace: (!namespace.is_empty()).then(|| Arc::from(namespace)),
        };
        Changes::new(self.clone(), since, interest)
    }
}
