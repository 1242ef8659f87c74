//! Deployment: one ReplicaSet a template, and the way from the old one to the new one.
//!
//! The arithmetic of a rolling update is in `rollout`. Behaviour follows kube-controller-manager's deployment
//! controller; the template hash is our own (names are not portable between implementations anyway).

use crate::access::{self, at, generation, int_at, is_deleting, key_of, list_at, name, namespace, str_at};
use crate::replicaset::{self, REPLICASETS};
use crate::rollout::{self, Budget};
use crate::{Controller, Outcome, Server, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Change, ChangeKind, EventKind, Key, Object, Propagation, Resource, Write};

pub(crate) const DEPLOYMENTS: &str = "apps/deployments";
pub(crate) const HASH_LABEL: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";

pub(crate) struct Deployments;

impl Controller for Deployments {
    fn name(&self) -> &'static str {
        "deployment-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            DEPLOYMENTS => vec![change.key.clone()],
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
        let sets = replicaset::controlled_sets(server, &deployment);
        if is_deleting(&deployment) {
            return outcome;
        }
        let (current, old): (Vec<Object>, Vec<Object>) =
            sets.into_iter().partition(|set| same_template(&deployment, set));
        let current = current.into_iter().next_back();
        let plan = Plan { server, deployment: &deployment, current: current.as_ref(), old: &old };
        plan.roll(&mut outcome);
        plan.prune(&mut outcome);
        plan.status(now, &mut outcome);
        outcome
    }
}

/// Whether the ReplicaSet was made from the Deployment's present template (but for the hash label).
fn same_template(deployment: &Value, set: &Value) -> bool {
    let mut theirs = at(set, &["spec", "template"]).clone();
    if let Some(labels) = theirs.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(HASH_LABEL);
    }
    &theirs == at(deployment, &["spec", "template"])
}

fn revision(object: &Value) -> i64 {
    str_at(object, &["metadata", "annotations", REVISION]).parse().unwrap_or(0)
}

struct Plan<'a> {
    server: &'a dyn Server,
    deployment: &'a Object,
    current: Option<&'a Object>,
    old: &'a [Object],
}

impl Plan<'_> {
    fn desired(&self) -> i64 {
        int_at(self.deployment, &["spec", "replicas"]).unwrap_or(1).max(0)
    }

    fn is_paused(&self) -> bool {
        at(self.deployment, &["spec", "paused"]) == &json!(true)
    }

    fn roll(&self, outcome: &mut Outcome) {
        let recreate = str_at(self.deployment, &["spec", "strategy", "type"]) == "Recreate";
        if self.is_paused() {
            // A paused Deployment does not roll, but its present ReplicaSet still follows `replicas`.
            if let Some(current) = self.current {
                self.scale(current, self.desired(), outcome);
            }
            return;
        }
        self.mark_revision(outcome);
        if recreate {
            self.recreate(outcome);
        } else {
            self.rolling(outcome);
        }
    }

    fn rolling(&self, outcome: &mut Outcome) {
        let desired = self.desired();
        let budget = Budget::new(at(self.deployment, &["spec", "strategy", "rollingUpdate"]), desired);
        let Some(current) = self.current else {
            let total: i64 = self.old.iter().map(|s| spec_replicas(s)).sum();
            self.create(rollout::new_replicas(0, desired, total, &budget), outcome);
            return;
        };
        let old_total: i64 = self.old.iter().map(|s| spec_replicas(s)).sum();
        let next = rollout::new_replicas(
            spec_replicas(current),
            desired,
            old_total + spec_replicas(current),
            &budget,
        );
        self.scale(current, next, outcome);
        let old: Vec<rollout::Old> = self
            .old
            .iter()
            .map(|s| rollout::Old {
                replicas: spec_replicas(s),
                available: int_at(s, &["status", "availableReplicas"]).unwrap_or(0),
            })
            .collect();
        let new = rollout::New {
            replicas: next,
            available: int_at(current, &["status", "availableReplicas"]).unwrap_or(0),
        };
        for (set, replicas) in self.old.iter().zip(rollout::shrink(&old, new, desired, &budget)) {
            self.scale(set, replicas, outcome);
        }
    }

    fn recreate(&self, outcome: &mut Outcome) {
        for set in self.old {
            self.scale(set, 0, outcome);
        }
        // The old pods must be gone, not only told to go: two generations never run together.
        let old_pods_left = self.old.iter().any(|set| {
            pods::controlled_pods(self.server, access::uid(set))
                .iter()
                .any(|p| !matches!(str_at(p, &["status", "phase"]), "Succeeded" | "Failed"))
        });
        match self.current {
            Some(current) if !old_pods_left => self.scale(current, self.desired(), outcome),
            Some(_) => {}
            None => self.create(if old_pods_left { 0 } else { self.desired() }, outcome),
        }
    }

    fn create(&self, replicas: i64, outcome: &mut Outcome) {
        let mut template = at(self.deployment, &["spec", "template"]).clone();
        let hash = self.hash();
        template["metadata"]["labels"][HASH_LABEL] = json!(hash);
        let mut selector = at(self.deployment, &["spec", "selector"]).clone();
        selector["matchLabels"][HASH_LABEL] = json!(hash);
        let set_name = format!("{}-{hash}", name(self.deployment));
        let mut annotations =
            at(self.deployment, &["metadata", "annotations"]).as_object().cloned().unwrap_or_default();
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        annotations.insert(REVISION.into(), json!((self.last_revision() + 1).to_string()));
        outcome.write(Write::Create {
            resource: Resource::new(REPLICASETS),
            object: json!({
                "apiVersion": "apps/v1", "kind": "ReplicaSet",
                "metadata": {
                    "name": set_name, "namespace": namespace(self.deployment),
                    "labels": template["metadata"]["labels"], "annotations": annotations,
                    "ownerReferences": [access::owner_reference("apps/v1", "Deployment", self.deployment)],
                },
                "spec": {
                    "replicas": replicas, "minReadySeconds": pods::min_ready_seconds(self.deployment),
                    "selector": selector, "template": template,
                },
            }),
        });
        self.say(outcome, format!("Scaled up replica set {set_name} from 0 to {replicas}"));
    }

    /// Of the present template; the collision count keeps it apart from a set of another template.
    fn hash(&self) -> String {
        let hash = access::content_hash(at(self.deployment, &["spec", "template"]));
        match int_at(self.deployment, &["status", "collisionCount"]).unwrap_or(0) {
            0 => hash,
            collisions => format!("{hash}{collisions}"),
        }
    }

    fn scale(&self, set: &Object, replicas: i64, outcome: &mut Outcome) {
        let now = spec_replicas(set);
        if now == replicas {
            return;
        }
        outcome.write(Write::Merge {
            key: key_of(REPLICASETS, set),
            subresource: "",
            patch: json!({"spec": {"replicas": replicas}}),
        });
        let way = if replicas > now { "up" } else { "down" };
        self.say(outcome, format!("Scaled {way} replica set {} from {now} to {replicas}", name(set)));
    }

    fn say(&self, outcome: &mut Outcome, message: String) {
        let regarding = access::reference("apps/v1", "Deployment", self.deployment);
        outcome.write(access::event(
            EventKind::Normal,
            regarding,
            Deployments.name(),
            "ScalingReplicaSet",
            message,
        ));
    }

    fn last_revision(&self) -> i64 {
        self.old.iter().map(|s| revision(s)).max().unwrap_or(0)
    }

    /// A rollback makes an old ReplicaSet current again: it gets the next revision number, as the Deployment does.
    fn mark_revision(&self, outcome: &mut Outcome) {
        let number = match self.current {
            Some(current) => revision(current).max(self.last_revision() + 1),
            None => self.last_revision() + 1,
        };
        let patch = json!({"metadata": {"annotations": {REVISION: number.to_string()}}});
        if let Some(current) = self.current.filter(|c| revision(c) != number) {
            outcome.write(Write::Merge {
                key: key_of(REPLICASETS, current),
                subresource: "",
                patch: patch.clone(),
            });
        }
        if revision(self.deployment) != number {
            outcome.write(Write::Merge { key: key_of(DEPLOYMENTS, self.deployment), subresource: "", patch });
        }
    }

    /// Old ReplicaSets with no pods are kept for `kubectl rollout undo`, up to the history limit.
    fn prune(&self, outcome: &mut Outcome) {
        let keep = int_at(self.deployment, &["spec", "revisionHistoryLimit"]).unwrap_or(10).max(0) as usize;
        let mut empty: Vec<&Object> = self
            .old
            .iter()
            .filter(|s| {
                spec_replicas(s) == 0
                    && int_at(s, &["status", "replicas"]).unwrap_or(0) == 0
                    && generation(s) <= int_at(s, &["status", "observedGeneration"]).unwrap_or(0)
                    && !is_deleting(s)
            })
            .collect();
        empty.sort_by_key(|s| revision(s));
        for set in empty.iter().take(empty.len().saturating_sub(keep)) {
            outcome.write(Write::Delete {
                key: key_of(REPLICASETS, set),
                uid: Some(access::uid(set).into()),
                grace_seconds: None,
                propagation: Propagation::Background,
            });
        }
    }

    fn status(&self, now: Timestamp, outcome: &mut Outcome) {
        let sets = || self.old.iter().chain(self.current);
        let sum = |field: &str| sets().filter_map(|s| int_at(s, &["status", field])).sum::<i64>();
        let (total, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
        let updated = self.current.and_then(|s| int_at(s, &["status", "replicas"])).unwrap_or(0);
        let desired = self.desired();
        let budget = Budget::new(at(self.deployment, &["spec", "strategy", "rollingUpdate"]), desired);
        let mut status = access::without_zeros(json!({
            "observedGeneration": generation(self.deployment),
            "replicas": total, "updatedReplicas": updated, "readyReplicas": ready, "availableReplicas": available,
            "unavailableReplicas": (sets().map(|s| spec_replicas(s)).sum::<i64>().max(desired) - available).max(0),
        }));
        let mut conditions = list_at(self.deployment, &["status", "conditions"]).to_vec();
        let (ok, reason, message) = if available >= desired - budget.unavailable {
            ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        };
        access::set_condition(&mut conditions, "Available", ok, reason, message, now);
        let complete =
            updated == desired && total == desired && available == desired && self.current.is_some();
        self.progress(&mut conditions, complete, [total, updated, ready, available], now, outcome);
        status["conditions"] = json!(conditions);
        if let Some(count) = self.deployment.pointer("/status/collisionCount") {
            status["collisionCount"] = count.clone();
        }
        outcome.writes.extend(access::status_write(DEPLOYMENTS, self.deployment, status));
    }

    fn progress(
        &self,
        conditions: &mut Vec<Value>,
        complete: bool,
        counts: [i64; 4],
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        if self.is_paused() {
            access::set_condition(
                conditions,
                "Progressing",
                "Unknown",
                "DeploymentPaused",
                "Deployment is paused",
                now,
            );
            return;
        }
        let set_name = self.current.map(|s| name(s).to_string());
        let shown = set_name.as_deref().unwrap_or("");
        if complete {
            let message = format!("ReplicaSet \"{shown}\" has successfully progressed.");
            access::set_condition(conditions, "Progressing", "True", "NewReplicaSetAvailable", &message, now);
            return;
        }
        let before = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]
            .map(|f| int_at(self.deployment, &["status", f]).unwrap_or(0));
        let observed = int_at(self.deployment, &["status", "observedGeneration"]).unwrap_or(0);
        let old = conditions.iter().find(|c| str_at(c, &["type"]) == "Progressing");
        let moved = before != counts || observed < generation(self.deployment);
        let deadline = int_at(self.deployment, &["spec", "progressDeadlineSeconds"]).unwrap_or(600);
        let last = old.and_then(|c| access::time_at(c, &["lastUpdateTime"]));
        let was_complete = old.is_some_and(|c| str_at(c, &["reason"]) == "NewReplicaSetAvailable");
        let failed = old.is_some_and(|c| str_at(c, &["reason"]) == "ProgressDeadlineExceeded");
        if moved || last.is_none() {
            let (reason, message) = match self.current {
                None => {
                    let made = format!("{}-{}", name(self.deployment), self.hash());
                    ("NewReplicaSetCreated", format!("Created new replica set \"{made}\""))
                }
                Some(_) => ("ReplicaSetUpdated", format!("ReplicaSet \"{shown}\" is progressing.")),
            };
            conditions.retain(|c| str_at(c, &["type"]) != "Progressing" || str_at(c, &["status"]) == "True");
            access::set_condition(conditions, "Progressing", "True", reason, &message, now);
            if let Some(c) = conditions.iter_mut().find(|c| str_at(c, &["type"]) == "Progressing") {
                c["lastUpdateTime"] = json!(access::format_time(now));
            }
            outcome.again(Duration::from_secs(deadline.unsigned_abs() + 1));
        } else if let Some(last) = last.filter(|_| !was_complete && !failed) {
            let left = last.as_second() + deadline - now.as_second();
            if left > 0 {
                outcome.again(Duration::from_secs(left.unsigned_abs() + 1));
            } else {
                let message = format!("ReplicaSet \"{shown}\" has timed out progressing.");
                access::set_condition(
                    conditions,
                    "Progressing",
                    "False",
                    "ProgressDeadlineExceeded",
                    &message,
                    now,
                );
            }
        }
    }
}

fn spec_replicas(set: &Value) -> i64 {
    int_at(set, &["spec", "replicas"]).unwrap_or(1)
}
