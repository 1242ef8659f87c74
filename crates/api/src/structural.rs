//! Custom resources by their structural schema: unknown fields are dropped, defaults filled in, values checked.
//!
//! Rules in CEL (`x-kubernetes-validations`) are [`crate::rules`]'.

use crate::crds;
use regex::Regex;
use schema::Kind;
use serde_json::{Map, Value};
use store::{Object, Snapshot, View};

/// Field, reason, text.
type Cause = (String, String, String);

/// What always belongs to an object, whatever its schema says.
const OBJECT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// The definition of a custom kind.
pub(crate) fn definition_of(view: &Snapshot, kind: &Kind) -> Option<Object> {
    view.get(crds::RESOURCE, "", &format!("{}.{}", kind.plural, kind.group))
}

/// The schema of a custom kind in its stored version; null if it has none.
pub(crate) fn schema_in<'a>(definition: &'a Value, kind: &Kind) -> &'a Value {
    let version = kind.versions.first().map(String::as_str).unwrap_or_default();
    let versions = definition["spec"]["versions"].as_array();
    let version = versions.and_then(|all| all.iter().find(|known| known["name"] == version));
    version.map_or(&Value::Null, |version| &version["schema"]["openAPIV3Schema"])
}

pub(crate) fn schema_of(view: &Snapshot, kind: &Kind) -> Value {
    definition_of(view, kind).map_or(Value::Null, |definition| schema_in(&definition, kind).clone())
}

/// Whether a schema has rules in CEL.
pub(crate) fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            fields.contains_key("x-kubernetes-validations") || fields.values().any(has_rules)
        }
        Value::Array(items) => items.iter().any(has_rules),
        _ => false,
    }
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

fn prune_at(schema: &Value, value: &mut Value, path: &str, is_object: bool, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let properties = schema["properties"].as_object();
            let others = &schema["additionalProperties"];
            let keeps = keeps_unknown(schema) || others == true;
            fields.retain(|name, value| {
                let path = join(path, name);
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

/// What the schema refuses, in upstream's words.
pub(crate) fn validate(schema: &Value, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if schema.is_object() {
        let mut body = object.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.retain(|name, _| !OBJECT_FIELDS.contains(&name.as_str()));
        }
        let mut root = schema.clone();
        if let Some(required) = root.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| !OBJECT_FIELDS.iter().any(|known| name == known));
        }
        check(&root, &body, "", &mut causes);
    }
    causes
}

fn check(schema: &Value, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if value.is_null() && (schema["nullable"] == true || schema.get("type").is_none()) {
        return;
    }
    if !fits(schema, value) {
        let (wanted, is) = (schema["type"].as_str().unwrap_or("integer,string"), type_of(value));
        let text = format!("Invalid value: {is:?}: {path} in body must be of type {wanted}: {is:?}");
        return causes.push((path.to_string(), "FieldValueTypeInvalid".into(), text));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let known: Vec<String> = allowed.iter().map(Value::to_string).collect();
        let text = format!("Unsupported value: {value}: supported values: {}", known.join(", "));
        causes.push((path.to_string(), "FieldValueNotSupported".into(), text));
    }
    match value {
        Value::String(given) => check_text(schema, given, path, causes),
        Value::Number(number) => {
            check_number(schema, number.as_f64().unwrap_or_default(), value, path, causes)
        }
        Value::Array(items) => check_items(schema, items, path, causes),
        Value::Object(fields) => check_fields(schema, fields, path, causes),
        _ => {}
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        check(part, value, path, causes);
    }
}

fn fits(schema: &Value, value: &Value) -> bool {
    if schema["x-kubernetes-int-or-string"] == true {
        return value.is_string() || value.is_i64() || value.is_u64();
    }
    match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("number") => value.is_number(),
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn invalid(path: &str, value: &Value, text: &str) -> Cause {
    (path.to_string(), "FieldValueInvalid".into(), format!("Invalid value: {value}: {path} in body {text}"))
}

fn check_text(schema: &Value, given: &str, path: &str, causes: &mut Vec<Cause>) {
    let value = Value::from(given);
    let length = given.chars().count() as u64;
    if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
        let text = format!("Too long: may not be more than {most} bytes");
        causes.push((path.to_string(), "FieldValueTooLong".into(), text));
    }
    if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
        causes.push(invalid(path, &value, &format!("should be at least {least} chars long")));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        // A pattern that cannot be read has been refused (or warned of) where it was defined.
        && Regex::new(pattern).is_ok_and(|regex| !regex.is_match(given))
    {
        causes.push(invalid(path, &value, &format!("should match '{pattern}'")));
    }
}

fn check_number(schema: &Value, number: f64, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    if let Some(most) = schema["maximum"].as_f64() {
        let exclusive = schema["exclusiveMaximum"] == true;
        if number > most || (exclusive && number == most) {
            let than = if exclusive { "less than" } else { "less than or equal to" };
            causes.push(invalid(path, value, &format!("should be {than} {most}")));
        }
    }
    if let Some(least) = schema["minimum"].as_f64() {
        let exclusive = schema["exclusiveMinimum"] == true;
        if number < least || (exclusive && number == least) {
            let than = if exclusive { "greater than" } else { "greater than or equal to" };
            causes.push(invalid(path, value, &format!("should be {than} {least}")));
        }
    }
    if let Some(of) = schema["multipleOf"].as_f64().filter(|of| *of > 0.0)
        && (number / of).fract() != 0.0
    {
        causes.push(invalid(path, value, &format!("should be a multiple of {of}")));
    }
}

fn check_items(schema: &Value, items: &[Value], path: &str, causes: &mut Vec<Cause>) {
    let count = items.len() as u64;
    if let Some(most) = schema["maxItems"].as_u64().filter(|most| count > *most) {
        let text = format!("Too many: {count}: must have at most {most} items");
        causes.push((path.to_string(), "FieldValueTooMany".into(), text));
    }
    if let Some(least) = schema["minItems"].as_u64().filter(|least| count < *least) {
        causes.push(invalid(path, &count.into(), &format!("should have at least {least} items")));
    }
    for (index, item) in items.iter().enumerate() {
        check(&schema["items"], item, &format!("{path}[{index}]"), causes);
    }
    duplicates(schema, items, path, causes);
}

/// Lists that are sets or maps hold each item once.
fn duplicates(schema: &Value, items: &[Value], path: &str, causes: &mut Vec<Cause>) {
    let identity: Box<dyn Fn(&Value) -> Value> = match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Box::new(Value::clone),
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array().cloned().unwrap_or_default();
            Box::new(move |item| {
                let names = keys.iter().filter_map(Value::as_str);
                names.map(|name| (name.to_string(), item[name].clone())).collect::<Map<_, _>>().into()
            })
        }
        _ => return,
    };
    let mut seen = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let is = identity(item);
        if seen.contains(&is) {
            let text = format!("Duplicate value: {is}");
            causes.push((format!("{path}[{index}]"), "FieldValueDuplicate".into(), text));
        }
        seen.push(is);
    }
}

fn check_fields(schema: &Value, fields: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            causes.push((join(path, name), "FieldValueRequired".into(), "Required value".into()));
        }
    }
    let properties = schema["properties"].as_object();
    let others = &schema["additionalProperties"];
    for (name, value) in fields {
        let below = properties.and_then(|properties| properties.get(name));
        if let Some(below) = below.or(others.is_object().then_some(others)) {
            check(below, value, &join(path, name), causes);
        }
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

    #[test]
    fn values_are_checked() {
        let check = |spec: Value| -> Vec<String> {
            let object = json!({ "apiVersion": "e/v1", "kind": "W", "metadata": {}, "spec": spec });
            validate(&schema(), &object)
                .into_iter()
                .map(|(field, _, text)| format!("{field}: {text}"))
                .collect()
        };
        assert!(
            check(json!({ "size": 2, "mode": "b", "name": "xy", "list": ["a"], "port": "http" })).is_empty()
        );
        for (spec, expected) in [
            (json!({}), "spec.size: Required value"),
            (
                json!({ "size": "2" }),
                "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
            ),
            (
                json!({ "size": 4 }),
                "spec.size: Invalid value: 4: spec.size in body should be less than or equal to 3",
            ),
            (
                json!({ "size": 1, "mode": "c" }),
                "spec.mode: Unsupported value: \"c\": supported values: \"a\", \"b\"",
            ),
            (
                json!({ "size": 1, "name": "y" }),
                "spec.name: Invalid value: \"y\": spec.name in body should match '^x'",
            ),
            (json!({ "size": 1, "list": ["a", "a"] }), "spec.list[1]: Duplicate value: \"a\""),
            (
                json!({ "size": 1, "port": true }),
                "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\"",
            ),
        ] {
            assert_eq!(check(spec.clone()), [expected], "{spec}");
        }
    }
}
