//! Affinity to nodes, affinity between pods, and topology spread: the required ones.

use super::fit::{self, Misfit, Scene};
use crate::Server;
use crate::access::{at, int_at, labels_match, list_at, name, namespace, str_at};
use serde_json::Value;
use std::collections::BTreeMap;
use store::Object;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// `nodeSelector` and required affinity to nodes.
pub(super) fn node(pod: &Value, node: &Value) -> Option<Misfit> {
    let selector = at(pod, &["spec", "nodeSelector"]);
    let selected = selector
        .as_object()
        .is_none_or(|want| want.iter().all(|(key, value)| at(node, &["metadata", "labels", key]) == value));
    let required = at(pod, &["spec", "affinity", "nodeAffinity", REQUIRED]);
    let fits = required.is_null()
        || list_at(required, &["nodeSelectorTerms"]).iter().any(|term| node_term(term, node));
    (!selected || !fits).then(|| Misfit::new("node(s) didn't match Pod's node affinity/selector"))
}

/// All expressions of a term; a term without any selects nothing.
pub(super) fn node_term(term: &Value, node: &Value) -> bool {
    let expressions = list_at(term, &["matchExpressions"]);
    let fields = list_at(term, &["matchFields"]);
    let label = |key: &str| at(node, &["metadata", "labels", key]).as_str();
    let field = |key: &str| (key == "metadata.name").then(|| name(node));
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|e| expression(e, label(str_at(e, &["key"]))))
        && fields.iter().all(|e| expression(e, field(str_at(e, &["key"]))))
}

fn expression(e: &Value, found: Option<&str>) -> bool {
    let values = list_at(e, &["values"]);
    let among = || values.iter().any(|v| v.as_str() == found);
    let compare = |fits: fn(i64, i64) -> bool| {
        let number = |text: Option<&str>| text.and_then(|t| t.parse::<i64>().ok());
        number(found).zip(number(values.first().and_then(Value::as_str))).is_some_and(|(a, b)| fits(a, b))
    };
    match str_at(e, &["operator"]) {
        "In" => found.is_some() && among(),
        "NotIn" => found.is_none() || !among(),
        "Exists" => found.is_some(),
        "DoesNotExist" => found.is_none(),
        "Gt" => compare(|a, b| a > b),
        "Lt" => compare(|a, b| a < b),
        _ => false,
    }
}

/// Required affinity and anti-affinity between pods, both ways.
pub(super) fn pods(server: &dyn Server, scene: &Scene, pod: &Value, node: &Value) -> Option<Misfit> {
    let terms = |of: &Value, kind: &str| list_at(of, &["spec", "affinity", kind, REQUIRED]).to_vec();
    let with = terms(pod, "podAffinity");
    let matches =
        |term: &Value| scene.pods().any(|p| near(scene, term, p, node) && term_fits(server, term, pod, p));
    // The first of a group that wants to be together may start anywhere.
    let first = || {
        let nobody = !scene.pods().any(|p| with.iter().all(|term| term_fits(server, term, pod, p)));
        nobody && with.iter().all(|term| term_fits(server, term, pod, pod))
    };
    let keyed = with.iter().all(|term| domain(term, node).is_some());
    if !with.is_empty() && !(keyed && (with.iter().all(matches) || first())) {
        return Some(Misfit::new("node(s) didn't match pod affinity rules"));
    }
    if terms(pod, "podAntiAffinity").iter().any(matches) {
        return Some(Misfit::crowded("node(s) didn't match pod anti-affinity rules"));
    }
    let refused = scene.repelling().any(|p| {
        terms(p, "podAntiAffinity")
            .iter()
            .any(|term| near(scene, term, p, node) && term_fits(server, term, p, pod))
    });
    refused.then(|| Misfit::crowded("node(s) didn't satisfy existing pods anti-affinity rules"))
}

fn domain<'a>(term: &Value, node: &'a Value) -> Option<&'a str> {
    at(node, &["metadata", "labels", str_at(term, &["topologyKey"])]).as_str()
}

/// Whether the pod's node is in the same domain of the term's topology as this node.
fn near(scene: &Scene, term: &Value, pod: &Value, node: &Value) -> bool {
    let theirs = scene.nodes.iter().find(|n| name(n) == str_at(pod, &["spec", "nodeName"]));
    theirs.is_some_and(|theirs| domain(term, node).is_some() && domain(term, theirs) == domain(term, node))
}

/// Whether a term of `owner` selects `pod`.
fn term_fits(server: &dyn Server, term: &Value, owner: &Value, pod: &Value) -> bool {
    let names = list_at(term, &["namespaces"]);
    let selector = at(term, &["namespaceSelector"]);
    let here = if names.is_empty() && selector.is_null() {
        namespace(pod) == namespace(owner)
    } else {
        names.iter().any(|n| n == namespace(pod))
            || server
                .get("namespaces", "", namespace(pod))
                .is_some_and(|ns| labels_match(selector, at(&ns, &["metadata", "labels"])))
    };
    let labels = at(pod, &["metadata", "labels"]);
    here && labels_match(at(term, &["labelSelector"]), labels)
        && same_labels(term, "matchLabelKeys", owner, labels)
        && differing_labels(term, owner, labels)
}

/// Labels that the owner has must be the same on both, for the keys that are listed.
fn same_labels(rule: &Value, list: &str, owner: &Value, labels: &Value) -> bool {
    list_at(rule, &[list]).iter().filter_map(Value::as_str).all(|key| {
        let own = at(owner, &["metadata", "labels", key]);
        own.is_null() || own == at(labels, &[key])
    })
}

fn differing_labels(term: &Value, owner: &Value, labels: &Value) -> bool {
    list_at(term, &["mismatchLabelKeys"]).iter().filter_map(Value::as_str).all(|key| {
        let own = at(owner, &["metadata", "labels", key]);
        own.is_null() || own != at(labels, &[key])
    })
}

/// Topology spread constraints that forbid scheduling.
pub(super) fn spread(scene: &Scene, pod: &Value, node: &Value) -> Option<Misfit> {
    const UNFIT: &str = "node(s) didn't match pod topology spread constraints";
    let all = list_at(pod, &["spec", "topologySpreadConstraints"]).iter();
    for constraint in all.filter(|c| str_at(c, &["whenUnsatisfiable"]) != "ScheduleAnyway") {
        let Some(here) = domain(constraint, node) else {
            return Some(Misfit::new(format!("{UNFIT} (missing required label)")));
        };
        let selector = at(constraint, &["labelSelector"]);
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        for other in scene.nodes.iter().filter(|n| is_eligible(constraint, pod, n)) {
            if let Some(domain) = domain(constraint, other) {
                let there = scene.on(other).filter(|p| counts_for(constraint, pod, p)).count();
                *counts.entry(domain).or_default() += there as i64;
            }
        }
        let own = i64::from(labels_match(selector, at(pod, &["metadata", "labels"])));
        let domains = counts.len() as i64;
        let few = int_at(constraint, &["minDomains"]).is_some_and(|least| domains < least);
        let least = if few { 0 } else { counts.values().copied().min().unwrap_or(0) };
        let skew = counts.get(here).copied().unwrap_or(0) + own - least;
        if skew > int_at(constraint, &["maxSkew"]).unwrap_or(1) {
            return Some(Misfit::crowded(UNFIT));
        }
    }
    None
}

/// Whether a node's domain counts: its labels must do by default, its taints if that is asked for.
fn is_eligible(constraint: &Value, pod: &Value, node: &Value) -> bool {
    let labels = str_at(constraint, &["nodeAffinityPolicy"]) == "Ignore" || self::node(pod, node).is_none();
    let taints = str_at(constraint, &["nodeTaintsPolicy"]) != "Honor"
        || list_at(node, &["spec", "taints"]).iter().all(|taint| !fit::blocks(pod, taint));
    labels && taints
}

fn counts_for(constraint: &Value, pod: &Value, other: &Object) -> bool {
    let labels = at(other, &["metadata", "labels"]);
    namespace(other) == namespace(pod)
        && at(other, &["metadata", "deletionTimestamp"]).is_null()
        && labels_match(at(constraint, &["labelSelector"]), labels)
        && same_labels(constraint, "matchLabelKeys", pod, labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn terms_of_nodes() {
        let node = json!({"metadata": {"name": "n", "labels": {"zone": "a", "cores": "8"}}});
        let e = |key: &str, operator: &str, values: Value| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        for (term, want) in [
            (json!({}), false),
            (e("zone", "In", json!(["a", "b"])), true),
            (e("zone", "NotIn", json!(["a"])), false),
            (e("disk", "NotIn", json!(["a"])), true),
            (e("cores", "Gt", json!(["4"])), true),
            (e("cores", "Lt", json!(["4"])), false),
            (e("zone", "Gt", json!(["4"])), false),
            (json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}), true),
            (json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["m"]}]}), false),
        ] {
            assert_eq!(node_term(&term, &node), want, "{term}");
        }
    }
}
