//! Strategic merge as kustomize does it, which is not quite as the API server does.
//!
//! The whole object is walked, not only what the patch touches: items of keyed lists that are there twice become one,
//! and nulls that were written as nothing at all go. Patch items of a keyed list come first; `$setElementOrder` and
//! its like are not known; a list without a merge strategy is replaced. An object inside another that says its
//! `apiVersion` and `kind` merges by its own type where nothing else is known of the place.
//!
//! On purpose other than upstream, where that loses what the user wrote: see [`list`].

mod directive;
mod list;
mod nulls;

use serde_json::{Map, Value};

use crate::error::Result;
use crate::fieldpath::{node_kind, wrong_kind};
use crate::schema::{Lists, Node, Schema};
use directive::Directive;

pub(crate) use nulls::{BareNulls, bare_nulls};

/// Merges a patch into an object. `None`: the patch deletes it.
pub(crate) fn merge_object(
    schema: Schema<'_>,
    object: Value,
    patch: &Value,
    nulls: &BareNulls,
) -> Result<Option<Value>> {
    let merger = Merger { schema };
    let node = schema.of(&object).or_else(|| schema.of(patch)).or_else(|| schema.defined());
    let mut object = object;
    merger.drop_bare_nulls(node, &mut object, nulls);
    let path = Path { above: None, step: "" };
    merger.merge(node, Some(object), patch, &path)
}

/// Where a merge is, for messages.
struct Path<'a> {
    above: Option<&'a Path<'a>>,
    step: &'a str,
}

impl<'a> Path<'a> {
    fn step(&'a self, step: &'a str) -> Path<'a> {
        Path { above: Some(self), step }
    }
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.above {
            None => Ok(()),
            Some(above) => write!(f, "{above}/{}", self.step),
        }
    }
}

struct Merger<'s> {
    schema: Schema<'s>,
}

impl<'s> Merger<'s> {
    /// What is known of a place, given what stands there.
    fn known(&self, node: Option<Node<'s>>, values: [Option<&Value>; 2]) -> Option<Node<'s>> {
        match node {
            Some(node) if !node.may_embed() => Some(node),
            other => values.into_iter().flatten().find_map(|value| self.schema.of(value)).or(other),
        }
    }

    /// Merges what stands at a place with what the patch has there. `None` clears the field.
    fn merge(
        &self,
        node: Option<Node<'s>>,
        dest: Option<Value>,
        patch: &Value,
        path: &Path<'_>,
    ) -> Result<Option<Value>> {
        let Some(dest) = dest.filter(|value| !value.is_null()) else {
            return self.add(node, patch, path);
        };
        let node = self.known(node, [Some(&dest), Some(patch)]);
        match (dest, patch) {
            (_, Value::Null) => Ok(None),
            (Value::Object(dest), Value::Object(patch)) => self.merge_map(node, dest, patch, path),
            (Value::Array(dest), Value::Array(patch)) => self.merge_list(node, dest, patch, path),
            (dest, patch) if is_scalar(&dest) && is_scalar(patch) => Ok(Some(written_over(&dest, patch))),
            (dest, patch) => {
                Err(wrong_kind(node_kind(&dest), patch)
                    .noting(format!("merging the field {path} of the patch")))
            }
        }
    }

    fn merge_map(
        &self,
        node: Option<Node<'s>>,
        mut dest: Map<String, Value>,
        patch: &Map<String, Value>,
        path: &Path<'_>,
    ) -> Result<Option<Value>> {
        match directive::of_map(patch)? {
            Some(Directive::Delete) => return Ok(None),
            Some(Directive::Replace) => return self.add_map(node, patch, path).map(Some),
            Some(Directive::Merge) | None => {}
        }
        for (key, value) in &mut dest {
            if !patch.contains_key(key) {
                self.settle(node.and_then(|node| node.field(key)), value);
            }
        }
        for (key, value) in patch.iter().filter(|(key, _)| *key != directive::KEY) {
            let field = node.and_then(|node| node.field(key));
            let old = dest.get_mut(key).map(Value::take);
            match self.merge(field, old, value, &path.step(key))? {
                Some(new) => {
                    dest.insert(key.clone(), new);
                }
                None => {
                    dest.shift_remove(key);
                }
            }
        }
        Ok(Some(Value::Object(dest)))
    }

    /// What a patch adds where nothing is: itself, without directives and nulls.
    fn add(&self, node: Option<Node<'s>>, patch: &Value, path: &Path<'_>) -> Result<Option<Value>> {
        let node = self.known(node, [Some(patch), None]);
        match patch {
            Value::Null => Ok(None),
            Value::Object(patch) => match directive::of_map(patch)? {
                Some(Directive::Delete) => Ok(None),
                _ => self.add_map(node, patch, path).map(Some),
            },
            Value::Array(items) => self.add_list(node, items, path),
            scalar => Ok(Some(scalar.clone())),
        }
    }

    fn add_map(&self, node: Option<Node<'s>>, patch: &Map<String, Value>, path: &Path<'_>) -> Result<Value> {
        let mut added = Map::new();
        for (key, value) in patch.iter().filter(|(key, _)| *key != directive::KEY) {
            let field = node.and_then(|node| node.field(key));
            if let Some(value) = self.add(field, value, &path.step(key))? {
                added.insert(key.clone(), value);
            }
        }
        Ok(Value::Object(added))
    }

    /// What becomes of a value that the patch does not mention.
    fn settle(&self, node: Option<Node<'s>>, value: &mut Value) {
        if is_scalar(value) {
            return;
        }
        let node = self.known(node, [Some(value), None]);
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    self.settle(node.and_then(|node| node.field(key)), value);
                }
            }
            Value::Array(items) => {
                let Some(node) = node else { return };
                match node.lists() {
                    Lists::Whole => {}
                    Lists::Set => *items = list::union(&[], std::mem::take(items)),
                    Lists::Keyed(keys) => {
                        for item in items.iter_mut() {
                            self.settle(node.items(), item);
                        }
                        list::drop_repeated(items, &keys);
                    }
                }
            }
            _ => {}
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

/// The patch's scalar in the style of the object's, as kustomize has it: over a text in quotes, a number is a text too.
/// Whether there were quotes shows only where there had to be some.
fn written_over(dest: &Value, patch: &Value) -> Value {
    let quoted = |text: &str| yaml::to_string(&Value::String(text.to_string())).starts_with(['"', '\'', '|']);
    match (dest, patch) {
        (Value::String(text), Value::Number(_) | Value::Bool(_)) if quoted(text) => {
            Value::String(patch.to_string())
        }
        _ => patch.clone(),
    }
}

#[cfg(test)]
mod tests;
