//! A Job's pods: how a new one is made, and what the present ones add up to.

use super::indexes::{self, Indexes};
use super::policy::{self, Verdict};
use super::{INDEX, is_indexed, is_per_index, tracking};
use crate::access::{self, at, int_at, is_deleting, list_at, name, str_at, time_at};
use crate::pods;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use store::Object;

/// How many pods of the same index failed before this one, and how many failures the policy ignored.
const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
const IGNORED: &str = "batch.kubernetes.io/job-index-ignored-failure-count";
/// As long as a generated name may be before its suffix.
const LONGEST_PREFIX: usize = 58;

/// What there is of a Job. Completed and failed indexes are never forgotten: the status keeps them when pods go.
pub(super) struct Tally {
    /// Everything that the Job controls.
    pub(super) pods: Vec<Object>,
    pub(super) active: Vec<Object>,
    pub(super) terminating: usize,
    /// Counted, noted, and seen for the first time.
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    pub(super) completed: Indexes,
    /// Those of `completed` that the stored status has.
    pub(super) stored_completed: Indexes,
    pub(super) failed_indexes: Indexes,
    /// Of each index that is open and has no active pod: the last one that failed.
    pub(super) last_failed: BTreeMap<i64, Object>,
    /// Ends of pods that failed after the last one succeeded, the earliest first.
    pub(super) recent_failures: Vec<Timestamp>,
    /// The message of the failure policy's rule that ends the Job.
    pub(super) fatal: Option<String>,
    /// Pods made in this look.
    pub(super) made: usize,
    /// Uids of pods that lose their finalizer in this look already.
    pub(super) released: BTreeSet<String>,
}

pub(super) fn phase(pod: &Value) -> &str {
    str_at(pod, &["status", "phase"])
}

/// A pod that goes counts as failed, unless only those at their end are to be replaced.
pub(super) fn has_ended_badly(pod: &Value, job: &Value) -> bool {
    let only_ended = match str_at(job, &["spec", "podReplacementPolicy"]) {
        "" => at(job, &["spec", "podFailurePolicy"]).is_object(),
        policy => policy == "Failed",
    };
    phase(pod) == "Failed" || !only_ended && is_deleting(pod) && phase(pod) != "Succeeded"
}

impl Tally {
    pub(super) fn of(pods: Vec<Object>, job: &Value) -> Self {
        let end = int_at(job, &["spec", "completions"]).unwrap_or(0);
        let stored_completed = indexes::parse(str_at(job, &["status", "completedIndexes"]), end);
        let noted = |field: &str| list_at(job, &["status", "uncountedTerminatedPods", field]);
        let count = |field: &str| int_at(job, &["status", field]).unwrap_or(0) + noted(field).len() as i64;
        let mut tally = Self {
            active: pods.iter().filter(|pod| pods::is_active(pod)).cloned().collect(),
            terminating: pods
                .iter()
                .filter(|p| is_deleting(p) && !matches!(phase(p), "Succeeded" | "Failed"))
                .count(),
            succeeded: count("succeeded"),
            failed: count("failed"),
            completed: stored_completed.clone(),
            stored_completed,
            failed_indexes: indexes::parse(str_at(job, &["status", "failedIndexes"]), end),
            last_failed: BTreeMap::new(),
            recent_failures: Vec::new(),
            fatal: None,
            made: 0,
            released: BTreeSet::new(),
            pods,
        };
        tally.take_ended(job, end);
        tally.take_failures(job);
        if is_indexed(job) {
            tally.succeeded = tally.completed.len() as i64;
        }
        if is_per_index(job) {
            tally.take_indexes(job, end);
        }
        tally
    }

    /// Pods at their end that the status does not have yet.
    fn take_ended(&mut self, job: &Value, end: i64) {
        let noted = |field: &str| -> BTreeSet<&str> {
            let uids = list_at(job, &["status", "uncountedTerminatedPods", field]).iter();
            uids.filter_map(Value::as_str).collect()
        };
        let (succeeded, failed) = (noted("succeeded"), noted("failed"));
        let placed = |pod: &Value| !is_indexed(job) || index_of(pod).is_some_and(|index| index < end);
        for pod in self.pods.iter().filter(|pod| tracking::is_tracked(pod) && placed(pod)) {
            if phase(pod) == "Succeeded" && !failed.contains(access::uid(pod)) {
                self.succeeded += i64::from(!succeeded.contains(access::uid(pod)));
                self.completed.extend(index_of(pod));
            } else if has_ended_badly(pod, job)
                && !failed.contains(access::uid(pod))
                && policy::of_failed_pod(job, pod) != Verdict::Ignore
            {
                self.failed += 1;
            }
        }
    }

    fn take_failures(&mut self, job: &Value) {
        let succeeded = self.pods.iter().filter(|pod| phase(pod) == "Succeeded");
        let last_success = succeeded.filter_map(|pod| ended_at(pod)).max();
        for pod in self.pods.iter().filter(|pod| has_ended_badly(pod, job)) {
            if let Verdict::FailJob(message) = policy::of_failed_pod(job, pod) {
                self.fatal.get_or_insert(message);
            }
            // Pods that were stopped on purpose have lost their finalizer before.
            let unwanted = phase(pod) != "Failed" && !tracking::is_tracked(pod);
            let end = ended_at(pod).filter(|end| last_success.is_none_or(|success| *end > success));
            self.recent_failures.extend(end.filter(|_| !unwanted));
        }
        self.recent_failures.sort_unstable();
    }

    /// With a limit for each index: which have failed, and what the others have behind them.
    fn take_indexes(&mut self, job: &Value, end: i64) {
        let limit = int_at(job, &["spec", "backoffLimitPerIndex"]).unwrap_or(i64::MAX);
        let failed = self.pods.iter().filter(|pod| tracking::is_tracked(pod) && has_ended_badly(pod, job));
        let failed: Vec<(i64, &Object)> =
            failed.filter_map(|pod| Some((index_of(pod).filter(|index| *index < end)?, pod))).collect();
        for (index, pod) in &failed {
            let is_last = match policy::of_failed_pod(job, pod) {
                Verdict::FailIndex => true,
                Verdict::Ignore => false,
                Verdict::Count | Verdict::FailJob(_) => failures_before(pod).0 >= limit,
            };
            if is_last && !self.completed.contains(index) {
                self.failed_indexes.insert(*index);
            }
        }
        let active: Indexes = self.active.iter().filter_map(|pod| index_of(pod)).collect();
        for (index, pod) in failed {
            let closed = active.contains(&index)
                || self.completed.contains(&index)
                || self.failed_indexes.contains(&index);
            let total = |pod: &Object| failures_before(pod).0 + failures_before(pod).1;
            let later = self
                .last_failed
                .get(&index)
                .is_none_or(|known| (total(known), ended_at(known)) <= (total(pod), ended_at(pod)));
            if !closed && later {
                self.last_failed.insert(index, pod.clone());
            }
        }
    }

    /// Containers that were restarted in place (restartPolicy OnFailure) count against the limit too.
    pub(super) fn restarts(&self) -> i64 {
        let lists = |pod: &Object| -> i64 {
            ["initContainerStatuses", "containerStatuses"]
                .iter()
                .flat_map(|list| list_at(pod, &["status", list]))
                .filter_map(|c| int_at(c, &["restartCount"]))
                .sum()
        };
        let run = |pod: &&Object| matches!(phase(pod), "Running" | "Pending");
        self.pods.iter().filter(run).map(lists).sum()
    }

    /// Indexes that still need a pod, the lowest first.
    pub(super) fn open_indexes(&self, completions: i64) -> impl Iterator<Item = i64> {
        let taken: Indexes = self.active.iter().filter_map(|p| index_of(p)).collect();
        (0..completions).filter(move |index| {
            !taken.contains(index) && !self.completed.contains(index) && !self.failed_indexes.contains(index)
        })
    }
}

pub(super) fn index_of(pod: &Value) -> Option<i64> {
    str_at(pod, &["metadata", "annotations", INDEX]).parse().ok()
}

/// When a pod came to its end: its containers say so, or its readiness, or else its deletion.
pub(super) fn ended_at(pod: &Value) -> Option<Timestamp> {
    let statuses = list_at(pod, &["status", "containerStatuses"]);
    let ends: Option<Vec<Timestamp>> =
        statuses.iter().map(|c| time_at(c, &["state", "terminated", "finishedAt"])).collect();
    let unready = || {
        let ready = pods::ready_condition(pod).filter(|c| str_at(c, &["status"]) == "False")?;
        time_at(ready, &["lastTransitionTime"])
    };
    let deleted = || {
        let grace = int_at(pod, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0);
        time_at(pod, &["metadata", "deletionTimestamp"])?.checked_sub(SignedDuration::from_secs(grace)).ok()
    };
    ends.and_then(|ends| ends.into_iter().max())
        .or_else(unready)
        .or_else(deleted)
        .or_else(|| time_at(pod, &["metadata", "creationTimestamp"]))
}

/// What a pod says of its predecessors: failures that counted, and such that were ignored.
pub(super) fn failures_before(pod: &Value) -> (i64, i64) {
    let number = |field: &str| str_at(pod, &["metadata", "annotations", field]).parse().unwrap_or(0);
    (number(FAILURES), number(IGNORED))
}

/// `replaced` is the failed pod of the same index that this one takes the place of.
pub(super) fn new_pod(job: &Value, index: Option<i64>, replaced: Option<&Value>) -> Value {
    let mut pod = pods::from_template("batch/v1", "Job", job, at(job, &["spec", "template"]));
    tracking::track(&mut pod);
    let base = name(job);
    let Some(index) = index else {
        pod["metadata"]["generateName"] = json!(format!("{base}-"));
        return pod;
    };
    pod["metadata"]["annotations"][INDEX] = json!(index.to_string());
    pod["metadata"]["labels"][INDEX] = json!(index.to_string());
    if is_per_index(job) {
        let (mut failures, mut ignored) = replaced.map_or((0, 0), failures_before);
        match replaced.map(|old| policy::of_failed_pod(job, old)) {
            Some(Verdict::Ignore) => ignored += 1,
            Some(_) => failures += 1,
            None => {}
        }
        pod["metadata"]["annotations"][FAILURES] = json!(failures.to_string());
        if ignored > 0 {
            pod["metadata"]["annotations"][IGNORED] = json!(ignored.to_string());
        }
    }
    let suffix = format!("-{index}-");
    let room = LONGEST_PREFIX - suffix.len();
    let prefix: String = base.chars().take(room).collect();
    pod["metadata"]["generateName"] = json!(format!("{prefix}{suffix}"));
    pod["spec"]["hostname"] = json!(format!("{base}-{index}"));
    for list in ["initContainers", "containers"] {
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let mut env = list_at(container, &["env"]).to_vec();
            if env.iter().any(|e| str_at(e, &["name"]) == "JOB_COMPLETION_INDEX") {
                continue;
            }
            let path = format!("metadata.annotations['{INDEX}']");
            env.push(json!({
                "name": "JOB_COMPLETION_INDEX",
                "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}},
            }));
            container["env"] = json!(env);
        }
    }
    pod
}
