//! Calls into `schema` and `patch`, in one place.

use crate::apply::Shape;
use crate::{ApiError, Result};
use schema::Kind;
use serde_json::Value;

/// Subresources of the built-in kinds that nothing here serves.
const UNSERVED: [&str; 4] = ["approval", "ephemeralcontainers", "proxy", "resize"];

/// The built-in kinds, each in its preferred version: objects are not converted between versions, and storing one that
/// came in another would lose fields.
pub(crate) fn kinds() -> Vec<Kind> {
    let served = schema::builtin_kinds().iter().filter(|kind| kind.group != "events.k8s.io");
    served
        .cloned()
        .map(|mut kind| {
            kind.versions.truncate(1);
            kind.subresources.retain(|sub| !UNSERVED.contains(&sub.as_str()));
            kind
        })
        .collect()
}

/// Takes out the fields that the kind does not have and names them.
pub(crate) fn drop_unknown_fields(kind: &Kind, object: &mut Value) -> Vec<String> {
    schema::fields::prune(&kind.api_version(), &kind.kind, object)
}

/// Values that do not fit their fields.
pub(crate) fn type_errors(kind: &Kind, object: &Value) -> Vec<String> {
    schema::fields::type_errors(&kind.api_version(), &kind.kind, object)
}

pub(crate) fn defaults(kind: &Kind, object: &mut Value) {
    schema::defaults::apply(&kind.resource(), object);
}

/// Field, reason, text.
pub(crate) fn validate(
    kind: &Kind,
    object: &Value,
    previous: Option<&Value>,
) -> Vec<(String, String, String)> {
    let causes = schema::validate::check(&kind.resource(), object, previous);
    causes.into_iter().map(|cause| (cause.field, cause.reason.to_string(), cause.message)).collect()
}

pub(crate) fn strategic_merge(kind: &Kind, object: &mut Value, change: &Value) -> Result<()> {
    patch::strategic_merge(schema::builtin(), &kind.api_version(), &kind.kind, object, change)
        .map_err(|error| ApiError::bad_request(error.to_string()))
}

pub(crate) fn apply_root(_api_version: &str, _kind: &str) -> Shape {
    Shape::Struct(0)
}

pub(crate) fn apply_shape(_ty: u32, name: &str) -> Option<Shape> {
    Some(match name {
        "labels" | "annotations" | "data" => Shape::Map(Box::new(Shape::Atomic)),
        "containers" => Shape::Keyed(vec!["name".into()], Box::new(Shape::Struct(0))),
        "selector" => Shape::Atomic,
        _ => Shape::Struct(0),
    })
}
