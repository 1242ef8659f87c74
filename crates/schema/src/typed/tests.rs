//! What is wrong with configurations of built-in and custom kinds.

use super::*;
use serde_json::json;

fn deployment(container: Value) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" },
        "spec": { "template": { "spec": { "containers": [container] } } } })
}

#[test]
fn built_in_kinds() {
    let pods = ".spec.template.spec";
    for (container, expected) in [
        (json!({ "name": "c", "image": "i" }), vec![]),
        (
            json!({ "name": "c", "ports": [{ "containerPort": 80 }, { "containerPort": 80, "protocol": "UDP" }] }),
            vec![],
        ),
        (
            json!({ "name": "c", "imag": "i" }),
            vec![format!("{pods}.containers[name=\"c\"].imag: field not declared in schema")],
        ),
        (
            json!({ "image": "i" }),
            vec![format!(
                "{pods}.containers: element 0: associative list with keys has an element that omits key field \"name\" (and doesn't have default value)"
            )],
        ),
        (
            json!({ "name": "c", "ports": [{ "protocol": "TCP" }] }),
            vec![format!(
                "{pods}.containers[name=\"c\"].ports: element 0: associative list with keys has an element that omits key field \"containerPort\" (and doesn't have default value)"
            )],
        ),
        (
            json!({ "name": "c", "ports": [{ "containerPort": 80 }, { "containerPort": 80, "protocol": "TCP" }] }),
            vec![format!(
                "{pods}.containers[name=\"c\"].ports: duplicate entries for key [containerPort=80,protocol=\"TCP\"]"
            )],
        ),
        (
            json!({ "name": "c", "env": [{ "name": "A", "vale": "1" }, { "name": "B", "value": 1 }] }),
            vec![
                format!("{pods}.containers[name=\"c\"].env[name=\"A\"].vale: field not declared in schema"),
                format!(
                    "{pods}.containers[name=\"c\"].env[name=\"B\"].value: expected string, got &value.valueUnstructured{{Value:1}}"
                ),
            ],
        ),
        (
            json!({ "name": "c", "resources": { "limits": { "cpu": 1, "memory": "1Gi" }, "cpu": 1 }, "stdin": "yes" }),
            vec![
                format!("{pods}.containers[name=\"c\"].resources.cpu: field not declared in schema"),
                format!("{pods}.containers[name=\"c\"].stdin: expected boolean, got &{{yes}}"),
            ],
        ),
        (
            json!({ "name": "c", "command": "sh", "env": { "A": "1" }, "securityContext": [1], "livenessProbe": { "periodSeconds": "5" } }),
            vec![
                format!("{pods}.containers[name=\"c\"].command: expected list, got &{{sh}}"),
                format!("{pods}.containers[name=\"c\"].env: expected list, got &{{map[A:1]}}"),
                format!("{pods}.containers[name=\"c\"].securityContext: expected map, got &{{[1]}}"),
                format!(
                    "{pods}.containers[name=\"c\"].livenessProbe.periodSeconds: expected numeric (int or float), got string"
                ),
            ],
        ),
        (
            json!(null),
            vec![format!(
                "{pods}.containers: element 0: associative list with keys may not have a null element"
            )],
        ),
        (
            json!("c"),
            vec![format!(
                "{pods}.containers: element 0: associative list with keys may not have non-map elements"
            )],
        ),
    ] {
        let root = Root::Builtin { api_version: "apps/v1", kind: "Deployment" };
        assert_eq!(problems(root, &deployment(container.clone())), expected, "{container}");
    }
}

#[test]
fn places_in_atomic_lists() {
    let root = Root::Builtin { api_version: "v1", kind: "Pod" };
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "finalizers": ["a", "a"], "labls": {} },
        "spec": { "tolerations": [{ "key": "a" }, { "kee": "b" }], "containers": [], "foo": 1, "bar": 2 }, "extra": 1 });
    assert_eq!(
        problems(root, &pod),
        [
            ".metadata.finalizers: duplicate entries for key [=\"a\"]",
            ".metadata.labls: field not declared in schema",
            ".spec.tolerations[1].kee: field not declared in schema",
            ".spec.foo: field not declared in schema",
            ".extra: field not declared in schema",
        ]
    );
    let claim = json!({ "spec": { "volumeClaimTemplates": [{ "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": "x", "creationTimestamp": null }, "status": {} }] } });
    assert!(problems(Root::Builtin { api_version: "apps/v1", kind: "StatefulSet" }, &claim).is_empty());
    assert!(problems(Root::Builtin { api_version: "example.com/v1", kind: "None" }, &claim).is_empty());
}

#[test]
fn custom_kinds() {
    let string = json!({ "type": "string" });
    let schema = json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": {
        "size": { "type": "integer" },
        "port": { "x-kubernetes-int-or-string": true },
        "any": { "type": "object" },
        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": { "known": { "type": "object", "properties": { "a": string } } } },
        "map": { "type": "object", "additionalProperties": { "type": "object", "properties": { "a": string } } },
        "closed": { "type": "object", "properties": { "a": string }, "additionalProperties": false },
        "pod": { "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
        "unfit": { "x-kubernetes-preserve-unknown-fields": true },
        "list": { "type": "array", "items": { "type": "object", "properties": { "a": string } } },
        "set": { "type": "array", "x-kubernetes-list-type": "set", "items": string },
        "keyed": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "at"],
            "items": { "type": "object", "properties": { "name": string, "at": { "type": "integer", "default": 1 } } } },
    } } } });
    for (spec, expected) in [
        (json!({ "size": 1, "port": "http", "any": { "x": [1] }, "unfit": [1, { "a": 1 }] }), vec![]),
        (
            json!({ "free": { "x": 1, "known": { "b": 1, "a": "1" } }, "pod": { "metadata": { "name": "x" }, "spec": 1 } }),
            vec![],
        ),
        (
            json!({ "pod": { "metadata": { "nme": "x" } } }),
            vec![".spec.pod.metadata.nme: field not declared in schema"],
        ),
        (json!({ "map": { "k": { "b": 1 } } }), vec![".spec.map.k.b: field not declared in schema"]),
        (json!({ "closed": { "b": 1 } }), vec![".spec.closed.b: field not declared in schema"]),
        (
            json!({ "list": [{ "a": "1" }, { "b": 1 }] }),
            vec![".spec.list[1].b: field not declared in schema"],
        ),
        (
            json!({ "set": ["a", ["b"]] }),
            vec![".spec.set: element 1: not supported: associative list with lists as elements"],
        ),
        (
            json!({ "set": [{}] }),
            vec![".spec.set: element 0: associative list without keys has an element that's a map type"],
        ),
        (
            json!({ "keyed": [{ "name": "a" }, { "name": "a", "at": 1 }, { "name": "a", "at": 2 }] }),
            vec![".spec.keyed: duplicate entries for key [at=1,name=\"a\"]"],
        ),
        (
            json!({ "size": "1", "port": {} }),
            vec![
                ".spec.size: expected numeric (int or float), got string",
                ".spec.port: expected any scalar, got &{map[]}",
            ],
        ),
        (json!({ "nonsense": 1, "more": 2 }), vec![".spec.nonsense: field not declared in schema"]),
    ] {
        let thing = json!({ "apiVersion": "e/v1", "kind": "T", "metadata": { "name": "t" }, "spec": spec });
        assert_eq!(problems(Root::Custom(&schema), &thing), expected, "{thing}");
    }
    let thing = json!({ "apiVersion": "e/v1", "kind": "T", "status": {} });
    assert_eq!(problems(Root::Custom(&schema), &thing), [".status: field not declared in schema"]);
    assert!(problems(Root::Custom(&Value::Null), &thing).is_empty());
}
