//! The rules of custom resources in CEL (`x-kubernetes-validations`), with Kubernetes' libraries.
//!
//! Rules are compiled when a definition is written, and kept until it changes. They are looked at when an object has the
//! shape of its schema, as upstream does. A rule whose loops would run for too long over this object is refused instead of run: nothing
//! can stop an evaluation.

use crate::{Api, Object, structural};
use kube_cel::{CompiledSchema, ErrorKind, RootContext, ValidationError, Validator};
use parking_lot::Mutex;
use schema::Kind;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use store::Snapshot;

/// Field, reason, text.
type Cause = (String, String, String);

const RULES: &str = "x-kubernetes-validations";
/// Rounds of a rule's loops.
const MOST_ROUNDS: f64 = 3e6;
const LOOPS: [&str; 5] = [".all(", ".exists(", ".exists_one(", ".map(", ".filter("];

/// Problems of an object that make its rules meaningless; with others they are looked at all the same.
pub(crate) const HINDERS: [&str; 5] = [
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
];

struct Compiled {
    made_from: Object,
    /// None: the kind has no rules.
    rules: Option<Arc<CompiledSchema>>,
    /// How deep the loops of its rules are nested.
    depth: usize,
}

/// The rules of custom kinds as they were compiled last.
#[derive(Default)]
pub(crate) struct Known(Mutex<HashMap<String, Compiled>>);

/// What is wrong with the rules of a definition.
pub(crate) fn problems(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (index, version) in definition["spec"]["versions"].as_array().into_iter().flatten().enumerate() {
        let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
        problems_at(&version["schema"]["openAPIV3Schema"], &path, &mut causes);
    }
    causes
}

fn problems_at(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (index, rule) in schema[RULES].as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}.{RULES}[{index}]");
        let text = rule["rule"].as_str().unwrap_or_default();
        if text.trim().is_empty() {
            causes.push((
                format!("{path}.rule"),
                "FieldValueRequired".into(),
                "Required value: rule is not specified".into(),
            ));
            continue;
        }
        let alone = kube_cel::compile_schema(&json!({ RULES: [rule] }));
        for error in alone.compilation_errors() {
            let error = error.to_string();
            let why = error.split_once(": ").map_or(error.as_str(), |(_, why)| why);
            let text = format!("Invalid value: {text:?}: compilation failed: {why}");
            causes.push((format!("{path}.rule"), "FieldValueInvalid".into(), text));
        }
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        problems_at(below, &format!("{path}.properties[{name}]"), causes);
    }
    for field in ["items", "additionalProperties"] {
        if schema[field].is_object() {
            problems_at(&schema[field], &format!("{path}.{field}"), causes);
        }
    }
}

/// What the rules of a custom kind refuse, in upstream's words. `fits`: whether the object has the shape of its schema.
pub(crate) fn check(
    api: &Api,
    view: &Snapshot,
    kind: &Kind,
    object: &Value,
    previous: Option<&Value>,
    fits: bool,
) -> Vec<Cause> {
    let Some((definition, rules, depth)) = compiled(api, view, kind) else { return Vec::new() };
    if !fits {
        let text = "Invalid value: \"null\": some validation rules were not checked because the object was invalid; \
                    correct the existing errors to complete validation";
        return vec![("<nil>".into(), "FieldValueInvalid".into(), text.into())];
    }
    let schema = structural::schema_in(&definition, kind);
    let rounds = f64::from(u32::try_from(largest(object)).unwrap_or(u32::MAX));
    if depth > 0 && rounds.powi(i32::try_from(depth).unwrap_or(i32::MAX)) > MOST_ROUNDS {
        let text = "Invalid value: \"object\": validation failed due to running out of cost budget, no further \
                    validation rules will be run";
        return vec![("<nil>".into(), "FieldValueInvalid".into(), text.into())];
    }
    let root = RootContext {
        api_version: kind.api_version(),
        api_group: kind.group.clone(),
        kind: kind.kind.clone(),
    };
    let checked = Validator::new().validate_compiled_with_context(&rules, object, previous, Some(&root));
    let errors = checked.err().map(kube_cel::ValidationErrors::into_vec).unwrap_or_default();
    let mut causes: Vec<Cause> = errors.iter().map(|error| cause(schema, error)).collect();
    // The engine goes through fields in no order; what one field's rules say keeps theirs.
    causes.sort_by_cached_key(|(field, ..)| sortable(field));
    causes
}

/// A path whose numbers compare as numbers do.
fn sortable(path: &str) -> String {
    let mut out = String::new();
    let mut digits = 0;
    for letter in path.chars().rev().chain(std::iter::once(' ')) {
        if !letter.is_ascii_digit() && digits > 0 {
            out.extend(std::iter::repeat_n('0', 20_usize.saturating_sub(digits)));
        }
        digits = if letter.is_ascii_digit() { digits + 1 } else { 0 };
        out.push(letter);
    }
    out.chars().rev().collect()
}

fn compiled(api: &Api, view: &Snapshot, kind: &Kind) -> Option<(Object, Arc<CompiledSchema>, usize)> {
    let definition = structural::definition_of(view, kind)?;
    let resource = kind.resource();
    let mut known = api.inner.rules.0.lock();
    let fresh = known.get(&resource).is_some_and(|known| Arc::ptr_eq(&known.made_from, &definition));
    if !fresh {
        let schema = structural::schema_in(&definition, kind);
        let rules = structural::has_rules(schema).then(|| Arc::new(kube_cel::compile_schema(schema)));
        let compiled = Compiled { made_from: definition.clone(), rules, depth: loop_depth(schema) };
        known.insert(resource.clone(), compiled);
    }
    let compiled = known.get(&resource)?;
    Some((definition, compiled.rules.clone()?, compiled.depth))
}

/// The deepest nesting of loops in the rules of a schema.
fn loop_depth(schema: &Value) -> usize {
    let own = schema[RULES]
        .as_array()
        .into_iter()
        .flatten()
        .map(|rule| depth_of(rule["rule"].as_str().unwrap_or_default()));
    let children = schema["properties"].as_object().into_iter().flat_map(|fields| fields.values());
    let others = ["items", "additionalProperties"]
        .into_iter()
        .map(|field| &schema[field])
        .filter(|below| below.is_object());
    own.chain(children.chain(others).map(loop_depth)).max().unwrap_or(0)
}

fn depth_of(rule: &str) -> usize {
    let (mut open, mut deepest) = (Vec::new(), 0);
    for (at, byte) in rule.bytes().enumerate() {
        match byte {
            b'(' => {
                open.push(LOOPS.iter().any(|name| rule[..=at].ends_with(name)));
                deepest = deepest.max(open.iter().filter(|is_loop| **is_loop).count());
            }
            b')' => drop(open.pop()),
            _ => {}
        }
    }
    deepest
}

/// The size of the largest list or map in an object.
fn largest(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(largest).max().unwrap_or(0).max(items.len()),
        Value::Object(fields) => fields.values().map(largest).max().unwrap_or(0).max(fields.len()),
        _ => 0,
    }
}

fn cause(schema: &Value, error: &ValidationError) -> Cause {
    let (path, kind) = locate(schema, &error.field_path);
    let message = match error.kind {
        ErrorKind::ValidationFailure => error.message.clone(),
        _ => {
            let why = error.message.trim_start_matches("rule evaluation error: ");
            let mut letters = why.chars();
            let why: String =
                letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect();
            format!("{why} evaluating rule: {}", error.rule)
        }
    };
    let reason = error.reason.as_deref().unwrap_or("FieldValueInvalid");
    let text = match reason {
        "FieldValueRequired" => format!("Required value: {message}"),
        "FieldValueForbidden" => format!("Forbidden: {message}"),
        "FieldValueDuplicate" => format!("Duplicate value: {kind:?}"),
        _ => format!("Invalid value: {kind:?}: {message}"),
    };
    (path, reason.to_string(), text)
}

/// A path as upstream prints it (keys of maps in brackets), and the type of what is there.
fn locate<'a>(schema: &'a Value, path: &str) -> (String, &'a str) {
    let mut at = schema;
    let mut out = String::new();
    let mut rest = path;
    while !rest.is_empty() {
        let after_dot = rest.strip_prefix('.').unwrap_or(rest);
        if let Some((index, tail)) = after_dot.strip_prefix('[').and_then(|tail| tail.split_once(']')) {
            out.push_str(&format!("[{index}]"));
            (at, rest) = (&at["items"], tail);
            continue;
        }
        let end = after_dot.find(['.', '[']).unwrap_or(after_dot.len());
        let (name, tail) = after_dot.split_at(end);
        let declared = at["properties"].get(name);
        match declared {
            Some(below) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
                at = below;
            }
            None if at["additionalProperties"].is_object() => {
                out.push_str(&format!("[{name}]"));
                at = &at["additionalProperties"];
            }
            None => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
                at = &Value::Null;
            }
        }
        rest = tail;
    }
    if out.is_empty() {
        out.push_str("<nil>");
    }
    (out, at["type"].as_str().unwrap_or("object"))
}

#[cfg(test)]
mod tests;
