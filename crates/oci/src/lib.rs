//! OCI digests, references, manifests and layer rules as values.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The part of an image's config that a container starts from (OCI image-spec, `config`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    pub user: String,
    pub exposed_ports: BTreeMap<String, serde_json::Value>,
    pub env: Vec<String>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub volumes: BTreeMap<String, serde_json::Value>,
    pub working_dir: String,
    pub labels: BTreeMap<String, String>,
    pub stop_signal: Option<String>,
}
