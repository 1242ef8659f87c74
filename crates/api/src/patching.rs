//! Patches: the current object with a patch applied goes the way of an update.

use crate::metadata::{self, text};
use crate::transaction::Transaction;
use crate::write::{self, Part};
use crate::{ApiError, Key, Object, PatchKind, Result, WriteOptions, apply, pods, scale};
use schema::Kind;
use serde_json::Value;
use std::sync::Arc;
use store::View;

/// Upstream's limits to a JSON patch: its operations, and what its copies add to the object.
const MOST_OPERATIONS: usize = 10_000;
const MOST_COPIED: u64 = 3 << 20;

pub(crate) fn patch(
    tx: &mut Transaction<'_>,
    kind: &Kind,
    key: &Key,
    how: PatchKind,
    subresource: &str,
    patch: &Value,
    options: &WriteOptions,
) -> Result<Object> {
    let resource = key.resource.as_str();
    if let PatchKind::Apply { force } = how
        && subresource != "scale"
    {
        return apply::apply(tx, kind, key, force, subresource, patch, options);
    }
    let Some(current) = tx.view().get(resource, &key.namespace, &key.name) else {
        return Err(ApiError::not_found(resource, &key.name));
    };
    match subresource {
        "" => {
            let next = patched(kind, &current, how, patch, tx, options)?;
            unmoved(key, &next)?;
            write::update(tx, kind, next, Part::Main, options)
        }
        "status" => {
            let next = patched(kind, &current, how, patch, tx, options)?;
            unmoved(key, &next)?;
            write::update(tx, kind, next, Part::Status, options)
        }
        "scale" => {
            let mut shown = scale::read(tx.api, key)?;
            apply_to(&mut shown, how, patch)?;
            let next = scale::apply(tx.api, key, &current, &shown)?;
            write::update(tx, kind, next, Part::Main, options)?;
            scale::read(tx.api, key).map(Arc::new)
        }
        "binding" if resource == "pods" => {
            let mut next = (*current).clone();
            let node =
                patch["spec"]["nodeName"].as_str().or(patch["target"]["name"].as_str()).unwrap_or_default();
            pods::bind(&mut next, node, &metadata::timestamp(tx.now))?;
            write::finish(tx, kind, key.clone(), next, &current)
        }
        "ephemeralcontainers" if resource == "pods" => {
            let given = patched(kind, &current, how, patch, tx, options)?;
            unmoved(key, &given)?;
            write::ephemeral_containers(tx, kind, key.clone(), given, &current, options)
        }
        "finalize" if resource == "namespaces" => {
            let mut next = (*current).clone();
            let finalizers = patch["spec"]["finalizers"].clone();
            metadata::field_map(&mut next, "spec").insert("finalizers".into(), finalizers);
            write::finish(tx, kind, key.clone(), next, &current)
        }
        _ => Err(ApiError::new(404, "NotFound", "the server could not find the requested resource")),
    }
}

/// The current object as the caller sees it (in the version that the patch speaks of), patched.
fn patched(
    kind: &Kind,
    current: &Value,
    how: PatchKind,
    patch: &Value,
    tx: &Transaction<'_>,
    options: &WriteOptions,
) -> Result<Value> {
    let shown = crate::link::from_stored(kind, &options.api_version, current);
    let mut next = shown.unwrap_or_else(|| current.clone());
    match how {
        PatchKind::Strategic if tx.api.is_builtin(&kind.resource()) => {
            crate::link::strategic_merge(kind, &mut next, patch)?;
        }
        PatchKind::Strategic => {
            let message = "the body of the request was in an unknown format - accepted media types include: \
                application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
            return Err(ApiError::new(415, "UnsupportedMediaType", message));
        }
        _ => apply_to(&mut next, how, patch)?,
    }
    Ok(next)
}

fn apply_to(object: &mut Value, how: PatchKind, change: &Value) -> Result<()> {
    match how {
        PatchKind::Json => {
            let unprocessable = |error: patch::Error| {
                ApiError::new(
                    422,
                    "Invalid",
                    format!("the server rejected our request due to an error in our request: {error}"),
                )
            };
            let operations =
                patch::parse_operations(change).map_err(|error| ApiError::bad_request(error.to_string()))?;
            if operations.len() > MOST_OPERATIONS {
                return Err(ApiError::too_large(format!(
                    "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {}",
                    operations.len()
                )));
            }
            patch::json_patch_within(object, &operations, MOST_COPIED).map_err(unprocessable)
        }
        PatchKind::Merge | PatchKind::Strategic | PatchKind::Apply { .. } => {
            patch::merge_patch(object, change);
            Ok(())
        }
    }
}

/// A patch cannot turn an object into another one.
fn unmoved(key: &Key, next: &Value) -> Result<()> {
    for (field, is) in [("name", &key.name), ("namespace", &key.namespace)] {
        let now = text(next, field);
        if now != &**is {
            let what = if field == "name" { "name of the object" } else { "namespace of the object" };
            return Err(ApiError::bad_request(format!(
                "the {what} ({now}) does not match the {field} on the URL ({is})"
            )));
        }
    }
    Ok(())
}
