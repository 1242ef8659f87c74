//! New volumes of the class `local-path`, and why a claim gets none.

use super::claims::Sync;
use super::{PROVISIONED_BY, PROVISIONER, VOLUMES, claim_ref, class_of};
use crate::Server;
use crate::access::{at, list_at, name, namespace, str_at, uid};
use serde_json::{Value, json};
use store::{EventKind, Resource, Write};

/// `node` is that of a pod which uses the claim.
pub(super) fn provision(sync: &mut Sync<'_>, node: Option<String>) {
    let Some(class) = class_of(sync.server, sync.claim) else { return classless(sync) };
    let waits = str_at(&class, &["volumeBindingMode"]) == "WaitForFirstConsumer";
    if waits && node.is_none() {
        let message = "waiting for first consumer to be created before binding";
        return sync.say(EventKind::Normal, "WaitForFirstConsumer", message);
    }
    match str_at(&class, &["provisioner"]) {
        PROVISIONER => {}
        plugin if plugin.starts_with("kubernetes.io/") => {
            let message = format!("no volume plugin matched name: {plugin}");
            return sync.say(EventKind::Normal, "ProvisioningFailed", message);
        }
        provisioner => {
            let message = format!(
                "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
            );
            return sync.say(EventKind::Normal, "ExternalProvisioning", message);
        }
    }
    if list_at(sync.claim, &["spec", "accessModes"])
        .iter()
        .any(|mode| mode == "ReadWriteMany" || mode == "ReadOnlyMany")
    {
        let message = "NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes";
        return sync.say(EventKind::Warning, "ProvisioningFailed", message);
    }
    if !at(sync.claim, &["spec", "selector"]).is_null() {
        let message = "claim.Spec.Selector is not supported";
        return sync.say(EventKind::Warning, "ProvisioningFailed", message);
    }
    let first = || sync.server.list("nodes", "").first().map(|node| name(node).to_string());
    let Some(node) = node.or_else(first) else { return };
    let volume = new_volume(sync.server, sync.claim, &class, &node);
    let message = format!("Successfully provisioned volume {}", name(&volume));
    sync.outcome.write(Write::Create { resource: Resource::new(VOLUMES), object: volume.clone() });
    sync.say(EventKind::Normal, "ProvisioningSucceeded", message);
    sync.bind(&volume, true);
}

fn classless(sync: &mut Sync<'_>) {
    match str_at(sync.claim, &["spec", "storageClassName"]) {
        "" => {
            let message = "no persistent volumes available for this claim and no storage class is set";
            sync.say(EventKind::Normal, "FailedBinding", message);
        }
        wanted => {
            let message = format!("storageclass.storage.k8s.io \"{wanted}\" not found");
            sync.say(EventKind::Warning, "ProvisioningFailed", message);
        }
    }
}

fn new_volume(server: &dyn Server, claim: &Value, class: &Value, node: &str) -> Value {
    let volume = format!("pvc-{}", uid(claim));
    let path = format!("{}/{volume}_{}_{}", server.storage_path(), namespace(claim), name(claim));
    let reclaim = match str_at(class, &["reclaimPolicy"]) {
        "" => "Delete",
        policy => policy,
    };
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": volume, "annotations": {PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": at(claim, &["spec", "resources", "requests", "storage"])},
            "accessModes": at(claim, &["spec", "accessModes"]),
            "persistentVolumeReclaimPolicy": reclaim,
            "storageClassName": name(class),
            "volumeMode": "Filesystem",
            "hostPath": {"path": path, "type": "DirectoryOrCreate"},
            "claimRef": claim_ref(claim),
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]},
            ]}]}},
        },
    })
}
