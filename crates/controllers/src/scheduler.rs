//! The scheduler of a small cluster: the first node that fits, in the order of names.
//!
//! Binds by the `binding` subresource. A pod that fits nowhere gets the PodScheduled condition and the event that
//! kube-scheduler writes, with a count of nodes a reason.

use crate::access::{self, at, is_deleting, labels_match, list_at, name, namespace, str_at};
use crate::{Controller, Outcome, Server, pods, volumes};
use jiff::Timestamp;
use schema::quantity::Quantity;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{Change, EventKind, Key, Write};

const NODES: &str = "nodes";

pub(crate) struct Scheduler;

impl Controller for Scheduler {
    fn name(&self) -> &'static str {
        "default-scheduler"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            pods::PODS if waits(&change.object) => vec![change.key.clone()],
            // A node that appears or changes, a pod that frees its place, a claim that gets bound.
            NODES | volumes::CLAIMS => waiting(server),
            pods::PODS if change.kind == store::ChangeKind::Deleted => waiting(server),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(pod) = server.get(pods::PODS, &key.namespace, &key.name) else { return outcome };
        if !waits(&pod) {
            return outcome;
        }
        let nodes = server.list(NODES, "");
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for node in &nodes {
            match misfit(server, &pod, node) {
                None => {
                    outcome.write(Write::Merge {
                        key: key.clone(),
                        subresource: "binding",
                        patch: json!({"spec": {"nodeName": name(node)}}),
                    });
                    let message =
                        format!("Successfully assigned {}/{} to {}", namespace(&pod), name(&pod), name(node));
                    let pod = access::reference("v1", "Pod", &pod);
                    outcome.write(access::event(EventKind::Normal, pod, self.name(), "Scheduled", message));
                    return outcome;
                }
                Some(reason) => *reasons.entry(reason).or_default() += 1,
            }
        }
        self.refuse(&pod, nodes.len(), &reasons, now, &mut outcome);
        outcome
    }
}

impl Scheduler {
    fn refuse(
        &self,
        pod: &Value,
        nodes: usize,
        reasons: &BTreeMap<String, usize>,
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let why: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let message = if nodes == 0 {
            "no nodes available to schedule pods".to_string()
        } else {
            format!("0/{nodes} nodes are available: {}.", why.join(", "))
        };
        let mut conditions = list_at(pod, &["status", "conditions"]).to_vec();
        access::set_condition(&mut conditions, "PodScheduled", "False", "Unschedulable", &message, now);
        let mut status = at(pod, &["status"]).clone();
        status["conditions"] = json!(conditions);
        if let Some(write) = access::status_write(pods::PODS, pod, status) {
            outcome.write(write);
            let pod = access::reference("v1", "Pod", pod);
            outcome.write(access::event(EventKind::Warning, pod, self.name(), "FailedScheduling", message));
        }
    }
}

fn waits(pod: &Value) -> bool {
    str_at(pod, &["spec", "nodeName"]).is_empty()
        && !is_deleting(pod)
        && matches!(str_at(pod, &["spec", "schedulerName"]), "" | "default-scheduler")
        && list_at(pod, &["spec", "schedulingGates"]).is_empty()
}

fn waiting(server: &dyn Server) -> Vec<Key> {
    server.list(pods::PODS, "").iter().filter(|p| waits(p)).map(|p| access::key_of(pods::PODS, p)).collect()
}

/// Why the pod cannot run on this node, in kube-scheduler's words.
fn misfit(server: &dyn Server, pod: &Value, node: &Value) -> Option<String> {
    if at(node, &["spec", "unschedulable"]) == &json!(true) {
        return Some("node(s) were unschedulable".into());
    }
    if let Some(taint) = list_at(node, &["spec", "taints"]).iter().find(|taint| blocks(pod, taint)) {
        let value = str_at(taint, &["value"]);
        return Some(format!("node(s) had untolerated taint {{{}: {value}}}", str_at(taint, &["key"])));
    }
    let labels = at(node, &["metadata", "labels"]);
    let selector = at(pod, &["spec", "nodeSelector"]);
    if !selector.is_null() && !labels_match(&json!({"matchLabels": selector}), labels) {
        return Some("node(s) didn't match Pod's node affinity/selector".into());
    }
    let required =
        at(pod, &["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"]);
    let terms = list_at(required, &["nodeSelectorTerms"]);
    if !terms.is_empty()
        && !terms
            .iter()
            .any(|t| labels_match(&json!({"matchExpressions": at(t, &["matchExpressions"])}), labels))
    {
        return Some("node(s) didn't match Pod's node affinity/selector".into());
    }
    missing_claim(server, pod).or_else(|| lacking(server, pod, node))
}

fn blocks(pod: &Value, taint: &Value) -> bool {
    matches!(str_at(taint, &["effect"]), "NoSchedule" | "NoExecute")
        && !list_at(pod, &["spec", "tolerations"]).iter().any(|t| {
            let (key, effect) = (str_at(t, &["key"]), str_at(t, &["effect"]));
            let key_fits = key.is_empty() || key == str_at(taint, &["key"]);
            let effect_fits = effect.is_empty() || effect == str_at(taint, &["effect"]);
            let value_fits =
                str_at(t, &["operator"]) == "Exists" || str_at(t, &["value"]) == str_at(taint, &["value"]);
            key_fits && effect_fits && value_fits
        })
}

fn missing_claim(server: &dyn Server, pod: &Value) -> Option<String> {
    volumes::claims_of(pod).into_iter().find_map(|claim| {
        match server.get(volumes::CLAIMS, namespace(pod), &claim) {
            None => Some(format!("persistentvolumeclaim \"{claim}\" not found")),
            Some(found) if is_deleting(&found) => {
                Some(format!("persistentvolumeclaim \"{claim}\" is being deleted"))
            }
            Some(_) => None,
        }
    })
}

/// Whether the requests of all pods on the node leave room for this one's.
fn lacking(server: &dyn Server, pod: &Value, node: &Value) -> Option<String> {
    let on_node: Vec<_> = server
        .list(pods::PODS, "")
        .into_iter()
        .filter(|p| {
            str_at(p, &["spec", "nodeName"]) == name(node)
                && !matches!(str_at(p, &["status", "phase"]), "Succeeded" | "Failed")
        })
        .collect();
    if let Some(most) =
        at(node, &["status", "allocatable", "pods"]).as_str().and_then(|s| s.parse::<usize>().ok())
        && on_node.len() >= most
    {
        return Some("Too many pods".into());
    }
    ["cpu", "memory"].into_iter().find_map(|resource| {
        let room = quantity(at(node, &["status", "allocatable", resource]))?;
        let want = requests(pod, resource);
        let used: i128 = on_node.iter().map(|p| requests(p, resource)).sum();
        (want > 0 && used + want > room).then(|| format!("Insufficient {resource}"))
    })
}

/// Sum over containers, or the largest init container if that is more.
fn requests(pod: &Value, resource: &str) -> i128 {
    let of = |c: &Value| quantity(at(c, &["resources", "requests", resource])).unwrap_or(0);
    let sum: i128 = list_at(pod, &["spec", "containers"]).iter().map(of).sum();
    list_at(pod, &["spec", "initContainers"]).iter().map(of).fold(sum, i128::max)
}

/// In billionths of a core or a byte, so that sums are exact.
fn quantity(value: &Value) -> Option<i128> {
    let text = value.as_str().map_or_else(|| value.to_string(), String::from);
    Quantity::parse(&text).map(|quantity| quantity.nanos())
}
