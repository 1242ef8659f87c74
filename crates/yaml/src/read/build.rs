//! Builds one document's tree from parser events.

use std::collections::HashMap;

use base64::Engine as _;
use diag::Span;
use granit_parser::{Event, ScalarStyle, Tag};
use serde_json::Value;

use crate::error::Error;
use crate::resolve::{self, Meaning};
use crate::spanned::{Entry, Node, Spanned};
use crate::{Duplicates, Keys, Options, Rules};

/// What aliases may add to a document, in nodes: a bomb of a few lines expands to billions.
const MAX_ALIASED_NODES: usize = 400_000;

pub(super) struct Builder<'a> {
    text: &'a str,
    options: &'a Options,
    open: Vec<Open>,
    anchors: HashMap<usize, Spanned>,
    aliased: usize,
    root: Option<Spanned>,
}

/// A collection whose end has not come yet.
struct Open {
    start: Span,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    Sequence(Vec<Spanned>),
    Mapping { entries: Vec<RawEntry>, key: Option<Key> },
}

struct RawEntry {
    key: Key,
    value: Spanned,
}

struct Key {
    text: String,
    span: Span,
    merge: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn new(text: &'a str, options: &'a Options) -> Builder<'a> {
        Builder { text, options, open: Vec::new(), anchors: HashMap::new(), aliased: 0, root: None }
    }

    pub(super) fn take_document(&mut self) -> Result<Option<Spanned>, Error> {
        Ok(self.root.take())
    }

    pub(super) fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Error> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let merge = plain && tag.is_none() && text == "<<";
                let value = self.scalar(&text, plain, tag.as_deref(), span)?;
                let node = Spanned { span, node: Node::Scalar(value) };
                self.finish(node, anchor, merge)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open { start: span, anchor, kind: OpenKind::Sequence(Vec::new()) });
                Ok(())
            }
            Event::MappingStart(_, anchor, _) => {
                let kind = OpenKind::Mapping { entries: Vec::new(), key: None };
                self.open.push(Open { start: span, anchor, kind });
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                Err(Error::at(self.text, span, format!("unknown anchor '{name}' referenced")))
            }
            _ => Ok(()),
        }
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<(), Error> {
        let Some(target) = self.anchors.get(&id) else {
            return Err(Error::at(self.text, span, "an anchor's value contains itself"));
        };
        self.aliased += target.count();
        if self.aliased > MAX_ALIASED_NODES {
            return Err(Error::at(self.text, span, "document contains excessive aliasing"));
        }
        let node = Spanned { span, node: target.node.clone() };
        self.finish(node, 0, false)
    }

    fn close(&mut self, end: Span) -> Result<(), Error> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let span = Span::new(open.start.start, end.end.max(open.start.start));
        let node = match open.kind {
            OpenKind::Sequence(items) => Node::Sequence(items),
            OpenKind::Mapping { entries, .. } => Node::Mapping(self.mapping(entries)?),
        };
        self.finish(Spanned { span, node }, open.anchor, false)
    }

    /// Puts a finished node where it belongs: the root, a list, a key, or a key's value.
    fn finish(&mut self, node: Spanned, anchor: usize, merge: bool) -> Result<(), Error> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let (text, keys) = (self.text, self.options.keys);
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(OpenKind::Sequence(items)) => items.push(node),
            Some(OpenKind::Mapping { entries, key }) => match key.take() {
                None => *key = Some(as_key(text, keys, node, merge)?),
                Some(key) => entries.push(RawEntry { key, value: node }),
            },
        }
        Ok(())
    }

    fn mapping(&self, raw: Vec<RawEntry>) -> Result<Vec<Entry>, Error> {
        let mut entries: Vec<Entry> = Vec::with_capacity(raw.len());
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut merges = Vec::new();
        for RawEntry { key, value } in raw {
            if key.merge {
                merges.push(value);
                continue;
            }
            if let Some(&at) = places.get(&key.text) {
                if self.options.duplicates == Duplicates::Refuse {
                    let first = diag::Position::of(self.text, entries[at].key_span.start);
                    let message =
                        format!("mapping key {:?} already defined at line {}", key.text, first.line);
                    return Err(Error::at(self.text, key.span, message));
                }
                entries[at].value = value;
                continue;
            }
            places.insert(key.text.clone(), entries.len());
            entries.push(Entry { key: key.text, key_span: key.span, value });
        }
        for merge in merges {
            self.merge(merge, &mut entries, &mut places)?;
        }
        Ok(entries)
    }

    /// `<<`: what the mapping does not say itself comes from the merged ones, the first of them first.
    fn merge(
        &self,
        source: Spanned,
        entries: &mut Vec<Entry>,
        places: &mut HashMap<String, usize>,
    ) -> Result<(), Error> {
        let span = source.span;
        let maps = match source.node {
            Node::Mapping(map) => vec![map],
            Node::Sequence(items) => items
                .into_iter()
                .map(|item| match item.node {
                    Node::Mapping(map) => Ok(map),
                    _ => Err(self.bad_merge(span)),
                })
                .collect::<Result<_, _>>()?,
            Node::Scalar(_) => return Err(self.bad_merge(span)),
        };
        for entry in maps.into_iter().flatten() {
            if !places.contains_key(&entry.key) {
                places.insert(entry.key.clone(), entries.len());
                entries.push(entry);
            }
        }
        Ok(())
    }

    fn bad_merge(&self, span: Span) -> Error {
        Error::at(self.text, span, "map merge requires map or sequence of maps as the value")
    }

    fn scalar(&self, text: &str, plain: bool, tag: Option<&Tag>, span: Span) -> Result<Value, Error> {
        let core = tag.and_then(|tag| tag.suffix_in_namespace("tag:yaml.org,2002:"));
        let rules = self.options.rules;
        let fail =
            |tag: &str| Error::at(self.text, span, format!("cannot decode !!str `{text}` as a !!{tag}"));
        let infinite = || {
            Error::at(self.text, span, format!("{text} has no JSON form"))
                .hint("quote it if it is meant as text")
        };
        match core.as_deref() {
            Some("str") => return Ok(Value::String(text.to_string())),
            Some("binary") => return self.binary(text, span),
            Some("null") => return Ok(Value::Null),
            Some(wanted @ ("int" | "float" | "bool")) => {
                let fits = match resolve::resolve(text, rules) {
                    Meaning::Int(_) => wanted == "int" || wanted == "float",
                    Meaning::Float(_) => wanted == "float",
                    Meaning::Bool(_) => wanted == "bool",
                    _ => false,
                };
                if !fits {
                    return Err(fail(wanted));
                }
                return resolve::plain_value(text, rules).ok_or_else(infinite);
            }
            Some("timestamp") if rules == Rules::Kyaml => {
                return resolve::as_rfc3339(text).map(Value::String).ok_or_else(|| fail("timestamp"));
            }
            _ => {}
        }
        // a scalar with a tag of its own is text, whatever it looks like
        if !plain || tag.is_some() {
            return Ok(Value::String(text.to_string()));
        }
        resolve::plain_value(text, rules).ok_or_else(infinite)
    }

    fn binary(&self, text: &str, span: Span) -> Result<Value, Error> {
        let packed: String = text.split_ascii_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(packed)
            .map_err(|_| Error::at(self.text, span, "!!binary value contains invalid base64 data"))?;
        Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

fn as_key(text: &str, keys: Keys, node: Spanned, merge: bool) -> Result<Key, Error> {
    let span = node.span;
    let refuse =
        |what: &str| Error::at(text, span, format!("a mapping key must be a string, this is {what}"));
    let key = match node.node {
        Node::Scalar(Value::String(text)) => text,
        Node::Scalar(Value::Null) => return Err(refuse("null")),
        Node::Scalar(value) if keys == Keys::ToText => value.to_string(),
        Node::Scalar(value) => {
            let what = if value.is_boolean() { "a boolean" } else { "a number" };
            return Err(refuse(what).hint("put it in quotes"));
        }
        Node::Sequence(_) => return Err(refuse("a list")),
        Node::Mapping(_) => return Err(refuse("a map").hint("template braces need quotes: \"{{ name }}\"")),
    };
    Ok(Key { text: key, span, merge })
}
