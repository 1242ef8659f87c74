//! How fields merge under server-side apply: built-in kinds by the table of types, custom ones by their schema.

use crate::transaction::Transaction;
use crate::{link, structural};
use schema::Kind;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// A value's type, as far as merging goes. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A scalar, or something that is owned whole.
    Atomic,
    /// An object with declared fields.
    Struct(patch::TypeId),
    /// The same of a custom kind.
    Fields(Arc<Fields>),
    /// An object whose keys are data.
    Map(Arc<Shape>),
    /// A list of scalars without order.
    Set,
    /// A list of objects that are told apart by some of their fields.
    Keyed(Arc<Keys>, Arc<Shape>),
    /// Nothing is known: objects merge, lists are atomic.
    Unknown,
}

/// The declared fields of an object of a custom kind; others are unknown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fields(HashMap<String, Shape>);

/// What tells the items of a list apart: fields in the order of their names, with what one that is left out means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Keys(Vec<(String, Option<Value>)>);

impl Keys {
    pub(crate) fn new(mut keys: Vec<(String, Option<Value>)>) -> Self {
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        Self(keys)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(String, Option<Value>)> {
        self.0.iter()
    }
}

impl Shape {
    /// The shape of a field, and whether it is a declared one (an entry of a map is not).
    pub(crate) fn field(&self, name: &str) -> (Shape, bool) {
        match self {
            Shape::Struct(ty) => match link::apply_field(*ty, name) {
                Some(shape) => (shape, true),
                None => (Shape::Unknown, false),
            },
            Shape::Fields(fields) => match fields.0.get(name) {
                Some(shape) => (shape.clone(), true),
                None => (Shape::Unknown, false),
            },
            Shape::Map(values) => ((**values).clone(), false),
            _ => (Shape::Unknown, false),
        }
    }
}

/// The shapes of custom kinds as they were made last, by kind and version, each with the definition that it was made from.
#[derive(Default)]
pub(crate) struct Custom(parking_lot::Mutex<HashMap<String, (Arc<Value>, Shape)>>);

pub(crate) fn root(tx: &Transaction<'_>, kind: &Kind) -> Shape {
    let resource = kind.resource();
    if tx.api.is_builtin(&resource) {
        return link::apply_root(kind);
    }
    let Some(definition) = structural::definition_of(&tx.view(), kind) else {
        return of_object(&Value::Null);
    };
    let mut known = tx.api.inner.shapes.0.lock();
    let version = format!("{resource} {}", kind.api_version());
    if let Some((read_from, shape)) = known.get(&version)
        && Arc::ptr_eq(read_from, &definition)
    {
        return shape.clone();
    }
    let shape = of_object(structural::schema_in(&definition, kind));
    known.insert(version, (definition, shape.clone()));
    shape
}

/// Why a configuration does not fit its type.
pub(crate) fn problems(tx: &Transaction<'_>, kind: &Kind, config: &Value) -> Vec<String> {
    if tx.api.is_builtin(&kind.resource()) {
        return link::untypable(&kind.api_version(), &kind.kind, config);
    }
    structural::definition_of(&tx.view(), kind).map_or_else(Vec::new, |definition| {
        link::untypable_custom(structural::schema_in(&definition, kind), config)
    })
}

/// A whole object of a custom kind, or one that is embedded in another.
fn of_object(schema: &Value) -> Shape {
    let mut fields = fields_of(schema);
    fields.insert("apiVersion".into(), Shape::Atomic);
    fields.insert("kind".into(), Shape::Atomic);
    fields.insert("metadata".into(), link::apply_metadata());
    Shape::Fields(Arc::new(Fields(fields)))
}

fn fields_of(schema: &Value) -> HashMap<String, Shape> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.map(|(name, below)| (name.clone(), of(below))).collect()
}

/// By the extensions of a structural schema (`x-kubernetes-list-type`, `-map-type`, `-list-map-keys`).
fn of(schema: &Value) -> Shape {
    if schema["x-kubernetes-embedded-resource"] == true {
        return of_object(schema);
    }
    let properties = schema["properties"].as_object().is_some_and(|fields| !fields.is_empty());
    match schema["type"].as_str() {
        Some("object") if schema["x-kubernetes-map-type"] == "atomic" => Shape::Atomic,
        Some("object") if properties => Shape::Fields(Arc::new(Fields(fields_of(schema)))),
        Some("object") if schema["additionalProperties"].is_object() => {
            Shape::Map(Arc::new(of(&schema["additionalProperties"])))
        }
        Some("object") => Shape::Unknown,
        Some("array") => match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => Shape::Set,
            Some("map") => {
                let names = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
                let item = &schema["items"];
                let keys = names.filter_map(Value::as_str).map(|name| {
                    let default = item["properties"][name].get("default").cloned();
                    (name.to_string(), default)
                });
                Shape::Keyed(Arc::new(Keys::new(keys.collect())), Arc::new(of(item)))
            }
            _ => Shape::Atomic,
        },
        None if schema["x-kubernetes-preserve-unknown-fields"] == true => Shape::Unknown,
        _ => Shape::Atomic,
    }
}
