//! Which volume a claim gets of those that somebody made.

use super::VOLUMES;
use crate::access::{self, at, is_deleting, list_at, name, namespace, str_at, uid};
use crate::scheduler::selects;
use crate::{Server, labels_match};
use schema::quantity::Quantity;
use serde_json::Value;
use store::Object;

/// What a claim asks of a volume.
pub(super) struct Wanted<'a> {
    pub(super) claim: &'a Value,
    /// The name of the claim's class; empty if it has none.
    pub(super) class: &'a str,
    /// The node of the pod that uses it, if there is one already.
    pub(super) node: Option<Object>,
    /// Only what is reserved for the claim, until a pod that uses it has a node.
    pub(super) waits: bool,
}

/// Whether the volume is for this claim: bound to it, or reserved for one of its name.
pub(super) fn is_for(volume: &Value, claim: &Value) -> bool {
    let owner = at(volume, &["spec", "claimRef"]);
    let its = str_at(owner, &["uid"]);
    str_at(owner, &["name"]) == name(claim)
        && str_at(owner, &["namespace"]) == namespace(claim)
        && (its.is_empty() || its == uid(claim))
}

/// The volume that is reserved for the claim, or else the smallest that will do.
pub(super) fn best(server: &dyn Server, wanted: &Wanted<'_>) -> Option<Object> {
    let mut smallest: Option<(Quantity, Object)> = None;
    for volume in server.list(VOLUMES, "") {
        let size = capacity(&volume);
        let enough = size.nanos() >= asked(wanted.claim).nanos();
        if is_deleting(&volume) || !enough || mode(&volume) != mode(wanted.claim) {
            continue;
        }
        if is_for(&volume, wanted.claim) {
            return Some(volume);
        }
        if wanted.waits || !is_free(&volume) || !will_do(&volume, wanted) {
            continue;
        }
        if smallest.as_ref().is_none_or(|(least, _)| size.nanos() < least.nanos()) {
            smallest = Some((size, volume));
        }
    }
    smallest.map(|(_, volume)| volume)
}

fn is_free(volume: &Value) -> bool {
    at(volume, &["spec", "claimRef"]).is_null() && str_at(volume, &["status", "phase"]) == "Available"
}

fn will_do(volume: &Value, wanted: &Wanted<'_>) -> bool {
    let selector = at(wanted.claim, &["spec", "selector"]);
    let modes = list_at(volume, &["spec", "accessModes"]);
    let terms = at(volume, &["spec", "nodeAffinity", "required"]);
    (selector.is_null() || labels_match(selector, at(volume, &["metadata", "labels"])))
        && str_at(volume, &["spec", "storageClassName"]) == wanted.class
        && list_at(wanted.claim, &["spec", "accessModes"]).iter().all(|mode| modes.contains(mode))
        && wanted.node.as_ref().is_none_or(|node| terms.is_null() || selects(terms, node))
}

/// Sizes and modes that a claim asks for and a volume has not.
pub(super) fn unfit(volume: &Value, claim: &Value) -> Option<&'static str> {
    if mode(volume) != mode(claim) {
        return Some("volumeMode mismatch");
    }
    (capacity(volume).nanos() < asked(claim).nanos()).then_some("requested PV is too small")
}

fn capacity(volume: &Value) -> Quantity {
    size(volume, &["spec", "capacity", "storage"])
}

fn asked(claim: &Value) -> Quantity {
    size(claim, &["spec", "resources", "requests", "storage"])
}

fn size(object: &Value, path: &[&str]) -> Quantity {
    let text = match access::at(object, path) {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    Quantity::parse(&text).unwrap_or_else(Quantity::zero)
}

fn mode(object: &Value) -> &str {
    match str_at(object, &["spec", "volumeMode"]) {
        "" => "Filesystem",
        mode => mode,
    }
}
