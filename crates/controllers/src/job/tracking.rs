//! Each pod is counted once: a finalizer holds it until the status has counted it.
//!
//! What a pod was is first noted in the status (`uncountedTerminatedPods`, or its completion index); when that is stored,
//! the finalizer goes; when that is seen, the pod moves from the note to the count. Each step follows from what is stored,
//! so that it may be interrupted anywhere.

use super::pods::{Tally, has_ended_badly, index_of, phase};
use super::policy::{self, Verdict};
use super::{End, JOBS, finished_at, is_foreign, is_indexed};
use crate::access::{self, controller_of, int_at, is_deleting, list_at, namespace, str_at, uid};
use crate::{Outcome, Server, pods};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::{Key, Object, Write};

const FINALIZER: &str = "batch.kubernetes.io/job-tracking";
/// So many pods are noted at once, so that a status stays small.
const MOST_NOTED: usize = 500;

pub(super) fn is_tracked(pod: &Value) -> bool {
    list_at(pod, &["metadata", "finalizers"]).iter().any(|f| f == FINALIZER)
}

pub(super) fn track(pod: &mut Value) {
    if !is_tracked(pod) {
        let mut finalizers = list_at(pod, &["metadata", "finalizers"]).to_vec();
        finalizers.push(json!(FINALIZER));
        pod["metadata"]["finalizers"] = json!(finalizers);
    }
}

/// The patch that lets a pod go.
pub(super) fn release(pod: &Object) -> Write {
    let left: Vec<&Value> =
        list_at(pod, &["metadata", "finalizers"]).iter().filter(|f| *f != FINALIZER).collect();
    patch(pod, "finalizers", if left.is_empty() { Value::Null } else { json!(left) })
}

fn patch(pod: &Object, field: &str, value: Value) -> Write {
    let version = &pod["metadata"]["resourceVersion"];
    let mut patch = json!({"metadata": {"uid": uid(pod), "resourceVersion": version}});
    patch["metadata"][field] = value;
    Write::Merge { key: access::key_of(pods::PODS, pod), subresource: "", patch }
}

/// The Job's pods: those that its selector wants and nobody has come, others go; running ones that are not tracked yet are
/// from now on.
pub(super) fn claim(server: &dyn Server, job: &Value, outcome: &mut Outcome) -> Vec<Object> {
    let pods = pods::claim(server, ("batch/v1", "Job"), job, |_| true, outcome);
    for pod in pods.iter().filter(|pod| pods::is_active(pod) && !is_tracked(pod) && !is_deleting(job)) {
        // An orphan is tracked in the next look: one patch a look says for what state it is meant.
        if controller_of(pod).is_some() {
            let mut next = (**pod).clone();
            track(&mut next);
            outcome.write(patch(pod, "finalizers", next["metadata"]["finalizers"].take()));
        }
    }
    pods
}

/// Whether a tracked pod's Job is gone or has ended, so that nobody would count it any more.
pub(super) fn is_left(server: &dyn Server, pod: &Value) -> bool {
    if !is_tracked(pod) {
        return false;
    }
    let Some(owner) = controller_of(pod) else { return true };
    if str_at(owner, &["kind"]) != "Job" || str_at(owner, &["apiVersion"]) != "batch/v1" {
        return false;
    }
    match server.get(JOBS, namespace(pod), str_at(owner, &["name"])) {
        Some(job) if uid(&job) == str_at(owner, &["uid"]) => finished_at(&job).is_some() && !is_foreign(&job),
        _ => true,
    }
}

pub(super) fn let_go(server: &dyn Server, key: &Key, outcome: &mut Outcome) {
    if let Some(pod) = server.get(pods::PODS, &key.namespace, &key.name).filter(|pod| is_left(server, pod)) {
        outcome.write(release(&pod));
    }
}

/// What the status is to say of pods that have ended.
pub(super) struct Account {
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    noted_succeeded: Vec<String>,
    noted_failed: Vec<String>,
    /// Pods that the stored status has already, or that do not count.
    pub(super) releases: Vec<Object>,
    /// Whether a pod is not counted yet.
    pub(super) is_open: bool,
}

impl Account {
    pub(super) fn uncounted(&self) -> Value {
        let mut noted = json!({});
        for (field, uids) in [("succeeded", &self.noted_succeeded), ("failed", &self.noted_failed)] {
            if !uids.is_empty() {
                noted[field] = json!(uids);
            }
        }
        noted
    }

    fn is_full(&self) -> bool {
        self.noted_succeeded.len() + self.noted_failed.len() >= MOST_NOTED
    }
}

/// Where each pod that has ended stands; `end` is how the Job ends, if it does.
pub(super) fn settle(job: &Value, tally: &Tally, end: Option<&End>) -> Account {
    let tracked: BTreeSet<&str> =
        tally.pods.iter().filter(|pod| is_tracked(pod)).map(|pod| uid(pod)).collect();
    let count = |field: &str| int_at(job, &["status", field]).unwrap_or(0);
    let noted = |field: &str| -> Vec<String> {
        let uids = list_at(job, &["status", "uncountedTerminatedPods", field]).iter();
        uids.filter_map(Value::as_str).map(str::to_string).collect()
    };
    let (held, freed): (Vec<_>, Vec<_>) =
        noted("succeeded").into_iter().partition(|uid| tracked.contains(uid.as_str()));
    let succeeded = count("succeeded") + freed.len() as i64;
    let stored_succeeded: BTreeSet<String> = held.iter().cloned().collect();
    let (held_failed, freed): (Vec<_>, Vec<_>) =
        noted("failed").into_iter().partition(|uid| tracked.contains(uid.as_str()));
    let stored_failed: BTreeSet<String> = held_failed.iter().cloned().collect();
    let mut account = Account {
        succeeded: if is_indexed(job) { tally.completed.len() as i64 } else { succeeded },
        failed: count("failed") + freed.len() as i64,
        noted_succeeded: held,
        noted_failed: held_failed,
        releases: Vec::new(),
        is_open: false,
    };
    for pod in tally.pods.iter().filter(|pod| is_tracked(pod) && may_go(job, tally, pod, end)) {
        account.is_open = true;
        if account.is_full() {
            break;
        }
        let stored = Stored { succeeded: &stored_succeeded, failed: &stored_failed };
        match standing(job, tally, pod, end, &stored) {
            Standing::Settled if !tally.released.contains(uid(pod)) => account.releases.push(pod.clone()),
            Standing::Settled | Standing::Indexed => {}
            Standing::Succeeded => account.noted_succeeded.push(uid(pod).to_string()),
            Standing::Failed => account.noted_failed.push(uid(pod).to_string()),
        }
    }
    account
}

/// Whether a pod may lose its finalizer at some time: it has ended, or the whole Job has. The last failed pod of an index
/// is kept until its replacement is there, because it holds the count of failures.
fn may_go(job: &Value, tally: &Tally, pod: &Object, end: Option<&End>) -> bool {
    let ended = is_deleting(job) || end.is_some() || phase(pod) == "Succeeded";
    let kept =
        || index_of(pod).and_then(|index| tally.last_failed.get(&index)).is_some_and(|p| uid(p) == uid(pod));
    ended || has_ended_badly(pod, job) && !(super::is_per_index(job) && kept())
}

struct Stored<'a> {
    succeeded: &'a BTreeSet<String>,
    failed: &'a BTreeSet<String>,
}

enum Standing {
    /// The stored status has it, or it does not count.
    Settled,
    /// Its completion index is in the status that is about to be written.
    Indexed,
    /// To be noted.
    Succeeded,
    Failed,
}

fn standing(job: &Value, tally: &Tally, pod: &Object, end: Option<&End>, stored: &Stored) -> Standing {
    let index = index_of(pod).filter(|index| *index < int_at(job, &["spec", "completions"]).unwrap_or(0));
    if phase(pod) == "Succeeded" && !stored.failed.contains(uid(pod)) {
        return match index {
            _ if !is_indexed(job) && stored.succeeded.contains(uid(pod)) => Standing::Settled,
            _ if !is_indexed(job) => Standing::Succeeded,
            Some(index) if !tally.stored_completed.contains(&index) => Standing::Indexed,
            _ => Standing::Settled,
        };
    }
    let counts = match end {
        Some(end) if end.succeeds => phase(pod) == "Failed",
        Some(_) => true,
        None => has_ended_badly(pod, job),
    };
    let settled = !counts
        || stored.failed.contains(uid(pod))
        || is_indexed(job) && index.is_none()
        || policy::of_failed_pod(job, pod) == Verdict::Ignore;
    if settled { Standing::Settled } else { Standing::Failed }
}
