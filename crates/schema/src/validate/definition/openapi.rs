//! What each schema of a definition says, wherever it stands: words that are known, lists and maps that can be told apart.

use crate::validate::{Errors, list, text};
use serde_json::Value;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// Of OpenAPI, and not of structural schemas.
const UNSUPPORTED: [&str; 6] =
    ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"];
const METADATA: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Where a schema stands.
#[derive(Clone, Copy, Default)]
struct Place {
    is_root: bool,
    in_metadata: bool,
    /// Why there may be no default.
    no_default: &'static str,
}

pub(super) fn check(schema: &Value, field: &str, errors: &mut Errors) {
    if schema["nullable"] == true {
        errors.forbidden(&format!("{field}.nullable"), "nullable cannot be true at the root");
    }
    node(schema, field, Place { is_root: true, ..Place::default() }, errors);
}

/// Where the status is written apart, its schema is taken out of the whole one, which may say no more than this.
pub(super) fn beside_status(schema: &Value, field: &str, errors: &mut Errors) {
    const ALLOWED: [(&str, &str); 22] = [
        ("Description", "description"),
        ("Type", "type"),
        ("Format", "format"),
        ("Title", "title"),
        ("Maximum", "maximum"),
        ("ExclusiveMaximum", "exclusiveMaximum"),
        ("Minimum", "minimum"),
        ("ExclusiveMinimum", "exclusiveMinimum"),
        ("MaxLength", "maxLength"),
        ("MinLength", "minLength"),
        ("Pattern", "pattern"),
        ("MaxItems", "maxItems"),
        ("MinItems", "minItems"),
        ("UniqueItems", "uniqueItems"),
        ("MultipleOf", "multipleOf"),
        ("Required", "required"),
        ("Items", "items"),
        ("Properties", "properties"),
        ("ExternalDocs", "externalDocs"),
        ("Example", "example"),
        ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields"),
        ("XValidations", "x-kubernetes-validations"),
    ];
    if !text(&schema["type"]).is_empty() && schema["type"] != "object" {
        let detail = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.invalid(&format!("{field}.type"), &schema["type"], detail);
        return;
    }
    let is_other = |name: &String, value: &Value| {
        let is_zero =
            value.is_null() || *value == false || *value == "" || list(value).is_empty() && value.is_array();
        !is_zero && !ALLOWED.iter().any(|(_, allowed)| allowed == name)
    };
    if schema.as_object().into_iter().flatten().any(|(name, value)| is_other(name, value)) {
        let known = ALLOWED.map(|(name, _)| name).join(" ");
        let detail = format!(
            "only [{known}] fields are allowed at the root of the schema if the status subresource is enabled"
        );
        errors.invalid(field, schema, &detail);
    }
}

fn node(schema: &Value, field: &str, place: Place, errors: &mut Errors) {
    words(schema, field, place, errors);
    if schema["uniqueItems"] == true {
        errors.forbidden(
            &format!("{field}.uniqueItems"),
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        );
    }
    below(schema, field, place, errors);
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        errors.invalid(
            &format!("{field}.x-kubernetes-preserve-unknown-fields"),
            &false.into(),
            "must be true or undefined",
        );
    }
    maps(schema, field, errors);
    lists(schema, field, errors);
}

fn words(schema: &Value, field: &str, place: Place, errors: &mut Errors) {
    errors.one_of(&format!("{field}.type"), &schema["type"], &TYPES);
    if !schema["default"].is_null() && !place.no_default.is_empty() {
        errors.forbidden(&format!("{field}.default"), &format!("must not be set {}", place.no_default));
    }
    for name in UNSUPPORTED {
        if !schema[name].is_null() {
            errors.forbidden(&format!("{field}.{name}"), &format!("{name} is not supported"));
        }
    }
    if schema["type"] == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        errors.forbidden(&format!("{field}.type"), detail);
    }
    if schema["items"].is_array() {
        errors.forbidden(&format!("{field}.items"), "items must be a schema object and not an array");
    }
    if place.in_metadata && schema["x-kubernetes-embedded-resource"] == true {
        let detail = "must not be used inside of resource meta";
        errors.forbidden(&format!("{field}.x-kubernetes-embedded-resource"), detail);
    }
}

fn below(schema: &Value, field: &str, place: Place, errors: &mut Errors) {
    let others = &schema["additionalProperties"];
    let has_fields = schema["properties"].as_object().is_some_and(|fields| !fields.is_empty());
    if has_fields && (*others == false || others.is_object()) {
        errors.forbidden(
            &format!("{field}.additionalProperties"),
            "additionalProperties and properties are mutual exclusive",
        );
    }
    let inner = Place { is_root: false, ..place };
    if others.is_object() {
        let no_default = if place.in_metadata {
            "inside additionalProperties applying to object metadata"
        } else {
            place.no_default
        };
        node(others, &format!("{field}.additionalProperties"), Place { no_default, ..inner }, errors);
    }
    let is_resource = place.is_root || schema["x-kubernetes-embedded-resource"] == true;
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let mut within = inner;
        if is_resource && METADATA.contains(&name.as_str()) {
            within.in_metadata = true;
            if place.is_root {
                within.no_default = match name.as_str() {
                    "apiVersion" => "in top-level apiVersion",
                    "kind" => "in top-level kind",
                    _ => "in top-level metadata",
                };
            }
        }
        node(property, &format!("{field}.properties[{name}]"), within, errors);
    }
    if schema["not"].is_object() {
        node(&schema["not"], &format!("{field}.not"), inner, errors);
    }
    for name in ["allOf", "oneOf", "anyOf"] {
        for (index, part) in list(&schema[name]).iter().enumerate() {
            node(part, &format!("{field}.{name}[{index}]"), inner, errors);
        }
    }
    if schema["items"].is_object() {
        node(&schema["items"], &format!("{field}.items"), inner, errors);
    }
}

fn maps(schema: &Value, field: &str, errors: &mut Errors) {
    let kind = &schema["x-kubernetes-map-type"];
    if kind.is_null() {
        return;
    }
    of_type(schema, "object", "must be object if x-kubernetes-map-type is specified", field, errors);
    errors.one_of(&format!("{field}.x-kubernetes-map-type"), kind, &["atomic", "granular"]);
}

fn of_type(schema: &Value, wanted: &str, detail: &str, field: &str, errors: &mut Errors) {
    match text(&schema["type"]) {
        "" => errors.required(&format!("{field}.type"), detail),
        given if given == wanted => {}
        _ => errors.invalid(&format!("{field}.type"), &schema["type"], detail),
    }
}

fn lists(schema: &Value, field: &str, errors: &mut Errors) {
    let (kind, keys) = (&schema["x-kubernetes-list-type"], list(&schema["x-kubernetes-list-map-keys"]));
    let items = &schema["items"];
    let at = format!("{field}.x-kubernetes-list-type");
    if !kind.is_null() {
        of_type(schema, "array", "must be array if x-kubernetes-list-type is specified", field, errors);
        if schema["type"] == "array" && *kind == "set" {
            set_items(items, field, errors);
        }
        errors.one_of(&at, kind, &["atomic", "set", "map"]);
    }
    if !keys.is_empty() {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        match text(kind) {
            "" => errors.required(&at, detail),
            "map" => {}
            _ => errors.invalid(&at, kind, detail),
        }
    }
    if *kind == "map" {
        map_items(items, keys, field, errors);
    }
    if matches!(text(kind), "map" | "set") {
        if items["nullable"] == true {
            let detail = format!("cannot be nullable when x-kubernetes-list-type is {}", text(kind));
            errors.forbidden(&format!("{field}.items.nullable"), &detail);
        }
        if *kind == "map" {
            keys_are_there(items, keys, field, errors);
        }
    }
}

fn set_items(items: &Value, field: &str, errors: &mut Errors) {
    let (name, plain) = match text(&items["type"]) {
        "array" => ("x-kubernetes-list-type", true),
        "object" => ("x-kubernetes-map-type", false),
        _ => return,
    };
    let given = &items[name];
    if *given == "atomic" || (plain && given.is_null()) {
        return;
    }
    let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    let shown = if given.is_null() { super::super::NIL.into() } else { given.clone() };
    errors.invalid(&format!("{field}.items.{name}"), &shown, detail);
}

fn map_items(items: &Value, keys: &[Value], field: &str, errors: &mut Errors) {
    let at = format!("{field}.x-kubernetes-list-map-keys");
    if keys.is_empty() {
        errors.required(&at, "must not be empty if x-kubernetes-list-type is map");
    }
    if items.is_null() {
        errors.required(&format!("{field}.items"), "must have a schema if x-kubernetes-list-type is map");
    }
    if !items.is_object() {
        return;
    }
    if items["type"] != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        let given = Value::from(text(&items["type"]));
        errors.invalid(&format!("{field}.items.type"), &given, detail);
        return;
    }
    let all = Value::from(keys.to_vec());
    for (index, key) in keys.iter().enumerate() {
        let known = &items["properties"][text(key)];
        if !known.is_object() {
            errors.invalid(&at, &all, "entries must all be names of item properties");
        } else if matches!(text(&known["type"]), "array" | "object") {
            // Upstream shows the type of the items.
            let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            let at = format!("{field}.items.properties[{}].type", text(key));
            errors.invalid(&at, &items["type"], detail);
        }
        if keys[..index].contains(key) {
            errors.invalid(&at, &all, "must not contain duplicate entries");
        }
    }
}

/// Each item has its keys: they are required, or have a default.
fn keys_are_there(items: &Value, keys: &[Value], field: &str, errors: &mut Errors) {
    for key in keys {
        let known = &items["properties"][text(key)];
        if !known.is_object() {
            continue;
        }
        let at = format!("{field}.items.properties[{}]", text(key));
        if !list(&items["required"]).contains(key) && known["default"].is_null() {
            errors.required(
                &format!("{at}.default"),
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            );
        }
        if known["nullable"] == true {
            errors.forbidden(
                &format!("{at}.nullable"),
                "this property is in x-kubernetes-list-map-keys, so it cannot be nullable",
            );
        }
    }
}
