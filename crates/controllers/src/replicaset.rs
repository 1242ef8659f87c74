//! ReplicaSet: as many active pods as `spec.replicas` says.

use crate::access::{self, at, generation, int_at, is_deleting, key_of, name, str_at};
use crate::{Controller, Outcome, Server, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Change, EventKind, Key, Object};

pub(crate) const REPLICASETS: &str = "apps/replicasets";
/// Creations per reconcile, so that a huge scale-up does not starve everything else.
const BURST: usize = 500;

pub(crate) struct ReplicaSets;

impl Controller for ReplicaSets {
    fn name(&self) -> &'static str {
        "replicaset-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            REPLICASETS => vec![change.key.clone()],
            pods::PODS => pods::owners_of(server, &change.object, "ReplicaSet", REPLICASETS),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(set) = server.get(REPLICASETS, &key.namespace, &key.name) else { return outcome };
        let mut active: Vec<Object> = pods::controlled_pods(server, access::uid(&set))
            .into_iter()
            .filter(|p| pods::is_active(p))
            .collect();
        if !is_deleting(&set) {
            for orphan in pods::orphans(server, &set) {
                outcome.write(pods::adopt("apps/v1", "ReplicaSet", &set, &orphan));
                active.push(orphan);
            }
            self.scale(&set, &mut active, &mut outcome);
        }
        status(&set, &active, now, &mut outcome);
        outcome
    }
}

impl ReplicaSets {
    fn scale(&self, set: &Value, active: &mut [Object], outcome: &mut Outcome) {
        let want = int_at(set, &["spec", "replicas"]).unwrap_or(1).max(0) as usize;
        for _ in active.len()..want.min(active.len() + BURST) {
            let mut pod = pods::from_template("apps/v1", "ReplicaSet", set, at(set, &["spec", "template"]));
            pod["metadata"]["generateName"] = json!(format!("{}-", name(set)));
            outcome.write(pods::create(pod));
        }
        if active.len() > want {
            active.sort_by_key(|pod| pods::deletion_rank(pod));
            for pod in &active[..active.len() - want] {
                outcome.write(pods::delete(pod));
                outcome.write(access::event(
                    EventKind::Normal,
                    access::reference("apps/v1", "ReplicaSet", set),
                    self.name(),
                    "SuccessfulDelete",
                    format!("Deleted pod: {}", name(pod)),
                ));
            }
        }
    }
}

fn status(set: &Value, active: &[Object], now: Timestamp, outcome: &mut Outcome) {
    let template_labels = at(set, &["spec", "template", "metadata", "labels"]);
    let labelled = |pod: &Value| {
        template_labels
            .as_object()
            .is_none_or(|want| want.iter().all(|(k, v)| at(pod, &["metadata", "labels", k]) == v))
    };
    let mut available = 0;
    for pod in active {
        match pods::availability(pod, pods::min_ready_seconds(set), now) {
            Ok(()) => available += 1,
            Err(Some(later)) => outcome.again(later),
            Err(None) => {}
        }
    }
    let mut status = access::without_zeros(json!({
        "fullyLabeledReplicas": active.iter().filter(|p| labelled(p)).count(),
        "readyReplicas": active.iter().filter(|p| pods::is_ready(p)).count(),
        "availableReplicas": available,
        "observedGeneration": generation(set),
    }));
    status["replicas"] = json!(active.len());
    outcome.writes.extend(access::status_write(REPLICASETS, set, status));
}

/// The owner of a ReplicaSet, for controllers that watch ReplicaSets.
pub(crate) fn deployment_of(set: &Value) -> Option<Key> {
    access::owner_key(set, "Deployment", crate::deployment::DEPLOYMENTS)
}

/// ReplicaSets that a Deployment controls, oldest first.
pub(crate) fn controlled_sets(server: &dyn Server, deployment: &Value) -> Vec<Object> {
    let mut sets: Vec<Object> = server
        .owned_by(access::uid(deployment))
        .into_iter()
        .filter(|(key, _)| &*key.resource.0 == REPLICASETS)
        .map(|(_, set)| set)
        .collect();
    sets.sort_by_key(|s| (str_at(s, &["metadata", "creationTimestamp"]).to_string(), key_of(REPLICASETS, s)));
    sets
}
