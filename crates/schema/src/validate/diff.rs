//! What differs between two values, for messages that say that something may not change.

use super::same;
use serde_json::Value;

/// Lines that begin with `-` (before) and `+` (now); fields that are alike are left out.
pub(super) fn of(old: &Value, new: &Value) -> String {
    let mut lines = Vec::new();
    compare("spec", old, new, &mut lines);
    lines.join("\n")
}

fn compare(path: &str, old: &Value, new: &Value, lines: &mut Vec<String>) {
    if same(old, new) {
        return;
    }
    match (old, new) {
        (Value::Object(before), Value::Object(now)) => {
            for (name, value) in before {
                compare(&format!("{path}.{name}"), value, &new[name.as_str()], lines);
            }
            for (name, value) in now.iter().filter(|(name, _)| !before.contains_key(*name)) {
                compare(&format!("{path}.{name}"), &Value::Null, value, lines);
            }
        }
        (Value::Array(before), Value::Array(now)) if before.len() == now.len() => {
            for (index, (old, new)) in before.iter().zip(now).enumerate() {
                compare(&format!("{path}[{index}]"), old, new, lines);
            }
        }
        _ => {
            if !old.is_null() {
                lines.push(format!("- \t{path}: {old}"));
            }
            if !new.is_null() {
                lines.push(format!("+ \t{path}: {new}"));
            }
        }
    }
}
