//! What a Deployment's status counts, and how its rollout gets on.

use super::{DEPLOYMENTS, Plan, available, spec_replicas};
use crate::access::{self, at, generation, int_at, list_at, name, str_at};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use store::Object;

const PROGRESSING: &str = "Progressing";
/// `progressDeadlineSeconds` that never passes.
const NO_DEADLINE: i64 = i32::MAX as i64;
const COMPLETE: &str = "NewReplicaSetAvailable";
const TIMED_OUT: &str = "ProgressDeadlineExceeded";

struct Counts {
    total: i64,
    updated: i64,
    ready: i64,
    available: i64,
}

impl Counts {
    fn stored(deployment: &Value) -> Self {
        let of = |field: &str| int_at(deployment, &["status", field]).unwrap_or(0);
        Self {
            total: of("replicas"),
            updated: of("updatedReplicas"),
            ready: of("readyReplicas"),
            available: of("availableReplicas"),
        }
    }

    fn complete(&self, desired: i64) -> bool {
        self.updated == desired && self.total == desired && self.available == desired
    }

    fn moved_on_from(&self, before: &Self) -> bool {
        self.updated > before.updated
            || self.total - self.updated < before.total - before.updated
            || self.ready > before.ready
            || self.available > before.available
    }
}

impl Plan<'_> {
    /// Whether the rollout was at its end when the status was last written.
    pub(super) fn was_complete(&self) -> bool {
        let observed = int_at(self.deployment, &["status", "observedGeneration"]).unwrap_or(0);
        Counts::stored(self.deployment).complete(self.desired()) && observed >= generation(self.deployment)
    }

    fn deadline(&self) -> Option<i64> {
        let seconds = int_at(self.deployment, &["spec", "progressDeadlineSeconds"]).unwrap_or(600);
        (seconds != NO_DEADLINE).then_some(seconds)
    }

    pub(super) fn write_status(&mut self, rolls: bool) {
        if self.created.is_none()
            && self.outcome.writes.iter().any(|w| matches!(w, store::Write::UpdateStatus { .. }))
        {
            return;
        }
        let sum = |field: &str| self.sets().filter_map(|s| int_at(s, &["status", field])).sum::<i64>();
        let counts = Counts {
            total: sum("replicas"),
            updated: self.current.and_then(|s| int_at(s, &["status", "replicas"])).unwrap_or(0),
            ready: sum("readyReplicas"),
            available: self.sets().map(|s| available(s)).sum(),
        };
        let made = self.created.as_ref().map_or(0, |(_, replicas)| *replicas);
        let wanted: i64 = self.sets().map(|s| spec_replicas(s)).sum::<i64>() + made;
        let mut status = access::without_zeros(json!({
            "observedGeneration": generation(self.deployment),
            "replicas": counts.total, "updatedReplicas": counts.updated, "readyReplicas": counts.ready,
            "availableReplicas": counts.available, "unavailableReplicas": (wanted - counts.available).max(0),
        }));
        let going: Option<i64> = self.sets().map(|s| int_at(s, &["status", "terminatingReplicas"])).sum();
        if let Some(going) = going {
            status["terminatingReplicas"] = json!(going);
        }
        let mut conditions =
            Conditions { list: list_at(self.deployment, &["status", "conditions"]).to_vec(), now: self.now };
        self.pause_and_resume(&mut conditions);
        self.first_seen(&mut conditions);
        if counts.available >= self.desired() - self.budget().unavailable {
            conditions.set(
                "Available",
                "True",
                "MinimumReplicasAvailable",
                "Deployment has minimum availability.",
            );
        } else {
            let message = "Deployment does not have minimum availability.";
            conditions.set("Available", "False", "MinimumReplicasUnavailable", message);
        }
        if rolls {
            self.progress(&counts, &mut conditions);
        }
        self.failure(&mut conditions);
        status["conditions"] = json!(conditions.list);
        if let Some(count) = self.deployment.pointer("/status/collisionCount") {
            status["collisionCount"] = count.clone();
        }
        self.outcome.writes.extend(access::status_write(DEPLOYMENTS, self.deployment, status));
    }

    /// Time that passes while a rollout is paused does not count.
    fn pause_and_resume(&self, conditions: &mut Conditions) {
        let reason = conditions.get(PROGRESSING).map(|c| str_at(c, &["reason"]).to_string());
        let noted = reason.as_deref() == Some("DeploymentPaused");
        if self.deadline().is_none() || reason.as_deref() == Some(TIMED_OUT) || noted == self.is_paused() {
            return;
        }
        let (reason, message) = if self.is_paused() {
            ("DeploymentPaused", "Deployment is paused")
        } else {
            ("DeploymentResumed", "Deployment is resumed")
        };
        conditions.set(PROGRESSING, "Unknown", reason, message);
    }

    /// From when on progress is waited for.
    fn first_seen(&self, conditions: &mut Conditions) {
        if self.deadline().is_none() {
            return;
        }
        if let Some((made, _)) = &self.created {
            let message = format!("Created new replica set \"{made}\"");
            conditions.set(PROGRESSING, "True", "NewReplicaSetCreated", &message);
        } else if let Some(current) = self.current.filter(|_| conditions.get(PROGRESSING).is_none()) {
            let message = format!("Found new replica set \"{}\"", name(current));
            conditions.set(PROGRESSING, "True", "FoundNewReplicaSet", &message);
        }
    }

    fn progress(&mut self, counts: &Counts, conditions: &mut Conditions) {
        let Some(deadline) = self.deadline() else { return conditions.remove(PROGRESSING) };
        let known = conditions.get(PROGRESSING).cloned();
        let reason = known.as_ref().map_or("", |c| str_at(c, &["reason"])).to_string();
        if counts.total == counts.updated && reason == COMPLETE {
            return;
        }
        let subject = match (&self.created, self.current) {
            (Some((made, _)), _) => format!("ReplicaSet \"{made}\""),
            (None, Some(current)) => format!("ReplicaSet \"{}\"", name(current)),
            (None, None) => format!("Deployment \"{}\"", name(self.deployment)),
        };
        if counts.complete(self.desired()) {
            let message = format!("{subject} has successfully progressed.");
            return conditions.set(PROGRESSING, "True", COMPLETE, &message);
        }
        if counts.moved_on_from(&Counts::stored(self.deployment)) {
            // The time of the last update moves although status and reason stay.
            let since = known.filter(|c| str_at(c, &["status"]) == "True");
            conditions.remove(PROGRESSING);
            conditions.set(PROGRESSING, "True", "ReplicaSetUpdated", &format!("{subject} is progressing."));
            if let (Some(since), Some(last)) = (since, conditions.list.last_mut()) {
                last["lastTransitionTime"] = since["lastTransitionTime"].clone();
            }
        }
        let Some(condition) = conditions.get(PROGRESSING) else { return };
        let reason = str_at(condition, &["reason"]);
        let Some(last) = access::time_at(condition, &["lastUpdateTime"]) else { return };
        if reason == COMPLETE || reason == TIMED_OUT {
            return;
        }
        let left = last.as_second() + deadline - self.now.as_second();
        if left < 0 {
            conditions.set(PROGRESSING, "False", TIMED_OUT, &format!("{subject} has timed out progressing."));
        } else {
            self.outcome.again(Duration::from_secs(left.unsigned_abs() + 1));
        }
    }

    /// A set that cannot make its pods says so here too; the new one first.
    fn failure(&self, conditions: &mut Conditions) {
        let of = |set: &Object| {
            list_at(set, &["status", "conditions"])
                .iter()
                .find(|c| str_at(c, &["type"]) == "ReplicaFailure")
                .cloned()
        };
        let sets = self.current.into_iter().chain(self.old);
        match sets.filter_map(of).next() {
            None => conditions.remove("ReplicaFailure"),
            Some(mut found) => {
                let (status, reason) = (str_at(&found, &["status"]), str_at(&found, &["reason"]));
                let same = conditions
                    .get("ReplicaFailure")
                    .is_some_and(|c| str_at(c, &["status"]) == status && str_at(c, &["reason"]) == reason);
                if !same {
                    found["lastUpdateTime"] = at(&found, &["lastTransitionTime"]).clone();
                    conditions.remove("ReplicaFailure");
                    conditions.list.push(found);
                }
            }
        }
    }
}

struct Conditions {
    list: Vec<Value>,
    now: Timestamp,
}

impl Conditions {
    fn get(&self, kind: &str) -> Option<&Value> {
        self.list.iter().find(|c| str_at(c, &["type"]) == kind)
    }

    fn remove(&mut self, kind: &str) {
        self.list.retain(|c| str_at(c, &["type"]) != kind);
    }

    /// A condition with this status and reason stays as it is; another moves to the end.
    fn set(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let time = json!(access::format_time(self.now));
        let old = self.get(kind);
        let same_status = old.filter(|c| str_at(c, &["status"]) == status);
        if same_status.is_some_and(|c| str_at(c, &["reason"]) == reason) {
            return;
        }
        let since = same_status.map_or_else(|| time.clone(), |c| c["lastTransitionTime"].clone());
        self.remove(kind);
        self.list.push(json!({
            "type": kind, "status": status, "lastUpdateTime": time, "lastTransitionTime": since,
            "reason": reason, "message": message,
        }));
    }
}
