//! Objects within objects (`x-kubernetes-embedded-resource`): they have a version, a kind, and metadata like all others.

use super::join;
use crate::link;
use serde_json::{Value, json};

/// Field, reason, text.
type Cause = (String, String, String);

/// What is wrong with the objects within an object.
pub(crate) fn problems(schema: &Value, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    below(schema, object, "", &mut causes);
    causes
}

fn at(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if schema["x-kubernetes-embedded-resource"] == true && value.is_object() {
        identity(value, path, causes);
        metadata(&value["metadata"], &join(path, "metadata"), causes);
    }
    below(schema, value, path, causes);
}

fn below(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(schema) = schema["properties"].get(name) {
                    at(schema, value, &join(path, name), causes);
                } else if schema["additionalProperties"].is_object() {
                    at(&schema["additionalProperties"], value, &format!("{path}[{name}]"), causes);
                }
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            for (index, item) in items.iter().enumerate() {
                at(&schema["items"], item, &format!("{path}[{index}]"), causes);
            }
        }
        _ => {}
    }
}

fn identity(value: &Value, path: &str, causes: &mut Vec<Cause>) {
    for name in ["apiVersion", "kind"] {
        let (reason, text) = match &value[name] {
            Value::Null => ("FieldValueRequired", "Required value: must not be empty".to_string()),
            Value::String(given) if given.is_empty() => {
                ("FieldValueInvalid", "Invalid value: \"\": must not be empty".to_string())
            }
            Value::String(_) => continue,
            other => ("FieldValueInvalid", format!("Invalid value: {other}: must be a string")),
        };
        causes.push((join(path, name), reason.into(), text));
    }
}

fn metadata(given: &Value, path: &str, causes: &mut Vec<Cause>) {
    if given.is_null() {
        return;
    }
    let unfit = link::metadata_type_errors(given);
    if !unfit.is_empty() {
        let text = format!("Invalid value: {given}: {}", unfit.join(", "));
        return causes.push((path.to_string(), "FieldValueInvalid".into(), text));
    }
    let mut named = given.clone();
    if let Some(fields) = named.as_object_mut()
        && fields.get("name").is_none_or(|name| name == "")
    {
        // What is within another object may be without a name.
        fields.insert("name".into(), "fakename".into());
    }
    for (field, reason, text) in link::validate_custom_metadata(&json!({ "metadata": named }), None) {
        causes.push((field.replacen("metadata", path, 1), reason, text));
    }
}
