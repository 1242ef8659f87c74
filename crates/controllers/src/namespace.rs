//! Namespaces: what each one gets at birth, and the emptying of one that is deleted.

use crate::access::{self, at, is_deleting, list_at, name};
use crate::{Controller, Outcome, Server, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Change, Key, Propagation, Resource, Write};

const NAMESPACES: &str = "namespaces";
const SERVICE_ACCOUNTS: &str = "serviceaccounts";
const CONFIG_MAPS: &str = "configmaps";
const ROOT_CA: &str = "kube-root-ca.crt";

pub(crate) struct Namespaces;

impl Controller for Namespaces {
    fn name(&self) -> &'static str {
        "namespace-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            NAMESPACES => vec![change.key.clone()],
            SERVICE_ACCOUNTS if &*change.key.name == "default" => {
                vec![access::key(NAMESPACES, "", &change.key.namespace)]
            }
            CONFIG_MAPS if &*change.key.name == ROOT_CA => {
                vec![access::key(NAMESPACES, "", &change.key.namespace)]
            }
            // The last object of a namespace that is being deleted.
            _ if change.kind == store::ChangeKind::Deleted && !change.key.namespace.is_empty() => server
                .get(NAMESPACES, "", &change.key.namespace)
                .filter(|ns| is_deleting(ns))
                .map(|_| access::key(NAMESPACES, "", &change.key.namespace))
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(namespace) = server.get(NAMESPACES, "", &key.name) else { return outcome };
        if is_deleting(&namespace) {
            empty(server, &namespace, now, &mut outcome);
            if outcome.again_after.is_none() && !list_at(&namespace, &["spec", "finalizers"]).is_empty() {
                outcome.write(Write::Merge {
                    key: key.clone(),
                    subresource: "finalize",
                    patch: json!({"spec": {"finalizers": []}}),
                });
            }
            return outcome;
        }
        furnish(server, &key.name, &mut outcome);
        outcome
    }
}

fn furnish(server: &dyn Server, namespace: &str, outcome: &mut Outcome) {
    if server.get(SERVICE_ACCOUNTS, namespace, "default").is_none() {
        outcome.write(Write::Create {
            resource: Resource::new(SERVICE_ACCOUNTS),
            object: json!({
                "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"name": "default", "namespace": namespace},
            }),
        });
    }
    let data = json!({"ca.crt": server.ca_certificate()});
    match server.get(CONFIG_MAPS, namespace, ROOT_CA) {
        Some(old) if at(&old, &["data"]) == &data => {}
        Some(old) => {
            let mut next = (*old).clone();
            next["data"] = data;
            outcome.write(Write::Update { resource: Resource::new(CONFIG_MAPS), object: next });
        }
        None => outcome.write(Write::Create {
            resource: Resource::new(CONFIG_MAPS),
            object: json!({
                "apiVersion": "v1", "kind": "ConfigMap", "data": data,
                "metadata": {
                    "name": ROOT_CA, "namespace": namespace,
                    "annotations": {"kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc."},
                },
            }),
        }),
    }
}

/// Deletes what is there, pods before everything else: what protects them goes last. Objects that are going already are
/// waited for: their removal brings us back here.
fn empty(server: &dyn Server, namespace: &Value, now: Timestamp, outcome: &mut Outcome) {
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    let mut finalizers: BTreeMap<String, usize> = BTreeMap::new();
    let pods_first = !server.list(pods::PODS, name(namespace)).is_empty();
    let all = if pods_first { vec![pods::PODS.to_string()] } else { server.namespaced_resources() };
    for resource in all {
        for object in server.list(&resource, name(namespace)) {
            let (group, plural) = resource.split_once('/').unwrap_or(("", &resource));
            *left.entry(format!("{plural}.{group}")).or_default() += 1;
            for finalizer in list_at(&object, &["metadata", "finalizers"]).iter().filter_map(Value::as_str) {
                *finalizers.entry(finalizer.to_string()).or_default() += 1;
            }
            if !is_deleting(&object) {
                outcome.write(Write::Delete {
                    key: access::key(&resource, name(namespace), name(&object)),
                    uid: Some(access::uid(&object).into()),
                    grace_seconds: None,
                    propagation: Propagation::Background,
                });
            }
        }
    }
    if left.is_empty() {
        return;
    }
    // Deletes may finish within the call, before any event reaches us.
    outcome.again(Duration::from_millis(200));
    if outcome.writes.is_empty() {
        let mut status = json!({"phase": "Terminating"});
        status["conditions"] = json!(conditions(namespace, &left, &finalizers, now));
        outcome.writes.extend(access::status_write(NAMESPACES, namespace, status));
    }
}

/// What a namespace waits for, in the words of upstream's controller.
fn conditions(
    namespace: &Value,
    left: &BTreeMap<String, usize>,
    finalizers: &BTreeMap<String, usize>,
    now: Timestamp,
) -> Vec<Value> {
    let join = |counts: &BTreeMap<String, usize>, verb: &str| {
        let parts: Vec<String> =
            counts.iter().map(|(what, count)| format!("{what} {verb} {count} resource instances")).collect();
        parts.join(", ")
    };
    let mut conditions = list_at(namespace, &["status", "conditions"]).to_vec();
    let mut set = |kind: &str, status: &str, reason: &str, message: &str| {
        access::set_condition(&mut conditions, kind, status, reason, message, now);
    };
    set(
        "NamespaceDeletionDiscoveryFailure",
        "False",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    );
    set(
        "NamespaceDeletionGroupVersionParsingFailure",
        "False",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    );
    set(
        "NamespaceDeletionContentFailure",
        "False",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    );
    let remaining = format!("Some resources are remaining: {}", join(left, "has"));
    set("NamespaceContentRemaining", "True", "SomeResourcesRemain", &remaining);
    if finalizers.is_empty() {
        let message = "All content-preserving finalizers finished";
        set("NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers", message);
    } else {
        let message =
            format!("Some content in the namespace has finalizers remaining: {}", join(finalizers, "in"));
        set("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", &message);
    }
    for condition in &mut conditions {
        if let Some(fields) = condition.as_object_mut() {
            fields.shift_remove("lastUpdateTime");
        }
    }
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Small;

    #[test]
    fn says_what_it_waits_for() {
        let mut world = Small::default();
        let object = json!({
            "metadata": {"name": "old", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Terminating"},
        });
        let key = world.put(NAMESPACES, object);
        world.put(
            CONFIG_MAPS,
            json!({"metadata": {
                "name": "stuck", "namespace": "old", "finalizers": ["example.com/hold"],
                "deletionTimestamp": "2026-01-01T00:00:00Z",
            }}),
        );
        let outcome = Namespaces.reconcile(&world, &key, Timestamp::UNIX_EPOCH);
        let [Write::UpdateStatus { object, .. }] = &outcome.writes[..] else { panic!("one status") };
        let messages: Vec<&str> = list_at(object, &["status", "conditions"])
            .iter()
            .filter(|c| access::str_at(c, &["status"]) == "True")
            .map(|c| access::str_at(c, &["message"]))
            .collect();
        assert_eq!(
            messages,
            [
                "Some resources are remaining: configmaps. has 1 resource instances",
                "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances",
            ]
        );
        world.put(NAMESPACES, object.clone());
        assert!(Namespaces.reconcile(&world, &key, Timestamp::UNIX_EPOCH).writes.is_empty(), "at rest");
    }

    #[test]
    fn pods_go_first() {
        let mut world = Small::default();
        let object = json!({
            "metadata": {"name": "old", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Terminating"},
        });
        let key = world.put(NAMESPACES, object);
        world.put(CONFIG_MAPS, json!({"metadata": {"name": "m", "namespace": "old"}}));
        let deleted = |world: &Small| {
            let writes = Namespaces.reconcile(world, &key, Timestamp::UNIX_EPOCH).writes;
            let names = writes.iter().filter_map(|write| match write {
                Write::Delete { key, .. } => Some(key.name.to_string()),
                _ => None,
            });
            names.collect::<Vec<_>>()
        };
        assert_eq!(deleted(&world), ["m"]);
        world.put(pods::PODS, json!({"metadata": {"name": "p", "namespace": "old"}}));
        assert_eq!(deleted(&world), ["p"]);
        world.put(pods::PODS, json!({"metadata": {"name": "p", "namespace": "old", "deletionTimestamp": "2026-01-01T00:00:00Z"}}));
        assert!(deleted(&world).is_empty(), "it waits");
    }
}
