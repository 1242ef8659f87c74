//! Types of expressions: what can be said of a value before there is one.

use crate::value::escape;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Anything; only the evaluation tells.
    Dyn,
    Null,
    Bool,
    Int,
    UInt,
    Double,
    Text,
    Bytes,
    Time,
    Duration,
    List(Arc<Type>),
    Map(Arc<Type>, Arc<Type>),
    /// Its declared fields.
    Object(Arc<BTreeMap<String, Type>>),
    Optional(Arc<Type>),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::UInt => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::Text => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Time => f.write_str("timestamp"),
            Self::Duration => f.write_str("duration"),
            Self::List(item) => write!(f, "list({item})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Object(_) => f.write_str("object"),
            Self::Optional(inner) => write!(f, "optional_type({inner})"),
        }
    }
}

impl Type {
    pub fn object(fields: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        Self::Object(Arc::new(fields.into_iter().map(|(name, ty)| (name.to_string(), ty)).collect()))
    }

    pub fn list(item: Self) -> Self {
        Self::List(Arc::new(item))
    }

    pub fn map(value: Self) -> Self {
        Self::Map(Arc::new(Self::Text), Arc::new(value))
    }

    pub fn optional(inner: Self) -> Self {
        Self::Optional(Arc::new(inner))
    }

    /// The type of a structural schema. None: its values cannot be seen by expressions.
    pub fn of_schema(schema: &Json, is_root: bool) -> Option<Self> {
        if schema["x-kubernetes-int-or-string"] == true {
            return Some(Self::Dyn);
        }
        Some(match schema["type"].as_str()? {
            "boolean" => Self::Bool,
            "integer" => Self::Int,
            "number" => Self::Double,
            "string" => match schema["format"].as_str() {
                Some("byte") => Self::Bytes,
                Some("duration") => Self::Duration,
                Some("date" | "date-time") => Self::Time,
                _ => Self::Text,
            },
            "array" => Self::list(Self::of_schema(&schema["items"], false)?),
            "object" => return Self::of_object(schema, is_root),
            _ => return None,
        })
    }

    fn of_object(schema: &Json, is_root: bool) -> Option<Self> {
        if schema["additionalProperties"].is_object() {
            return Some(Self::map(Self::of_schema(&schema["additionalProperties"], false)?));
        }
        let mut fields: BTreeMap<String, Self> = BTreeMap::new();
        for (name, below) in schema["properties"].as_object().into_iter().flatten() {
            let embedded = below["x-kubernetes-embedded-resource"] == true;
            if let Some(ty) = Self::of_schema(below, embedded) {
                fields.insert(escape(name), ty);
            }
        }
        if is_root || schema["x-kubernetes-embedded-resource"] == true {
            fields.insert("apiVersion".into(), Self::Text);
            fields.insert("kind".into(), Self::Text);
            fields.insert(
                "metadata".into(),
                Self::object([("name", Self::Text), ("generateName", Self::Text)]),
            );
        }
        Some(Self::Object(Arc::new(fields)))
    }

    /// Whether a value of both types is thinkable.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dyn | Self::Null, _) | (_, Self::Dyn | Self::Null) => true,
            (Self::List(a), Self::List(b)) | (Self::Optional(a), Self::Optional(b)) => a.agrees(b),
            (Self::Map(a, b), Self::Map(c, d)) => a.agrees(c) && b.agrees(d),
            (Self::Object(_), Self::Object(_) | Self::Map(..)) | (Self::Map(..), Self::Object(_)) => true,
            (a, b) => a == b,
        }
    }

    /// What has both types; anything, if they differ.
    pub(crate) fn joined(self, other: &Self) -> Self {
        if self == *other { self } else { Self::Dyn }
    }
}
