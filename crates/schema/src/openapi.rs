//! OpenAPI documents of the served kinds.

use crate::Kind;
use serde_json::Value;

/// A kind that a CustomResourceDefinition adds, in one of its served versions.
#[derive(Debug, Clone, Copy)]
pub struct Custom<'a> {
    pub kind: &'a Kind,
    pub version: &'a str,
    /// `spec.versions[].schema.openAPIV3Schema`.
    pub schema: Option<&'a Value>,
}

/// Paths below `/openapi/v3/`: `api/v1`, `apis/apps/v1`, in the order of discovery.
pub fn v3_paths(_custom: &[Custom<'_>]) -> Vec<String> {
    Vec::new()
}

/// The document of one of [`v3_paths`].
pub fn v3(_path: &str, _custom: &[Custom<'_>]) -> Option<Value> {
    None
}

/// Swagger 2.0, all group-versions in one document.
pub fn v2(_custom: &[Custom<'_>]) -> Value {
    Value::Null
}
