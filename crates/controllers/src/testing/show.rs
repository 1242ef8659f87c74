//! What a reconcile wants, as lines of text to compare.

use crate::Outcome;
use crate::access::{name, str_at};
use store::{EventKind, Key, Write};

fn place(key: &Key) -> String {
    if key.namespace.is_empty() {
        format!("{} {}", key.resource, key.name)
    } else {
        format!("{} {}/{}", key.resource, key.namespace, key.name)
    }
}

pub(crate) fn line(write: &Write) -> String {
    match write {
        Write::Create { resource, object } => {
            let named = name(object);
            let prefix = str_at(object, &["metadata", "generateName"]);
            format!("create {resource} {}", if named.is_empty() { prefix } else { named })
        }
        Write::Update { resource, object } => format!("update {resource} {}", name(object)),
        Write::UpdateStatus { resource, object } => {
            format!("status {resource} {} {}", name(object), object["status"])
        }
        Write::Merge { key, subresource: "", patch } => {
            format!("merge {} {patch}", place(key))
        }
        Write::Merge { key, subresource, patch } => format!("merge {} {subresource} {patch}", place(key)),
        Write::Delete { key, propagation, grace_seconds: None, .. } => {
            format!("delete {} {propagation:?}", place(key))
        }
        Write::Delete { key, propagation, grace_seconds: Some(grace), .. } => {
            format!("delete {} {propagation:?} grace {grace}", place(key))
        }
        Write::Event { regarding, kind, reason, message, .. } => {
            let kind = if *kind == EventKind::Normal { "Normal" } else { "Warning" };
            let about = format!("{} {}", str_at(regarding, &["kind"]), str_at(regarding, &["name"]));
            format!("{kind} {reason} on {about}: {message}")
        }
    }
}

pub(crate) fn lines(outcome: &Outcome) -> String {
    let mut lines: Vec<String> = outcome.writes.iter().map(line).collect();
    if let Some(again) = outcome.again_after {
        lines.push(format!("again after {again:?}"));
    }
    lines.join("\n")
}
