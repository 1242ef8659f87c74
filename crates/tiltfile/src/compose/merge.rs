//! Later Compose files override earlier ones.

use serde_json::{Map, Value};

/// One file over another.
pub(super) fn files(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (key.as_str(), base.get_mut(&key)) {
            ("services", Some(Value::Object(known))) => {
                for (name, service) in value.as_object().into_iter().flatten() {
                    match known.get_mut(name) {
                        Some(before) => services(before, service.clone()),
                        None => {
                            known.insert(name.clone(), service.clone());
                        }
                    }
                }
            }
            (_, Some(before)) => values(before, value),
            (_, None) => {
                base.insert(key, value);
            }
        }
    }
}

/// One service over another.
pub(super) fn services(base: &mut Value, over: Value) {
    let (Some(known), Value::Object(over)) = (base.as_object_mut(), over) else { return };
    for (key, value) in over {
        let Some(before) = known.get_mut(&key) else {
            known.insert(key, value);
            continue;
        };
        match key.as_str() {
            // the last one counts, whole
            "command" | "entrypoint" | "image" => *before = value,
            "environment" | "labels" | "extra_hosts" | "sysctls" => {
                let mut merged = assignments(before);
                for (name, assigned) in assignments(&value) {
                    merged.insert(name, assigned);
                }
                *before = Value::Object(merged);
            }
            "depends_on" | "networks" => {
                let mut merged = Value::Object(names(before));
                values(&mut merged, Value::Object(names(&value)));
                *before = merged;
            }
            "build" => {
                let mut merged = build(before);
                let mut over = build(&value);
                if let (Some(a), Some(b)) = (merged.get("args"), over.get("args")) {
                    let mut args = assignments(a);
                    args.extend(assignments(b));
                    over["args"] = Value::Object(args);
                    merged.as_object_mut().map(|m| m.shift_remove("args"));
                }
                values(&mut merged, over);
                *before = merged;
            }
            "volumes" | "devices" => by_target(before, value),
            "ports" | "expose" | "dns" | "dns_search" | "tmpfs" | "env_file" | "secrets" | "configs"
            | "profiles" | "cap_add" | "cap_drop" | "security_opt" => {
                let mut merged = list_of(before.take());
                for item in list_of(value) {
                    if !merged.contains(&item) {
                        merged.push(item);
                    }
                }
                *before = Value::Array(merged);
            }
            _ => values(before, value),
        }
    }
}

/// Maps grow, lists grow, all else is replaced.
fn values(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                match base.get_mut(&key) {
                    Some(before) => values(before, value),
                    None => {
                        base.insert(key, value);
                    }
                }
            }
        }
        (Value::Array(base), Value::Array(over)) => base.extend(over),
        (_, Value::Null) => {}
        (base, over) => *base = over,
    }
}

/// Volumes of the same place in the container replace each other.
fn by_target(base: &mut Value, over: Value) {
    let mut merged = list_of(base.take());
    for item in list_of(over) {
        match merged.iter_mut().find(|m| target(m) == target(&item)) {
            Some(before) => *before = item,
            None => merged.push(item),
        }
    }
    *base = Value::Array(merged);
}

fn target(volume: &Value) -> String {
    match volume.as_str() {
        Some(short) => super::normalize::volume_parts(short).1,
        None => volume.get("target").and_then(Value::as_str).unwrap_or_default().to_owned(),
    }
}

/// One or many as a list.
pub(super) fn list_of(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        other => vec![other],
    }
}

/// `[A=1, B]` or `{A: 1, B: null}` as the latter.
pub(super) fn assignments(value: &Value) -> Map<String, Value> {
    let text = |v: &Value| match v {
        Value::Null => Value::Null,
        Value::String(s) => Value::String(s.clone()),
        other => Value::String(other.to_string()),
    };
    match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), text(v))).collect(),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .map(|item| match item.split_once('=') {
                Some((name, value)) => (name.to_owned(), Value::String(value.to_owned())),
                None => (item.to_owned(), Value::Null),
            })
            .collect(),
        _ => Map::new(),
    }
}

/// `[a, b]` or `{a: …}` as the latter.
pub(super) fn names(value: &Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map.clone(),
        Value::Array(items) => {
            items.iter().filter_map(Value::as_str).map(|n| (n.to_owned(), Value::Null)).collect()
        }
        _ => Map::new(),
    }
}

/// `build: dir` written out.
pub(super) fn build(value: &Value) -> Value {
    match value.as_str() {
        Some(context) => serde_json::json!({"context": context}),
        None => value.clone(),
    }
}
