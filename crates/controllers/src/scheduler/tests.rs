use super::*;
use crate::testing::Small;
use expect_test::{Expect, expect};

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

/// Pods `name priority cpu[ budget][ going]`: `budget` is one that a disruption budget keeps. What becomes of a pod `p` of
/// priority 10 that wants `cpu`, on a node of 4 cores.
fn preempts(cpu: &str, more: Value, running: &[&str], expected: Expect) {
    let mut world = Small::default();
    world.put(
        NODES,
        json!({
            "metadata": {"name": "node", "labels": {"kubernetes.io/hostname": "node"}},
            "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "10"}},
        }),
    );
    world.put(
        "policy/poddisruptionbudgets",
        json!({
            "metadata": {"name": "b", "namespace": "default"}, "status": {"disruptionsAllowed": 0},
            "spec": {"selector": {"matchLabels": {"kept": "true"}}},
        }),
    );
    for line in running {
        let words: Vec<&str> = line.split(' ').collect();
        let mut pod = pod(words[0], requests(json!({"cpu": words[2]})));
        pod["spec"]["nodeName"] = json!("node");
        pod["spec"]["priority"] = json!(words[1].parse::<i64>().expect("a number"));
        for word in &words[3..] {
            match *word {
                "budget" => pod["metadata"]["labels"]["kept"] = json!("true"),
                _ => {
                    pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
                    pod["status"]["conditions"] = json!([{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]);
                }
            }
        }
        world.put("pods", pod);
    }
    let mut wanted = pod("p", requests(json!({"cpu": cpu})));
    wanted["spec"]["priority"] = json!(10);
    for (field, value) in more.as_object().expect("fields") {
        wanted[field] = value.clone();
    }
    let key = world.put("pods", wanted);
    let outcome = Scheduler::default().reconcile(&world, &key, Timestamp::UNIX_EPOCH);
    let lines = outcome.writes.iter().map(|write| match write {
        Write::UpdateStatus { object, .. } => format!("nominated {}", object["status"]["nominatedNodeName"]),
        other => crate::testing::line(other),
    });
    expected.assert_eq(&lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_less_important_go() {
    let none = || json!({});
    preempts(
        "2",
        none(),
        &["a 0 3"],
        expect![[r#"
        nominated "node"
        Warning FailedScheduling on Pod p: 0/1 nodes are available: 1 Insufficient cpu.
        nominated null
        delete pods default/a Background
        Normal Preempted on Pod a: Preempted by pod p on node node"#]],
    );
    // As few as will do, the least important; those of the same importance stay.
    preempts(
        "2",
        none(),
        &["a 5 1", "b 1 1", "c 3 1", "d 10 1"],
        expect![[r#"
        nominated "node"
        Warning FailedScheduling on Pod p: 0/1 nodes are available: 1 Insufficient cpu.
        nominated null
        delete pods default/c Background
        Normal Preempted on Pod c: Preempted by pod p on node node
        nominated null
        delete pods default/b Background
        Normal Preempted on Pod b: Preempted by pod p on node node"#]],
    );
    preempts(
        "2",
        none(),
        &["a 10 3"],
        expect![[r#"
        nominated null
        Warning FailedScheduling on Pod p: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."#]],
    );
    preempts(
        "2",
        none(),
        &["a 10 3", "b 0 500m"],
        expect![[r#"
        nominated null
        Warning FailedScheduling on Pod p: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Insufficient cpu."#]],
    );
    // A budget keeps its pods if others will do.
    preempts(
        "1",
        none(),
        &["a 0 2 budget", "b 5 2"],
        expect![[r#"
        nominated "node"
        Warning FailedScheduling on Pod p: 0/1 nodes are available: 1 Insufficient cpu.
        nominated null
        delete pods default/b Background
        Normal Preempted on Pod b: Preempted by pod p on node node"#]],
    );
    preempts(
        "3",
        none(),
        &["a 0 2 budget", "b 10 2"],
        expect![[r#"
        nominated null
        Warning FailedScheduling on Pod p: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Insufficient cpu."#]],
    );
    preempts(
        "1",
        none(),
        &["a 0 4 budget"],
        expect![[r#"
        nominated "node"
        Warning FailedScheduling on Pod p: 0/1 nodes are available: 1 Insufficient cpu.
        nominated null
        delete pods default/a Background
        Normal Preempted on Pod a: Preempted by pod p on node node"#]],
    );
    let nominated = || json!({"status": {"nominatedNodeName": "node"}});
    preempts(
        "2",
        nominated(),
        &["a 0 3 going"],
        expect![[r#"
        nominated "node"
        Warning FailedScheduling on Pod p: 0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to a terminating pod on the nominated node."#]],
    );
    preempts(
        "1",
        nominated(),
        &["b 10 2"],
        expect![[r#"
        merge pods default/p status {"status":{"nominatedNodeName":null}}
        merge pods default/p binding {"spec":{"nodeName":"node"}}
        Normal Scheduled on Pod p: Successfully assigned default/p to node"#]],
    );
    let mut never = pod("p", requests(json!({"cpu": "2"})));
    never["spec"]["preemptionPolicy"] = json!("Never");
    never["spec"]["priority"] = json!(10);
    preempts(
        "2",
        json!({"spec": never["spec"]}),
        &["a 0 3"],
        expect![[r#"
        nominated null
        Warning FailedScheduling on Pod p: 0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."#]],
    );
    preempts(
        "5",
        none(),
        &["a 0 3"],
        expect![[r#"
        nominated null
        Warning FailedScheduling on Pod p: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."#]],
    );
}

#[test]
fn room_that_was_made_is_kept() {
    let mut world = Small::default();
    world.put(NODES, json!({"metadata": {"name": "node"}, "status": {"allocatable": {"cpu": "4"}}}));
    let mut first = pod("first", requests(json!({"cpu": "3"})));
    first["spec"]["priority"] = json!(10);
    first["status"]["nominatedNodeName"] = json!("node");
    world.put("pods", first);
    let key = world.put("pods", pod("p", requests(json!({"cpu": "2"}))));
    let outcome = Scheduler::default().reconcile(&world, &key, Timestamp::UNIX_EPOCH);
    assert!(!outcome.writes.iter().any(|w| matches!(w, Write::Merge { subresource: "binding", .. })));
    let mut important = pod("q", requests(json!({"cpu": "2"})));
    important["spec"]["priority"] = json!(20);
    let key = world.put("pods", important);
    let outcome = Scheduler::default().reconcile(&world, &key, Timestamp::UNIX_EPOCH);
    assert!(outcome.writes.iter().any(|w| matches!(w, Write::Merge { subresource: "binding", .. })));
}

#[test]
fn room_goes_to_the_more_important() {
    let mut world = Small::default();
    world.put(NODES, json!({"metadata": {"name": "node"}, "status": {"allocatable": {"cpu": "4"}}}));
    let mut running = pod("running", requests(json!({"cpu": "3"})));
    running["spec"]["nodeName"] = json!("node");
    world.put("pods", running);
    for (name, priority) in [("less", 5), ("more", 30)] {
        let mut waiting = pod(name, requests(json!({"cpu": "1"})));
        waiting["spec"]["priority"] = json!(priority);
        waiting["status"]["nominatedNodeName"] = json!("node");
        world.put("pods", waiting);
    }
    let mut important = pod("q", requests(json!({"cpu": "3"})));
    important["spec"]["priority"] = json!(20);
    let key = world.put("pods", important);
    let outcome = Scheduler::default().reconcile(&world, &key, Timestamp::UNIX_EPOCH);
    let merges = outcome.writes.iter().filter(|write| matches!(write, Write::Merge { .. }));
    let merges: Vec<String> = merges.map(crate::testing::line).collect();
    assert_eq!(merges, [r#"merge pods default/less status {"status":{"nominatedNodeName":null}}"#]);
}

#[test]
fn volumes_hold_pods_where_they_are() {
    let volume = |host: &str| {
        json!({"metadata": {"name": "v"}, "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}]}]}}}})
    };
    for (host, mode, want) in [
        ("node", "ReadWriteOnce", "Scheduled"),
        ("other", "ReadWriteOnce", "node(s) didn't match PersistentVolume's node affinity"),
        (
            "node",
            "ReadWriteOncePod",
            "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod",
        ),
    ] {
        let mut world = Small::default();
        world.put(NODES, json!({"metadata": {"name": "node", "labels": {"kubernetes.io/hostname": "node"}}}));
        world.put("persistentvolumes", volume(host));
        world.put(
            "persistentvolumeclaims",
            json!({"metadata": {"name": "c", "namespace": "default"}, "spec": {"volumeName": "v", "accessModes": [mode]}}),
        );
        let uses = || json!({"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "c"}}]});
        let mut running = pod("other", uses());
        running["spec"]["nodeName"] = json!("node");
        world.put("pods", running);
        let key = world.put("pods", pod("p", uses()));
        let text =
            crate::testing::lines(&Scheduler::default().reconcile(&world, &key, Timestamp::UNIX_EPOCH));
        assert!(text.contains(want), "{host} {mode}: {text}");
    }
}

/// A class without a provisioner: the pod goes where a volume is.
#[test]
fn volumes_that_are_made_by_hand_choose_the_node() {
    let volume = |host: &str| {
        json!({"metadata": {"name": "v"}, "status": {"phase": "Available"}, "spec": {"storageClassName": "local",
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}]}]}}}})
    };
    for (host, size, want) in [
        ("b", "1Gi", "Successfully assigned default/p to b"),
        ("b", "2Gi", "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."),
        ("c", "1Gi", "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."),
    ] {
        let mut world = Small::default();
        for name in ["a", "b"] {
            world.put(NODES, json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}}));
        }
        let class = json!({"metadata": {"name": "local"}, "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer"});
        world.put("storage.k8s.io/storageclasses", class);
        world.put("persistentvolumes", volume(host));
        world.put("persistentvolumeclaims", json!({"metadata": {"name": "c", "namespace": "default"}, "spec": {
            "storageClassName": "local", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}}));
        let uses = json!({"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "c"}}]});
        let key = world.put("pods", pod("p", uses));
        let text =
            crate::testing::lines(&Scheduler::default().reconcile(&world, &key, Timestamp::UNIX_EPOCH));
        assert!(text.contains(want), "{host} {size}: {text}");
    }
}
