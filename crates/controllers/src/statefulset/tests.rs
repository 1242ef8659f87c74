use super::*;
use crate::testing::Small;
use expect_test::{Expect, expect};
use store::Write;

fn set(spec: Value, status: Value) -> Value {
    let mut whole = json!({
        "replicas": 3, "serviceName": "web", "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "new"}]}},
    });
    for (name, value) in spec.as_object().expect("fields") {
        whole[name] = value.clone();
    }
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "web", "namespace": "default", "uid": "s"}, "spec": whole, "status": status,
    })
}

/// `ordinal revision ready|unready`; the revision `new` is that of the present template.
fn pod(line: &str, new: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    let revision = if words[1] == "new" { new } else { words[1] };
    json!({
        "metadata": {
            "name": format!("web-{}", words[0]), "namespace": "default", "uid": format!("p{}", words[0]),
            "labels": {"app": "web", REVISION: revision, POD_NAME: format!("web-{}", words[0]), POD_INDEX: words[0]},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "s", "controller": true}],
        },
        "status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": if words[2] == "ready" { "True" } else { "False" }}]},
    })
}

fn check(spec: Value, claims: &[&str], pods: &[&str], expected: Expect) {
    let mut world = Small::default();
    let object = set(spec, json!({"currentRevision": "web-old"}));
    let new = format!("web-{}", access::content_hash(at(&object, &["spec", "template"])));
    let key = world.put(STATEFULSETS, object);
    for (name, number, image) in [("web-old", 1, "old"), (&*new, 2, "new")] {
        world.put("apps/controllerrevisions", json!({
            "metadata": {"name": name, "namespace": "default", "uid": name, "ownerReferences": [{"uid": "s"}]},
            "data": {"spec": {"template": {"$patch": "replace", "spec": {"containers": [{"name": "c", "image": image}]}}}},
            "revision": number,
        }));
    }
    // `name kind owner`: a claim that somebody of another uid controls.
    for claim in claims {
        let mut words = claim.split(' ');
        let name = words.next();
        let mut claim = json!({"metadata": {"name": name, "namespace": "default", "uid": name}});
        if let (Some(kind), Some(owner)) = (words.next(), words.next()) {
            claim["metadata"]["ownerReferences"] =
                json!([{"kind": kind, "name": owner, "uid": "other", "controller": true}]);
        }
        world.put("persistentvolumeclaims", claim);
    }
    pods.iter().for_each(|line| {
        world.put("pods", pod(line, &new));
    });
    let outcome = StatefulSets.reconcile(&world, &key, "2026-01-01T01:00:00Z".parse().expect("a time"));
    let lines: Vec<String> = outcome
        .writes
        .iter()
        .filter_map(|write| match write {
            Write::Create { resource, object } if &*resource.0 == "pods" => {
                Some(format!("create {} {}", name(object), object["spec"]["containers"][0]["image"]))
            }
            Write::Create { object, .. } => {
                Some(format!("create {} {}", name(object), object["metadata"]["ownerReferences"]))
            }
            Write::Delete { key, .. } => Some(format!("delete {}", key.name)),
            Write::Merge { key, patch, .. } => Some(format!("merge {} {patch}", key.name)),
            _ => None,
        })
        .collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn one_after_the_other() {
    check(json!({}), &[], &["0 new unready"], expect![[""]]);
    check(json!({}), &[], &["0 new ready"], expect![[r#"create web-1 "new""#]]);
    check(
        json!({"podManagementPolicy": "Parallel"}),
        &[],
        &["1 new unready"],
        expect![[r#"
        create web-0 "new"
        create web-2 "new""#]],
    );
    check(json!({"ordinals": {"start": 5}, "replicas": 1}), &[], &[], expect![[r#"create web-5 "new""#]]);
    check(
        json!({"replicas": 1}),
        &[],
        &["0 new ready", "1 new ready", "2 new ready"],
        expect!["delete web-2"],
    );
    // The first that is not ready holds up the others on the way down, but not itself.
    check(
        json!({"replicas": 0}),
        &[],
        &["0 new ready", "1 new unready", "2 new ready"],
        expect!["delete web-2"],
    );
    check(json!({"replicas": 0}), &[], &["0 new unready", "1 new unready"], expect![[""]]);
    check(json!({"replicas": 0}), &[], &["0 new ready", "1 new unready"], expect!["delete web-1"]);
    check(
        json!({"replicas": 0, "podManagementPolicy": "Parallel"}),
        &[],
        &["0 new unready", "1 new unready"],
        expect![[r#"
        delete web-1
        delete web-0"#]],
    );
}

#[test]
fn updates_from_the_highest() {
    let old = ["0 web-old ready", "1 web-old ready", "2 web-old ready"];
    let rolling = |rule: Value| json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rule}});
    check(json!({}), &[], &old, expect!["delete web-2"]);
    check(
        rolling(json!({"maxUnavailable": 2})),
        &[],
        &old,
        expect![[r#"
        delete web-2
        delete web-1"#]],
    );
    // Half of three is one; what is not available goes in any case where all go at once.
    check(rolling(json!({"maxUnavailable": "50%"})), &[], &old, expect!["delete web-2"]);
    let mut parallel = rolling(json!({"maxUnavailable": 1}));
    parallel["podManagementPolicy"] = json!("Parallel");
    let broken = ["0 web-old ready", "1 web-old unready", "2 web-old unready"];
    check(
        parallel,
        &[],
        &broken,
        expect![[r#"
        delete web-2
        delete web-1"#]],
    );
    check(rolling(json!({"partition": 3})), &[], &old, expect![[""]]);
    check(
        rolling(json!({"partition": 2})),
        &[],
        &["0 web-old ready", "2 new ready"],
        expect![[r#"create web-1 "old""#]],
    );
    check(json!({"updateStrategy": {"type": "OnDelete"}}), &[], &old, expect![[""]]);
    check(json!({}), &[], &["0 web-old ready", "1 web-old unready", "2 new ready"], expect!["delete web-1"]);
}

#[test]
fn claims_go_as_the_policy_says() {
    let policy = |deleted: &str, scaled: &str, replicas: i64| {
        json!({
            "replicas": replicas, "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": deleted, "whenScaled": scaled},
        })
    };
    check(
        policy("Delete", "Retain", 1),
        &[],
        &[],
        expect![[r#"
            create data-web-0 [{"apiVersion":"apps/v1","kind":"StatefulSet","name":"web","uid":"s","controller":true,"blockOwnerDeletion":true}]
            create web-0 "new""#]],
    );
    check(
        policy("Delete", "Retain", 1),
        &["data-web-0"],
        &["0 new ready"],
        expect![[
            r#"merge data-web-0 {"metadata":{"ownerReferences":[{"apiVersion":"apps/v1","kind":"StatefulSet","name":"web","uid":"s","controller":true,"blockOwnerDeletion":true}]}}"#
        ]],
    );
    check(policy("Retain", "Retain", 1), &["data-web-0"], &["0 new ready"], expect![[""]]);
    // The claim is still the last pod's, and about to go with it; or it is somebody else's.
    let owned = |kind: &str, name: &str| format!("data-web-0 {kind} {name}");
    check(policy("Retain", "Delete", 1), &[&owned("Pod", "web-0")], &[], expect![[""]]);
    check(policy("Retain", "Retain", 1), &[&owned("Pod", "web-0")], &[], expect![[r#"create web-0 "new""#]]);
    check(policy("Delete", "Delete", 1), &[&owned("Backup", "b")], &["0 new ready"], expect![[r#""#]]);
    check(
        policy("Delete", "Delete", 0),
        &["data-web-0"],
        &["0 new ready"],
        expect![[r#"
        merge data-web-0 {"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"web-0","uid":"p0","controller":true,"blockOwnerDeletion":true}]}}
        delete web-0"#]],
    );
    check(policy("Delete", "Delete", 1), &[&owned("StatefulSet", "web")], &["0 new ready"], expect![[""]]);
    check(
        policy("Retain", "Delete", 0),
        &["data-web-0"],
        &["0 new ready"],
        expect![[r#"
            merge data-web-0 {"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"web-0","uid":"p0","controller":true,"blockOwnerDeletion":true}]}}
            delete web-0"#]],
    );
}
