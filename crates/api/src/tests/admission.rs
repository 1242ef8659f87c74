//! LimitRange, ResourceQuota and PriorityClass at the creation of pods: what is filled in, what is refused and how.

use super::{bench, by};
use crate::Api;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

fn put(api: &Api, resource: &str, object: Value) {
    api.create(resource, object, &by()).expect("created");
}

fn pod(name: &str, resources: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "default" },
        "spec": { "containers": [{ "name": "c", "image": "a", "resources": resources }] },
    })
}

fn range(limit: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "l", "namespace": "default" },
        "spec": { "limits": [limit] },
    })
}

fn quota(spec: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "q", "namespace": "default" },
        "spec": spec,
    })
}

fn refusal(api: &Api, resource: &str, object: Value, expected: &Expect) {
    let text = match api.create(resource, object, &by()) {
        Ok(_) => "created".to_string(),
        Err(error) => format!("{} {}: {}", error.code, error.reason, error.message),
    };
    expected.assert_eq(&text);
}

#[test]
fn a_limit_range_fills_in() {
    let (api, _dir) = bench();
    let limit = json!({ "type": "Container", "default": { "cpu": "500m" }, "max": { "memory": "1Gi" } });
    put(&api, "limitranges", range(limit));
    put(&api, "pods", pod("p", json!({ "requests": { "cpu": "100m" } })));
    let stored = api.get("pods", "default", "p").expect("there");
    expect![[r#"{"requests":{"cpu":"100m","memory":"1Gi"},"limits":{"cpu":"500m","memory":"1Gi"}}"#]]
        .assert_eq(&stored["spec"]["containers"][0]["resources"].to_string());
    expect!["LimitRanger plugin set: memory request for container c; cpu, memory limit for container c"]
        .assert_eq(stored["metadata"]["annotations"]["kubernetes.io/limit-ranger"].as_str().unwrap_or(""));
}

#[test]
fn a_limit_range_refuses() {
    let cases = [
        (
            json!({ "type": "Container", "max": { "cpu": "1" } }),
            json!({ "limits": { "cpu": "2" } }),
            expect![[
                r#"403 Forbidden: pods "p" is forbidden: maximum cpu usage per Container is 1, but limit is 2"#
            ]],
        ),
        (
            json!({ "type": "Container", "min": { "memory": "64Mi" } }),
            json!({ "requests": { "memory": "32Mi" }, "limits": { "memory": "128Mi" } }),
            expect![[
                r#"403 Forbidden: pods "p" is forbidden: minimum memory usage per Container is 64Mi, but request is 32Mi"#
            ]],
        ),
        (
            json!({ "type": "Pod", "max": { "cpu": "1", "memory": "1Gi" } }),
            json!({ "limits": { "cpu": "2" } }),
            expect![[
                r#"403 Forbidden: pods "p" is forbidden: [maximum cpu usage per Pod is 1, but limit is 2, maximum memory usage per Pod is 1Gi.  No limit is specified]"#
            ]],
        ),
        (
            json!({ "type": "Container", "maxLimitRequestRatio": { "cpu": "2" } }),
            json!({ "requests": { "cpu": "1" }, "limits": { "cpu": "5" } }),
            expect![[
                r#"403 Forbidden: pods "p" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 5.000000"#
            ]],
        ),
        (
            json!({ "type": "Container", "max": { "cpu": "1" } }),
            json!({ "limits": { "cpu": "1" } }),
            expect!["created"],
        ),
    ];
    for (limit, resources, expected) in cases {
        let (api, _dir) = bench();
        put(&api, "limitranges", range(limit));
        refusal(&api, "pods", pod("p", resources), &expected);
    }
    let (api, _dir) = bench();
    put(&api, "limitranges", range(json!({ "type": "PersistentVolumeClaim", "max": { "storage": "1Gi" } })));
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "d", "namespace": "default" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "2Gi" } } },
    });
    let expected = expect![[
        r#"403 Forbidden: persistentvolumeclaims "d" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi"#
    ]];
    refusal(&api, "persistentvolumeclaims", claim, &expected);
}

#[test]
fn a_quota_refuses_what_does_not_fit() {
    let (api, _dir) = bench();
    put(
        &api,
        "resourcequotas",
        quota(json!({ "hard": { "pods": "2", "requests.cpu": "1", "count/configmaps": "0" } })),
    );
    refusal(
        &api,
        "pods",
        pod("a", json!({})),
        &expect![[
            r#"403 Forbidden: pods "a" is forbidden: failed quota: q: must specify requests.cpu for: c"#
        ]],
    );
    refusal(&api, "pods", pod("a", json!({ "requests": { "cpu": "600m" } })), &expect!["created"]);
    refusal(
        &api,
        "pods",
        pod("b", json!({ "requests": { "cpu": "0.5" } })),
        &expect![[
            r#"403 Forbidden: pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, limited: requests.cpu=1"#
        ]],
    );
    refusal(&api, "pods", pod("b", json!({ "requests": { "cpu": "100m" } })), &expect!["created"]);
    refusal(
        &api,
        "pods",
        pod("c", json!({ "requests": { "cpu": "100m" } })),
        &expect![[
            r#"403 Forbidden: pods "c" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"#
        ]],
    );
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m", "namespace": "default" } });
    refusal(
        &api,
        "configmaps",
        map,
        &expect![[
            r#"403 Forbidden: configmaps "m" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=0, limited: count/configmaps=0"#
        ]],
    );
}

#[test]
fn a_quota_of_a_scope_leaves_others_alone() {
    let (api, _dir) = bench();
    put(&api, "resourcequotas", quota(json!({ "hard": { "pods": "0" }, "scopes": ["BestEffort"] })));
    refusal(&api, "pods", pod("a", json!({ "requests": { "cpu": "1" } })), &expect!["created"]);
    refusal(
        &api,
        "pods",
        pod("b", json!({})),
        &expect![[
            r#"403 Forbidden: pods "b" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0"#
        ]],
    );
}

#[test]
fn the_default_priority_class() {
    let (api, _dir) = bench();
    put(
        &api,
        "scheduling.k8s.io/priorityclasses",
        json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": "usual" },
            "value": 7, "globalDefault": true, "preemptionPolicy": "Never",
        }),
    );
    put(&api, "pods", pod("p", json!({})));
    let spec = &api.get("pods", "default", "p").expect("there")["spec"];
    assert_eq!((&spec["priority"], &spec["priorityClassName"]), (&json!(7), &json!("usual")));
    assert_eq!(spec["preemptionPolicy"], "Never");
    let mut other = pod("q", json!({}));
    other["spec"]["priority"] = json!(9);
    refusal(
        &api,
        "pods",
        other,
        &expect![[
            r#"403 Forbidden: pods "q" is forbidden: the integer value of priority (9) must not be provided in pod spec; priority admission controller computed 7 from the given PriorityClass name"#
        ]],
    );
}
