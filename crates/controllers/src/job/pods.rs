//! A Job's pods: how a new one is made, and what the present ones add up to.

use super::indexes::{self, Indexes};
use super::policy::{self, Verdict};
use super::{INDEX, is_indexed};
use crate::access::{self, at, int_at, is_deleting, list_at, name, str_at, time_at};
use crate::{Server, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::Object;

const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";

/// What there is of a Job. Completed and failed indexes are never forgotten: the status keeps them when pods go.
pub(super) struct Tally {
    pub(super) active: Vec<Object>,
    pub(super) terminating: usize,
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    pub(super) completed: Indexes,
    pub(super) failed_indexes: Indexes,
    /// How many pods of each index have failed.
    pub(super) failures: BTreeMap<i64, i64>,
    /// Ends of pods that failed after the last one succeeded, the earliest first.
    pub(super) recent_failures: Vec<(Timestamp, Option<i64>)>,
    /// The message of the failure policy's rule that ends the Job.
    pub(super) fatal: Option<String>,
}

impl Tally {
    pub(super) fn of(server: &dyn Server, job: &Value) -> Self {
        let all = pods::controlled_pods(server, access::uid(job));
        let end = int_at(job, &["spec", "completions"]).unwrap_or(0);
        let count = |field: &str| int_at(job, &["status", field]).unwrap_or(0);
        let mut tally = Self {
            active: Vec::new(),
            terminating: 0,
            succeeded: 0,
            failed: 0,
            completed: indexes::parse(str_at(job, &["status", "completedIndexes"]), end),
            failed_indexes: indexes::parse(str_at(job, &["status", "failedIndexes"]), end),
            failures: BTreeMap::new(),
            recent_failures: Vec::new(),
            fatal: None,
        };
        let mut last_success = None;
        for pod in all {
            match str_at(&pod, &["status", "phase"]) {
                "Succeeded" => {
                    tally.succeeded += 1;
                    last_success = last_success.max(ended_at(&pod));
                    tally.completed.extend(index_of(&pod).filter(|index| *index < end));
                }
                "Failed" => tally.take_failed(job, &pod),
                _ if is_deleting(&pod) => tally.terminating += 1,
                _ => tally.active.push(pod),
            }
        }
        tally.settle_indexes(job);
        tally.recent_failures.retain(|(end, _)| last_success.is_none_or(|success| *end > success));
        tally.recent_failures.sort_unstable();
        tally.succeeded = if is_indexed(job) {
            tally.completed.len() as i64
        } else {
            tally.succeeded.max(count("succeeded"))
        };
        tally.failed = tally.failed.max(count("failed"));
        tally
    }

    fn take_failed(&mut self, job: &Value, pod: &Value) {
        let index = index_of(pod);
        match policy::of_failed_pod(job, pod) {
            Verdict::Ignore => return,
            Verdict::FailIndex => self.failed_indexes.extend(index),
            Verdict::FailJob(message) => {
                self.fatal.get_or_insert(message);
            }
            Verdict::Count => {}
        }
        self.failed += 1;
        if let Some(index) = index {
            let before = str_at(pod, &["metadata", "annotations", FAILURES]).parse::<i64>().unwrap_or(0);
            let failures = self.failures.entry(index).or_default();
            *failures = (*failures + 1).max(before + 1);
        }
        self.recent_failures.extend(ended_at(pod).map(|end| (end, index)));
    }

    fn settle_indexes(&mut self, job: &Value) {
        if let Some(limit) = int_at(job, &["spec", "backoffLimitPerIndex"]) {
            let over = self.failures.iter().filter(|(_, count)| **count > limit);
            self.failed_indexes.extend(over.map(|(index, _)| *index));
        }
        self.failed_indexes.retain(|index| !self.completed.contains(index));
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
        self.active.iter().map(lists).sum()
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

fn ended_at(pod: &Value) -> Option<Timestamp> {
    list_at(pod, &["status", "containerStatuses"])
        .iter()
        .filter_map(|c| time_at(c, &["state", "terminated", "finishedAt"]))
        .max()
}

pub(super) fn new_pod(job: &Value, index: Option<i64>, failures: i64) -> Value {
    let mut pod = pods::from_template("batch/v1", "Job", job, at(job, &["spec", "template"]));
    let base = name(job);
    let Some(index) = index else {
        pod["metadata"]["generateName"] = json!(format!("{base}-"));
        return pod;
    };
    pod["metadata"]["annotations"][INDEX] = json!(index.to_string());
    pod["metadata"]["labels"][INDEX] = json!(index.to_string());
    if at(job, &["spec", "backoffLimitPerIndex"]).is_i64() {
        pod["metadata"]["annotations"][FAILURES] = json!(failures.to_string());
    }
    pod["metadata"]["generateName"] = json!(format!("{base}-{index}-"));
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
