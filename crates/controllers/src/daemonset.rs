//! DaemonSet: one pod a node that fits. Updates replace outdated pods within `maxUnavailable`, or on delete.

use crate::access::{self, at, generation, int_at, is_deleting, labels_match, list_at, name, str_at};
use crate::{Controller, Outcome, Server, pods, revisions};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Change, EventKind, Key, Object};

const DAEMONSETS: &str = "apps/daemonsets";
const HASH_LABEL: &str = "controller-revision-hash";
const KEPT: revisions::Kept = revisions::Kept { kind: "DaemonSet", hash_label: HASH_LABEL };

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
            _ => revisions::owner(change, "DaemonSet", DAEMONSETS).into_iter().collect(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(set) = server.get(DAEMONSETS, &key.namespace, &key.name) else { return outcome };
        let all = pods::controlled_pods(server, access::uid(&set));
        let nodes: Vec<Object> = server.list("nodes", "").into_iter().filter(|n| wants(&set, n)).collect();
        let hash = access::content_hash(at(&set, &["spec", "template"]));
        if !is_deleting(&set) {
            let used: Vec<String> = all.iter().map(|p| revisions::of_pod(&set, p, HASH_LABEL)).collect();
            let used: Vec<&str> = used.iter().map(String::as_str).collect();
            revisions::keep(server, &set, &hash, &KEPT, &used, &mut outcome);
            place(&set, &nodes, &all, &hash, now, &mut outcome);
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

fn place(set: &Value, nodes: &[Object], all: &[Object], hash: &str, now: Timestamp, outcome: &mut Outcome) {
    let rolling = str_at(set, &["spec", "updateStrategy", "type"]) != "OnDelete";
    let budget = |field: &str| match at(set, &["spec", "updateStrategy", "rollingUpdate", field]) {
        Value::Null => None,
        value => Some(access::int_or_percent(value, nodes.len() as i64, true)),
    };
    let available = |pod: &Value| {
        pods::availability(pod, pods::min_ready_seconds(set), now).is_ok() && pods::is_active(pod)
    };
    let up_to_date = |pod: &Value| str_at(pod, &["metadata", "labels", HASH_LABEL]) == hash;
    let mut may_surge = if rolling { budget("maxSurge").unwrap_or(0) } else { 0 };
    let surges = may_surge > 0;
    let most = budget("maxUnavailable").unwrap_or(1).max(i64::from(!surges));
    let served = nodes.iter().filter(|n| all.iter().any(|p| node_of(p) == name(n) && available(p))).count();
    let mut may_stop = most - (nodes.len() - served) as i64;
    for node in nodes {
        let here: Vec<&Object> = all.iter().filter(|p| node_of(p) == name(node)).collect();
        // A pod that is going holds its place: two daemons never share a node, but for a surge.
        let Some(pod) = here.iter().find(|p| pods::is_active(p) && !up_to_date(p)) else {
            if here.iter().any(|p| pods::is_active(p)) {
                continue;
            }
            here.iter().filter(|p| !is_deleting(p)).for_each(|p| delete(set, p, outcome));
            if here.is_empty() {
                outcome.write(pods::create(daemon_pod(set, node, hash)));
            }
            continue;
        };
        match here.iter().find(|p| pods::is_active(p) && up_to_date(p)) {
            Some(new) if available(new) => delete(set, pod, outcome),
            Some(_) => may_surge -= 1,
            None if !rolling => {}
            None if surges && (may_surge > 0 || !available(pod)) => {
                may_surge -= i64::from(available(pod));
                outcome.write(pods::create(daemon_pod(set, node, hash)));
            }
            None if surges => {}
            None if !available(pod) || may_stop > 0 => {
                may_stop -= i64::from(available(pod));
                delete(set, pod, outcome);
            }
            None => {}
        }
    }
    for pod in all.iter().filter(|p| pods::is_active(p) && !nodes.iter().any(|n| name(n) == node_of(p))) {
        delete(set, pod, outcome);
    }
}

fn delete(set: &Value, pod: &Value, outcome: &mut Outcome) {
    outcome.write(pods::delete(pod));
    outcome.write(access::event(
        EventKind::Normal,
        access::reference("apps/v1", "DaemonSet", set),
        DaemonSets.name(),
        "SuccessfulDelete",
        format!("Deleted pod: {}", name(pod)),
    ));
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
