//! Strategic merge patch, as the API server applies it, with all its directives.
//!
//! `$patch: replace|delete`, `$retainKeys`, `$setElementOrder/LIST` and `$deleteFromPrimitiveList/LIST`.
//! One difference to the server's library, on purpose: a subtree that the target lacks is merged into an empty
//! one instead of being copied, so that no directive is ever stored.

mod lists;
mod order;

use serde_json::{Map, Value};

use crate::error::{Error, Result, go_map, go_name};
use crate::{ListRule, Schema, TypeId};

pub(crate) const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_PREFIX: &str = "$deleteFromPrimitiveList/";
const ORDER_PREFIX: &str = "$setElementOrder/";

/// Applies a strategic merge patch to an object of a kind that the schema knows, else [`Error::UnknownType`].
/// On an error the target is as it was before.
pub fn strategic_merge(
    schema: &dyn Schema,
    api_version: &str,
    kind: &str,
    target: &mut Value,
    patch: &Value,
) -> Result<()> {
    let ty = schema
        .object(api_version, kind)
        .ok_or_else(|| Error::UnknownType { api_version: api_version.to_string(), kind: kind.to_string() })?;
    strategic_merge_typed(schema, ty, target, patch)
}

/// The same for a type of the schema that need not be a whole object.
pub fn strategic_merge_typed(
    schema: &dyn Schema,
    ty: TypeId,
    target: &mut Value,
    patch: &Value,
) -> Result<()> {
    let map = match target {
        Value::Object(map) => map.clone(),
        Value::Null => Map::new(),
        other => return Err(Error::NotAMap { found: go_name(other) }),
    };
    let patch = patch.as_object().ok_or_else(|| Error::NotAMap { found: go_name(patch) })?;
    *target = Value::Object(merge_map(schema, Some(ty), map, patch)?);
    Ok(())
}

/// Merges a patch map into a target map.
pub(crate) fn merge_map(
    schema: &dyn Schema,
    ty: Option<TypeId>,
    mut target: Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>> {
    match patch.get(DIRECTIVE) {
        None => {}
        Some(Value::String(s)) if s == "replace" => {
            let rest = patch.iter().filter(|(k, _)| *k != DIRECTIVE);
            return Ok(rest.map(|(k, v)| (k.clone(), v.clone())).collect());
        }
        Some(Value::String(s)) if s == "delete" => return Ok(Map::new()),
        Some(other) => return Err(bad_directive(other, patch)),
    }
    retain_keys(&mut target, patch)?;
    let ordered = order::apply_element_orders(schema, ty, &mut target, patch)?;
    for (key, value) in patch {
        if key == DIRECTIVE || key == RETAIN_KEYS || key.starts_with(ORDER_PREFIX) || ordered.contains(key) {
            continue;
        }
        if let Some(field) = key.strip_prefix(DELETE_PREFIX) {
            lists::delete_from_primitive_list(&mut target, field, value)?;
            continue;
        }
        merge_field(schema, ty, &mut target, key, value)?;
    }
    Ok(target)
}

fn merge_field(
    schema: &dyn Schema,
    ty: Option<TypeId>,
    target: &mut Map<String, Value>,
    key: &str,
    value: &Value,
) -> Result<()> {
    let rule = ty.map(|ty| schema.field(ty, key)).unwrap_or_default();
    match value {
        Value::Null => {
            target.shift_remove(key);
        }
        Value::Object(patch) => {
            let deletes = patch.get(DIRECTIVE).is_some_and(|d| d == "delete");
            let merged = match target.get_mut(key) {
                Some(Value::Object(old)) => merge_map(schema, rule.ty, std::mem::take(old), patch)?,
                _ if deletes => return Ok(()),
                _ => merge_map(schema, rule.ty, Map::new(), patch)?,
            };
            target.insert(key.to_string(), Value::Object(merged));
        }
        Value::Array(patch) => {
            let old = match target.get_mut(key) {
                Some(Value::Array(old)) => std::mem::take(old),
                _ => Vec::new(),
            };
            let merged = lists::merge_list(schema, &rule, key, old, patch)?;
            target.insert(key.to_string(), Value::Array(merged));
        }
        scalar => {
            target.insert(key.to_string(), scalar.clone());
        }
    }
    Ok(())
}

/// `$retainKeys`: the target keeps only the fields that the directive lists, and the patch may set no others.
fn retain_keys(target: &mut Map<String, Value>, patch: &Map<String, Value>) -> Result<()> {
    let Some(list) = patch.get(RETAIN_KEYS) else { return Ok(()) };
    let keep: Vec<&str> = list
        .as_array()
        .ok_or(Error::BadRetainKeys)?
        .iter()
        .map(|item| item.as_str().ok_or(Error::BadRetainKeys))
        .collect::<Result<_>>()?;
    for (key, value) in patch {
        let directive = key == RETAIN_KEYS
            || key == DIRECTIVE
            || key.starts_with(DELETE_PREFIX)
            || key.starts_with(ORDER_PREFIX);
        if !directive && !value.is_null() && !keep.contains(&key.as_str()) {
            return Err(Error::BadRetainKeys);
        }
    }
    target.retain(|key, _| keep.contains(&key.as_str()));
    Ok(())
}

pub(crate) fn bad_directive(directive: &Value, map: &Map<String, Value>) -> Error {
    let directive = directive.as_str().map_or_else(|| directive.to_string(), str::to_string);
    Error::BadPatchType { directive, map: go_map(map) }
}

pub(crate) fn merge_key(rule: &ListRule) -> Option<&str> {
    match rule {
        ListRule::Map(key) => Some(key),
        ListRule::Set | ListRule::Replace => None,
    }
}

#[cfg(test)]
mod tests;
