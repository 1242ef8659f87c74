//! What a StatefulSet's status counts. An update is over when all pods have the new revision and are ready: it is the
//! current one then.

use super::{REVISION, STATEFULSETS, replicas};
use crate::access::{self, generation, is_deleting, str_at};
use crate::{Outcome, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::Object;

pub(super) fn write(set: &Value, all: &[Object], revision: &str, now: Timestamp, outcome: &mut Outcome) {
    let of = |wanted: &str| {
        let counted = |p: &&Object| !is_deleting(p) && str_at(p, &["metadata", "labels", REVISION]) == wanted;
        all.iter().filter(counted).count()
    };
    let ready = |p: &&Object| str_at(p, &["status", "phase"]) == "Running" && pods::is_ready(p);
    let mut available = 0;
    for pod in all.iter().filter(ready) {
        match pods::availability(pod, pods::min_ready_seconds(set), now) {
            Ok(()) => available += 1,
            Err(Some(later)) => outcome.again(later),
            Err(None) => {}
        }
    }
    let ready = all.iter().filter(ready).count();
    let wanted = replicas(set) as usize;
    let rolls = str_at(set, &["spec", "updateStrategy", "type"]) != "OnDelete";
    let settled = rolls && of(revision) == wanted && ready == wanted && all.len() == wanted;
    let before = str_at(set, &["status", "currentRevision"]);
    let current = if settled || before.is_empty() { revision } else { before };
    let mut status = access::without_zeros(json!({
        "observedGeneration": generation(set), "readyReplicas": ready, "updatedReplicas": of(revision),
        "currentReplicas": of(current),
    }));
    status["replicas"] = json!(all.len());
    status["availableReplicas"] = json!(available);
    status["currentRevision"] = json!(current);
    status["updateRevision"] = json!(revision);
    status["collisionCount"] = json!(0);
    outcome.writes.extend(access::status_write(STATEFULSETS, set, status));
}
