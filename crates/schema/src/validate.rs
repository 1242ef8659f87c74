//! What upstream refuses, in its words.

use serde_json::Value;

pub(crate) const QUANTITY: &str = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$";

/// An entry of a `Status`' `details.causes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// `spec.containers[0].name`.
    pub field: String,
    /// `FieldValueRequired`, `FieldValueInvalid`, …
    pub reason: &'static str,
    /// Without the field: `Required value`, `Invalid value: "A": a lowercase RFC 1123 …`.
    pub message: String,
}

/// `old` is the stored object, when this is an update. Both have their defaults.
pub fn check(_resource: &str, _object: &Value, _old: Option<&Value>) -> Vec<Cause> {
    Vec::new()
}
