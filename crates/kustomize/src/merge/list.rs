//! Lists that merge item by item.
//!
//! Other than upstream: an item of the patch without the first merge key is an error (upstream empties the list), one
//! in the object stays where it is; where an item of the patch or the object lacks a further key (a port
//! without protocol), the patch is merged into the one with its default or else the first, and one with another
//! value is added (upstream drops the patch); of items of the object with
//! equal keys the last stays, and the patch is merged into it (upstream drops the patch).

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{Directive, Merger, Path, directive};
use crate::error::{Error, Result};
use crate::scalar::text_of_any;
use crate::schema::{Lists, Node};

impl<'s> Merger<'s> {
    pub(super) fn merge_list(
        &self,
        node: Option<Node<'s>>,
        dest: Vec<Value>,
        patch: &[Value],
        path: &Path<'_>,
    ) -> Result<Option<Value>> {
        let lists = node.map_or(Lists::Whole, Node::lists);
        if lists == Lists::Whole {
            return Ok(Some(Value::Array(patch.to_vec())));
        }
        let (items, whole) = directive::of_list(patch)?;
        match whole {
            Some(Directive::Delete) => return Ok(None),
            Some(Directive::Replace) => return self.add_items(node, &lists, &items, path).map(Some),
            Some(Directive::Merge) | None => {}
        }
        let merged = match &lists {
            Lists::Keyed(keys) if dest.iter().chain(items.iter().copied()).all(Value::is_object) => {
                self.merge_keyed(node.and_then(Node::items), keys, dest, &items, path)?
            }
            Lists::Set => union(&items, dest),
            _ => items.into_iter().cloned().collect(),
        };
        Ok(Some(Value::Array(merged)))
    }

    pub(super) fn add_list(
        &self,
        node: Option<Node<'s>>,
        patch: &[Value],
        path: &Path<'_>,
    ) -> Result<Option<Value>> {
        let lists = node.map_or(Lists::Whole, Node::lists);
        if lists == Lists::Whole {
            return Ok(Some(Value::Array(patch.to_vec())));
        }
        match directive::of_list(patch)? {
            (_, Some(Directive::Delete)) => Ok(None),
            (items, _) => self.add_items(node, &lists, &items, path).map(Some),
        }
    }

    fn add_items(
        &self,
        node: Option<Node<'s>>,
        lists: &Lists<'_>,
        items: &[&Value],
        path: &Path<'_>,
    ) -> Result<Value> {
        let item_node = node.and_then(Node::items);
        let mut added = Vec::with_capacity(items.len());
        for item in items {
            added.extend(self.add(item_node, item, path)?);
        }
        match lists {
            Lists::Keyed(keys) => drop_repeated(&mut added, keys),
            Lists::Set => added = union(&[], added),
            Lists::Whole => {}
        }
        Ok(Value::Array(added))
    }

    fn merge_keyed(
        &self,
        node: Option<Node<'s>>,
        keys: &[&str],
        mut dest: Vec<Value>,
        patch: &[&Value],
        path: &Path<'_>,
    ) -> Result<Vec<Value>> {
        let primary = keys.first().copied().unwrap_or_default();
        if !dest.is_empty()
            && let Some(item) = patch.iter().find(|item| key_text(item, primary).is_empty())
        {
            let item = yaml::to_string(item);
            let error = Error::new(format!(
                "an item of the list {path} in the patch has no {primary}:\n{}",
                item.trim_end()
            ));
            return Err(error.hint("strategic merge finds list items by that key"));
        }
        drop_repeated(&mut dest, keys);
        let in_place = keys_in_use(keys, dest.iter().chain(patch.iter().copied())) > 1;
        let index = Index::new(keys, self.defaults(node, keys), &dest);
        let mut slots: Vec<Slot> = dest
            .into_iter()
            .map(|item| Slot { texts: texts(keys, &item), item: Some(item), merged: false })
            .collect();
        let mut first = Vec::new();
        let mut seen: HashSet<Vec<String>> = HashSet::new();
        for item in patch {
            let wanted = texts(keys, item);
            if !seen.insert(wanted.clone()) {
                continue;
            }
            let Some(at) = index.find(&wanted, &slots) else {
                first.extend(self.add(node, item, path)?.map(Entry::New));
                continue;
            };
            let slot = &mut slots[at];
            if !std::mem::replace(&mut slot.merged, true) && !in_place {
                first.push(Entry::At(at));
            }
            for (have, wanted) in slot.texts.iter_mut().zip(wanted).filter(|(_, wanted)| !wanted.is_empty()) {
                *have = wanted;
            }
            slot.item = self.merge(node, slot.item.take(), item, path)?.filter(|item| !is_empty_map(item));
        }
        let mut merged: Vec<Value> = Vec::with_capacity(first.len() + slots.len());
        for entry in first {
            match entry {
                Entry::New(item) => merged.push(item),
                Entry::At(at) => merged.extend(slots[at].item.take()),
            }
        }
        for slot in &mut slots {
            if let Some(item) = &mut slot.item
                && !slot.merged
            {
                self.settle(node, item);
            }
        }
        merged.extend(slots.into_iter().filter_map(|slot| slot.item));
        Ok(merged)
    }

    /// What stands for a key that an item lacks.
    fn defaults(&self, node: Option<Node<'s>>, keys: &[&str]) -> Vec<Option<String>> {
        let default = |key: &&str| {
            let declared =
                node.and_then(|node| node.field(key)).and_then(Node::default_value).map(text_of_any);
            // the built-in types do not tell
            declared.or_else(|| (*key == "protocol").then(|| "TCP".to_string()))
        };
        keys.iter().map(default).collect()
    }
}

/// An item of the object.
struct Slot {
    texts: Vec<String>,
    item: Option<Value>,
    merged: bool,
}

/// An item that goes to the front.
enum Entry {
    New(Value),
    At(usize),
}

/// The items of an object's list by their keys.
struct Index {
    defaults: Vec<Option<String>>,
    exact: HashMap<Vec<String>, usize>,
    /// By the first key, where there are more: all items, and those that lack another key.
    by_primary: HashMap<String, Alike>,
}

#[derive(Default)]
struct Alike {
    all: Vec<usize>,
    incomplete: Vec<usize>,
}

impl Index {
    fn new(keys: &[&str], defaults: Vec<Option<String>>, items: &[Value]) -> Index {
        let mut index = Index { defaults, exact: HashMap::new(), by_primary: HashMap::new() };
        for (at, item) in items.iter().enumerate() {
            let texts = texts(keys, item);
            let Some(primary) = texts.first().filter(|text| !text.is_empty()).cloned() else { continue };
            if keys.len() > 1 {
                let alike = index.by_primary.entry(primary).or_default();
                if texts.iter().any(String::is_empty) {
                    alike.incomplete.push(at);
                }
                alike.all.push(at);
            }
            index.exact.entry(texts).or_insert(at);
        }
        index
    }

    /// The item with exactly these keys; else one that has no other value for any of them: if the patch lacks a key,
    /// the one with the default, or the first.
    fn find(&self, wanted: &[String], slots: &[Slot]) -> Option<usize> {
        if let Some(at) = self.exact.get(wanted) {
            return Some(*at);
        }
        let alike = self.by_primary.get(wanted.first()?)?;
        let complete = wanted.iter().all(|text| !text.is_empty());
        let mut first = None;
        for at in if complete { &alike.incomplete } else { &alike.all } {
            match self.fit(&slots[*at].texts, wanted) {
                Fit::Not => {}
                Fit::Same => return Some(*at),
                Fit::Possible => first = first.or(Some(*at)),
            }
        }
        first
    }

    fn fit(&self, have: &[String], wanted: &[String]) -> Fit {
        let mut fit = Fit::Same;
        for ((have, wanted), default) in have.iter().zip(wanted).zip(&self.defaults) {
            let is_default = |text: &str| default.as_ref().is_none_or(|default| default == text);
            match (have.as_str(), wanted.as_str()) {
                (have, wanted) if have == wanted => {}
                ("", wanted) if is_default(wanted) => {}
                (have, "") if is_default(have) => {}
                (_, "") => fit = Fit::Possible,
                _ => return Fit::Not,
            }
        }
        fit
    }
}

enum Fit {
    Not,
    /// The patch leaves it open.
    Possible,
    Same,
}

/// How many of the keys any item has.
fn keys_in_use<'v>(keys: &[&str], items: impl Iterator<Item = &'v Value> + Clone) -> usize {
    if keys.len() < 2 {
        return keys.len();
    }
    keys.iter().filter(|key| items.clone().any(|item| !key_text(item, key).is_empty())).count()
}

/// Of items with equal keys the last stays, at the place of the first if one key tells them apart, else at its own.
pub(super) fn drop_repeated(items: &mut Vec<Value>, keys: &[&str]) {
    let mut places: HashMap<Vec<String>, usize> = HashMap::with_capacity(items.len());
    let mut repeated = false;
    for (at, item) in items.iter().enumerate() {
        let texts = texts(keys, item);
        if texts.first().is_some_and(|text| !text.is_empty()) {
            repeated |= places.insert(texts, at).is_some();
        }
    }
    if !repeated {
        return;
    }
    let last_place = keys_in_use(keys, items.iter()) > 1;
    let old: Vec<Vec<String>> = items.iter().map(|item| texts(keys, item)).collect();
    let mut taken: HashSet<usize> = HashSet::new();
    let mut kept = Vec::with_capacity(places.len());
    for (at, texts) in old.iter().enumerate() {
        let last = places.get(texts).copied().unwrap_or(at);
        if last_place && last != at {
            continue;
        }
        if taken.insert(last) {
            kept.push(items[last].take());
        }
    }
    *items = kept;
}

/// The values of the patch, then those of the object, each once.
pub(super) fn union(patch: &[&Value], dest: Vec<Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    patch
        .iter()
        .map(|item| (*item).clone())
        .chain(dest)
        .filter(|item| seen.insert(text_of_any(item)))
        .collect()
}

fn is_empty_map(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

fn texts(keys: &[&str], item: &Value) -> Vec<String> {
    keys.iter().map(|key| key_text(item, key)).collect()
}

fn key_text(item: &Value, key: &str) -> String {
    item.get(key).map(text_of_any).unwrap_or_default()
}
