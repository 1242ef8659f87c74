//! `events.k8s.io`: the same events as in the core group, under other names for half of their fields.

use serde_json::{Map, Value};

pub const GROUP: &str = "events.k8s.io";
pub const API_VERSION: &str = "events.k8s.io/v1";

/// Here, and in the core group.
const NAMES: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

fn renamed(event: &Value, api_version: &str, name: impl Fn(&str) -> Option<&'static str>) -> Value {
    let fields = event.as_object().into_iter().flatten();
    let mut renamed: Map<String, Value> =
        fields.map(|(field, value)| (name(field).unwrap_or(field).to_string(), value.clone())).collect();
    if renamed.contains_key("apiVersion") || renamed.contains_key("kind") {
        renamed.insert("apiVersion".into(), api_version.into());
    }
    Value::Object(renamed)
}

/// An event (or a patch of one) as it is stored.
pub fn to_core(event: &Value) -> Value {
    renamed(event, "v1", |field| NAMES.iter().find(|(here, _)| *here == field).map(|(_, core)| *core))
}

/// A stored event as this group shows it.
pub fn from_core(event: &Value) -> Value {
    renamed(event, API_VERSION, |field| NAMES.iter().find(|(_, core)| *core == field).map(|(here, _)| *here))
}
