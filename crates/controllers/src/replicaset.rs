//! ReplicaSet and ReplicationController: as many active pods as `spec.replicas` says.

use crate::access::{self, at, generation, int_at, is_deleting, key_of, list_at, name, str_at};
use crate::{Controller, Outcome, Server, pods, ranking};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Change, EventKind, Key, Object};

pub(crate) const REPLICASETS: &str = "apps/replicasets";
/// Creations per reconcile, so that a huge scale-up does not starve everything else.
const BURST: usize = 500;

/// ReplicaSets and ReplicationControllers differ in their names and in the form of their selector only.
pub(crate) struct ReplicaSets {
    component: &'static str,
    resource: &'static str,
    api_version: &'static str,
    kind: &'static str,
}

pub(crate) const REPLICA_SETS: ReplicaSets = ReplicaSets {
    component: "replicaset-controller",
    resource: REPLICASETS,
    api_version: "apps/v1",
    kind: "ReplicaSet",
};

pub(crate) const REPLICATION_CONTROLLERS: ReplicaSets = ReplicaSets {
    component: "replication-controller",
    resource: "replicationcontrollers",
    api_version: "v1",
    kind: "ReplicationController",
};

impl Controller for ReplicaSets {
    fn name(&self) -> &'static str {
        self.component
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            resource if resource == self.resource => vec![change.key.clone()],
            pods::PODS => pods::owners_of(server, &change.object, self.kind, self.resource),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(set) = server.get(self.resource, &key.namespace, &key.name) else { return outcome };
        let all = pods::controlled_pods(server, access::uid(&set));
        let going = all.iter().filter(|p| is_deleting(p) && !has_ended(p)).count();
        let kind = (self.api_version, self.kind);
        let mut active = pods::claim(server, kind, &set, |_| true, &mut outcome);
        active.retain(|p| pods::is_active(p));
        if !is_deleting(&set) {
            self.scale(server, &set, &mut active, now, &mut outcome);
        }
        self.status(&set, &active, going, now, &mut outcome);
        outcome
    }
}

fn has_ended(pod: &Value) -> bool {
    matches!(str_at(pod, &["status", "phase"]), "Succeeded" | "Failed")
}

impl ReplicaSets {
    fn scale(
        &self,
        server: &dyn Server,
        set: &Value,
        active: &mut [Object],
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let want = int_at(set, &["spec", "replicas"]).unwrap_or(1).max(0) as usize;
        for _ in active.len()..want.min(active.len() + BURST) {
            let mut pod =
                pods::from_template(self.api_version, self.kind, set, at(set, &["spec", "template"]));
            pod["metadata"]["generateName"] = json!(format!("{}-", name(set)));
            outcome.write(pods::create(pod));
        }
        if active.len() > want {
            ranking::sort_of_set(active, &ranking::related(server, self.resource, set), now);
            for pod in &active[..active.len() - want] {
                outcome.write(pods::delete(pod));
                outcome.write(access::event(
                    EventKind::Normal,
                    access::reference(self.api_version, self.kind, set),
                    self.name(),
                    "SuccessfulDelete",
                    format!("Deleted pod: {}", name(pod)),
                ));
            }
        }
    }

    fn status(&self, set: &Value, active: &[Object], going: usize, now: Timestamp, outcome: &mut Outcome) {
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
        if self.kind == "ReplicaSet" {
            status["terminatingReplicas"] = json!(going);
        }
        // That pods could not be made is noted by who tried (`told`), and holds until there are enough.
        let want = int_at(set, &["spec", "replicas"]).unwrap_or(1).max(0) as usize;
        let conditions = list_at(set, &["status", "conditions"]);
        let holds = |c: &&Value| active.len() < want || str_at(c, &["type"]) != "ReplicaFailure";
        let conditions: Vec<&Value> = conditions.iter().filter(holds).collect();
        if !conditions.is_empty() {
            status["conditions"] = json!(conditions);
        }
        outcome.writes.extend(access::status_write(self.resource, set, status));
    }
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
    sets.retain(|set| {
        access::controller_of(set).is_some_and(|r| str_at(r, &["uid"]) == access::uid(deployment))
    });
    sort_by_age(&mut sets);
    sets
}

pub(crate) fn sort_by_age(sets: &mut [Object]) {
    sets.sort_by_cached_key(|s| {
        (str_at(s, &["metadata", "creationTimestamp"]).to_string(), key_of(REPLICASETS, s))
    });
}
