//! Less important pods make room.

use super::*;

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
