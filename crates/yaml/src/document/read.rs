//! From text to nodes.

use diag::Span;

use super::{Document, Kind, Node, Style, comments};
use crate::error::Error;
use crate::parse::{Event, Parser, Properties};
use crate::read::{MAX_DEPTH, syntax_error};

/// go-yaml v3 reads as many tokens ahead.
const LOOKAHEAD: usize = 2;

/// A collection whose end has not come yet.
struct Open {
    node: Node,
    key: Option<Node>,
}

pub(super) fn document(text: &str) -> Result<Document, Error> {
    let mut parser = Parser::new(text, LOOKAHEAD);
    let mut builder = Builder { text, open: Vec::new(), anchors: Vec::new(), root: None };
    loop {
        let (event, span) = parser.next().map_err(|e| syntax_error(text, &e, true))?;
        match event {
            Event::StreamEnd | Event::DocumentEnd => break,
            event => builder.event(event, span)?,
        }
    }
    let root = builder.root.unwrap_or_default();
    let mut document = Document { root, head: String::new(), foot: String::new() };
    comments::attach(text, &mut document)?;
    Ok(document)
}

struct Builder<'a> {
    text: &'a str,
    open: Vec<Open>,
    anchors: Vec<String>,
    root: Option<Node>,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Error> {
        let node = Node { start: span.start, end: span.end, ..Node::default() };
        match event {
            Event::Scalar { value, plain, properties } => {
                // a value that is not there has no text
                let text = if span.start < span.end { value.into_owned() } else { String::new() };
                let style = if plain { Style::Plain } else { self.style(span.start) };
                let kind = Kind::Scalar { text, style };
                let node = self.with(properties, Node { kind, ..node });
                self.finish(node)
            }
            Event::SequenceStart { properties, flow } => {
                let kind = Kind::Sequence { items: Vec::new(), flow };
                self.start(properties, Node { kind, ..node })
            }
            Event::MappingStart { properties, flow } => {
                let kind = Kind::Mapping { entries: Vec::new(), flow };
                self.start(properties, Node { kind, ..node })
            }
            Event::CollectionEnd => {
                let Some(mut open) = self.open.pop() else { return Ok(()) };
                open.node.end = span.end;
                self.finish(open.node)
            }
            Event::Alias(name) => {
                if !self.anchors.iter().any(|anchor| anchor == name) {
                    return Err(Error::at(self.text, span, format!("unknown anchor '{name}' referenced")));
                }
                self.finish(Node { kind: Kind::Alias(name.to_string()), ..node })
            }
            Event::StreamEnd | Event::DocumentStart { .. } | Event::DocumentEnd => Ok(()),
        }
    }

    /// The style of a scalar that is not plain, by the character it begins with.
    fn style(&self, start: usize) -> Style {
        let mut rest = self.text[start..].trim_start();
        while rest.starts_with(['&', '!']) {
            rest = rest.trim_start_matches(|c: char| !c.is_whitespace()).trim_start();
        }
        match rest.bytes().next() {
            Some(b'\'') => Style::Single,
            Some(b'|') => Style::Literal,
            Some(b'>') => Style::Folded,
            _ => Style::Double,
        }
    }

    fn with(&mut self, properties: Properties<'_>, node: Node) -> Node {
        let anchor = properties.anchor.unwrap_or_default().to_string();
        if !anchor.is_empty() {
            self.anchors.push(anchor.clone());
        }
        let tag = properties.tag.unwrap_or_default();
        let tag = match tag.strip_prefix("tag:yaml.org,2002:") {
            Some(core) => format!("!!{core}"),
            None if tag.is_empty() || tag.starts_with('!') => tag,
            None => format!("!<{tag}>"),
        };
        Node { anchor, tag, ..node }
    }

    fn start(&mut self, properties: Properties<'_>, node: Node) -> Result<(), Error> {
        if self.open.len() == MAX_DEPTH {
            let span = Span::new(node.start, node.start);
            return Err(Error::at(self.text, span, format!("exceeded max depth of {MAX_DEPTH}")));
        }
        let node = self.with(properties, node);
        self.open.push(Open { node, key: None });
        Ok(())
    }

    fn finish(&mut self, node: Node) -> Result<(), Error> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.kind {
            Kind::Sequence { items, .. } => items.push(node),
            Kind::Mapping { entries, .. } => match open.key.take() {
                Some(key) => entries.push((key, node)),
                None if matches!(node.kind, Kind::Scalar { .. } | Kind::Alias(_)) => open.key = Some(node),
                None => {
                    let span = Span::new(node.start, node.end);
                    return Err(Error::at(self.text, span, "a mapping key must be a scalar"));
                }
            },
            Kind::Scalar { .. } | Kind::Alias(_) => {}
        }
        Ok(())
    }
}
