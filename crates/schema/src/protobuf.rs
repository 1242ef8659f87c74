//! Kubernetes' protobuf bodies, read into the values that JSON would give.
//!
//! Typed clients in Go send their requests so and do not fall back to JSON. Answers may be JSON, so nothing is encoded here.

mod pointers;
mod wire;

use crate::time;
use crate::types::{Field, FieldType, Type, types};
use base64::Engine;
use patch::TypeId;
use serde_json::{Map, Value, json};
use wire::{Reader, Wire};

#[derive(Debug, thiserror::Error, Clone, PartialEq, Eq)]
pub enum ProtobufError {
    #[error("the body does not start with the protobuf prefix \"k8s\\x00\"")]
    Prefix,
    #[error("protobuf ends in the middle of a field (byte {at})")]
    Truncated { at: usize },
    #[error("protobuf is nested more than {limit} levels deep")]
    Depth { limit: usize },
    #[error("protobuf field {field} of {message} has wire type {wire}, which does not fit")]
    WireType { message: String, field: String, wire: u8 },
    #[error("protobuf field {field} of {message} is not UTF-8")]
    Text { message: String, field: String },
    #[error("protobuf field {field} of {message} holds no JSON: {reason}")]
    Json { message: String, field: String, reason: String },
    #[error("no kind {kind:?} is registered for version {api_version:?}")]
    UnknownKind { api_version: String, kind: String },
}

type Result<T> = std::result::Result<T, ProtobufError>;

const PREFIX: &[u8] = b"k8s\0";

/// Schemas of CRDs nest; nothing else does as deep.
const DEPTH: usize = 200;

/// The object in Kubernetes' envelope (`k8s\0` and `runtime.Unknown`), with `apiVersion` and `kind`.
pub fn decode(bytes: &[u8]) -> Result<Value> {
    let unknown = bytes.strip_prefix(PREFIX).ok_or(ProtobufError::Prefix)?;
    let (mut api_version, mut kind) = (String::new(), String::new());
    let (mut raw, mut content_type): (&[u8], String) = (&[], String::new());
    let mut reader = Reader::new(unknown);
    while let Some((tag, value)) = reader.next()? {
        let Wire::Bytes(bytes) = value else { continue };
        match tag {
            1 => {
                let mut meta = Reader::new(bytes);
                while let Some((tag, value)) = meta.next()? {
                    match (tag, value) {
                        (1, Wire::Bytes(text)) => api_version = text_of(text, "TypeMeta", "apiVersion")?,
                        (2, Wire::Bytes(text)) => kind = text_of(text, "TypeMeta", "kind")?,
                        _ => {}
                    }
                }
            }
            2 => raw = bytes,
            4 => content_type = text_of(bytes, "Unknown", "contentType")?,
            _ => {}
        }
    }
    if content_type == "application/json" {
        return json_of(raw, "Unknown", "raw");
    }
    let Some(ty) = types().by_gvk(&api_version, &kind) else {
        return Err(ProtobufError::UnknownKind { api_version, kind });
    };
    let mut object = Map::new();
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    Decoder { ty: types().get(ty), depth: 0 }.message(&[], raw, &mut object)?;
    Ok(Value::Object(object))
}

struct Decoder {
    ty: &'static Type,
    depth: usize,
}

impl Decoder {
    /// `path` leads to a message that Go embeds: its fields are those of the outer object.
    fn message(&self, path: &[u32], bytes: &[u8], object: &mut Map<String, Value>) -> Result<()> {
        let mut reader = Reader::new(bytes);
        while let Some((tag, wire)) = reader.next()? {
            let under_path =
                |field: &&Field| field.tags.strip_prefix(path).is_some_and(|rest| rest.first() == Some(&tag));
            let Some(field) = self.ty.fields.iter().find(under_path) else { continue };
            if field.tags.len() == path.len() + 1 {
                self.field(field, wire, object)?;
            } else if let Wire::Bytes(bytes) = wire {
                let path: Vec<u32> = path.iter().copied().chain([tag]).collect();
                self.message(&path, bytes, object)?;
            }
        }
        Ok(())
    }

    fn field(&self, field: &Field, wire: Wire<'_>, object: &mut Map<String, Value>) -> Result<()> {
        match &field.ty {
            FieldType::List(item) => {
                let list = object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    self.items(field, item, wire, list)?;
                }
            }
            FieldType::Map(value) => {
                let map = object.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(map) = map {
                    self.entry(field, value, wire, map)?;
                }
            }
            ty => {
                let value = self.value(field, ty, wire)?;
                let keep =
                    field.required || !is_zero(&value) || pointers::is_pointer(self.ty.name, field.name);
                if keep && !value.is_null() {
                    object.insert(field.name.into(), value);
                }
            }
        }
        Ok(())
    }

    fn items(&self, field: &Field, item: &FieldType, wire: Wire<'_>, list: &mut Vec<Value>) -> Result<()> {
        match (wire, item) {
            (Wire::Bytes(bytes), _) if field.wrapped => {
                let mut reader = Reader::new(bytes);
                while let Some((_, wire)) = reader.next()? {
                    list.push(self.value(field, item, wire)?);
                }
            }
            // Packed numbers; Go does not write them, but readers must accept them.
            (Wire::Bytes(bytes), FieldType::Int32 | FieldType::Int64 | FieldType::Bool) => {
                let mut reader = Reader::new(bytes);
                while !reader.is_empty() {
                    list.push(self.value(field, item, Wire::Varint(reader.varint()?))?);
                }
            }
            (wire, item) => list.push(self.value(field, item, wire)?),
        }
        Ok(())
    }

    fn entry(
        &self,
        field: &Field,
        ty: &FieldType,
        wire: Wire<'_>,
        map: &mut Map<String, Value>,
    ) -> Result<()> {
        let Wire::Bytes(bytes) = wire else { return Err(self.misfit(field, &wire)) };
        let (mut key, mut value) = (String::new(), None);
        let mut reader = Reader::new(bytes);
        while let Some((tag, wire)) = reader.next()? {
            match (tag, wire, ty) {
                (1, Wire::Bytes(text), _) => key = text_of(text, self.ty.name, field.name)?,
                (2, wire, FieldType::List(item)) => {
                    let mut list = Vec::new();
                    self.items(field, item, wire, &mut list)?;
                    value = Some(Value::Array(list));
                }
                (2, wire, ty) => value = Some(self.value(field, ty, wire)?),
                _ => {}
            }
        }
        let value = match value {
            Some(value) => value,
            None => self.value(field, ty, Wire::Bytes(&[]))?,
        };
        map.insert(key, value);
        Ok(())
    }

    fn value(&self, field: &Field, ty: &FieldType, wire: Wire<'_>) -> Result<Value> {
        Ok(match (ty, wire) {
            (FieldType::Bool, Wire::Varint(number)) => (number != 0).into(),
            // Negative 32-bit numbers are written with 64 bits: the low ones count.
            (FieldType::Int32, Wire::Varint(number)) => (number as u32 as i32).into(),
            (FieldType::Int64, Wire::Varint(number)) => (number as i64).into(),
            (FieldType::Float, Wire::Fixed64(bits)) => json!(f64::from_bits(bits)),
            (FieldType::String, Wire::Bytes(text)) => text_of(text, self.ty.name, field.name)?.into(),
            (FieldType::Bytes, Wire::Bytes(bytes)) => {
                base64::engine::general_purpose::STANDARD.encode(bytes).into()
            }
            (_, Wire::Bytes(bytes)) => self.special(field, ty, bytes)?,
            (_, wire) => return Err(self.misfit(field, &wire)),
        })
    }

    /// Messages, and what JSON writes in a way of its own.
    fn special(&self, field: &Field, ty: &FieldType, bytes: &[u8]) -> Result<Value> {
        match ty {
            FieldType::Object(id) => self.object(*id, bytes),
            FieldType::Quantity => {
                let text =
                    first_bytes(bytes, 1)?.map(|text| text_of(text, self.ty.name, field.name)).transpose()?;
                Ok(text.filter(|text| !text.is_empty()).unwrap_or_else(|| "0".into()).into())
            }
            FieldType::IntOrString => int_or_string(bytes, self.ty.name, field.name),
            FieldType::Time => time_of(bytes, 0),
            FieldType::MicroTime => time_of(bytes, 6),
            FieldType::Raw | FieldType::Json | FieldType::FieldsV1 => match first_bytes(bytes, 1)? {
                None | Some([]) => Ok(Value::Null),
                Some(raw) if raw.starts_with(PREFIX) => decode(raw),
                Some(raw) => json_of(raw, self.ty.name, field.name),
            },
            FieldType::SchemaOrBool | FieldType::SchemaOrArray | FieldType::SchemaOrStrings => {
                self.schema_or(ty, field, bytes)
            }
            FieldType::AnyObject => Ok(json!({})),
            _ => Err(self.misfit(field, &Wire::Bytes(bytes))),
        }
    }

    fn object(&self, ty: TypeId, bytes: &[u8]) -> Result<Value> {
        if self.depth == DEPTH {
            return Err(ProtobufError::Depth { limit: DEPTH });
        }
        let mut object = Map::new();
        Decoder { ty: types().get(ty), depth: self.depth + 1 }.message(&[], bytes, &mut object)?;
        Ok(Value::Object(object))
    }

    fn schema_or(&self, ty: &FieldType, field: &Field, bytes: &[u8]) -> Result<Value> {
        let schema =
            types().by_name("apiextensions.v1.JSONSchemaProps").expect("the table has the schemas of CRDs");
        let (mut single, mut list, mut allows) = (None, Vec::new(), false);
        let mut reader = Reader::new(bytes);
        while let Some((tag, wire)) = reader.next()? {
            match (ty, tag, wire) {
                (FieldType::SchemaOrBool, 1, Wire::Varint(number)) => allows = number != 0,
                (FieldType::SchemaOrBool, 2, Wire::Bytes(bytes)) => {
                    single = Some(self.object(schema, bytes)?)
                }
                (FieldType::SchemaOrArray | FieldType::SchemaOrStrings, 1, Wire::Bytes(bytes)) => {
                    single = Some(self.object(schema, bytes)?);
                }
                (FieldType::SchemaOrArray, 2, Wire::Bytes(bytes)) => list.push(self.object(schema, bytes)?),
                (FieldType::SchemaOrStrings, 2, Wire::Bytes(text)) => {
                    list.push(text_of(text, self.ty.name, field.name)?.into());
                }
                _ => {}
            }
        }
        Ok(match (ty, single) {
            (_, Some(schema)) => schema,
            (FieldType::SchemaOrBool, None) => allows.into(),
            _ => Value::Array(list),
        })
    }

    fn misfit(&self, field: &Field, wire: &Wire<'_>) -> ProtobufError {
        ProtobufError::WireType { message: self.ty.name.into(), field: field.name.into(), wire: wire.kind() }
    }
}

/// What Go's JSON leaves out. Empty objects stay: `emptyDir: {}`.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn first_bytes(bytes: &[u8], wanted: u32) -> Result<Option<&[u8]>> {
    let mut reader = Reader::new(bytes);
    while let Some((tag, wire)) = reader.next()? {
        if let (true, Wire::Bytes(bytes)) = (tag == wanted, wire) {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

fn int_or_string(bytes: &[u8], message: &str, field: &str) -> Result<Value> {
    let (mut is_string, mut number, mut text) = (false, 0i32, String::new());
    let mut reader = Reader::new(bytes);
    while let Some((tag, wire)) = reader.next()? {
        match (tag, wire) {
            (1, Wire::Varint(kind)) => is_string = kind == 1,
            (2, Wire::Varint(value)) => number = value as u32 as i32,
            (3, Wire::Bytes(value)) => text = text_of(value, message, field)?,
            _ => {}
        }
    }
    Ok(if is_string { text.into() } else { number.into() })
}

/// A time that is not set is an empty message.
fn time_of(bytes: &[u8], digits: usize) -> Result<Value> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let (mut seconds, mut nanos) = (0i64, 0u32);
    let mut reader = Reader::new(bytes);
    while let Some((tag, wire)) = reader.next()? {
        match (tag, wire) {
            (1, Wire::Varint(value)) => seconds = value as i64,
            (2, Wire::Varint(value)) => nanos = value as u32,
            _ => {}
        }
    }
    // Go's zero time is in the year 1; beyond four digits nothing can be written.
    let sane = (-62_135_596_800 + 1..253_402_300_800).contains(&seconds);
    Ok(if sane { time::format(seconds, nanos.min(999_999_999), digits).into() } else { Value::Null })
}

fn text_of(bytes: &[u8], message: &str, field: &str) -> Result<String> {
    std::str::from_utf8(bytes)
        .map(String::from)
        .map_err(|_| ProtobufError::Text { message: message.into(), field: field.into() })
}

fn json_of(bytes: &[u8], message: &str, field: &str) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| ProtobufError::Json {
        message: message.into(),
        field: field.into(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests;
