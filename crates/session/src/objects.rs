//! Watches for objects that are no resources of the plan but that a resource waits for.

use crate::cluster::Cluster;
use devloop::{Event, ObjectRef};
use kube::Api;
use kube::api::DynamicObject;
use kube::core::GroupVersionKind;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Kinds that are looked at when the Tiltfile names only an object's name.
const USUAL_KINDS: &[&str] = &["ConfigMap", "Secret", "PersistentVolumeClaim", "Service", "ServiceAccount"];
/// Between two looks while an object is missing: somebody waits for it.
const WAITING: Duration = Duration::from_millis(500);
/// Between two looks when all are there.
const RESTING: Duration = Duration::from_secs(30);

/// Looks for the wanted objects until `stop`; tells each change once.
pub(crate) async fn follow(
    cluster: Cluster,
    mut wanted: watch::Receiver<Vec<ObjectRef>>,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) {
    let mut told: BTreeMap<ObjectRef, bool> = BTreeMap::new();
    loop {
        let list = wanted.borrow_and_update().clone();
        told.retain(|object, _| list.contains(object));
        for object in &list {
            let there = exists(&cluster, object).await;
            if told.insert(object.clone(), there) != Some(there) {
                let object = object.clone();
                let event = if there { Event::ObjectSeen { object } } else { Event::ObjectGone { object } };
                if events.send(event).await.is_err() {
                    return;
                }
            }
        }
        let pause = async {
            if list.is_empty() {
                std::future::pending::<()>().await;
            }
            let all_there = told.values().all(|there| *there);
            tokio::time::sleep(if all_there { RESTING } else { WAITING }).await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = pause => {}
            changed = wanted.changed() => if changed.is_err() { return },
        }
    }
}

async fn exists(cluster: &Cluster, object: &ObjectRef) -> bool {
    let kinds: Vec<&str> = if object.kind.is_empty() { USUAL_KINDS.to_vec() } else { vec![&object.kind] };
    for kind in kinds {
        if exists_as(cluster, kind, object).await {
            return true;
        }
    }
    false
}

/// Where a kind that is named without its group is looked for, in this order.
const GROUPS: &[(&str, &str)] = &[
    ("", "v1"),
    ("apps", "v1"),
    ("batch", "v1"),
    ("networking.k8s.io", "v1"),
    ("storage.k8s.io", "v1"),
    ("rbac.authorization.k8s.io", "v1"),
    ("apiextensions.k8s.io", "v1"),
];

async fn exists_as(cluster: &Cluster, kind: &str, object: &ObjectRef) -> bool {
    for (group, version) in GROUPS {
        // kubectl's `configmap` and the API's `ConfigMap` are the same here.
        let Some(name) = cluster.kind_name(group, version, kind).await else { continue };
        let gvk = GroupVersionKind::gvk(group, version, &name);
        let Ok((resource, capabilities)) = cluster.kind(&gvk).await else { continue };
        if object.namespace.is_empty() || capabilities.scope == kube::discovery::Scope::Cluster {
            let api: Api<DynamicObject> = Api::all_with(cluster.client(), &resource);
            let params = kube::api::ListParams::default().fields(&format!("metadata.name={}", object.name));
            return api.list_metadata(&params).await.is_ok_and(|list| !list.items.is_empty());
        }
        let api: Api<DynamicObject> = Api::namespaced_with(cluster.client(), &object.namespace, &resource);
        return matches!(api.get_metadata_opt(&object.name).await, Ok(Some(_)));
    }
    false
}
