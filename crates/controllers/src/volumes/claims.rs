//! Claims: bound to the volume that they name, to one that fits, or to a new one.

use super::fit::{self, Wanted};
use super::{
    BY_CONTROLLER, CLAIMS, CLASSES, COMPLETED, PROTECTS_CLAIMS, VOLUMES, claim_ref, claims_of,
    has_annotation, has_finalizer, node_of_users, phase, protect, provision, users, waits_for_consumer,
};
use crate::access::{self, at, is_deleting, name, str_at, uid};
use crate::garbage::drop_finalizer;
use crate::{Controller, Outcome, Server, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::{Change, EventKind, Key, Term, Write};

pub(crate) struct PersistentVolumeClaims;

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
            VOLUMES | CLASSES => {
                let mut claims = server.select(CLAIMS, "", &[Term::Unbound]);
                if &*change.key.resource.0 == VOLUMES {
                    claims.extend(server.select(CLAIMS, "", &[Term::Volume(&change.key.name)]));
                }
                let keys: BTreeSet<Key> = claims.iter().map(|c| access::key_of(CLAIMS, c)).collect();
                keys.into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, _now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(claim) = server.get(CLAIMS, &key.namespace, &key.name) else { return outcome };
        let protected = has_finalizer(&claim, PROTECTS_CLAIMS);
        if is_deleting(&claim) {
            if protected && users(server, &claim).is_empty() {
                outcome.write(drop_finalizer(key, &claim, PROTECTS_CLAIMS));
            }
            return outcome;
        }
        if !protected {
            outcome.write(protect(key, &claim, PROTECTS_CLAIMS));
        }
        let mut sync = Sync { server, key, claim: &claim, outcome: &mut outcome };
        match (str_at(&claim, &["spec", "volumeName"]), has_annotation(&claim, COMPLETED)) {
            ("", false) => sync.find(),
            ("", true) => sync.lost(
                "ClaimLost",
                "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!",
            ),
            (volume, false) => sync.named(volume),
            (volume, true) => sync.bound(volume),
        }
        outcome
    }
}

/// One claim and what becomes of it.
pub(super) struct Sync<'a> {
    pub(super) server: &'a dyn Server,
    pub(super) key: &'a Key,
    pub(super) claim: &'a Value,
    pub(super) outcome: &'a mut Outcome,
}

impl Sync<'_> {
    pub(super) fn say(&mut self, kind: EventKind, reason: &str, message: impl Into<String>) {
        let regarding = access::reference("v1", "PersistentVolumeClaim", self.claim);
        let by = PersistentVolumeClaims.name();
        self.outcome.write(access::event(kind, regarding, by, reason, message.into()));
    }

    fn is(&mut self, wanted: &str) {
        if str_at(self.claim, &["status", "phase"]) != wanted {
            self.outcome.write(phase(CLAIMS, self.key, wanted));
        }
    }

    fn lost(&mut self, reason: &str, message: &str) {
        if str_at(self.claim, &["status", "phase"]) != "Lost" {
            self.is("Lost");
            self.say(EventKind::Warning, reason, message);
        }
    }

    /// The claim names no volume.
    fn find(&mut self) {
        let node = node_of_users(self.server, self.claim);
        let class = super::class_of(self.server, self.claim);
        let named = str_at(self.claim, &["spec", "storageClassName"]);
        let wanted = Wanted {
            claim: self.claim,
            class: class.as_ref().map_or(named, |class| name(class)),
            waits: node.is_none() && waits_for_consumer(self.server, self.claim),
            node: node.as_ref().and_then(|node| self.server.get("nodes", "", node)),
        };
        if let Some(volume) = fit::best(self.server, &wanted) {
            self.bind(&volume, true);
            return;
        }
        self.is("Pending");
        provision::provision(self, node);
    }

    /// The claim names a volume that it is not bound to yet.
    fn named(&mut self, wanted: &str) {
        let Some(volume) = self.server.get(VOLUMES, "", wanted) else {
            return self.is("Pending");
        };
        let free = at(&volume, &["spec", "claimRef"]).is_null();
        if !free && !fit::is_for(&volume, self.claim) {
            self.is("Pending");
            let message = format!("volume {wanted:?} already bound to a different claim.");
            return self.say(EventKind::Warning, "FailedBinding", message);
        }
        if free && let Some(why) = fit::unfit(&volume, self.claim) {
            self.is("Pending");
            let message = format!("Cannot bind to requested volume {wanted:?}: {why}");
            return self.say(EventKind::Warning, "VolumeMismatch", message);
        }
        self.bind(&volume, false);
    }

    /// The claim was bound.
    fn bound(&mut self, wanted: &str) {
        match self.server.get(VOLUMES, "", wanted) {
            None => self
                .lost("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"),
            Some(volume) if at(&volume, &["spec", "claimRef"]).is_null() => self.bind(&volume, false),
            Some(volume) if str_at(&volume, &["spec", "claimRef", "uid"]) == uid(self.claim) => {
                self.bind(&volume, false);
            }
            Some(_) => self.lost(
                "ClaimMisbound",
                "Two claims are bound to the same volume, this one is bound incorrectly",
            ),
        }
    }

    /// Both sides say so, and the claim shows what it has. `chosen`: the claim did not ask for this volume.
    pub(super) fn bind(&mut self, volume: &Value, chosen: bool) {
        let owner = at(volume, &["spec", "claimRef"]);
        if str_at(owner, &["uid"]) != uid(self.claim) {
            let mut patch = json!({"spec": {"claimRef": claim_ref(self.claim)}});
            if owner.is_null() {
                patch["metadata"] = json!({"annotations": {BY_CONTROLLER: "yes"}});
            }
            let key = access::key(VOLUMES, "", name(volume));
            self.outcome.write(Write::Merge { key, subresource: "", patch });
        }
        if !has_annotation(self.claim, COMPLETED) {
            let mut patch = json!({"metadata": {"annotations": {COMPLETED: "yes"}}});
            if chosen {
                patch["metadata"]["annotations"][BY_CONTROLLER] = "yes".into();
                patch["spec"] = json!({"volumeName": name(volume)});
            }
            self.outcome.write(Write::Merge { key: self.key.clone(), subresource: "", patch });
        }
        if str_at(self.claim, &["status", "phase"]) != "Bound" {
            let status = json!({
                "phase": "Bound", "accessModes": at(volume, &["spec", "accessModes"]),
                "capacity": at(volume, &["spec", "capacity"]),
            });
            let patch = json!({"status": status});
            self.outcome.write(Write::Merge { key: self.key.clone(), subresource: "status", patch });
        }
    }
}
