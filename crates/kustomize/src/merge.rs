//! Strategic merge as kustomize does it, which is not quite as the API server does.
//!
//! Patch items of a keyed list come first; `$setElementOrder` and its like are not known; a list of a kind without
//! schema is replaced. On purpose other than upstream: an item without the merge key is an error there instead of
//! emptying the list, and a port without protocol is merged into the first of its number instead of being lost.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::schema::{Rule, Schema};

const DIRECTIVE: &str = "$patch";

/// Merges a patch into an object. `None`: the patch deletes it.
pub(crate) fn merge_object(object: Value, patch: &Value) -> Result<Option<Value>> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or("");
    let schema = Schema::builtin();
    let ty = schema.object(text("apiVersion"), text("kind"));
    Merger { schema }.merge(Rule::Plain(ty), Some(object), patch, "")
}

struct Merger<'s> {
    schema: &'s Schema,
}

impl Merger<'_> {
    /// `None` clears the field.
    fn merge(&self, rule: Rule<'_>, dest: Option<Value>, patch: &Value, path: &str) -> Result<Option<Value>> {
        let dest = dest.filter(|value| !value.is_null());
        match patch {
            Value::Null => Ok(None),
            Value::Object(patch) => self.merge_map(rule, dest, patch, path),
            Value::Array(items) => match dest {
                None => self.merge_list(rule, Vec::new(), items, path).map(Some),
                Some(Value::Array(old)) => self.merge_list(rule, old, items, path).map(Some),
                Some(other) => Err(wrong_kind("a list", &other, path)),
            },
            scalar => match dest {
                Some(other @ (Value::Object(_) | Value::Array(_))) => {
                    Err(wrong_kind("a scalar", &other, path))
                }
                _ => Ok(Some(scalar.clone())),
            },
        }
    }

    fn merge_map(
        &self,
        rule: Rule<'_>,
        dest: Option<Value>,
        patch: &Map<String, Value>,
        path: &str,
    ) -> Result<Option<Value>> {
        let ty = match rule {
            Rule::Plain(ty) | Rule::Keyed(ty, _) => ty,
            Rule::Replace | Rule::Set => None,
        };
        let mut dest = match dest {
            None => Map::new(),
            Some(Value::Object(map)) => map,
            Some(other) => return Err(wrong_kind("a map", &other, path)),
        };
        match directive(patch)? {
            Some(Directive::Delete) => return Ok(None),
            Some(Directive::Replace) => dest.clear(),
            _ if matches!(rule, Rule::Replace) => dest.clear(),
            Some(Directive::Merge) | None => {}
        }
        for (key, value) in patch {
            if key == DIRECTIVE {
                continue;
            }
            let path = format!("{path}/{key}");
            let old = dest.get_mut(key).map(Value::take);
            match self.merge(self.schema.field(ty, key), old, value, &path)? {
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

    fn merge_list(&self, rule: Rule<'_>, dest: Vec<Value>, patch: &[Value], path: &str) -> Result<Value> {
        match rule {
            Rule::Keyed(ty, keys) if dest.iter().chain(patch).all(Value::is_object) => {
                self.merge_keyed(ty, keys, dest, patch, path)
            }
            Rule::Set => Ok(Value::Array(union(patch, dest))),
            _ => Ok(Value::Array(patch.to_vec())),
        }
    }

    fn merge_keyed(
        &self,
        ty: Option<u32>,
        keys: &[&str],
        dest: Vec<Value>,
        patch: &[Value],
        path: &str,
    ) -> Result<Value> {
        let mut rest: Vec<Option<Value>> = dest.into_iter().map(Some).collect();
        let (items, whole) = list_directive(patch)?;
        match whole {
            Some(Directive::Replace | Directive::Delete) => rest.clear(),
            Some(Directive::Merge) | None => {}
        }
        let index = Index::new(keys, &rest);
        let mut merged: Vec<Value> = Vec::new();
        for item in items {
            let primary = keys.first().copied().unwrap_or("name");
            if !rest.is_empty() && item.get(primary).is_none_or(Value::is_null) {
                let error = Error::new(format!("an item of the list {path} in the patch has no {primary}"));
                return Err(error.hint("strategic merge finds list items by that key"));
            }
            let at = index.find(item, &rest);
            let old = at.and_then(|at| rest[at].take());
            let stays = index.keeps_its_place(old.as_ref());
            match (self.merge(Rule::Plain(ty), old, item, path)?, at) {
                (Some(new), Some(at)) if stays => rest[at] = Some(new),
                (Some(new), _) => merged.push(new),
                (None, _) => {}
            }
        }
        merged.extend(rest.into_iter().flatten());
        Ok(Value::Array(merged))
    }
}

/// The items of a list by their keys.
struct Index<'a> {
    keys: &'a [&'a str],
    places: std::collections::HashMap<String, Vec<usize>>,
}

impl<'a> Index<'a> {
    fn new(keys: &'a [&'a str], items: &[Option<Value>]) -> Index<'a> {
        let mut places: std::collections::HashMap<String, Vec<usize>> = std::collections::HashMap::new();
        for (at, item) in items.iter().enumerate() {
            if let (Some(item), Some(primary)) = (item, keys.first()) {
                places.entry(key_text(item, primary)).or_default().push(at);
            }
        }
        Index { keys, places }
    }

    /// An item found by several keys keeps its place, one found by a single key comes first.
    fn keeps_its_place(&self, item: Option<&Value>) -> bool {
        let has = |key: &&&str| item.is_some_and(|item| !key_text(item, key).is_empty());
        self.keys.iter().filter(has).count() > 1
    }

    /// The item with all the keys that both have; one that has exactly the same keys goes before.
    fn find(&self, wanted: &Value, items: &[Option<Value>]) -> Option<usize> {
        let primary = self.keys.first()?;
        let places = self.places.get(&key_text(wanted, primary))?;
        let texts =
            |item: &Value| -> Vec<String> { self.keys.iter().map(|key| key_text(item, key)).collect() };
        let wanted = texts(wanted);
        let present = places.iter().filter_map(|at| items[*at].as_ref().map(|item| (*at, texts(item))));
        let candidates: Vec<(usize, Vec<String>)> = present.collect();
        let exact = candidates.iter().find(|(_, have)| *have == wanted);
        let close = candidates
            .iter()
            .find(|(_, have)| have.iter().zip(&wanted).all(|(a, b)| a == b || a.is_empty() || b.is_empty()));
        exact.or(close).map(|(at, _)| *at)
    }
}

fn key_text(item: &Value, key: &str) -> String {
    match item.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

fn directive(patch: &Map<String, Value>) -> Result<Option<Directive>> {
    Ok(match patch.get(DIRECTIVE) {
        None => None,
        Some(Value::String(s)) if s == "delete" => Some(Directive::Delete),
        Some(Value::String(s)) if s == "replace" => Some(Directive::Replace),
        Some(Value::String(s)) if s == "merge" => Some(Directive::Merge),
        Some(other) => {
            let text = other.as_str().map_or_else(|| other.to_string(), str::to_string);
            return Err(
                Error::new(format!("unknown patch strategy '{text}'")).hint("delete, replace or merge")
            );
        }
    })
}

/// An item that is nothing but a directive speaks for the whole list.
fn list_directive(patch: &[Value]) -> Result<(Vec<&Value>, Option<Directive>)> {
    let mut whole = None;
    let mut items = Vec::new();
    for item in patch {
        match item {
            Value::Object(map) if map.len() == 1 && map.contains_key(DIRECTIVE) => whole = directive(map)?,
            _ => items.push(item),
        }
    }
    Ok((items, whole))
}

fn union(patch: &[Value], dest: Vec<Value>) -> Vec<Value> {
    let mut seen = std::collections::HashSet::new();
    patch.iter().cloned().chain(dest).filter(|item| seen.insert(item.to_string())).collect()
}

fn wrong_kind(patch: &str, found: &Value, path: &str) -> Error {
    let found = match found {
        Value::Object(_) => "a map",
        Value::Array(_) => "a list",
        _ => "a scalar",
    };
    Error::new(format!("the patch has {patch} at {path}, the object has {found}"))
}
