//! Job: pods that run to their end, `completions` times, with `parallelism` at once.
//!
//! `pods` counts what there is, `policy` says what single pods mean for the whole, `indexes` are sets of completion
//! indexes. A Job ends in two steps, as upstream's does: first the condition that decides (SuccessCriteriaMet or
//! FailureTarget), and when its last pod has ended, Complete or Failed.

mod indexes;
mod pods;
mod policy;
#[cfg(test)]
mod tests;

use crate::access::{self, at, format_time, int_at, is_deleting, list_at, name, str_at, time_at};
use crate::{Controller, Outcome, Server};
use jiff::Timestamp;
use pods::Tally;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Change, EventKind, Key, Propagation, Write};

const JOBS: &str = "batch/jobs";
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
const COMPONENT: &str = "job-controller";
/// Pauses after failures: doubled each time, up to the longest.
const FIRST_PAUSE: i64 = 10;
const LONGEST_PAUSE: i64 = 600;
/// Pods made in one go.
const BURST: i64 = 500;

pub(crate) struct Jobs;

impl Controller for Jobs {
    fn name(&self) -> &'static str {
        COMPONENT
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            JOBS => vec![change.key.clone()],
            crate::pods::PODS => crate::pods::owners_of(server, &change.object, "Job", JOBS),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(job) = server.get(JOBS, &key.namespace, &key.name) else { return outcome };
        let others = !matches!(str_at(&job, &["spec", "managedBy"]), "" | "kubernetes.io/job-controller");
        if is_deleting(&job) || others {
            return outcome;
        }
        if let Some(end) = finished_at(&job) {
            expire(&job, key, end, now, &mut outcome);
            return outcome;
        }
        let tally = Tally::of(server, &job);
        Progress { job: &job, tally, now, outcome: &mut outcome }.advance();
        outcome
    }
}

fn is_indexed(job: &Value) -> bool {
    str_at(job, &["spec", "completionMode"]) == "Indexed"
}

fn condition<'a>(job: &'a Value, kinds: &[&str]) -> Option<&'a Value> {
    list_at(job, &["status", "conditions"])
        .iter()
        .find(|c| kinds.contains(&str_at(c, &["type"])) && str_at(c, &["status"]) == "True")
}

fn finished_at(job: &Value) -> Option<Timestamp> {
    condition(job, &["Complete", "Failed"]).and_then(|c| time_at(c, &["lastTransitionTime"]))
}

fn expire(job: &Value, key: &Key, end: Timestamp, now: Timestamp, outcome: &mut Outcome) {
    let Some(ttl) = int_at(job, &["spec", "ttlSecondsAfterFinished"]) else { return };
    let left = end.as_second().saturating_add(ttl) - now.as_second();
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

/// How a Job ends.
struct End {
    succeeds: bool,
    reason: String,
    message: String,
}

impl End {
    fn new(succeeds: bool, reason: &str, message: impl Into<String>) -> Self {
        Self { succeeds, reason: reason.into(), message: message.into() }
    }
}

struct Progress<'a> {
    job: &'a Value,
    tally: Tally,
    now: Timestamp,
    outcome: &'a mut Outcome,
}

impl Progress<'_> {
    fn advance(mut self) {
        let suspended = at(self.job, &["spec", "suspend"]) == &json!(true);
        let started = match time_at(self.job, &["status", "startTime"]) {
            _ if suspended => None,
            None => Some(self.now),
            known => known,
        };
        let end = self.decided().or_else(|| self.verdict(started));
        let mut conditions = list_at(self.job, &["status", "conditions"]).to_vec();
        let mut start = started;
        if let Some(end) = &end {
            // A Job that ends while it is suspended keeps the start that it had.
            start = start.or_else(|| time_at(self.job, &["status", "startTime"]));
            self.stop_all();
            self.conclude(end, &mut conditions);
        } else if suspended {
            self.stop_all();
            self.suspension(true, &mut conditions);
        } else {
            self.suspension(false, &mut conditions);
            self.adjust();
        }
        let complete = end.is_some_and(|end| end.succeeds) && self.at_rest();
        let mut status = self.status(start, conditions);
        if complete {
            status["completionTime"] = json!(format_time(self.now));
        }
        self.outcome.writes.extend(access::status_write(JOBS, self.job, status));
    }

    fn completions(&self) -> Option<i64> {
        int_at(self.job, &["spec", "completions"])
    }

    fn at_rest(&self) -> bool {
        self.tally.active.is_empty() && self.tally.terminating == 0
    }

    /// What was decided in an earlier look and only waits for pods to end.
    fn decided(&self) -> Option<End> {
        let found = condition(self.job, &["SuccessCriteriaMet", "FailureTarget"])?;
        let succeeds = str_at(found, &["type"]) == "SuccessCriteriaMet";
        Some(End::new(succeeds, str_at(found, &["reason"]), str_at(found, &["message"])))
    }

    fn verdict(&mut self, started: Option<Timestamp>) -> Option<End> {
        if let Some(message) = self.tally.fatal.take() {
            return Some(End::new(false, "PodFailurePolicy", message));
        }
        if let Some(completions) = self.completions()
            && is_indexed(self.job)
        {
            if let Some(rule) = policy::success_rule(self.job, &self.tally.completed, completions) {
                return Some(End::new(true, "SuccessPolicy", format!("Matched rules at index {rule}")));
            }
            let failed = self.tally.failed_indexes.len() as i64;
            if int_at(self.job, &["spec", "maxFailedIndexes"]).is_some_and(|most| failed > most) {
                let message = "Job has exceeded the specified maximal number of failed indexes";
                return Some(End::new(false, "MaxFailedIndexesExceeded", message));
            }
            if failed > 0 && failed + self.tally.completed.len() as i64 >= completions {
                return Some(End::new(false, "FailedIndexes", "Job has failed indexes"));
            }
        }
        // Without `completions` (a work queue) one success means that all are done once the others have ended.
        let complete = match self.completions() {
            Some(wanted) => self.tally.succeeded >= wanted,
            None => self.tally.succeeded > 0 && self.tally.active.is_empty(),
        };
        if complete {
            let message = "Reached expected number of succeeded pods";
            return Some(End::new(true, "CompletionsReached", message));
        }
        self.over_limits(started)
    }

    fn over_limits(&mut self, started: Option<Timestamp>) -> Option<End> {
        let per_index = at(self.job, &["spec", "backoffLimitPerIndex"]).is_i64();
        let limit =
            int_at(self.job, &["spec", "backoffLimit"]).unwrap_or(if per_index { i64::MAX } else { 6 });
        let in_place = str_at(self.job, &["spec", "template", "spec", "restartPolicy"]) == "OnFailure";
        let restarts = if in_place { self.tally.restarts() } else { 0 };
        if self.tally.failed > limit || (restarts > 0 && restarts >= limit) {
            let message = "Job has reached the specified backoff limit";
            return Some(End::new(false, "BackoffLimitExceeded", message));
        }
        let deadline = int_at(self.job, &["spec", "activeDeadlineSeconds"])?;
        let left = started?.as_second().saturating_add(deadline) - self.now.as_second();
        if left <= 0 {
            let message = "Job was active longer than specified deadline";
            return Some(End::new(false, "DeadlineExceeded", message));
        }
        self.outcome.again(Duration::from_secs(left.unsigned_abs()));
        None
    }

    fn conclude(&mut self, end: &End, conditions: &mut Vec<Value>) {
        let (first, last) =
            if end.succeeds { ("SuccessCriteriaMet", "Complete") } else { ("FailureTarget", "Failed") };
        self.set(conditions, first, "True", &end.reason, &end.message);
        if !self.at_rest() {
            return;
        }
        self.set(conditions, last, "True", &end.reason, &end.message);
        if end.succeeds {
            self.say(EventKind::Normal, "Completed", "Job completed".into());
        } else {
            self.say(EventKind::Warning, &end.reason, end.message.clone());
        }
    }

    fn suspension(&mut self, suspended: bool, conditions: &mut Vec<Value>) {
        let before = conditions.iter().find(|c| str_at(c, &["type"]) == "Suspended");
        let was = before.map(|c| str_at(c, &["status"]) == "True");
        match (was, suspended) {
            (Some(true), true) | (Some(false) | None, false) => {}
            (_, true) => {
                self.set(conditions, "Suspended", "True", "JobSuspended", "Job suspended");
                self.say(EventKind::Normal, "Suspended", "Job suspended".into());
            }
            (_, false) => {
                self.set(conditions, "Suspended", "False", "JobResumed", "Job resumed");
                self.say(EventKind::Normal, "Resumed", "Job resumed".into());
            }
        }
    }

    fn set(&self, conditions: &mut Vec<Value>, kind: &str, status: &str, reason: &str, message: &str) {
        let time = format_time(self.now);
        let old = conditions.iter().find(|c| str_at(c, &["type"]) == kind);
        if old.is_some_and(|c| str_at(c, &["status"]) == status) {
            return;
        }
        conditions.retain(|c| str_at(c, &["type"]) != kind);
        conditions.push(json!({
            "type": kind, "status": status, "lastProbeTime": time, "lastTransitionTime": time,
            "reason": reason, "message": message,
        }));
    }

    fn say(&mut self, kind: EventKind, reason: &str, message: String) {
        let regarding = access::reference("batch/v1", "Job", self.job);
        self.outcome.write(access::event(kind, regarding, COMPONENT, reason, message));
    }

    fn stop_all(&mut self) {
        let active = std::mem::take(&mut self.tally.active);
        active.iter().for_each(|pod| self.stop(pod));
    }

    fn stop(&mut self, pod: &Value) {
        self.outcome.write(crate::pods::delete(pod));
        self.say(EventKind::Normal, "SuccessfulDelete", format!("Deleted pod: {}", name(pod)));
        self.tally.terminating += 1;
    }

    /// As many active pods as there may be now.
    fn adjust(&mut self) {
        let parallelism = int_at(self.job, &["spec", "parallelism"]).unwrap_or(1).max(0);
        let left = match self.completions() {
            Some(wanted) => wanted - self.tally.succeeded - self.tally.failed_indexes.len() as i64,
            None if self.tally.succeeded > 0 => self.tally.active.len() as i64,
            None => parallelism,
        };
        let wanted = left.min(parallelism).max(0);
        self.stop_surplus(wanted as usize);
        let replaces_late = match str_at(self.job, &["spec", "podReplacementPolicy"]) {
            "" => at(self.job, &["spec", "podFailurePolicy"]).is_object(),
            policy => policy == "Failed",
        };
        let going = if replaces_late { self.tally.terminating as i64 } else { 0 };
        let missing = (wanted - self.tally.active.len() as i64 - going).min(BURST);
        if missing > 0 {
            self.start(missing);
        }
    }

    fn stop_surplus(&mut self, wanted: usize) {
        let mut active = std::mem::take(&mut self.tally.active);
        active.sort_by_key(|pod| crate::pods::deletion_rank(pod));
        let surplus = active.len().saturating_sub(wanted);
        active.drain(..surplus).for_each(|pod| self.stop(&pod));
        self.tally.active = active;
    }

    fn start(&mut self, missing: i64) {
        let per_index = at(self.job, &["spec", "backoffLimitPerIndex"]).is_i64();
        if (!is_indexed(self.job) || !per_index)
            && let Some(left) = self.pause_left(None)
        {
            self.outcome.again(left);
            return;
        }
        if !is_indexed(self.job) {
            (0..missing)
                .for_each(|_| self.outcome.write(crate::pods::create(pods::new_pod(self.job, None, 0))));
            return;
        }
        let open: Vec<i64> = self.tally.open_indexes(self.completions().unwrap_or(0)).collect();
        let mut made = 0;
        for index in open {
            if made == missing {
                return;
            }
            if let Some(left) = self.pause_left(Some(index)).filter(|_| per_index) {
                self.outcome.again(left);
                continue;
            }
            let failures = self.tally.failures.get(&index).copied().unwrap_or(0);
            self.outcome.write(crate::pods::create(pods::new_pod(self.job, Some(index), failures)));
            made += 1;
        }
    }

    /// How long no pod (of this index) may be started after failures.
    fn pause_left(&self, index: Option<i64>) -> Option<Duration> {
        let failures = self.tally.recent_failures.iter().filter(|(_, of)| index.is_none() || *of == index);
        let ends: Vec<Timestamp> = failures.map(|(end, _)| *end).collect();
        let count = u32::try_from(ends.len()).unwrap_or(u32::MAX).saturating_sub(1).min(10);
        let pause = (FIRST_PAUSE << count).min(LONGEST_PAUSE);
        let left = ends.last()?.as_second() + pause - self.now.as_second();
        (left > 0).then(|| Duration::from_secs(left.unsigned_abs()))
    }

    fn status(&self, started: Option<Timestamp>, conditions: Vec<Value>) -> Value {
        let tally = &self.tally;
        let mut status = json!({});
        if !conditions.is_empty() {
            status["conditions"] = json!(conditions);
        }
        if let Some(started) = started {
            status["startTime"] = json!(format_time(started));
        }
        for (field, count) in
            [("active", tally.active.len() as i64), ("succeeded", tally.succeeded), ("failed", tally.failed)]
        {
            if count != 0 {
                status[field] = json!(count);
            }
        }
        status["terminating"] = json!(tally.terminating);
        status["ready"] = json!(tally.active.iter().filter(|p| crate::pods::is_ready(p)).count());
        status["uncountedTerminatedPods"] = json!({});
        if is_indexed(self.job) && !tally.completed.is_empty() {
            status["completedIndexes"] = json!(indexes::format(&tally.completed));
        }
        if at(self.job, &["spec", "backoffLimitPerIndex"]).is_i64() {
            status["failedIndexes"] = json!(indexes::format(&tally.failed_indexes));
        }
        status
    }
}
