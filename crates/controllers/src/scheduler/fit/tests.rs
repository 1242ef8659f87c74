//! Several nodes: which of them do, and what is said when none does.

use crate::Controller;
use crate::scheduler::Scheduler;
use crate::testing::{Small, lines};
use expect_test::{Expect, expect};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Change, ChangeKind, View};

fn node(name: &str, zone: &str) -> Value {
    let mut labels = json!({"kubernetes.io/hostname": name});
    if !zone.is_empty() {
        labels["zone"] = json!(zone);
    }
    json!({"metadata": {"name": name, "labels": labels},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "10"}}})
}

fn pod(name: &str, app: &str, on: &str, spec: Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": {"app": app}},
        "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Pending"},
    });
    for (field, value) in spec.as_object().expect("fields") {
        pod["spec"][field] = value.clone();
    }
    if !on.is_empty() {
        pod["spec"]["nodeName"] = json!(on);
    }
    pod
}

fn tainted(mut node: Value) -> Value {
    node["spec"]["taints"] = json!([{"key": "a", "value": "b", "effect": "NoSchedule"}]);
    node
}

/// `db@a`: a pod of the app on the node.
fn world(nodes: &[Value], there: &[&str], spec: Value) -> (Small, store::Key) {
    let mut world = Small::default();
    nodes.iter().for_each(|node| drop(world.put("nodes", node.clone())));
    for (number, there) in there.iter().enumerate() {
        let (app, on) = there.split_once('@').expect("a node");
        world.put("pods", pod(&format!("there-{number}"), app, on, json!({})));
    }
    let key = world.put("pods", pod("p", "p", "", spec));
    (world, key)
}

/// The event.
fn check(nodes: &[Value], there: &[&str], spec: Value, expected: Expect) {
    let (world, key) = world(nodes, there, spec);
    let said = lines(&Scheduler::default().reconcile(&world, &key, Timestamp::UNIX_EPOCH));
    expected.assert_eq(said.lines().last().unwrap_or_default());
}

#[test]
fn reasons_are_counted() {
    let nodes = [node("a", "1"), tainted(node("b", "1")), tainted(node("c", "2"))];
    let cpu = |cpu: &str| json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]});
    check(
        &nodes,
        &[],
        cpu("5"),
        expect![
            "Warning FailedScheduling on Pod p: 0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        ],
    );
    // As a DaemonSet's pod says where it belongs.
    let named = |names: Value| {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": names}]}]}}}})
    };
    check(
        &nodes,
        &[],
        named(json!(["b"])),
        expect![
            "Warning FailedScheduling on Pod p: 0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        ],
    );
    check(
        &nodes,
        &[],
        named(json!(["a"])),
        expect!["Normal Scheduled on Pod p: Successfully assigned default/p to a"],
    );
    let contradiction = json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}, {"key": "metadata.name", "operator": "In", "values": ["b"]}]}]}}}});
    check(
        &nodes,
        &[],
        contradiction,
        expect![
            "Warning FailedScheduling on Pod p: 0/3 nodes are available: pod affinity terms conflict. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        ],
    );
    check(
        &[],
        &[],
        json!({}),
        expect!["Warning FailedScheduling on Pod p: no nodes available to schedule pods"],
    );
}

#[test]
fn all_terms_of_affinity_are_one() {
    let nodes = [node("a", "1"), node("b", "2")];
    let term = |app: &str| json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": app}}});
    let near = |terms: Value| json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}});
    check(
        &nodes,
        &["db@b"],
        near(json!([term("db")])),
        expect!["Normal Scheduled on Pod p: Successfully assigned default/p to b"],
    );
    // One pod has to fit all the terms.
    check(
        &nodes,
        &["db@b", "web@b"],
        near(json!([term("db"), term("web")])),
        expect![
            "Warning FailedScheduling on Pod p: 0/2 nodes are available: 2 node(s) didn't match pod affinity rules. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
        ],
    );
    // The first of its kind, on a node that has the topology.
    let nodes = [node("a", ""), node("b", "2")];
    check(
        &nodes,
        &[],
        near(json!([term("p")])),
        expect!["Normal Scheduled on Pod p: Successfully assigned default/p to b"],
    );
}

#[test]
fn constraints_of_spread() {
    let constraint = |key: &str, more: Value| {
        let mut constraint = json!({"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "p"}}});
        more.as_object().expect("fields").iter().for_each(|(k, v)| constraint[k] = v.clone());
        constraint
    };
    let spread = |constraints: Value| json!({"topologySpreadConstraints": constraints});
    let nodes = [node("a", "1"), node("b", "2"), node("c", "")];
    check(
        &nodes,
        &["p@a"],
        spread(json!([constraint("zone", json!({}))])),
        expect!["Normal Scheduled on Pod p: Successfully assigned default/p to b"],
    );
    // A node that lacks one of the topologies counts for none: c is no domain of hosts that is empty.
    let both = json!([constraint("zone", json!({})), constraint("kubernetes.io/hostname", json!({}))]);
    check(
        &nodes,
        &["p@a", "p@b"],
        spread(both),
        expect!["Normal Scheduled on Pod p: Successfully assigned default/p to a"],
    );
    let domains = json!([constraint("zone", json!({"minDomains": 3}))]);
    check(
        &nodes,
        &["p@a", "p@b"],
        spread(domains),
        expect![
            "Warning FailedScheduling on Pod p: 0/3 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label), 2 node(s) didn't match pod topology spread constraints. preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
        ],
    );
    // b is full of taints: its empty domain counts unless the constraint honors them.
    let nodes = [node("a", "1"), tainted(node("b", "2"))];
    check(
        &nodes,
        &["p@a"],
        spread(json!([constraint("zone", json!({}))])),
        expect![
            "Warning FailedScheduling on Pod p: 0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) had untolerated taint(s). preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
        ],
    );
    let honor = json!([constraint("zone", json!({"nodeTaintsPolicy": "Honor"}))]);
    check(
        &nodes,
        &["p@a"],
        spread(honor),
        expect!["Normal Scheduled on Pod p: Successfully assigned default/p to a"],
    );
    // The same for nodes that the pod does not select.
    let nodes = [node("a", "1"), node("b", "2")];
    let select = |policy: &str| json!({"nodeSelector": {"zone": "1"}, "topologySpreadConstraints": [constraint("zone", json!({"nodeAffinityPolicy": policy}))]});
    check(
        &nodes,
        &["p@a"],
        select("Honor"),
        expect!["Normal Scheduled on Pod p: Successfully assigned default/p to a"],
    );
    check(
        &nodes,
        &["p@a"],
        select("Ignore"),
        expect![
            "Warning FailedScheduling on Pod p: 0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) didn't match pod topology spread constraints. preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
        ],
    );
}

/// A pod that waits for company is looked at again when the company arrives, and no other is.
#[test]
fn company_wakes_those_that_wait() {
    let term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}});
    let near =
        json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}});
    let (mut world, key) = world(&[node("a", "1")], &["db@a", "x@a"], near);
    world.put("pods", pod("other", "p", "", json!({})));
    let scheduler = Scheduler::default();
    for (name, want) in [("there-0", vec![key]), ("there-1", vec![])] {
        let object = world.get("pods", "default", name).expect("it was put");
        let mut before = (*object).clone();
        before["spec"]["nodeName"] = json!(null);
        let change = Change {
            version: 1,
            kind: ChangeKind::Modified,
            key: crate::key_of("pods", &object),
            object,
            previous: Some(Arc::new(before)),
            text: Default::default(),
        };
        assert_eq!(scheduler.concerns(&world, &change), want, "{name}");
    }
}
