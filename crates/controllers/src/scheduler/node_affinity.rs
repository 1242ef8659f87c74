//! Affinity to nodes: what is required, what is preferred, and the nodes that are named.

use super::fit::Misfit;
use crate::access::{at, int_at, list_at, name, str_at};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
pub(super) const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// `nodeSelector` and required affinity to nodes.
pub(super) fn misfit(pod: &Value, node: &Value) -> Option<Misfit> {
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

/// The nodes that required terms name by `metadata.name`; none where some term names no node. An empty set: the names
/// contradict each other.
pub(super) fn named(pod: &Value) -> Option<BTreeSet<&str>> {
    let terms = list_at(pod, &["spec", "affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms"]);
    if terms.is_empty() {
        return None;
    }
    let mut names = BTreeSet::new();
    for term in terms {
        let fields = list_at(term, &["matchFields"]).iter();
        let by_name = |e: &&Value| str_at(e, &["key"]) == "metadata.name" && str_at(e, &["operator"]) == "In";
        let of_term = fields.filter(by_name).map(values).reduce(|a, b| &a & &b)?;
        names.extend(of_term);
    }
    Some(names)
}

fn values(expression: &Value) -> BTreeSet<&str> {
    list_at(expression, &["values"]).iter().filter_map(Value::as_str).collect()
}

/// The weights of the preferred terms that select this node.
pub(super) fn preference(pod: &Value, node: &Value) -> i64 {
    let terms = list_at(pod, &["spec", "affinity", "nodeAffinity", PREFERRED]).iter();
    let fitting = terms.filter(|term| node_term(at(term, &["preference"]), node));
    fitting.filter_map(|term| int_at(term, &["weight"])).sum()
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
