//! JSON patch, RFC 6902, with the API server's departures from it.
//!
//! They are those of its library: `replace` of a missing key adds it, negative indices count from the end,
//! a `test` for null passes on a missing key, and a path without a leading slash loses its first segment.
//!
//! A copy of the root into itself doubles the document, so a server bounds what all copies of a patch add
//! ([`json_patch_within`]).

mod bounds;

use serde_json::{Map, Value};

use crate::error::{Error, Result, go_name};
use bounds::Bounds;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
    /// Kept so that an unknown operation fails when its turn comes, after the ones before it.
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub op: Op,
    pub path: Text,
    pub from: Text,
    /// A missing value is null.
    pub value: Value,
}

/// A field that must be a text. What it is instead is an error when the operation's turn comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    Given(String),
    Missing,
    /// In the words of Go's JSON decoder.
    Other(&'static str),
}

impl Text {
    fn of(operation: &Map<String, Value>, field: &str) -> Text {
        match operation.get(field) {
            None | Some(Value::Null) => Text::Missing,
            Some(Value::String(text)) => Text::Given(text.clone()),
            Some(other) => Text::Other(go_name(other)),
        }
    }
}

impl Operation {
    /// Some operations tell why there is no path, some do not: so does the library.
    fn path(&self, operation: &'static str, telling: bool) -> Result<&str> {
        let reason = match &self.path {
            Text::Given(path) => return Ok(path),
            _ if !telling => "missing value".to_string(),
            Text::Missing => "operation missing path field: missing value".to_string(),
            Text::Other(found) => format!("json: cannot unmarshal {found} into Go value of type string"),
        };
        Err(Error::BadField { operation, field: "path", reason })
    }

    fn from(&self, operation: &'static str) -> Result<&str> {
        let reason = match &self.from {
            Text::Given(from) => return Ok(from),
            Text::Missing => "operation, missing from field: missing value".to_string(),
            Text::Other(found) => format!("json: cannot unmarshal {found} into Go value of type string"),
        };
        Err(Error::BadField { operation, field: "from", reason })
    }
}

/// Reads the operations of a JSON patch document.
pub fn parse_operations(patch: &Value) -> Result<Vec<Operation>> {
    let Value::Array(items) = patch else {
        return Err(Error::NotAList { found: go_name(patch) });
    };
    items.iter().map(parse_operation).collect()
}

fn parse_operation(item: &Value) -> Result<Operation> {
    let empty = Map::new();
    let map = match item {
        Value::Object(map) => map,
        Value::Null => &empty,
        other => return Err(Error::NotAnOperation { found: go_name(other) }),
    };
    let op = match map.get("op").and_then(Value::as_str).unwrap_or("unknown") {
        "add" => Op::Add,
        "remove" => Op::Remove,
        "replace" => Op::Replace,
        "move" => Op::Move,
        "copy" => Op::Copy,
        "test" => Op::Test,
        other => Op::Other(other.to_string()),
    };
    let value = map.get("value").cloned().unwrap_or(Value::Null);
    Ok(Operation { op, path: Text::of(map, "path"), from: Text::of(map, "from"), value })
}

/// Applies operations in order. On an error the target is as it was before.
pub fn json_patch(target: &mut Value, operations: &[Operation]) -> Result<()> {
    json_patch_within(target, operations, u64::MAX)
}

/// The same with a limit to the bytes, as JSON, that all copies together add.
pub fn json_patch_within(target: &mut Value, operations: &[Operation], copies: u64) -> Result<()> {
    let mut patched = target.clone();
    let mut bounds = Bounds::new(&patched, copies);
    for operation in operations {
        apply(&mut patched, operation, &mut bounds)?;
        bounds.deepen(&patched, operation)?;
    }
    *target = patched;
    Ok(())
}

fn apply(doc: &mut Value, operation: &Operation, bounds: &mut Bounds) -> Result<()> {
    match &operation.op {
        Op::Add => add(doc, "add", operation.path("add", false)?, operation.value.clone()),
        Op::Remove => {
            let path = operation.path("remove", false)?;
            let (container, key) = find(doc, path)
                .ok_or_else(|| missing("remove", format!("doc is missing path: \"{path}\"")))?;
            remove_in(container, &key).map(drop).map_err(|e| inside("remove", path, e))
        }
        Op::Replace => replace(doc, operation.path("replace", true)?, operation.value.clone()),
        Op::Move => move_value(doc, operation),
        Op::Copy => copy_value(doc, operation, bounds),
        Op::Test => test(doc, operation.path("test", true)?, &operation.value),
        Op::Other(kind) => Err(Error::UnexpectedKind { kind: kind.clone() }),
    }
}

fn add(doc: &mut Value, operation: &'static str, path: &str, value: Value) -> Result<()> {
    let (container, key) =
        find(doc, path).ok_or_else(|| missing(operation, format!("doc is missing path: \"{path}\"")))?;
    add_in(container, &key, value).map_err(|e| inside(operation, path, e))
}

fn replace(doc: &mut Value, path: &str, value: Value) -> Result<()> {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err(Error::ReplaceRoot);
        }
        *doc = value;
        return Ok(());
    }
    let (container, key) =
        find(doc, path).ok_or_else(|| missing("replace", format!("doc is missing path: {path}")))?;
    match container {
        Value::Object(map) => {
            map.insert(key, value);
            Ok(())
        }
        Value::Array(items) => {
            let at = existing_index(items.len(), &key)
                .map_err(|_| missing("replace", format!("doc is missing key: {path}")))?;
            items[at] = value;
            Ok(())
        }
        _ => Err(missing("replace", format!("doc is missing path: {path}"))),
    }
}

fn move_value(doc: &mut Value, operation: &Operation) -> Result<()> {
    let from = operation.from("move")?;
    let (container, key) =
        find(doc, from).ok_or_else(|| missing("move", format!("doc is missing from path: {from}")))?;
    let value = remove_in(container, &key).map_err(|e| inside("move", &key, e))?;
    let path = operation.path("move", true)?;
    let (container, key) =
        find(doc, path).ok_or_else(|| missing("move", format!("doc is missing destination path: {path}")))?;
    add_in(container, &key, value).map_err(|e| inside("move", path, e))
}

fn copy_value(doc: &mut Value, operation: &Operation, bounds: &mut Bounds) -> Result<()> {
    let from = operation.from("copy")?;
    let (container, key) =
        find(doc, from).ok_or_else(|| missing("copy", format!("doc is missing from path: {from}")))?;
    let value = get_in(container, &key)
        .map_err(|e| Error::CopyFrom { from: from.to_string(), cause: Box::new(e) })?;
    // Measured before it is copied: the copy may be too large to make.
    let measured = bounds.copy(value);
    let value = if measured.is_ok() { value.cloned().unwrap_or(Value::Null) } else { Value::Null };
    let path = operation.path("copy", false)?;
    let (container, key) =
        find(doc, path).ok_or_else(|| missing("copy", format!("doc is missing destination path: {path}")))?;
    measured?;
    add_in(container, &key, value).map_err(|e| Error::CopyTo { cause: Box::new(e) })
}

fn test(doc: &mut Value, path: &str, value: &Value) -> Result<()> {
    let failed = || Error::TestFailed { path: path.to_string() };
    if path.is_empty() {
        return if same(doc, value) { Ok(()) } else { Err(failed()) };
    }
    let (container, key) =
        find(doc, path).ok_or_else(|| missing("test", format!("is missing path: {path}")))?;
    let found = get_in(container, &key).map_err(|e| inside("test", path, e))?;
    if same(found.unwrap_or(&Value::Null), value) { Ok(()) } else { Err(failed()) }
}

/// Equality as JSON has it: `1` and `1.0` are the same number, the order of keys does not matter.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a == b
                || match (a.as_i64(), b.as_i64()) {
                    (Some(a), Some(b)) => a == b,
                    _ => a.as_f64() == b.as_f64(),
                }
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

fn missing(operation: &'static str, what: String) -> Error {
    Error::DoesNotApply { operation, what }
}

fn inside(operation: &'static str, path: &str, cause: Error) -> Error {
    Error::InOperation { operation, path: path.to_string(), cause: Box::new(cause) }
}

/// The container that a path's last segment lies in, and that segment. `None` if a segment before it is missing.
fn find<'a>(doc: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let segments: Vec<&str> = path.split('/').collect();
    let (last, parents) = segments.get(1..)?.split_last()?;
    let mut at = doc;
    for segment in parents {
        let key = unescape(segment);
        at = match at {
            Value::Object(map) => map.get_mut(&key)?,
            Value::Array(items) => {
                let index = existing_index(items.len(), &key).ok()?;
                &mut items[index]
            }
            _ => return None,
        };
    }
    (at.is_object() || at.is_array()).then(|| (at, unescape(last)))
}

fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

fn number(key: &str) -> Option<i64> {
    // like Go's Atoi: an optional sign and digits
    key.parse::<i64>().ok()
}

fn existing_index(len: usize, key: &str) -> Result<usize> {
    let index = number(key).ok_or_else(|| Error::NotANumber { key: key.to_string() })?;
    let len = len as i64;
    if index >= len || index < -len {
        return Err(Error::InvalidIndex { index });
    }
    Ok(if index < 0 { index + len } else { index } as usize)
}

fn get_in<'a>(container: &'a Value, key: &str) -> Result<Option<&'a Value>> {
    match container {
        Value::Array(items) => Ok(Some(&items[existing_index(items.len(), key)?])),
        other => Ok(other.get(key)),
    }
}

fn add_in(container: &mut Value, key: &str, value: Value) -> Result<()> {
    match container {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let index = number(key).ok_or_else(|| Error::NotAnIndex { key: key.to_string() })?;
            let places = items.len() as i64 + 1;
            if index >= places || index < -places {
                return Err(Error::InvalidIndex { index });
            }
            items.insert(if index < 0 { index + places } else { index } as usize, value);
        }
        Value::Object(map) => {
            map.insert(key.to_string(), value);
        }
        _ => {}
    }
    Ok(())
}

fn remove_in(container: &mut Value, key: &str) -> Result<Value> {
    match container {
        Value::Array(items) => {
            let index = existing_index(items.len(), key)?;
            Ok(items.remove(index))
        }
        Value::Object(map) => map.shift_remove(key).ok_or_else(|| Error::NoSuchKey { key: key.to_string() }),
        _ => Err(Error::NoSuchKey { key: key.to_string() }),
    }
}

#[cfg(test)]
mod tests;
