//! The annotation in which older kubectls keep what they applied, for objects that move to server-side apply.

use super::fields::FieldSet;
use super::types::Shape;
use super::walk;
use crate::metadata;
use serde_json::Value;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// As many bytes may all annotations of an object have together.
const MOST: usize = 256 << 10;

/// Whether a manager's applies take note of the annotation.
pub(super) fn concerns(manager: &str) -> bool {
    manager == "kubectl"
}

fn of(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][ANNOTATION].as_str().filter(|text| !text.is_empty())
}

/// The fields that were applied from the client and are still as they were then: they may be taken without force.
pub(super) fn unchanged(
    live: &Value,
    api_version: &str,
    root: &Shape,
    fits: impl Fn(&Value) -> bool,
) -> Option<FieldSet> {
    let last: Value = serde_json::from_str(of(live)?).ok()?;
    if last["apiVersion"] != api_version || !fits(&last) {
        return None;
    }
    let (changed, removed) = walk::compare(&last, live, root, super::always::NONE).into_parts();
    Some(walk::fields_of(&last, root).difference(&changed).difference(&removed))
}

/// Keeps the annotation of an object that has one as if this configuration had been applied from the client.
pub(super) fn keep_current(object: &mut Value, config: &Value) {
    if of(object).is_none() {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = config["metadata"].get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove(ANNOTATION);
    }
    let mut text = String::new();
    write_json(&config, &mut text);
    text.push('\n');
    let meta = metadata::of(object);
    let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) else { return };
    annotations.insert(ANNOTATION.into(), text.into());
    let size: usize =
        annotations.iter().map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum();
    if size > MOST {
        annotations.shift_remove(ANNOTATION);
    }
}

/// As Go writes maps: the keys in order, characters of HTML escaped.
fn write_json(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, value)) in sorted.into_iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write_json(&Value::String(name.clone()), out);
                out.push(':');
                write_json(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write_json(item, out);
            }
            out.push(']');
        }
        Value::String(_) => {
            for c in value.to_string().chars() {
                match c {
                    '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                        out.push_str(&format!("\\u{:04x}", u32::from(c)));
                    }
                    c => out.push(c),
                }
            }
        }
        other => out.push_str(&other.to_string()),
    }
}
