//! From tokens to events: the grammar of documents, blocks and flow collections.
//!
//! States instead of recursion, so that depth costs no stack; errors are those of libyaml's parser.

mod flow;

use std::borrow::Cow;

use diag::Span;

use crate::scan::{Kind, Mark, Result, Scanner, SyntaxError, Token};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event<'a> {
    StreamEnd,
    /// Whether directives stand before it.
    DocumentStart {
        directives: bool,
    },
    DocumentEnd,
    Alias(&'a str),
    Scalar {
        value: Cow<'a, str>,
        plain: bool,
        properties: Properties<'a>,
    },
    SequenceStart {
        properties: Properties<'a>,
        flow: bool,
    },
    MappingStart {
        properties: Properties<'a>,
        flow: bool,
    },
    CollectionEnd,
}

/// What may stand before a node.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Properties<'a> {
    pub(crate) anchor: Option<&'a str>,
    /// In full: `tag:yaml.org,2002:str`, `!local`. The tag `!` says nothing and is left out.
    pub(crate) tag: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    ImplicitDocumentStart,
    DocumentStart,
    DocumentContent,
    DocumentEnd,
    Node,
    SequenceEntry { first: bool },
    IndentlessEntry,
    MappingKey { first: bool },
    MappingValue,
    FlowEntry { first: bool },
    FlowPairKey,
    FlowPairValue,
    FlowPairEnd,
    FlowKey { first: bool },
    FlowValue { empty: bool },
    End,
}

pub(crate) struct Parser<'a> {
    scanner: Scanner<'a>,
    state: State,
    states: Vec<State>,
    /// Where the open collections began.
    marks: Vec<Mark>,
    tags: Vec<(String, String)>,
    /// Where the last token with content ended.
    end: usize,
}

const CORE: &str = "tag:yaml.org,2002:";

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str, lookahead: usize) -> Parser<'a> {
        Parser {
            scanner: Scanner::new(text, lookahead),
            state: State::ImplicitDocumentStart,
            states: Vec::new(),
            marks: Vec::new(),
            tags: Vec::new(),
            end: 0,
        }
    }

    /// The next event and the bytes it stands for; after the last one, `StreamEnd` for ever.
    pub(crate) fn next(&mut self) -> Result<(Event<'a>, Span)> {
        match self.state {
            State::ImplicitDocumentStart => self.document_start(true),
            State::DocumentStart => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::Node => self.node(true, false),
            State::SequenceEntry { first } => self.sequence_entry(first),
            State::IndentlessEntry => self.indentless_entry(),
            State::MappingKey { first } => self.mapping_key(first),
            State::MappingValue => self.mapping_value(),
            State::FlowEntry { first } => self.flow_entry(first),
            State::FlowPairKey => self.flow_pair_key(),
            State::FlowPairValue => self.flow_pair_value(),
            State::FlowPairEnd => {
                self.state = State::FlowEntry { first: false };
                Ok((Event::CollectionEnd, Span::new(self.end, self.end)))
            }
            State::FlowKey { first } => self.flow_key(first),
            State::FlowValue { empty } => self.flow_value(empty),
            State::End => Ok((Event::StreamEnd, Span::new(self.end, self.end))),
        }
    }

    fn kind(&mut self) -> Result<&Kind<'a>> {
        Ok(&self.scanner.peek()?.kind)
    }

    fn start(&mut self) -> Result<Mark> {
        Ok(self.scanner.peek()?.start)
    }

    fn take(&mut self) -> Result<Token<'a>> {
        let token = self.scanner.take()?;
        if !matches!(token.kind, Kind::BlockEnd | Kind::StreamEnd) {
            self.end = token.end.byte;
        }
        Ok(token)
    }

    fn pop(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    /// A node that is not there: null.
    fn empty(&self, at: Mark) -> (Event<'a>, Span) {
        let scalar =
            Event::Scalar { value: Cow::Borrowed(""), plain: true, properties: Properties::default() };
        (scalar, Span::new(at.byte, at.byte))
    }

    fn error(&mut self, context: Option<Mark>, problem: &'static str) -> SyntaxError {
        match self.start() {
            Ok(at) => SyntaxError { problem: problem.into(), at, context, scanning: false },
            Err(error) => error,
        }
    }

    fn document_start(&mut self, implicit: bool) -> Result<(Event<'a>, Span)> {
        while !implicit && *self.kind()? == Kind::DocumentEnd {
            self.take()?;
        }
        let at = self.start()?.byte;
        self.tags.clear();
        match self.kind()? {
            Kind::StreamEnd => {
                self.state = State::End;
                return Ok((Event::StreamEnd, Span::new(at, at)));
            }
            Kind::Version { .. } | Kind::TagDirective { .. } | Kind::DocumentStart => {}
            _ if implicit => {
                self.states.push(State::DocumentEnd);
                self.state = State::Node;
                return Ok((Event::DocumentStart { directives: false }, Span::new(at, at)));
            }
            _ => {}
        }
        let directives = self.directives()?;
        if *self.kind()? != Kind::DocumentStart {
            return Err(self.error(None, "did not find expected <document start>"));
        }
        let token = self.take()?;
        self.states.push(State::DocumentEnd);
        self.state = State::DocumentContent;
        Ok((Event::DocumentStart { directives }, Span::new(at, token.end.byte)))
    }

    fn directives(&mut self) -> Result<bool> {
        let (mut version, mut any) = (false, false);
        loop {
            match *self.kind()? {
                Kind::Version { .. } if version => {
                    return Err(self.error(None, "found duplicate %YAML directive"));
                }
                Kind::Version { major, minor } => {
                    if major != 1 || !(1..=2).contains(&minor) {
                        return Err(self.error(None, "found incompatible YAML document"));
                    }
                    version = true;
                    self.take()?;
                }
                Kind::TagDirective { handle, .. } => {
                    if self.tags.iter().any(|(known, _)| known == handle) {
                        return Err(self.error(None, "found duplicate %TAG directive"));
                    }
                    if let Kind::TagDirective { handle, prefix } = self.take()?.kind {
                        self.tags.push((handle.to_string(), prefix));
                    }
                }
                _ => return Ok(any),
            }
            any = true;
        }
    }

    fn document_content(&mut self) -> Result<(Event<'a>, Span)> {
        let at = self.start()?;
        match self.kind()? {
            Kind::Version { .. }
            | Kind::TagDirective { .. }
            | Kind::DocumentStart
            | Kind::DocumentEnd
            | Kind::StreamEnd => {
                self.pop();
                Ok(self.empty(at))
            }
            _ => self.node(true, false),
        }
    }

    fn document_end(&mut self) -> Result<(Event<'a>, Span)> {
        if *self.kind()? == Kind::DocumentEnd {
            self.take()?;
        }
        self.state = State::DocumentStart;
        Ok((Event::DocumentEnd, Span::new(self.end, self.end)))
    }

    fn node(&mut self, block: bool, indentless: bool) -> Result<(Event<'a>, Span)> {
        let begin = self.start()?;
        if let Kind::Alias(name) = *self.kind()? {
            let token = self.take()?;
            self.pop();
            return Ok((Event::Alias(name), Span::new(token.start.byte, token.end.byte)));
        }
        let properties = self.properties(begin)?;
        let at = self.start()?;
        let span = Span::new(at.byte, at.byte);
        match self.kind()? {
            Kind::BlockEntry if indentless => {
                self.state = State::IndentlessEntry;
                Ok((Event::SequenceStart { properties, flow: false }, span))
            }
            Kind::Scalar { .. } => {
                let token = self.take()?;
                self.pop();
                let Kind::Scalar { value, plain } = token.kind else { return Ok(self.empty(at)) };
                let span = Span::new(token.start.byte, token.end.byte);
                Ok((Event::Scalar { value, plain, properties }, span))
            }
            Kind::FlowSequenceStart => {
                self.state = State::FlowEntry { first: true };
                Ok((Event::SequenceStart { properties, flow: true }, span))
            }
            Kind::FlowMappingStart => {
                self.state = State::FlowKey { first: true };
                Ok((Event::MappingStart { properties, flow: true }, span))
            }
            Kind::BlockSequenceStart if block => {
                self.state = State::SequenceEntry { first: true };
                Ok((Event::SequenceStart { properties, flow: false }, span))
            }
            Kind::BlockMappingStart if block => {
                self.state = State::MappingKey { first: true };
                Ok((Event::MappingStart { properties, flow: false }, span))
            }
            _ if properties != Properties::default() => {
                self.pop();
                let span = Span::new(begin.byte, self.end);
                Ok((Event::Scalar { value: Cow::Borrowed(""), plain: true, properties }, span))
            }
            _ => Err(self.error(Some(begin), "did not find expected node content")),
        }
    }

    /// An anchor and a tag, in either order.
    fn properties(&mut self, begin: Mark) -> Result<Properties<'a>> {
        let mut properties = Properties::default();
        loop {
            match self.kind()? {
                Kind::Anchor(_) if properties.anchor.is_none() => {
                    if let Kind::Anchor(name) = self.take()?.kind {
                        properties.anchor = Some(name);
                    }
                }
                Kind::Tag { .. } if properties.tag.is_none() => {
                    let token = self.take()?;
                    let Kind::Tag { handle, suffix } = token.kind else { continue };
                    let Some(tag) = self.full_tag(handle, suffix) else {
                        let problem = "found undefined tag handle".into();
                        let (at, context) = (token.start, Some(begin));
                        return Err(SyntaxError { problem, at, context, scanning: false });
                    };
                    properties.tag = Some(tag);
                }
                _ => return Ok(properties),
            }
        }
    }

    fn full_tag(&self, handle: &str, suffix: String) -> Option<String> {
        if handle.is_empty() {
            return Some(suffix);
        }
        let declared = self.tags.iter().find(|(known, _)| known == handle).map(|(_, p)| p.as_str());
        let prefix = declared.or(match handle {
            "!" => Some("!"),
            "!!" => Some(CORE),
            _ => None,
        })?;
        Some(format!("{prefix}{suffix}"))
    }

    /// Takes the token that opens a collection.
    fn open(&mut self, first: bool) -> Result<()> {
        if first {
            let token = self.take()?;
            self.marks.push(token.start);
        }
        Ok(())
    }

    /// Takes the token that closes a collection.
    fn close(&mut self) -> Result<(Event<'a>, Span)> {
        self.marks.pop();
        self.take()?;
        self.pop();
        Ok((Event::CollectionEnd, Span::new(self.end, self.end)))
    }

    fn sequence_entry(&mut self, first: bool) -> Result<(Event<'a>, Span)> {
        self.open(first)?;
        match self.kind()? {
            Kind::BlockEntry => {
                let mark = self.take()?.end;
                if matches!(self.kind()?, Kind::BlockEntry | Kind::BlockEnd) {
                    self.state = State::SequenceEntry { first: false };
                    return Ok(self.empty(mark));
                }
                self.states.push(State::SequenceEntry { first: false });
                self.node(true, false)
            }
            Kind::BlockEnd => self.close(),
            _ => {
                let context = self.marks.pop();
                Err(self.error(context, "did not find expected '-' indicator"))
            }
        }
    }

    fn indentless_entry(&mut self) -> Result<(Event<'a>, Span)> {
        if *self.kind()? != Kind::BlockEntry {
            self.pop();
            return Ok((Event::CollectionEnd, Span::new(self.end, self.end)));
        }
        let mark = self.take()?.end;
        if matches!(self.kind()?, Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd) {
            self.state = State::IndentlessEntry;
            return Ok(self.empty(mark));
        }
        self.states.push(State::IndentlessEntry);
        self.node(true, false)
    }

    fn mapping_key(&mut self, first: bool) -> Result<(Event<'a>, Span)> {
        self.open(first)?;
        match self.kind()? {
            Kind::Key => {
                let mark = self.take()?.end;
                if matches!(self.kind()?, Kind::Key | Kind::Value | Kind::BlockEnd) {
                    self.state = State::MappingValue;
                    return Ok(self.empty(mark));
                }
                self.states.push(State::MappingValue);
                self.node(true, true)
            }
            Kind::BlockEnd => self.close(),
            _ => {
                let context = self.marks.pop();
                Err(self.error(context, "did not find expected key"))
            }
        }
    }

    fn mapping_value(&mut self) -> Result<(Event<'a>, Span)> {
        let next = State::MappingKey { first: false };
        if *self.kind()? != Kind::Value {
            self.state = next;
            let at = self.start()?;
            return Ok(self.empty(at));
        }
        let mark = self.take()?.end;
        if matches!(self.kind()?, Kind::Key | Kind::Value | Kind::BlockEnd) {
            self.state = next;
            return Ok(self.empty(mark));
        }
        self.states.push(next);
        self.node(true, true)
    }
}
