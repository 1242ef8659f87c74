//! Merging of lists: by key, as sets of scalars, or replaced whole.

use serde_json::{Map, Value};

use super::{DIRECTIVE, bad_directive, merge_map, order};
use crate::error::{Error, Result, go_map, type_name};
use crate::{FieldRule, ListRule, Schema};

/// Merges a patch list into a target list by the field's rule.
pub(crate) fn merge_list(
    schema: &dyn Schema,
    rule: &FieldRule,
    field: &str,
    target: Vec<Value>,
    patch: &[Value],
) -> Result<Vec<Value>> {
    match &rule.list {
        ListRule::Replace => Ok(patch.to_vec()),
        ListRule::Set => {
            let mut merged = target.clone();
            merged.extend(patch.iter().cloned());
            let merged = without_repeats(merged);
            Ok(order::arrange(merged, patch, &target, None))
        }
        ListRule::Map(key) => {
            check_maps(field, &target)?;
            check_maps(field, patch)?;
            merge_keyed(schema, rule, key, target, patch)
        }
    }
}

fn check_maps(field: &str, items: &[Value]) -> Result<()> {
    if items.iter().all(Value::is_object) {
        return Ok(());
    }
    Err(Error::MixedList { field: field.to_string() })
}

fn merge_keyed(
    schema: &dyn Schema,
    rule: &FieldRule,
    key: &str,
    target: Vec<Value>,
    patch: &[Value],
) -> Result<Vec<Value>> {
    let (target, items) = apply_list_directives(target, patch, key)?;
    let mut merged = target.clone();
    for item in &items {
        let wanted = item.get(key).ok_or_else(|| no_key(item, key))?;
        let at = merged.iter().position(|old| old.get(key).is_some_and(|k| same_key(k, wanted)));
        let old = match at {
            Some(at) => merged[at].as_object().cloned().unwrap_or_default(),
            None => Map::new(),
        };
        let new = Value::Object(merge_map(schema, rule.ty, old, item)?);
        match at {
            Some(at) => merged[at] = new,
            None => merged.push(new),
        }
    }
    let order: Vec<Value> = items.into_iter().map(|item| Value::Object(item.clone())).collect();
    Ok(order::arrange(merged, &order, &target, Some(key)))
}

/// The items of a patch list that are no directives.
type Items<'p> = Vec<&'p Map<String, Value>>;

/// Carries out `$patch` items. Returns what is left of the target and the patch's ordinary items.
fn apply_list_directives<'p>(
    mut target: Vec<Value>,
    patch: &'p [Value],
    key: &str,
) -> Result<(Vec<Value>, Items<'p>)> {
    let mut items = Vec::new();
    let mut replace = false;
    for item in patch {
        let Value::Object(map) = item else { continue };
        match map.get(DIRECTIVE) {
            None => items.push(map),
            Some(Value::String(s)) if s == "delete" => {
                let wanted = map.get(key).ok_or_else(|| no_key(map, key))?;
                target.retain(|old| !old.get(key).is_some_and(|k| same_key(k, wanted)));
            }
            Some(Value::String(s)) if s == "replace" => replace = true,
            Some(Value::String(s)) if s == "merge" => return Err(Error::MergeDirectiveInList),
            Some(other) => return Err(bad_directive(other, map)),
        }
    }
    if replace {
        target.clear();
    }
    Ok((target, items))
}

/// `$deleteFromPrimitiveList/FIELD`.
pub(crate) fn delete_from_primitive_list(
    target: &mut Map<String, Value>,
    field: &str,
    values: &Value,
) -> Result<()> {
    if field.is_empty() {
        return Err(Error::BadDeleteList);
    }
    let values = values
        .as_array()
        .ok_or_else(|| Error::NotAListField { field: field.to_string(), found: type_name(values) })?;
    if let Some(Value::Array(items)) = target.get_mut(field) {
        items.retain(|item| !values.contains(item));
    }
    Ok(())
}

fn no_key(map: &Map<String, Value>, key: &str) -> Error {
    Error::NoMergeKey { map: go_map(map), key: key.to_string() }
}

/// Keys are compared as they print: ports may be `80` in one place and `80.0` or `"80"` in none.
pub(crate) fn same_key(a: &Value, b: &Value) -> bool {
    a == b || matches!((a, b), (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64())
}

fn without_repeats(items: Vec<Value>) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    items.into_iter().filter(|item| seen.insert(item.to_string())).collect()
}
