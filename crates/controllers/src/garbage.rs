//! Garbage collection: dependents of deleted owners, and the foreground and orphan ways of deleting.

use crate::access::{self, at, is_deleting, list_at, namespace, str_at, uid};
use crate::{Controller, Outcome, Server};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Change, ChangeKind, Key, Object, Propagation, Write};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

pub(crate) struct GarbageCollector;

impl Controller for GarbageCollector {
    fn name(&self) -> &'static str {
        "garbage-collector"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        let mut keys = Vec::new();
        if change.kind == ChangeKind::Deleted {
            keys.extend(server.owned_by(uid(&change.object)).into_iter().map(|(key, _)| key));
            // An owner that waits for its dependents (foreground) may now be done.
            keys.extend(owners(server, &change.object));
        } else {
            let finalizing = is_deleting(&change.object)
                && !list_at(&change.object, &["metadata", "finalizers"]).is_empty();
            let new_dependent =
                change.kind == ChangeKind::Added && !owner_references(&change.object).is_empty();
            if finalizing || new_dependent {
                keys.push(change.key.clone());
            }
        }
        keys
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, _now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(object) = server.get(&key.resource.0, &key.namespace, &key.name) else { return outcome };
        if has_finalizer(&object, ORPHAN) && is_deleting(&object) {
            orphan_dependents(server, &object, &mut outcome);
            outcome.write(drop_finalizer(key, &object, ORPHAN));
            return outcome;
        }
        if has_finalizer(&object, FOREGROUND) && is_deleting(&object) {
            foreground(server, key, &object, &mut outcome);
            return outcome;
        }
        collect(server, key, &object, &mut outcome);
        outcome
    }
}

fn owner_references(object: &Value) -> &[Value] {
    list_at(object, &["metadata", "ownerReferences"])
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    list_at(object, &["metadata", "finalizers"]).iter().any(|f| f == finalizer)
}

/// The owner itself if it is there with the uid that the reference names.
fn find_owner(server: &dyn Server, reference: &Value, dependent: &Value) -> Option<(Key, Object)> {
    let resource = server.resource_of(str_at(reference, &["apiVersion"]), str_at(reference, &["kind"]))?;
    let name = str_at(reference, &["name"]);
    [namespace(dependent), ""].into_iter().find_map(|ns| {
        let owner = server.get(&resource, ns, name)?;
        (uid(&owner) == str_at(reference, &["uid"])).then(|| (access::key(&resource, ns, name), owner))
    })
}

fn owners(server: &dyn Server, dependent: &Value) -> Vec<Key> {
    owner_references(dependent)
        .iter()
        .filter_map(|r| find_owner(server, r, dependent))
        .filter(|(_, owner)| is_deleting(owner))
        .map(|(key, _)| key)
        .collect()
}

/// Deletes an object all of whose owners are gone. A kind of owner that we do not know is never taken for gone.
fn collect(server: &dyn Server, key: &Key, object: &Value, outcome: &mut Outcome) {
    let references = owner_references(object);
    if references.is_empty() || is_deleting(object) {
        return;
    }
    let alive = references.iter().any(|r| {
        server.resource_of(str_at(r, &["apiVersion"]), str_at(r, &["kind"])).is_none()
            || find_owner(server, r, object).is_some()
    });
    if !alive {
        outcome.write(Write::Delete {
            key: key.clone(),
            uid: Some(uid(object).into()),
            grace_seconds: None,
            propagation: Propagation::Background,
        });
    }
}

fn foreground(server: &dyn Server, key: &Key, object: &Value, outcome: &mut Outcome) {
    let mut blocked = false;
    for (dependent_key, dependent) in server.owned_by(uid(object)) {
        let blocks = owner_references(&dependent)
            .iter()
            .any(|r| str_at(r, &["uid"]) == uid(object) && at(r, &["blockOwnerDeletion"]) == &json!(true));
        blocked |= blocks;
        if !is_deleting(&dependent) {
            outcome.write(Write::Delete {
                key: dependent_key,
                uid: Some(uid(&dependent).into()),
                grace_seconds: None,
                propagation: if blocks { Propagation::Foreground } else { Propagation::Background },
            });
        }
    }
    if !blocked {
        outcome.write(drop_finalizer(key, object, FOREGROUND));
    }
}

fn orphan_dependents(server: &dyn Server, object: &Value, outcome: &mut Outcome) {
    for (key, dependent) in server.owned_by(uid(object)) {
        let left: Vec<&Value> =
            owner_references(&dependent).iter().filter(|r| str_at(r, &["uid"]) != uid(object)).collect();
        let left = if left.is_empty() { Value::Null } else { json!(left) };
        outcome.write(Write::Merge {
            key,
            subresource: "",
            patch: json!({"metadata": {"ownerReferences": left}}),
        });
    }
}

pub(crate) fn drop_finalizer(key: &Key, object: &Value, finalizer: &str) -> Write {
    let left: Vec<&Value> =
        list_at(object, &["metadata", "finalizers"]).iter().filter(|f| *f != finalizer).collect();
    let left = if left.is_empty() { Value::Null } else { json!(left) };
    Write::Merge { key: key.clone(), subresource: "", patch: json!({"metadata": {"finalizers": left}}) }
}
