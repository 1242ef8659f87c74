//! The order of merged lists: the patch's own order, `$setElementOrder`, and what only the server has.

use serde_json::{Map, Value};

use super::lists::{merge_list, same_key};
use super::{DIRECTIVE, ORDER_PREFIX, merge_key};
use crate::Schema;
use crate::TypeId;
use crate::error::{Error, Result, go_value, type_name};

/// Carries out every `$setElementOrder/FIELD` of a patch, merging the field's own list with it.
/// Returns the fields that are done.
pub(crate) fn apply_element_orders(
    schema: &dyn Schema,
    ty: Option<TypeId>,
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Vec<String>> {
    let mut done = Vec::new();
    for (directive, order) in patch {
        let Some(field) = directive.strip_prefix(ORDER_PREFIX) else { continue };
        if field.is_empty() {
            return Err(Error::BadOrderList);
        }
        let order = list(field, order)?;
        // a null in the patch deletes the list; the order of a deleted list is nothing to see to
        let items = match patch.get(field) {
            None => None,
            Some(Value::Null) => continue,
            Some(items) => Some(list(field, items)?),
        };
        let rule = ty.map(|ty| schema.field(ty, field)).unwrap_or_default();
        let key = merge_key(&rule.list);
        check_order(items.unwrap_or(&[]), order, key)?;
        let old = match target.get(field) {
            Some(Value::Array(old)) => Some(old.clone()),
            Some(Value::Null) | None => None,
            Some(other) => {
                return Err(Error::NotAListField { field: field.to_string(), found: type_name(other) });
            }
        };
        if old.as_ref().is_none_or(Vec::is_empty) && items.is_some_and(<[_]>::is_empty) {
            return Err(Error::NothingToOrder);
        }
        let merged = match (&old, items) {
            (None, None) => continue,
            (Some(old), None) => old.clone(),
            (old, Some(items)) => merge_list(schema, &rule, field, old.clone().unwrap_or_default(), items)?,
        };
        let arranged = arrange(merged, order, &old.unwrap_or_default(), key);
        target.insert(field.to_string(), Value::Array(arranged));
        done.push(field.to_string());
    }
    Ok(done)
}

fn list<'a>(field: &str, value: &'a Value) -> Result<&'a [Value]> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(Error::NotAListField { field: field.to_string(), found: type_name(other) }),
    }
}

/// The patch's list must be in the order that the directive gives, and all of it must be in there.
fn check_order(items: &[Value], order: &[Value], key: Option<&str>) -> Result<()> {
    let plain = items.iter().filter(|item| item.get(DIRECTIVE).is_none_or(|directive| directive != "delete"));
    let mut places = order.iter();
    for item in plain {
        if places.by_ref().any(|o| same_item(o, item, key)) {
            continue;
        }
        return Err(Error::OrderMismatch {
            patch: go_value(&Value::Array(items.to_vec())),
            order: go_value(&Value::Array(order.to_vec())),
        });
    }
    Ok(())
}

/// Puts merged items in order: those in `order` as they stand there, the others as they stood in `server`, the two
/// sequences interleaved by the server's order where it tells.
pub(crate) fn arrange(
    merged: Vec<Value>,
    order: &[Value],
    server: &[Value],
    key: Option<&str>,
) -> Vec<Value> {
    let place = Places::new(order, key);
    let server_place = Places::new(server, key);
    let (mut ours, mut theirs): (Vec<_>, Vec<_>) =
        merged.into_iter().partition(|item| place.of(item).is_some());
    ours.sort_by_key(|item| place.of(item));
    theirs.sort_by_key(|item| server_place.of(item));
    let mut out = Vec::with_capacity(ours.len() + theirs.len());
    let (mut ours, mut theirs) = (ours.into_iter().peekable(), theirs.into_iter().peekable());
    loop {
        let take_theirs = match (theirs.peek(), ours.peek()) {
            (None, None) => return out,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(t), Some(o)) => match (server_place.of(t), server_place.of(o)) {
                (Some(t), Some(o)) => t < o,
                _ => false,
            },
        };
        out.extend(if take_theirs { theirs.next() } else { ours.next() });
    }
}

/// Where each item, by its merge key or itself, first stands in a list.
struct Places<'a> {
    key: Option<&'a str>,
    places: std::collections::HashMap<String, usize>,
}

impl<'a> Places<'a> {
    fn new(items: &[Value], key: Option<&'a str>) -> Places<'a> {
        let mut places = std::collections::HashMap::new();
        for (at, item) in items.iter().enumerate() {
            places.entry(print(item, key)).or_insert(at);
        }
        Places { key, places }
    }

    fn of(&self, item: &Value) -> Option<usize> {
        self.places.get(&print(item, self.key)).copied()
    }
}

fn print(item: &Value, key: Option<&str>) -> String {
    match key {
        Some(key) => item.get(key).unwrap_or(&Value::Null).to_string(),
        None => item.to_string(),
    }
}

fn same_item(a: &Value, b: &Value, key: Option<&str>) -> bool {
    match key {
        Some(key) => match (a.get(key), b.get(key)) {
            (Some(a), Some(b)) => same_key(a, b),
            _ => false,
        },
        None => a == b,
    }
}
