//! What stands in `allOf`, `anyOf`, `oneOf` and `not` of a structural schema: restrictions of fields that the schema itself
//! declares, and nothing that says what a field is.

use crate::validate::{Errors, list, text};
use serde_json::Value;

/// Of a schema that declares: its combinations. `field`: where it stands.
pub(super) fn check(schema: &Value, field: &str, errors: &mut Errors) {
    let is_any = is_int_or_string(list(&schema["anyOf"]));
    let first = &list(&schema["allOf"]).first().unwrap_or(&Value::Null)["anyOf"];
    combinations(
        schema,
        field,
        is_any,
        is_int_or_string(list(first)),
        &mut |part, place, any, errors| {
            restriction(part, place, any, errors);
            declared(part, schema, field, place, errors);
        },
        errors,
    );
}

/// `anyOf: [{type: integer}, {type: string}]`, which may be written where `x-kubernetes-int-or-string` is.
fn is_int_or_string(parts: &[Value]) -> bool {
    let only = |part: &Value, kind: &str| {
        part["type"] == kind && part.as_object().is_some_and(|fields| fields.len() == 1)
    };
    matches!(parts, [first, second] if only(first, "integer") && only(second, "string"))
}

/// Calls `each` with all parts of all combinations. `any`, `first_any`: whether the `anyOf` here, or of the first `allOf`,
/// is the one that may name types.
fn combinations(
    schema: &Value,
    field: &str,
    any: bool,
    first_any: bool,
    each: &mut dyn FnMut(&Value, &str, bool, &mut Errors),
    errors: &mut Errors,
) {
    for name in ["anyOf", "allOf", "oneOf"] {
        if name == "anyOf" && any {
            continue;
        }
        for (index, part) in list(&schema[name]).iter().enumerate() {
            let may_name = name == "allOf" && index == 0 && first_any;
            each(part, &format!("{field}.{name}[{index}]"), may_name, errors);
        }
    }
    if schema["not"].is_object() {
        each(&schema["not"], &format!("{field}.not"), false, errors);
    }
}

fn restriction(part: &Value, field: &str, any: bool, errors: &mut Errors) {
    combinations(part, field, any, false, &mut restriction, errors);
    if part["items"].is_object() {
        restriction(&part["items"], &format!("{field}.items"), false, errors);
    }
    for (name, below) in part["properties"].as_object().into_iter().flatten() {
        restriction(below, &format!("{field}.properties[{name}]"), false, errors);
    }
    const EMPTY: [&str; 5] =
        ["type", "title", "description", "x-kubernetes-list-map-keys", "x-kubernetes-validations"];
    const UNDEFINED: [&str; 5] = [
        "additionalProperties",
        "default",
        "externalDocs",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
    ];
    const FALSE: [&str; 4] = [
        "nullable",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
    ];
    let mut forbid = |name: &str, how: &str| {
        errors.forbidden(&format!("{field}.{name}"), &format!("must be {how} to be structural"));
    };
    for name in
        EMPTY.into_iter().filter(|name| !text(&part[*name]).is_empty() || !list(&part[*name]).is_empty())
    {
        forbid(name, "empty");
    }
    UNDEFINED.into_iter().filter(|name| !part[*name].is_null()).for_each(|name| forbid(name, "undefined"));
    FALSE.into_iter().filter(|name| part[*name] == true).for_each(|name| forbid(name, "false"));
    if !part["properties"]["metadata"].is_null() {
        errors
            .forbidden(&format!("{field}.properties[metadata]"), "must not be specified in a nested context");
    }
}

/// Each field that a part restricts is one of the schema's. `field` and `place`: where the two stand.
fn declared(part: &Value, schema: &Value, field: &str, place: &str, errors: &mut Errors) {
    combinations(
        part,
        place,
        false,
        false,
        &mut |below, place, _, errors| {
            declared(below, schema, field, place, errors);
        },
        errors,
    );
    let mut below = |name: &str, part: &Value, schema: &Value| {
        let (field, place) = (format!("{field}.{name}"), format!("{place}.{name}"));
        if schema.is_object() {
            declared(part, schema, &field, &place, errors);
        } else {
            errors.required(&field, &format!("because it is defined in {place}"));
        }
    };
    if part["items"].is_object() {
        below("items", &part["items"], &schema["items"]);
    }
    for (name, restricted) in part["properties"].as_object().into_iter().flatten() {
        below(&format!("properties[{name}]"), restricted, &schema["properties"][name.as_str()]);
    }
}
