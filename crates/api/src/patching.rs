//! Patches: the current object with a patch applied goes the way of an update.

use crate::admission::{self, Attributes, Operation};
use crate::metadata::{self, text};
use crate::transaction::Transaction;
use crate::write::{self, Part};
use crate::{
    ApiError, FieldValidation, Key, Object, PatchKind, Result, WriteOptions, admit, apply, convert, gvk,
    link, pods, scale,
};
use schema::Kind;
use serde_json::{Value, json};
use std::sync::Arc;

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
    let Some(current) = convert::current(tx, kind, key, &options.origin)? else {
        return Err(ApiError::not_found(resource, &key.name));
    };
    match subresource {
        "" | "status" => {
            let next = patched(kind, key, &current, how, patch, tx, options)?;
            let part = if subresource.is_empty() { Part::Main } else { Part::Status };
            write::update(tx, kind, next, part, &read(options))
        }
        "scale" => {
            let paths = scale::paths(tx.api, kind)?;
            let mut shown = scale::shown(&paths, &current);
            apply_to(&mut shown, how, patch)?;
            let next = scale::scaled(&paths, key, &current, &shown).map_err(|error| match error.code {
                400 => unfit(shown.to_string(), &scale::reason(&shown).unwrap_or_default()),
                _ => error,
            })?;
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
            write::finish(tx, kind, key.clone(), next, &current, &options.origin)
        }
        "ephemeralcontainers" if resource == "pods" => {
            let given = patched(kind, key, &current, how, patch, tx, options)?;
            write::ephemeral_containers(tx, kind, key.clone(), given, &current, &read(options))
        }
        "resize" if resource == "pods" => {
            let given = patched(kind, key, &current, how, patch, tx, options)?;
            write::resize(tx, kind, key.clone(), given, &current, write::Account::Open, &read(options))
        }
        "finalize" if resource == "namespaces" => {
            let mut next = (*current).clone();
            let finalizers = patch["spec"]["finalizers"].clone();
            metadata::field_map(&mut next, "spec").insert("finalizers".into(), finalizers);
            let attributes = Attributes { old: Some(&current), ..about(tx, kind, key, subresource, options) };
            admission::admit(tx, &attributes, Some(next.clone()))?;
            write::finish(tx, kind, key.clone(), next, &current, &options.origin)
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

/// The current object as the caller sees it (in the version that the patch speaks of), patched: an object of its kind
/// at its place.
fn patched(
    kind: &Kind,
    key: &Key,
    current: &Value,
    how: PatchKind,
    patch: &Value,
    tx: &Transaction<'_>,
    options: &WriteOptions,
) -> Result<Value> {
    let shown = link::from_stored(kind, &options.api_version, current);
    let mut next = shown.unwrap_or_else(|| current.clone());
    match how {
        PatchKind::Strategic if tx.api.is_builtin(&kind.resource()) => {
            link::strategic_merge(kind, &mut next, patch)?;
        }
        PatchKind::Strategic => {
            let message = "the body of the request was in an unknown format - accepted media types include: \
                application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
            return Err(ApiError::new(415, "UnsupportedMediaType", message));
        }
        _ => apply_to(&mut next, how, patch)?,
    }
    decode(tx, kind, how, patch, &mut next, options)?;
    unmoved(key, &mut next)?;
    let uid = text(&next, "uid");
    if !uid.is_empty() && uid != text(current, "uid") {
        let message = format!("Invalid value: {uid:?}: field is immutable");
        let cause = ("metadata.uid".into(), "FieldValueInvalid".into(), message);
        return Err(ApiError::invalid(&kind.resource(), &kind.kind, &key.name, &[cause]));
    }
    Ok(next)
}

/// What was patched must still be an object of its kind; upstream's error shows it, or the patch if that is strategic.
fn decode(
    tx: &Transaction<'_>,
    kind: &Kind,
    how: PatchKind,
    patch: &Value,
    next: &mut Value,
    options: &WriteOptions,
) -> Result<()> {
    let strategic = how == PatchKind::Strategic;
    let shown = |object: &Value| if strategic { link::go_text(patch) } else { object.to_string() };
    let builtin = tx.api.is_builtin(&kind.resource());
    if builtin && let Some(other) = gvk::other(kind, next) {
        return Err(unfit(shown(next), &other.why()));
    }
    admit::identify(kind, next)?;
    let before = (options.field_validation == FieldValidation::Strict).then(|| shown(next));
    let unknown = match admit::decode(tx.api, &tx.view(), kind, next) {
        Ok(unknown) => unknown,
        Err(why) if strategic => return Err(unfit(shown(next), &unconvertible(&why))),
        Err(why) => return Err(unfit(shown(next), &why)),
    };
    admit::say_unknown(unknown, options).map_err(|why| unfit(before.unwrap_or_default(), &why))
}

/// The options of a write whose body was read already.
fn read(options: &WriteOptions) -> WriteOptions {
    WriteOptions { oversights: Vec::new(), ..options.clone() }
}

fn unfit(shown: String, why: &str) -> ApiError {
    let cause = ("patch".into(), "FieldValueInvalid".into(), format!("Invalid value: {shown:?}: {why}"));
    ApiError::invalid("", "", "", &[cause])
}

/// A strategic merge patch is no text that is decoded but a value that is converted: upstream's converter has other words
/// for what the decoder says.
fn unconvertible(why: &str) -> String {
    let parts = why
        .strip_prefix("json: cannot unmarshal ")
        .and_then(|rest| Some((rest.split_once(' ')?.0, rest.rsplit_once(" of type ")?.1)));
    let Some((found, wanted)) = parts else { return why.to_string() };
    let found = match found {
        "number" => "int64",
        "array" => "slice",
        "object" => "map",
        other => other,
    };
    match wanted {
        "int32" | "int64" | "string" | "bool" | "float64" => format!("unrecognized type: {wanted}"),
        list if list.starts_with("[]") => format!("cannot restore slice from {found}"),
        map if map.starts_with("map[") => format!("cannot restore map from {found}"),
        _ => format!("cannot restore struct from: {found}"),
    }
}

fn apply_to(object: &mut Value, how: PatchKind, change: &Value) -> Result<()> {
    match how {
        PatchKind::Json => {
            let operations =
                patch::parse_operations(change).map_err(|error| ApiError::bad_request(error.to_string()))?;
            if operations.len() > MOST_OPERATIONS {
                return Err(ApiError::too_large(format!(
                    "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {}",
                    operations.len()
                )));
            }
            patch::json_patch_within(object, &operations, MOST_COPIED)
                .map_err(|error| link::unprocessable(&error))
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
