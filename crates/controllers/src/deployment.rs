//! Deployment: one ReplicaSet a template, and the way from the old one to the new one.
//!
//! `sets` makes, numbers and forgets ReplicaSets, `scaling` shares out a change of `replicas` during a rollout, `status`
//! counts and tells of progress; the arithmetic of a rolling update is in `rollout`. Behaviour follows
//! kube-controller-manager's deployment controller; the template hash is our own (names are not portable between
//! implementations anyway).

mod scaling;
mod sets;
mod status;
#[cfg(test)]
mod tests;

use crate::access::{self, at, int_at, is_deleting, key_of, name, str_at};
use crate::replicaset::{self, REPLICASETS};
use crate::rollout::{self, Budget};
use crate::{Controller, Outcome, Server, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Change, ChangeKind, EventKind, Key, Object, Write};

pub(crate) const DEPLOYMENTS: &str = "apps/deployments";
pub(crate) const HASH_LABEL: &str = "pod-template-hash";

pub(crate) struct Deployments;

impl Controller for Deployments {
    fn name(&self) -> &'static str {
        "deployment-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            DEPLOYMENTS => vec![change.key.clone()],
            REPLICASETS if access::controller_of(&change.object).is_none() => {
                sets::who_selects(server, &change.object)
            }
            REPLICASETS => replicaset::deployment_of(&change.object).into_iter().collect(),
            // `Recreate` waits for the last old pod to be gone, which no ReplicaSet's status tells.
            pods::PODS if change.kind == ChangeKind::Deleted => {
                let set = access::owner_key(&change.object, "ReplicaSet", REPLICASETS);
                let set = set.and_then(|key| server.get(REPLICASETS, &key.namespace, &key.name));
                set.and_then(|set| replicaset::deployment_of(&set)).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(deployment) = server.get(DEPLOYMENTS, &key.namespace, &key.name) else { return outcome };
        let mut old = sets::claim(server, &deployment, &mut outcome);
        // The oldest one of the present template, should there be several.
        let current =
            old.iter().position(|set| sets::same_template(&deployment, set)).map(|place| old.remove(place));
        let mut plan = Plan {
            server,
            deployment: &deployment,
            current: current.as_ref(),
            old: &old,
            created: None,
            now,
            outcome: &mut outcome,
        };
        plan.advance();
        outcome
    }
}

fn spec_replicas(set: &Value) -> i64 {
    int_at(set, &["spec", "replicas"]).unwrap_or(1)
}

fn available(set: &Value) -> i64 {
    int_at(set, &["status", "availableReplicas"]).unwrap_or(0)
}

struct Plan<'a> {
    server: &'a dyn Server,
    deployment: &'a Object,
    current: Option<&'a Object>,
    /// Those of other templates, oldest first.
    old: &'a [Object],
    /// Name and replicas of a ReplicaSet made in this look.
    created: Option<(String, i64)>,
    now: Timestamp,
    outcome: &'a mut Outcome,
}

impl Plan<'_> {
    fn advance(&mut self) {
        if is_deleting(self.deployment) {
            return self.write_status(false);
        }
        let paused = self.is_paused();
        // What is paused is not rolled, and neither is what is being scaled: all its sets follow in proportion.
        let scales = paused || self.is_scaling();
        if (!scales || self.current.is_some()) && self.annotate() {
            // Writing the Deployment's own annotation brings us back here.
            return;
        }
        if scales {
            self.scale_all();
        } else if str_at(self.deployment, &["spec", "strategy", "type"]) == "Recreate" {
            self.recreate();
        } else {
            self.rolling();
        }
        if paused || self.was_complete() {
            self.prune();
        }
        self.write_status(!scales);
    }

    fn desired(&self) -> i64 {
        int_at(self.deployment, &["spec", "replicas"]).unwrap_or(1).max(0)
    }

    fn is_paused(&self) -> bool {
        at(self.deployment, &["spec", "paused"]) == &json!(true)
    }

    /// Nothing surges and nothing is spared where pods are recreated.
    fn budget(&self) -> Budget {
        if str_at(self.deployment, &["spec", "strategy", "type"]) == "Recreate" {
            return Budget { surge: 0, unavailable: 0 };
        }
        Budget::new(at(self.deployment, &["spec", "strategy", "rollingUpdate"]), self.desired())
    }

    fn sets(&self) -> impl Iterator<Item = &Object> {
        self.old.iter().chain(self.current)
    }

    fn rolling(&mut self) {
        let (desired, budget) = (self.desired(), self.budget());
        let old_total: i64 = self.old.iter().map(|s| spec_replicas(s)).sum();
        let Some(current) = self.current else {
            return self.create(rollout::new_replicas(0, desired, old_total, &budget));
        };
        let next = rollout::new_replicas(
            spec_replicas(current),
            desired,
            old_total + spec_replicas(current),
            &budget,
        );
        self.scale(current, next);
        let old: Vec<rollout::Old> = self
            .old
            .iter()
            .map(|s| rollout::Old { replicas: spec_replicas(s), available: available(s) })
            .collect();
        let new = rollout::New { replicas: next, available: available(current) };
        for (set, replicas) in self.old.iter().zip(rollout::shrink(&old, new, desired, &budget)) {
            self.scale(set, replicas);
        }
    }

    /// Two generations never run together: the new one comes when the last old pod is gone, not only told to go.
    fn recreate(&mut self) {
        let scaled = self.old.iter().any(|set| spec_replicas(set) > 0);
        self.old.iter().for_each(|set| self.scale(set, 0));
        let left = scaled
            || self.old.iter().any(|set| int_at(set, &["status", "replicas"]).unwrap_or(0) > 0)
            || self.old.iter().any(|set| {
                let pods = pods::controlled_pods(self.server, access::uid(set));
                pods.iter().any(|p| !matches!(str_at(p, &["status", "phase"]), "Succeeded" | "Failed"))
            });
        match self.current {
            _ if left => {}
            Some(current) => self.scale(current, self.desired()),
            None => self.create(self.desired()),
        }
    }

    fn scale(&mut self, set: &Object, replicas: i64) {
        if spec_replicas(set) != replicas {
            self.resize(set, replicas);
        }
    }

    /// Notes in the set what it is a part of, too: a later change of `replicas` is shared out by it.
    fn resize(&mut self, set: &Object, replicas: i64) {
        let now = spec_replicas(set);
        let noted = self.replica_annotations();
        let annotations = at(set, &["metadata", "annotations"]);
        let known = noted.as_object().is_some_and(|noted| noted.iter().all(|(k, v)| &annotations[k] == v));
        if known && now == replicas {
            return;
        }
        let mut patch = json!({"metadata": {"annotations": noted}});
        if now != replicas {
            patch["spec"] = json!({"replicas": replicas});
        }
        self.outcome.write(Write::Merge { key: key_of(REPLICASETS, set), subresource: "", patch });
        if now != replicas {
            let way = if replicas > now { "up" } else { "down" };
            self.say(format!("Scaled {way} replica set {} from {now} to {replicas}", name(set)));
        }
    }

    fn say(&mut self, message: String) {
        let regarding = access::reference("apps/v1", "Deployment", self.deployment);
        let component = Deployments.name();
        self.outcome.write(access::event(
            EventKind::Normal,
            regarding,
            component,
            "ScalingReplicaSet",
            message,
        ));
    }
}
