//! Whether a pod may run on a node: the filters of kube-scheduler in its order and in its words.

use super::affinity;
use crate::access::{at, int_at, list_at, name, str_at};
use crate::{Server, pods};
use schema::usage;
use serde_json::Value;
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

/// What the filters look at: all pods that have a node and are not at their end.
pub(super) struct Placed {
    pub(super) pods: Vec<Object>,
    pub(super) nodes: Vec<Object>,
}

impl Placed {
    pub(super) fn of(server: &dyn Server, nodes: Vec<Object>) -> Self {
        let mut pods = server.list(pods::PODS, "");
        pods.retain(|p| {
            !str_at(p, &["spec", "nodeName"]).is_empty()
                && !matches!(str_at(p, &["status", "phase"]), "Succeeded" | "Failed")
        });
        Self { pods, nodes }
    }

    pub(super) fn on<'a>(&'a self, node: &'a Value) -> impl Iterator<Item = &'a Object> {
        self.pods.iter().filter(|p| str_at(p, &["spec", "nodeName"]) == name(node))
    }
}

/// The first filter that refuses decides.
pub(super) fn misfit(server: &dyn Server, placed: &Placed, pod: &Value, node: &Value) -> Option<Misfit> {
    unschedulable(pod, node)
        .or_else(|| tainted(pod, node))
        .or_else(|| affinity::node(pod, node))
        .or_else(|| ports(placed, pod, node))
        .or_else(|| resources(placed, pod, node))
        .or_else(|| affinity::spread(placed, pod, node))
        .or_else(|| affinity::pods(server, placed, pod, node))
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
fn host_ports(pod: &Value) -> impl Iterator<Item = (&str, &str, i64)> {
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

fn ports(placed: &Placed, pod: &Value, node: &Value) -> Option<Misfit> {
    let wanted: Vec<_> = host_ports(pod).collect();
    if wanted.is_empty() {
        return None;
    }
    let any = |address: &str| address == "0.0.0.0";
    let taken = placed.on(node).any(|other| {
        host_ports(other).any(|(address, protocol, number)| {
            wanted
                .iter()
                .any(|(a, p, n)| (*p, *n) == (protocol, number) && (*a == address || any(a) || any(address)))
        })
    });
    taken.then(|| Misfit::crowded("node(s) didn't have free ports for the requested pod ports"))
}

/// Whether the requests of all pods on the node leave room for this one's; everything that lacks is told.
fn resources(placed: &Placed, pod: &Value, node: &Value) -> Option<Misfit> {
    let allocatable = usage::amounts(at(node, &["status", "allocatable"]));
    let mut lacks = Misfit { reasons: Vec::new(), could_preempt: true };
    if let Some(most) = allocatable.get("pods")
        && placed.on(node).count() as i64 >= most.value()
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
    let others: Vec<usage::Amounts> = if wanted.is_empty() {
        Vec::new()
    } else {
        placed.on(node).map(|p| usage::of_pod(p, "requests")).collect()
    };
    for name in names {
        let core = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
        let room = match allocatable.get(name) {
            Some(room) => room.nanos(),
            // A node that does not say what it has of the basic resources is not measured.
            None if core => continue,
            None => 0,
        };
        let used: i128 = others.iter().filter_map(|amounts| amounts.get(name)).map(|a| a.nanos()).sum();
        let want = wanted[name].nanos();
        if used + want > room {
            lacks.could_preempt &= want <= room;
            lacks.reasons.push(format!("Insufficient {name}"));
        }
    }
    (!lacks.reasons.is_empty()).then_some(lacks)
}
