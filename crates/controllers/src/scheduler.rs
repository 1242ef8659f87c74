//! The scheduler of a small cluster: the first node that fits, in the order of names.
//!
//! Binds by the `binding` subresource. A pod that fits nowhere gets the PodScheduled condition and the event that
//! kube-scheduler writes, with a count of nodes a reason.

use crate::access::{self, at, is_deleting, list_at, name, namespace, str_at};
use crate::{Controller, Outcome, Server, pods, volumes};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{Change, EventKind, Key, Write};

mod affinity;
mod fit;
#[cfg(test)]
mod tests;

use fit::{Misfit, Placed};

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
            pods::PODS if frees(change) => waiting(server),
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(pod) = server.get(pods::PODS, &key.namespace, &key.name) else { return outcome };
        if !waits(&pod) {
            return outcome;
        }
        if !list_at(&pod, &["spec", "schedulingGates"]).is_empty() {
            let message = "Scheduling is blocked due to non-empty scheduling gates";
            outcome.writes.extend(unscheduled(&pod, "SchedulingGated", message, now));
            return outcome;
        }
        let nodes = server.list(NODES, "");
        if let Some(reason) = claims(server, &pod) {
            self.refuse(&pod, nodes.len(), Some(&reason), &[], now, &mut outcome);
            return outcome;
        }
        let placed = Placed::of(server, nodes);
        let mut misfits = Vec::new();
        for node in &placed.nodes {
            match fit::misfit(server, &placed, &pod, node) {
                None => {
                    self.assign(key, &pod, node, &mut outcome);
                    return outcome;
                }
                Some(misfit) => misfits.push(misfit),
            }
        }
        self.refuse(&pod, misfits.len(), None, &misfits, now, &mut outcome);
        outcome
    }
}

impl Scheduler {
    fn assign(&self, key: &Key, pod: &Value, node: &Value, outcome: &mut Outcome) {
        outcome.write(Write::Merge {
            key: key.clone(),
            subresource: "binding",
            patch: json!({"spec": {"nodeName": name(node)}}),
        });
        let message = format!("Successfully assigned {}/{} to {}", namespace(pod), name(pod), name(node));
        let pod = access::reference("v1", "Pod", pod);
        outcome.write(access::event(EventKind::Normal, pod, self.name(), "Scheduled", message));
    }

    /// `whole` is a reason that holds for every node.
    fn refuse(
        &self,
        pod: &Value,
        nodes: usize,
        whole: Option<&str>,
        misfits: &[Misfit],
        now: Timestamp,
        outcome: &mut Outcome,
    ) {
        let message = if nodes == 0 {
            "no nodes available to schedule pods".to_string()
        } else {
            let reasons = whole.map_or_else(|| counted(misfits), str::to_string);
            format!("0/{nodes} nodes are available: {reasons}. {}", preemption(pod, nodes, misfits))
        };
        if let Some(write) = unscheduled(pod, "Unschedulable", &message, now) {
            outcome.write(write);
            let pod = access::reference("v1", "Pod", pod);
            outcome.write(access::event(EventKind::Warning, pod, self.name(), "FailedScheduling", message));
        }
    }
}

/// `1 Insufficient cpu, 1 Insufficient memory`: each reason with the number of its nodes.
fn counted(misfits: &[Misfit]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in misfits.iter().flat_map(|misfit| &misfit.reasons) {
        *counts.entry(reason).or_default() += 1;
    }
    let mut lines: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    lines.sort_unstable();
    lines.join(", ")
}

/// What kube-scheduler adds about taking other pods away; here nobody is.
fn preemption(pod: &Value, nodes: usize, misfits: &[Misfit]) -> String {
    if str_at(pod, &["spec", "preemptionPolicy"]) == "Never" {
        return "preemption: not eligible due to preemptionPolicy=Never.".into();
    }
    let could = misfits.iter().filter(|misfit| misfit.could_preempt).count();
    let parts = [
        (could, "No preemption victims found for incoming pod"),
        (nodes - could, "Preemption is not helpful for scheduling"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
    format!("preemption: 0/{nodes} nodes are available: {}.", said.join(", "))
}

/// The condition that says why a pod has no node, unless it says so already.
fn unscheduled(pod: &Value, reason: &str, message: &str, now: Timestamp) -> Option<Write> {
    let mut conditions = list_at(pod, &["status", "conditions"]).to_vec();
    access::set_condition(&mut conditions, "PodScheduled", "False", reason, message, now);
    let mut status = at(pod, &["status"]).clone();
    status["conditions"] = json!(conditions);
    access::status_write(pods::PODS, pod, status)
}

/// Whether a pod's `nodeSelector` and required affinity want this node.
pub(crate) fn selects_node(pod: &Value, node: &Value) -> bool {
    affinity::node(pod, node).is_none()
}

/// The first of a node's taints with one of these effects that a pod does not tolerate.
pub(crate) fn untolerated<'a>(pod: &Value, node: &'a Value, effects: &[&str]) -> Option<&'a Value> {
    let taints = list_at(node, &["spec", "taints"]).iter();
    taints.filter(|taint| effects.contains(&str_at(taint, &["effect"]))).find(|taint| fit::blocks(pod, taint))
}

fn waits(pod: &Value) -> bool {
    str_at(pod, &["spec", "nodeName"]).is_empty()
        && !is_deleting(pod)
        && matches!(str_at(pod, &["spec", "schedulerName"]), "" | "default-scheduler")
}

/// A pod that is gone, or has just come to its end.
fn frees(change: &Change) -> bool {
    let over = |pod: &Value| matches!(str_at(pod, &["status", "phase"]), "Succeeded" | "Failed");
    change.kind == store::ChangeKind::Deleted
        || (over(&change.object) && change.previous.as_ref().is_some_and(|old| !over(old)))
}

fn waiting(server: &dyn Server) -> Vec<Key> {
    server.list(pods::PODS, "").iter().filter(|p| waits(p)).map(|p| access::key_of(pods::PODS, p)).collect()
}

/// What is wrong with the pod's claims, for whatever node.
fn claims(server: &dyn Server, pod: &Value) -> Option<String> {
    volumes::claims_of(pod).into_iter().find_map(|claim| {
        match server.get(volumes::CLAIMS, namespace(pod), &claim) {
            None => Some(format!("persistentvolumeclaim \"{claim}\" not found")),
            Some(found) if is_deleting(&found) => {
                Some(format!("persistentvolumeclaim \"{claim}\" is being deleted"))
            }
            Some(found) if volumes::is_lost(&found) => Some(format!(
                "persistentvolumeclaim \"{claim}\" bound to non-existent persistentvolume \"{}\"",
                str_at(&found, &["spec", "volumeName"])
            )),
            Some(found) if volumes::must_be_bound_first(server, &found) => {
                Some("pod has unbound immediate PersistentVolumeClaims".into())
            }
            Some(_) => None,
        }
    })
}
