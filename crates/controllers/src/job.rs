//! Job: pods that run to their end, `completions` times, with `parallelism` at once.
//!
//! `pods` counts what there is, `tracking` sees to it that each pod is counted once (a finalizer holds it until the status
//! has it), `policy` says what single pods mean for the whole, `creation` makes and stops pods, `indexes` are sets of
//! completion indexes. A Job ends in two steps, as upstream's does: first the condition that decides
//! (SuccessCriteriaMet or FailureTarget), and when its last pod has ended and is counted, Complete or Failed.

mod creation;
mod indexes;
mod pods;
mod policy;
#[cfg(test)]
mod tests;
mod tracking;

use crate::access::{self, at, format_time, int_at, is_deleting, list_at, str_at, time_at};
use crate::{Controller, Outcome, Server};
use jiff::Timestamp;
use pods::Tally;
use serde_json::{Value, json};
use std::time::Duration;
use store::{Change, ChangeKind, EventKind, Key, Propagation, Write};

const JOBS: &str = "batch/jobs";
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
const COMPONENT: &str = "job-controller";

pub(crate) struct Jobs;

impl Controller for Jobs {
    fn name(&self) -> &'static str {
        COMPONENT
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        let gone = change.kind == ChangeKind::Deleted;
        match &*change.key.resource.0 {
            JOBS => {
                let mut keys = vec![change.key.clone()];
                let finished = |job: &Value| finished_at(job).is_some();
                if gone
                    || finished(&change.object) && !change.previous.as_ref().is_some_and(|old| finished(old))
                {
                    let owned = server.owned_by(access::uid(&change.object)).into_iter();
                    keys.extend(owned.filter(|(_, pod)| tracking::is_tracked(pod)).map(|(key, _)| key));
                }
                keys
            }
            crate::pods::PODS => {
                let mut keys = crate::pods::owners_of(server, &change.object, "Job", JOBS);
                if !gone && tracking::is_left(server, &change.object) {
                    keys.push(change.key.clone());
                }
                keys
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        if &*key.resource.0 == crate::pods::PODS {
            tracking::let_go(server, key, &mut outcome);
            return outcome;
        }
        let Some(job) = server.get(JOBS, &key.namespace, &key.name) else { return outcome };
        if let Some(end) = finished_at(&job) {
            if !is_deleting(&job) {
                expire(&job, key, end, now, &mut outcome);
            }
            return outcome;
        }
        if is_foreign(&job) {
            return outcome;
        }
        let tally = Tally::of(tracking::claim(server, &job, &mut outcome), &job);
        Progress { job: &job, tally, now, outcome: &mut outcome }.advance();
        outcome
    }
}

/// Whether another controller is to do what this one does.
fn is_foreign(job: &Value) -> bool {
    !matches!(str_at(job, &["spec", "managedBy"]), "" | "kubernetes.io/job-controller")
}

fn is_indexed(job: &Value) -> bool {
    str_at(job, &["spec", "completionMode"]) == "Indexed"
}

fn is_per_index(job: &Value) -> bool {
    at(job, &["spec", "backoffLimitPerIndex"]).is_i64()
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
            propagation: Propagation::Foreground,
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
        if is_deleting(self.job) {
            let account = tracking::settle(self.job, &self.tally, None);
            let conditions = list_at(self.job, &["status", "conditions"]).to_vec();
            return self.write(time_at(self.job, &["status", "startTime"]), conditions, &account, false);
        }
        let suspended = at(self.job, &["spec", "suspend"]) == &json!(true);
        let started = match time_at(self.job, &["status", "startTime"]) {
            _ if suspended => None,
            None => Some(self.now),
            known => known,
        };
        let decided = self.decided();
        let known = decided.is_some();
        let mut end = decided.or_else(|| self.verdict(started));
        let mut conditions = list_at(self.job, &["status", "conditions"]).to_vec();
        let mut start = started;
        if let Some(succeeds) = end.as_ref().map(|end| end.succeeds) {
            // A Job that ends while it is suspended keeps the start that it had.
            start = start.or_else(|| time_at(self.job, &["status", "startTime"]));
            // Why is stored first.
            if known {
                self.end_all(succeeds);
            }
        } else {
            if suspended {
                self.stop_all();
            } else {
                self.adjust();
            }
            end = self.completion();
            if end.is_none() {
                self.suspension(suspended, &mut conditions);
            }
        }
        let mut account = tracking::settle(self.job, &self.tally, end.as_ref());
        if !known && end.is_some() {
            // What was decided must be stored before the pods that tell why may go.
            account.releases.clear();
        }
        let finished = end.as_ref().is_some_and(|end| self.conclude(end, &account, &mut conditions));
        let complete = finished && end.is_some_and(|end| end.succeeds);
        self.write(start, conditions, &account, complete);
    }

    fn write(
        &mut self,
        start: Option<Timestamp>,
        conditions: Vec<Value>,
        account: &tracking::Account,
        complete: bool,
    ) {
        let mut status = self.status(start, conditions, account);
        if complete {
            status["completionTime"] = json!(format_time(self.now));
        }
        self.outcome.writes.extend(access::status_write(JOBS, self.job, status));
        account.releases.iter().for_each(|pod| self.outcome.write(tracking::release(pod)));
    }

    fn completions(&self) -> Option<i64> {
        int_at(self.job, &["spec", "completions"])
    }

    /// What was decided in an earlier look and only waits for pods to end.
    fn decided(&self) -> Option<End> {
        let found = condition(self.job, &["SuccessCriteriaMet"])
            .or_else(|| condition(self.job, &["FailureTarget"]))?;
        let succeeds = str_at(found, &["type"]) == "SuccessCriteriaMet";
        Some(End::new(succeeds, str_at(found, &["reason"]), str_at(found, &["message"])))
    }

    fn verdict(&mut self, started: Option<Timestamp>) -> Option<End> {
        if let Some(message) = self.tally.fatal.take() {
            return Some(End::new(false, "PodFailurePolicy", message));
        }
        if let Some(end) = self.over_limits(started) {
            return Some(end);
        }
        let completions = self.completions().filter(|_| is_indexed(self.job))?;
        if is_per_index(self.job) {
            let failed = self.tally.failed_indexes.len() as i64;
            if int_at(self.job, &["spec", "maxFailedIndexes"]).is_some_and(|most| failed > most) {
                let message = "Job has exceeded the specified maximal number of failed indexes";
                return Some(End::new(false, "MaxFailedIndexesExceeded", message));
            }
            if failed > 0 && failed + self.tally.completed.len() as i64 >= completions {
                return Some(End::new(false, "FailedIndexes", "Job has failed indexes"));
            }
        }
        let rule = policy::success_rule(self.job, &self.tally.completed, completions)?;
        Some(End::new(true, "SuccessPolicy", format!("Matched rules at index {rule}")))
    }

    fn over_limits(&mut self, started: Option<Timestamp>) -> Option<End> {
        let limit = int_at(self.job, &["spec", "backoffLimit"]).unwrap_or(if is_per_index(self.job) {
            i64::MAX
        } else {
            6
        });
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

    /// Without `completions` (a work queue) one success means that all are done once the others have ended.
    fn completion(&self) -> Option<End> {
        let enough = match self.completions() {
            Some(wanted) => self.tally.succeeded >= wanted,
            None => self.tally.succeeded > 0,
        };
        (enough && self.tally.active.is_empty() && self.tally.made == 0)
            .then(|| End::new(true, "CompletionsReached", "Reached expected number of succeeded pods"))
    }

    /// Whether the Job has ended by now: no pod that is going, none that is not counted.
    fn conclude(&mut self, end: &End, account: &tracking::Account, conditions: &mut Vec<Value>) -> bool {
        let (first, last) =
            if end.succeeds { ("SuccessCriteriaMet", "Complete") } else { ("FailureTarget", "Failed") };
        self.set(conditions, first, "True", &end.reason, &end.message);
        if account.is_open || self.tally.terminating > 0 || !self.tally.active.is_empty() {
            return false;
        }
        self.set(conditions, last, "True", &end.reason, &end.message);
        if !end.succeeds {
            self.say(EventKind::Warning, &end.reason, end.message.clone());
            return true;
        }
        if self.completions().is_some_and(|wanted| account.succeeded > wanted) {
            let message = "Too many succeeded pods running after completion count reached";
            self.say(EventKind::Warning, "TooManySucceededPods", message.into());
        }
        self.say(EventKind::Normal, "Completed", "Job completed".into());
        true
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

    fn status(
        &self,
        started: Option<Timestamp>,
        conditions: Vec<Value>,
        account: &tracking::Account,
    ) -> Value {
        let tally = &self.tally;
        let mut status = json!({});
        if !conditions.is_empty() {
            status["conditions"] = json!(conditions);
        }
        if let Some(started) = started {
            status["startTime"] = json!(format_time(started));
        }
        let counts = [
            ("active", tally.active.len() as i64),
            ("succeeded", account.succeeded),
            ("failed", account.failed),
        ];
        for (field, count) in counts.into_iter().filter(|(_, count)| *count != 0) {
            status[field] = json!(count);
        }
        status["terminating"] = json!(tally.terminating);
        status["ready"] = json!(tally.active.iter().filter(|p| crate::pods::is_ready(p)).count());
        status["uncountedTerminatedPods"] = account.uncounted();
        if is_indexed(self.job) && !tally.completed.is_empty() {
            status["completedIndexes"] = json!(indexes::format(&tally.completed));
        }
        if is_per_index(self.job) {
            status["failedIndexes"] = json!(indexes::format(&tally.failed_indexes));
        }
        status
    }
}
