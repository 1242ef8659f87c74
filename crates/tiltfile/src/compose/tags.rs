//! `!reset` and `!override`: what a later file takes out of the earlier ones.

use super::merge;
use serde_json::{Map, Value};
use yaml::{Entry, Node, Spanned};

/// A file's content, and what of the files before it does not count any longer.
#[derive(Default)]
pub(super) struct Document {
    pub(super) model: Map<String, Value>,
    pub(super) removed: Vec<Vec<String>>,
}

impl Document {
    /// The file over the earlier ones.
    pub(super) fn over(self, base: &mut Map<String, Value>) {
        for path in &self.removed {
            remove(base, path);
        }
        merge::files(base, self.model);
    }
}

/// Takes the values with `!reset` out of a document; those of `!override` stay. The paths of both.
pub(super) fn tagged(document: &mut Spanned, text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    if text.contains("!reset") || text.contains("!override") {
        walk(document, text, &mut Vec::new(), &mut found);
    }
    found
}

fn walk(node: &mut Spanned, text: &str, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let Node::Mapping(entries) = &mut node.node else { return };
    entries.retain_mut(|entry| {
        path.push(entry.key.clone());
        let tag = tag(entry, text);
        if tag.is_some() {
            found.push(path.clone());
        } else {
            walk(&mut entry.value, text, path, found);
        }
        path.pop();
        tag != Some("!reset")
    });
}

/// The tag between a key and its value.
fn tag<'t>(entry: &Entry, text: &'t str) -> Option<&'t str> {
    let after = text.get(entry.key_span.end..)?.trim_start_matches([' ', '\t', ':', '"', '\'']);
    let word = after.split([' ', '\t', '\n', '\r', ',', '}']).next()?;
    ["!reset", "!override"].contains(&word).then_some(word)
}

fn remove(base: &mut Map<String, Value>, path: &[String]) {
    let Some((key, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        base.shift_remove(key);
        return;
    }
    match base.get_mut(key) {
        Some(Value::Object(map)) => remove(map, rest),
        // a list of NAME=VALUE
        Some(Value::Array(items)) => items.retain(|item| {
            let name = item.as_str().map(|text| text.split('=').next().unwrap_or(text));
            rest.len() > 1 || name != Some(rest[0].as_str())
        }),
        _ => {}
    }
}
