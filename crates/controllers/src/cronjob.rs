//! CronJob: a Job at each time of a schedule.

use crate::access::{self, at, format_time, int_at, is_deleting, list_at, name, namespace, str_at, time_at};
use crate::{Controller, Outcome, Server};
use cron::Schedule;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::time::Duration;
use store::{Change, EventKind, Key, Object, Propagation, Resource, Write};

const CRON_JOBS: &str = "batch/cronjobs";
const JOBS: &str = "batch/jobs";
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// A start that is late by so many times the schedule's pause is told as a problem.
const MANY_MISSED: i64 = 100;
/// So long after the time itself the next look is, as with upstream.
const DELTA: Duration = Duration::from_millis(100);

pub(crate) struct CronJobs;

impl Controller for CronJobs {
    fn name(&self) -> &'static str {
        "cronjob-controller"
    }

    fn concerns(&self, _server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            CRON_JOBS => vec![change.key.clone()],
            JOBS => access::owner_key(&change.object, "CronJob", CRON_JOBS).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(cron_job) = server.get(CRON_JOBS, &key.namespace, &key.name) else { return outcome };
        Sync::new(server, &cron_job, now, &mut outcome).run();
        outcome
    }
}

struct Sync<'a> {
    cron_job: &'a Value,
    jobs: Vec<Object>,
    now: Timestamp,
    /// `status` as it will be.
    status: Map<String, Value>,
    outcome: &'a mut Outcome,
}

impl<'a> Sync<'a> {
    fn new(server: &dyn Server, cron_job: &'a Value, now: Timestamp, outcome: &'a mut Outcome) -> Self {
        let owned = server.owned_by(access::uid(cron_job));
        let controlled = |job: &Object| {
            access::controller_of(job).is_some_and(|owner| str_at(owner, &["uid"]) == access::uid(cron_job))
        };
        let jobs = owned
            .into_iter()
            .filter(|(key, job)| &*key.resource.0 == JOBS && controlled(job))
            .map(|(_, job)| job)
            .collect();
        let status = at(cron_job, &["status"]).as_object().cloned().unwrap_or_default();
        Self { cron_job, jobs, now, status, outcome }
    }

    fn run(mut self) {
        self.follow_jobs();
        self.clean_up();
        if !is_deleting(self.cron_job) && at(self.cron_job, &["spec", "suspend"]) != &json!(true) {
            self.start_what_is_due();
        }
        if Some(&self.status) != at(self.cron_job, &["status"]).as_object() {
            let status = Value::Object(std::mem::take(&mut self.status));
            let write = access::status_write(CRON_JOBS, self.cron_job, status);
            self.outcome.writes.extend(write);
        }
    }

    fn event(&mut self, kind: EventKind, reason: &str, message: String) {
        let regarding = access::reference("batch/v1", "CronJob", self.cron_job);
        self.outcome.write(access::event(kind, regarding, "cronjob-controller", reason, message));
    }

    /// `status.active` and `status.lastSuccessfulTime` follow the jobs.
    fn follow_jobs(&mut self) {
        let before: Vec<Value> = list_at(self.cron_job, &["status", "active"]).to_vec();
        let listed = |job: &Value| before.iter().any(|known| str_at(known, &["uid"]) == access::uid(job));
        for job in self.jobs.clone() {
            let end = end_of(&job);
            if let (true, Some(end)) = (listed(&job), end) {
                let text = format!("Saw completed job: {}, condition: {end}", name(&job));
                self.event(EventKind::Normal, "SawCompletedJob", text);
            }
            if end == Some("Complete") {
                self.note_success(&job);
            }
        }
        let made = |job: &Value| at(job, &["metadata", "annotations", SCHEDULED]).is_string();
        for job in self.jobs.clone() {
            if !listed(&job) && !made(&job) && end_of(&job).is_none() {
                let text = format!("Saw a job that the controller did not create or forgot: {}", name(&job));
                self.event(EventKind::Warning, "UnexpectedJob", text);
            }
        }
        for known in &before {
            if !self.jobs.iter().any(|job| access::uid(job) == str_at(known, &["uid"])) {
                let text = format!("Active job went missing: {}", str_at(known, &["name"]));
                self.event(EventKind::Normal, "MissingJob", text);
            }
        }
        // Those that somebody has made by hand are not counted, as upstream has it.
        let mut active: Vec<&Object> = self
            .jobs
            .iter()
            .filter(|job| {
                let ours = made(job) && !is_deleting(job);
                end_of(job).is_none() && (listed(job) || ours)
            })
            .collect();
        active.sort_by_key(|job| {
            (str_at(job, &["metadata", "creationTimestamp"]).to_string(), name(job).to_string())
        });
        let known = |job: &Value| before.iter().find(|known| str_at(known, &["uid"]) == access::uid(job));
        let active: Vec<Value> =
            active.into_iter().map(|job| known(job).cloned().unwrap_or_else(|| reference(job))).collect();
        match active.is_empty() {
            true => self.status.shift_remove("active"),
            false => self.status.insert("active".into(), active.into()),
        };
    }

    fn note_success(&mut self, job: &Value) {
        let Some(end) = time_at(job, &["status", "completionTime"]) else { return };
        let last = self.status.get("lastSuccessfulTime").and_then(|time| time.as_str()?.parse().ok());
        if last.is_none_or(|last: Timestamp| end > last) {
            self.status.insert("lastSuccessfulTime".into(), format_time(end).into());
        }
    }

    /// Only so many finished jobs are kept.
    fn clean_up(&mut self) {
        for (end, field) in [("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")]
        {
            let Some(limit) = int_at(self.cron_job, &["spec", field]) else { continue };
            let mut finished: Vec<Object> = self
                .jobs
                .iter()
                .filter(|job| end_of(job) == Some(end) && !is_deleting(job))
                .cloned()
                .collect();
            finished.sort_by_key(|job| {
                (str_at(job, &["status", "startTime"]).to_string(), name(job).to_string())
            });
            let surplus = finished.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
            for job in finished.iter().take(surplus) {
                self.delete(job);
            }
        }
    }

    fn delete(&mut self, job: &Value) {
        self.outcome.write(Write::Delete {
            key: access::key_of(JOBS, job),
            uid: Some(access::uid(job).into()),
            grace_seconds: None,
            propagation: Propagation::Background,
        });
        self.event(EventKind::Normal, "SuccessfulDelete", format!("Deleted job {}", name(job)));
    }

    fn start_what_is_due(&mut self) {
        let Some((schedule, zone)) = self.schedule() else { return };
        let found = match self.most_recent(&schedule, &zone, true) {
            Ok(found) => found,
            Err(problem) => {
                let text = str_at(self.cron_job, &["spec", "schedule"]);
                let text = format!("invalid schedule: {text} : {problem}");
                return self.event(EventKind::Warning, "InvalidSchedule", text);
            }
        };
        self.look_again(&schedule, &zone);
        let Some(due) = found.due else { return };
        let last = time_at(self.cron_job, &["status", "lastScheduleTime"]);
        if last == Some(due) {
            return;
        }
        if found.missed > MANY_MISSED {
            let text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
            self.event(EventKind::Warning, "TooManyMissedTimes", text.into());
        }
        self.start(due, &zone);
    }

    /// The schedule and the zone that it is meant in; a broken one is told by an event.
    fn schedule(&mut self) -> Option<(Schedule, TimeZone)> {
        let text = str_at(self.cron_job, &["spec", "schedule"]);
        let zone_name = str_at(self.cron_job, &["spec", "timeZone"]);
        let zone = match cron::zone(zone_name) {
            Ok(zone) => zone,
            Err(problem) => {
                let text = format!("invalid timeZone: {zone_name:?}: {problem}");
                self.event(EventKind::Warning, "UnknownTimeZone", text);
                return None;
            }
        };
        match Schedule::parse(text) {
            Ok(schedule) => Some((schedule, zone)),
            Err(problem) => {
                let text = format!("unparseable schedule: {text} : {problem}");
                self.event(EventKind::Warning, "UnparseableSchedule", text);
                None
            }
        }
    }

    fn start(&mut self, due: Timestamp, zone: &TimeZone) {
        let made = job_name(self.cron_job, due);
        if self.jobs.iter().any(|job| name(job) == made) {
            // Made by a look that could not write its status any more.
            self.status.insert("lastScheduleTime".into(), format_time(due).into());
            return;
        }
        if let Some(deadline) = int_at(self.cron_job, &["spec", "startingDeadlineSeconds"])
            && due.as_second().saturating_add(deadline) < self.now.as_second()
        {
            let time = due.to_zoned(zone.clone()).strftime("%a, %d %b %Y %H:%M:%S %z").to_string();
            let text = format!("Missed scheduled time to start a job: {time}");
            return self.event(EventKind::Warning, "MissSchedule", text);
        }
        let active: Vec<Value> =
            self.status.get("active").and_then(Value::as_array).cloned().unwrap_or_default();
        match str_at(self.cron_job, &["spec", "concurrencyPolicy"]) {
            "Forbid" if !active.is_empty() => {
                let text =
                    "Not starting job because prior execution is running and concurrency policy is Forbid";
                return self.event(EventKind::Normal, "JobAlreadyActive", text.into());
            }
            "Replace" => {
                for job in self.jobs.clone() {
                    if active.iter().any(|known| str_at(known, &["uid"]) == access::uid(&job)) {
                        self.delete(&job);
                    }
                }
                self.status.shift_remove("active");
            }
            _ => {}
        }
        let job = self.job(&made, due, zone);
        self.outcome.write(Write::Create { resource: Resource::new(JOBS), object: job });
        self.event(EventKind::Normal, "SuccessfulCreate", format!("Created job {made}"));
        self.status.insert("lastScheduleTime".into(), format_time(due).into());
    }

    fn job(&self, made: &str, due: Timestamp, zone: &TimeZone) -> Value {
        let template = at(self.cron_job, &["spec", "jobTemplate"]);
        let copy = |field: &str| {
            let value = at(template, &["metadata", field]);
            if value.is_object() { value.clone() } else { json!({}) }
        };
        let mut annotations = copy("annotations");
        annotations[SCHEDULED] = rfc3339(due, zone).into();
        json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": made, "namespace": namespace(self.cron_job),
                "labels": copy("labels"), "annotations": annotations,
                "ownerReferences": [access::owner_reference("batch/v1", "CronJob", self.cron_job)],
            },
            "spec": at(template, &["spec"]).clone(),
        })
    }

    /// The last time that was due, from the last start (or the object's creation) on.
    fn most_recent(
        &self,
        schedule: &Schedule,
        zone: &TimeZone,
        by_deadline: bool,
    ) -> Result<Found, &'static str> {
        let created = time_at(self.cron_job, &["metadata", "creationTimestamp"]).unwrap_or(self.now);
        let mut earliest = time_at(self.cron_job, &["status", "lastScheduleTime"]).unwrap_or(created);
        if by_deadline && let Some(deadline) = int_at(self.cron_job, &["spec", "startingDeadlineSeconds"]) {
            let from = self.now.as_second().saturating_sub(deadline);
            earliest = Timestamp::from_second(from).map_or(earliest, |from| earliest.max(from));
        }
        let nothing = Found { earliest, due: None, missed: 0 };
        let Some(first) = schedule.next(earliest, zone) else { return Ok(nothing) };
        if self.now < first {
            return Ok(nothing);
        }
        let Some(second) = schedule.next(first, zone).filter(|second| *second <= self.now) else {
            return Ok(Found { due: Some(first), missed: 1, ..nothing });
        };
        let pause = second.as_second() - first.as_second();
        if pause < 1 {
            return Err("time difference between two schedules is less than 1 second");
        }
        let missed = (self.now.as_second() - first.as_second()) / pause + 1;
        // Not each of a thousand missed times is walked through: as a rule the pauses are alike.
        let skipped =
            Timestamp::from_second(first.as_second() + (missed - 2).max(0) * pause).unwrap_or(first);
        let due = self.last_until_now(schedule, zone, skipped);
        let due = due.or_else(|| self.last_until_now(schedule, zone, first)).unwrap_or(second);
        Ok(Found { due: Some(due), missed, ..nothing })
    }

    fn last_until_now(&self, schedule: &Schedule, zone: &TimeZone, from: Timestamp) -> Option<Timestamp> {
        const MOST: usize = 10_000;
        std::iter::successors(schedule.next(from, zone), |time| schedule.next(*time, zone))
            .take(MOST)
            .take_while(|time| *time <= self.now)
            .last()
    }

    fn look_again(&mut self, schedule: &Schedule, zone: &TimeZone) {
        let from = match self.most_recent(schedule, zone, false) {
            Ok(Found { due: Some(due), .. }) => due,
            Ok(Found { earliest, missed: 0, .. }) => earliest,
            _ => self.now,
        };
        if let Some(next) = schedule.next(from, zone) {
            let pause = Duration::try_from(next.duration_since(self.now)).unwrap_or_default();
            self.outcome.again(pause + DELTA);
        }
    }
}

struct Found {
    earliest: Timestamp,
    due: Option<Timestamp>,
    missed: i64,
}

/// How a job has ended, if it has.
fn end_of(job: &Value) -> Option<&str> {
    list_at(job, &["status", "conditions"])
        .iter()
        .find(|c| matches!(str_at(c, &["type"]), "Complete" | "Failed") && str_at(c, &["status"]) == "True")
        .map(|c| str_at(c, &["type"]))
}

fn reference(job: &Value) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "name": name(job), "namespace": namespace(job),
        "resourceVersion": str_at(job, &["metadata", "resourceVersion"]), "uid": access::uid(job),
    })
}

/// One name for one time, so that it starts once: minutes since 1970.
fn job_name(cron_job: &Value, due: Timestamp) -> String {
    format!("{}-{}", name(cron_job), due.as_second() / 60)
}

fn rfc3339(time: Timestamp, zone: &TimeZone) -> String {
    let text = time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    text.strip_suffix("+00:00").map_or(text.clone(), |utc| format!("{utc}Z"))
}

#[cfg(test)]
mod tests;
