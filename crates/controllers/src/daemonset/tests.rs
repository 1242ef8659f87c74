use super::*;
use crate::testing::{Small, lines};
use expect_test::{Expect, expect};

/// `node old|new ready|unready|ended`, or an extra word `going`.
fn check(strategy: Value, nodes: &[(&str, Value)], pods: &[&str], expected: Expect) {
    let mut world = Small::default();
    let set = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "ds", "namespace": "n", "uid": "d"},
        "spec": {"updateStrategy": strategy, "selector": {"matchLabels": {"app": "ds"}}, "template": {
            "metadata": {"labels": {"app": "ds"}},
            "spec": {"nodeSelector": {"kind": "worker"}, "containers": [{"name": "c"}]}}},
    });
    let hash = access::content_hash(at(&set, &["spec", "template"]));
    let key = world.put(DAEMONSETS, set);
    world.put("apps/controllerrevisions", json!({
        "metadata": {"name": format!("ds-{hash}"), "namespace": "n", "uid": "r", "ownerReferences": [{"uid": "d"}]},
        "revision": 1,
    }));
    for (node, spec) in nodes {
        world.put("nodes", json!({"metadata": {"name": node, "labels": {"kind": "worker"}}, "spec": spec}));
    }
    for (number, line) in pods.iter().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        let mut pod = json!({
            "metadata": {
                "name": format!("{}-{number}", words[0]), "namespace": "n", "uid": line,
                "labels": {"app": "ds", HASH_LABEL: if words[1] == "new" { &hash } else { "old" }},
                "ownerReferences": [{"kind": "DaemonSet", "name": "ds", "uid": "d", "controller": true}],
            },
            "spec": {"nodeName": words[0]},
            "status": {"phase": if words[2] == "ended" { "Failed" } else { "Running" }, "conditions": [
                {"type": "Ready", "status": if words[2] == "ready" { "True" } else { "False" }}]},
        });
        if words.get(3) == Some(&"going") {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        world.put("pods", pod);
    }
    let text = lines(&DaemonSets.reconcile(&world, &key, Timestamp::UNIX_EPOCH));
    expected.assert_eq(&text.replace("SuccessfulDelete on DaemonSet ds: Deleted pod", "Deleted"));
}

#[test]
fn one_a_node() {
    let none = || json!({});
    let tainted = |effect: &str| json!({"taints": [{"key": "k", "value": "v", "effect": effect}]});
    check(
        none(),
        &[("a", none())],
        &[],
        expect![[r#"
        create pods ds-
        status apps/daemonsets ds {"numberUnavailable":1,"currentNumberScheduled":0,"desiredNumberScheduled":1,"numberMisscheduled":0,"numberReady":0}"#]],
    );
    check(
        none(),
        &[(
            "a",
            json!({"unschedulable": true, "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}),
        )],
        &[],
        expect![[r#"
            create pods ds-
            status apps/daemonsets ds {"numberUnavailable":1,"currentNumberScheduled":0,"desiredNumberScheduled":1,"numberMisscheduled":0,"numberReady":0}"#]],
    );
    check(
        none(),
        &[("a", tainted("NoSchedule"))],
        &[],
        expect![[
            r#"status apps/daemonsets ds {"currentNumberScheduled":0,"desiredNumberScheduled":0,"numberMisscheduled":0,"numberReady":0}"#
        ]],
    );
    check(
        none(),
        &[("a", tainted("NoSchedule"))],
        &["a new ready"],
        expect![[
            r#"status apps/daemonsets ds {"currentNumberScheduled":0,"desiredNumberScheduled":0,"numberMisscheduled":1,"numberReady":0}"#
        ]],
    );
    check(
        none(),
        &[("a", tainted("NoExecute"))],
        &["a new ready"],
        expect![[r#"
        delete pods n/a-0 Background
        Normal Deleted: a-0
        status apps/daemonsets ds {"currentNumberScheduled":0,"desiredNumberScheduled":0,"numberMisscheduled":1,"numberReady":0}"#]],
    );
    check(
        none(),
        &[("a", none())],
        &["a new ended"],
        expect![[r#"
        Warning FailedDaemonPod on DaemonSet ds: Found failed daemon pod n/a-0 on node a, will try to kill it
        delete pods n/a-0 Background
        Normal Deleted: a-0
        status apps/daemonsets ds {"updatedNumberScheduled":1,"numberUnavailable":1,"currentNumberScheduled":1,"desiredNumberScheduled":1,"numberMisscheduled":0,"numberReady":0}"#]],
    );
    check(
        none(),
        &[("a", none())],
        &["a new ready", "gone new ready"],
        expect![[r#"
        delete pods n/gone-1 Background
        Normal Deleted: gone-1
        status apps/daemonsets ds {"updatedNumberScheduled":1,"numberAvailable":1,"currentNumberScheduled":1,"desiredNumberScheduled":1,"numberMisscheduled":0,"numberReady":1}"#]],
    );
}

#[test]
fn updates() {
    let rolling = |rule: Value| json!({"type": "RollingUpdate", "rollingUpdate": rule});
    let nodes = [("a", json!({})), ("b", json!({})), ("c", json!({}))];
    let old = ["a old ready", "b old ready", "c old ready"];
    check(
        json!({"type": "OnDelete"}),
        &nodes,
        &old,
        expect![[
            r#"status apps/daemonsets ds {"numberAvailable":3,"currentNumberScheduled":3,"desiredNumberScheduled":3,"numberMisscheduled":0,"numberReady":3}"#
        ]],
    );
    check(
        rolling(json!({"maxUnavailable": 1})),
        &nodes,
        &old,
        expect![[r#"
        delete pods n/a-0 Background
        Normal Deleted: a-0
        status apps/daemonsets ds {"numberAvailable":3,"currentNumberScheduled":3,"desiredNumberScheduled":3,"numberMisscheduled":0,"numberReady":3}"#]],
    );
    check(
        rolling(json!({"maxUnavailable": "50%"})),
        &nodes,
        &old,
        expect![[r#"
        delete pods n/a-0 Background
        Normal Deleted: a-0
        delete pods n/b-1 Background
        Normal Deleted: b-1
        status apps/daemonsets ds {"numberAvailable":3,"currentNumberScheduled":3,"desiredNumberScheduled":3,"numberMisscheduled":0,"numberReady":3}"#]],
    );
    check(
        rolling(json!({"maxUnavailable": 1})),
        &nodes,
        &["a old ready", "b old unready", "c old ready"],
        expect![[r#"
            delete pods n/b-1 Background
            Normal Deleted: b-1
            status apps/daemonsets ds {"numberAvailable":2,"numberUnavailable":1,"currentNumberScheduled":3,"desiredNumberScheduled":3,"numberMisscheduled":0,"numberReady":2}"#]],
    );
    check(
        rolling(json!({"maxSurge": 1, "maxUnavailable": 0})),
        &nodes,
        &old,
        expect![[r#"
        create pods ds-
        status apps/daemonsets ds {"numberAvailable":3,"currentNumberScheduled":3,"desiredNumberScheduled":3,"numberMisscheduled":0,"numberReady":3}"#]],
    );
    check(
        rolling(json!({"maxSurge": 1, "maxUnavailable": 0})),
        &nodes,
        &["a old ready", "a new ready", "b old ready", "c old ready"],
        expect![[r#"
            delete pods n/a-0 Background
            Normal Deleted: a-0
            status apps/daemonsets ds {"numberAvailable":3,"currentNumberScheduled":3,"desiredNumberScheduled":3,"numberMisscheduled":0,"numberReady":3}"#]],
    );
    // The old one does not run any more: it goes, whatever becomes of the new one.
    check(
        rolling(json!({"maxSurge": 1, "maxUnavailable": 0})),
        &nodes,
        &["a old unready", "a new unready", "b new ready", "c old ready"],
        expect![[r#"
            delete pods n/a-0 Background
            Normal Deleted: a-0
            status apps/daemonsets ds {"updatedNumberScheduled":1,"numberAvailable":2,"numberUnavailable":1,"currentNumberScheduled":3,"desiredNumberScheduled":3,"numberMisscheduled":0,"numberReady":2}"#]],
    );
    // The new one is not there yet, and counts against the surge.
    check(
        rolling(json!({"maxSurge": 1, "maxUnavailable": 0})),
        &nodes,
        &["a old ready", "a new unready", "b old unready", "c old ready"],
        expect![[r#"
            create pods ds-
            status apps/daemonsets ds {"numberAvailable":2,"numberUnavailable":1,"currentNumberScheduled":3,"desiredNumberScheduled":3,"numberMisscheduled":0,"numberReady":2}"#]],
    );
    check(
        rolling(json!({"maxUnavailable": 2})),
        &nodes,
        &["a old ready", "b old unready", "c old ready"],
        expect![[r#"
            delete pods n/b-1 Background
            Normal Deleted: b-1
            delete pods n/a-0 Background
            Normal Deleted: a-0
            status apps/daemonsets ds {"numberAvailable":2,"numberUnavailable":1,"currentNumberScheduled":3,"desiredNumberScheduled":3,"numberMisscheduled":0,"numberReady":2}"#]],
    );
}

#[test]
fn of_several_the_oldest_stays() {
    let rolling = |rule: Value| json!({"type": "RollingUpdate", "rollingUpdate": rule});
    let nodes = [("a", json!({}))];
    let several = ["a new ready", "a new unready", "a old ready"];
    check(
        rolling(json!({"maxUnavailable": 1})),
        &nodes,
        &several,
        expect![[r#"
        delete pods n/a-1 Background
        Normal Deleted: a-1
        delete pods n/a-2 Background
        Normal Deleted: a-2
        status apps/daemonsets ds {"updatedNumberScheduled":1,"numberAvailable":1,"currentNumberScheduled":1,"desiredNumberScheduled":1,"numberMisscheduled":0,"numberReady":1}"#]],
    );
    check(
        rolling(json!({"maxSurge": 1, "maxUnavailable": 0})),
        &nodes,
        &several,
        expect![[r#"
        delete pods n/a-1 Background
        Normal Deleted: a-1
        delete pods n/a-2 Background
        Normal Deleted: a-2
        status apps/daemonsets ds {"updatedNumberScheduled":1,"numberAvailable":1,"currentNumberScheduled":1,"desiredNumberScheduled":1,"numberMisscheduled":0,"numberReady":1}"#]],
    );
}
