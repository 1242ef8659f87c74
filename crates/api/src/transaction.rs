//! One write at a time: reading, deciding and storing under one lock, so that nothing changes in between.

use crate::luck::Luck;
use crate::{Api, ApiError, Change, Key, Object, Result, Snapshot, State, crds};
use crate::{Origin, admission, policy};
use parking_lot::MutexGuard;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use store::ChangeKind;

/// Objects are read back from the journal's text, whose reader goes no deeper than 128.
const DEEPEST: usize = 120;

pub(crate) struct Transaction<'a> {
    pub(crate) api: &'a Api,
    state: MutexGuard<'a, State>,
    pub(crate) dry_run: bool,
    pub(crate) now: jiff::Timestamp,
    pub(crate) luck: Luck,
    /// What policies have changed about the object that is being written.
    pub(crate) mutated: std::cell::RefCell<policy::Mutated>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn begin(api: &'a Api, dry_run: bool, origin: &Origin) -> Self {
        // What is gone through again is the same again.
        let (seed, now) = match origin.talk().map(|talk| talk.lock()) {
            Some(talk) => (Some(talk.seed), talk.now),
            None => (None, jiff::Timestamp::now()),
        };
        Self {
            api,
            state: api.inner.state.lock(),
            dry_run,
            now,
            luck: Luck::new(seed),
            mutated: Default::default(),
        }
    }

    pub(crate) fn view(&self) -> Snapshot {
        self.state.store.snapshot()
    }

    /// Whether so much time has passed since old events were last looked for; they are, then.
    pub(crate) fn is_due_for_pruning(&mut self, pause: Duration) -> bool {
        let due = self.state.pruned.is_none_or(|last| self.now.duration_since(last).unsigned_abs() >= pause);
        if due {
            self.state.pruned = Some(self.now);
        }
        due
    }

    /// Stores an object and returns it as stored; in a dry run, as it would have been stored.
    pub(crate) fn put(&mut self, key: Key, object: Value) -> Result<Object> {
        if is_deeper(&object, DEEPEST) {
            let why = format!("the object has more than {DEEPEST} levels, which is the most that is stored");
            return Err(ApiError::bad_request(why));
        }
        if self.dry_run {
            return Ok(Arc::new(object));
        }
        let change = self.state.store.stage(key, object);
        self.commit(change)
    }

    /// Removes an object; `last` is what watchers are told of it.
    pub(crate) fn remove(&mut self, key: Key, last: Value) -> Result<Object> {
        if self.dry_run {
            return Ok(Arc::new(last));
        }
        match self.state.store.stage_removal(key.clone(), last) {
            Some(change) => self.commit(change),
            None => Err(ApiError::not_found(key.resource.as_str(), &key.name)),
        }
    }

    fn commit(&mut self, mut change: Change) -> Result<Object> {
        change.text = self.state.journal.append(&change).map_err(|error| {
            tracing::error!(%error, key = %change.key, "cannot write the journal");
            ApiError::internal(format!("cannot write the journal: {error}"))
        })?;
        let object = change.object.clone();
        let defines_kinds = change.key.resource.as_str() == crds::RESOURCE;
        let defines_hooks = admission::is_configuration(change.key.resource.as_str());
        let goes = change.kind == ChangeKind::Deleted;
        self.state.store.commit(&change);
        let snapshot = self.state.store.snapshot();
        if defines_kinds {
            self.api.reload_kinds(&snapshot);
        }
        if defines_hooks {
            self.api.reload_hooks(&snapshot);
        }
        *self.api.inner.snapshot.write() = snapshot;
        // After the snapshot: who is told of a change finds it there.
        self.api.inner.feed.write().push(change);
        if goes && defines_kinds {
            tracing::info!(kind = %object["metadata"]["name"], "a custom kind is no longer served");
        }
        self.compact_if_grown();
        if defines_kinds {
            crds::naming::settle(self, &object)?;
        }
        Ok(object)
    }

    fn compact_if_grown(&mut self) {
        if !self.state.journal.wants_compaction() {
            return;
        }
        let snapshot = self.state.store.snapshot();
        // The journal is as good as before when this fails, only longer; it is tried again at the next write.
        if let Err(error) = self.state.journal.compact(snapshot.version(), &snapshot.all()) {
            tracing::error!(%error, "cannot compact the journal");
        }
    }
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => true,
        Value::Array(items) => items.iter().any(|item| is_deeper(item, levels - 1)),
        Value::Object(fields) => fields.values().any(|value| is_deeper(value, levels - 1)),
        _ => false,
    }
}
