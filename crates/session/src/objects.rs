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

async fn exists_as(cluster: &Cluster, kind: &str, object: &ObjectRef) -> bool {
    // A name alone says no group; the core group has the kinds that people name so.
    let Ok((resource, _)) = cluster.kind(&GroupVersionKind::gvk("", "v1", kind)).await else { return false };
    if object.namespace.is_empty() {
        let api: Api<DynamicObject> = Api::all_with(cluster.client(), &resource);
        let params = kube::api::ListParams::default().fields(&format!("metadata.name={}", object.name));
        return api.list_metadata(&params).await.is_ok_and(|list| !list.items.is_empty());
    }
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client(), &object.namespace, &resource);
    matches!(api.get_metadata_opt(&object.name).await, Ok(Some(_)))
}
