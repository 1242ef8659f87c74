//! The store itself: the current objects, the version counter and the history.

use crate::history::{Expired, History, Limits};
use crate::snapshot::{Snapshot, Tables};
use crate::{Change, ChangeKind, Key, Object};
use serde_json::Value;
use std::sync::Arc;

#[derive(Debug)]
pub struct Store {
    tables: Arc<Tables>,
    history: History,
}

impl Store {
    pub fn new(history: impl Into<Limits>) -> Self {
        Self { tables: Arc::default(), history: History::new(history.into(), 0) }
    }

    /// A store as it was at `version`, from objects that already carry their own versions. Its history is empty:
    /// watches from before `version` are [`Expired`].
    pub fn restore(version: u64, objects: impl IntoIterator<Item = (Key, Object)>, history: Limits) -> Self {
        let mut tables = Tables::at(version);
        for (key, object) in objects {
            tables.replace(&key, Some(object));
        }
        Self { tables: Arc::new(tables), history: History::new(history, version) }
    }

    pub fn version(&self) -> u64 {
        self.tables.version
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot { tables: self.tables.clone() }
    }

    /// Prepares a write: the object gets the next version as its `metadata.resourceVersion`. Nothing has happened
    /// yet; the caller writes the change to its journal and then hands it to [`Store::commit`].
    pub fn stage(&self, key: Key, object: Value) -> Change {
        let previous = self.current(&key);
        let kind = if previous.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        self.change(kind, key, object, previous)
    }

    /// Prepares a removal; `object` is its last state. `None` if nothing is there.
    pub fn stage_removal(&self, key: Key, object: Value) -> Option<Change> {
        let previous = self.current(&key)?;
        Some(self.change(ChangeKind::Deleted, key, object, Some(previous)))
    }

    fn change(&self, kind: ChangeKind, key: Key, mut object: Value, previous: Option<Object>) -> Change {
        let version = self.tables.version + 1;
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".into(), Value::String(version.to_string()));
        }
        Change { version, kind, key, object: Arc::new(object), previous }
    }

    /// Makes a staged change current. The caller serialises writers: a change is committed before the next is staged.
    pub fn commit(&mut self, change: Change) {
        self.commit_weighed(change, 0);
    }

    /// As [`Store::commit`]; `weight` is what the change costs the history.
    pub fn commit_weighed(&mut self, change: Change, weight: usize) {
        debug_assert_eq!(change.version, self.tables.version + 1, "changes are committed in order");
        let tables = Arc::make_mut(&mut self.tables);
        tables.version = change.version;
        let object = (change.kind != ChangeKind::Deleted).then(|| change.object.clone());
        tables.replace(&change.key, object);
        self.history.push(change, weight);
    }

    /// Up to `limit` changes after `version`, oldest first.
    pub fn since(&self, version: u64, limit: usize) -> Result<Vec<Change>, Expired> {
        self.history.since(version, limit)
    }

    fn current(&self, key: &Key) -> Option<Object> {
        use crate::View;
        self.snapshot().get(key.resource.as_str(), &key.namespace, &key.name)
    }
}
