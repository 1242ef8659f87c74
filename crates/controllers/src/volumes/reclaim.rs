//! Volumes: free, reserved, bound, or left by their claim and then kept or removed.

use super::{
    BY_CONTROLLER, CLAIMS, PROTECTS_VOLUMES, PROVISIONED_BY, VOLUMES, has_annotation, has_finalizer, phase,
    protect,
};
use crate::access::{self, at, is_deleting, name, str_at, uid};
use crate::garbage::drop_finalizer;
use crate::{Controller, Outcome, Server};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Change, EventKind, Key, Term, Write};

pub(crate) struct PersistentVolumes;

impl Controller for PersistentVolumes {
    fn name(&self) -> &'static str {
        "persistentvolume-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            VOLUMES => vec![change.key.clone()],
            CLAIMS => {
                let of_claim = Term::For(&change.key.namespace, &change.key.name);
                let volumes = server.select(VOLUMES, "", &[of_claim]);
                volumes.iter().map(|volume| access::key_of(VOLUMES, volume)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, _now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(volume) = server.get(VOLUMES, "", &key.name) else { return outcome };
        let protected = has_finalizer(&volume, PROTECTS_VOLUMES);
        let is = str_at(&volume, &["status", "phase"]);
        if is_deleting(&volume) && protected && is != "Bound" {
            outcome.write(drop_finalizer(key, &volume, PROTECTS_VOLUMES));
            return outcome;
        }
        if !is_deleting(&volume) && !protected {
            outcome.write(protect(key, &volume, PROTECTS_VOLUMES));
        }
        match state(server, &volume) {
            State::Left => self.left(key, &volume, &mut outcome),
            State::Elsewhere if has_annotation(&volume, BY_CONTROLLER) => {
                let annotations = json!({"annotations": {BY_CONTROLLER: null}});
                let patch = json!({"metadata": annotations, "spec": {"claimRef": null}});
                outcome.write(Write::Merge { key: key.clone(), subresource: "", patch });
            }
            State::Elsewhere | State::Free if is != "Available" => {
                outcome.write(phase(VOLUMES, key, "Available"));
            }
            State::Bound if is != "Bound" => outcome.write(phase(VOLUMES, key, "Bound")),
            _ => {}
        }
        outcome
    }
}

enum State {
    /// Of nobody yet, or reserved for a claim that is not there yet.
    Free,
    Bound,
    /// Its claim has another volume now.
    Elsewhere,
    /// Its claim is gone.
    Left,
    /// Its claim is about to be bound.
    Waits,
}

fn state(server: &dyn Server, volume: &Value) -> State {
    let owner = at(volume, &["spec", "claimRef"]);
    let its = str_at(owner, &["uid"]);
    if its.is_empty() {
        return State::Free;
    }
    let claim = server.get(CLAIMS, str_at(owner, &["namespace"]), str_at(owner, &["name"]));
    match claim.filter(|claim| uid(claim) == its) {
        None => State::Left,
        Some(claim) => match str_at(&claim, &["spec", "volumeName"]) {
            "" => State::Waits,
            its if its == name(volume) => State::Bound,
            _ if has_annotation(volume, PROVISIONED_BY) && policy(volume) == "Delete" => State::Left,
            _ => State::Elsewhere,
        },
    }
}

fn policy(volume: &Value) -> &str {
    str_at(volume, &["spec", "persistentVolumeReclaimPolicy"])
}

impl PersistentVolumes {
    fn left(&self, key: &Key, volume: &Value, outcome: &mut Outcome) {
        let is = str_at(volume, &["status", "phase"]);
        if !matches!(is, "Released" | "Failed") {
            outcome.write(phase(VOLUMES, key, "Released"));
        }
        if policy(volume) != "Delete" || is_deleting(volume) {
            return;
        }
        if has_annotation(volume, PROVISIONED_BY) {
            outcome.write(Write::Delete {
                key: key.clone(),
                uid: Some(uid(volume).into()),
                grace_seconds: None,
                propagation: store::Propagation::Background,
            });
        } else if is != "Failed" {
            // Nothing here removes what somebody has made by hand.
            let message = format!(
                "error getting deleter volume plugin for volume {:?}: no deletable volume plugin matched",
                name(volume)
            );
            let patch = json!({"status": {"phase": "Failed", "message": message}});
            outcome.write(Write::Merge { key: key.clone(), subresource: "status", patch });
            let regarding = access::reference("v1", "PersistentVolume", volume);
            let event =
                access::event(EventKind::Warning, regarding, self.name(), "VolumeFailedDelete", message);
            outcome.write(event);
        }
    }
}
