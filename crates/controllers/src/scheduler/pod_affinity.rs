//! Affinity between pods: counted once for each pod that is to be placed, by the domains of the topologies.

use super::fit::{Misfit, Scene};
use super::node_affinity::{PREFERRED, REQUIRED};
use super::terms::{domain, fits};
use crate::Server;
use crate::access::{at, int_at, list_at};
use serde_json::Value;
use std::collections::BTreeMap;
use store::Object;

/// How much a required term of a pod that is there counts as a preference.
const WEIGHT_OF_REQUIRED: i64 = 1;

/// By the topology's key, then by domain.
type ByDomain = BTreeMap<String, BTreeMap<String, i64>>;

/// How many pods of each domain required terms select.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// Pods that the pod to be placed wants near: they fit all of its terms.
    wanted: ByDomain,
    /// Pods that it wants away.
    unwanted: ByDomain,
    /// Pods that want it away.
    repelling: ByDomain,
}

fn required<'a>(pod: &'a Value, kind: &str) -> &'a [Value] {
    list_at(pod, &["spec", "affinity", kind, REQUIRED])
}

fn add(counts: &mut ByDomain, term: &Value, node: &Value, by: i64) {
    if let (Some(key), Some(domain)) = (at(term, &["topologyKey"]).as_str(), domain(term, node)) {
        *counts.entry(key.to_string()).or_default().entry(domain.to_string()).or_default() += by;
    }
}

fn count(counts: &ByDomain, term: &Value, node: &Value) -> i64 {
    let domains = at(term, &["topologyKey"]).as_str().and_then(|key| counts.get(key));
    domains.zip(domain(term, node)).and_then(|(domains, here)| domains.get(here)).copied().unwrap_or(0)
}

impl Counts {
    pub(super) fn new(scene: &Scene<'_>) -> Self {
        let mut counts = Self::default();
        let alone =
            ["podAffinity", "podAntiAffinity"].iter().all(|kind| required(scene.pod, kind).is_empty());
        for node in scene.nodes {
            if alone {
                scene
                    .repelling(node)
                    .for_each(|there| counts.update(scene.server, scene.pod, there, node, 1));
            } else {
                scene.on(node).for_each(|there| counts.update(scene.server, scene.pod, there, node, 1));
            }
        }
        counts
    }

    /// A pod comes to a node or goes from it.
    pub(super) fn update(&mut self, server: &dyn Server, pod: &Value, there: &Object, node: &Value, by: i64) {
        let terms = required(pod, "podAffinity");
        if !terms.is_empty() && terms.iter().all(|term| fits(server, term, pod, there)) {
            terms.iter().for_each(|term| add(&mut self.wanted, term, node, by));
        }
        for term in required(pod, "podAntiAffinity").iter().filter(|term| fits(server, term, pod, there)) {
            add(&mut self.unwanted, term, node, by);
        }
        for term in required(there, "podAntiAffinity").iter().filter(|term| fits(server, term, there, pod)) {
            add(&mut self.repelling, term, node, by);
        }
    }

    pub(super) fn misfit(&self, server: &dyn Server, pod: &Value, node: &Value) -> Option<Misfit> {
        let terms = required(pod, "podAffinity");
        let keyed = terms.iter().all(|term| domain(term, node).is_some());
        let near = || terms.iter().all(|term| count(&self.wanted, term, node) > 0);
        // The first of a group that wants to be together may start anywhere.
        let first = || {
            self.wanted.values().flat_map(BTreeMap::values).all(|count| *count <= 0)
                && terms.iter().all(|term| fits(server, term, pod, pod))
        };
        if !terms.is_empty() && !(keyed && (near() || first())) {
            return Some(Misfit::new("node(s) didn't match pod affinity rules"));
        }
        if required(pod, "podAntiAffinity").iter().any(|term| count(&self.unwanted, term, node) > 0) {
            return Some(Misfit::crowded("node(s) didn't match pod anti-affinity rules"));
        }
        let labels = at(node, &["metadata", "labels"]);
        let repelled = self.repelling.iter().any(|(key, domains)| {
            at(labels, &[key]).as_str().and_then(|here| domains.get(here)).is_some_and(|count| *count > 0)
        });
        repelled.then(|| Misfit::crowded("node(s) didn't satisfy existing pods anti-affinity rules"))
    }
}

fn preferred<'a>(pod: &'a Value, kind: &str) -> &'a [Value] {
    list_at(pod, &["spec", "affinity", kind, PREFERRED])
}

/// What the preferences of the pod and of those that are there make of each node, 0 to 100; nothing where nobody prefers
/// anything.
pub(super) fn scores(scene: &Scene<'_>, nodes: &[&Object]) -> Option<Vec<i64>> {
    let mut weights = ByDomain::new();
    let choosy = ["podAffinity", "podAntiAffinity"].iter().any(|kind| !preferred(scene.pod, kind).is_empty());
    for node in scene.nodes {
        if choosy {
            scene.on(node).for_each(|there| weigh(scene, there, node, &mut weights));
        } else {
            scene.sociable(node).for_each(|there| weigh(scene, there, node, &mut weights));
        }
    }
    if weights.is_empty() {
        return None;
    }
    let of = |node: &&Object| -> i64 {
        let labels = at(node, &["metadata", "labels"]);
        let here = weights.iter().filter_map(|(key, domains)| domains.get(at(labels, &[key]).as_str()?));
        here.sum()
    };
    let sums: Vec<i64> = nodes.iter().map(of).collect();
    let least = sums.iter().copied().min()?;
    let span = sums.iter().copied().max()? - least;
    Some(sums.iter().map(|sum| if span > 0 { scaled(sum - least, span) } else { 0 }).collect())
}

fn scaled(part: i64, whole: i64) -> i64 {
    (100.0 * (part as f64 / whole as f64)) as i64
}

/// Preferences count both ways, and that a pod which is there requires this one as well.
fn weigh(scene: &Scene<'_>, there: &Object, node: &Value, weights: &mut ByDomain) {
    let (server, pod) = (scene.server, scene.pod);
    for (kind, sign) in [("podAffinity", 1), ("podAntiAffinity", -1)] {
        let directions: [(&Value, &Value); 2] = [(pod, there), (there, pod)];
        for (owner, other) in directions {
            for preference in preferred(owner, kind) {
                let term = at(preference, &["podAffinityTerm"]);
                if fits(server, term, owner, other) {
                    add(weights, term, node, sign * int_at(preference, &["weight"]).unwrap_or(0));
                }
            }
        }
    }
    for term in required(there, "podAffinity").iter().filter(|term| fits(server, term, there, pod)) {
        add(weights, term, node, WEIGHT_OF_REQUIRED);
    }
}
