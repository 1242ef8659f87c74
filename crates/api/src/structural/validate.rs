//! What a structural schema refuses, in upstream's words.
//!
//! The words are those of the OpenAPI validator that upstream uses; what `allOf`, `anyOf`, `oneOf` and `not` say has no field
//! there, and none here.

use super::{OBJECT_FIELDS, formats, join};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// Field, reason, text.
type Cause = (String, String, String);

/// What a schema has to say about a value.
#[derive(Default)]
struct Findings {
    causes: Vec<Cause>,
    /// How many schemas were looked at: of alternatives that all fail, the one that went furthest tells why.
    looked_at: usize,
}

impl Findings {
    fn add(&mut self, path: &str, reason: &str, text: String) {
        self.causes.push((path.to_string(), reason.to_string(), text));
    }

    fn invalid(&mut self, path: &str, value: &Value, text: &str) {
        self.add(path, "FieldValueInvalid", format!("Invalid value: {value}: {path} in body {text}"));
    }

    fn of_no_field(&mut self, text: &str) {
        self.add("<nil>", "FieldValueInvalid", format!("Invalid value: \"\": {text}"));
    }

    fn merge(&mut self, other: Self) {
        self.causes.extend(other.causes);
        self.looked_at += other.looked_at;
    }
}

/// What the schema refuses. What is as it was in `previous` was taken before: a schema may have become stricter since.
pub(crate) fn validate(schema: &Value, object: &Value, previous: Option<&Value>) -> Vec<Cause> {
    if !schema.is_object() {
        return Vec::new();
    }
    let mut findings = Findings::default();
    check(schema, object, previous, "", &mut findings);
    let mut doubled = Findings::default();
    duplicates(schema, object, "", &mut doubled);
    if !doubled.causes.is_empty() && !previous.is_some_and(|previous| has_duplicates(schema, previous)) {
        findings.merge(doubled);
    }
    // Schemas that are combined often say the same.
    let mut said = HashSet::new();
    findings.causes.retain(|(field, _, text)| said.insert((field.clone(), text.clone())));
    findings.causes
}

fn has_duplicates(schema: &Value, object: &Value) -> bool {
    let mut findings = Findings::default();
    duplicates(schema, object, "", &mut findings);
    !findings.causes.is_empty()
}

fn check(schema: &Value, value: &Value, old: Option<&Value>, path: &str, findings: &mut Findings) {
    if old == Some(value) {
        return;
    }
    findings.looked_at += 1;
    if value.is_null() && (schema["nullable"] == true || schema.get("type").is_none()) {
        return;
    }
    if !fits(schema, value) {
        let (wanted, is) = mismatch(schema, value);
        let text = format!("Invalid value: {is:?}: {path} in body must be of type {wanted}: {is:?}");
        return findings.add(path, "FieldValueTypeInvalid", text);
    }
    combinations(schema, value, path, findings);
    match value {
        Value::String(given) => check_text(schema, given, path, findings),
        Value::Number(_) => check_number(schema, value, path, findings),
        Value::Array(items) => check_items(schema, items, old, path, findings),
        _ => {}
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let known: Vec<String> = allowed.iter().map(quoted).collect();
        let text = format!("Unsupported value: {value}: supported values: {}", known.join(", "));
        findings.add(path, "FieldValueNotSupported", text);
    }
    if let Value::Object(fields) = value {
        check_fields(schema, fields, old, path, findings);
    }
}

/// Values that are no texts are named as texts too.
fn quoted(value: &Value) -> String {
    if value.is_string() { value.to_string() } else { Value::from(value.to_string()).to_string() }
}

fn fits(schema: &Value, value: &Value) -> bool {
    let whole = || value.as_f64().is_some_and(|number| number.fract() == 0.0);
    if schema["x-kubernetes-int-or-string"] == true {
        return value.is_string() || whole();
    }
    match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("number") => value.is_number(),
        Some("integer") => whole(),
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

/// Which type is wanted and which is there. Of values that are neither texts nor lists upstream tells formats, if the schema
/// has one: only numbers have it.
fn mismatch<'a>(schema: &'a Value, value: &Value) -> (&'a str, &'static str) {
    let wanted = schema["type"].as_str().unwrap_or("integer,string");
    let format = match value {
        Value::Bool(_) | Value::Object(_) => "",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        _ => return (wanted, type_of(value)),
    };
    match schema["format"].as_str() {
        Some(known) if formats::is_known(wanted, known) && known != format => (known, format),
        _ => (wanted, type_of(value)),
    }
}

fn looked_at(schema: &Value, value: &Value, path: &str) -> Findings {
    let mut findings = Findings::default();
    check(schema, value, None, path, &mut findings);
    findings
}

fn combinations(schema: &Value, value: &Value, path: &str, findings: &mut Findings) {
    let parts = |name: &str| schema[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let (any, one, all) = (parts("anyOf"), parts("oneOf"), parts("allOf"));
    if !any.is_empty() {
        let (fitting, best) = alternatives(any, value, path, true);
        if fitting == 0 {
            findings.of_no_field(&format!("{path:?} must validate at least one schema (anyOf)"));
        }
        findings.merge(best);
    }
    if !one.is_empty() {
        let (fitting, best) = alternatives(one, value, path, false);
        let found = match fitting {
            0 => "Found none valid".to_string(),
            many => format!("Found {many} valid alternatives"),
        };
        if fitting != 1 {
            findings.of_no_field(&format!("{path:?} must validate one and only one schema (oneOf). {found}"));
        }
        findings.merge(best);
    }
    if !all.is_empty() {
        let results: Vec<Findings> = all.iter().map(|part| looked_at(part, value, path)).collect();
        let fitting = results.iter().filter(|result| result.causes.is_empty()).count();
        results.into_iter().for_each(|result| findings.merge(result));
        if fitting != all.len() {
            let none = if fitting == 0 { ". None validated" } else { "" };
            findings.of_no_field(&format!("{path:?} must validate all the schemas (allOf){none}"));
        }
    }
    if schema["not"].is_object() && looked_at(&schema["not"], value, path).causes.is_empty() {
        findings.of_no_field(&format!("{path:?} must not validate the schema (not)"));
    }
}

/// How many schemas a value fits, and the findings that count: none if one fits, else those of the closest.
fn alternatives(schemas: &[Value], value: &Value, path: &str, one_is_enough: bool) -> (usize, Findings) {
    let (mut fitting, mut best) = (0, None::<Findings>);
    for schema in schemas {
        let result = looked_at(schema, value, path);
        if result.causes.is_empty() {
            fitting += 1;
            if one_is_enough {
                break;
            }
        } else if best.as_ref().is_none_or(|best| result.looked_at > best.looked_at) {
            best = Some(result);
        }
    }
    (fitting, best.filter(|_| fitting == 0).unwrap_or_default())
}

fn check_text(schema: &Value, given: &str, path: &str, findings: &mut Findings) {
    let value = Value::from(given);
    let length = given.chars().count() as u64;
    if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
        findings.add(path, "FieldValueTooLong", format!("Too long: may not be more than {most} bytes"));
    }
    if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
        findings.invalid(path, &value, &format!("should be at least {least} chars long"));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        // Definitions with others are refused when they are written.
        && expression::pattern::compile(pattern).is_ok_and(|regex| !regex.is_match(given))
    {
        findings.invalid(path, &value, &format!("should match '{pattern}'"));
    }
    if let Some(format) = schema["format"].as_str()
        && matches!(schema["type"].as_str(), None | Some("string"))
        && !formats::fits(format, given)
    {
        let text = format!("Invalid value: {value}: {path} in body must be of type {format}: {value}");
        findings.add(path, "FieldValueTypeInvalid", text);
    }
}

fn check_number(schema: &Value, value: &Value, path: &str, findings: &mut Findings) {
    let number = value.as_f64().unwrap_or_default();
    if schema["type"] == "integer"
        && schema["format"] == "int32"
        && !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number)
    {
        findings.of_no_field(&format!("Checked value must be of type integer with format int32 in {path}"));
    }
    if let Some(of) = schema["multipleOf"].as_f64().filter(|of| *of > 0.0)
        && !is_multiple(number, of)
    {
        findings.invalid(path, value, &format!("should be a multiple of {of}"));
    }
    if let Some(most) = schema["maximum"].as_f64() {
        let exclusive = schema["exclusiveMaximum"] == true;
        if number > most || (exclusive && number == most) {
            let than = if exclusive { "less than" } else { "less than or equal to" };
            findings.invalid(path, value, &format!("should be {than} {most}"));
        }
    }
    if let Some(least) = schema["minimum"].as_f64() {
        let exclusive = schema["exclusiveMinimum"] == true;
        if number < least || (exclusive && number == least) {
            let than = if exclusive { "greater than" } else { "greater than or equal to" };
            findings.invalid(path, value, &format!("should be {than} {least}"));
        }
    }
}

/// Whether a number is a whole number of times another one, but for the last bits of a fraction: 0.3 is of 0.1.
fn is_multiple(number: f64, of: f64) -> bool {
    let times = number / of;
    (times - times.round()).abs() <= f64::EPSILON * times.abs().max(1.0)
}

fn check_items(schema: &Value, items: &[Value], old: Option<&Value>, path: &str, findings: &mut Findings) {
    let below = &schema["items"];
    if below.is_object() {
        let keys = (schema["x-kubernetes-list-type"] == "map").then(|| &schema["x-kubernetes-list-map-keys"]);
        // Only the items of a map are known again.
        let item_key = |item: &Value| keys.map_or_else(String::new, |keys| key_text(keys, item));
        let before = old.filter(|_| keys.is_some()).and_then(Value::as_array).into_iter().flatten();
        let known: HashMap<String, &Value> = before.map(|item| (item_key(item), item)).collect();
        for (index, item) in items.iter().enumerate() {
            let before = known.get(&item_key(item)).copied();
            check(below, item, before, &format!("{path}[{index}]"), findings);
        }
    }
    let count = items.len() as u64;
    if let Some(least) = schema["minItems"].as_u64().filter(|least| count < *least) {
        findings.invalid(path, &count.into(), &format!("should have at least {least} items"));
    }
    if let Some(most) = schema["maxItems"].as_u64().filter(|most| count > *most) {
        findings.add(path, "FieldValueTooMany", too_many(count, most));
    }
}

fn too_many(count: u64, most: u64) -> String {
    format!("Too many: {count}: must have at most {most} items")
}

fn check_fields(
    schema: &Value,
    fields: &Map<String, Value>,
    old: Option<&Value>,
    path: &str,
    findings: &mut Findings,
) {
    let count = fields.len() as u64;
    if let Some(least) = schema["minProperties"].as_u64().filter(|least| count < *least) {
        let text = format!("should have at least {least} properties");
        return findings.invalid(path, &least.into(), &text);
    }
    if let Some(most) = schema["maxProperties"].as_u64().filter(|most| count > *most) {
        return findings.add(path, "FieldValueTooMany", too_many(count, most));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            findings.add(&join(path, name), "FieldValueRequired", "Required value".into());
        }
    }
    for (name, value) in fields {
        if let Some(below) = schema_below(schema, name, path) {
            check(below, value, old.and_then(|old| old.get(name)), &join(path, name), findings);
        }
    }
}

fn schema_below<'a>(schema: &'a Value, name: &str, path: &str) -> Option<&'a Value> {
    let own = schema["properties"].as_object().and_then(|properties| properties.get(name));
    let others = &schema["additionalProperties"];
    let is_other = others.is_object() && !(path.is_empty() && OBJECT_FIELDS.contains(&name));
    own.or(is_other.then_some(others))
}

/// Lists that are sets or maps hold each item once.
fn duplicates(schema: &Value, value: &Value, path: &str, findings: &mut Findings) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if matches!(value, Value::Object(_) | Value::Array(_))
                    && let Some(below) = schema_below(schema, name, path)
                {
                    duplicates(below, value, &join(path, name), findings);
                }
            }
        }
        Value::Array(items) => {
            let kind = schema["x-kubernetes-list-type"].as_str();
            if matches!(kind, Some("set" | "map")) {
                let keys = (kind == Some("map")).then(|| &schema["x-kubernetes-list-map-keys"]);
                let mut seen = HashSet::new();
                for (index, item) in items.iter().enumerate() {
                    let is = keys.map_or_else(|| item.clone(), |keys| key_of(keys, item));
                    if !seen.insert(canonical(&is)) {
                        let text = format!("Duplicate value: {is}");
                        findings.add(&format!("{path}[{index}]"), "FieldValueDuplicate", text);
                    }
                }
            }
            for (index, item) in items.iter().enumerate() {
                duplicates(&schema["items"], item, &format!("{path}[{index}]"), findings);
            }
        }
        _ => {}
    }
}

/// The fields that say which item of a map one is; keys that it does not have do not count.
fn key_of(keys: &Value, item: &Value) -> Value {
    let names = keys.as_array().into_iter().flatten().filter_map(Value::as_str);
    names.filter_map(|name| Some((name.to_string(), item.get(name)?.clone()))).collect::<Map<_, _>>().into()
}

/// The same as a text: equal for items with equal keys.
pub(crate) fn key_text(keys: &Value, item: &Value) -> String {
    canonical(&key_of(keys, item))
}

/// The same text for equal values, whatever the order of their fields.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name:?}:{}", canonical(value))).collect();
            fields.sort();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        Value::Number(number) => number
            .as_f64()
            .filter(|n| n.fract() == 0.0 && n.abs() < 9e15)
            .map_or_else(|| number.to_string(), |whole| format!("{whole}")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
