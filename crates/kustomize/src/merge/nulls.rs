//! Nulls that were written as nothing: `key:` with no value.
//!
//! A strategic merge takes them out of the object, while it leaves `key: null`. Values do not tell the two apart, so
//! that a resource remembers where it was loaded with such nulls until the first merge.

use serde_json::Value;
use yaml::{Node as Yaml, Spanned};

use super::Merger;
use crate::schema::{Lists, Node};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Field(String),
    Item(usize),
}

/// The places of bare nulls, each with the way from the root.
pub(crate) type BareNulls = Vec<Vec<Step>>;

pub(crate) fn bare_nulls(node: &Spanned) -> BareNulls {
    let mut found = Vec::new();
    collect(node, &mut Vec::new(), &mut found);
    found
}

fn collect<'a>(node: &'a Spanned, way: &mut Vec<Way<'a>>, found: &mut BareNulls) {
    match &node.node {
        Yaml::Scalar(Value::Null) if node.span.start == node.span.end => {
            found.push(way.iter().map(Way::to_step).collect());
        }
        Yaml::Scalar(_) => {}
        Yaml::Sequence(items) => {
            for (at, item) in items.iter().enumerate() {
                way.push(Way::Item(at));
                collect(item, way, found);
                way.pop();
            }
        }
        Yaml::Mapping(entries) => {
            for entry in entries {
                way.push(Way::Field(&entry.key));
                collect(&entry.value, way, found);
                way.pop();
            }
        }
    }
}

enum Way<'a> {
    Field(&'a str),
    Item(usize),
}

impl Way<'_> {
    fn to_step(&self) -> Step {
        match self {
            Way::Field(key) => Step::Field((*key).to_string()),
            Way::Item(at) => Step::Item(*at),
        }
    }
}

impl<'s> Merger<'s> {
    /// Takes out the bare nulls that are still there, but for those in lists that are replaced whole.
    pub(super) fn drop_bare_nulls(&self, node: Option<Node<'s>>, object: &mut Value, nulls: &BareNulls) {
        for way in nulls {
            self.drop_bare_null(node, object, way);
        }
    }

    fn drop_bare_null(&self, node: Option<Node<'s>>, value: &mut Value, way: &[Step]) {
        let node = self.known(node, [Some(value), None]);
        match (value, way) {
            (Value::Object(map), [Step::Field(key)]) if map.get(key).is_none_or(Value::is_null) => {
                map.shift_remove(key);
            }
            (Value::Object(map), [Step::Field(key), rest @ ..]) => {
                if let Some(value) = map.get_mut(key) {
                    self.drop_bare_null(node.and_then(|node| node.field(key)), value, rest);
                }
            }
            (Value::Array(items), [Step::Item(at), rest @ ..]) if !rest.is_empty() => {
                if let (Some(node), Some(item)) = (node, items.get_mut(*at))
                    && matches!(node.lists(), Lists::Keyed(_))
                {
                    self.drop_bare_null(node.items(), item, rest);
                }
            }
            _ => {}
        }
    }
}
