//! That a schema is structural: it says of each field what it is, outside of combinations.

use super::nested;
use crate::validate::{Errors, text};
use serde_json::Value;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Field,
    Item,
}

const EMBEDDED: &str = "x-kubernetes-embedded-resource";
const KEEPS: &str = "x-kubernetes-preserve-unknown-fields";
const EITHER: &str = "x-kubernetes-int-or-string";

pub(super) fn check(schema: &Value, field: &str, errors: &mut Errors) {
    node(schema, Level::Root, field, errors);
}

fn node(schema: &Value, level: Level, field: &str, errors: &mut Errors) {
    if schema["type"] == "array" && !schema["items"].is_object() && !schema["items"].is_array() {
        errors.required(&format!("{field}.items"), "must be specified");
    }
    if schema["items"].is_object() {
        node(&schema["items"], Level::Item, &format!("{field}.items"), errors);
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        node(below, Level::Field, &format!("{field}.properties[{name}]"), errors);
    }
    let others = &schema["additionalProperties"];
    if !others.is_null() && level == Level::Root {
        errors.forbidden(&format!("{field}.additionalProperties"), "must not be used at the root");
    }
    if others.is_object() {
        node(others, Level::Field, &format!("{field}.additionalProperties"), errors);
    }
    for name in [KEEPS, EMBEDDED].into_iter().filter(|name| schema[EITHER] == true && schema[*name] == true) {
        let detail = "must be false if x-kubernetes-int-or-string is true";
        errors.invalid(&format!("{field}.{name}"), &schema[name], detail);
    }
    nested::check(schema, field, errors);
    of_type(schema, level, field, errors);
    if schema[EMBEDDED] == true && !others.is_null() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.forbidden(&format!("{field}.additionalProperties"), detail);
    }
    if level == Level::Root || schema[EMBEDDED] == true {
        metadata(schema, level, field, errors);
    }
    let has_fields = schema["properties"].as_object().is_some_and(|fields| !fields.is_empty());
    if schema[EMBEDDED] == true && schema[KEEPS] != true && !has_fields {
        errors.required(
            &format!("{field}.properties"),
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        );
    }
}

fn of_type(schema: &Value, level: Level, field: &str, errors: &mut Errors) {
    let given = text(&schema["type"]);
    let at = format!("{field}.type");
    if schema[EMBEDDED] == true && given != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        if given.is_empty() {
            errors.required(&at, detail);
        } else {
            errors.invalid(&at, &schema["type"], detail);
        }
    } else if given.is_empty() && schema[EITHER] != true && schema[KEEPS] != true {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Field => "must not be empty for specified object fields",
            Level::Item => "must not be empty for specified array items",
        };
        errors.required(&at, detail);
    }
    if level == Level::Root && !given.is_empty() && given != "object" {
        errors.invalid(&at, &schema["type"], "must be object at the root");
    }
}

/// What every object has is not the schema's to say.
fn metadata(schema: &Value, level: Level, field: &str, errors: &mut Errors) {
    for (name, wanted) in [("kind", "string"), ("apiVersion", "string"), ("metadata", "object")] {
        let known = &schema["properties"][name];
        if known.is_object() && known["type"] != wanted {
            let given = Value::from(text(&known["type"]));
            let at = format!("{field}.properties[{name}].type");
            errors.invalid(&at, &given, &format!("must be {wanted}"));
        }
    }
    let known = &schema["properties"]["metadata"];
    if level != Level::Root || !known.is_object() {
        return;
    }
    let is_empty = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    let fields = known["properties"].as_object();
    let fits = |fields: &serde_json::Map<String, Value>| {
        fields.keys().all(|name| matches!(name.as_str(), "name" | "generateName"))
    };
    let others = known.as_object().into_iter().flatten();
    let mut others = others.filter(|(name, value)| {
        !matches!(name.as_str(), "type" | "properties" | "default") && !is_empty(value)
    });
    if fields.is_some_and(|fields| !fits(fields)) || others.next().is_some() {
        errors.forbidden(
            &format!("{field}.properties[metadata]"),
            "must not specify anything other than name and generateName, but metadata is implicitly specified",
        );
    }
}
