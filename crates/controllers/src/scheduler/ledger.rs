//! What the pods on each node take, and which pods wait: a sum over all pods that is kept up by what has changed.
//!
//! A memo, not a memory: everything in it follows from the pods of one snapshot, and it is brought up to the snapshot that
//! is asked about before each use.

use super::{Preemptor, fit, waits};
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
    /// Pods that wait for room that was made for them, by uid.
    nominated: BTreeMap<String, Object>,
}

/// The pods of a node that have not ended.
#[derive(Default)]
pub(super) struct Node {
    pub(super) pods: BTreeMap<String, Placed>,
    /// Nanos of each resource that the pods request.
    used: BTreeMap<String, i128>,
    /// Uids of those that take ports of the host, and of those that want others away.
    ported: BTreeSet<String>,
    repelling: BTreeSet<String>,
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
        if let Some(node) = self.nodes.get_mut(str_at(pod, &["spec", "nodeName"])) {
            node.forget(uid(pod));
        }
    }

    pub(super) fn waiting(&self) -> Vec<Key> {
        self.waiting.iter().map(|(.., key)| key.clone()).collect()
    }

    pub(super) fn on(&self, node: &str) -> Option<&Node> {
        self.nodes.get(node)
    }

    /// Pods that this node was made room on for.
    pub(super) fn nominated_on<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Object> {
        self.nominated.values().filter(move |pod| nominated_node(pod) == node)
    }

    /// Every pod of every node.
    pub(super) fn all(&self) -> impl Iterator<Item = &Object> {
        self.nodes.values().flat_map(|node| node.pods.values()).map(|placed| &placed.pod)
    }

    /// Pods that want others away from them.
    pub(super) fn repelling(&self) -> impl Iterator<Item = &Object> {
        self.nodes
            .values()
            .flat_map(|node| node.repelling.iter().filter_map(|uid| Some(&node.pods.get(uid)?.pod)))
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
        let wants_away =
            ["spec", "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"];
        if !list_at(&pod, &wants_away).is_empty() {
            self.repelling.insert(id.clone());
        }
        self.pods.insert(id, Placed { pod, requests });
    }

    fn forget(&mut self, uid: &str) {
        let Some(placed) = self.pods.remove(uid) else { return };
        for (resource, amount) in &placed.requests {
            if let Some(used) = self.used.get_mut(resource) {
                *used -= amount.nanos();
            }
        }
        self.ported.remove(uid);
        self.repelling.remove(uid);
    }

    pub(super) fn used(&self, resource: &str) -> i128 {
        self.used.get(resource).copied().unwrap_or(0)
    }

    pub(super) fn ported(&self) -> impl Iterator<Item = &Object> {
        self.ported.iter().filter_map(|uid| Some(&self.pods.get(uid)?.pod))
    }
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
