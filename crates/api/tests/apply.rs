//! Server-side apply by the table in `apply.txt`: the rules of KEP-555 and of structured merge and diff, a case each.
//!
//! A case begins with `=== TITLE`, then comes a step a line: `VERB MANAGER OBJECT`, the object in YAML's flow style without
//! what all share (`on KIND` chooses the kind, Thing without it). Verbs: `apply`, `force`, `merge` (a merge patch), `create`,
//! `update` (replaces the whole object), `status` (applies the status), `mergestatus`, `applyscale`, `forcescale`, `scale` (a merge
//! patch of the Scale), `resize`, `forceresize` and `mergeresize` (of a pod), `forget` (the client empties managedFields). After `--->` stands what came of it: the steps
//! that failed or changed nothing, the object without what the server adds, and who owns what. `UPDATE_EXPECT=1` writes the
//! results anew.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use api::{Api, ApiConfig, Key, PatchKind, WriteOptions};
use expect_test::expect_file;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

const THINGS: &str = "example.com/things";

fn thing_definition() -> Value {
    let string = json!({ "type": "string" });
    let item = json!({ "type": "object", "required": ["name"], "properties": {
        "name": string, "v": string, "w": string, "proto": { "type": "string", "default": "TCP" }, "port": { "type": "integer" },
    } });
    let list = |keys: &[&str]| json!({ "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys, "items": item });
    let spec = json!({ "type": "object", "properties": {
        "a": string, "b": string, "num": { "type": "integer" },
        "defaulted": { "type": "string", "default": "d" },
        "nested": { "type": "object", "properties": { "x": string, "y": string, "deep": { "type": "object", "properties": { "z": string } } } },
        "map": { "type": "object", "additionalProperties": string },
        "atomicMap": { "type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": string },
        "atomicStruct": { "type": "object", "x-kubernetes-map-type": "atomic", "properties": { "x": string, "y": string } },
        "list": { "type": "array", "items": string },
        "set": { "type": "array", "x-kubernetes-list-type": "set", "items": string },
        "items": list(&["name"]),
        "ports": list(&["name", "proto"]),
        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
    } });
    let status = json!({ "type": "object", "properties": { "phase": string, "num": { "type": "integer" } } });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "things.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList" },
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": { "status": {},
                    "scale": { "specReplicasPath": ".spec.num", "statusReplicasPath": ".status.num" } },
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": spec, "status": status } } },
            }],
        },
    })
}

/// Resource, apiVersion and kind.
fn kind_of(name: &str) -> (&'static str, &'static str, &'static str) {
    match name {
        "Thing" => (THINGS, "example.com/v1", "Thing"),
        "ConfigMap" => ("configmaps", "v1", "ConfigMap"),
        "Service" => ("services", "v1", "Service"),
        "Pod" => ("pods", "v1", "Pod"),
        "Deployment" => ("apps/deployments", "apps/v1", "Deployment"),
        other => panic!("no kind {other} in this table"),
    }
}

struct Bench {
    api: Api,
    _dir: tempfile::TempDir,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let config = ApiConfig {
        dir: dir.path().into(),
        service_cidr: "10.43.0.0/16".into(),
        cluster_domain: "cluster.local".into(),
    };
    let api = Api::open(config).unwrap();
    let options = WriteOptions::default();
    api.create("apiextensions.k8s.io/customresourcedefinitions", thing_definition(), &options).unwrap();
    Bench { api, _dir: dir }
}

fn run(steps: &str) -> String {
    let bench = bench();
    let mut out = String::new();
    let (mut resource, mut api_version, mut kind) = kind_of("Thing");
    let mut number = 0;
    for line in steps.lines() {
        let (verb, rest) = line.split_once(' ').unwrap();
        if verb == "on" {
            (resource, api_version, kind) = kind_of(rest);
            continue;
        }
        number += 1;
        let (manager, text) = rest.split_once(' ').unwrap_or((rest, "{}"));
        let mut object = yaml::parse_documents(text).unwrap().remove(0);
        if !matches!(verb, "merge" | "mergestatus" | "scale" | "mergeresize") {
            let (api_version, kind) =
                if verb.ends_with("scale") { ("autoscaling/v1", "Scale") } else { (api_version, kind) };
            let mut given = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "t", "namespace": "default" } });
            patch::merge_patch(&mut given, &object);
            keep_nulls(&mut given, &object);
            object = given;
        }
        let manager = if manager == "-" { "" } else { manager };
        let (options, key) = (WriteOptions::by(manager), Key::new(resource, "default", "t"));
        let before = bench.api.version();
        let patch = |kind, subresource| bench.api.patch(&key, kind, subresource, &object, &options).map(drop);
        let done = match verb {
            "apply" => patch(PatchKind::Apply { force: false }, ""),
            "force" => patch(PatchKind::Apply { force: true }, ""),
            "status" => patch(PatchKind::Apply { force: false }, "status"),
            "resize" => patch(PatchKind::Apply { force: false }, "resize"),
            "forceresize" => patch(PatchKind::Apply { force: true }, "resize"),
            "mergeresize" => patch(PatchKind::Merge, "resize"),
            "merge" => patch(PatchKind::Merge, ""),
            "mergestatus" => patch(PatchKind::Merge, "status"),
            "applyscale" => patch(PatchKind::Apply { force: false }, "scale"),
            "forcescale" => patch(PatchKind::Apply { force: true }, "scale"),
            "scale" => patch(PatchKind::Merge, "scale"),
            "update" => bench.api.update(resource, object.clone(), &options).map(drop),
            "create" => bench.api.create(resource, object.clone(), &options).map(drop),
            "forget" => {
                let empty = json!({ "metadata": { "managedFields": [{}] } });
                bench.api.patch(&key, PatchKind::Merge, "", &empty, &options).map(drop)
            }
            other => panic!("no verb {other} in this table"),
        };
        // Identities are chosen at random.
        let object = bench.api.get(resource, "default", "t").ok();
        let uid = object.as_ref().and_then(|object| object["metadata"]["uid"].as_str()).unwrap_or("none");
        match done {
            Err(error) => writeln!(
                out,
                "{}: {} {}: {}",
                number,
                error.code,
                error.reason,
                error.message.replace(uid, "UID")
            )
            .unwrap(),
            Ok(()) if bench.api.version() == before => writeln!(out, "{}: nothing changed", number).unwrap(),
            Ok(()) => {}
        }
    }
    let Ok(object) = bench.api.get(resource, "default", "t") else { return out };
    describe(&mut out, &object);
    out
}

/// A merge patch takes out what is null; an applied configuration may say so.
fn keep_nulls(given: &mut Value, object: &Value) {
    let Some(fields) = object.as_object() else { return };
    for (name, value) in fields {
        if value.is_null() {
            given[name.as_str()] = Value::Null;
        } else {
            keep_nulls(&mut given[name.as_str()], value);
        }
    }
}

fn describe(out: &mut String, object: &Value) {
    let mut shown = Map::new();
    for (name, value) in object.as_object().unwrap() {
        if !matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            let mut value = value.clone();
            // Addresses are chosen at random.
            if let Some(fields) = value.as_object_mut() {
                fields.retain(|name, _| !matches!(name.as_str(), "clusterIP" | "clusterIPs"));
            }
            shown.insert(name.clone(), value);
        }
    }
    for name in ["labels", "annotations", "finalizers"] {
        if let Some(value) = object["metadata"].get(name) {
            shown.insert(name.into(), value.clone());
        }
    }
    writeln!(out, "{}", Value::Object(shown)).unwrap();
    // Their order is that of seconds, which pass at any time.
    let mut entries = Vec::new();
    for entry in object["metadata"]["managedFields"].as_array().into_iter().flatten() {
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        let mut paths = Vec::new();
        leaves(&entry["fieldsV1"], String::new(), &mut paths);
        let part =
            if text("subresource").is_empty() { String::new() } else { format!(" {}", text("subresource")) };
        entries.push(format!("{} {}{part}: {}\n", text("manager"), text("operation"), paths.join(" ")));
    }
    entries.sort();
    out.push_str(&entries.concat());
}

/// The paths of a set, as messages print them.
fn leaves(fields: &Value, path: String, out: &mut Vec<String>) {
    let Some(map) = fields.as_object().filter(|map| !map.is_empty()) else { return out.push(path) };
    for (name, below) in map {
        let step = match name.split_once(':') {
            Some(("f", field)) => format!(".{field}"),
            Some(("k", keys)) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap();
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("[{}]", keys.join(","))
            }
            Some(("v", value)) => format!("[={value}]"),
            _ => {
                out.push(path.clone());
                continue;
            }
        };
        leaves(below, format!("{path}{step}"), out);
    }
}

#[test]
fn managers_share_objects_by_the_rules() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apply.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let (head, cases) = text.split_once("\n=== ").unwrap();
    let mut out = head.to_string();
    let mut count = 0;
    for case in cases.split("\n=== ") {
        let (title, body) = case.split_once('\n').unwrap();
        let (steps, _) = body.split_once("--->\n").unwrap();
        write!(out, "\n=== {title}\n{steps}--->\n{}", run(steps)).unwrap();
        count += 1;
    }
    expect_file![path].assert_eq(&out);
    assert!(count >= 100, "{count} cases");
}
