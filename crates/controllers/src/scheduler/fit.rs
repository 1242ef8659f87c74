//! Whether a pod may run on a node: the filters of kube-scheduler in its order and in its words.

use super::ledger::Ledger;
use super::{Preemptor, node_affinity, pod_affinity, resources, spread, storage, taints};
use crate::Server;
use crate::access::{at, int_at, list_at, name, str_at, uid};
use schema::usage::{self, Amounts};
use serde_json::Value;
use std::collections::BTreeSet;
use store::Object;

/// Why a node does not do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) reasons: Vec<String>,
    /// Whether it would help if other pods went.
    pub(super) could_preempt: bool,
}

impl Misfit {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], could_preempt: false }
    }

    pub(super) fn crowded(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], could_preempt: true }
    }
}

/// One pod that is to be placed, and what the filters look at: the pods on their nodes, but for some whose absence is
/// imagined.
#[derive(Clone)]
pub(super) struct Scene<'a> {
    pub(super) server: &'a dyn Server,
    pub(super) ledger: &'a Ledger,
    pub(super) nodes: &'a [Object],
    pub(super) pod: &'a Value,
    /// What the pod requests.
    pub(super) wanted: Amounts,
    /// Uids.
    without: BTreeSet<String>,
    affinity: pod_affinity::Counts,
    spread: spread::Counts<'a>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        server: &'a dyn Server,
        ledger: &'a Ledger,
        nodes: &'a [Object],
        pod: &'a Value,
    ) -> Self {
        let wanted = usage::of_pod(pod, "requests");
        let (affinity, spread) = Default::default();
        let mut scene =
            Self { server, ledger, nodes, pod, wanted, without: BTreeSet::new(), affinity, spread };
        scene.affinity = pod_affinity::Counts::new(&scene);
        scene.spread = spread::Counts::new(&scene);
        scene
    }

    /// Imagines that a pod of this node is not there.
    pub(super) fn remove(&mut self, there: &Object, node: &Value) {
        if self.without.insert(uid(there).to_string()) {
            self.affinity.update(self.server, self.pod, there, node, -1);
            self.spread.update(self.pod, there, node, -1);
        }
    }

    pub(super) fn restore(&mut self, there: &Object, node: &Value) {
        if self.without.remove(uid(there)) {
            self.affinity.update(self.server, self.pod, there, node, 1);
            self.spread.update(self.pod, there, node, 1);
        }
    }

    fn there(&self, pod: &Object) -> bool {
        self.without.is_empty() || !self.without.contains(uid(pod))
    }

    pub(super) fn on<'s>(&'s self, node: &Value) -> impl Iterator<Item = &'a Object> + use<'s, 'a> {
        let found = self.ledger.on(name(node)).into_iter();
        found.flat_map(|node| node.pods.values()).map(|placed| &placed.pod).filter(|pod| self.there(pod))
    }

    /// Pods of a node that want others away from them.
    pub(super) fn repelling<'s>(&'s self, node: &Value) -> impl Iterator<Item = &'a Object> + use<'s, 'a> {
        let found = self.ledger.on(name(node)).into_iter();
        found.flat_map(|node| node.repelling()).filter(|pod| self.there(pod))
    }

    /// Pods of a node that want others near them or away from them.
    pub(super) fn sociable<'s>(&'s self, node: &Value) -> impl Iterator<Item = &'a Object> + use<'s, 'a> {
        let found = self.ledger.on(name(node)).into_iter();
        found.flat_map(|node| node.sociable()).filter(|pod| self.there(pod))
    }

    fn ported<'s>(&'s self, node: &Value) -> impl Iterator<Item = &'a Object> + use<'s, 'a> {
        let found = self.ledger.on(name(node)).into_iter();
        found.flat_map(|node| node.ported()).filter(|pod| self.there(pod))
    }

    pub(super) fn count(&self, node: &Value) -> i64 {
        let there = self.ledger.on(name(node)).map_or(0, |node| node.pods.len() as i64);
        if self.without.is_empty() { there } else { self.on(node).count() as i64 }
    }

    pub(super) fn used(&self, node: &Value, resource: &str) -> i128 {
        let Some(node) = self.ledger.on(name(node)) else { return 0 };
        let imagined = self.without.iter().filter_map(|uid| node.pods.get(uid)?.requests.get(resource));
        node.used(resource) - imagined.map(|amount| amount.nanos()).sum::<i128>()
    }

    /// The first filter that refuses decides. Room that was made for more important pods is theirs, but must not be what
    /// makes this one fit.
    pub(super) fn misfit(&self, node: &Object) -> Option<Misfit> {
        let pod = self.pod;
        let own = Preemptor::priority(pod);
        let reserved: Vec<&Object> = self
            .ledger
            .nominated_on(name(node))
            .filter(|other| uid(other) != uid(pod) && Preemptor::priority(other) >= own)
            .collect();
        taints::unschedulable(pod, node)
            .or_else(|| taints::misfit(pod, node))
            .or_else(|| node_affinity::misfit(pod, node))
            .or_else(|| ports(self, &reserved, node))
            .or_else(|| resources::misfit(self, &reserved, node))
            .or_else(|| storage::misfit(self, node))
            .or_else(|| self.spread.misfit(pod, node))
            .or_else(|| self.affinity.misfit(self.server, pod, node))
    }
}

/// (address, protocol, port) of each port of the host that a pod takes.
pub(super) fn host_ports(pod: &Value) -> impl Iterator<Item = (&str, &str, i64)> {
    let host_network = at(pod, &["spec", "hostNetwork"]) == &Value::Bool(true);
    let lists = ["containers", "initContainers"].into_iter();
    lists.flat_map(|list| list_at(pod, &["spec", list])).flat_map(|c| list_at(c, &["ports"])).filter_map(
        move |port| {
            let number = int_at(port, &["hostPort"]).filter(|n| *n > 0);
            let number = number.or_else(|| int_at(port, &["containerPort"]).filter(|_| host_network))?;
            let address = or(str_at(port, &["hostIP"]), "0.0.0.0");
            Some((address, or(str_at(port, &["protocol"]), "TCP"), number))
        },
    )
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

fn ports(scene: &Scene<'_>, reserved: &[&Object], node: &Value) -> Option<Misfit> {
    let wanted: Vec<_> = host_ports(scene.pod).collect();
    if wanted.is_empty() {
        return None;
    }
    let any = |address: &str| address == "0.0.0.0";
    let taken = scene.ported(node).chain(reserved.iter().copied()).any(|other| {
        host_ports(other).any(|(address, protocol, number)| {
            wanted
                .iter()
                .any(|(a, p, n)| (*p, *n) == (protocol, number) && (*a == address || any(a) || any(address)))
        })
    });
    taken.then(|| Misfit::crowded("node(s) didn't have free ports for the requested pod ports"))
}

#[cfg(test)]
mod tests;
