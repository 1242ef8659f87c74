//! The resources of nodes: whether there is room for what a pod requests, and where it fits best.

use super::fit::{Misfit, Scene};
use crate::access::{at, name};
use schema::usage::{self, Amounts};
use serde_json::Value;
use store::Object;

/// What counts when nodes are compared.
const COMPARED: [&str; 2] = ["cpu", "memory"];

/// Whether the requests of all pods on the node leave room for this one's; everything that lacks is told.
pub(super) fn misfit(scene: &Scene<'_>, reserved: &[&Object], node: &Value) -> Option<Misfit> {
    let allocatable = usage::amounts(at(node, &["status", "allocatable"]));
    let mut lacks = Misfit { reasons: Vec::new(), could_preempt: true };
    if let Some(most) = allocatable.get("pods")
        && scene.count(node) + reserved.len() as i64 >= most.value()
    {
        lacks.reasons.push("Too many pods".into());
    }
    let mut names: Vec<&String> =
        scene.wanted.iter().filter(|(_, amount)| amount.nanos() > 0).map(|(name, _)| name).collect();
    names.sort_by_key(|name| {
        let place = ["cpu", "memory", "ephemeral-storage"].iter().position(|known| known == *name);
        (place.unwrap_or(usize::MAX), (*name).clone())
    });
    let reserved: Vec<Amounts> = if names.is_empty() {
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
        let want = scene.wanted[name].nanos();
        if scene.used(node, name) + kept + want > room {
            lacks.could_preempt &= want <= room;
            lacks.reasons.push(format!("Insufficient {name}"));
        }
    }
    (!lacks.reasons.is_empty()).then_some(lacks)
}

/// What a node has of a compared resource.
fn allocatable(node: &Value) -> [i128; 2] {
    let amounts = usage::amounts(at(node, &["status", "allocatable"]));
    COMPARED.map(|resource| amounts.get(resource).map_or(0, |amount| amount.nanos()))
}

/// The share of each node that would stay free, 0 to 100. Containers that request nothing count for a little.
pub(super) fn least_allocated(scene: &Scene<'_>, nodes: &[&Object]) -> Vec<i64> {
    let own = usage::estimate(scene.pod);
    let score = |node: &&Object| {
        let used = scene.ledger.on(name(node)).map_or([0, 0], |node| node.estimated);
        let (mut sum, mut known) = (0, 0);
        for (place, room) in allocatable(node).into_iter().enumerate().filter(|(_, room)| *room > 0) {
            let free = (room - used[place] - own[place]).max(0);
            sum += free * 100 / room;
            known += 1;
        }
        if known == 0 { 0 } else { i64::try_from(sum / known).unwrap_or(0) }
    };
    nodes.iter().map(score).collect()
}

/// How much more even the use of resources gets by the pod, 50 to 100; nothing for a pod that requests nothing.
pub(super) fn balanced(scene: &Scene<'_>, nodes: &[&Object]) -> Option<Vec<i64>> {
    let own = COMPARED.map(|resource| scene.wanted.get(resource).map_or(0, |amount| amount.nanos()));
    if own == [0, 0] {
        return None;
    }
    let score = |node: &&Object| {
        let room = allocatable(node);
        let used = COMPARED.map(|resource| scene.used(node, resource));
        let with = balance([used[0] + own[0], used[1] + own[1]], room);
        50 + (50 + with - balance(used, room)) / 2
    };
    Some(nodes.iter().map(score).collect())
}

/// 100 where all resources are used to the same share. Of two shares, half their difference is the standard deviation.
fn balance(used: [i128; 2], room: [i128; 2]) -> i64 {
    let shares =
        [0, 1].map(|place| (room[place] > 0).then(|| (used[place] as f64 / room[place] as f64).min(1.0)));
    let deviation = match shares {
        [Some(cpu), Some(memory)] => ((cpu - memory) / 2.0).abs(),
        _ => 0.0,
    };
    ((1.0 - deviation) * 100.0) as i64
}
