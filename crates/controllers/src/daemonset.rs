//! DaemonSet: one pod a node that fits. `placing` has which pods come and go.

mod placing;
#[cfg(test)]
mod tests;

use crate::access::{self, at, generation, int_at, is_deleting, list_at, name, str_at};
use crate::{Controller, Outcome, Server, pods, revisions, scheduler};
use jiff::Timestamp;
use placing::{Placing, by_node};
use serde_json::{Value, json};
use store::{Change, Key, Object};

const DAEMONSETS: &str = "apps/daemonsets";
const HASH_LABEL: &str = "controller-revision-hash";
const KEPT: revisions::Kept = revisions::Kept { kind: "DaemonSet", hash_label: HASH_LABEL };

/// What daemons put up with of a node.
const TOLERATED: [(&str, &str); 6] = [
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
];

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
        let all = pods::claim(server, ("apps/v1", "DaemonSet"), &set, |_| true, &mut outcome);
        let nodes: Vec<(Object, Place)> =
            server.list("nodes", "").into_iter().map(|node| (node.clone(), place_on(&set, &node))).collect();
        let hash = access::content_hash(at(&set, &["spec", "template"]));
        if !is_deleting(&set) {
            let used: Vec<String> = all.iter().map(|p| revisions::of_pod(&set, p, HASH_LABEL)).collect();
            let used: Vec<&str> = used.iter().map(String::as_str).collect();
            revisions::keep(server, &set, &hash, &KEPT, &used, &mut outcome);
            Placing { set: &set, nodes: &nodes, all: &all, hash: &hash, now }.place(&mut outcome);
        }
        status(&set, &nodes, &all, &hash, now, &mut outcome);
        outcome
    }
}

/// What a node has to do with a DaemonSet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is to have a pod.
    Wanted,
    /// A pod that is there may stay.
    Kept,
    Refused,
}

fn place_on(set: &Value, node: &Value) -> Place {
    let pinned = str_at(set, &["spec", "template", "spec", "nodeName"]);
    let pod = daemon_pod(set, node, "");
    if !(pinned.is_empty() || pinned == name(node)) || !scheduler::selects_node(&template_pod(set), node) {
        return Place::Refused;
    }
    match scheduler::untolerated(&pod, node, &["NoSchedule", "NoExecute"]) {
        None => Place::Wanted,
        Some(_) if scheduler::untolerated(&pod, node, &["NoExecute"]).is_none() => Place::Kept,
        Some(_) => Place::Refused,
    }
}

fn template_pod(set: &Value) -> Value {
    json!({"spec": at(set, &["spec", "template", "spec"])})
}

/// The node that a daemon pod is for: bound to it, or pinned to it by affinity and not bound yet.
fn node_of(pod: &Value) -> &str {
    let bound = str_at(pod, &["spec", "nodeName"]);
    if !bound.is_empty() {
        return bound;
    }
    let terms = list_at(
        pod,
        &[
            "spec",
            "affinity",
            "nodeAffinity",
            "requiredDuringSchedulingIgnoredDuringExecution",
            "nodeSelectorTerms",
        ],
    );
    let fields = terms.iter().flat_map(|term| list_at(term, &["matchFields"]));
    let names =
        fields.filter(|f| str_at(f, &["key"]) == "metadata.name").flat_map(|f| list_at(f, &["values"]));
    names.filter_map(Value::as_str).next().unwrap_or("")
}

fn daemon_pod(set: &Value, node: &Value, hash: &str) -> Value {
    let mut pod = pods::from_template("apps/v1", "DaemonSet", set, at(set, &["spec", "template"]));
    pod["metadata"]["generateName"] = json!(format!("{}-", name(set)));
    pod["metadata"]["labels"][HASH_LABEL] = json!(hash);
    let generation = at(set, &["metadata", "annotations", "deprecated.daemonset.template.generation"]);
    if generation.is_string() {
        pod["metadata"]["labels"]["pod-template-generation"] = generation.clone();
    }
    // Whatever the template asks of nodes was looked at before: this pod is for this one.
    pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!({
        "nodeSelectorTerms": [{"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": [name(node)]},
        ]}],
    });
    let mut tolerations = list_at(&pod, &["spec", "tolerations"]).to_vec();
    let host_network = at(&pod, &["spec", "hostNetwork"]) == &json!(true);
    let always = TOLERATED.iter().chain(host_network.then_some(&("network-unavailable", "NoSchedule")));
    for (key, effect) in always {
        let toleration =
            json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": effect});
        if !tolerations.contains(&toleration) {
            tolerations.push(toleration);
        }
    }
    pod["spec"]["tolerations"] = json!(tolerations);
    pod
}

fn status(
    set: &Value,
    nodes: &[(Object, Place)],
    all: &[Object],
    hash: &str,
    now: Timestamp,
    outcome: &mut Outcome,
) {
    let placed = by_node(all);
    let least = int_at(set, &["spec", "minReadySeconds"]).unwrap_or(0);
    let (mut desired, mut scheduled, mut misplaced, mut updated, mut ready, mut available) =
        (0, 0, 0, 0, 0, 0);
    for (node, place) in nodes {
        let there = placed.get(name(node)).map_or(&[][..], Vec::as_slice);
        if *place != Place::Wanted {
            misplaced += i64::from(!there.is_empty());
            continue;
        }
        desired += 1;
        // The oldest one counts.
        let oldest = there.iter().min_by_key(|p| (str_at(p, &["metadata", "creationTimestamp"]), name(p)));
        let Some(pod) = oldest else { continue };
        scheduled += 1;
        updated += i64::from(str_at(pod, &["metadata", "labels", HASH_LABEL]) == hash);
        ready += i64::from(pods::is_ready(pod));
        match pods::availability(pod, least, now) {
            Ok(()) => available += 1,
            Err(Some(later)) => outcome.again(later),
            Err(None) => {}
        }
    }
    let mut status = access::without_zeros(json!({
        "observedGeneration": generation(set), "updatedNumberScheduled": updated, "numberAvailable": available,
        "numberUnavailable": desired - available,
    }));
    status["currentNumberScheduled"] = json!(scheduled);
    status["desiredNumberScheduled"] = json!(desired);
    status["numberMisscheduled"] = json!(misplaced);
    status["numberReady"] = json!(ready);
    outcome.writes.extend(access::status_write(DAEMONSETS, set, status));
}
