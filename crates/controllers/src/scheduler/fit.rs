//! Whether a pod may run on a node: the filters of kube-scheduler in its order and in its words.

use super::ledger::Ledger;
use super::{Preemptor, affinity, storage};
use crate::Server;
use crate::access::{at, int_at, list_at, name, str_at, uid};
use schema::usage;
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

/// What the filters look at: the pods on their nodes, but for some whose absence is imagined.
pub(super) struct Scene<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) nodes: &'a [Object],
    /// Uids.
    pub(super) without: BTreeSet<String>,
}

impl<'a> Scene<'a> {
    fn there(&self, pod: &Object) -> bool {
        self.without.is_empty() || !self.without.contains(uid(pod))
    }

    pub(super) fn on<'s>(&'s self, node: &Value) -> impl Iterator<Item = &'a Object> + use<'s, 'a> {
        let found = self.ledger.on(name(node)).into_iter();
        found.flat_map(|node| node.pods.values()).map(|placed| &placed.pod).filter(|pod| self.there(pod))
    }

    pub(super) fn pods(&self) -> impl Iterator<Item = &Object> {
        self.ledger.all().filter(|pod| self.there(pod))
    }

    pub(super) fn repelling(&self) -> impl Iterator<Item = &Object> {
        self.ledger.repelling().filter(|pod| self.there(pod))
    }

    fn ported<'s>(&'s self, node: &Value) -> impl Iterator<Item = &'a Object> + use<'s, 'a> {
        let found = self.ledger.on(name(node)).into_iter();
        found.flat_map(|node| node.ported()).filter(|pod| self.there(pod))
    }

    fn count(&self, node: &Value) -> i64 {
        let there = self.ledger.on(name(node)).map_or(0, |node| node.pods.len() as i64);
        if self.without.is_empty() { there } else { self.on(node).count() as i64 }
    }

    fn used(&self, node: &Value, resource: &str) -> i128 {
        let Some(node) = self.ledger.on(name(node)) else { return 0 };
        let imagined = self.without.iter().filter_map(|uid| node.pods.get(uid)?.requests.get(resource));
        node.used(resource) - imagined.map(|amount| amount.nanos()).sum::<i128>()
    }
}

/// The first filter that refuses decides. Room that was made for more important pods is theirs, but must not be what makes
/// this one fit.
pub(super) fn misfit(server: &dyn Server, scene: &Scene, pod: &Value, node: &Value) -> Option<Misfit> {
    let own = Preemptor::priority(pod);
    let reserved: Vec<&Object> = scene
        .ledger
        .nominated_on(name(node))
        .filter(|other| uid(other) != uid(pod) && Preemptor::priority(other) >= own)
        .collect();
    unschedulable(pod, node)
        .or_else(|| tainted(pod, node))
        .or_else(|| affinity::node(pod, node))
        .or_else(|| ports(scene, &reserved, pod, node))
        .or_else(|| resources(scene, &reserved, pod, node))
        .or_else(|| storage::misfit(server, scene, pod, node))
        .or_else(|| affinity::spread(scene, pod, node))
        .or_else(|| affinity::pods(server, scene, pod, node))
}

fn unschedulable(pod: &Value, node: &Value) -> Option<Misfit> {
    let taint = serde_json::json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
    let refuses = at(node, &["spec", "unschedulable"]) == &Value::Bool(true) && blocks(pod, &taint);
    refuses.then(|| Misfit::new("node(s) were unschedulable"))
}

fn tainted(pod: &Value, node: &Value) -> Option<Misfit> {
    let taint = list_at(node, &["spec", "taints"]).iter().find(|taint| blocks(pod, taint))?;
    let (key, value) = (str_at(taint, &["key"]), str_at(taint, &["value"]));
    Some(Misfit::new(format!("node(s) had untolerated taint {{{key}: {value}}}")))
}

pub(super) fn blocks(pod: &Value, taint: &Value) -> bool {
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

fn ports(scene: &Scene, reserved: &[&Object], pod: &Value, node: &Value) -> Option<Misfit> {
    let wanted: Vec<_> = host_ports(pod).collect();
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

/// Whether the requests of all pods on the node leave room for this one's; everything that lacks is told.
fn resources(scene: &Scene, reserved: &[&Object], pod: &Value, node: &Value) -> Option<Misfit> {
    let allocatable = usage::amounts(at(node, &["status", "allocatable"]));
    let mut lacks = Misfit { reasons: Vec::new(), could_preempt: true };
    if let Some(most) = allocatable.get("pods")
        && scene.count(node) + reserved.len() as i64 >= most.value()
    {
        lacks.reasons.push("Too many pods".into());
    }
    let mut wanted = usage::of_pod(pod, "requests");
    wanted.retain(|_, amount| amount.nanos() > 0);
    let mut names: Vec<&String> = wanted.keys().collect();
    names.sort_by_key(|name| {
        let place = ["cpu", "memory", "ephemeral-storage"].iter().position(|known| known == *name);
        (place.unwrap_or(usize::MAX), (*name).clone())
    });
    let reserved: Vec<usage::Amounts> = if wanted.is_empty() {
        Vec::new()
    } else {
        reserved.iter().map(|pod| usage::of_pod(pod, "requests")).collect()
    };
    for name in names {
        let core = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
        let room = match allocatable.get(name) {
            Some(room) => room.nanos(),
            // A node that does not say what it has of the basic resources is not measured.
            None if core => continue,
            None => 0,
        };
        let kept: i128 = reserved.iter().filter_map(|amounts| amounts.get(name)).map(|a| a.nanos()).sum();
        let want = wanted[name].nanos();
        if scene.used(node, name) + kept + want > room {
            lacks.could_preempt &= want <= room;
            lacks.reasons.push(format!("Insufficient {name}"));
        }
    }
    (!lacks.reasons.is_empty()).then_some(lacks)
}
