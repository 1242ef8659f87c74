//! Which pods a term of affinity, or a constraint of topology spread, selects.

use crate::Server;
use crate::access::{at, labels_match, list_at, namespace, str_at};
use serde_json::Value;

/// The node's value of the topology that a term or a constraint names.
pub(super) fn domain<'a>(term: &Value, node: &'a Value) -> Option<&'a str> {
    at(node, &["metadata", "labels", str_at(term, &["topologyKey"])]).as_str()
}

/// Whether a term of `owner` selects `pod`.
pub(super) fn fits(server: &dyn Server, term: &Value, owner: &Value, pod: &Value) -> bool {
    fits_labels(term, owner, pod) && fits_namespace(server, term, owner, pod)
}

fn fits_namespace(server: &dyn Server, term: &Value, owner: &Value, pod: &Value) -> bool {
    let names = list_at(term, &["namespaces"]);
    let selector = at(term, &["namespaceSelector"]);
    if names.is_empty() && selector.is_null() {
        return namespace(pod) == namespace(owner);
    }
    names.iter().any(|name| name == namespace(pod))
        || server
            .get("namespaces", "", namespace(pod))
            .is_some_and(|found| labels_match(selector, at(&found, &["metadata", "labels"])))
}

/// Whether the labels do, wherever the pod is.
pub(super) fn fits_labels(term: &Value, owner: &Value, pod: &Value) -> bool {
    let labels = at(pod, &["metadata", "labels"]);
    labels_match(at(term, &["labelSelector"]), labels)
        && same_labels(term, owner, labels)
        && differing_labels(term, owner, labels)
}

/// Labels that the owner has must be the same on both, for the keys that are listed.
pub(super) fn same_labels(rule: &Value, owner: &Value, labels: &Value) -> bool {
    list_at(rule, &["matchLabelKeys"]).iter().filter_map(Value::as_str).all(|key| {
        let own = at(owner, &["metadata", "labels", key]);
        own.is_null() || own == at(labels, &[key])
    })
}

fn differing_labels(term: &Value, owner: &Value, labels: &Value) -> bool {
    list_at(term, &["mismatchLabelKeys"]).iter().filter_map(Value::as_str).all(|key| {
        let own = at(owner, &["metadata", "labels", key]);
        own.is_null() || own != at(labels, &[key])
    })
}
