//! StatefulSet: pods with ordinals, names and claims that stay.
//!
//! Ordered by default: one pod at a time, up from 0, down and for updates from the highest. `Parallel` starts and
//! stops all at once. `partition` and OnDelete hold updates back. `claims` has the claims and how long they stay.

mod claims;
mod status;
#[cfg(test)]
mod tests;

use crate::access::{self, at, int_at, is_deleting, name, str_at};
use crate::{Controller, Outcome, Server, pods, revisions};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Change, EventKind, Key, Object, Write};

const STATEFULSETS: &str = "apps/statefulsets";
const REVISION: &str = "controller-revision-hash";
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";
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
        let member = |pod: &Value| ordinal_of(&set, pod).is_some();
        let all = pods::claim(server, ("apps/v1", "StatefulSet"), &set, member, &mut outcome);
        let hash = access::content_hash(at(&set, &["spec", "template"]));
        let revision = format!("{}-{hash}", name(&set));
        if !is_deleting(&set) {
            let mut used: Vec<&str> =
                all.iter().map(|p| str_at(p, &["metadata", "labels", REVISION])).collect();
            used.push(str_at(&set, &["status", "currentRevision"]));
            revisions::keep(server, &set, &hash, &KEPT, &used, &mut outcome);
            let pods = all.iter().filter_map(|pod| Some((ordinal_of(&set, pod)?, pod))).collect();
            Order { server, set: &set, pods, revision: &revision, now }.advance(&mut outcome);
        }
        status::write(&set, &all, &revision, now, &mut outcome);
        outcome
    }
}

struct Order<'a> {
    server: &'a dyn Server,
    set: &'a Value,
    /// By their ordinals.
    pods: BTreeMap<i64, &'a Object>,
    revision: &'a str,
    now: Timestamp,
}

impl Order<'_> {
    fn advance(&self, outcome: &mut Outcome) {
        let (start, end) = (self.start(), self.start() + replicas(self.set));
        let parallel = str_at(self.set, &["spec", "podManagementPolicy"]) == "Parallel";
        for ordinal in start..end {
            if self.keep(ordinal, parallel, outcome) && !parallel {
                return;
            }
        }
        if self.shrink(start, end, parallel, outcome) && !parallel {
            return;
        }
        self.update(start, end, outcome);
    }

    fn start(&self) -> i64 {
        int_at(self.set, &["spec", "ordinals", "start"]).unwrap_or(0)
    }

    /// One pod within the range; returns whether the next one has to wait.
    fn keep(&self, ordinal: i64, parallel: bool, outcome: &mut Outcome) -> bool {
        let Some(pod) = self.pods.get(&ordinal) else {
            self.create(ordinal, outcome);
            return true;
        };
        // A pod at its end is replaced under the same name.
        if matches!(str_at(pod, &["status", "phase"]), "Succeeded" | "Failed") {
            if !is_deleting(pod) {
                self.delete(pod, outcome);
            }
            return true;
        }
        if str_at(pod, &["status", "phase"]) == "Pending" {
            claims::make_missing(self.server, self.set, pod, outcome);
        }
        if !parallel && !self.is_available(pod) {
            self.unstick(pod, ordinal, outcome);
            return true;
        }
        self.name_it(pod, ordinal, outcome);
        claims::belong(self.server, self.set, pod, true, outcome);
        false
    }

    /// The labels that say who a pod is are put back.
    fn name_it(&self, pod: &Object, ordinal: i64, outcome: &mut Outcome) {
        let labels = json!({POD_NAME: name(pod), POD_INDEX: ordinal.to_string()});
        let is = |label: &str| pod["metadata"]["labels"][label] == labels[label];
        if !(is(POD_NAME) && is(POD_INDEX)) {
            outcome.write(Write::Merge {
                key: access::key_of(pods::PODS, pod),
                subresource: "",
                patch: json!({"metadata": {"uid": access::uid(pod), "labels": labels}}),
            });
        }
    }

    /// Pods outside of the range go, the highest first; one by one, each when all others are available, but for the
    /// first that is not. Returns whether something is left to wait for.
    fn shrink(&self, start: i64, end: i64, parallel: bool, outcome: &mut Outcome) -> bool {
        let surplus: Vec<&Object> =
            self.pods.iter().rev().filter(|(o, _)| **o < start || **o >= end).map(|(_, pod)| *pod).collect();
        surplus.iter().for_each(|pod| claims::belong(self.server, self.set, pod, false, outcome));
        let first_bad = surplus.iter().rev().find(|pod| !self.is_available(pod)).map(|pod| access::uid(pod));
        for pod in &surplus {
            let waits = is_deleting(pod) || !self.is_available(pod) && first_bad != Some(access::uid(pod));
            if !is_deleting(pod) && (parallel || !waits) {
                self.delete(pod, outcome);
            }
            if !parallel {
                return true;
            }
        }
        false
    }

    /// A pod of an old revision that never gets ready would block its own repair: it may be replaced.
    fn unstick(&self, pod: &Object, ordinal: i64, outcome: &mut Outcome) {
        let rolls = ordinal >= self.start() + self.partition() && self.rolls();
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
        let most = if most.is_null() { 1 } else { access::int_or_percent(most, end - start, false).max(1) };
        let missing =
            (start..end).filter(|o| !self.pods.get(o).is_some_and(|p| self.is_available(p))).count();
        let mut may_stop = most - missing as i64;
        for ordinal in (start + self.partition()..end).rev() {
            let Some(pod) = self.pods.get(&ordinal).filter(|pod| !is_deleting(pod)) else { continue };
            if !self.outdated(pod) {
                continue;
            }
            // One that is not available already counts among the missing.
            if self.is_available(pod) {
                if may_stop <= 0 {
                    continue;
                }
                may_stop -= 1;
            }
            self.delete(pod, outcome);
        }
    }

    fn is_available(&self, pod: &Value) -> bool {
        !is_deleting(pod)
            && str_at(pod, &["status", "phase"]) == "Running"
            && pods::availability(pod, pods::min_ready_seconds(self.set), self.now).is_ok()
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

    /// Pods below the partition are made anew as they were, of the revision before the update.
    fn template(&self, ordinal: i64) -> (String, Value) {
        let start = self.start();
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
        pod["metadata"]["labels"][POD_NAME] = json!(pod_name);
        pod["metadata"]["labels"][POD_INDEX] = json!(ordinal.to_string());
        pod["metadata"]["labels"][REVISION] = json!(revision);
        pod["spec"]["hostname"] = json!(pod_name);
        pod["spec"]["subdomain"] = at(self.set, &["spec", "serviceName"]).clone();
        if claims::are_going(self.server, self.set, &pod_name) {
            // The new pod gets new ones, not those that are about to vanish.
            return outcome.again(Duration::from_secs(1));
        }
        claims::furnish(self.server, self.set, &mut pod, outcome);
        outcome.write(pods::create(pod));
    }
}

fn replicas(set: &Value) -> i64 {
    int_at(set, &["spec", "replicas"]).unwrap_or(1).max(0)
}

fn ordinal_of(set: &Value, pod: &Value) -> Option<i64> {
    name(pod).strip_prefix(name(set))?.strip_prefix('-')?.parse().ok()
}
