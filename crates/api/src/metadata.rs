//! Reading and writing `metadata`, and the comparisons that ignore bookkeeping.

use serde_json::{Map, Value};

/// `metadata.NAME` as text; empty if absent.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// The metadata, made if it is not there (or is not an object).
pub(crate) fn of(object: &mut Value) -> &mut Map<String, Value> {
    field_map(object, "metadata")
}

/// A field that is an object, made if it is not there.
pub(crate) fn field_map<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let fields = object.as_object_mut().expect("made an object above");
    let slot = fields.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    slot.as_object_mut().expect("made an object above")
}

/// Sets `path` to `value` unless something is there.
pub(crate) fn default_to(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut()
        && fields.get(field).is_none_or(Value::is_null)
    {
        fields.insert(field.to_string(), value.into());
    }
}

/// Takes a field over from the object as it was: it is not the caller's to change.
pub(crate) fn keep(object: &mut Map<String, Value>, previous: &Value, field: &str) {
    match previous.get(field) {
        Some(value) => object.insert(field.to_string(), value.clone()),
        None => object.remove(field),
    };
}

pub(crate) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

pub(crate) fn finalizers(object: &Value) -> Vec<String> {
    let list = object["metadata"]["finalizers"].as_array();
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect()
}

/// Whether a write would change nothing but bookkeeping.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    let (Some(left), Some(right)) = (a.as_object(), b.as_object()) else { return a == b };
    let body = |object: &Map<String, Value>, other: &Map<String, Value>| {
        object.iter().all(|(field, value)| field == "metadata" || other.get(field) == Some(value))
    };
    body(left, right) && body(right, left) && same_metadata(&a["metadata"], &b["metadata"])
}

fn same_metadata(a: &Value, b: &Value) -> bool {
    let (Some(left), Some(right)) = (a.as_object(), b.as_object()) else { return a == b };
    let covers = |object: &Map<String, Value>, other: &Map<String, Value>| {
        object.iter().all(|(field, value)| match field.as_str() {
            "resourceVersion" | "generation" => true,
            "managedFields" => same_managers(Some(value), other.get(field)),
            _ => other.get(field) == Some(value),
        })
    };
    covers(left, right) && covers(right, left)
}

/// Equal but for the times of the entries.
fn same_managers(a: Option<&Value>, b: Option<&Value>) -> bool {
    let entries = |list: Option<&Value>| -> Vec<Map<String, Value>> {
        let list = list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
        list.cloned()
            .map(|mut entry| {
                entry.remove("time");
                entry
            })
            .collect()
    };
    entries(a) == entries(b)
}

/// Whether the part that the user specifies differs: all but metadata and status.
pub(crate) fn spec_differs(a: &Value, b: &Value) -> bool {
    let (Some(left), Some(right)) = (a.as_object(), b.as_object()) else { return a != b };
    let covers = |object: &Map<String, Value>, other: &Map<String, Value>| {
        let mut fields = object.iter().filter(|(field, _)| !matches!(field.as_str(), "metadata" | "status"));
        fields.all(|(field, value)| other.get(field) == Some(value))
    };
    !(covers(left, right) && covers(right, left))
}

/// Now, as metadata tells time.
pub(crate) fn timestamp(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
