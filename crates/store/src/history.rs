//! The ring of the latest changes, from which watches catch up.
//!
//! The newest changes are kept as values, older ones as the text that was written of them: a tree of JSON takes some
//! five times the memory of its text, and hardly anybody asks for what is that old.

use crate::{Change, ChangeKind, Key, Object, Resource};
use bytes::Bytes;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// The wanted version is older than the history reaches; the reader must list again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {wanted} ({oldest})")]
pub struct Expired {
    pub wanted: u64,
    /// The oldest version that a watch could start from.
    pub oldest: u64,
}

/// How much of the past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// So many changes are kept, …
    pub changes: usize,
    /// … more while they weigh less than this (bytes of JSON) …
    pub weight: usize,
    /// … but never more than this weight.
    pub most: usize,
    /// How many of the newest are kept as values too.
    pub parsed: usize,
}

/// Only their number is limited.
impl From<usize> for Limits {
    fn from(changes: usize) -> Self {
        Self { changes, weight: 0, most: usize::MAX, parsed: changes }
    }
}

/// Which changes a reader wants to see.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Interest {
    /// None: those of all kinds.
    pub resource: Option<Resource>,
    /// None: those in all namespaces.
    pub namespace: Option<Arc<str>>,
}

impl Interest {
    pub fn covers(&self, key: &Key) -> bool {
        self.resource.as_ref().is_none_or(|resource| *resource == key.resource)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
    }
}

/// A change as the history keeps it; cheap to clone.
#[derive(Debug, Clone)]
pub struct Record {
    version: u64,
    kind: ChangeKind,
    key: Key,
    text: Bytes,
    before: Before,
    object: Option<Object>,
}

#[derive(Debug, Clone)]
enum Before {
    Nothing,
    Value(Object),
    Text(Bytes),
}

impl Record {
    fn weight(&self) -> usize {
        // The state before is as a rule the text of another record.
        self.text.len() + 128
    }

    /// The change, parsed if need be.
    pub fn change(&self) -> Change {
        let parse = |text: &Bytes| -> Object {
            Arc::new(serde_json::from_slice::<Value>(text).expect("the text was written from a value"))
        };
        Change {
            version: self.version,
            kind: self.kind,
            key: self.key.clone(),
            object: self.object.clone().unwrap_or_else(|| parse(&self.text)),
            previous: match &self.before {
                Before::Nothing => None,
                Before::Value(value) => Some(value.clone()),
                Before::Text(text) => Some(parse(text)),
            },
            text: self.text.clone(),
        }
    }
}

/// The changes of all kinds, oldest first.
#[derive(Debug)]
pub struct History {
    ring: VecDeque<Record>,
    limits: Limits,
    weight: usize,
    /// Nothing is known of what was before this version.
    begins: u64,
    /// The newest change of each kind that has been dropped.
    dropped: HashMap<Resource, u64>,
    newest_dropped: u64,
    latest: u64,
}

impl History {
    /// An empty history of a store that has reached `version`.
    pub fn new(limits: impl Into<Limits>, version: u64) -> Self {
        Self {
            ring: VecDeque::new(),
            limits: limits.into(),
            weight: 0,
            begins: version,
            dropped: HashMap::new(),
            newest_dropped: version,
            latest: version,
        }
    }

    /// Adds a change; `forget` is told what is dropped for it.
    pub fn push(&mut self, change: Change, mut forget: impl FnMut(&Key, u64)) {
        let text = if change.text.is_empty() { to_text(&change.object) } else { change.text };
        self.latest = change.version;
        let record = Record {
            version: change.version,
            kind: change.kind,
            key: change.key,
            text,
            before: change.previous.map_or(Before::Nothing, Before::Value),
            object: Some(change.object),
        };
        self.weight += record.weight();
        self.ring.push_back(record);
        if let Some(index) = self.ring.len().checked_sub(self.limits.parsed + 1) {
            self.unparse(index);
        }
        while self.is_over() {
            let Some(gone) = self.ring.pop_front() else { break };
            self.weight -= gone.weight();
            self.newest_dropped = gone.version;
            forget(&gone.key, gone.version);
            self.dropped.insert(gone.key.resource, gone.version);
        }
    }

    fn is_over(&self) -> bool {
        let Limits { changes, weight, most, .. } = self.limits;
        (self.ring.len() > changes && self.weight > weight) || self.weight > most
    }

    /// Keeps only the text of a record.
    fn unparse(&mut self, index: usize) {
        let Before::Value(previous) = &self.ring[index].before else {
            self.ring[index].object = None;
            return;
        };
        let version =
            previous["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse::<u64>().ok());
        let known = version.and_then(|version| {
            let at = self.ring.binary_search_by_key(&version, |record| record.version).ok()?;
            Some(self.ring[at].text.clone())
        });
        let text = known.unwrap_or_else(|| to_text(previous));
        self.ring[index].before = Before::Text(text);
        self.ring[index].object = None;
    }

    /// The oldest version from which a reader with this interest has missed nothing.
    pub fn oldest(&self, interest: &Interest) -> u64 {
        match &interest.resource {
            None => self.newest_dropped,
            Some(resource) => self.begins.max(self.dropped.get(resource).copied().unwrap_or_default()),
        }
    }

    /// The version of the newest change.
    pub fn latest(&self) -> u64 {
        self.latest
    }

    /// Up to `limit` changes after `version`, oldest first. Whether that is all there were is a question to
    /// [`History::oldest`].
    pub fn since(&self, version: u64, limit: usize, interest: &Interest) -> Vec<Record> {
        let start = self.ring.partition_point(|record| record.version <= version);
        let wanted = self.ring.range(start..).filter(|record| interest.covers(&record.key));
        wanted.take(limit).cloned().collect()
    }
}

fn to_text(object: &Value) -> Bytes {
    serde_json::to_vec(object).expect("JSON values serialise").into()
}
