//! `$patch` in maps and lists.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

pub(super) const KEY: &str = "$patch";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directive {
    Merge,
    Replace,
    Delete,
}

pub(super) fn of_map(patch: &Map<String, Value>) -> Result<Option<Directive>> {
    let Some(value) = patch.get(KEY).filter(|value| !value.is_null()) else { return Ok(None) };
    Ok(Some(match value.as_str() {
        Some("merge") => Directive::Merge,
        Some("replace") => Directive::Replace,
        Some("delete") => Directive::Delete,
        text => {
            let text = text.map_or_else(|| value.to_string(), str::to_string);
            let error = Error::new(format!("unknown patch strategy '{text}'"));
            return Err(error.hint("delete, replace or merge"));
        }
    }))
}

/// The items of a patch's list, and what an item that is nothing but a directive says of the whole list.
pub(super) fn of_list(patch: &[Value]) -> Result<(Vec<&Value>, Option<Directive>)> {
    let mut whole = None;
    let mut items = Vec::with_capacity(patch.len());
    for item in patch {
        match item {
            Value::Object(map) if map.len() == 1 && map.contains_key(KEY) => whole = of_map(map)?.or(whole),
            _ => items.push(item),
        }
    }
    Ok((items, whole))
}
