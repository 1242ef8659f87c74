//! How fields merge under server-side apply.

use crate::{Api, link};
use schema::Kind;

/// A value's type, as far as merging goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A scalar, or something that is owned whole.
    Atomic,
    /// An object with declared fields.
    Struct(patch::TypeId),
    /// An object whose keys are data.
    Map(Box<Shape>),
    /// A list of scalars without order.
    Set,
    /// A list of objects that are told apart by these fields.
    Keyed(Vec<&'static str>, Box<Shape>),
    /// Nothing is known: objects merge, lists are atomic.
    Unknown,
}

impl Shape {
    /// The shape of a field, and whether it is a declared one (an entry of a map is not).
    pub(crate) fn field(&self, name: &str) -> (Shape, bool) {
        match self {
            Shape::Struct(ty) => match link::apply_field(*ty, name) {
                Some(shape) => (shape, true),
                None => (Shape::Unknown, false),
            },
            Shape::Map(values) => ((**values).clone(), false),
            _ => (Shape::Unknown, false),
        }
    }
}

pub(crate) fn root(api: &Api, kind: &Kind) -> Shape {
    if api.is_builtin(&kind.resource()) {
        return link::apply_root(kind);
    }
    Shape::Unknown
}
