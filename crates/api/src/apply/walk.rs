//! Walking objects by their shape: the fields that one has, and those in which two differ.

use super::always::{self, Always};
use super::fields::{FieldSet, Step};
use super::types::Shape;
use serde_json::{Map, Value};
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(crate) struct Difference {
    added: FieldSet,
    modified: FieldSet,
    removed: FieldSet,
}

impl Difference {
    /// What has come or changed, and what has gone.
    pub(crate) fn into_parts(self) -> (FieldSet, FieldSet) {
        (self.added.union(self.modified), self.removed)
    }
}

/// What tells an item of a list from its siblings.
pub(crate) fn step_of(shape: &Shape, item: &Value) -> Option<Step> {
    match shape {
        Shape::Set => Some(Step::Item(item.to_string())),
        Shape::Keyed(keys, _) => {
            let mut values = Map::new();
            for (key, default) in keys.iter() {
                let given = item.get(key).filter(|value| !value.is_null()).or(default.as_ref());
                if let Some(value) = given {
                    values.insert(key.clone(), value.clone());
                }
            }
            (!values.is_empty()).then(|| Step::Key(Value::Object(values).to_string()))
        }
        _ => None,
    }
}

/// The items of a list with what tells them apart; `None` if it is no list that merges.
pub(crate) fn items<'a>(shape: &Shape, value: &'a Value) -> Option<Vec<(Step, &'a Value)>> {
    if !matches!(shape, Shape::Set | Shape::Keyed(..)) {
        return None;
    }
    value.as_array()?.iter().map(|item| Some((step_of(shape, item)?, item))).collect()
}

/// The first item of each step.
pub(crate) fn by_step<'a>(items: &'a [(Step, &'a Value)]) -> HashMap<&'a Step, &'a Value> {
    let mut known = HashMap::with_capacity(items.len());
    for (step, item) in items {
        known.entry(step).or_insert(*item);
    }
    known
}

pub(crate) fn item_shape(shape: &Shape) -> Shape {
    match shape {
        Shape::Keyed(_, item) => (**item).clone(),
        _ => Shape::Atomic,
    }
}

/// Whether an object of this shape merges field by field.
pub(crate) fn merges(shape: &Shape) -> bool {
    matches!(shape, Shape::Struct(_) | Shape::Fields(_) | Shape::Map(_) | Shape::Unknown)
}

/// Nothing of the same kind, if the value is an object or a list with something in it.
fn emptied(value: &Value) -> Option<Value> {
    match value {
        Value::Object(fields) if !fields.is_empty() => Some(Value::Object(Map::new())),
        Value::Array(items) if !items.is_empty() => Some(Value::Array(Vec::new())),
        _ => None,
    }
}

pub(crate) fn fields_of(value: &Value, shape: &Shape) -> FieldSet {
    let mut set = FieldSet::default();
    match value {
        Value::Object(fields) if merges(shape) => {
            for (name, value) in fields {
                let (below, declared) = shape.field(name);
                let mut child = fields_of(value, &below);
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                child.member |= empty || !declared;
                if !child.is_empty() {
                    set.children.insert(Step::Field(name.clone()), child);
                }
            }
        }
        _ => match items(shape, value) {
            Some(items) => {
                let below = item_shape(shape);
                for (step, item) in items {
                    let mut child = fields_of(item, &below);
                    child.member = true;
                    set.children.insert(step, child);
                }
            }
            None => set.member = true,
        },
    }
    set
}

/// Every path below a value that has come or gone: its maps, lists and structs as well as what is in them.
fn whole(value: &Value, shape: &Shape) -> FieldSet {
    let mut set = FieldSet { member: true, ..FieldSet::default() };
    match value {
        Value::Object(fields) if merges(shape) => {
            for (name, value) in fields {
                set.children.insert(Step::Field(name.clone()), whole(value, &shape.field(name).0));
            }
        }
        _ => {
            let below = item_shape(shape);
            for (step, item) in items(shape, value).into_iter().flatten() {
                set.children.insert(step, whole(item, &below));
            }
        }
    }
    set
}

/// `always`: what both have, though it is not written where it is empty.
pub(crate) fn compare(before: &Value, after: &Value, shape: &Shape, always: Always<'_>) -> Difference {
    let empty = Map::new();
    if merges(shape)
        && let (Some(was), Some(is)) = (object_or_null(before, &empty), object_or_null(after, &empty))
    {
        return compare_fields(was, is, shape, always);
    }
    let mut difference = Difference::default();
    // Before the items are told apart, which costs more.
    if before == after {
        return difference;
    }
    if let (Some(was), Some(is)) = (items(shape, before), items(shape, after)) {
        let below = item_shape(shape);
        let (old, new) = (by_step(&was), by_step(&is));
        for (step, value) in &is {
            match old.get(step) {
                Some(old) => {
                    difference.descend(|| step.clone(), compare(old, value, &below, always::NONE));
                }
                None => difference.add(step.clone(), value, &below),
            }
        }
        for (step, value) in was.iter().filter(|(step, _)| !new.contains_key(step)) {
            difference.remove(step.clone(), value, &below);
        }
        return difference;
    }
    difference.modified.member = true;
    difference
}

fn object_or_null<'a>(value: &'a Value, empty: &'a Map<String, Value>) -> Option<&'a Map<String, Value>> {
    if value.is_null() { Some(empty) } else { value.as_object() }
}

fn compare_fields(
    was: &Map<String, Value>,
    is: &Map<String, Value>,
    shape: &Shape,
    always: Always<'_>,
) -> Difference {
    let mut difference = Difference::default();
    for (name, value) in is {
        let (below, _) = shape.field(name);
        let step = || Step::Field(name.clone());
        let inner = always.field(name);
        let nothing = inner.and_then(|_| emptied(value));
        match was.get(name).or(nothing.as_ref()) {
            Some(old) => {
                let inner = inner.unwrap_or(always::NONE);
                difference.descend(step, compare(old, value, &below, inner));
            }
            None => difference.add(step(), value, &below),
        }
    }
    for (name, value) in was.iter().filter(|(name, _)| !is.contains_key(*name)) {
        let (below, _) = shape.field(name);
        let step = || Step::Field(name.clone());
        match (always.field(name), emptied(value)) {
            (Some(inner), Some(new)) => {
                difference.descend(step, compare(value, &new, &below, inner));
            }
            _ => difference.remove(step(), value, &below),
        }
    }
    difference
}

impl Difference {
    fn descend(&mut self, step: impl Fn() -> Step, below: Difference) {
        for (set, child) in [
            (&mut self.added, below.added),
            (&mut self.modified, below.modified),
            (&mut self.removed, below.removed),
        ] {
            if !child.is_empty() {
                set.children.insert(step(), child);
            }
        }
    }

    fn add(&mut self, step: Step, value: &Value, shape: &Shape) {
        self.added.children.insert(step, whole(value, shape));
    }

    fn remove(&mut self, step: Step, value: &Value, shape: &Shape) {
        self.removed.children.insert(step, whole(value, shape));
    }
}
