//! Topology spread: pods that are alike are spread evenly over the domains of a topology.

use super::fit::{Misfit, Scene};
use super::terms::{domain, same_labels};
use super::{node_affinity, taints};
use crate::Server;
use crate::access::{self, at, int_at, labels_match, list_at, map_selects, name, namespace, str_at};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use store::Object;

const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";
const UNFIT: &str = "node(s) didn't match pod topology spread constraints";

/// How many pods are in each domain, for each constraint that forbids.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts<'a> {
    constraints: Vec<(&'a Value, BTreeMap<String, i64>)>,
}

impl<'a> Counts<'a> {
    pub(super) fn new(scene: &Scene<'a>) -> Self {
        let all = list_at(scene.pod, &["spec", "topologySpreadConstraints"]).iter();
        let forbidding = all.filter(|c| str_at(c, &["whenUnsatisfiable"]) != "ScheduleAnyway");
        let mut counts = Self { constraints: forbidding.map(|c| (c, BTreeMap::new())).collect() };
        if counts.constraints.is_empty() {
            return counts;
        }
        for node in scene.nodes {
            let there: Vec<&Object> = scene.on(node).collect();
            counts.on(scene.pod, node, |constraint, count| {
                *count += there.iter().filter(|p| counts_for(constraint, scene.pod, p)).count() as i64;
            });
        }
        counts
    }

    /// Only nodes that have a domain of every topology count.
    fn on(&mut self, pod: &Value, node: &Value, mut update: impl FnMut(&Value, &mut i64)) {
        if !self.constraints.iter().all(|(constraint, _)| domain(constraint, node).is_some()) {
            return;
        }
        for (constraint, counts) in &mut self.constraints {
            if let Some(domain) = domain(constraint, node).filter(|_| is_eligible(constraint, pod, node)) {
                update(constraint, counts.entry(domain.to_string()).or_default());
            }
        }
    }

    /// A pod comes to a node or goes from it.
    pub(super) fn update(&mut self, pod: &Value, there: &Object, node: &Value, by: i64) {
        self.on(pod, node, |constraint, count| {
            if counts_for(constraint, pod, there) {
                *count += by;
            }
        });
    }

    pub(super) fn misfit(&self, pod: &Value, node: &Value) -> Option<Misfit> {
        for (constraint, counts) in &self.constraints {
            let Some(here) = domain(constraint, node) else {
                return Some(Misfit::new(format!("{UNFIT} (missing required label)")));
            };
            let own =
                i64::from(labels_match(at(constraint, &["labelSelector"]), at(pod, &["metadata", "labels"])));
            let enough = int_at(constraint, &["minDomains"]).unwrap_or(1);
            let few = (counts.len() as i64) < enough;
            let least = if few { 0 } else { counts.values().copied().min().unwrap_or(0) };
            let skew = counts.get(here).copied().unwrap_or(0) + own - least;
            if skew > int_at(constraint, &["maxSkew"]).unwrap_or(1) {
                return Some(Misfit::crowded(UNFIT));
            }
        }
        None
    }
}

/// Whether a node's domain counts: its labels must do by default, its taints if that is asked for.
fn is_eligible(constraint: &Value, pod: &Value, node: &Value) -> bool {
    let labels =
        str_at(constraint, &["nodeAffinityPolicy"]) == "Ignore" || node_affinity::misfit(pod, node).is_none();
    labels && (str_at(constraint, &["nodeTaintsPolicy"]) != "Honor" || taints::misfit(pod, node).is_none())
}

fn counts_for(constraint: &Value, pod: &Value, other: &Object) -> bool {
    let labels = at(other, &["metadata", "labels"]);
    namespace(other) == namespace(pod)
        && !access::is_deleting(other)
        && labels_match(at(constraint, &["labelSelector"]), labels)
        && same_labels(constraint, pod, labels)
}

/// A constraint that may be broken, and the topologies of the nodes that are to choose from.
struct Preference<'a> {
    constraint: Cow<'a, Value>,
    counts: BTreeMap<String, i64>,
    weight: f64,
}

/// How well each node keeps the constraints that may be broken, 0 to 100; nothing where there are none.
pub(super) fn scores(scene: &Scene<'_>, nodes: &[&Object]) -> Option<Vec<i64>> {
    let own = list_at(scene.pod, &["spec", "topologySpreadConstraints"]);
    // The cluster's own constraints count what there is of their topologies.
    let all_needed = !own.is_empty();
    let constraints: Vec<Cow<'_, Value>> = if all_needed {
        let all = own.iter().filter(|c| str_at(c, &["whenUnsatisfiable"]) == "ScheduleAnyway");
        all.map(Cow::Borrowed).collect()
    } else {
        defaults(scene.server, scene.pod).into_iter().map(Cow::Owned).collect()
    };
    if constraints.is_empty() {
        return None;
    }
    let complete = |node: &Object| constraints.iter().all(|c| domain(c, node).is_some());
    let ignored: BTreeSet<&str> =
        nodes.iter().filter(|node| all_needed && !complete(node)).map(|node| name(node)).collect();
    let counted: Vec<&Object> = nodes.iter().copied().filter(|node| !ignored.contains(name(node))).collect();
    let everywhere: Vec<&Object> = scene.nodes.iter().filter(|node| !all_needed || complete(node)).collect();
    let preferences: Vec<Preference<'_>> =
        constraints.into_iter().map(|c| preference(scene, c, &counted, &everywhere)).collect();
    let score = |node: &&Object| {
        (!ignored.contains(name(node)))
            .then(|| preferences.iter().map(|p| p.score(scene, node)).sum::<f64>().round() as i64)
    };
    Some(normalized(&nodes.iter().map(score).collect::<Vec<_>>()))
}

/// The fewer the better; a node that is ignored is the worst.
fn normalized(scores: &[Option<i64>]) -> Vec<i64> {
    let least = scores.iter().flatten().copied().min().unwrap_or(0);
    let most = scores.iter().flatten().copied().max().unwrap_or(0);
    let of = |score: &Option<i64>| match score {
        None => 0,
        Some(_) if most == 0 => 100,
        Some(score) => 100 * (most + least - score) / most,
    };
    scores.iter().map(of).collect()
}

fn preference<'a>(
    scene: &Scene<'_>,
    constraint: Cow<'a, Value>,
    nodes: &[&Object],
    everywhere: &[&Object],
) -> Preference<'a> {
    let by_host = str_at(&constraint, &["topologyKey"]) == HOSTNAME;
    let mut counts = BTreeMap::new();
    if !by_host {
        for node in nodes {
            // A node without the topology is a domain of its own.
            counts.insert(domain(&constraint, node).unwrap_or("").to_string(), 0);
        }
        for node in everywhere.iter().filter(|node| is_eligible(&constraint, scene.pod, node)) {
            if let Some(count) = counts.get_mut(domain(&constraint, node).unwrap_or("")) {
                *count += alike(scene, &constraint, node);
            }
        }
    }
    let size = if by_host { nodes.len() } else { counts.len() };
    Preference { constraint, counts, weight: (size as f64 + 2.0).ln() }
}

fn alike(scene: &Scene<'_>, constraint: &Value, node: &Value) -> i64 {
    scene.on(node).filter(|there| counts_for(constraint, scene.pod, there)).count() as i64
}

impl Preference<'_> {
    fn score(&self, scene: &Scene<'_>, node: &Object) -> f64 {
        let Some(domain) = domain(&self.constraint, node) else { return 0.0 };
        let count = match str_at(&self.constraint, &["topologyKey"]) {
            HOSTNAME => alike(scene, &self.constraint, node),
            _ => self.counts.get(domain).copied().unwrap_or(0),
        };
        let skew = int_at(&self.constraint, &["maxSkew"]).unwrap_or(1);
        count as f64 * self.weight + (skew - 1) as f64
    }
}

/// What holds for a pod that says nothing: the pods of its Services and of its owner are spread over hosts and zones.
fn defaults(server: &dyn Server, pod: &Value) -> Vec<Value> {
    let labels = at(pod, &["metadata", "labels"]);
    let mut pairs = Map::new();
    let mut expressions: Vec<Value> = Vec::new();
    for service in server.list("services", namespace(pod)) {
        let selector = at(&service, &["spec", "selector"]);
        if let Some(found) = selector.as_object().filter(|_| map_selects(selector, labels)) {
            pairs.extend(found.clone());
        }
    }
    if let Some(owner) = access::controller_of(pod) {
        let kind = str_at(owner, &["kind"]);
        let resource = match kind {
            "ReplicaSet" => "apps/replicasets",
            "StatefulSet" => "apps/statefulsets",
            _ => "replicationcontrollers",
        };
        let known = matches!(kind, "ReplicaSet" | "StatefulSet" | "ReplicationController");
        let owner = server.get(resource, namespace(pod), str_at(owner, &["name"])).filter(|_| known);
        if let Some(owner) = owner {
            let selector = at(&owner, &["spec", "selector"]);
            let map = if kind == "ReplicationController" { selector } else { at(selector, &["matchLabels"]) };
            pairs.extend(map.as_object().cloned().unwrap_or_default());
            expressions.extend_from_slice(list_at(selector, &["matchExpressions"]));
        }
    }
    if pairs.is_empty() && expressions.is_empty() {
        return Vec::new();
    }
    let selector = json!({"matchLabels": pairs, "matchExpressions": expressions});
    [(HOSTNAME, 3), (ZONE, 5)]
        .map(|(key, skew)| json!({"topologyKey": key, "maxSkew": skew, "labelSelector": selector}))
        .into()
}
