//! Taints of nodes, and what pods tolerate of them.

use super::fit::Misfit;
use crate::access::{at, list_at, str_at};
use serde_json::{Value, json};

pub(super) fn unschedulable(pod: &Value, node: &Value) -> Option<Misfit> {
    let taint = json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
    let refuses = at(node, &["spec", "unschedulable"]) == &Value::Bool(true) && blocks(pod, &taint);
    refuses.then(|| Misfit::new("node(s) were unschedulable"))
}

pub(super) fn misfit(pod: &Value, node: &Value) -> Option<Misfit> {
    let tainted = list_at(node, &["spec", "taints"]).iter().any(|taint| blocks(pod, taint));
    tainted.then(|| Misfit::new("node(s) had untolerated taint(s)"))
}

pub(super) fn blocks(pod: &Value, taint: &Value) -> bool {
    matches!(str_at(taint, &["effect"]), "NoSchedule" | "NoExecute") && !tolerates(pod, taint)
}

/// How many taints that pods are better kept from this one does not tolerate.
pub(super) fn unwelcome(pod: &Value, node: &Value) -> i64 {
    let taints = list_at(node, &["spec", "taints"]).iter();
    let preferred = taints.filter(|taint| str_at(taint, &["effect"]) == "PreferNoSchedule");
    preferred.filter(|taint| !tolerates(pod, taint)).count() as i64
}

fn tolerates(pod: &Value, taint: &Value) -> bool {
    tolerations_of(pod, taint).next().is_some()
}

/// The pod's tolerations that are about this taint.
pub(crate) fn tolerations_of<'a>(pod: &'a Value, taint: &'a Value) -> impl Iterator<Item = &'a Value> {
    list_at(pod, &["spec", "tolerations"]).iter().filter(move |toleration| {
        let (key, effect) = (str_at(toleration, &["key"]), str_at(toleration, &["effect"]));
        let key_fits = key.is_empty() || key == str_at(taint, &["key"]);
        let effect_fits = effect.is_empty() || effect == str_at(taint, &["effect"]);
        key_fits && effect_fits && value_fits(toleration, str_at(taint, &["value"]))
    })
}

fn value_fits(toleration: &Value, value: &str) -> bool {
    let wanted = str_at(toleration, &["value"]);
    let compare = |fits: fn(i64, i64) -> bool| match (value.parse(), wanted.parse()) {
        (Ok(value), Ok(wanted)) => fits(value, wanted),
        _ => false,
    };
    match str_at(toleration, &["operator"]) {
        "Exists" => true,
        "Gt" => compare(|value, wanted| value > wanted),
        "Lt" => compare(|value, wanted| value < wanted),
        _ => wanted == value,
    }
}
