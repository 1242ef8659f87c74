//! A document with its layout: comments, the order of keys and the style of every scalar.
//!
//! kustomize changes fields of YAML files that are embedded in ConfigMaps, and writes the whole text anew with go-yaml
//! v3: comments, order and quotes stay, indentation becomes two columns, blank lines go. [`Document::print`] gives
//! the same text. What the layout is not kept of (comments within braces, keys that are no scalars) does not parse here.

mod comments;
mod print;
mod read;
mod scalar;

use serde_json::Value;

use crate::resolve::{self, Meaning};
use crate::{Error, Rules};

#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    root: Node,
    /// Comments that belong to the document and not to its first key.
    head: String,
    foot: String,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Node {
    start: usize,
    end: usize,
    kind: Kind,
    anchor: String,
    /// As it was written, if it was.
    tag: String,
    /// Comments above, behind and below. Those of an entry are its key's.
    head: String,
    line: String,
    foot: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Scalar { text: String, style: Style },
    Alias(String),
    Sequence { items: Vec<Node>, flow: bool },
    Mapping { entries: Vec<(Node, Node)>, flow: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

impl Default for Kind {
    fn default() -> Kind {
        Kind::Scalar { text: String::new(), style: Style::Plain }
    }
}

impl Document {
    /// The first document of a text.
    pub fn parse(text: &str) -> Result<Document, Error> {
        read::document(text)
    }

    /// Makes the data equal to a value, and leaves alone what is so already. Keys that the value lacks stay.
    pub fn update(&mut self, value: &Value) {
        self.root.update(value);
    }

    /// As go-yaml v3 prints it with two columns of indentation and lists that are not indented.
    pub fn print(&self) -> String {
        print::document(self)
    }
}

impl Node {
    fn update(&mut self, value: &Value) {
        match (&mut self.kind, value) {
            (Kind::Mapping { entries, .. }, Value::Object(map)) => {
                for (key, value) in map {
                    let found = entries.iter_mut().find(|(k, _)| k.is_text(key));
                    match found {
                        Some((_, node)) => node.update(value),
                        None => entries.push((Node::of_text(key), Node::of(value))),
                    }
                }
            }
            (Kind::Sequence { items, .. }, Value::Array(values)) => {
                for (item, value) in items.iter_mut().zip(values) {
                    item.update(value);
                }
                items.extend(values.iter().skip(items.len()).map(Node::of));
            }
            (Kind::Scalar { text, style }, _) if !value.is_object() && !value.is_array() => {
                if self.tag.is_empty() {
                    update_scalar(text, style, value);
                }
            }
            // an alias is what its anchor is
            (Kind::Alias(_), _) => {}
            _ => self.kind = Node::of(value).kind,
        }
    }

    /// Puts a comment below the node: below its last key, if it is a mapping.
    fn add_foot(&mut self, foot: &str) {
        match &mut self.kind {
            Kind::Mapping { entries, flow: false } => {
                if let Some((key, _)) = entries.last_mut() {
                    key.foot.push_str(foot);
                }
            }
            _ => self.foot.push_str(foot),
        }
    }

    fn is_text(&self, wanted: &str) -> bool {
        matches!(&self.kind, Kind::Scalar { text, .. } if text == wanted)
    }

    fn of_text(text: &str) -> Node {
        Node::of(&Value::String(text.to_string()))
    }

    fn of(value: &Value) -> Node {
        let kind = match value {
            Value::Object(map) => Kind::Mapping {
                entries: map.iter().map(|(key, value)| (Node::of_text(key), Node::of(value))).collect(),
                flow: map.is_empty(),
            },
            Value::Array(items) => {
                Kind::Sequence { items: items.iter().map(Node::of).collect(), flow: items.is_empty() }
            }
            Value::String(text) => Kind::Scalar { text: text.clone(), style: style_of(text) },
            other => Kind::Scalar { text: other.to_string(), style: Style::Plain },
        };
        Node { kind, ..Node::default() }
    }
}

/// Quotes stay. A plain text gets some if it would mean something else without.
fn update_scalar(text: &mut String, style: &mut Style, value: &Value) {
    match value {
        Value::String(new) if *style == Style::Plain => {
            let same = new == text && resolve::resolve(text, Rules::Kyaml) == Meaning::Text;
            if !same && resolve::as_rfc3339(text).as_deref() != Some(new) {
                text.clone_from(new);
                *style = style_of(new);
            }
        }
        Value::String(new) => text.clone_from(new),
        other => {
            if *style != Style::Plain
                || resolve::plain_value(text.clone(), Rules::Kyaml).as_ref() != Ok(other)
            {
                *text = other.to_string();
                *style = Style::Plain;
            }
        }
    }
}

fn style_of(text: &str) -> Style {
    if text.contains('\n') {
        Style::Literal
    } else if resolve::resolve(text, Rules::Kyaml) == Meaning::Text {
        Style::Plain
    } else {
        Style::Double
    }
}

#[cfg(test)]
mod tests;
