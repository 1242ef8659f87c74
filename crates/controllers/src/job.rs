//! Job: pods that run to their end, `completions` times, with `parallelism` at once.

use crate::access::{self, at, format_time, int_at, is_deleting, list_at, name, str_at, time_at};
use crate::{Controller, Outcome, Server, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use store::{Change, EventKind, Key, Object, Propagation, Write};

const JOBS: &str = "batch/jobs";
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

pub(crate) struct Jobs;

impl Controller for Jobs {
    fn name(&self) -> &'static str {
        "job-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            JOBS => vec![change.key.clone()],
            pods::PODS => pods::owners_of(server, &change.object, "Job", JOBS),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(job) = server.get(JOBS, &key.namespace, &key.name) else { return outcome };
        if is_deleting(&job) {
            return outcome;
        }
        if let Some(end) = finished_at(&job) {
            expire(&job, key, end, now, &mut outcome);
            return outcome;
        }
        Progress::new(server, &job).advance(self.name(), now, &mut outcome);
        outcome
    }
}

fn finished_at(job: &Value) -> Option<Timestamp> {
    list_at(job, &["status", "conditions"])
        .iter()
        .find(|c| matches!(str_at(c, &["type"]), "Complete" | "Failed") && str_at(c, &["status"]) == "True")
        .and_then(|c| time_at(c, &["lastTransitionTime"]))
}

fn expire(job: &Value, key: &Key, end: Timestamp, now: Timestamp, outcome: &mut Outcome) {
    let Some(ttl) = int_at(job, &["spec", "ttlSecondsAfterFinished"]) else { return };
    let left = end.as_second() + ttl - now.as_second();
    if left > 0 {
        outcome.again(Duration::from_secs(left.unsigned_abs()));
    } else {
        outcome.write(Write::Delete {
            key: key.clone(),
            uid: Some(access::uid(job).into()),
            grace_seconds: None,
            propagation: Propagation::Background,
        });
    }
}

struct Progress<'a> {
    job: &'a Value,
    active: Vec<Object>,
    succeeded: Vec<Object>,
    failed: Vec<Object>,
}

impl<'a> Progress<'a> {
    fn new(server: &dyn Server, job: &'a Value) -> Self {
        let all = pods::controlled_pods(server, access::uid(job));
        let of =
            |phase: &str| all.iter().filter(|p| str_at(p, &["status", "phase"]) == phase).cloned().collect();
        let active = all.iter().filter(|p| pods::is_active(p)).cloned().collect();
        Self { job, active, succeeded: of("Succeeded"), failed: of("Failed") }
    }

    fn advance(&self, component: &'static str, now: Timestamp, outcome: &mut Outcome) {
        let completions = int_at(self.job, &["spec", "completions"]);
        let parallelism = int_at(self.job, &["spec", "parallelism"]).unwrap_or(1).max(0);
        let suspended = at(self.job, &["spec", "suspend"]) == &json!(true);
        let done = self.succeeded.len() as i64;
        let started = time_at(self.job, &["status", "startTime"]).unwrap_or(now);
        if let Some((reason, message)) = self.verdict(started, now, outcome) {
            self.active.iter().for_each(|p| outcome.write(pods::delete(p)));
            self.finish("Failed", reason, &message, component, started, now, outcome);
            return;
        }
        // Without `completions` (a work queue) one success means that all are done once the others have ended.
        let complete = match completions {
            Some(wanted) => done >= wanted,
            None => done > 0 && self.active.is_empty(),
        };
        if complete {
            self.active.iter().for_each(|p| outcome.write(pods::delete(p)));
            let (reason, message) = ("CompletionsReached", "Reached expected number of succeeded pods");
            self.finish("Complete", reason, message, component, started, now, outcome);
            return;
        }
        if suspended {
            self.active.iter().for_each(|p| outcome.write(pods::delete(p)));
        } else {
            let left = completions.map_or(if done > 0 { 0 } else { parallelism }, |wanted| wanted - done);
            self.start(left.min(parallelism) - self.active.len() as i64, now, outcome);
        }
        outcome.writes.extend(access::status_write(JOBS, self.job, self.status(started, suspended, now)));
    }

    /// Starts pods; after a failure not before the back-off (10 s, doubled each time, at most 6 min) has passed.
    fn start(&self, missing: i64, now: Timestamp, outcome: &mut Outcome) {
        if missing <= 0 {
            return;
        }
        if let Some(last) = self.failed.iter().filter_map(|p| ended_at(p)).max() {
            let wait = (10i64 << (self.failed.len() as u32 - 1).min(6)).min(360);
            let left = last.as_second() + wait - now.as_second();
            if left > 0 {
                outcome.again(Duration::from_secs(left.unsigned_abs()));
                return;
            }
        }
        let indexed = str_at(self.job, &["spec", "completionMode"]) == "Indexed";
        let taken: BTreeSet<i64> =
            self.active.iter().chain(&self.succeeded).filter_map(|p| index_of(p)).collect();
        let mut free = (0..).filter(|i| !taken.contains(i));
        for _ in 0..missing {
            let mut pod =
                pods::from_template("batch/v1", "Job", self.job, at(self.job, &["spec", "template"]));
            let base = name(self.job);
            if indexed {
                let index = free.next().unwrap_or(0).to_string();
                pod["metadata"]["annotations"][INDEX] = json!(index);
                pod["metadata"]["labels"][INDEX] = json!(index);
                pod["metadata"]["generateName"] = json!(format!("{base}-{index}-"));
                pod["spec"]["hostname"] = json!(format!("{base}-{index}"));
                set_index_env(&mut pod, &index);
            } else {
                pod["metadata"]["generateName"] = json!(format!("{base}-"));
            }
            outcome.write(pods::create(pod));
        }
    }

    fn verdict(
        &self,
        started: Timestamp,
        now: Timestamp,
        outcome: &mut Outcome,
    ) -> Option<(&'static str, String)> {
        let limit = int_at(self.job, &["spec", "backoffLimit"]).unwrap_or(6);
        // With restartPolicy OnFailure the pod is restarted in place: those restarts count as well.
        let restarts: i64 = self
            .active
            .iter()
            .flat_map(|p| list_at(p, &["status", "containerStatuses"]))
            .filter_map(|c| int_at(c, &["restartCount"]))
            .sum();
        if self.failed.len() as i64 + restarts > limit {
            return Some(("BackoffLimitExceeded", "Job has reached the specified backoff limit".into()));
        }
        let deadline = int_at(self.job, &["spec", "activeDeadlineSeconds"])?;
        let left = started.as_second() + deadline - now.as_second();
        if left <= 0 {
            return Some(("DeadlineExceeded", "Job was active longer than specified deadline".into()));
        }
        outcome.again(Duration::from_secs(left.unsigned_abs()));
        None
    }

    fn status(&self, started: Timestamp, suspended: bool, now: Timestamp) -> Value {
        let ready = self.active.iter().filter(|p| pods::is_ready(p)).count();
        let mut status = access::without_zeros(json!({
            "active": self.active.len(), "succeeded": self.succeeded.len(), "failed": self.failed.len(),
        }));
        status["ready"] = json!(ready);
        status["terminating"] = json!(0);
        let mut conditions = list_at(self.job, &["status", "conditions"]).to_vec();
        let was = conditions.iter().any(|c| str_at(c, &["type"]) == "Suspended");
        if suspended {
            access::set_condition(&mut conditions, "Suspended", "True", "JobSuspended", "Job suspended", now);
        } else {
            status["startTime"] = json!(format_time(started));
            if was {
                access::set_condition(
                    &mut conditions,
                    "Suspended",
                    "False",
                    "JobResumed",
                    "Job resumed",
                    now,
                );
            }
        }
        if !conditions.is_empty() {
            status["conditions"] = json!(conditions);
        }
        status
    }

    #[expect(clippy::too_many_arguments, reason = "one end of a job, told once")]
    fn finish(
        &self,
        kind: &str,
        reason: &str,
        message: &str,
        component: &'static str,
        started: Timestamp,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let mut status = self.status(started, false, now);
        let time = format_time(now);
        let mut conditions = list_at(&status, &["conditions"]).to_vec();
        conditions.push(json!({
            "type": kind, "status": "True", "reason": reason, "message": message,
            "lastProbeTime": time, "lastTransitionTime": time,
        }));
        status["conditions"] = json!(conditions);
        if let Some(map) = status.as_object_mut() {
            map.remove("active");
        }
        status["ready"] = json!(0);
        if kind == "Complete" {
            status["completionTime"] = json!(time);
        }
        outcome.writes.extend(access::status_write(JOBS, self.job, status));
        let (event, event_kind, text) = match kind {
            "Complete" => ("Completed", EventKind::Normal, "Job completed"),
            _ => (reason, EventKind::Warning, message),
        };
        let regarding = access::reference("batch/v1", "Job", self.job);
        outcome.write(access::event(event_kind, regarding, component, event, text.into()));
    }
}

fn index_of(pod: &Value) -> Option<i64> {
    str_at(pod, &["metadata", "annotations", INDEX]).parse().ok()
}

fn set_index_env(pod: &mut Value, index: &str) {
    let containers = pod.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        let mut env = list_at(container, &["env"]).to_vec();
        env.push(json!({"name": "JOB_COMPLETION_INDEX", "value": index}));
        container["env"] = json!(env);
    }
}

fn ended_at(pod: &Value) -> Option<Timestamp> {
    list_at(pod, &["status", "containerStatuses"])
        .iter()
        .filter_map(|c| time_at(c, &["state", "terminated", "finishedAt"]))
        .max()
}
