//! Values: what JSON is in an expression, and back.

use crate::parse::RESERVED;
use base64::Engine as _;
use kube_cel::cel::Value;
use kube_cel::cel::objects::{Key, Map, Opaque};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::Arc;

/// A value that may not be there.
#[derive(Debug, PartialEq, Eq)]
pub struct Opt(pub Option<Value>);

impl Opaque for Opt {
    fn runtime_type_name(&self) -> &'static str {
        "optional_type"
    }
}

impl Opt {
    pub fn value(inner: Option<Value>) -> Value {
        Value::Opaque(Arc::new(Self(inner)))
    }

    pub(crate) fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Opaque(opaque) => opaque.downcast_ref(),
            _ => None,
        }
    }
}

/// A type as a value, such as `int`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Type(pub(crate) String);

impl Opaque for Type {
    fn runtime_type_name(&self) -> &'static str {
        "type"
    }
}

/// A value of the host's own, such as an authorizer; expressions can only hand it to the host's functions.
#[derive(Debug, PartialEq, Eq)]
pub struct Handle {
    pub kind: &'static str,
    pub state: Vec<(String, String)>,
}

impl Opaque for Handle {
    fn runtime_type_name(&self) -> &str {
        self.kind
    }
}

impl Handle {
    pub fn value(kind: &'static str, state: Vec<(String, String)>) -> Value {
        Value::Opaque(Arc::new(Self { kind, state }))
    }

    pub fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Opaque(opaque) => opaque.downcast_ref(),
            _ => None,
        }
    }
}

pub fn text(text: impl Into<String>) -> Value {
    Value::String(Arc::new(text.into()))
}

pub fn list(items: Vec<Value>) -> Value {
    Value::List(Arc::new(items))
}

pub fn map(entries: impl IntoIterator<Item = (Key, Value)>) -> Value {
    Value::Map(Map { map: Arc::new(entries.into_iter().collect::<HashMap<_, _>>()) })
}

/// What an object without a schema is: names of fields are as they are.
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(given) => Value::Bool(*given),
        Json::Number(number) => from_number(number),
        Json::String(given) => text(given.as_str()),
        Json::Array(items) => list(items.iter().map(from_json).collect()),
        Json::Object(fields) => {
            map(fields.iter().map(|(name, value)| (Key::from(name.as_str()), from_json(value))))
        }
    }
}

fn from_number(number: &serde_json::Number) -> Value {
    match (number.as_i64(), number.as_u64()) {
        (Some(whole), _) => Value::Int(whole),
        (None, Some(whole)) => Value::UInt(whole),
        _ => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// What an object of a structural schema is: names of declared fields are escaped, texts of some formats are times, durations
/// and bytes, and numbers are of the type that is declared.
pub fn from_json_by(schema: &Json, json: &Json) -> Value {
    match json {
        Json::Number(number) if schema["type"] == "number" => {
            Value::Float(number.as_f64().unwrap_or(f64::NAN))
        }
        Json::Number(number) if schema["type"] == "integer" => match number.as_f64() {
            Some(whole) if number.as_i64().is_none() && whole.fract() == 0.0 && whole.abs() < 9e15 => {
                Value::Int(whole as i64)
            }
            _ => from_number(number),
        },
        Json::String(given) if schema["x-kubernetes-int-or-string"] != true => {
            from_text(schema["format"].as_str().unwrap_or_default(), given)
        }
        Json::Array(items) => list(items.iter().map(|item| from_json_by(&schema["items"], item)).collect()),
        Json::Object(fields) => {
            let others = &schema["additionalProperties"];
            let is_map = others.is_object() || *others == true;
            let entries = fields.iter().map(|(name, value)| {
                if is_map {
                    return (Key::from(name.as_str()), from_json_by(others, value));
                }
                let below = &schema["properties"][name.as_str()];
                (Key::from(escape(name)), from_json_by(below, value))
            });
            let mut found: HashMap<Key, Value> = entries.collect();
            if schema["x-kubernetes-embedded-resource"] == true {
                for name in ["apiVersion", "kind"] {
                    found.entry(Key::from(name)).or_insert_with(|| text(""));
                }
                found.entry(Key::from("metadata")).or_insert_with(|| map([]));
            }
            map(found)
        }
        _ => from_json(json),
    }
}

fn from_text(format: &str, given: &str) -> Value {
    let parsed = match format {
        "date-time" => crate::functions::timestamp(given).ok(),
        "date" => crate::functions::timestamp(&format!("{given}T00:00:00Z")).ok(),
        "duration" => crate::functions::duration(given).ok(),
        "byte" => base64::engine::general_purpose::STANDARD
            .decode(given)
            .ok()
            .map(|bytes| Value::Bytes(bytes.into())),
        _ => None,
    };
    parsed.unwrap_or_else(|| text(given))
}

/// The escaped name of a field whose name the language keeps for itself.
pub(crate) fn reserved(name: &str) -> Option<String> {
    let is_reserved = matches!(name, "true" | "false" | "null") || RESERVED.contains(&name);
    is_reserved.then(|| format!("__{name}__"))
}

/// The name of a declared field in an expression.
pub fn escape(name: &str) -> String {
    if let Some(escaped) = reserved(name) {
        return escaped;
    }
    if !name.contains(['.', '-', '/']) && !name.contains("__") {
        return name.to_string();
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}

/// A value as JSON. None: it is of a kind that JSON does not have.
pub fn to_json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(given) => (*given).into(),
        Value::Int(number) => (*number).into(),
        Value::UInt(number) => (*number).into(),
        Value::Float(number) => serde_json::Number::from_f64(*number)?.into(),
        Value::String(given) => given.as_str().into(),
        Value::Bytes(bytes) => base64::engine::general_purpose::STANDARD.encode(bytes.as_slice()).into(),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect::<Option<_>>()?),
        Value::Map(entries) => {
            let mut fields: Vec<(String, Json)> = Vec::with_capacity(entries.map.len());
            for (key, value) in entries.map.iter() {
                fields.push((key.to_string(), to_json(value)?));
            }
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(fields.into_iter().collect())
        }
        Value::Duration(_) | Value::Timestamp(_) => crate::functions::to_text(value).ok()?.into(),
        Value::Opaque(_) => match Opt::of(value) {
            Some(Opt(Some(inner))) => to_json(inner)?,
            Some(Opt(None)) => Json::Null,
            None => return None,
        },
        Value::Function(..) => return None,
    })
}

/// The name of a value's type.
pub(crate) fn type_name(value: &Value) -> &str {
    match value {
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Function(..) => "function",
        Value::Int(_) => "int",
        Value::UInt(_) => "uint",
        Value::Float(_) => "double",
        Value::String(_) => "string",
        Value::Bytes(_) => "bytes",
        Value::Bool(_) => "bool",
        Value::Duration(_) => "google.protobuf.Duration",
        Value::Timestamp(_) => "google.protobuf.Timestamp",
        Value::Opaque(opaque) => opaque.runtime_type_name(),
        Value::Null => "null_type",
    }
}
