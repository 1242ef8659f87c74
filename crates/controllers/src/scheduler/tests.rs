use super::*;
use crate::testing::Small;
use expect_test::{Expect, expect};

mod preemption;
mod volumes;

fn pod(name: &str, spec: Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Pending"},
    });
    for (field, value) in spec.as_object().expect("fields") {
        pod["spec"][field] = value.clone();
    }
    pod
}

fn requests(list: Value) -> Value {
    json!({"containers": [{"name": "c", "resources": {"requests": list}}]})
}

/// What is said of a pod beside one that runs already, on a node of 4 cores.
fn check(spec: Value, running: Value, node: Value, expected: Expect) {
    let mut world = Small::default();
    let mut there = json!({
        "metadata": {"name": "node", "labels": {"kubernetes.io/hostname": "node"}}, "spec": node,
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "3"}},
    });
    there["kind"] = json!("Node");
    world.put(NODES, there);
    let mut running = pod("other", running);
    running["spec"]["nodeName"] = json!("node");
    world.put("pods", running);
    world.put(
        "persistentvolumeclaims",
        json!({
        "metadata": {"name": "slow", "namespace": "default"}, "spec": {"storageClassName": "none"}}),
    );
    let key = world.put("pods", pod("p", spec));
    let outcome = Scheduler::default().reconcile(&world, &key, Timestamp::UNIX_EPOCH);
    let lines: Vec<String> = outcome
        .writes
        .iter()
        .filter_map(|write| match write {
            Write::Event { reason, message, .. } => Some(format!("{reason}: {message}")),
            Write::UpdateStatus { object, .. } => {
                let condition = &object["status"]["conditions"][0];
                Some(format!("{} {}", condition["status"], condition["reason"]))
            }
            _ => None,
        })
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn says_why() {
    let none = || json!({});
    check(none(), none(), none(), expect!["Scheduled: Successfully assigned default/p to node"]);
    check(
        requests(json!({"cpu": "3"})),
        requests(json!({"cpu": "2"})),
        none(),
        expect![[r#"
        "False" "Unschedulable"
        FailedScheduling: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."#]],
    );
    check(
        requests(json!({"cpu": "9", "memory": "9Gi", "example.com/gpu": "1"})),
        none(),
        none(),
        expect![[r#"
        "False" "Unschedulable"
        FailedScheduling: 0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient example.com/gpu, 1 Insufficient memory. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."#]],
    );
    check(
        json!({"nodeSelector": {"disk": "ssd"}}),
        none(),
        none(),
        expect![[r#"
        "False" "Unschedulable"
        FailedScheduling: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."#]],
    );
    check(
        none(),
        none(),
        json!({"taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}]}),
        expect![[r#"
        "False" "Unschedulable"
        FailedScheduling: 0/1 nodes are available: 1 node(s) had untolerated taint(s). preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."#]],
    );
    let port = || json!({"containers": [{"name": "c", "ports": [{"hostPort": 80, "containerPort": 80}]}]});
    check(
        port(),
        port(),
        none(),
        expect![[r#"
        "False" "Unschedulable"
        FailedScheduling: 0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."#]],
    );
    check(
        json!({"volumes": [{"persistentVolumeClaim": {"claimName": "no"}}]}),
        none(),
        none(),
        expect![[r#"
        "False" "Unschedulable"
        FailedScheduling: 0/1 nodes are available: persistentvolumeclaim "no" not found. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."#]],
    );
    check(
        json!({"volumes": [{"persistentVolumeClaim": {"claimName": "slow"}}]}),
        none(),
        none(),
        expect![[r#"
        "False" "Unschedulable"
        FailedScheduling: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."#]],
    );
    check(
        json!({"schedulingGates": [{"name": "g"}]}),
        none(),
        none(),
        expect![[r#""False" "SchedulingGated""#]],
    );
}

#[test]
fn pods_together_and_apart() {
    let term = |app: &str| json!([{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": app}}}]);
    let affinity = |kind: &str, app: &str| json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": term(app)}}});
    let none = || json!({});
    check(
        affinity("podAffinity", "other"),
        none(),
        none(),
        expect!["Scheduled: Successfully assigned default/p to node"],
    );
    check(
        affinity("podAffinity", "p"),
        none(),
        none(),
        expect!["Scheduled: Successfully assigned default/p to node"],
    );
    check(
        affinity("podAffinity", "x"),
        none(),
        none(),
        expect![[r#"
        "False" "Unschedulable"
        FailedScheduling: 0/1 nodes are available: 1 node(s) didn't match pod affinity rules. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."#]],
    );
    check(
        affinity("podAntiAffinity", "other"),
        none(),
        none(),
        expect![[r#"
        "False" "Unschedulable"
        FailedScheduling: 0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."#]],
    );
    check(
        none(),
        affinity("podAntiAffinity", "p"),
        none(),
        expect![[r#"
        "False" "Unschedulable"
        FailedScheduling: 0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."#]],
    );
    let spread = |key: &str, least: Value| {
        json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule",
            "minDomains": least, "labelSelector": {}}]})
    };
    check(
        spread("kubernetes.io/hostname", Value::Null),
        none(),
        none(),
        expect!["Scheduled: Successfully assigned default/p to node"],
    );
    check(
        spread("zone", Value::Null),
        none(),
        none(),
        expect![[r#"
        "False" "Unschedulable"
        FailedScheduling: 0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label). preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."#]],
    );
    check(
        spread("kubernetes.io/hostname", json!(3)),
        none(),
        none(),
        expect![[r#"
        "False" "Unschedulable"
        FailedScheduling: 0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."#]],
    );
}
