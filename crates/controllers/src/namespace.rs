//! Namespaces: what each one gets at birth, and the emptying of one that is deleted.

use crate::access::{self, at, is_deleting, list_at, name};
use crate::{Controller, Outcome, Server};
use jiff::Timestamp;
use serde_json::json;
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

    fn reconcile(&self, server: &dyn Server, key: &Key, _now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(namespace) = server.get(NAMESPACES, "", &key.name) else { return outcome };
        if is_deleting(&namespace) {
            empty(server, &key.name, &mut outcome);
            if outcome.writes.is_empty() && !list_at(&namespace, &["spec", "finalizers"]).is_empty() {
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

/// Deletes what is there. Objects that are going already are waited for: their removal brings us back here.
fn empty(server: &dyn Server, namespace: &str, outcome: &mut Outcome) {
    let mut left = false;
    for resource in server.namespaced_resources() {
        for object in server.list(&resource, namespace) {
            left = true;
            if !is_deleting(&object) {
                outcome.write(Write::Delete {
                    key: access::key(&resource, namespace, name(&object)),
                    uid: Some(access::uid(&object).into()),
                    grace_seconds: None,
                    propagation: Propagation::Background,
                });
            }
        }
    }
    if left {
        // Deletes may finish within the call, before any event reaches us.
        outcome.again(Duration::from_millis(200));
        if outcome.writes.is_empty() {
            outcome.write(Write::Merge {
                key: access::key(NAMESPACES, "", namespace),
                subresource: "status",
                patch: json!({"status": {"phase": "Terminating"}}),
            });
        }
    }
}
