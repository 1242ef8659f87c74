//! A Deployment's ReplicaSets: adopted, made, numbered, forgotten.

use super::{DEPLOYMENTS, HASH_LABEL, Plan, spec_replicas};
use crate::access::{self, at, generation, int_at, is_deleting, key_of, name, namespace, str_at, uid};
use crate::replicaset::{self, REPLICASETS};
use crate::{Outcome, Server, pods};
use serde_json::{Map, Value, json};
use store::{Key, Object, Propagation, Resource, Write};

const REVISION: &str = "deployment.kubernetes.io/revision";
/// The numbers that a set had before it was rolled back to.
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// What `replicas` was when the set got its size, and how many pods there might be then.
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MOST: &str = "deployment.kubernetes.io/max-replicas";
/// As long as [`HISTORY`] may get.
const LONGEST_HISTORY: usize = 2000;
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    "deprecated.deployment.rollback.to",
];
/// `revisionHistoryLimit` that keeps all.
const NO_LIMIT: i64 = i32::MAX as i64;

/// Whether the ReplicaSet was made from the Deployment's present template (but for the hash label).
pub(super) fn same_template(deployment: &Value, set: &Value) -> bool {
    let mut theirs = at(set, &["spec", "template"]).clone();
    if let Some(labels) = theirs.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.shift_remove(HASH_LABEL);
    }
    &theirs == at(deployment, &["spec", "template"])
}

fn revision(object: &Value) -> i64 {
    str_at(object, &["metadata", "annotations", REVISION]).parse().unwrap_or(0)
}

/// The Deployments that would adopt a ReplicaSet that nobody controls.
pub(super) fn who_selects(server: &dyn Server, set: &Value) -> Vec<Key> {
    let all = server.list(DEPLOYMENTS, namespace(set));
    let wants =
        |d: &&Object| access::labels_match(at(d, &["spec", "selector"]), at(set, &["metadata", "labels"]));
    all.iter().filter(wants).map(|d| key_of(DEPLOYMENTS, d)).collect()
}

/// Those that the Deployment controls, oldest first: orphans that it selects come, those that it selects no more go.
pub(super) fn claim(server: &dyn Server, deployment: &Object, outcome: &mut Outcome) -> Vec<Object> {
    let selector = at(deployment, &["spec", "selector"]);
    let selected = |set: &Object| access::labels_match(selector, at(set, &["metadata", "labels"]));
    let (mut ours, foreign): (Vec<Object>, Vec<Object>) =
        replicaset::controlled_sets(server, deployment).into_iter().partition(selected);
    if is_deleting(deployment) {
        return ours;
    }
    for set in foreign {
        outcome.write(pods::disown(REPLICASETS, uid(deployment), &set));
    }
    for set in server.unowned(REPLICASETS, namespace(deployment)) {
        if selected(&set) && !is_deleting(&set) {
            outcome.write(pods::own(REPLICASETS, "apps/v1", "Deployment", deployment, &set));
            ours.push(set);
        }
    }
    replicaset::sort_by_age(&mut ours);
    ours
}

impl Plan<'_> {
    pub(super) fn replica_annotations(&self) -> Value {
        let desired = self.desired();
        json!({DESIRED: desired.to_string(), MOST: (desired + self.budget().surge).to_string()})
    }

    pub(super) fn create(&mut self, replicas: i64) {
        let hash = self.hash();
        let set_name = format!("{}-{hash}", name(self.deployment));
        if self.server.get(REPLICASETS, namespace(self.deployment), &set_name).is_some() {
            // Somebody else's, or one of another template: the next look tries another name.
            let mut status = at(self.deployment, &["status"]).clone();
            status["collisionCount"] = json!(self.collisions() + 1);
            self.outcome.writes.extend(access::status_write(DEPLOYMENTS, self.deployment, status));
            return;
        }
        let mut template = at(self.deployment, &["spec", "template"]).clone();
        template["metadata"]["labels"][HASH_LABEL] = json!(hash);
        let mut selector = at(self.deployment, &["spec", "selector"]).clone();
        selector["matchLabels"][HASH_LABEL] = json!(hash);
        let mut annotations = self.copied_annotations();
        annotations.insert(REVISION.into(), json!((self.last_revision() + 1).to_string()));
        if let Value::Object(noted) = self.replica_annotations() {
            annotations.extend(noted);
        }
        self.outcome.write(Write::Create {
            resource: Resource::new(REPLICASETS),
            object: json!({
                "apiVersion": "apps/v1", "kind": "ReplicaSet",
                "metadata": {
                    "name": set_name, "namespace": namespace(self.deployment),
                    "labels": template["metadata"]["labels"], "annotations": annotations,
                    "ownerReferences": [access::owner_reference("apps/v1", "Deployment", self.deployment)],
                },
                "spec": {
                    "replicas": replicas, "minReadySeconds": pods::min_ready_seconds(self.deployment),
                    "selector": selector, "template": template,
                },
            }),
        });
        if replicas > 0 {
            self.say(format!("Scaled up replica set {set_name} from 0 to {replicas}"));
        }
        self.created = Some((set_name, replicas));
    }

    pub(super) fn collisions(&self) -> i64 {
        int_at(self.deployment, &["status", "collisionCount"]).unwrap_or(0)
    }

    /// Of the present template; the collision count keeps it apart from a set of another template.
    fn hash(&self) -> String {
        let hash = access::content_hash(at(self.deployment, &["spec", "template"]));
        match self.collisions() {
            0 => hash,
            collisions => format!("{hash}{collisions}"),
        }
    }

    fn copied_annotations(&self) -> Map<String, Value> {
        let all = at(self.deployment, &["metadata", "annotations"]).as_object().cloned().unwrap_or_default();
        all.into_iter().filter(|(key, _)| !NOT_COPIED.contains(&key.as_str())).collect()
    }

    fn last_revision(&self) -> i64 {
        self.old.iter().map(|s| revision(s)).max().unwrap_or(0)
    }

    /// The present set has the Deployment's annotations and the highest number, which the Deployment has as well. A
    /// rollback makes an old set current again: its numbers so far are kept in its history. Returns whether the
    /// Deployment itself was written.
    pub(super) fn annotate(&mut self) -> bool {
        let Some(current) = self.current else { return false };
        let has = at(current, &["metadata", "annotations"]);
        let mut changed = self.copied_annotations();
        changed.retain(|key, value| &has[key.as_str()] != value);
        let number = revision(current).max(self.last_revision() + 1);
        if revision(current) < number {
            changed.insert(REVISION.into(), json!(number.to_string()));
            if let Some(history) = history(has) {
                changed.insert(HISTORY.into(), json!(history));
            }
        }
        let mut patch = json!({});
        if !changed.is_empty() {
            patch["metadata"] = json!({"annotations": changed});
        }
        let ready_for = pods::min_ready_seconds(self.deployment);
        if pods::min_ready_seconds(current) != ready_for {
            patch["spec"] = json!({"minReadySeconds": ready_for});
        }
        if patch != json!({}) {
            self.outcome.write(Write::Merge { key: key_of(REPLICASETS, current), subresource: "", patch });
        }
        if revision(self.deployment) == number {
            return false;
        }
        let patch = json!({"metadata": {"annotations": {REVISION: number.to_string()}}});
        self.outcome.write(Write::Merge {
            key: key_of(DEPLOYMENTS, self.deployment),
            subresource: "",
            patch,
        });
        true
    }

    /// Old ReplicaSets with no pods are kept for `kubectl rollout undo`, up to the history limit.
    pub(super) fn prune(&mut self) {
        let keep = int_at(self.deployment, &["spec", "revisionHistoryLimit"]).unwrap_or(10).max(0);
        if keep == NO_LIMIT {
            return;
        }
        let mut alive: Vec<&Object> = self.old.iter().filter(|s| !is_deleting(s)).collect();
        alive.sort_by_key(|s| revision(s));
        let surplus = alive.len().saturating_sub(keep as usize);
        let idle = |s: &&&Object| {
            spec_replicas(s) == 0
                && int_at(s, &["status", "replicas"]).unwrap_or(0) == 0
                && generation(s) <= int_at(s, &["status", "observedGeneration"]).unwrap_or(0)
        };
        for set in alive[..surplus].iter().filter(idle) {
            self.outcome.write(Write::Delete {
                key: key_of(REPLICASETS, set),
                uid: Some(uid(set).into()),
                grace_seconds: None,
                propagation: Propagation::Background,
            });
        }
    }
}

/// The numbers that a set had before, with its present one; the oldest go when there are too many.
fn history(annotations: &Value) -> Option<String> {
    let old = annotations[REVISION].as_str()?;
    let known = annotations[HISTORY].as_str().unwrap_or("");
    if known.is_empty() {
        return Some(old.into());
    }
    let mut kept = known;
    while kept.len() + old.len() + 1 > LONGEST_HISTORY {
        kept = kept.split_once(',')?.1;
    }
    Some(format!("{kept},{old}"))
}
