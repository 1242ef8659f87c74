//! Types of expressions: what can be said of a value before there is one.

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
    /// What only functions of the libraries make and take, such as `net.IP`.
    Opaque(&'static str),
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
            Self::Opaque(name) => f.write_str(name),
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

    /// The type of a declared field; names that the language keeps for itself need no escape.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        let Self::Object(fields) = self else { return None };
        fields.get(name).or_else(|| fields.get(&crate::value::reserved(name)?))
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
