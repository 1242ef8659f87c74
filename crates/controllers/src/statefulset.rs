//! StatefulSet: pods with ordinals, names and claims that stay.
//!
//! Ordered by default: one pod at a time, up from 0, down and for updates from the highest. `Parallel` starts and
//! stops all at once. `partition` and OnDelete hold updates back. `claims` has the claims and how long they stay.

mod claims;
#[cfg(test)]
mod tests;

use crate::access::{self, at, generation, int_at, is_deleting, name, str_at};
use crate::{Controller, Outcome, Server, pods, revisions};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Change, EventKind, Key, Object};

const STATEFULSETS: &str = "apps/statefulsets";
const REVISION: &str = "controller-revision-hash";
const KEPT: revisions::Kept =
    revisions::Kept { kind: "StatefulSet", hash_label: "controller.kubernetes.io/hash" };

pub(crate) struct StatefulSets;

impl Controller for StatefulSets {
    fn name(&self) -> &'static str {
        "statefulset-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            STATEFULSETS => vec![change.key.clone()],
            pods::PODS => pods::owners_of(server, &change.object, "StatefulSet", STATEFULSETS),
            _ => revisions::owner(change, "StatefulSet", STATEFULSETS).into_iter().collect(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(set) = server.get(STATEFULSETS, &key.namespace, &key.name) else { return outcome };
        let all = pods::controlled_pods(server, access::uid(&set));
        let hash = access::content_hash(at(&set, &["spec", "template"]));
        let revision = format!("{}-{hash}", name(&set));
        if !is_deleting(&set) {
            let mut used: Vec<&str> =
                all.iter().map(|p| str_at(p, &["metadata", "labels", REVISION])).collect();
            used.push(str_at(&set, &["status", "currentRevision"]));
            revisions::keep(server, &set, &hash, &KEPT, &used, &mut outcome);
            Order { server, set: &set, all: &all, revision: &revision, now }.advance(&mut outcome);
        }
        status(&set, &all, &revision, now, &mut outcome);
        outcome
    }
}

struct Order<'a> {
    server: &'a dyn Server,
    set: &'a Value,
    all: &'a [Object],
    revision: &'a str,
    now: Timestamp,
}

impl Order<'_> {
    fn advance(&self, outcome: &mut Outcome) {
        let start = int_at(self.set, &["spec", "ordinals", "start"]).unwrap_or(0);
        let end = start + int_at(self.set, &["spec", "replicas"]).unwrap_or(1).max(0);
        let parallel = str_at(self.set, &["spec", "podManagementPolicy"]) == "Parallel";
        for ordinal in start..end {
            claims::belong(self.server, self.set, &self.pod_name(ordinal), outcome);
            match self.pod(ordinal) {
                None => {
                    self.create(ordinal, outcome);
                    if !parallel {
                        return;
                    }
                }
                // A pod at its end is replaced under the same name.
                Some(pod) if !is_deleting(pod) && !pods::is_active(pod) => {
                    self.delete(pod, outcome);
                    if !parallel {
                        return;
                    }
                }
                Some(pod) if !parallel && !self.is_available(pod) => {
                    self.unstick(pod, ordinal, outcome);
                    return;
                }
                Some(_) => {}
            }
        }
        let mut surplus: Vec<&Object> = self
            .all
            .iter()
            .filter(|p| ordinal_of(self.set, p).is_none_or(|o| o < start || o >= end))
            .collect();
        surplus.sort_by_key(|p| std::cmp::Reverse(ordinal_of(self.set, p)));
        for pod in surplus {
            if !is_deleting(pod) {
                claims::condemn(self.server, self.set, pod, outcome);
                self.delete(pod, outcome);
            }
            if !parallel {
                return;
            }
        }
        self.update(start, end, outcome);
    }

    /// A pod of an old revision that never gets ready would block its own repair: it may be replaced.
    fn unstick(&self, pod: &Object, ordinal: i64, outcome: &mut Outcome) {
        let start = int_at(self.set, &["spec", "ordinals", "start"]).unwrap_or(0);
        let rolls = ordinal >= start + self.partition() && self.rolls();
        if !is_deleting(pod) && !pods::is_ready(pod) && self.outdated(pod) && rolls {
            self.delete(pod, outcome);
        }
    }

    /// From the highest ordinal down, no more at once than may be unavailable.
    fn update(&self, start: i64, end: i64, outcome: &mut Outcome) {
        if !self.rolls() {
            return;
        }
        let most = at(self.set, &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"]);
        let most = if most.is_null() { 1 } else { access::int_or_percent(most, end - start, true).max(1) };
        let missing = (start..end).filter(|o| !self.pod(*o).is_some_and(|p| self.is_available(p))).count();
        let mut may_stop = most - missing as i64;
        for ordinal in (start + self.partition()..end).rev() {
            let Some(pod) = self.pod(ordinal).filter(|pod| !is_deleting(pod)) else { continue };
            if !self.outdated(pod) {
                continue;
            }
            // One that is not available already counts among the missing.
            let costs = i64::from(self.is_available(pod));
            if may_stop < costs {
                return;
            }
            may_stop -= costs;
            self.delete(pod, outcome);
        }
    }

    fn is_available(&self, pod: &Value) -> bool {
        !is_deleting(pod) && pods::availability(pod, pods::min_ready_seconds(self.set), self.now).is_ok()
    }

    fn delete(&self, pod: &Value, outcome: &mut Outcome) {
        outcome.write(pods::delete(pod));
        outcome.write(access::event(
            EventKind::Normal,
            access::reference("apps/v1", "StatefulSet", self.set),
            StatefulSets.name(),
            "SuccessfulDelete",
            format!("delete Pod {} in StatefulSet {} successful", name(pod), name(self.set)),
        ));
    }

    fn rolls(&self) -> bool {
        str_at(self.set, &["spec", "updateStrategy", "type"]) != "OnDelete"
    }

    fn partition(&self) -> i64 {
        int_at(self.set, &["spec", "updateStrategy", "rollingUpdate", "partition"]).unwrap_or(0)
    }

    fn outdated(&self, pod: &Value) -> bool {
        str_at(pod, &["metadata", "labels", REVISION]) != self.revision
    }

    fn pod_name(&self, ordinal: i64) -> String {
        format!("{}-{ordinal}", name(self.set))
    }

    fn pod(&self, ordinal: i64) -> Option<&Object> {
        let wanted = self.pod_name(ordinal);
        self.all.iter().find(|p| name(p) == wanted)
    }

    /// Pods below the partition are made anew as they were, of the revision before the update.
    fn template(&self, ordinal: i64) -> (String, Value) {
        let start = int_at(self.set, &["spec", "ordinals", "start"]).unwrap_or(0);
        let current = str_at(self.set, &["status", "currentRevision"]);
        if self.rolls()
            && ordinal < start + self.partition()
            && current != self.revision
            && let Some(template) = revisions::template(self.server, self.set, current)
        {
            return (current.to_string(), template);
        }
        (self.revision.to_string(), at(self.set, &["spec", "template"]).clone())
    }

    fn create(&self, ordinal: i64, outcome: &mut Outcome) {
        let pod_name = self.pod_name(ordinal);
        let (revision, template) = self.template(ordinal);
        let mut pod = pods::from_template("apps/v1", "StatefulSet", self.set, &template);
        pod["metadata"]["name"] = json!(pod_name);
        pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = json!(pod_name);
        pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = json!(ordinal.to_string());
        pod["metadata"]["labels"][REVISION] = json!(revision);
        pod["spec"]["hostname"] = json!(pod_name);
        pod["spec"]["subdomain"] = at(self.set, &["spec", "serviceName"]).clone();
        claims::furnish(self.server, self.set, &mut pod, outcome);
        outcome.write(pods::create(pod));
    }
}

fn ordinal_of(set: &Value, pod: &Value) -> Option<i64> {
    name(pod).strip_prefix(name(set))?.strip_prefix('-')?.parse().ok()
}

fn status(set: &Value, all: &[Object], revision: &str, now: Timestamp, outcome: &mut Outcome) {
    let active: Vec<&Object> = all.iter().filter(|p| pods::is_active(p)).collect();
    let updated = active.iter().filter(|p| str_at(p, &["metadata", "labels", REVISION]) == revision).count();
    let ready = active.iter().filter(|p| pods::is_ready(p)).count();
    let mut available = 0;
    for pod in &active {
        match pods::availability(pod, pods::min_ready_seconds(set), now) {
            Ok(()) => available += 1,
            Err(Some(later)) => outcome.again(later),
            Err(None) => {}
        }
    }
    let replicas = int_at(set, &["spec", "replicas"]).unwrap_or(1).max(0) as usize;
    let settled = updated == replicas && ready == replicas && active.len() == replicas;
    let before = str_at(set, &["status", "currentRevision"]);
    let current = if settled || before.is_empty() { revision } else { before };
    let on_current =
        active.iter().filter(|p| str_at(p, &["metadata", "labels", REVISION]) == current).count();
    let mut status = access::without_zeros(json!({
        "observedGeneration": generation(set), "readyReplicas": ready, "updatedReplicas": updated,
        "currentReplicas": on_current,
    }));
    status["replicas"] = json!(active.len());
    status["availableReplicas"] = json!(available);
    status["currentRevision"] = json!(current);
    status["updateRevision"] = json!(revision);
    status["collisionCount"] = json!(0);
    outcome.writes.extend(access::status_write(STATEFULSETS, set, status));
}
