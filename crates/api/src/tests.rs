//! What the tests of this crate share.

mod admission;
mod bounds;
mod cost;
mod webhooks;
mod writes;

use crate::{Api, ApiConfig, WriteOptions};

pub(crate) fn config(dir: &std::path::Path) -> ApiConfig {
    ApiConfig { dir: dir.into(), service_cidr: "10.43.0.0/16".into(), cluster_domain: "cluster.local".into() }
}

pub(crate) fn bench() -> (Api, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("tempdir");
    (Api::open(config(dir.path())).expect("open"), dir)
}

pub(crate) fn by() -> WriteOptions {
    WriteOptions::by("test")
}
