//! The store itself: the current objects and the version counter.

use crate::compact::compact;
use crate::snapshot::{Snapshot, Tables};
use crate::{Change, ChangeKind, Key, Object, View};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

#[derive(Debug, Default)]
pub struct Store {
    tables: Arc<Tables>,
}

impl Store {
    /// A store as it was at `version`, from objects that already carry their own versions.
    pub fn restore(version: u64, objects: impl IntoIterator<Item = (Key, Object)>) -> Self {
        let mut tables = Tables::at(version);
        for (key, object) in objects {
            let object =
                Arc::try_unwrap(object).map_or_else(|shared| shared, |value| Arc::new(compact(value)));
            tables.replace(&key, Some(object));
        }
        Self { tables: Arc::new(tables) }
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
        Change { version, kind, key, object: Arc::new(compact(object)), previous, text: Bytes::new() }
    }

    /// Makes a staged change current. The caller serialises writers: a change is committed before the next is staged.
    pub fn commit(&mut self, change: &Change) {
        debug_assert_eq!(change.version, self.tables.version + 1, "changes are committed in order");
        let tables = Arc::make_mut(&mut self.tables);
        tables.version = change.version;
        let object = (change.kind != ChangeKind::Deleted).then(|| change.object.clone());
        tables.replace(&change.key, object);
    }

    fn current(&self, key: &Key) -> Option<Object> {
        self.snapshot().get(key.resource.as_str(), &key.namespace, &key.name)
    }
}
