//! A document as a tree whose nodes and keys know where they stand in the text.

use diag::Span;
use serde_json::{Map, Value};

#[derive(Debug, Clone, PartialEq)]
pub struct Spanned {
    pub span: Span,
    pub node: Node,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Null, a boolean, a number or a string.
    Scalar(Value),
    Sequence(Vec<Spanned>),
    Mapping(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Spanned,
}

impl Spanned {
    pub fn entries(&self) -> &[Entry] {
        match &self.node {
            Node::Mapping(entries) => entries,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Spanned] {
        match &self.node {
            Node::Sequence(items) => items,
            _ => &[],
        }
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    pub fn entry_mut(&mut self, key: &str) -> Option<&mut Entry> {
        match &mut self.node {
            Node::Mapping(entries) => entries.iter_mut().find(|entry| entry.key == key),
            _ => None,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Spanned> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.node {
            Node::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.node, Node::Scalar(Value::Null))
    }

    /// The node at a path of keys and, for lists, decimal indices.
    pub fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Spanned> {
        path.into_iter().try_fold(self, |node, step| match &node.node {
            Node::Sequence(items) => items.get(step.parse::<usize>().ok()?),
            _ => node.get(step),
        })
    }

    pub fn to_value(&self) -> Value {
        self.clone().into_value()
    }

    pub fn into_value(self) -> Value {
        match self.node {
            Node::Scalar(value) => value,
            Node::Sequence(items) => Value::Array(items.into_iter().map(Spanned::into_value).collect()),
            Node::Mapping(entries) => Value::Object(
                entries.into_iter().map(|e| (e.key, e.value.into_value())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// How many collections are nested in each other.
    pub(crate) fn depth(&self) -> usize {
        match &self.node {
            Node::Scalar(_) => 0,
            Node::Sequence(items) => 1 + items.iter().map(Spanned::depth).max().unwrap_or(0),
            Node::Mapping(entries) => 1 + entries.iter().map(|e| e.value.depth()).max().unwrap_or(0),
        }
    }

    /// How many nodes the tree has.
    pub(crate) fn count(&self) -> usize {
        1 + match &self.node {
            Node::Scalar(_) => 0,
            Node::Sequence(items) => items.iter().map(Spanned::count).sum(),
            Node::Mapping(entries) => entries.iter().map(|e| e.value.count()).sum(),
        }
    }
}
