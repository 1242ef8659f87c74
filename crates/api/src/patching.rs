//! Patches: the current object with a patch applied goes the way of an update.

use crate::admission::{self, Attributes, Operation};
use crate::metadata::{self, text};
use crate::transaction::Transaction;
use crate::write::{self, Part};
use crate::{ApiError, Key, Object, PatchKind, Result, WriteOptions, apply, pods, scale};
use schema::Kind;
use serde_json::{Value, json};
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
    if let PatchKind::Apply { force } = how {
        return match subresource {
            "scale" => apply::apply_scale(tx, kind, key, force, patch, options),
            _ => apply::apply(tx, kind, key, force, subresource, patch, options),
        };
    }
    let Some(current) = tx.view().get(resource, &key.namespace, &key.name) else {
        return Err(ApiError::not_found(resource, &key.name));
    };
    match subresource {
        "" => {
            let mut next = patched(kind, &current, how, patch, tx, options)?;
            unmoved(key, &mut next)?;
            write::update(tx, kind, next, Part::Main, options)
        }
        "status" => {
            let mut next = patched(kind, &current, how, patch, tx, options)?;
            unmoved(key, &mut next)?;
            write::update(tx, kind, next, Part::Status, options)
        }
        "scale" => {
            let paths = scale::paths(tx.api, resource)?;
            let mut shown = scale::shown(&paths, &current);
            apply_to(&mut shown, how, patch)?;
            let next = scale::scaled(&paths, key, &current, &shown)?;
            let stored = write::update(tx, kind, next, Part::Scale, options)?;
            Ok(Arc::new(scale::shown(&paths, &stored)))
        }
        "binding" if resource == "pods" => {
            let node =
                patch["spec"]["nodeName"].as_str().or(patch["target"]["name"].as_str()).unwrap_or_default();
            let binding = json!({ "apiVersion": "v1", "kind": "Binding",
                "metadata": { "name": &*key.name, "namespace": &*key.namespace },
                "target": { "kind": "Node", "name": node } });
            let attributes =
                Attributes { operation: Operation::Create, ..about(tx, kind, key, subresource, options) };
            let binding = admission::admit(tx, &attributes, Some(binding))?.unwrap_or_default();
            let node = binding["target"]["name"].as_str().unwrap_or_default();
            let mut next = (*current).clone();
            pods::bind(&mut next, node, &metadata::timestamp(tx.now))?;
            write::finish(tx, kind, key.clone(), next, &current)
        }
        "ephemeralcontainers" if resource == "pods" => {
            let mut given = patched(kind, &current, how, patch, tx, options)?;
            unmoved(key, &mut given)?;
            write::ephemeral_containers(tx, kind, key.clone(), given, &current, options)
        }
        "finalize" if resource == "namespaces" => {
            let mut next = (*current).clone();
            let finalizers = patch["spec"]["finalizers"].clone();
            metadata::field_map(&mut next, "spec").insert("finalizers".into(), finalizers);
            let attributes = Attributes { old: Some(&current), ..about(tx, kind, key, subresource, options) };
            admission::admit(tx, &attributes, Some(next.clone()))?;
            write::finish(tx, kind, key.clone(), next, &current)
        }
        _ => Err(ApiError::new(404, "NotFound", "the server could not find the requested resource")),
    }
}

fn about<'a>(
    tx: &Transaction<'_>,
    kind: &'a Kind,
    key: &'a Key,
    subresource: &'a str,
    options: &'a WriteOptions,
) -> Attributes<'a> {
    Attributes {
        operation: Operation::Update,
        kind,
        subresource,
        namespace: admission::namespace(key),
        name: &key.name,
        old: None,
        dry_run: tx.dry_run,
        origin: &options.origin,
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

/// A patch cannot turn an object into another one. What it does not say is what the URL says.
pub(crate) fn unmoved(key: &Key, next: &mut Value) -> Result<()> {
    let (name, namespace) = (text(next, "name"), text(next, "namespace"));
    if !namespace.is_empty() && !key.namespace.is_empty() && namespace != &*key.namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if !name.is_empty() && name != &*key.name {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            key.name
        )));
    }
    let meta = metadata::of(next);
    meta.insert("name".into(), key.name.to_string().into());
    if key.namespace.is_empty() {
        meta.shift_remove("namespace");
    } else {
        meta.insert("namespace".into(), key.namespace.to_string().into());
    }
    Ok(())
}
