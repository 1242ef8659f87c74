//! The scheduler: of the nodes that do, the one that kube-scheduler likes best.
//!
//! Binds by the `binding` subresource. A pod that fits nowhere takes the place of less important ones (`preempt`) or gets
//! the PodScheduled condition and the event that kube-scheduler writes, with a count of nodes a reason. `fit` asks the
//! filters (`taints`, `node_affinity`, `resources`, `storage`, `spread`, `pod_affinity`), `score` the preferences, most of
//! which are in the same files; `ledger` knows what is taken.

pub(crate) use storage::selects;
pub(crate) use taints::tolerations_of;

use crate::access::{self, at, is_deleting, list_at, name, namespace, str_at};
use crate::nodes::NODES;
use crate::{Controller, Outcome, Server, pods, volumes};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::{Change, EventKind, Key, Object, Write};

mod fit;
mod ledger;
mod node_affinity;
mod pod_affinity;
mod preempt;
mod resources;
mod score;
mod spread;
mod storage;
mod taints;
mod terms;
#[cfg(test)]
mod tests;

use fit::{Misfit, Scene};
use ledger::Ledger;
use preempt::{Preemption, Preemptor};

const NAMESPACES: &str = "namespaces";

#[derive(Default)]
pub(crate) struct Scheduler {
    ledger: Mutex<Ledger>,
}

impl Controller for Scheduler {
    fn name(&self) -> &'static str {
        "default-scheduler"
    }

    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key> {
        match &*change.key.resource.0 {
            pods::PODS if waits(&change.object) => vec![change.key.clone()],
            // A node that appears or changes, a pod that frees its place, a claim that gets bound.
            NODES if node_matters(change) => self.ledger(server).waiting(),
            volumes::CLAIMS => self.ledger(server).waiting(),
            pods::PODS if frees(change) => self.ledger(server).waiting(),
            pods::PODS if arrives(change) => self.ledger(server).waiting_for(&change.object),
            NAMESPACES => self.ledger(server).waiting_for_others(),
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
            outcome.writes.extend(unscheduled(&pod, "SchedulingGated", message, None, now));
            return outcome;
        }
        let nodes = server.list(NODES, "");
        let ledger = self.ledger(server);
        let search = Search { server, ledger: &ledger, nodes: &nodes, pod: &pod, now };
        search.run(key, &mut outcome);
        outcome
    }
}

impl Scheduler {
    fn ledger(&self, server: &dyn Server) -> MutexGuard<'_, Ledger> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.bring_up(server);
        ledger
    }
}

struct Search<'a> {
    server: &'a dyn Server,
    ledger: &'a Ledger,
    nodes: &'a [Object],
    pod: &'a Object,
    now: Timestamp,
}

impl Search<'_> {
    fn run(&self, key: &Key, outcome: &mut Outcome) {
        if self.nodes.is_empty() {
            return self.note("no nodes available to schedule pods".into(), None, outcome);
        }
        let scene = Scene::new(self.server, self.ledger, self.nodes, self.pod);
        let named = node_affinity::named(self.pod);
        let conflict = named.as_ref().is_some_and(BTreeSet::is_empty);
        let conflict = conflict.then(|| "pod affinity terms conflict".to_string());
        if let Some(reason) = conflict.or_else(|| storage::claims(self.server, self.pod)) {
            return self.refuse(&scene, Some(&reason), &[], outcome);
        }
        // The node that was made room on comes first.
        let nominated = ledger::nominated_node(self.pod);
        if let Some(node) = self.nodes.iter().find(|node| name(node) == nominated)
            && scene.misfit(node).is_none()
        {
            return self.assign(key, node, outcome);
        }
        let mut misfits = Vec::new();
        let mut feasible = Vec::new();
        for node in self.nodes {
            let misfit = match &named {
                Some(names) if !names.contains(name(node)) => {
                    Some(Misfit::new("node(s) didn't satisfy plugin(s) [NodeAffinity]"))
                }
                _ => scene.misfit(node),
            };
            match misfit {
                None => feasible.push(node),
                Some(misfit) => misfits.push(misfit),
            }
        }
        match score::best(&scene, &feasible) {
            Some(node) => self.assign(key, node, outcome),
            None => self.refuse(&scene, None, &misfits, outcome),
        }
    }

    fn assign(&self, key: &Key, node: &Value, outcome: &mut Outcome) {
        if !ledger::nominated_node(self.pod).is_empty() {
            outcome.write(unnominated(key.clone()));
        }
        outcome.write(Write::Merge {
            key: key.clone(),
            subresource: "binding",
            patch: json!({"spec": {"nodeName": name(node)}}),
        });
        let message =
            format!("Successfully assigned {}/{} to {}", namespace(self.pod), name(self.pod), name(node));
        self.say(EventKind::Normal, "Scheduled", message, outcome);
    }

    fn say(&self, kind: EventKind, reason: &str, message: String, outcome: &mut Outcome) {
        let regarding = access::reference("v1", "Pod", self.pod);
        outcome.write(access::event(kind, regarding, "default-scheduler", reason, message));
    }

    /// `whole` is a reason that holds for every node.
    fn refuse(&self, scene: &Scene<'_>, whole: Option<&str>, misfits: &[Misfit], outcome: &mut Outcome) {
        let reasons = misfits.iter().flat_map(|misfit| &misfit.reasons).map(String::as_str);
        let reasons = whole.map_or_else(|| counted(reasons), str::to_string);
        let message = format!("0/{} nodes are available: {reasons}.", self.nodes.len());
        let preemptor = Preemptor { scene };
        match preemptor.decide(misfits) {
            Preemption::Useless(why) => self.note(format!("{message} preemption: {why}"), None, outcome),
            Preemption::Room { node, victims } => {
                self.note(message, Some(&node), outcome);
                victims.iter().for_each(|victim| preempt::evict(self.pod, victim, &node, self.now, outcome));
                // The room is not for less important pods any more; they try anew.
                let own = Preemptor::priority(self.pod);
                for other in self.ledger.nominated_on(&node).filter(|p| Preemptor::priority(p) < own) {
                    outcome.write(unnominated(access::key_of(pods::PODS, other)));
                }
            }
        }
    }

    fn note(&self, message: String, nominated: Option<&str>, outcome: &mut Outcome) {
        if let Some(write) = unscheduled(self.pod, "Unschedulable", &message, nominated, self.now) {
            outcome.write(write);
            self.say(EventKind::Warning, "FailedScheduling", message, outcome);
        }
    }
}

/// `1 Insufficient cpu, 1 Insufficient memory`: each reason with the number of its nodes.
fn counted<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    let mut lines: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    lines.sort_unstable();
    lines.join(", ")
}

fn unnominated(key: Key) -> Write {
    Write::Merge { key, subresource: "status", patch: json!({"status": {"nominatedNodeName": null}}) }
}

/// The condition that says why a pod has no node, unless it says so already, and the node where room is being made.
fn unscheduled(
    pod: &Value,
    reason: &str,
    message: &str,
    nominated: Option<&str>,
    now: Timestamp,
) -> Option<Write> {
    let mut conditions = list_at(pod, &["status", "conditions"]).to_vec();
    pods::set_condition(&mut conditions, "PodScheduled", "False", (reason, message), now);
    let mut status = at(pod, &["status"]).clone();
    status["conditions"] = json!(conditions);
    // A pod that waits for its victims keeps its node.
    let waits = message.ends_with("a terminating pod on the nominated node.");
    match (nominated, status.as_object_mut()) {
        (Some(node), Some(status)) => drop(status.insert("nominatedNodeName".into(), json!(node))),
        (None, Some(status)) if !waits => drop(status.shift_remove("nominatedNodeName")),
        _ => {}
    }
    access::status_write(pods::PODS, pod, status)
}

/// Whether a pod's `nodeSelector` and required affinity want this node.
pub(crate) fn selects_node(pod: &Value, node: &Value) -> bool {
    node_affinity::misfit(pod, node).is_none()
}

/// The first of a node's taints with one of these effects that a pod does not tolerate.
pub(crate) fn untolerated<'a>(pod: &Value, node: &'a Value, effects: &[&str]) -> Option<&'a Value> {
    let taints = list_at(node, &["spec", "taints"]).iter();
    taints
        .filter(|taint| effects.contains(&str_at(taint, &["effect"])))
        .find(|taint| taints::blocks(pod, taint))
}

fn waits(pod: &Value) -> bool {
    str_at(pod, &["spec", "nodeName"]).is_empty()
        && !is_deleting(pod)
        && matches!(str_at(pod, &["spec", "schedulerName"]), "" | "default-scheduler")
}

/// A pod that is gone, has just come to its end, or was given other resources.
fn frees(change: &Change) -> bool {
    let over = |pod: &Value| matches!(str_at(pod, &["status", "phase"]), "Succeeded" | "Failed");
    let resized =
        |old: &Value| at(old, &["spec", "containers"]) != at(&change.object, &["spec", "containers"]);
    change.kind == store::ChangeKind::Deleted
        || (change.previous.as_ref())
            .is_some_and(|old| over(&change.object) && !over(old) || is_placed(old) && resized(old))
}

/// A pod that has just got a node, or other labels on it.
fn arrives(change: &Change) -> bool {
    let labels = |pod: &Value| at(pod, &["metadata", "labels"]).clone();
    let before = change.previous.as_ref();
    is_placed(&change.object)
        && before.is_none_or(|old| !is_placed(old) || labels(old) != labels(&change.object))
}

fn is_placed(pod: &Value) -> bool {
    !str_at(pod, &["spec", "nodeName"]).is_empty()
}

/// Whether a pod may fit now that did not before: heartbeats of a node are none of it.
fn node_matters(change: &Change) -> bool {
    let of = |node: &Value| {
        let taken = [&["metadata", "labels"][..], &["spec"], &["status", "allocatable"]];
        taken.map(|path| at(node, path).clone())
    };
    change.previous.as_ref().is_none_or(|old| of(old) != of(&change.object))
}
