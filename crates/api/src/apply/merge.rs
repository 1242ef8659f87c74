//! Merging an applied configuration into an object, and removing what its manager has let go.

use super::fields::{FieldSet, Step};
use super::types::Shape;
use super::walk::{by_step, item_shape, items, merges, step_of};
use serde_json::{Map, Value};

pub(crate) fn merge(live: &Value, config: &Value, shape: &Shape) -> Value {
    if let (Value::Object(live), Value::Object(config)) = (live, config)
        && merges(shape)
    {
        let mut merged = live.clone();
        for (name, value) in config {
            let (below, _) = shape.field(name);
            let value = live.get(name).map_or_else(|| value.clone(), |known| merge(known, value, &below));
            merged.insert(name.clone(), value);
        }
        return Value::Object(merged);
    }
    if let (Some(live), Some(config)) = (items(shape, live), items(shape, config)) {
        return Value::Array(merge_items(&live, &config, shape));
    }
    config.clone()
}

/// The configuration's items keep their order; what only the object has stays where it was among them.
fn merge_items(live: &[(Step, &Value)], config: &[(Step, &Value)], shape: &Shape) -> Vec<Value> {
    let below = item_shape(shape);
    let (known, applies) = (by_step(live), by_step(config));
    let applied = |step: &Step| applies.contains_key(step);
    let mut merged = Vec::new();
    let mut rest = live.iter().peekable();
    for (step, item) in config {
        while let Some((_, other)) = rest.next_if(|(known, _)| !applied(known)) {
            merged.push((*other).clone());
        }
        rest.next_if(|(known, _)| applied(known));
        merged.push(known.get(step).map_or_else(|| (*item).clone(), |known| merge(known, item, &below)));
    }
    merged.extend(rest.filter(|(step, _)| !applied(step)).map(|(_, item)| (*item).clone()));
    merged
}

/// Removes what `last` held unless `keep` holds it or something below it.
pub(crate) fn prune(value: &mut Value, last: &FieldSet, keep: &FieldSet, shape: &Shape) {
    for (step, held) in &last.children {
        match keep.children.get(step) {
            None => remove(value, step, shape),
            Some(kept) => {
                let Some((child, below)) = child_mut(value, step, shape) else { continue };
                prune(child, held, kept, &below);
            }
        }
    }
}

fn remove(value: &mut Value, step: &Step, shape: &Shape) {
    match (step, value) {
        (Step::Field(name), Value::Object(fields)) => {
            fields.shift_remove(name);
        }
        (Step::Key(_) | Step::Item(_), Value::Array(list)) => {
            list.retain(|item| step_of(shape, item).as_ref() != Some(step));
        }
        _ => {}
    }
}

fn child_mut<'a>(value: &'a mut Value, step: &Step, shape: &Shape) -> Option<(&'a mut Value, Shape)> {
    match (step, value) {
        (Step::Field(name), Value::Object(fields)) => {
            let fields: &'a mut Map<String, Value> = fields;
            Some((fields.get_mut(name)?, shape.field(name).0))
        }
        (Step::Key(_) | Step::Item(_), Value::Array(list)) => {
            let item = list.iter_mut().find(|item| step_of(shape, item).as_ref() == Some(step))?;
            Some((item, item_shape(shape)))
        }
        _ => None,
    }
}
