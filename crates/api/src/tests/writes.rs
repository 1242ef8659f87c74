//! Creating, updating, patching, deleting, and reading back after a restart.

use super::{bench, by, config};
use crate::*;
use serde_json::json;

fn config_map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": "default" },
        "data": { "a": "1" } })
}

fn deployment(name: &str) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "default" },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "app": name } }, "template": {
            "metadata": { "labels": { "app": name } },
            "spec": { "containers": [{ "name": "c", "image": "i" }] } } } })
}

fn pod(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "default" },
        "spec": { "containers": [{ "name": "c", "image": "i" }] } })
}

fn key(resource: &str, name: &str) -> Key {
    Key::new(resource, "default", name)
}

#[test]
fn create_fills_in_the_metadata_and_refuses_twice() {
    let (api, _dir) = bench();
    let made = api.create("configmaps", config_map("x"), &by()).expect("create");
    let meta = &made["metadata"];
    assert_eq!(meta["uid"].as_str().map(str::len), Some(36));
    assert_eq!(meta["creationTimestamp"].as_str().map(str::len), Some(20));
    assert_eq!(meta["resourceVersion"], api.version().to_string());
    assert!(meta.get("generation").is_none());
    let error = api.create("configmaps", config_map("x"), &by()).expect_err("exists");
    assert_eq!((error.code, error.message.as_str()), (409, "configmaps \"x\" already exists"));
    let mut elsewhere = config_map("y");
    elsewhere["metadata"]["namespace"] = "nowhere".into();
    let error = api.create("configmaps", elsewhere, &by()).expect_err("no namespace");
    assert_eq!((error.code, error.message.as_str()), (404, "namespaces \"nowhere\" not found"));
    let mut generated = config_map("");
    generated["metadata"] = json!({ "generateName": "x-" });
    let made = api.create("configmaps", generated, &by()).expect("create");
    assert_eq!(made["metadata"]["name"].as_str().map(str::len), Some(7));
}

#[test]
fn updates_are_optimistic_and_no_ops_change_nothing() {
    let (api, _dir) = bench();
    let first = api.create("apps/deployments", deployment("d"), &by()).expect("create");
    assert_eq!(first["metadata"]["generation"], 1);
    let mut next = (*first).clone();
    next["spec"]["replicas"] = 2.into();
    let second = api.update("apps/deployments", next.clone(), &by()).expect("update");
    assert_eq!(second["metadata"]["generation"], 2);
    let error = api.update("apps/deployments", next, &by()).expect_err("stale");
    assert_eq!(error.reason, "Conflict");
    assert_eq!(
        error.message,
        "Operation cannot be fulfilled on deployments.apps \"d\": the object has been modified; please apply your \
         changes to the latest version and try again"
    );
    let version = api.version();
    let same = api.update("apps/deployments", (*second).clone(), &by()).expect("no-op");
    assert_eq!((api.version(), same), (version, second.clone()));
    let mut status = (*second).clone();
    status["status"] = json!({ "readyReplicas": 1 });
    status["spec"]["replicas"] = 9.into();
    let third = api.update_status("apps/deployments", status, &by()).expect("status");
    assert_eq!((&third["spec"]["replicas"], &third["status"]["readyReplicas"]), (&json!(2), &json!(1)));
    assert_eq!(third["metadata"]["generation"], 2);
}

#[test]
fn dry_runs_leave_nothing_behind() {
    let (api, _dir) = bench();
    let version = api.version();
    let options = WriteOptions { dry_run: true, ..by() };
    api.create("configmaps", config_map("x"), &options).expect("create");
    assert_eq!(api.version(), version);
    assert!(api.get("configmaps", "default", "x").is_err());
}

#[test]
fn patches_of_each_kind() {
    let (api, _dir) = bench();
    api.create("apps/deployments", deployment("d"), &by()).expect("create");
    let at = key("apps/deployments", "d");
    let patched =
        api.patch(&at, PatchKind::Merge, "", &json!({ "spec": { "replicas": 3 } }), &by()).expect("merge");
    assert_eq!(patched["spec"]["replicas"], 3);
    let operations = json!([{ "op": "replace", "path": "/spec/replicas", "value": 4 }]);
    let patched = api.patch(&at, PatchKind::Json, "", &operations, &by()).expect("json");
    assert_eq!(patched["spec"]["replicas"], 4);
    let strategic =
        json!({ "spec": { "template": { "spec": { "containers": [{ "name": "c", "image": "j" }] } } } });
    let patched = api.patch(&at, PatchKind::Strategic, "", &strategic, &by()).expect("strategic");
    assert_eq!(patched["spec"]["template"]["spec"]["containers"].as_array().map(Vec::len), Some(1));
    assert_eq!(patched["spec"]["template"]["spec"]["containers"][0]["image"], "j");
    let scaled = api.patch(&at, PatchKind::Merge, "scale", &json!({ "spec": { "replicas": 0 } }), &by());
    assert_eq!(scaled.expect("scale")["spec"], json!({}), "none, as in Go");
    assert_eq!(api.scale(&at).expect("scale")["status"]["selector"], "app=d");
    let stale = json!({ "metadata": { "resourceVersion": "1" } });
    assert_eq!(api.patch(&at, PatchKind::Merge, "", &stale, &by()).expect_err("stale").reason, "Conflict");
}

#[test]
fn pods_are_deleted_in_two_phases() {
    let (api, _dir) = bench();
    let unplaced = api.create("pods", pod("unplaced"), &by()).expect("create");
    assert_eq!(unplaced["spec"]["serviceAccountName"], "default");
    api.delete(&key("pods", "unplaced"), &DeleteOptions::default()).expect("delete");
    assert!(api.get("pods", "default", "unplaced").is_err(), "a pod without a node goes at once");

    api.create("pods", pod("p"), &by()).expect("create");
    let bind = Write::Merge {
        key: key("pods", "p"),
        subresource: "binding",
        patch: json!({ "spec": { "nodeName": "n" } }),
    };
    api.write(bind).expect("bind");
    let going = api.delete(&key("pods", "p"), &DeleteOptions::default()).expect("delete");
    assert_eq!(going["metadata"]["deletionGracePeriodSeconds"], 30);
    let shorter = DeleteOptions { grace_seconds: Some(5), ..DeleteOptions::default() };
    let going = api.delete(&key("pods", "p"), &shorter).expect("delete");
    assert_eq!(going["metadata"]["deletionGracePeriodSeconds"], 5);
    let wrong = DeleteOptions { uid: Some("other".into()), ..DeleteOptions::default() };
    assert_eq!(api.delete(&key("pods", "p"), &wrong).expect_err("another pod").reason, "Conflict");
    let last = Write::Delete {
        key: key("pods", "p"),
        uid: None,
        grace_seconds: Some(0),
        propagation: Propagation::Background,
    };
    api.write(last).expect("final delete");
    assert!(api.get("pods", "default", "p").is_err());
}

#[test]
fn finalizers_hold_an_object_until_they_are_gone() {
    let (api, _dir) = bench();
    let mut held = config_map("x");
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    api.create("configmaps", held, &by()).expect("create");
    let going = api.delete(&key("configmaps", "x"), &DeleteOptions::default()).expect("delete");
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    let none = json!({ "metadata": { "finalizers": null } });
    api.patch(&key("configmaps", "x"), PatchKind::Merge, "", &none, &by()).expect("release");
    assert!(api.get("configmaps", "default", "x").is_err());
}

#[test]
fn a_namespace_takes_nothing_new_while_it_goes() {
    let (api, _dir) = bench();
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "n" } });
    api.create("namespaces", namespace, &by()).expect("create");
    let going = api.delete(&Key::new("namespaces", "", "n"), &DeleteOptions::default()).expect("delete");
    assert_eq!(going["status"]["phase"], "Terminating");
    let mut late = config_map("late");
    late["metadata"]["namespace"] = "n".into();
    assert_eq!(api.create("configmaps", late, &by()).expect_err("too late").code, 403);
    let key = Key::new("namespaces", "", "n");
    let patch = json!({ "spec": { "finalizers": [] } });
    api.write(Write::Merge { key, subresource: "finalize", patch }).expect("finalize");
    assert!(api.get("namespaces", "", "n").is_err());
}

#[test]
fn services_get_addresses_and_ports() {
    let (api, _dir) = bench();
    let service = |name: &str, spec: Value| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": "default" }, "spec": spec });
    let create = |name: &str, spec: Value| api.create("services", service(name, spec), &by());
    let first = create("kubernetes", json!({ "ports": [{ "port": 443 }] })).expect("create");
    assert_eq!(first["spec"]["clusterIP"], "10.43.0.1");
    let made = create(
        "a",
        json!({ "type": "NodePort", "ports": [{ "name": "a", "port": 80 }, { "name": "b", "port": 81, "nodePort": 30081 }] }),
    );
    let made = made.expect("create");
    assert!(made["spec"]["clusterIPs"][0].as_str().is_some_and(|ip| ip.starts_with("10.43.")));
    assert!(made["spec"]["ports"][0]["nodePort"].as_u64().is_some_and(|port| port >= 30000));
    let fixed =
        create("dns", json!({ "clusterIP": "10.43.0.10", "ports": [{ "port": 53 }] })).expect("create");
    assert_eq!(fixed["spec"]["clusterIPs"], json!(["10.43.0.10"]));
    for (spec, expected) in [
        (json!({ "clusterIP": "10.43.0.10", "ports": [{ "port": 1 }] }), "provided IP is already allocated"),
        (json!({ "clusterIP": "10.44.0.10", "ports": [{ "port": 1 }] }), "not in the valid range"),
        (
            json!({ "type": "NodePort", "ports": [{ "port": 1, "nodePort": 30081 }] }),
            "provided port is already allocated",
        ),
        (
            json!({ "type": "NodePort", "ports": [{ "port": 1, "nodePort": 80 }] }),
            "valid ports is 30000-32767",
        ),
    ] {
        let error = create("bad", spec.clone()).expect_err("refused");
        assert!(error.message.contains(expected), "{spec}: {}", error.message);
    }
    let none = create("headless", json!({ "clusterIP": "None" })).expect("create");
    assert_eq!(none["spec"]["clusterIPs"], json!(["None"]));
    // what was allocated stays, whatever the caller forgets to say
    let again = service("a", json!({ "type": "NodePort", "ports": [{ "port": 80 }] }));
    let again = api.update("services", again, &by()).expect("update");
    assert_eq!(again["spec"]["clusterIP"], made["spec"]["clusterIP"]);
    assert_eq!(again["spec"]["ports"][0]["nodePort"], made["spec"]["ports"][0]["nodePort"]);
}

#[test]
fn events_are_counted() {
    let (api, _dir) = bench();
    for message in ["one", "one", "two"] {
        let regarding = json!({ "kind": "Pod", "namespace": "default", "name": "p", "uid": "u" });
        api.write(Write::Event {
            regarding,
            kind: EventKind::Warning,
            reason: "BackOff".into(),
            message: message.into(),
            component: "node".into(),
        })
        .expect("event");
    }
    let mut counts: Vec<_> = api.list("events", "default").iter().map(|e| e["count"].as_i64()).collect();
    counts.sort();
    assert_eq!(counts, [Some(1), Some(2)]);
}

#[test]
fn everything_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("tempdir");
    let api = Api::open(config(dir.path())).expect("open");
    let made = api.create("configmaps", config_map("x"), &by()).expect("create");
    api.create("configmaps", config_map("y"), &by()).expect("create");
    api.delete(&key("configmaps", "y"), &DeleteOptions::default()).expect("delete");
    let version = api.version();
    assert!(matches!(Api::open(config(dir.path())), Err(OpenError::Locked { .. })));
    drop(api);
    let api = Api::open(config(dir.path())).expect("reopen");
    assert_eq!(api.version(), version);
    assert_eq!(api.get("configmaps", "default", "x").expect("x"), made);
    assert!(api.get("configmaps", "default", "y").is_err());
    assert!(
        api.changes(version - 1).try_next().is_err(),
        "the history does not reach back behind the restart"
    );
}

#[test]
fn custom_kinds_are_served_as_soon_as_they_are_defined() {
    let (api, _dir) = bench();
    let definition = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.example.com" },
        "spec": { "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "widgets", "kind": "Widget", "shortNames": ["wd"] },
            "versions": [{ "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object" } } }] } });
    let made =
        api.create("apiextensions.k8s.io/customresourcedefinitions", definition, &by()).expect("create");
    assert_eq!(made["status"]["storedVersions"], json!(["v1"]));
    assert!(api.kinds().by_name("wd").is_some());
    let widget = json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "w" }, "spec": { "n": 1 } });
    let made = api.create("example.com/widgets", widget, &by()).expect("create");
    assert_eq!(
        (&made["metadata"]["namespace"], &made["metadata"]["generation"]),
        (&json!("default"), &json!(1))
    );
    let definition = Key::new("apiextensions.k8s.io/customresourcedefinitions", "", "widgets.example.com");
    api.delete(&definition, &DeleteOptions::default()).expect("delete");
    assert!(api.kinds().by_name("widget").is_none());
    assert!(api.list("example.com/widgets", "").is_empty());
}

#[tokio::test]
async fn changes_come_as_they_happen() {
    let (api, _dir) = bench();
    let mut changes = api.changes(api.version());
    assert!(changes.try_next().expect("not expired").is_none());
    let writer = api.clone();
    let task =
        tokio::task::spawn_blocking(move || writer.create("configmaps", config_map("x"), &by()).map(drop));
    let change = changes.next().await.expect("a change");
    assert_eq!((change.kind, &*change.key.name), (ChangeKind::Added, "x"));
    task.await.expect("joined").expect("created");
}

#[test]
fn a_revision_keeps_its_template_and_brings_it_back() {
    let (api, _dir) = bench();
    let template = |image: &str, label: &str| {
        json!({ "metadata": { "labels": { "app": "a", label: "x" } },
            "spec": { "containers": [{ "name": "c", "image": image }] } })
    };
    let mut old = template("old", "before");
    old["$patch"] = "replace".into();
    let revision = json!({ "apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": { "name": "a-1", "namespace": "default" }, "revision": 1,
        "data": { "spec": { "template": old } } });
    let stored = api.create("apps/controllerrevisions", revision, &by()).expect("created");
    assert_eq!(stored["data"]["spec"]["template"]["$patch"], "replace");
    let set = json!({ "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": { "name": "a", "namespace": "default" },
        "spec": { "selector": { "matchLabels": { "app": "a" } }, "template": template("new", "after") } });
    api.create("apps/daemonsets", set, &by()).expect("created");
    let key = Key::new("apps/daemonsets", "default", "a");
    let undone = api.patch(&key, PatchKind::Strategic, "", &stored["data"], &by()).expect("patched");
    let template = &undone["spec"]["template"];
    assert_eq!(template["spec"]["containers"][0]["image"], "old");
    assert_eq!(template["metadata"]["labels"], json!({ "app": "a", "before": "x" }));
}
