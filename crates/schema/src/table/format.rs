//! Pieces of cells.

use crate::time;
use serde_json::Value;

pub(super) const NONE: &str = "<none>";

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn or_none(text: &str) -> &str {
    or(text, NONE)
}

pub(super) fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

/// A text or a number, as it is written; `default` for nothing.
pub(super) fn plain(value: &Value, default: &str) -> String {
    match value {
        Value::Null => default.to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `5m`; `<unknown>` for no time.
pub(super) fn since(value: &Value, now: i64) -> String {
    value.as_str().and_then(time::parse).map_or("<unknown>".into(), |time| time::human(now - time))
}

/// `a=b,c=d`, in the order of keys.
pub(super) fn labels(value: &Value) -> String {
    let Some(map) = value.as_object().filter(|map| !map.is_empty()) else { return NONE.into() };
    let mut pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
    pairs.sort();
    pairs.join(",")
}

/// A `LabelSelector`.
pub(super) fn selector(value: &Value) -> String {
    let mut parts: Vec<(String, String)> = Vec::new();
    for (key, value) in value["matchLabels"].as_object().into_iter().flatten() {
        parts.push((key.clone(), format!("{key}={}", text(value))));
    }
    for rule in list(&value["matchExpressions"]) {
        let key = text(&rule["key"]);
        let mut values: Vec<&str> = list(&rule["values"]).iter().map(text).collect();
        values.sort_unstable();
        let values = values.join(",");
        let part = match text(&rule["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_string(),
            "DoesNotExist" => format!("!{key}"),
            _ => return "<error>".into(),
        };
        parts.push((key.to_string(), part));
    }
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    let parts: Vec<String> = parts.into_iter().map(|(_, part)| part).collect();
    or_none(&parts.join(",")).to_string()
}

/// Names and images of a pod spec's containers.
pub(super) fn containers(pod_spec: &Value) -> [Value; 2] {
    ["name", "image"].map(|field| {
        let all: Vec<&str> =
            list(&pod_spec["containers"]).iter().map(|container| text(&container[field])).collect();
        all.join(",").into()
    })
}

/// The first `most` items and how many more there are.
pub(super) fn some_of(items: &[String], most: usize, none: &str) -> String {
    if items.is_empty() {
        return none.into();
    }
    let shown = items[..items.len().min(most)].join(",");
    if items.len() > most { format!("{shown} + {} more...", items.len() - most) } else { shown }
}

/// `RWO,ROX`.
pub(super) fn access_modes(modes: &Value) -> String {
    let has = |wanted: &str| list(modes).iter().any(|mode| mode == wanted);
    let all = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let shown: Vec<&str> = all.iter().filter(|(mode, _)| has(mode)).map(|(_, short)| *short).collect();
    shown.join(",")
}

pub(super) fn has_condition(object: &Value, wanted: &str) -> bool {
    list(&object["status"]["conditions"])
        .iter()
        .any(|condition| condition["type"] == wanted && condition["status"] == "True")
}
