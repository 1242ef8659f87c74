//! PersistentVolumeClaims and PersistentVolumes of the class `local-path`: a folder of the node a claim.
//!
//! As Rancher's provisioner does: nothing is made until a pod uses the claim (WaitForFirstConsumer), and the
//! folder is `pvc-<uid>_<namespace>_<claim>`. The node makes the folder when it mounts it and removes it when the
//! volume object goes.

use crate::access::{self, at, int_at, is_deleting, list_at, name, namespace, str_at, uid};
use crate::garbage::drop_finalizer;
use crate::{Controller, Outcome, Server, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Change, EventKind, Key, Object, Resource, Term, Write};

pub(crate) const CLAIMS: &str = "persistentvolumeclaims";
const VOLUMES: &str = "persistentvolumes";
const CLASSES: &str = "storage.k8s.io/storageclasses";
const PROTECTION: &str = "kubernetes.io/pvc-protection";
const PROVISIONER: &str = "rancher.io/local-path";
/// The name of the class that a new cluster has, as k3s has it.
pub const STORAGE_CLASS: &str = "local-path";

pub(crate) struct PersistentVolumeClaims;

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
    str_at(claim, &["spec", "volumeName"]).is_empty()
        && class_of(server, claim)
            .is_none_or(|class| str_at(&class, &["volumeBindingMode"]) != "WaitForFirstConsumer")
}

fn name_of(volume: &Value) -> &str {
    str_at(volume, &["name"])
}

fn users(server: &dyn Server, claim: &Value) -> Vec<Object> {
    let mut users = server.select(pods::PODS, namespace(claim), &[Term::Claim(name(claim))]);
    users.retain(|pod| !matches!(str_at(pod, &["status", "phase"]), "Succeeded" | "Failed"));
    users
}

impl Controller for PersistentVolumeClaims {
    fn name(&self) -> &'static str {
        "persistentvolume-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            CLAIMS => vec![change.key.clone()],
            pods::PODS => claims_of(&change.object)
                .iter()
                .map(|claim| access::key(CLAIMS, &change.key.namespace, claim))
                .collect(),
            VOLUMES | CLASSES => server
                .list(CLAIMS, "")
                .iter()
                .filter(|c| str_at(c, &["status", "phase"]) != "Bound")
                .map(|c| access::key_of(CLAIMS, c))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, _now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(claim) = server.get(CLAIMS, &key.namespace, &key.name) else { return outcome };
        let protected = list_at(&claim, &["metadata", "finalizers"]).iter().any(|f| f == PROTECTION);
        if is_deleting(&claim) {
            if protected && users(server, &claim).is_empty() {
                outcome.write(drop_finalizer(key, &claim, PROTECTION));
            }
            return outcome;
        }
        if !protected {
            let mut finalizers = list_at(&claim, &["metadata", "finalizers"]).to_vec();
            finalizers.push(json!(PROTECTION));
            outcome.write(Write::Merge {
                key: key.clone(),
                subresource: "",
                patch: json!({"metadata": {"finalizers": finalizers}}),
            });
        }
        self.bind(server, key, &claim, &mut outcome);
        outcome
    }
}

impl PersistentVolumeClaims {
    fn bind(&self, server: &dyn Server, key: &Key, claim: &Value, outcome: &mut Outcome) {
        let bound = str_at(claim, &["spec", "volumeName"]);
        if !bound.is_empty() {
            match server.get(VOLUMES, "", bound) {
                Some(volume) => mark_bound(key, claim, &volume, outcome),
                None if str_at(claim, &["status", "phase"]) == "Bound" => {
                    outcome.write(phase(CLAIMS, key, "Lost"));
                    self.say(
                        claim,
                        EventKind::Warning,
                        "ClaimLost",
                        "Bound claim has lost its PersistentVolume. Data on the volume is lost!".into(),
                        outcome,
                    );
                }
                None => outcome.write(phase(CLAIMS, key, "Pending")),
            }
            return;
        }
        if let Some(volume) = fitting_volume(server, claim) {
            claim_volume(key, claim, &volume, outcome);
            return;
        }
        if str_at(claim, &["status", "phase"]) != "Pending" {
            outcome.write(phase(CLAIMS, key, "Pending"));
        }
        self.provision(server, key, claim, outcome);
    }

    fn provision(&self, server: &dyn Server, key: &Key, claim: &Value, outcome: &mut Outcome) {
        let Some(class) = class_of(server, claim) else {
            let wanted = str_at(claim, &["spec", "storageClassName"]);
            if wanted.is_empty() {
                self.say(
                    claim,
                    EventKind::Normal,
                    "FailedBinding",
                    "no persistent volumes available for this claim and no storage class is set".into(),
                    outcome,
                );
            } else {
                self.say(
                    claim,
                    EventKind::Warning,
                    "ProvisioningFailed",
                    format!("storageclass.storage.k8s.io \"{wanted}\" not found"),
                    outcome,
                );
            }
            return;
        };
        let provisioner = str_at(&class, &["provisioner"]);
        if provisioner != PROVISIONER {
            self.say(claim, EventKind::Normal, "ExternalProvisioning", format!("Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the system administrator."), outcome);
            return;
        }
        if list_at(claim, &["spec", "accessModes"])
            .iter()
            .any(|m| m == "ReadWriteMany" || m == "ReadOnlyMany")
        {
            self.say(
                claim,
                EventKind::Warning,
                "ProvisioningFailed",
                "NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes".into(),
                outcome,
            );
            return;
        }
        let waits = str_at(&class, &["volumeBindingMode"]) == "WaitForFirstConsumer";
        let node = users(server, claim)
            .iter()
            .map(|p| str_at(p, &["spec", "nodeName"]).to_string())
            .find(|n| !n.is_empty());
        let node = match node {
            Some(node) => node,
            None if waits => {
                self.say(
                    claim,
                    EventKind::Normal,
                    "WaitForFirstConsumer",
                    "waiting for first consumer to be created before binding".into(),
                    outcome,
                );
                return;
            }
            None => match server.list("nodes", "").first() {
                Some(node) => name(node).to_string(),
                None => return,
            },
        };
        let volume = new_volume(server, claim, &class, &node);
        let message = format!("Successfully provisioned volume {}", name(&volume));
        outcome.write(Write::Create { resource: Resource::new(VOLUMES), object: volume.clone() });
        self.say(claim, EventKind::Normal, "ProvisioningSucceeded", message, outcome);
        claim_volume(key, claim, &volume, outcome);
    }

    fn say(&self, claim: &Value, kind: EventKind, reason: &str, message: String, outcome: &mut Outcome) {
        let regarding = access::reference("v1", "PersistentVolumeClaim", claim);
        outcome.write(access::event(kind, regarding, self.name(), reason, message));
    }
}

fn phase(resource: &str, key: &Key, phase: &str) -> Write {
    let key = Key { resource: Resource::new(resource), ..key.clone() };
    Write::Merge { key, subresource: "status", patch: json!({"status": {"phase": phase}}) }
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

/// A volume that somebody made by hand: reserved for this claim, or free and of its class and access modes.
fn fitting_volume(server: &dyn Server, claim: &Value) -> Option<Object> {
    server.list(VOLUMES, "").into_iter().find(|volume| {
        let owner = at(volume, &["spec", "claimRef"]);
        let ours = str_at(owner, &["namespace"]) == namespace(claim)
            && str_at(owner, &["name"]) == name(claim)
            && (str_at(owner, &["uid"]).is_empty() || str_at(owner, &["uid"]) == uid(claim));
        let free = owner.is_null() && matches!(str_at(volume, &["status", "phase"]), "Available" | "");
        let class =
            str_at(volume, &["spec", "storageClassName"]) == str_at(claim, &["spec", "storageClassName"]);
        let modes = list_at(claim, &["spec", "accessModes"])
            .iter()
            .all(|m| list_at(volume, &["spec", "accessModes"]).contains(m));
        !is_deleting(volume) && (ours || (free && class && modes))
    })
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
        "metadata": {"name": volume, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": {"storage": at(claim, &["spec", "resources", "requests", "storage"])},
            "accessModes": at(claim, &["spec", "accessModes"]),
            "persistentVolumeReclaimPolicy": reclaim,
            "storageClassName": name(class),
            "volumeMode": "Filesystem",
            "hostPath": {"path": path, "type": "DirectoryOrCreate"},
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": namespace(claim), "name": name(claim), "uid": uid(claim),
            },
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]},
            ]}]}},
        },
    })
}

fn claim_volume(key: &Key, claim: &Value, volume: &Value, outcome: &mut Outcome) {
    if str_at(volume, &["spec", "claimRef", "uid"]) != uid(claim) {
        outcome.write(Write::Merge {
            key: access::key(VOLUMES, "", name(volume)),
            subresource: "",
            patch: json!({"spec": {"claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": namespace(claim), "name": name(claim), "uid": uid(claim),
            }}}),
        });
    }
    outcome.write(Write::Merge {
        key: key.clone(),
        subresource: "",
        patch: json!({
            "metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}},
            "spec": {"volumeName": name(volume), "storageClassName": at(volume, &["spec", "storageClassName"])},
        }),
    });
    outcome.write(bound_status(key, volume));
}

fn bound_status(key: &Key, volume: &Value) -> Write {
    Write::Merge {
        key: key.clone(),
        subresource: "status",
        patch: json!({"status": {
            "phase": "Bound", "accessModes": at(volume, &["spec", "accessModes"]),
            "capacity": at(volume, &["spec", "capacity"]),
        }}),
    }
}

fn mark_bound(key: &Key, claim: &Value, volume: &Value, outcome: &mut Outcome) {
    if str_at(claim, &["status", "phase"]) != "Bound" {
        outcome.write(bound_status(key, volume));
    }
}

pub(crate) struct PersistentVolumes;

impl Controller for PersistentVolumes {
    fn name(&self) -> &'static str {
        "persistentvolume-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            VOLUMES => vec![change.key.clone()],
            CLAIMS => server
                .list(VOLUMES, "")
                .iter()
                .filter(|v| {
                    str_at(v, &["spec", "claimRef", "name"]) == &*change.key.name
                        && str_at(v, &["spec", "claimRef", "namespace"]) == &*change.key.namespace
                })
                .map(|v| access::key_of(VOLUMES, v))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, _now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(volume) = server.get(VOLUMES, "", &key.name) else { return outcome };
        let owner = at(&volume, &["spec", "claimRef"]);
        let claim = server.get(CLAIMS, str_at(owner, &["namespace"]), str_at(owner, &["name"]));
        let alive =
            claim.is_some_and(|c| uid(&c) == str_at(owner, &["uid"]) || str_at(owner, &["uid"]).is_empty());
        let provisioned =
            at(&volume, &["metadata", "annotations", "pv.kubernetes.io/provisioned-by"]).is_string();
        let next = if owner.is_null() {
            "Available"
        } else if alive {
            "Bound"
        } else if str_at(&volume, &["spec", "persistentVolumeReclaimPolicy"]) == "Delete" && provisioned {
            if !is_deleting(&volume) {
                outcome.write(Write::Delete {
                    key: key.clone(),
                    uid: Some(uid(&volume).into()),
                    grace_seconds: int_at(&volume, &["metadata", "deletionGracePeriodSeconds"]),
                    propagation: store::Propagation::Background,
                });
            }
            return outcome;
        } else {
            "Released"
        };
        if str_at(&volume, &["status", "phase"]) != next {
            outcome.write(phase(VOLUMES, key, next));
        }
        outcome
    }
}
