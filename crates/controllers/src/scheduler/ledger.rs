//! What the pods on each node take, and which pods wait: a sum over all pods that is kept up by what has changed.
//!
//! A memo, not a memory: everything in it follows from the pods of one snapshot, and it is brought up to the snapshot that
//! is asked about before each use.

use super::node_affinity::REQUIRED;
use super::{Preemptor, fit, terms, waits};
use crate::access::{at, list_at, name, namespace, str_at, uid};
use crate::{Server, pods};
use schema::usage::{self, Amounts};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use store::{Key, Mark, Object};

#[derive(Default)]
pub(super) struct Ledger {
    mark: Mark,
    nodes: BTreeMap<String, Node>,
    /// The more important first, then the older.
    waiting: BTreeSet<(Reverse<i64>, String, Key)>,
    /// Those of them that wait for other pods, by uid.
    expecting: BTreeMap<String, Object>,
    /// Pods that wait for room that was made for them, by uid.
    nominated: BTreeMap<String, Object>,
}

/// The pods of a node that have not ended.
#[derive(Default)]
pub(super) struct Node {
    pub(super) pods: BTreeMap<String, Placed>,
    /// Nanos of each resource that the pods request.
    used: BTreeMap<String, i128>,
    /// Nanos of CPU and memory, where containers that request nothing count for a little.
    pub(super) estimated: [i128; 2],
    /// Uids of those that take ports of the host, of those that want others away, and of those that say anything of others.
    ported: BTreeSet<String>,
    repelling: BTreeSet<String>,
    sociable: BTreeSet<String>,
}

pub(super) struct Placed {
    pub(super) pod: Object,
    pub(super) requests: Amounts,
}

fn is_placed(pod: &Value) -> bool {
    !str_at(pod, &["spec", "nodeName"]).is_empty()
        && !matches!(str_at(pod, &["status", "phase"]), "Succeeded" | "Failed")
}

pub(super) fn nominated_node(pod: &Value) -> &str {
    str_at(pod, &["status", "nominatedNodeName"])
}

fn place_in_line(pod: &Value) -> (Reverse<i64>, String, Key) {
    let created = str_at(pod, &["metadata", "creationTimestamp"]).to_string();
    (Reverse(Preemptor::priority(pod)), created, crate::access::key_of(pods::PODS, pod))
}

impl Ledger {
    pub(super) fn bring_up(&mut self, server: &dyn Server) {
        let since = server.since(pods::PODS, &self.mark);
        if since.from_scratch {
            *self = Self::default();
        }
        self.mark = since.mark;
        for (before, after) in since.changes {
            if let Some(before) = before {
                self.forget(&before);
            }
            if let Some(after) = after {
                self.note(after);
            }
        }
    }

    fn note(&mut self, pod: Object) {
        if waits(&pod) {
            self.waiting.insert(place_in_line(&pod));
            if wishes(&pod).next().is_some() {
                self.expecting.insert(uid(&pod).to_string(), pod.clone());
            }
            if !nominated_node(&pod).is_empty() {
                self.nominated.insert(uid(&pod).to_string(), pod);
            }
        } else if is_placed(&pod) {
            self.nodes.entry(str_at(&pod, &["spec", "nodeName"]).to_string()).or_default().note(pod);
        }
    }

    fn forget(&mut self, pod: &Object) {
        self.waiting.remove(&place_in_line(pod));
        self.nominated.remove(uid(pod));
        self.expecting.remove(uid(pod));
        if let Some(node) = self.nodes.get_mut(str_at(pod, &["spec", "nodeName"])) {
            node.forget(uid(pod));
        }
    }

    pub(super) fn waiting(&self) -> Vec<Key> {
        self.waiting.iter().map(|(.., key)| key.clone()).collect()
    }

    /// Pods that may fit now that this one is on a node.
    pub(super) fn waiting_for(&self, there: &Value) -> Vec<Key> {
        let fitting = self.expecting.values().filter(|pod| expects(pod, there));
        fitting.map(|pod| crate::access::key_of(pods::PODS, pod)).collect()
    }

    /// Pods that other pods decide about.
    pub(super) fn waiting_for_others(&self) -> Vec<Key> {
        self.expecting.values().map(|pod| crate::access::key_of(pods::PODS, pod)).collect()
    }

    pub(super) fn on(&self, node: &str) -> Option<&Node> {
        self.nodes.get(node)
    }

    /// Pods that this node was made room on for.
    pub(super) fn nominated_on<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Object> {
        self.nominated.values().filter(move |pod| nominated_node(pod) == node)
    }
}

impl Node {
    fn note(&mut self, pod: Object) {
        let id = uid(&pod).to_string();
        let requests = usage::of_placed_pod(&pod);
        for (resource, amount) in &requests {
            *self.used.entry(resource.clone()).or_default() += amount.nanos();
        }
        if fit::host_ports(&pod).next().is_some() {
            self.ported.insert(id.clone());
        }
        let affinity = at(&pod, &["spec", "affinity"]);
        if !list_at(affinity, &["podAntiAffinity", REQUIRED]).is_empty() {
            self.repelling.insert(id.clone());
        }
        if ["podAffinity", "podAntiAffinity"].iter().any(|kind| affinity.get(kind).is_some()) {
            self.sociable.insert(id.clone());
        }
        self.estimate(&pod, 1);
        self.pods.insert(id, Placed { pod, requests });
    }

    fn forget(&mut self, uid: &str) {
        let Some(placed) = self.pods.remove(uid) else { return };
        for (resource, amount) in &placed.requests {
            if let Some(used) = self.used.get_mut(resource) {
                *used -= amount.nanos();
            }
        }
        self.estimate(&placed.pod, -1);
        self.ported.remove(uid);
        self.repelling.remove(uid);
        self.sociable.remove(uid);
    }

    fn estimate(&mut self, pod: &Value, sign: i128) {
        let amounts = usage::estimate(pod);
        self.estimated.iter_mut().zip(amounts).for_each(|(sum, amount)| *sum += sign * amount);
    }

    pub(super) fn used(&self, resource: &str) -> i128 {
        self.used.get(resource).copied().unwrap_or(0)
    }

    pub(super) fn ported(&self) -> impl Iterator<Item = &Object> {
        self.among(&self.ported)
    }

    pub(super) fn repelling(&self) -> impl Iterator<Item = &Object> {
        self.among(&self.repelling)
    }

    pub(super) fn sociable(&self) -> impl Iterator<Item = &Object> {
        self.among(&self.sociable)
    }

    fn among<'a>(&'a self, uids: &'a BTreeSet<String>) -> impl Iterator<Item = &'a Object> {
        uids.iter().filter_map(|uid| Some(&self.pods.get(uid)?.pod))
    }
}

/// The terms and constraints by which a pod depends on others.
fn wishes(pod: &Value) -> impl Iterator<Item = &Value> {
    let near = list_at(pod, &["spec", "affinity", "podAffinity", REQUIRED]).iter();
    near.chain(list_at(pod, &["spec", "topologySpreadConstraints"]))
}

fn expects(pod: &Value, there: &Value) -> bool {
    wishes(pod).any(|term| terms::fits_labels(term, pod, there))
}

/// Whether a pod uses this claim of its namespace.
pub(super) fn uses_claim(pod: &Value, wanted_namespace: &str, claim: &str) -> bool {
    namespace(pod) == wanted_namespace
        && list_at(pod, &["spec", "volumes"]).iter().any(|volume| {
            str_at(volume, &["persistentVolumeClaim", "claimName"]) == claim
                || at(volume, &["ephemeral"]).is_object()
                    && claim.strip_prefix(name(pod)).and_then(|rest| rest.strip_prefix('-'))
                        == Some(str_at(volume, &["name"]))
        })
}
