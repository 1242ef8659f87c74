//! Objects in another version than the one that is stored.

use schema::Kind;
use serde_json::Value;

/// A stored object as `api_version` has it.
pub(crate) fn to_version(kind: &Kind, api_version: &str, object: &Value) -> Value {
    if kind.plural == "events" && api_version == schema::convert::events::API_VERSION {
        return schema::convert::events::from_core(object);
    }
    let mut shown = crate::link::from_stored(kind, api_version, object).unwrap_or_else(|| object.clone());
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("apiVersion".into(), api_version.into());
    }
    shown
}

/// The way back; what is to be stored still goes through [`crate::admit::identify`].
pub(crate) fn from_version(kind: &Kind, object: Value) -> Value {
    if kind.plural == "events" && object["apiVersion"] == schema::convert::events::API_VERSION {
        return schema::convert::events::to_core(&object);
    }
    object
}
