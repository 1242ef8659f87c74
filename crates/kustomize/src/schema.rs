//! What strategic merges know of types: which lists merge, and by which keys.
//!
//! A build has one [`Types`]: the built-in ones, or those of the document that `openapi` names. [`Schema`] adds the
//! CustomResourceDefinition of the object at hand. A [`Node`] is a place in a type; merges walk it beside the values.

mod document;
mod table;

use ::schema::types::{self as newest, FieldType, Merge};
use patch::TypeId;
use serde_json::Value;

pub(crate) use document::{Document, definition_of};
use table::Table;

use crate::MergeKeys;

/// How a list merges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lists<'s> {
    /// The patch's list takes the place of the object's.
    Whole,
    /// A list of scalars, joined.
    Set,
    /// A list of maps that these fields tell apart.
    Keyed(Keys<'s>),
}

/// Merge keys, the first of which every item must have.
#[derive(Debug, Clone)]
pub(crate) enum Keys<'s> {
    Borrowed(&'s [&'s str]),
    Owned(Vec<&'s str>),
}

impl<'s> std::ops::Deref for Keys<'s> {
    type Target = [&'s str];

    fn deref(&self) -> &[&'s str] {
        match self {
            Keys::Borrowed(keys) => keys,
            Keys::Owned(keys) => keys,
        }
    }
}

impl PartialEq for Keys<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Keys<'_> {}

/// The types of a build.
#[derive(Debug)]
pub(crate) enum Types {
    /// Those of the newest Kubernetes; of those that it has removed, the last ones that kustomize knows.
    Newest,
    /// Those of Kubernetes v1.21.
    AsUpstream,
    /// Those of a document, and no others.
    Document(Document),
}

impl Types {
    pub(crate) fn builtin(keys: MergeKeys) -> Types {
        match keys {
            MergeKeys::Newest => Types::Newest,
            MergeKeys::AsUpstream => Types::AsUpstream,
        }
    }

    /// Whether custom resources merge by their CustomResourceDefinitions.
    pub(crate) fn use_definitions(&self) -> bool {
        matches!(self, Types::Newest)
    }

    pub(crate) fn object(&self, api_version: &str, kind: &str) -> Option<Node<'_>> {
        match self {
            Types::AsUpstream => Table::v1_21().object(api_version, kind).map(|ty| Node(Place::Table(ty))),
            Types::Newest => {
                let newest = newest::types().by_gvk(api_version, kind).map(|ty| Node(Place::Newest(ty)));
                newest.or_else(|| Types::AsUpstream.object(api_version, kind))
            }
            Types::Document(document) => {
                let own =
                    document.object(api_version, kind).map(|schema| Node(Place::Document(document, schema)));
                let beneath = || Types::Newest.object(api_version, kind).filter(|_| document.over_builtin);
                own.or_else(beneath)
            }
        }
    }
}

/// What is known when one object is merged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema<'s> {
    pub(crate) types: &'s Types,
    /// The schema in the CustomResourceDefinition of the object.
    pub(crate) definition: Option<&'s Value>,
}

impl<'s> Schema<'s> {
    /// The type of a value that says what it is: a whole object, or one that is embedded in another.
    pub(crate) fn of(&self, value: &Value) -> Option<Node<'s>> {
        let text = |field: &str| value.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        self.types.object(text("apiVersion")?, text("kind")?)
    }

    /// The type that the object's CustomResourceDefinition gives.
    pub(crate) fn defined(&self) -> Option<Node<'s>> {
        self.definition.map(|schema| Node(Place::Definition(schema)))
    }
}

/// A place in a type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'s>(Place<'s>);

#[derive(Debug, Clone, Copy)]
enum Place<'s> {
    Newest(TypeId),
    NewestField(&'static FieldType, &'static Merge),
    NewestValue(&'static FieldType),
    Table(u32),
    TableField(&'static table::Field),
    /// A schema of a document, which resolves references.
    Document(&'s Document, &'s Value),
    /// A schema in a CustomResourceDefinition.
    Definition(&'s Value),
}

impl<'s> Node<'s> {
    pub(crate) fn field(self, name: &str) -> Option<Node<'s>> {
        let place = match self.0 {
            Place::Newest(ty) => {
                let field = newest::types().find(ty)?.field(name)?;
                Place::NewestField(&field.ty, &field.merge)
            }
            Place::NewestField(ty, _) | Place::NewestValue(ty) => match ty {
                FieldType::Object(ty) => return Node(Place::Newest(*ty)).field(name),
                FieldType::Map(value) => Place::NewestValue(value),
                _ => return None,
            },
            Place::Table(ty) => Place::TableField(Table::v1_21().field(ty, name)?),
            Place::TableField(field) => Place::TableField(Table::v1_21().field(field.ty?, name)?),
            Place::Document(document, schema) => document.field(schema, name)?,
            Place::Definition(schema) => Place::Definition(document::field(schema, name)?),
        };
        Some(Node(place))
    }

    /// The type of a list's items.
    pub(crate) fn items(self) -> Option<Node<'s>> {
        let place = match self.0 {
            Place::NewestField(FieldType::List(item), _) | Place::NewestValue(FieldType::List(item)) => {
                Place::NewestValue(item)
            }
            Place::TableField(field) => Place::Table(field.ty?),
            Place::Document(document, schema) => document.items(schema)?,
            Place::Definition(schema) => Place::Definition(document::items(schema)?),
            _ => return None,
        };
        Some(Node(place))
    }

    pub(crate) fn lists(self) -> Lists<'s> {
        match self.0 {
            Place::NewestField(_, merge) => match &merge.key {
                Some(_) if !merge.apply_keys.is_empty() => Lists::Keyed(Keys::Borrowed(&merge.apply_keys)),
                Some(_) => Lists::Keyed(Keys::Borrowed(merge.key.as_slice())),
                None if merge.strategic_set => Lists::Set,
                None => Lists::Whole,
            },
            Place::TableField(field) => field.lists(),
            Place::Document(_, schema) => document::strategy(schema),
            Place::Definition(schema) => document::list_type(schema),
            Place::Newest(_) | Place::NewestValue(_) | Place::Table(_) => Lists::Whole,
        }
    }

    pub(crate) fn default_value(self) -> Option<&'s Value> {
        match self.0 {
            Place::Document(_, schema) | Place::Definition(schema) => schema.get("default"),
            _ => None,
        }
    }

    /// Whether an object that stands here says itself what it is: true where nothing built in is known of the place.
    pub(crate) fn may_embed(self) -> bool {
        matches!(self.0, Place::Definition(_))
    }
}

#[cfg(test)]
mod tests;
