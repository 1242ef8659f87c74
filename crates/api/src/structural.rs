//! Custom resources by their structural schema: unknown fields are dropped, defaults filled in, values checked.
//!
//! Rules in CEL (`x-kubernetes-validations`) are [`crate::rules`]'.

mod defaults;
mod embedded;
mod formats;
mod nodes;
mod patterns;
mod validate;

pub(crate) use defaults::problems as default_problems;
pub(crate) use embedded::problems as embedded_problems;
pub(crate) use formats::warnings as format_warnings;
pub(crate) use patterns::problems as pattern_problems;
pub(crate) use validate::{key_text, validate};

use crate::{crds, link};
use schema::Kind;
use serde_json::Value;
use store::{Object, Snapshot, View};

/// What always belongs to an object, whatever its schema says.
const OBJECT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// The definition of a custom kind.
pub(crate) fn definition_of(view: &Snapshot, kind: &Kind) -> Option<Object> {
    view.get(crds::RESOURCE, "", &format!("{}.{}", kind.plural, kind.group))
}

/// The schema of a custom kind in its first version, the one that it is handled in; null if it has none.
pub(crate) fn schema_in<'a>(definition: &'a Value, kind: &Kind) -> &'a Value {
    schema_of(definition, kind.versions.first().map(String::as_str).unwrap_or_default())
}

/// The schema of a version.
pub(crate) fn schema_of<'a>(definition: &'a Value, version: &str) -> &'a Value {
    let versions = definition["spec"]["versions"].as_array();
    let version = versions.and_then(|all| all.iter().find(|known| known["name"] == version));
    version.map_or(&Value::Null, |version| &version["schema"]["openAPIV3Schema"])
}

fn keeps_unknown(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true
}

/// Takes out what the schema does not know and names it.
pub(crate) fn prune(schema: &Value, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    if schema.is_object() {
        prune_at(schema, object, "", true, &mut unknown);
    }
    unknown
}

/// As [`prune`], for a value that stands somewhere in an object.
fn prune_within(schema: &Value, value: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    let embedded = schema["x-kubernetes-embedded-resource"] == true;
    prune_at(schema, value, "", embedded, &mut unknown);
    unknown
}

fn prune_at(schema: &Value, value: &mut Value, path: &str, is_object: bool, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let properties = schema["properties"].as_object();
            let others = &schema["additionalProperties"];
            let keeps = keeps_unknown(schema) || others == true;
            fields.retain(|name, value| {
                let path = join(path, name);
                if is_object && name == "metadata" {
                    let own = link::drop_unknown_metadata(value).into_iter();
                    unknown.extend(own.map(|text| text.replacen("\"metadata", &format!("\"{path}"), 1)));
                }
                if is_object && OBJECT_FIELDS.contains(&name.as_str()) {
                    return true;
                }
                let below = properties.and_then(|properties| properties.get(name));
                match below.or(others.is_object().then_some(others)) {
                    Some(below) => {
                        let embedded = below["x-kubernetes-embedded-resource"] == true;
                        prune_at(below, value, &path, embedded, unknown);
                        true
                    }
                    None if keeps => true,
                    None => {
                        unknown.push(format!("unknown field \"{path}\""));
                        false
                    }
                }
            });
        }
        Value::Array(items) if schema["items"].is_object() => {
            let below = &schema["items"];
            let embedded = below["x-kubernetes-embedded-resource"] == true;
            for (index, item) in items.iter_mut().enumerate() {
                prune_at(below, item, &format!("{path}[{index}]"), embedded, unknown);
            }
        }
        _ => {}
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

/// Fills in `default`s, also inside of objects that a default has made.
pub(crate) fn default(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, below) in schema["properties"].as_object().into_iter().flatten() {
                let nullable = below["nullable"] == true;
                let absent = fields.get(name).is_none_or(|value| value.is_null() && !nullable);
                if absent && let Some(given) = below.get("default") {
                    fields.insert(name.clone(), given.clone());
                }
                if let Some(value) = fields.get_mut(name) {
                    default(below, value);
                }
            }
            let others = &schema["additionalProperties"];
            if others.is_object() {
                let declared = schema["properties"].as_object();
                let mut rest = fields
                    .iter_mut()
                    .filter(|(name, _)| declared.is_none_or(|known| !known.contains_key(*name)));
                rest.by_ref().for_each(|(_, value)| default(others, value));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| default(&schema["items"], item)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({ "type": "object", "required": ["spec"], "properties": {
            "spec": { "type": "object", "required": ["size"], "properties": {
                "size": { "type": "integer", "minimum": 1, "maximum": 3 },
                "mode": { "type": "string", "enum": ["a", "b"], "default": "a" },
                "name": { "type": "string", "pattern": "^x" },
                "list": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
                "port": { "x-kubernetes-int-or-string": true },
                "map": { "type": "object", "additionalProperties": { "type": "object",
                    "properties": { "on": { "type": "boolean", "default": true } } } },
            } },
            "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        } })
    }

    #[test]
    fn unknown_fields_go() {
        let mut object = json!({ "apiVersion": "e/v1", "kind": "W", "metadata": { "name": "w" },
            "spec": { "size": 1, "sizes": 2, "map": { "k": { "on": true, "off": 1 } } }, "free": { "any": 1 }, "x": 1 });
        let unknown = prune(&schema(), &mut object);
        assert_eq!(
            unknown,
            ["unknown field \"spec.sizes\"", "unknown field \"spec.map.k.off\"", "unknown field \"x\""]
        );
        assert_eq!(object["free"]["any"], 1);
        assert_eq!(object["spec"], json!({ "size": 1, "map": { "k": { "on": true } } }));
    }

    #[test]
    fn defaults_are_filled_in_at_every_depth() {
        let mut object = json!({ "spec": { "size": 1, "map": { "k": {} } } });
        default(&schema(), &mut object);
        assert_eq!(object["spec"], json!({ "size": 1, "map": { "k": { "on": true } }, "mode": "a" }));
    }
}
