//! Garbage collection: dependents of deleted owners, and the foreground and orphan ways of deleting.
//!
//! An owner is looked for by kind, name and uid, as upstream's collector does. A kind that is not known may become
//! known: its dependents wait, but for those of an owner that was seen to go ([`gone`]: a definition takes its objects
//! and its kind along).

#[cfg(test)]
mod tests;

use crate::access::{self, at, is_deleting, list_at, name, namespace, str_at, uid};
use crate::{Controller, Outcome, Server};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use store::{Change, ChangeKind, EventKind, Key, Object, Propagation, Write};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
/// Resources of keys that stand for an owner that is no more; the name is its uid.
const GONE: &str = "gone:";
/// When to ask again for a kind that is not known.
const UNKNOWN_KIND_PAUSE: Duration = Duration::from_secs(30);

pub(crate) struct GarbageCollector;

impl Controller for GarbageCollector {
    fn name(&self) -> &'static str {
        "garbage-collector-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        let object = &change.object;
        let mut keys = Vec::new();
        if change.kind == ChangeKind::Deleted {
            if !server.owned_by(uid(object)).is_empty() {
                keys.push(gone(&change.key, uid(object)));
            }
            keys.extend(released(server, object, owner_references(object), &[]));
            return keys;
        }
        let before = change.previous.as_deref().map_or(&[][..], owner_references);
        let after = owner_references(object);
        let finalizing =
            is_deleting(object) && (has_finalizer(object, FOREGROUND) || has_finalizer(object, ORPHAN));
        if finalizing || before != after && !after.is_empty() {
            keys.push(change.key.clone());
        }
        keys.extend(released(server, object, before, after));
        keys
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, _now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        if let Some(resource) = key.resource.0.strip_prefix(GONE) {
            let gone = Gone { uid: &key.name, namespaced: !key.namespace.is_empty() };
            debug_assert!(!resource.is_empty(), "made by `gone`");
            for (key, dependent) in server.owned_by(gone.uid) {
                collect(server, &key, &dependent, Some(&gone), &mut outcome);
            }
            return outcome;
        }
        let Some(object) = server.get(&key.resource.0, &key.namespace, &key.name) else { return outcome };
        if is_deleting(&object) && has_finalizer(&object, ORPHAN) {
            orphan_dependents(server, key, &object, &mut outcome);
        } else if is_deleting(&object) && has_finalizer(&object, FOREGROUND) {
            foreground(server, key, &object, &mut outcome);
        } else {
            collect(server, key, &object, None, &mut outcome);
        }
        outcome
    }
}

/// An owner that was seen to go.
struct Gone<'a> {
    uid: &'a str,
    namespaced: bool,
}

fn gone(owner: &Key, uid: &str) -> Key {
    access::key(&format!("{GONE}{}", owner.resource), &owner.namespace, uid)
}

fn owner_references(object: &Value) -> &[Value] {
    list_at(object, &["metadata", "ownerReferences"])
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    list_at(object, &["metadata", "finalizers"]).iter().any(|f| f == finalizer)
}

fn blocks(reference: &Value) -> bool {
    at(reference, &["blockOwnerDeletion"]) == &json!(true)
}

/// Owners that wait for their dependents and that this object no longer holds, or no longer holds up.
fn released(server: &dyn Server, object: &Value, before: &[Value], after: &[Value]) -> Vec<Key> {
    let held = |old: &Value| {
        let now = after.iter().find(|r| str_at(r, &["uid"]) == str_at(old, &["uid"]));
        now.is_some_and(|now| blocks(now) || !blocks(old))
    };
    let waits = |owner: &Object| {
        is_deleting(owner) && (has_finalizer(owner, FOREGROUND) || has_finalizer(owner, ORPHAN))
    };
    before
        .iter()
        .filter(|old| !held(old))
        .filter_map(|old| match look_up(server, old, object) {
            Owner::There(key, owner) if waits(&owner) => Some(key),
            _ => None,
        })
        .collect()
}

/// What is known of the owner that a reference names.
enum Owner {
    There(Key, Object),
    Absent,
    UnknownKind,
    /// An object of the whole cluster cannot belong to one in a namespace.
    Misplaced,
}

fn look_up(server: &dyn Server, reference: &Value, dependent: &Value) -> Owner {
    let kind = (str_at(reference, &["apiVersion"]), str_at(reference, &["kind"]));
    let Some(resource) = server.resource_of(kind.0, kind.1) else { return Owner::UnknownKind };
    let place = if server.is_namespaced(&resource) { namespace(dependent) } else { "" };
    if place.is_empty() && server.is_namespaced(&resource) {
        return Owner::Misplaced;
    }
    let owner = str_at(reference, &["name"]);
    match server.get(&resource, place, owner) {
        Some(found) if uid(&found) == str_at(reference, &["uid"]) => {
            Owner::There(access::key(&resource, place, owner), found)
        }
        _ => Owner::Absent,
    }
}

/// The references of an object by what has become of their owners.
#[derive(Default)]
struct Sorted<'a> {
    /// Owners that are there.
    solid: usize,
    /// References to owners that are not.
    dangling: Vec<&'a Value>,
    /// References to owners that wait until this object is gone.
    waiting: Vec<&'a Value>,
    unknown: usize,
    misplaced: bool,
}

impl<'a> Sorted<'a> {
    fn of(server: &dyn Server, object: &'a Value, gone: Option<&Gone>) -> Self {
        let mut sorted = Self::default();
        for reference in owner_references(object) {
            let known = gone.filter(|gone| gone.uid == str_at(reference, &["uid"]));
            match look_up(server, reference, object) {
                Owner::Misplaced => sorted.misplaced = true,
                Owner::UnknownKind if known.is_none() => sorted.unknown += 1,
                Owner::UnknownKind if known.is_some_and(|k| k.namespaced) && namespace(object).is_empty() => {
                    sorted.misplaced = true;
                }
                Owner::UnknownKind | Owner::Absent => sorted.dangling.push(reference),
                Owner::There(_, owner) if is_deleting(&owner) && has_finalizer(&owner, FOREGROUND) => {
                    sorted.waiting.push(reference);
                }
                Owner::There(..) => sorted.solid += 1,
            }
        }
        sorted
    }
}

/// Deletes an object all of whose owners are gone or wait for it; one that has others only loses those references.
fn collect(server: &dyn Server, key: &Key, object: &Object, gone: Option<&Gone>, outcome: &mut Outcome) {
    if owner_references(object).is_empty() || is_deleting(object) {
        return;
    }
    let sorted = Sorted::of(server, object, gone);
    if gone.is_none() {
        tell_of_other_namespaces(server, object, &sorted, outcome);
    }
    if sorted.misplaced {
        return;
    }
    if sorted.unknown > 0 {
        // What is known now is kept in the object: nobody will remember it when the kind becomes known.
        if gone.is_some() && !sorted.dangling.is_empty() {
            outcome.write(without(key, object, &sorted.dangling));
        }
        outcome.again(UNKNOWN_KIND_PAUSE);
    } else if sorted.solid > 0 {
        let leaves: Vec<&Value> = sorted.dangling.iter().chain(&sorted.waiting).copied().collect();
        if !leaves.is_empty() {
            outcome.write(without(key, object, &leaves));
        }
    } else if !sorted.waiting.is_empty() && !server.owned_by(uid(object)).is_empty() {
        break_circle(server, key, object, outcome);
        outcome.write(delete(key, object, Propagation::Foreground));
    } else {
        let propagation = if has_finalizer(object, ORPHAN) {
            Propagation::Orphan
        } else if has_finalizer(object, FOREGROUND) {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        outcome.write(delete(key, object, propagation));
    }
}

fn delete(key: &Key, object: &Value, propagation: Propagation) -> Write {
    Write::Delete { key: key.clone(), uid: Some(uid(object).into()), grace_seconds: None, propagation }
}

/// Two objects that own each other would wait for each other: the references no longer hold up their owners.
fn break_circle(server: &dyn Server, key: &Key, object: &Value, outcome: &mut Outcome) {
    let circle = server
        .owned_by(uid(object))
        .iter()
        .any(|(_, dependent)| is_deleting(dependent) && has_finalizer(dependent, FOREGROUND));
    if !circle || !owner_references(object).iter().any(blocks) {
        return;
    }
    let mut references = owner_references(object).to_vec();
    references.iter_mut().filter(|r| blocks(r)).for_each(|r| r["blockOwnerDeletion"] = json!(false));
    outcome.write(Write::Merge {
        key: key.clone(),
        subresource: "",
        patch: json!({"metadata": {"uid": uid(object), "ownerReferences": references}}),
    });
}

/// The patch that takes these references away, if the object is still the one that was read.
fn without(key: &Key, object: &Value, leaves: &[&Value]) -> Write {
    let uids: BTreeSet<&str> = leaves.iter().map(|r| str_at(r, &["uid"])).collect();
    let left: Vec<&Value> =
        owner_references(object).iter().filter(|r| !uids.contains(str_at(r, &["uid"]))).collect();
    let left = if left.is_empty() { Value::Null } else { json!(left) };
    let version = at(object, &["metadata", "resourceVersion"]);
    let patch =
        json!({"metadata": {"uid": uid(object), "resourceVersion": version, "ownerReferences": left}});
    Write::Merge { key: key.clone(), subresource: "", patch }
}

/// An owner that is there, but in another namespace, is no owner; its dependent is told before it goes.
fn tell_of_other_namespaces(server: &dyn Server, object: &Value, sorted: &Sorted, outcome: &mut Outcome) {
    let all = owner_references(object).iter();
    let suspects = all.filter(|r| sorted.misplaced || sorted.dangling.iter().any(|d| std::ptr::eq(*d, *r)));
    for reference in suspects {
        let (version, kind) = (str_at(reference, &["apiVersion"]), str_at(reference, &["kind"]));
        let Some(resource) = server.resource_of(version, kind).filter(|r| server.is_namespaced(r)) else {
            continue;
        };
        let wanted = str_at(reference, &["uid"]);
        let elsewhere = |owner: &Object| uid(owner) == wanted && namespace(owner) != namespace(object);
        if !server.list(&resource, "").iter().any(elsewhere) {
            continue;
        }
        let here = namespace(object);
        let owner = str_at(reference, &["name"]);
        let message = format!(
            "ownerRef [{version}/{kind}, namespace: {here}, name: {owner}, uid: {wanted}] does not exist in namespace {here:?}"
        );
        let regarding = json!({
            "apiVersion": str_at(object, &["apiVersion"]), "kind": str_at(object, &["kind"]),
            "namespace": here, "name": name(object), "uid": uid(object),
        });
        let component = GarbageCollector.name();
        outcome.write(access::event(
            EventKind::Warning,
            regarding,
            component,
            "OwnerRefInvalidNamespace",
            message,
        ));
    }
}

fn foreground(server: &dyn Server, key: &Key, object: &Value, outcome: &mut Outcome) {
    let mut blocked = false;
    for (dependent_key, dependent) in server.owned_by(uid(object)) {
        let ours = |r: &&Value| str_at(r, &["uid"]) == uid(object);
        blocked |= owner_references(&dependent).iter().filter(ours).any(blocks);
        collect(server, &dependent_key, &dependent, None, outcome);
    }
    if !blocked {
        outcome.write(drop_finalizer(key, object, FOREGROUND));
    }
}

/// The finalizer goes when no dependent names the owner any more: a dependent that could not be written would
/// otherwise be taken for garbage.
fn orphan_dependents(server: &dyn Server, key: &Key, object: &Value, outcome: &mut Outcome) {
    let dependents = server.owned_by(uid(object));
    if dependents.is_empty() {
        outcome.write(drop_finalizer(key, object, ORPHAN));
    }
    for (key, dependent) in dependents {
        let ours = owner_references(&dependent).iter().filter(|r| str_at(r, &["uid"]) == uid(object));
        let ours: Vec<&Value> = ours.collect();
        outcome.write(without(&key, &dependent, &ours));
    }
}

pub(crate) fn drop_finalizer(key: &Key, object: &Value, finalizer: &str) -> Write {
    let left: Vec<&Value> =
        list_at(object, &["metadata", "finalizers"]).iter().filter(|f| *f != finalizer).collect();
    let left = if left.is_empty() { Value::Null } else { json!(left) };
    Write::Merge { key: key.clone(), subresource: "", patch: json!({"metadata": {"finalizers": left}}) }
}
