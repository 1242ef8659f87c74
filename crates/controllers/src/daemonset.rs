//! DaemonSet: one pod a node that fits. Updates replace outdated pods within `maxUnavailable`, or on delete.

use crate::access::{self, at, generation, int_at, is_deleting, labels_match, list_at, name, str_at};
use crate::{Controller, Outcome, Server, pods};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Change, Key, Object};

const DAEMONSETS: &str = "apps/daemonsets";
const HASH_LABEL: &str = "controller-revision-hash";

pub(crate) struct DaemonSets;

impl Controller for DaemonSets {
    fn name(&self) -> &'static str {
        "daemonset-controller"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            DAEMONSETS => vec![change.key.clone()],
            pods::PODS => pods::owners_of(server, &change.object, "DaemonSet", DAEMONSETS),
            "nodes" => server.list(DAEMONSETS, "").iter().map(|d| access::key_of(DAEMONSETS, d)).collect(),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(set) = server.get(DAEMONSETS, &key.namespace, &key.name) else { return outcome };
        let all = pods::controlled_pods(server, access::uid(&set));
        let nodes: Vec<Object> = server.list("nodes", "").into_iter().filter(|n| wants(&set, n)).collect();
        let hash = access::content_hash(at(&set, &["spec", "template"]));
        if !is_deleting(&set) {
            place(&set, &nodes, &all, &hash, &mut outcome);
        }
        status(&set, nodes.len(), &all, &hash, now, &mut outcome);
        outcome
    }
}

fn wants(set: &Value, node: &Value) -> bool {
    let selector = at(set, &["spec", "template", "spec", "nodeSelector"]);
    selector.is_null() || labels_match(&json!({"matchLabels": selector}), at(node, &["metadata", "labels"]))
}

/// The node that a daemon pod is for: bound to it, or pinned to it by affinity and not bound yet.
fn node_of(pod: &Value) -> &str {
    let bound = str_at(pod, &["spec", "nodeName"]);
    if bound.is_empty() {
        str_at(pod, &["metadata", "annotations", "coracle.dev/daemon-node"])
    } else {
        bound
    }
}

fn place(set: &Value, nodes: &[Object], all: &[Object], hash: &str, outcome: &mut Outcome) {
    let rolling = str_at(set, &["spec", "updateStrategy", "type"]) != "OnDelete";
    let most = at(set, &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"]);
    let most = if most.is_null() { 1 } else { access::int_or_percent(most, nodes.len() as i64, true).max(1) };
    let ready = all.iter().filter(|p| pods::is_active(p) && pods::is_ready(p)).count() as i64;
    let mut may_stop = most - (nodes.len() as i64 - ready).max(0);
    for node in nodes {
        let here: Vec<&Object> = all.iter().filter(|p| node_of(p) == name(node)).collect();
        // A pod that is going holds its place: two daemons never share a node.
        let Some(pod) = here.iter().find(|p| pods::is_active(p)) else {
            let finished = here.iter().filter(|p| !is_deleting(p));
            finished.for_each(|p| outcome.write(pods::delete(p)));
            if here.is_empty() {
                outcome.write(pods::create(daemon_pod(set, node, hash)));
            }
            continue;
        };
        let outdated = str_at(pod, &["metadata", "labels", HASH_LABEL]) != hash;
        if outdated && rolling && (!pods::is_ready(pod) || may_stop > 0) {
            may_stop -= i64::from(pods::is_ready(pod));
            outcome.write(pods::delete(pod));
        }
    }
    for pod in all.iter().filter(|p| pods::is_active(p) && !nodes.iter().any(|n| name(n) == node_of(p))) {
        outcome.write(pods::delete(pod));
    }
}

fn daemon_pod(set: &Value, node: &Value, hash: &str) -> Value {
    let mut pod = pods::from_template("apps/v1", "DaemonSet", set, at(set, &["spec", "template"]));
    pod["metadata"]["generateName"] = json!(format!("{}-", name(set)));
    pod["metadata"]["labels"][HASH_LABEL] = json!(hash);
    pod["metadata"]["annotations"]["coracle.dev/daemon-node"] = json!(name(node));
    pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!({
        "nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [at(node, &["metadata", "labels", "kubernetes.io/hostname"])]},
        ]}],
    });
    let mut tolerations = list_at(&pod, &["spec", "tolerations"]).to_vec();
    for key in ["not-ready", "unreachable"] {
        tolerations.push(
            json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": "NoExecute"}),
        );
    }
    tolerations.push(
        json!({"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}),
    );
    pod["spec"]["tolerations"] = json!(tolerations);
    pod
}

fn status(set: &Value, desired: usize, all: &[Object], hash: &str, now: Timestamp, outcome: &mut Outcome) {
    let active: Vec<&Object> = all.iter().filter(|p| pods::is_active(p)).collect();
    let mut available = 0;
    for pod in &active {
        match pods::availability(pod, int_at(set, &["spec", "minReadySeconds"]).unwrap_or(0), now) {
            Ok(()) => available += 1,
            Err(Some(later)) => outcome.again(later),
            Err(None) => {}
        }
    }
    let updated = active.iter().filter(|p| str_at(p, &["metadata", "labels", HASH_LABEL]) == hash).count();
    let mut status = access::without_zeros(json!({
        "observedGeneration": generation(set), "updatedNumberScheduled": updated, "numberAvailable": available,
        "numberUnavailable": desired.saturating_sub(available),
    }));
    status["currentNumberScheduled"] = json!(active.len());
    status["desiredNumberScheduled"] = json!(desired);
    status["numberMisscheduled"] = json!(0);
    status["numberReady"] = json!(active.iter().filter(|p| pods::is_ready(p)).count());
    outcome.writes.extend(access::status_write(DAEMONSETS, set, status));
}
