//! Reading JSON objects by path, and the small parts that every controller writes.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use store::{EventKind, Key, Object, Resource, Term, View, Write};

/// The value at a path of field names, or null.
pub fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |v, name| v.get(name).unwrap_or(&Value::Null))
}

pub fn str_at<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).as_str().unwrap_or("")
}

pub fn int_at(value: &Value, path: &[&str]) -> Option<i64> {
    at(value, path).as_i64()
}

pub fn list_at<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path).as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn name(object: &Value) -> &str {
    str_at(object, &["metadata", "name"])
}

pub(crate) fn namespace(object: &Value) -> &str {
    str_at(object, &["metadata", "namespace"])
}

pub(crate) fn uid(object: &Value) -> &str {
    str_at(object, &["metadata", "uid"])
}

pub(crate) fn generation(object: &Value) -> i64 {
    int_at(object, &["metadata", "generation"]).unwrap_or(0)
}

pub(crate) fn is_deleting(object: &Value) -> bool {
    at(object, &["metadata", "deletionTimestamp"]).is_string()
}

pub fn key_of(resource: &str, object: &Value) -> Key {
    key(resource, namespace(object), name(object))
}

pub(crate) fn key(resource: &str, namespace: &str, name: &str) -> Key {
    Key { resource: Resource::new(resource), namespace: namespace.into(), name: name.into() }
}

/// The ownerReference with `controller: true`.
pub(crate) fn controller_of(object: &Value) -> Option<&Value> {
    list_at(object, &["metadata", "ownerReferences"])
        .iter()
        .find(|r| r.get("controller") == Some(&json!(true)))
}

/// The key of the controlling owner if it is of this kind.
pub(crate) fn owner_key(object: &Value, kind: &str, resource: &str) -> Option<Key> {
    let owner = controller_of(object)?;
    (str_at(owner, &["kind"]) == kind).then(|| key(resource, namespace(object), str_at(owner, &["name"])))
}

pub(crate) fn owner_reference(api_version: &str, kind: &str, owner: &Value) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "name": name(owner), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// Whether a LabelSelector (matchLabels and matchExpressions) selects these labels. An empty one selects all,
/// a missing one nothing.
pub fn labels_match(selector: &Value, labels: &Value) -> bool {
    if selector.is_null() {
        return false;
    }
    let label = |name: &str| labels.get(name).and_then(Value::as_str);
    let equal = at(selector, &["matchLabels"])
        .as_object()
        .is_none_or(|want| want.iter().all(|(k, v)| label(k) == v.as_str()));
    equal
        && list_at(selector, &["matchExpressions"]).iter().all(|e| {
            let found = label(str_at(e, &["key"]));
            let among = || list_at(e, &["values"]).iter().any(|v| v.as_str() == found);
            match str_at(e, &["operator"]) {
                "In" => found.is_some() && among(),
                "NotIn" => found.is_none() || !among(),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}

/// What a LabelSelector asks for that an index can answer: its pairs, or one expression's only value.
fn equalities(selector: &Value) -> Vec<Term<'_>> {
    let pairs = at(selector, &["matchLabels"]).as_object().into_iter().flatten();
    let pairs = pairs.filter_map(|(key, value)| Some(Term::Label(key, value.as_str()?)));
    let alone = list_at(selector, &["matchExpressions"]).iter().filter_map(|e| {
        let [value] = list_at(e, &["values"]) else { return None };
        (str_at(e, &["operator"]) == "In").then_some(Term::Label(str_at(e, &["key"]), value.as_str()?))
    });
    pairs.chain(alone).collect()
}

/// The objects of a kind in a namespace whose labels a LabelSelector selects and that say `also`.
pub(crate) fn selected(
    view: &dyn View,
    resource: &str,
    namespace: &str,
    selector: &Value,
    also: &[Term<'_>],
) -> Vec<Object> {
    if selector.is_null() {
        return Vec::new();
    }
    let mut terms = equalities(selector);
    terms.extend_from_slice(also);
    let mut found = view.select(resource, namespace, &terms);
    found.retain(|object| labels_match(selector, at(object, &["metadata", "labels"])));
    found
}

/// The same for a plain map.
pub(crate) fn map_selected(
    view: &dyn View,
    resource: &str,
    namespace: &str,
    selector: &Value,
    also: &[Term<'_>],
) -> Vec<Object> {
    let Some(pairs) = selector.as_object().filter(|pairs| !pairs.is_empty()) else { return Vec::new() };
    let pairs = pairs.iter().filter_map(|(key, value)| Some(Term::Label(key, value.as_str()?)));
    let mut terms: Vec<Term<'_>> = pairs.collect();
    terms.extend_from_slice(also);
    let mut found = view.select(resource, namespace, &terms);
    found.retain(|object| map_selects(selector, at(object, &["metadata", "labels"])));
    found
}

/// A plain map selector (Service, ReplicationController): all pairs must be there; an empty one selects nothing.
pub(crate) fn map_selects(selector: &Value, labels: &Value) -> bool {
    selector
        .as_object()
        .is_some_and(|want| !want.is_empty() && want.iter().all(|(k, v)| labels.get(k) == Some(v)))
}

/// A count or a percentage of `total`, as in `maxSurge` and `maxUnavailable`.
pub(crate) fn int_or_percent(value: &Value, total: i64, round_up: bool) -> i64 {
    if let Some(number) = value.as_i64() {
        return number;
    }
    let percent = value.as_str().and_then(|s| s.trim_end_matches('%').parse::<i64>().ok()).unwrap_or(0);
    if round_up { (total * percent + 99) / 100 } else { total * percent / 100 }
}

pub(crate) fn time_at(value: &Value, path: &[&str]) -> Option<Timestamp> {
    at(value, path).as_str()?.parse().ok()
}

/// As the API writes times: whole seconds, UTC.
pub(crate) fn format_time(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).map_or_else(|_| time.to_string(), |t| t.to_string())
}

/// A short name for a value's content, made of characters that form no words (Kubernetes' `SafeEncodeString`).
/// Key order does not matter.
pub(crate) fn content_hash(value: &Value) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut hasher = DefaultHasher::new();
    hash_value(value, &mut hasher);
    let mut rest = hasher.finish();
    let mut text = String::new();
    for _ in 0..10 {
        text.push(char::from(ALPHABET[(rest % ALPHABET.len() as u64) as usize]));
        rest /= ALPHABET.len() as u64;
    }
    text
}

fn hash_value(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            for key in keys {
                key.hash(hasher);
                hash_value(&map[key], hasher);
            }
            0xffu8.hash(hasher);
        }
        Value::Array(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| hash_value(item, hasher));
        }
        other => other.to_string().hash(hasher),
    }
}

/// A reference for an Event's `involvedObject`.
pub(crate) fn reference(api_version: &str, kind: &str, object: &Value) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "namespace": namespace(object), "name": name(object),
        "uid": uid(object), "resourceVersion": str_at(object, &["metadata", "resourceVersion"]),
    })
}

pub(crate) fn event(
    kind: EventKind,
    regarding: Value,
    component: &str,
    reason: &str,
    message: String,
) -> Write {
    Write::Event { regarding, kind, reason: reason.into(), message, component: component.into() }
}

/// Sets or replaces a condition by its type; the transition time moves only when the status does.
pub(crate) fn set_condition(
    conditions: &mut Vec<Value>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let time = format_time(now);
    match conditions.iter_mut().find(|c| str_at(c, &["type"]) == kind) {
        Some(old) => {
            let same = str_at(old, &["status"]) == status;
            if same && str_at(old, &["reason"]) == reason && str_at(old, &["message"]) == message {
                return;
            }
            let transition = if same { at(old, &["lastTransitionTime"]).clone() } else { json!(time) };
            let updates = old.get("lastUpdateTime").is_some();
            *old = json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": transition});
            if updates {
                old["lastUpdateTime"] = json!(time);
            }
        }
        None => conditions.push(json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastUpdateTime": time, "lastTransitionTime": time,
        })),
    }
}

/// A status write, if the status is not already this.
pub(crate) fn status_write(resource: &str, object: &Value, status: Value) -> Option<Write> {
    if object.get("status") == Some(&status) {
        return None;
    }
    let mut next = object.clone();
    next.as_object_mut()?.insert("status".into(), status);
    Some(Write::UpdateStatus { resource: Resource::new(resource), object: next })
}

/// A JSON object without the fields whose value is 0, as Go's `omitempty` leaves counts out.
pub(crate) fn without_zeros(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().filter(|(_, v)| v != &json!(0)).collect::<Map<_, _>>())
        }
        other => other,
    }
}
