//! StatefulSet: pods with ordinals, names and claims that stay.
//!
//! Ordered by default: one pod at a time, up from 0, down and for updates from the highest. `Parallel` starts and
//! stops all at once. `partition` and OnDelete hold updates back. Claims are never deleted here.

use crate::access::{self, at, generation, int_at, is_deleting, list_at, name, namespace, str_at};
use crate::{Controller, Outcome, Server, pods, volumes};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Change, Key, Object, Resource, Write};

const STATEFULSETS: &str = "apps/statefulsets";
const REVISION: &str = "controller-revision-hash";

pub(crate) struct StatefulSets;

impl Controller for StatefulSets {
    fn name(&self) -> &'static str {
        "statefulset-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            STATEFULSETS => vec![change.key.clone()],
            pods::PODS => pods::owners_of(server, &change.object, "StatefulSet", STATEFULSETS),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(set) = server.get(STATEFULSETS, &key.namespace, &key.name) else { return outcome };
        let all = pods::controlled_pods(server, access::uid(&set));
        let revision = format!("{}-{}", name(&set), access::content_hash(at(&set, &["spec", "template"])));
        if !is_deleting(&set) {
            Order { server, set: &set, all: &all, revision: &revision }.advance(&mut outcome);
        }
        status(&set, &all, &revision, now, &mut outcome);
        outcome
    }
}

struct Order<'a> {
    server: &'a dyn Server,
    set: &'a Value,
    all: &'a [Object],
    revision: &'a str,
}

impl Order<'_> {
    fn advance(&self, outcome: &mut Outcome) {
        let start = int_at(self.set, &["spec", "ordinals", "start"]).unwrap_or(0);
        let end = start + int_at(self.set, &["spec", "replicas"]).unwrap_or(1).max(0);
        let parallel = str_at(self.set, &["spec", "podManagementPolicy"]) == "Parallel";
        for ordinal in start..end {
            match self.pod(ordinal) {
                None => {
                    self.create(ordinal, outcome);
                    if !parallel {
                        return;
                    }
                }
                // A pod at its end is replaced under the same name.
                Some(pod) if !is_deleting(pod) && !pods::is_active(pod) => {
                    outcome.write(pods::delete(pod));
                    if !parallel {
                        return;
                    }
                }
                Some(pod) if !parallel && (is_deleting(pod) || !pods::is_ready(pod)) => {
                    self.unstick(pod, ordinal, outcome);
                    return;
                }
                Some(_) => {}
            }
        }
        let mut surplus: Vec<&Object> = self
            .all
            .iter()
            .filter(|p| ordinal_of(self.set, p).is_none_or(|o| o < start || o >= end))
            .collect();
        surplus.sort_by_key(|p| std::cmp::Reverse(ordinal_of(self.set, p)));
        for pod in surplus {
            if !is_deleting(pod) {
                outcome.write(pods::delete(pod));
            }
            if !parallel {
                return;
            }
        }
        self.update(start, end, outcome);
    }

    /// A pod of an old revision that never gets ready would block its own repair: it may be replaced.
    fn unstick(&self, pod: &Object, ordinal: i64, outcome: &mut Outcome) {
        if !is_deleting(pod) && self.outdated(pod) && ordinal >= self.partition() && self.rolls() {
            outcome.write(pods::delete(pod));
        }
    }

    fn update(&self, start: i64, end: i64, outcome: &mut Outcome) {
        if !self.rolls() {
            return;
        }
        for ordinal in (start.max(self.partition())..end).rev() {
            let Some(pod) = self.pod(ordinal) else { return };
            if is_deleting(pod) {
                return;
            }
            if self.outdated(pod) {
                outcome.write(pods::delete(pod));
                return;
            }
            if !pods::is_ready(pod) {
                return;
            }
        }
    }

    fn rolls(&self) -> bool {
        str_at(self.set, &["spec", "updateStrategy", "type"]) != "OnDelete"
    }

    fn partition(&self) -> i64 {
        int_at(self.set, &["spec", "updateStrategy", "rollingUpdate", "partition"]).unwrap_or(0)
    }

    fn outdated(&self, pod: &Value) -> bool {
        str_at(pod, &["metadata", "labels", REVISION]) != self.revision
    }

    fn pod(&self, ordinal: i64) -> Option<&Object> {
        let wanted = format!("{}-{ordinal}", name(self.set));
        self.all.iter().find(|p| name(p) == wanted)
    }

    fn create(&self, ordinal: i64, outcome: &mut Outcome) {
        let pod_name = format!("{}-{ordinal}", name(self.set));
        let mut pod =
            pods::from_template("apps/v1", "StatefulSet", self.set, at(self.set, &["spec", "template"]));
        pod["metadata"]["name"] = json!(pod_name);
        pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = json!(pod_name);
        pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = json!(ordinal.to_string());
        pod["metadata"]["labels"][REVISION] = json!(self.revision);
        pod["spec"]["hostname"] = json!(pod_name);
        pod["spec"]["subdomain"] = at(self.set, &["spec", "serviceName"]).clone();
        let mut volumes: Vec<Value> = list_at(&pod, &["spec", "volumes"]).to_vec();
        for template in list_at(self.set, &["spec", "volumeClaimTemplates"]) {
            let claim = format!("{}-{pod_name}", name(template));
            volumes.retain(|v| str_at(v, &["name"]) != name(template));
            volumes.push(json!({"name": name(template), "persistentVolumeClaim": {"claimName": claim}}));
            if self.server.get(volumes::CLAIMS, namespace(self.set), &claim).is_none() {
                let mut object = template.clone();
                object["apiVersion"] = json!("v1");
                object["kind"] = json!("PersistentVolumeClaim");
                object["metadata"]["name"] = json!(claim);
                object["metadata"]["namespace"] = json!(namespace(self.set));
                if let Some(labels) = at(self.set, &["spec", "selector", "matchLabels"]).as_object() {
                    labels.iter().for_each(|(k, v)| object["metadata"]["labels"][k] = v.clone());
                }
                if let Some(fields) = object.as_object_mut() {
                    fields.remove("status");
                }
                outcome.write(Write::Create { resource: Resource::new(volumes::CLAIMS), object });
            }
        }
        pod["spec"]["volumes"] = json!(volumes);
        outcome.write(pods::create(pod));
    }
}

fn ordinal_of(set: &Value, pod: &Value) -> Option<i64> {
    name(pod).strip_prefix(name(set))?.strip_prefix('-')?.parse().ok()
}

fn status(set: &Value, all: &[Object], revision: &str, now: Timestamp, outcome: &mut Outcome) {
    let active: Vec<&Object> = all.iter().filter(|p| pods::is_active(p)).collect();
    let updated = active.iter().filter(|p| str_at(p, &["metadata", "labels", REVISION]) == revision).count();
    let ready = active.iter().filter(|p| pods::is_ready(p)).count();
    let mut available = 0;
    for pod in &active {
        match pods::availability(pod, pods::min_ready_seconds(set), now) {
            Ok(()) => available += 1,
            Err(Some(later)) => outcome.again(later),
            Err(None) => {}
        }
    }
    let replicas = int_at(set, &["spec", "replicas"]).unwrap_or(1).max(0) as usize;
    let settled = updated == replicas && ready == replicas && active.len() == replicas;
    let before = str_at(set, &["status", "currentRevision"]);
    let current = if settled || before.is_empty() { revision } else { before };
    let on_current =
        active.iter().filter(|p| str_at(p, &["metadata", "labels", REVISION]) == current).count();
    let mut status = access::without_zeros(json!({
        "observedGeneration": generation(set), "readyReplicas": ready, "updatedReplicas": updated,
        "currentReplicas": on_current,
    }));
    status["replicas"] = json!(active.len());
    status["availableReplicas"] = json!(available);
    status["currentRevision"] = json!(current);
    status["updateRevision"] = json!(revision);
    status["collisionCount"] = json!(0);
    outcome.writes.extend(access::status_write(STATEFULSETS, set, status));
}
