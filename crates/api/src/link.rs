//! Calls into `schema` and `patch`, in one place.

use crate::apply::{Keys, Shape};
use crate::{ApiError, Result};
use schema::Kind;
use serde_json::{Value, json};
use std::sync::Arc;

/// Subresources of the built-in kinds that nothing here serves.
const UNSERVED: [&str; 1] = ["approval"];

/// The built-in kinds, each in the versions that objects can be converted between: storing one that came in another would
/// lose fields.
pub(crate) fn kinds() -> Vec<Kind> {
    schema::builtin_kinds()
        .iter()
        .cloned()
        .map(|mut kind| {
            if !schema::convert::knows(&kind.resource()) {
                kind.versions.truncate(1);
            }
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

/// What is accepted with a warning.
pub(crate) fn warnings(kind: &Kind, object: &Value, previous: Option<&Value>) -> Vec<String> {
    match previous {
        Some(previous) => schema::warnings::on_update(&kind.resource(), object, previous),
        None => schema::warnings::on_create(&kind.resource(), object),
    }
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

/// Field, reason, text.
pub(crate) fn validate_custom_metadata(
    object: &Value,
    previous: Option<&Value>,
) -> Vec<(String, String, String)> {
    let causes = schema::validate::custom_metadata(object, previous);
    causes.into_iter().map(|cause| (cause.field, cause.reason.to_string(), cause.message)).collect()
}

/// Any kind does: all have the same metadata.
const ANY: (&str, &str) = ("v1", "ConfigMap");

/// Values of an object's metadata that do not fit their fields.
pub(crate) fn metadata_type_errors(metadata: &Value) -> Vec<String> {
    schema::fields::type_errors(ANY.0, ANY.1, &json!({ "metadata": metadata }))
}

/// Takes out the fields that metadata does not have and names them.
pub(crate) fn drop_unknown_metadata(metadata: &mut Value) -> Vec<String> {
    let mut object = json!({ "metadata": metadata.take() });
    let unknown = schema::fields::prune(ANY.0, ANY.1, &mut object);
    *metadata = object["metadata"].take();
    unknown
}

/// Field, reason, text.
pub(crate) fn validate_ephemeral(pod: &Value, previous: &Value) -> Vec<(String, String, String)> {
    let causes = schema::validate::ephemeral_containers(pod, previous);
    causes.into_iter().map(|cause| (cause.field, cause.reason.to_string(), cause.message)).collect()
}

/// Field, reason, text.
pub(crate) fn validate_resize(
    pod: &Value,
    previous: &Value,
    class: (&str, &str),
) -> Vec<(String, String, String)> {
    let causes = schema::validate::resize(pod, previous, class);
    causes.into_iter().map(|cause| (cause.field, cause.reason.to_string(), cause.message)).collect()
}

pub(crate) fn label_key_problems(key: &str) -> Vec<String> {
    schema::validate::label_key(key)
}

pub(crate) fn label_value_problems(value: &str) -> Vec<String> {
    schema::validate::label_value(value)
}

/// The object as it is stored, whichever version it came in.
pub(crate) fn to_stored(kind: &Kind, object: &mut Value) {
    schema::convert::to_stored(&kind.resource(), object);
}

/// The object in the version that the caller speaks; `None` if that is the stored one.
pub(crate) fn from_stored(kind: &Kind, api_version: &str, object: &Value) -> Option<Value> {
    schema::convert::from_stored(&kind.resource(), api_version, object)
}

/// The object's version is the one that the change speaks of.
pub(crate) fn strategic_merge(kind: &Kind, object: &mut Value, change: &Value) -> Result<()> {
    let api_version = object["apiVersion"].as_str().unwrap_or_default().to_string();
    patch::strategic_merge(schema::builtin(), &api_version, &kind.kind, object, change).map_err(|error| {
        match error.answer() {
            patch::Answer::BadRequest => ApiError::bad_request(error.to_string()),
            patch::Answer::Unprocessable => unprocessable(&error),
            patch::Answer::Internal => ApiError::new(500, "", error.to_string()),
        }
    })
}

/// The status that upstream gives to patches which cannot be carried out; it does not say why, we do.
pub(crate) fn unprocessable(error: &patch::Error) -> ApiError {
    let message = format!("the server rejected our request due to an error in our request: {error}");
    ApiError { details: serde_json::json!({}), ..ApiError::new(422, "Invalid", message) }
}

/// A map as Go prints it.
pub(crate) fn go_text(value: &Value) -> String {
    patch::go_value(value)
}

/// Why an applied configuration does not fit its type: undeclared fields, items that cannot be told apart.
pub(crate) fn untypable(api_version: &str, kind: &str, config: &Value) -> Vec<String> {
    schema::typed::problems(schema::typed::Root::Builtin { api_version, kind }, config)
}

/// The same for a custom kind.
pub(crate) fn untypable_custom(schema: &Value, config: &Value) -> Vec<String> {
    schema::typed::problems(schema::typed::Root::Custom(schema), config)
}

pub(crate) fn apply_root(kind: &Kind) -> Shape {
    schema::apply_root(&kind.api_version(), &kind.kind).map_or(Shape::Unknown, shape)
}

/// Of an object of a built-in kind that is no resource, such as a Scale.
pub(crate) fn apply_root_of(api_version: &str, kind: &str) -> Shape {
    schema::apply_root(api_version, kind).map_or(Shape::Unknown, shape)
}

/// The metadata of every object.
pub(crate) fn apply_metadata() -> Shape {
    match schema::apply_root("v1", "ConfigMap") {
        Some(schema::Shape::Struct(ty)) => apply_field(ty, "metadata").unwrap_or(Shape::Unknown),
        _ => Shape::Unknown,
    }
}

/// `None` for a field that the type does not have.
pub(crate) fn apply_field(ty: patch::TypeId, name: &str) -> Option<Shape> {
    schema::apply_field(ty, name).map(shape)
}

fn shape(known: schema::Shape) -> Shape {
    match known {
        schema::Shape::Atomic => Shape::Atomic,
        schema::Shape::Struct(ty) => Shape::Struct(ty),
        schema::Shape::Map(values) => Shape::Map(Arc::new(shape(*values))),
        schema::Shape::Set => Shape::Set,
        schema::Shape::Keyed(keys, item) => {
            // The only default that is part of a key of a built-in kind.
            let default = |key: &str| (key == "protocol").then(|| Value::from("TCP"));
            let keys = keys.into_iter().map(|key| (key.to_string(), default(key))).collect();
            Shape::Keyed(Arc::new(Keys::new(keys)), Arc::new(shape(*item)))
        }
    }
}
