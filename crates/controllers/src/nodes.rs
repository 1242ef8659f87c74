//! Nodes: what is wrong with a node becomes a taint, as upstream's node lifecycle controller has it.
//!
//! Whether a node still answers is not judged here: the one node of the cluster lives with the daemon, and other Node
//! objects are whatever somebody says of them.

use crate::access::{self, at, format_time, key, list_at, str_at};
use crate::{Controller, Outcome, Server};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{Change, Key, Write};

pub(crate) const NODES: &str = "nodes";
const PREFIX: &str = "node.kubernetes.io/";

/// A condition in a state, and the taint that comes of it.
const BY_CONDITION: [(&str, &str, &str); 6] = [
    ("Ready", "False", "not-ready"),
    ("Ready", "Unknown", "unreachable"),
    ("MemoryPressure", "True", "memory-pressure"),
    ("DiskPressure", "True", "disk-pressure"),
    ("PIDPressure", "True", "pid-pressure"),
    ("NetworkUnavailable", "True", "network-unavailable"),
];
const UNSCHEDULABLE: &str = "unschedulable";

pub(crate) struct Nodes;

impl Controller for Nodes {
    fn name(&self) -> &'static str {
        "node-controller"
    }

    fn concerns(&self, _server: &dyn Server, change: &Change) -> Vec<Key> {
        let of = |node: &Value| (wanted(node), at(node, &["spec", "taints"]).clone());
        let matters = || change.previous.as_ref().is_none_or(|old| of(old) != of(&change.object));
        let is_node = &*change.key.resource.0 == NODES;
        if is_node && matters() { vec![change.key.clone()] } else { Vec::new() }
    }

    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome {
        let mut outcome = Outcome::default();
        let Some(node) = server.get(NODES, "", &key.name) else { return outcome };
        let before = list_at(&node, &["spec", "taints"]);
        let wanted = wanted(&node);
        let is_wanted = |taint: &Value| wanted.iter().any(|(k, effect)| is(taint, k, effect));
        let mut taints: Vec<Value> =
            before.iter().filter(|taint| !is_ours(taint) || is_wanted(taint)).cloned().collect();
        for (kind, effect) in &wanted {
            if !before.iter().any(|taint| is(taint, kind, effect)) {
                let name = format!("{PREFIX}{kind}");
                taints.push(json!({"key": name, "effect": effect, "timeAdded": format_time(now)}));
            }
        }
        if taints != before {
            outcome.write(taint(&node, &taints));
        }
        outcome
    }
}

/// (the key without its prefix, effect) of each taint that follows from a node's state.
fn wanted(node: &Value) -> Vec<(&'static str, &'static str)> {
    let conditions = list_at(node, &["status", "conditions"]);
    let holds = |kind: &str, status: &str| {
        conditions.iter().any(|c| str_at(c, &["type"]) == kind && str_at(c, &["status"]) == status)
    };
    let mut taints = Vec::new();
    for (kind, _, taint) in BY_CONDITION.into_iter().filter(|(kind, status, _)| holds(kind, status)) {
        taints.push((taint, "NoSchedule"));
        if kind == "Ready" {
            taints.push((taint, "NoExecute"));
        }
    }
    if at(node, &["spec", "unschedulable"]) == &json!(true) {
        taints.push((UNSCHEDULABLE, "NoSchedule"));
    }
    taints
}

fn is(taint: &Value, kind: &str, effect: &str) -> bool {
    str_at(taint, &["key"]).strip_prefix(PREFIX) == Some(kind) && str_at(taint, &["effect"]) == effect
}

/// Whether the taint goes when its reason goes.
fn is_ours(taint: &Value) -> bool {
    let kinds = BY_CONDITION.iter().map(|(.., kind)| *kind).chain([UNSCHEDULABLE]);
    let evicts = ["not-ready", "unreachable"].iter().any(|kind| is(taint, kind, "NoExecute"));
    evicts || kinds.into_iter().any(|kind| is(taint, kind, "NoSchedule"))
}

fn taint(node: &Value, taints: &[Value]) -> Write {
    let version = at(node, &["metadata", "resourceVersion"]);
    let taints = if taints.is_empty() { Value::Null } else { json!(taints) };
    let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"taints": taints}});
    Write::Merge { key: key(NODES, "", access::name(node)), subresource: "", patch }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Small, lines};
    use expect_test::{Expect, expect};

    fn check(conditions: &[(&str, &str)], spec: Value, expected: Expect) {
        let mut world = Small::default();
        let conditions: Vec<Value> =
            conditions.iter().map(|(kind, status)| json!({"type": kind, "status": status})).collect();
        let key = world.put(
            NODES,
            json!({"metadata": {"name": "n", "resourceVersion": "7"}, "spec": spec, "status": {"conditions": conditions}}),
        );
        expected.assert_eq(&lines(&Nodes.reconcile(&world, &key, Timestamp::UNIX_EPOCH)));
    }

    #[test]
    fn conditions_become_taints() {
        let taints = |list: Value| json!({"taints": list});
        let good = [("Ready", "True"), ("DiskPressure", "False")];
        check(&good, json!({}), expect![[""]]);
        check(&[], json!({}), expect![[""]]);
        check(
            &[("Ready", "False"), ("DiskPressure", "True")],
            json!({}),
            expect![[
                r#"merge nodes n {"metadata":{"resourceVersion":"7"},"spec":{"taints":[{"key":"node.kubernetes.io/not-ready","effect":"NoSchedule","timeAdded":"1970-01-01T00:00:00Z"},{"key":"node.kubernetes.io/not-ready","effect":"NoExecute","timeAdded":"1970-01-01T00:00:00Z"},{"key":"node.kubernetes.io/disk-pressure","effect":"NoSchedule","timeAdded":"1970-01-01T00:00:00Z"}]}}"#
            ]],
        );
        check(
            &good,
            json!({"unschedulable": true}),
            expect![[
                r#"merge nodes n {"metadata":{"resourceVersion":"7"},"spec":{"taints":[{"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule","timeAdded":"1970-01-01T00:00:00Z"}]}}"#
            ]],
        );
        // What has passed goes, what others have set stays.
        let old = json!([
            {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"},
            {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
            {"key": "gpu", "effect": "NoSchedule"},
            {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"},
        ]);
        check(
            &good,
            taints(old),
            expect![[
                r#"merge nodes n {"metadata":{"resourceVersion":"7"},"spec":{"taints":[{"key":"gpu","effect":"NoSchedule"},{"key":"node.kubernetes.io/out-of-service","effect":"NoExecute"}]}}"#
            ]],
        );
        let only = json!([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]);
        check(
            &good,
            taints(only.clone()),
            expect![[r#"merge nodes n {"metadata":{"resourceVersion":"7"},"spec":{"taints":null}}"#]],
        );
        let mut cordoned = taints(only);
        cordoned["unschedulable"] = json!(true);
        check(&good, cordoned, expect![[""]]);
    }
}
