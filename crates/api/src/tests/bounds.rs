//! What a patch may grow an object to.

use super::{bench, by, config};
use crate::*;
use serde_json::json;

fn patched(patch: Value) -> std::result::Result<Object, (u16, &'static str, String)> {
    let (api, _dir) = bench();
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m", "namespace": "default" },
        "data": { "a": "x".repeat(1 << 16) } });
    api.create("configmaps", map, &by()).expect("create");
    let key = Key::new("configmaps", "default", "m");
    api.patch(&key, PatchKind::Json, "", &patch, &by())
        .map_err(|error| (error.code, error.reason, error.message))
}

#[test]
fn a_json_patch_has_limits() {
    let tests = |n: usize| -> Value {
        (0..n).map(|_| json!({ "op": "test", "path": "/metadata/name", "value": "m" })).collect()
    };
    patched(tests(10_000)).expect("as many as may be");
    assert_eq!(
        patched(tests(10_001)).expect_err("one too many"),
        (
            413,
            "RequestEntityTooLarge",
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
                .into()
        )
    );
    let doubling: Value =
        (0..64).map(|n| json!({ "op": "copy", "from": "/data", "path": format!("/data/{n}") })).collect();
    let (code, reason, message) = patched(doubling).expect_err("too large");
    assert_eq!((code, reason), (422, "Invalid"));
    let words = "Unable to complete the copy, the accumulated size increase of copy is ";
    assert!(message.contains(words) && message.ends_with(", exceeding the limit 3145728"), "{message}");
}

#[test]
fn what_is_stored_can_be_read_back() {
    let (api, dir) = bench();
    let definition = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "deeps.example.com" },
        "spec": { "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "deeps", "singular": "deep", "kind": "Deep", "listKind": "DeepList" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true } } }] } });
    api.create("apiextensions.k8s.io/customresourcedefinitions", definition, &by()).expect("a definition");
    let create = |levels: usize, options: &WriteOptions| {
        let below = (0..levels).fold(json!(1), |below, _| json!({ "a": below }));
        let object = json!({ "apiVersion": "example.com/v1", "kind": "Deep", "spec": below,
            "metadata": { "name": format!("d{levels}"), "namespace": "default" } });
        api.create("example.com/deeps", object, options).map(drop).map_err(|error| error.message)
    };
    create(119, &WriteOptions::default()).expect("as deep as may be");
    let refused = "the object has more than 120 levels, which is the most that is stored";
    assert_eq!(create(120, &WriteOptions::default()).expect_err("too deep"), refused);
    // The account of its fields is deeper than the object.
    assert_eq!(create(118, &by()).expect_err("too deep"), refused);
    create(100, &by()).expect("as deep as may be");
    drop(api);
    let again = Api::open(config(dir.path())).expect("the journal is read back");
    assert_eq!(again.list("example.com/deeps", "default").len(), 2);
}
