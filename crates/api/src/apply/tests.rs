//! Applies by several managers.

use crate::tests::{bench, by};
use crate::*;
use serde_json::json;

fn config(replicas: Option<i64>, containers: &[(&str, &str)]) -> Value {
    let containers: Vec<Value> =
        containers.iter().map(|(name, image)| json!({ "name": name, "image": image })).collect();
    let mut config = json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "d", "namespace": "default", "labels": { "app": "d" } },
        "spec": { "selector": { "matchLabels": { "app": "d" } }, "template": {
            "metadata": { "labels": { "app": "d" } }, "spec": { "containers": containers } } } });
    if let Some(replicas) = replicas {
        config["spec"]["replicas"] = replicas.into();
    }
    config
}

fn apply(api: &Api, manager: &str, force: bool, config: &Value) -> Result<Object> {
    let key = Key::new("apps/deployments", "default", "d");
    api.patch(&key, PatchKind::Apply { force }, "", config, &WriteOptions::by(manager))
}

fn names(object: &Value) -> Vec<String> {
    let containers = object["spec"]["template"]["spec"]["containers"].as_array().expect("containers");
    containers
        .iter()
        .map(|c| {
            format!("{}={}", c["name"].as_str().expect("a name"), c["image"].as_str().unwrap_or_default())
        })
        .collect()
}

#[test]
fn appliers_share_an_object_and_take_back_only_their_own() {
    let (api, _dir) = bench();
    let made = apply(&api, "one", false, &config(Some(2), &[("a", "a:1")])).expect("create");
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "one");
    let fields = &made["metadata"]["managedFields"][0]["fieldsV1"];
    assert_eq!(
        fields["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"a\"}"],
        json!({ ".": {}, "f:image": {}, "f:name": {} })
    );
    assert!(fields["f:metadata"].get("f:name").is_none());

    let version = api.version();
    apply(&api, "one", false, &config(Some(2), &[("a", "a:1")])).expect("the same again");
    assert_eq!(api.version(), version, "an apply that changes nothing writes nothing");

    let both = apply(&api, "two", false, &config(None, &[("b", "b:1")])).expect("another container");
    assert_eq!(names(&both), ["a=a:1", "b=b:1"]);
    let left = apply(&api, "one", false, &config(Some(2), &[])).expect("one lets go");
    assert_eq!(names(&left), ["b=b:1"]);
}

#[test]
fn what_admission_adds_is_nobodys() {
    let (api, _dir) = bench();
    let class = json!({ "metadata": { "name": "local", "annotations": {
        "storageclass.kubernetes.io/is-default-class": "true" } }, "provisioner": "x" });
    api.create("storage.k8s.io/storageclasses", class, &WriteOptions::default()).expect("a class");
    let claim = json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": "c", "namespace": "default" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    let made =
        api.create("persistentvolumeclaims", claim.clone(), &WriteOptions::by("one")).expect("a claim");
    assert_eq!(made["spec"]["storageClassName"], "local");
    let fields = &made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"];
    assert!(fields.get("f:volumeMode").is_some(), "a default is its manager's: {fields}");
    assert!(fields.get("f:storageClassName").is_none(), "{fields}");
    // As after kubectl has moved its account to server-side apply.
    let mut moved = (*made).clone();
    moved["metadata"]["managedFields"][0]["operation"] = "Apply".into();
    api.update("persistentvolumeclaims", moved, &WriteOptions::default()).expect("moved");
    let key = Key::new("persistentvolumeclaims", "default", "c");
    let how = PatchKind::Apply { force: false };
    let again = api.patch(&key, how, "", &claim, &WriteOptions::by("one")).expect("applied again");
    assert_eq!(again["spec"], made["spec"]);
}

#[test]
fn letting_go_of_all_metadata_leaves_the_name() {
    let (api, _dir) = bench();
    let key = Key::new("configmaps", "default", "c");
    let apply = |config: Value| {
        let how = PatchKind::Apply { force: false };
        api.patch(&key, how, "", &config, &WriteOptions::by("one")).expect("an apply")
    };
    let named = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c" } });
    let bare = json!({ "apiVersion": "v1", "kind": "ConfigMap" });
    for config in [named, bare] {
        let mut noted = config.clone();
        noted["metadata"]["annotations"] = json!({ "note": "a" });
        let before = apply(noted);
        assert_eq!(before["metadata"]["annotations"]["note"], "a");
        let after = apply(config);
        assert_eq!(after["metadata"]["name"], "c");
        assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
        assert!(after["metadata"].get("annotations").is_none());
    }
}

#[test]
fn somebody_elses_field_is_a_conflict_unless_forced() {
    let (api, _dir) = bench();
    apply(&api, "one", false, &config(Some(2), &[("a", "a:1")])).expect("create");
    let error = apply(&api, "two", false, &config(Some(3), &[("a", "a:1")])).expect_err("conflict");
    assert_eq!(error.message, "Apply failed with 1 conflict: conflict with \"one\": .spec.replicas");
    assert_eq!(error.details["causes"][0]["reason"], "FieldManagerConflict");
    let forced = apply(&api, "two", true, &config(Some(3), &[("a", "a:2")])).expect("forced");
    assert_eq!((&forced["spec"]["replicas"], names(&forced)), (&json!(3), vec!["a=a:2".to_string()]));
    // what was taken from it is not removed when the first applier no longer mentions it
    let after = apply(&api, "one", false, &config(None, &[])).expect("one again");
    assert_eq!(after["spec"]["replicas"], 3);
}

#[test]
fn updates_own_what_they_change() {
    let (api, _dir) = bench();
    apply(&api, "one", false, &config(Some(2), &[("a", "a:1")])).expect("create");
    let key = Key::new("apps/deployments", "default", "d");
    let scale = json!({ "spec": { "replicas": 5 } });
    api.patch(&key, PatchKind::Merge, "", &scale, &WriteOptions::by("kubectl-scale")).expect("scale");
    let error = apply(&api, "one", false, &config(Some(2), &[("a", "a:1")])).expect_err("conflict");
    assert_eq!(
        error.message,
        "Apply failed with 1 conflict: conflict with \"kubectl-scale\" using apps/v1: .spec.replicas"
    );
    let without = apply(&api, "one", false, &config(None, &[("a", "a:1")])).expect("gives it up");
    assert_eq!(without["spec"]["replicas"], 5);
}

#[test]
fn objects_made_without_account_belong_to_nobody_in_particular() {
    let (api, _dir) = bench();
    let untracked = WriteOptions::default();
    api.create("apps/deployments", config(Some(1), &[("a", "a:1")]), &untracked).expect("create");
    let error = apply(&api, "one", false, &config(Some(2), &[("a", "a:1")])).expect_err("conflict");
    assert_eq!(
        error.message,
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1: .spec.replicas"
    );
    let _ = by();
}
