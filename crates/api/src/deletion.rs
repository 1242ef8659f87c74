//! Deleting: preconditions, grace periods, finalizers.

use crate::admission::{self, Attributes, Operation};
use crate::metadata::{self, text};
use crate::transaction::Transaction;
use crate::{ApiError, DeleteOptions, Key, Object, Result, convert, strategy};
use schema::Kind;
use serde_json::{Value, json};
use store::{Propagation, View};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
/// Namespaces that a cluster cannot be without, as upstream has it.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

pub(crate) fn delete(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    key: &Key,
    options: &DeleteOptions,
) -> Result<Object> {
    if let Some(current) = convert::current(tx, kind, key, &options.origin)? {
        let attributes = Attributes {
            operation: Operation::Delete,
            kind,
            subresource: "",
            namespace: admission::namespace(key),
            name: &key.name,
            old: Some(&current),
            dry_run: tx.dry_run,
            origin: &options.origin,
        };
        admission::admit(tx, &attributes, None)?;
    }
    admitted(tx, kind, key, options)
}

/// As [`delete`], for what admission is not asked about.
pub(crate) fn admitted(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    key: &Key,
    options: &DeleteOptions,
) -> Result<Object> {
    let resource = key.resource.as_str();
    let Some(current) = tx.view().get(resource, &key.namespace, &key.name) else {
        return Err(ApiError::not_found(resource, &key.name));
    };
    if resource == "namespaces" && IMMORTAL.contains(&&*key.name) {
        return Err(ApiError::forbidden(resource, &key.name, "this namespace may not be deleted"));
    }
    check(kind, key, &current, options)?;
    let mut next = (*current).clone();
    set_finalizers(&mut next, options.propagation.or(default_propagation(resource, &current)));
    let grace = grace_seconds(resource, &current, options);
    let waits = grace > 0
        || !metadata::finalizers(&next).is_empty()
        || (resource == "namespaces" && next["spec"]["finalizers"].as_array().is_some_and(|f| !f.is_empty()));
    if !waits {
        if resource == crate::crds::RESOURCE {
            remove_instances(tx, &current)?;
        }
        return tx.remove(key.clone(), next);
    }
    mark(tx, kind, &mut next, &current, grace);
    if metadata::same(&next, &current) {
        return Ok(current);
    }
    tx.put(key.clone(), next)
}

/// A kind that is no longer served takes its objects with it.
fn remove_instances(tx: &mut Transaction<'_>, definition: &Value) -> Result<()> {
    let names = &definition["spec"]["names"]["plural"];
    let resource = format!(
        "{}/{}",
        definition["spec"]["group"].as_str().unwrap_or_default(),
        names.as_str().unwrap_or_default()
    );
    for object in tx.view().list(&resource, "") {
        let key = Key::new(&resource, text(&object, "namespace"), text(&object, "name"));
        tx.remove(key, (*object).clone())?;
    }
    Ok(())
}

/// A policy that the object has already is not overruled by its kind's.
fn default_propagation(resource: &str, current: &Value) -> Option<Propagation> {
    let finalizers = metadata::finalizers(current);
    let has_policy = finalizers.iter().any(|finalizer| finalizer == FOREGROUND || finalizer == ORPHAN);
    strategy::default_propagation(resource).filter(|_| !has_policy)
}

pub(crate) fn check(kind: &Kind, key: &Key, current: &Value, options: &DeleteOptions) -> Result<()> {
    let checks = [
        ("UID", options.uid.as_deref(), text(current, "uid"), "deleted and then recreated"),
        (
            "ResourceVersion",
            options.resource_version.as_deref(),
            text(current, "resourceVersion"),
            "modified",
        ),
    ];
    for (what, wanted, is, happened) in checks {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != is) {
            let why = format!(
                "the {what} in the precondition ({wanted}) does not match the {what} in record ({is}). The object might have been {happened}"
            );
            return Err(ApiError::kind_conflict(key, &kind.kind, &why));
        }
    }
    Ok(())
}

/// How long the object may still take; only pods take time.
fn grace_seconds(resource: &str, current: &Value, options: &DeleteOptions) -> i64 {
    if resource != "pods" {
        return 0;
    }
    let unplaced = current["spec"]["nodeName"].as_str().unwrap_or_default().is_empty();
    let over = matches!(current["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if unplaced || over {
        return 0;
    }
    let own = current["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    // As upstream: who asks for less than no time gets a second.
    match options.grace_seconds.unwrap_or(own) {
        ..0 => 1,
        seconds => seconds,
    }
}

fn set_finalizers(object: &mut Value, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let mut finalizers = metadata::finalizers(object);
    finalizers.retain(|finalizer| finalizer != FOREGROUND && finalizer != ORPHAN);
    match propagation {
        Propagation::Background => {}
        Propagation::Foreground => finalizers.push(FOREGROUND.to_string()),
        Propagation::Orphan => finalizers.push(ORPHAN.to_string()),
    }
    let meta = metadata::of(object);
    if finalizers.is_empty() {
        meta.remove("finalizers");
    } else {
        meta.insert("finalizers".into(), json!(finalizers));
    }
}

/// Marks the object as going. A second delete can only shorten the grace period.
fn mark(tx: &Transaction<'_>, kind: &Kind, next: &mut Value, current: &Value, grace: i64) {
    let before = current["metadata"]["deletionGracePeriodSeconds"].as_i64();
    if metadata::is_deleting(current) && before.is_none_or(|before| grace >= before) {
        return;
    }
    let at = tx.now + jiff::SignedDuration::from_secs(grace);
    let generation = current["metadata"]["generation"].as_i64().unwrap_or_default();
    let meta = metadata::of(next);
    meta.insert("deletionTimestamp".into(), metadata::timestamp(at).into());
    meta.insert("deletionGracePeriodSeconds".into(), grace.into());
    if crate::write::has_generation(kind) && !metadata::is_deleting(current) {
        meta.insert("generation".into(), (generation + 1).into());
    }
    if kind.resource() == "namespaces" {
        metadata::field_map(next, "status").insert("phase".into(), "Terminating".into());
    }
}
