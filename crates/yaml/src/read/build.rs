//! Builds one document's tree from parser events.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use diag::Span;
use serde_json::Value;

use crate::error::Error;
use crate::number::json_number;
use crate::parse::{Event, Properties};
use crate::resolve::{self, Meaning};
use crate::scan::is_word;
use crate::spanned::{Entry, Node, Spanned};
use crate::{Duplicates, Keys, Options, Rules};

/// What aliases may add to a document, in nodes: a bomb of a few lines expands to billions.
const MAX_ALIASED_NODES: usize = 400_000;

/// What may be kept for aliases, in nodes: anchors in anchors are kept once for each.
const MAX_ANCHORED_NODES: usize = 2_000_000;

/// Deeper nesting is refused: nothing that people write comes near, and trees are walked recursively.
pub(crate) const MAX_DEPTH: usize = 200;

/// Maps with more keys than this get an index to find those that occur twice.
const FEW_KEYS: usize = 16;

pub(super) struct Builder<'a> {
    text: &'a str,
    options: &'a Options,
    open: Vec<Open<'a>>,
    anchors: HashMap<&'a str, Anchored>,
    /// The names that some alias of the text may use; `None` until an anchor occurs.
    alias_names: Option<HashSet<&'a str>>,
    anchored: usize,
    aliased: usize,
    root: Option<Spanned>,
}

enum Anchored {
    /// Its end has not come yet.
    Open,
    Done(Spanned),
}

/// A collection whose end has not come yet.
struct Open<'a> {
    start: usize,
    anchor: Option<&'a str>,
    flow: bool,
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
        Builder {
            text,
            options,
            open: Vec::new(),
            anchors: HashMap::new(),
            alias_names: None,
            anchored: 0,
            aliased: 0,
            root: None,
        }
    }

    pub(super) fn start_document(&mut self) {
        self.anchors.clear();
        self.anchored = 0;
        self.aliased = 0;
    }

    pub(super) fn take_document(&mut self) -> Option<Spanned> {
        self.root.take()
    }

    /// Takes note of an anchor; an alias must have one before it. This holds for text whose values mean nothing, too.
    pub(super) fn note(&mut self, event: &Event<'a>, span: Span) -> Result<(), Error> {
        let properties = match event {
            Event::Scalar { properties, .. }
            | Event::SequenceStart { properties, .. }
            | Event::MappingStart { properties, .. } => properties,
            Event::Alias(name) if !self.anchors.contains_key(name) => {
                let message = format!("unknown anchor '{name}' referenced");
                return Err(Error::at(self.text, span, message)
                    .hint("anchors hold within one document; text that begins with * must be in quotes"));
            }
            _ => return Ok(()),
        };
        if let Some(anchor) = properties.anchor {
            self.anchors.insert(anchor, Anchored::Open);
        }
        Ok(())
    }

    pub(super) fn event(&mut self, event: Event<'a>, span: Span) -> Result<(), Error> {
        match event {
            Event::Scalar { value, mut plain, properties } => {
                // kustomize prints what it has read and reads it again: in flow collections, nothing becomes ''
                // and what holds a colon (a time) is put in quotes
                let in_flow = self.open.last().is_some_and(|open| open.flow);
                if in_flow && self.options.rules == Rules::Kyaml && (value.is_empty() || value.contains(':'))
                {
                    plain = false;
                }
                let merge = plain && properties.tag.is_none() && value == "<<";
                let value = self.scalar(value.into_owned(), plain, properties.tag.as_deref(), span)?;
                self.finish(Spanned { span, node: Node::Scalar(value) }, properties.anchor, merge)
            }
            Event::SequenceStart { properties, flow } => {
                self.begin(properties, flow, span, OpenKind::Sequence(Vec::new()))
            }
            Event::MappingStart { properties, flow } => {
                self.begin(properties, flow, span, OpenKind::Mapping { entries: Vec::new(), key: None })
            }
            Event::CollectionEnd => self.close(span),
            Event::Alias(name) => self.alias(name, span),
            Event::StreamEnd | Event::DocumentStart { .. } | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(
        &mut self,
        properties: Properties<'a>,
        flow: bool,
        span: Span,
        kind: OpenKind,
    ) -> Result<(), Error> {
        if self.open.len() == MAX_DEPTH {
            return Err(Error::at(self.text, span, format!("exceeded max depth of {MAX_DEPTH}")));
        }
        self.open.push(Open { start: span.start, anchor: properties.anchor, flow, kind });
        Ok(())
    }

    fn alias(&mut self, name: &str, span: Span) -> Result<(), Error> {
        let target = match self.anchors.get(name) {
            Some(Anchored::Done(target)) => target,
            _ => {
                let message = format!("anchor '{name}' value contains itself");
                return Err(Error::at(self.text, span, message));
            }
        };
        self.aliased += target.count();
        if self.aliased > MAX_ALIASED_NODES || self.open.len() + target.depth() > MAX_DEPTH {
            return Err(Error::at(self.text, span, "document contains excessive aliasing"));
        }
        let node = Spanned { span, node: target.node.clone() };
        self.finish(node, None, false)
    }

    fn close(&mut self, end: Span) -> Result<(), Error> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let span = Span::new(open.start, end.end.max(open.start));
        let node = match open.kind {
            OpenKind::Sequence(items) => Node::Sequence(items),
            OpenKind::Mapping { entries, .. } => Node::Mapping(self.mapping(entries)?),
        };
        self.finish(Spanned { span, node }, open.anchor, false)
    }

    /// Puts a finished node where it belongs: the root, a list, a key, or a key's value.
    fn finish(&mut self, node: Spanned, anchor: Option<&'a str>, merge: bool) -> Result<(), Error> {
        if let Some(anchor) = anchor {
            self.keep(anchor, &node)?;
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

    /// Keeps a copy of what an anchor names, if any alias may ask for it.
    fn keep(&mut self, anchor: &'a str, node: &Spanned) -> Result<(), Error> {
        let text = self.text;
        if !self.alias_names.get_or_insert_with(|| alias_names(text)).contains(anchor) {
            return Ok(());
        }
        self.anchored += node.count();
        if self.anchored > MAX_ANCHORED_NODES {
            return Err(Error::at(self.text, node.span, "document contains excessive aliasing"));
        }
        self.anchors.insert(anchor, Anchored::Done(node.clone()));
        Ok(())
    }

    fn mapping(&self, raw: Vec<RawEntry>) -> Result<Vec<Entry>, Error> {
        let mut entries = Entries::with_capacity(raw.len());
        let mut merges = Vec::new();
        for RawEntry { key, value } in raw {
            if key.merge {
                merges.push(value);
                continue;
            }
            if let Some(at) = entries.find(&key.text) {
                if self.options.duplicates == Duplicates::Refuse {
                    return Err(self.duplicate(&key, entries.list[at].key_span));
                }
                entries.list[at].value = value;
                continue;
            }
            entries.push(Entry { key: key.text, key_span: key.span, value });
        }
        for merge in merges {
            self.merge(merge, &mut entries)?;
        }
        Ok(entries.list)
    }

    fn duplicate(&self, key: &Key, first: Span) -> Error {
        let first = diag::Position::of(self.text, first.start).line;
        let message = format!("mapping key {:?} already defined at line {first}", key.text);
        Error::at(self.text, key.span, message)
    }

    /// `<<`: what the mapping does not say itself comes from the merged ones, the first of them first.
    fn merge(&self, source: Spanned, entries: &mut Entries) -> Result<(), Error> {
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
            if entries.find(&entry.key).is_none() {
                entries.push(entry);
            }
        }
        Ok(())
    }

    fn bad_merge(&self, span: Span) -> Error {
        Error::at(self.text, span, "map merge requires map or sequence of maps as the value")
    }

    fn scalar(&self, text: String, plain: bool, tag: Option<&str>, span: Span) -> Result<Value, Error> {
        let rules = self.options.rules;
        let core = tag.and_then(|tag| tag.strip_prefix("tag:yaml.org,2002:").or(tag.strip_prefix("!!")));
        let tagged = tag.is_some_and(|tag| tag != "!");
        let Some(core) = core else {
            // a scalar with a tag of its own is text, whatever it looks like
            if !plain || tagged {
                return Ok(Value::String(text));
            }
            return match resolve::plain_value(text, rules) {
                Ok(value) => Ok(value),
                Err(text) => Err(self.infinite(&text, span)),
            };
        };
        let meaning = || resolve::resolve(&text, rules);
        let fits = match core {
            "binary" => return self.binary(&text, span),
            "null" => meaning() == Meaning::Null,
            "bool" => matches!(meaning(), Meaning::Bool(_)),
            "int" => matches!(meaning(), Meaning::Int(_)),
            "float" => matches!(meaning(), Meaning::Int(_) | Meaning::Float(_)),
            "timestamp" => meaning() == Meaning::Time,
            _ => return Ok(Value::String(text)),
        };
        if !fits {
            let message = format!("cannot decode !!str `{text}` as a !!{core}");
            return Err(Error::at(self.text, span, message));
        }
        resolve::plain_value(text, rules).map_err(|text| self.infinite(&text, span))
    }

    fn infinite(&self, text: &str, span: Span) -> Error {
        Error::at(self.text, span, format!("{text} has no JSON form")).hint("quote it if it is meant as text")
    }

    fn binary(&self, text: &str, span: Span) -> Result<Value, Error> {
        let packed: String = text.split_ascii_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(packed)
            .map_err(|_| Error::at(self.text, span, "!!binary value contains invalid base64 data"))?;
        Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// The entries of a map, with an index once there are many.
struct Entries {
    list: Vec<Entry>,
    places: HashMap<String, usize>,
}

impl Entries {
    fn with_capacity(count: usize) -> Entries {
        Entries { list: Vec::with_capacity(count), places: HashMap::new() }
    }

    fn find(&self, key: &str) -> Option<usize> {
        if self.places.is_empty() {
            self.list.iter().position(|entry| entry.key == key)
        } else {
            self.places.get(key).copied()
        }
    }

    fn push(&mut self, entry: Entry) {
        if self.list.len() == FEW_KEYS {
            self.places = self.list.iter().enumerate().map(|(at, e)| (e.key.clone(), at)).collect();
        }
        if self.list.len() >= FEW_KEYS {
            self.places.insert(entry.key.clone(), self.list.len());
        }
        self.list.push(entry);
    }
}

/// All that may be the name of an alias somewhere in the text.
fn alias_names(text: &str) -> HashSet<&str> {
    let name = |rest: &'_ str| rest.bytes().take_while(|b| is_word(*b)).count();
    text.match_indices('*').map(|(at, _)| &text[at + 1..at + 1 + name(&text[at + 1..])]).collect()
}

fn as_key(text: &str, keys: Keys, node: Spanned, merge: bool) -> Result<Key, Error> {
    let span = node.span;
    let refuse =
        |what: &str| Error::at(text, span, format!("a mapping key must be a string, this is {what}"));
    let key = match node.node {
        Node::Scalar(Value::String(text)) => text,
        Node::Scalar(Value::Null) => return Err(refuse("null")),
        Node::Scalar(Value::Number(number)) if keys == Keys::ToText => json_number(&number),
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
