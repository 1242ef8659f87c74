use super::*;
use crate::testing::{Small, lines};
use expect_test::{Expect, expect};

const NOW: &str = "2026-01-01T01:00:00Z";

fn deployment(spec: Value, status: Value) -> Value {
    let mut whole = json!({
        "replicas": 10, "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "new"}]}},
    });
    for (name, value) in spec.as_object().expect("fields") {
        whole[name] = value.clone();
    }
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "default", "uid": "d", "generation": 1,
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": whole, "status": status,
    })
}

/// `image replicas/available [of=N/M] [rev=N] [free]`: `of` are the annotations of a set's size, `free` one without an
/// owner. Sets are made one second after the other.
fn set(second: usize, line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    let (replicas, available) = words[1].split_once('/').expect("replicas/available");
    let number = |text: &str| text.parse::<i64>().expect("a number");
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("web-{}", words[0]), "namespace": "default", "uid": words[0], "generation": 1,
            "labels": {"app": "web"}, "annotations": {}, "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "d", "controller": true}],
        },
        "spec": {"replicas": number(replicas), "template": {
            "metadata": {"labels": {"app": "web", HASH_LABEL: "h"}},
            "spec": {"containers": [{"name": "c", "image": words[0]}]},
        }},
        "status": {
            "replicas": number(replicas), "readyReplicas": number(available), "availableReplicas": number(available),
            "observedGeneration": 1,
        },
    });
    for word in &words[2..] {
        if let Some((desired, most)) = word.strip_prefix("of=").and_then(|of| of.split_once('/')) {
            set["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] = json!(desired);
            set["metadata"]["annotations"]["deployment.kubernetes.io/max-replicas"] = json!(most);
        } else if let Some(revision) = word.strip_prefix("rev=") {
            set["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!(revision);
        } else {
            set["metadata"]["ownerReferences"] = Value::Null;
        }
    }
    set
}

fn run(object: Value, sets: &[&str]) -> Outcome {
    let mut world = Small::default();
    let key = world.put(DEPLOYMENTS, object);
    for (second, line) in sets.iter().enumerate() {
        world.put(REPLICASETS, set(second, line));
    }
    Deployments.reconcile(&world, &key, NOW.parse().expect("a time"))
}

/// The sizes that the sets get: `image from->to`.
fn sizes(spec: Value, sets: &[&str], expected: Expect) {
    let outcome = run(deployment(spec, json!({})), sets);
    let resized = outcome.writes.iter().filter_map(|write| match write {
        Write::Merge { key, patch, .. } if patch["spec"]["replicas"].is_i64() => {
            Some(format!("{}->{}", key.name, patch["spec"]["replicas"]))
        }
        Write::Create { object, .. } => Some(format!("create {}", object["spec"]["replicas"])),
        _ => None,
    });
    expected.assert_eq(&resized.collect::<Vec<_>>().join(" "));
}

fn check(spec: Value, status: Value, sets: &[&str], expected: Expect) {
    let text = lines(&run(deployment(spec, status), sets));
    let hash = access::content_hash(&deployment(json!({}), json!({}))["spec"]["template"]);
    expected.assert_eq(&text.replace(&hash, "HASH"));
}

#[test]
fn a_rollout_step_by_step() {
    sizes(json!({}), &[], expect!["create 10"]);
    sizes(json!({}), &["old 10/10"], expect!["create 3"]);
    sizes(json!({}), &["old 10/10", "new 3/0 rev=2"], expect!["web-old->8"]);
    sizes(json!({}), &["old 8/8", "new 5/0 rev=2"], expect![""]);
    sizes(json!({}), &["old 8/8", "new 5/3 rev=2"], expect!["web-old->5"]);
    sizes(json!({}), &["old 5/5", "new 5/3 rev=2"], expect!["web-new->8"]);
    // Broken ones of an old set go first, and only as many as there may be too few.
    sizes(json!({}), &["older 4/0", "old 6/6", "new 3/0 rev=2"], expect!["web-older->2"]);
    sizes(json!({}), &["new 12/12 rev=2"], expect!["web-new->10"]);
    // The oldest of several with the present template is the one.
    sizes(json!({}), &["new 4/4 rev=2", "old 0/0"], expect!["web-new->10"]);
    let recreate = || json!({"strategy": {"type": "Recreate"}});
    sizes(recreate(), &["old 10/10"], expect!["web-old->0"]);
    sizes(recreate(), &["old 0/0"], expect!["create 10"]);
    sizes(recreate(), &["old 0/0", "new 0/0 rev=2"], expect!["web-new->10"]);
}

#[test]
fn replicas_change_during_a_rollout() {
    let to = |replicas: i64| json!({"replicas": replicas});
    // Up: 10 to 15 (with surge 18) of 8 + 5.
    sizes(to(15), &["old 8/8 of=10/13", "new 5/0 of=10/13 rev=2"], expect!["web-old->11 web-new->7"]);
    // Down: to 5 (with surge 8).
    sizes(to(5), &["old 8/8 of=10/13", "new 5/0 of=10/13 rev=2"], expect!["web-old->5 web-new->3"]);
    sizes(to(0), &["old 8/8 of=10/13", "new 5/0 of=10/13 rev=2"], expect!["web-old->0 web-new->0"]);
    // Equal sizes: the newer grows, the older shrinks.
    sizes(to(11), &["old 5/5 of=10/13", "new 5/0 of=10/13 rev=2"], expect!["web-new->9"]);
    sizes(to(4), &["old 5/5 of=10/13", "new 5/0 of=10/13 rev=2"], expect!["web-old->3 web-new->4"]);
    // A single one gets all; nothing rolls meanwhile.
    sizes(to(12), &["old 10/10 of=10/13"], expect!["web-old->12"]);
    sizes(to(12), &["old 0/0 of=10/13", "new 10/10 of=10/13 rev=2"], expect!["web-new->12"]);
    // Paused: the same.
    let paused = |replicas: i64| json!({"replicas": replicas, "paused": true});
    sizes(paused(15), &["old 8/8 of=10/13", "new 5/0 of=10/13 rev=2"], expect!["web-old->11 web-new->7"]);
    sizes(paused(10), &["old 10/10 of=10/13"], expect![""]);
    sizes(paused(10), &[], expect![""]);
}

#[test]
fn numbers_and_history() {
    // A rollback: the old set is current again, with the next number.
    check(
        json!({"replicas": 1}),
        json!({}),
        &["new 0/0 rev=1", "old 1/1 rev=2"],
        expect![[r#"
        merge apps/replicasets default/web-new {"metadata":{"annotations":{"deployment.kubernetes.io/revision":"3","deployment.kubernetes.io/revision-history":"1"}}}
        merge apps/deployments default/web {"metadata":{"annotations":{"deployment.kubernetes.io/revision":"3"}}}"#]],
    );
    check(
        json!({"replicas": 1, "revisionHistoryLimit": 1}),
        json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}),
        &["a 0/0 rev=0", "b 0/0 rev=1", "new 1/1 rev=2 of=1/4"],
        expect![[r#"
            delete apps/replicasets default/web-a Background
            status apps/deployments web {"observedGeneration":1,"replicas":1,"updatedReplicas":1,"readyReplicas":1,"availableReplicas":1,"conditions":[{"type":"Available","status":"True","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"MinimumReplicasAvailable","message":"Deployment has minimum availability."},{"type":"Progressing","status":"True","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"NewReplicaSetAvailable","message":"ReplicaSet \"web-new\" has successfully progressed."}]}"#]],
    );
    check(
        json!({"replicas": 1}),
        json!({}),
        &["new 1/1 rev=2 of=1/4 free"],
        expect![[r#"
        merge apps/replicasets default/web-new {"metadata":{"uid":"new","resourceVersion":null,"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web","uid":"d","controller":true,"blockOwnerDeletion":true}]}}
        status apps/deployments web {"observedGeneration":1,"replicas":1,"updatedReplicas":1,"readyReplicas":1,"availableReplicas":1,"conditions":[{"type":"Available","status":"True","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"MinimumReplicasAvailable","message":"Deployment has minimum availability."},{"type":"Progressing","status":"True","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"NewReplicaSetAvailable","message":"ReplicaSet \"web-new\" has successfully progressed."}]}"#]],
    );
}

#[test]
fn how_it_gets_on() {
    let progressing = |reason: &str, updated: &str| {
        json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "conditions": [{"type": "Progressing",
            "status": "True", "reason": reason, "lastUpdateTime": updated, "lastTransitionTime": updated}]})
    };
    let spec = |more: Value| {
        let mut spec = json!({"replicas": 3, "progressDeadlineSeconds": 600});
        more.as_object().expect("fields").iter().for_each(|(k, v)| spec[k] = v.clone());
        spec
    };
    let none = || json!({});
    check(
        spec(none()),
        json!({}),
        &[],
        expect![[r#"
        create apps/replicasets web-HASH
        Normal ScalingReplicaSet on Deployment web: Scaled up replica set web-HASH from 0 to 3
        status apps/deployments web {"observedGeneration":1,"unavailableReplicas":3,"terminatingReplicas":0,"conditions":[{"type":"Progressing","status":"True","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"NewReplicaSetCreated","message":"Created new replica set \"web-HASH\""},{"type":"Available","status":"False","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"MinimumReplicasUnavailable","message":"Deployment does not have minimum availability."}]}
        again after 601s"#]],
    );
    let made = "NewReplicaSetCreated";
    check(
        spec(none()),
        progressing(made, "2026-01-01T00:55:00Z"),
        &["new 3/0 rev=2 of=3/6"],
        expect![[r#"
            status apps/deployments web {"observedGeneration":1,"replicas":3,"updatedReplicas":3,"unavailableReplicas":3,"conditions":[{"type":"Progressing","status":"True","reason":"NewReplicaSetCreated","lastUpdateTime":"2026-01-01T00:55:00Z","lastTransitionTime":"2026-01-01T00:55:00Z"},{"type":"Available","status":"False","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"MinimumReplicasUnavailable","message":"Deployment does not have minimum availability."}]}
            again after 301s"#]],
    );
    check(
        spec(none()),
        progressing(made, "2026-01-01T00:45:00Z"),
        &["new 3/0 rev=2 of=3/6"],
        expect![[
            r#"status apps/deployments web {"observedGeneration":1,"replicas":3,"updatedReplicas":3,"unavailableReplicas":3,"conditions":[{"type":"Available","status":"False","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"MinimumReplicasUnavailable","message":"Deployment does not have minimum availability."},{"type":"Progressing","status":"False","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"ProgressDeadlineExceeded","message":"ReplicaSet \"web-new\" has timed out progressing."}]}"#
        ]],
    );
    check(
        spec(none()),
        progressing(made, "2026-01-01T00:45:00Z"),
        &["new 3/1 rev=2 of=3/6"],
        expect![[r#"
            status apps/deployments web {"observedGeneration":1,"replicas":3,"updatedReplicas":3,"readyReplicas":1,"availableReplicas":1,"unavailableReplicas":2,"conditions":[{"type":"Available","status":"True","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"MinimumReplicasAvailable","message":"Deployment has minimum availability."},{"type":"Progressing","status":"True","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T00:45:00Z","reason":"ReplicaSetUpdated","message":"ReplicaSet \"web-new\" is progressing."}]}
            again after 601s"#]],
    );
    check(
        spec(none()),
        progressing(made, "2026-01-01T00:45:00Z"),
        &["new 3/3 rev=2 of=3/6"],
        expect![[
            r#"status apps/deployments web {"observedGeneration":1,"replicas":3,"updatedReplicas":3,"readyReplicas":3,"availableReplicas":3,"conditions":[{"type":"Available","status":"True","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"MinimumReplicasAvailable","message":"Deployment has minimum availability."},{"type":"Progressing","status":"True","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T00:45:00Z","reason":"NewReplicaSetAvailable","message":"ReplicaSet \"web-new\" has successfully progressed."}]}"#
        ]],
    );
    check(
        spec(json!({"paused": true})),
        progressing(made, "2026-01-01T00:45:00Z"),
        &["new 3/0 rev=2 of=3/6"],
        expect![[
            r#"status apps/deployments web {"observedGeneration":1,"replicas":3,"updatedReplicas":3,"unavailableReplicas":3,"conditions":[{"type":"Progressing","status":"Unknown","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"DeploymentPaused","message":"Deployment is paused"},{"type":"Available","status":"False","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"MinimumReplicasUnavailable","message":"Deployment does not have minimum availability."}]}"#
        ]],
    );
    check(
        spec(json!({"progressDeadlineSeconds": 2_147_483_647})),
        progressing(made, "2026-01-01T00:45:00Z"),
        &["new 3/0 rev=2 of=3/6"],
        expect![[
            r#"status apps/deployments web {"observedGeneration":1,"replicas":3,"updatedReplicas":3,"unavailableReplicas":3,"conditions":[{"type":"Available","status":"False","lastUpdateTime":"2026-01-01T01:00:00Z","lastTransitionTime":"2026-01-01T01:00:00Z","reason":"MinimumReplicasUnavailable","message":"Deployment does not have minimum availability."}]}"#
        ]],
    );
}

#[test]
fn a_name_that_is_taken() {
    let mut world = Small::default();
    let object = deployment(json!({}), json!({"observedGeneration": 1}));
    let hash = access::content_hash(&object["spec"]["template"]);
    let key = world.put(DEPLOYMENTS, object);
    let mut foreign = set(0, "other 1/1");
    foreign["metadata"]["name"] = json!(format!("web-{hash}"));
    foreign["metadata"]["ownerReferences"] = json!([{"uid": "x", "controller": true}]);
    world.put(REPLICASETS, foreign);
    let outcome = Deployments.reconcile(&world, &key, NOW.parse().expect("a time"));
    expect![[r#"status apps/deployments web {"observedGeneration":1,"collisionCount":1}"#]]
        .assert_eq(&lines(&outcome));
}
