//! What the tests of this crate share.

mod admission;
mod bounds;
mod cost;
mod webhooks;
mod writes;

use crate::{Api, ApiConfig, WriteOptions};
use serde_json::{Value, json};

pub(crate) fn config(dir: &std::path::Path) -> ApiConfig {
    ApiConfig { dir: dir.into(), service_cidr: "10.43.0.0/16".into(), cluster_domain: "cluster.local".into() }
}

pub(crate) fn bench() -> (Api, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("tempdir");
    (Api::open(config(dir.path())).expect("open"), dir)
}

/// The definition of things, with these versions.
pub(crate) fn things(versions: Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "things.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList" },
            "versions": versions,
        },
    })
}

/// The same with one version of this schema.
pub(crate) fn things_of(schema: Value) -> Value {
    things(
        json!([{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }]),
    )
}

pub(crate) fn by() -> WriteOptions {
    WriteOptions::by("test")
}
