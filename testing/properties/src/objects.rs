//! Objects in an API: server-side apply, custom resources.

use crate::values::Bytes;
use api::{Api, ApiConfig, Key, PatchKind, WriteOptions};
use serde_json::{Map, Value, json};

/// An API of its own for one case; its folder goes with it.
fn api() -> (Api, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a folder");
    let config = ApiConfig {
        dir: dir.path().into(),
        service_cidr: "10.43.0.0/16".into(),
        cluster_domain: "cluster.local".into(),
    };
    (Api::open(config).expect("a new API"), dir)
}

/// Several managers apply and change one Deployment. What holds: an apply that succeeds is in the object, done again it
/// changes nothing, a conflict changes nothing, force never conflicts.
pub fn server_side_apply(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let (api, _dir) = api();
    let key = Key::new("apps/deployments", "default", "d");
    for _ in 0..1 + bytes.byte() % 8 {
        let manager = ["one", "two", "three"][usize::from(bytes.byte() % 3)];
        let how = bytes.byte() % 4;
        let config = deployment(&mut bytes);
        let before = api.get("apps/deployments", "default", "d").ok();
        let options = WriteOptions::by(manager);
        if how == 0 && before.is_some() {
            let change = json!({ "spec": { "replicas": bytes.byte(), "paused": bytes.byte() % 2 == 0 } });
            api.patch(&key, PatchKind::Merge, "", &change, &options).expect("a change that is right");
            continue;
        }
        let force = how == 1;
        match api.patch(&key, PatchKind::Apply { force }, "", &config, &options) {
            Ok(object) => {
                assert_contains(&object, &config, "");
                let version = api.version();
                let again = api.patch(&key, PatchKind::Apply { force }, "", &config, &options);
                let again = again.expect("what was just applied");
                assert_eq!((api.version(), &again), (version, &object), "done again it changes nothing");
                for entry in object["metadata"]["managedFields"].as_array().into_iter().flatten() {
                    assert!(
                        entry["fieldsV1"].as_object().is_some_and(|fields| !fields.is_empty()),
                        "{entry}"
                    );
                }
            }
            Err(error) => {
                assert!(!force || error.code != 409, "force does not conflict: {error}");
                assert_eq!(api.get("apps/deployments", "default", "d").ok(), before, "{error}");
            }
        }
    }
}

fn deployment(bytes: &mut Bytes<'_>) -> Value {
    let labels = json!({ "app": "d" });
    let mut containers = Vec::new();
    for name in ["a", "b", "c"] {
        if bytes.byte().is_multiple_of(3) {
            continue;
        }
        let image = if bytes.byte().is_multiple_of(2) { "x:1" } else { "x:2" };
        let mut container = json!({ "name": name, "image": image });
        if bytes.byte().is_multiple_of(2) {
            let env = |name: &str, bytes: &mut Bytes<'_>| json!({ "name": name, "value": (bytes.byte() % 3).to_string() });
            container["env"] = json!([env("A", bytes), env("B", bytes)]);
        }
        if bytes.byte().is_multiple_of(3) {
            container["ports"] =
                json!([{ "containerPort": 80 + u16::from(bytes.byte() % 2), "protocol": "TCP" }]);
        }
        containers.push(container);
    }
    if containers.is_empty() {
        containers.push(json!({ "name": "a", "image": "x:1" }));
    }
    let mut config = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d", "namespace": "default" },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": containers } },
        },
    });
    if bytes.byte().is_multiple_of(2) {
        config["spec"]["replicas"] = (bytes.byte() % 3).into();
    }
    if bytes.byte().is_multiple_of(2) {
        config["metadata"]["annotations"] = json!({ "k": (bytes.byte() % 3).to_string() });
    }
    if bytes.byte().is_multiple_of(3) {
        config["metadata"]["finalizers"] =
            json!(["example.com/a", "example.com/b"][..usize::from(bytes.byte() % 3)]);
    }
    config
}

/// Every leaf of the configuration is in the object; of lists each item, by its key or as it is.
fn assert_contains(object: &Value, config: &Value, path: &str) {
    match (object, config) {
        (Value::Object(have), Value::Object(want)) => {
            for (name, want) in want {
                let have = have.get(name).unwrap_or(&Value::Null);
                assert_contains(have, want, &format!("{path}.{name}"));
            }
        }
        (Value::Array(have), Value::Array(want)) => {
            for item in want {
                let key = ["name", "containerPort"].into_iter().find(|key| item.get(*key).is_some());
                let found = match key {
                    Some(key) => have.iter().find(|known| known[key] == item[key]),
                    None => have.iter().find(|known| *known == item),
                };
                assert_contains(found.unwrap_or(&Value::Null), item, &format!("{path}[]"));
            }
        }
        (Value::Null, Value::Array(want)) if want.is_empty() => {}
        _ => assert_eq!(object, config, "{path}"),
    }
}

/// Any schema and any object: a definition is taken or refused, an object of it too, and what was taken is taken again
/// without a change (pruned and defaulted once is pruned and defaulted).
pub fn crd_schema(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let (api, _dir) = api();
    let mut schema = object_schema(&mut bytes, 0);
    schema["type"] = "object".into();
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "things.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": schema }, "subresources": { "status": {} },
            }],
        },
    });
    let options = WriteOptions::by("fuzz");
    if api.create("apiextensions.k8s.io/customresourcedefinitions", definition, &options).is_err() {
        return;
    }
    for _ in 0..1 + bytes.byte() % 3 {
        let mut object =
            json!({ "apiVersion": "example.com/v1", "kind": "Thing", "metadata": { "generateName": "t-" } });
        if let Value::Object(fields) = value_of(&mut bytes, 0) {
            let own = object.as_object_mut().expect("made above");
            own.extend(fields.into_iter().filter(|(name, _)| !own_name(name)));
        }
        let Ok(made) = api.create("example.com/things", object, &options) else { continue };
        let version = api.version();
        let again =
            api.update("example.com/things", (*made).clone(), &options).expect("what was just stored");
        assert_eq!((api.version(), &again), (version, &made), "stored again it does not change");
    }
}

fn own_name(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind" | "metadata" | "status")
}

const NAMES: [&str; 4] = ["a", "b", "c", "spec"];

fn object_schema(bytes: &mut Bytes<'_>, depth: usize) -> Value {
    let kinds =
        ["string", "integer", "number", "boolean", "object", "array", "x-int-or-string", "x-preserve"];
    let kind = if depth == 0 { "object" } else { kinds[usize::from(bytes.byte()) % kinds.len()] };
    let kind = if depth > 3 && matches!(kind, "object" | "array") { "string" } else { kind };
    let mut schema = match kind {
        "object" => {
            let count = bytes.byte() % 4;
            let fields: Map<String, Value> = (0..count)
                .map(|_| (NAMES[usize::from(bytes.byte() % 4)].to_string(), object_schema(bytes, depth + 1)))
                .collect();
            let mut schema = json!({ "type": "object", "properties": fields });
            if bytes.byte().is_multiple_of(4) {
                schema["required"] = json!([NAMES[usize::from(bytes.byte() % 4)]]);
            }
            if bytes.byte().is_multiple_of(5) {
                schema = json!({ "type": "object", "additionalProperties": object_schema(bytes, depth + 1) });
            }
            schema
        }
        "array" => {
            let mut schema = json!({ "type": "array", "items": object_schema(bytes, depth + 1) });
            match bytes.byte() % 5 {
                0 => schema["x-kubernetes-list-type"] = "set".into(),
                1 => schema["maxItems"] = (bytes.byte() % 4).into(),
                _ => {}
            }
            schema
        }
        "x-int-or-string" => json!({ "x-kubernetes-int-or-string": true }),
        "x-preserve" => json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }),
        scalar => json!({ "type": scalar }),
    };
    match bytes.byte() % 8 {
        0 => schema["default"] = value_of(bytes, 4),
        1 => schema["nullable"] = true.into(),
        2 => schema["enum"] = json!([value_of(bytes, 4), value_of(bytes, 4)]),
        3 => schema["minimum"] = bytes.byte().into(),
        4 => schema["pattern"] = bytes.text().into(),
        _ => {}
    }
    schema
}

fn value_of(bytes: &mut Bytes<'_>, depth: usize) -> Value {
    match bytes.byte() % 8 {
        _ if depth == 0 => object_of(bytes, depth),
        0 => Value::Null,
        1 => (bytes.byte() % 5).into(),
        2 => "a".into(),
        3 => bytes.byte().is_multiple_of(2).into(),
        4 | 5 if depth < 4 => object_of(bytes, depth),
        6 if depth < 4 => {
            (0..bytes.byte() % 4).map(|_| value_of(bytes, depth + 1)).collect::<Vec<_>>().into()
        }
        _ => 1.5.into(),
    }
}

fn object_of(bytes: &mut Bytes<'_>, depth: usize) -> Value {
    let count = bytes.byte() % 5;
    let fields = (0..count)
        .map(|_| (NAMES[usize::from(bytes.byte() % 4)].to_string(), value_of(bytes, depth + 1)))
        .collect::<Map<_, _>>();
    Value::Object(fields)
}
