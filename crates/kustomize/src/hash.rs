//! The hash suffix of generated ConfigMaps and Secrets.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::resource::Resource;

/// Ten letters that change when the content does. Names, labels and `immutable` do not count.
pub(crate) fn suffix(resource: &Resource) -> String {
    let digest = hex::encode(Sha256::digest(content(resource)));
    digest
        .chars()
        .take(10)
        .map(|c| match c {
            '0' => 'g',
            '1' => 'h',
            '3' => 'k',
            'a' => 'm',
            'e' => 't',
            other => other,
        })
        .collect()
}

/// The text that is hashed: sorted JSON with an empty name, as upstream has it.
fn content(resource: &Resource) -> String {
    let object = &resource.object;
    let map = |field: &str| object.get(field).filter(|v| v.is_object());
    let data = map("data").map_or_else(|| "\"\"".to_string(), go_json);
    let optional =
        |field: &str| map(field).map(|v| format!("\"{field}\":{},", go_json(v))).unwrap_or_default();
    match resource.kind() {
        "ConfigMap" => {
            format!("{{{}\"data\":{data},\"kind\":\"ConfigMap\",\"name\":\"\"}}", optional("binaryData"))
        }
        "Secret" => {
            let ty = object.get("type").and_then(Value::as_str).unwrap_or("");
            format!(
                "{{\"data\":{data},\"kind\":\"Secret\",\"name\":\"\",{}\"type\":{}}}",
                optional("stringData"),
                go_string(ty)
            )
        }
        _ => go_json(object),
    }
}

/// JSON as Go's encoder writes it: sorted keys, and `<`, `>`, `&` and two line separators escaped.
fn go_json(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<String> =
                entries.into_iter().map(|(k, v)| format!("{}:{}", go_string(k), go_json(v))).collect();
            format!("{{{}}}", entries.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(go_json).collect::<Vec<_>>().join(",")),
        Value::String(text) => go_string(text),
        other => other.to_string(),
    }
}

pub(crate) fn go_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
