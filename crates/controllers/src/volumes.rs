//! PersistentVolumeClaims and PersistentVolumes: claims find volumes that somebody made, or get one of the class
//! `local-path`, a folder of the node a claim.
//!
//! Binding is that of upstream's persistentvolume controller. Provisioning is that of Rancher's provisioner: nothing is
//! made until a pod uses the claim (WaitForFirstConsumer), and the folder is `pvc-<uid>_<namespace>_<claim>`. The node
//! makes the folder when it mounts it and removes it when the volume object goes.

mod claims;
mod fit;
mod provision;
mod reclaim;

pub(crate) use claims::PersistentVolumeClaims;
pub(crate) use reclaim::PersistentVolumes;

use crate::access::{at, list_at, name, namespace, str_at, uid};
use crate::{Server, pods};
use serde_json::{Value, json};
use store::{Key, Object, Resource, Term, Write};

pub(crate) const CLAIMS: &str = "persistentvolumeclaims";
const VOLUMES: &str = "persistentvolumes";
const CLASSES: &str = "storage.k8s.io/storageclasses";
const PROVISIONER: &str = "rancher.io/local-path";
/// The provisioner of classes whose volumes are made by hand.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
/// The name of the class that a new cluster has, as k3s has it.
pub const STORAGE_CLASS: &str = "local-path";

/// Keeps claims and volumes that are in use; the API server adds it.
const PROTECTS_CLAIMS: &str = "kubernetes.io/pvc-protection";
const PROTECTS_VOLUMES: &str = "kubernetes.io/pv-protection";

/// Annotations that say who has bound a claim and a volume, and that it is done.
const COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// Claims that a pod's volumes name, ephemeral ones included.
pub(crate) fn claims_of(pod: &Value) -> Vec<String> {
    list_at(pod, &["spec", "volumes"])
        .iter()
        .filter_map(|volume| {
            let claim = str_at(volume, &["persistentVolumeClaim", "claimName"]);
            if !claim.is_empty() {
                return Some(claim.to_string());
            }
            volume.get("ephemeral").map(|_| format!("{}-{}", name(pod), name_of(volume)))
        })
        .collect()
}

/// Whether its volume is gone.
pub(crate) fn is_lost(claim: &Value) -> bool {
    str_at(claim, &["status", "phase"]) == "Lost"
}

/// Whether a claim has no volume yet and does not wait for its first pod: the pod has to wait for the claim.
pub(crate) fn must_be_bound_first(server: &dyn Server, claim: &Value) -> bool {
    str_at(claim, &["spec", "volumeName"]).is_empty() && !waits_for_consumer(server, claim)
}

/// Whether a claim that waits for its pod would find no volume on this node, and none is made for it.
pub(crate) fn finds_none(server: &dyn Server, claim: &Value, node: &Object) -> bool {
    if !str_at(claim, &["spec", "volumeName"]).is_empty() {
        return false;
    }
    let Some(class) = class_of(server, claim) else { return false };
    if str_at(&class, &["provisioner"]) != NO_PROVISIONER {
        return false;
    }
    let wanted = fit::Wanted { claim, class: name(&class), node: Some(node.clone()), waits: false };
    fit::best(server, &wanted).is_none()
}

fn name_of(volume: &Value) -> &str {
    str_at(volume, &["name"])
}

fn users(server: &dyn Server, claim: &Value) -> Vec<Object> {
    let mut users = server.select(pods::PODS, namespace(claim), &[Term::Claim(name(claim))]);
    users.retain(|pod| !matches!(str_at(pod, &["status", "phase"]), "Succeeded" | "Failed"));
    users
}

/// Whether the claim's class leaves it alone until a pod that uses it has a node.
fn waits_for_consumer(server: &dyn Server, claim: &Value) -> bool {
    class_of(server, claim)
        .is_some_and(|class| str_at(&class, &["volumeBindingMode"]) == "WaitForFirstConsumer")
}

/// The node of a pod that uses the claim.
fn node_of_users(server: &dyn Server, claim: &Value) -> Option<String> {
    let users = users(server, claim);
    users.iter().map(|pod| str_at(pod, &["spec", "nodeName"]).to_string()).find(|node| !node.is_empty())
}

/// The named class, or the default one if the claim names none (`""` means: no class at all).
fn class_of(server: &dyn Server, claim: &Value) -> Option<Object> {
    match at(claim, &["spec", "storageClassName"]).as_str() {
        Some("") => None,
        Some(named) => server.get(CLASSES, "", named),
        None => server.list(CLASSES, "").into_iter().find(|c| {
            at(c, &["metadata", "annotations", "storageclass.kubernetes.io/is-default-class"])
                == &json!("true")
        }),
    }
}

fn has_annotation(object: &Value, annotation: &str) -> bool {
    at(object, &["metadata", "annotations", annotation]).is_string()
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    list_at(object, &["metadata", "finalizers"]).iter().any(|known| known == finalizer)
}

/// An object from before the API server protected it.
fn protect(key: &Key, object: &Value, finalizer: &str) -> Write {
    let mut finalizers = list_at(object, &["metadata", "finalizers"]).to_vec();
    finalizers.push(json!(finalizer));
    let patch = json!({"metadata": {"finalizers": finalizers}});
    Write::Merge { key: key.clone(), subresource: "", patch }
}

fn phase(resource: &str, key: &Key, phase: &str) -> Write {
    let key = Key { resource: Resource::new(resource), ..key.clone() };
    Write::Merge { key, subresource: "status", patch: json!({"status": {"phase": phase}}) }
}

/// What a volume says of its claim.
fn claim_ref(claim: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "namespace": namespace(claim), "name": name(claim), "uid": uid(claim),
    })
}

#[cfg(test)]
mod tests;
