//! Flow collections: `[a, b: c]` and `{a: b, c}`.

use diag::Span;

use super::{Event, Parser, Properties, State};
use crate::scan::{Kind, Result};

impl<'a> Parser<'a> {
    pub(super) fn flow_entry(&mut self, first: bool) -> Result<(Event<'a>, Span)> {
        self.open(first)?;
        if *self.kind()? == Kind::FlowSequenceEnd {
            return self.close();
        }
        if !first {
            if *self.kind()? != Kind::FlowEntry {
                let context = self.marks.pop();
                return Err(self.error(context, "did not find expected ',' or ']'"));
            }
            self.take()?;
        }
        match self.kind()? {
            // a pair without braces is a mapping of its own
            Kind::Key => {
                let token = self.take()?;
                self.state = State::FlowPairKey;
                let span = Span::new(token.start.byte, token.end.byte);
                Ok((Event::MappingStart { properties: Properties::default(), flow: true }, span))
            }
            Kind::FlowSequenceEnd => self.close(),
            _ => {
                self.states.push(State::FlowEntry { first: false });
                self.node(false, false)
            }
        }
    }

    pub(super) fn flow_pair_key(&mut self) -> Result<(Event<'a>, Span)> {
        if matches!(self.kind()?, Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd) {
            // libyaml drops this token: `[? : x]` ends badly
            let mark = self.take()?.end;
            self.state = State::FlowPairValue;
            return Ok(self.empty(mark));
        }
        self.states.push(State::FlowPairValue);
        self.node(false, false)
    }

    pub(super) fn flow_pair_value(&mut self) -> Result<(Event<'a>, Span)> {
        if *self.kind()? == Kind::Value {
            self.take()?;
            if !matches!(self.kind()?, Kind::FlowEntry | Kind::FlowSequenceEnd) {
                self.states.push(State::FlowPairEnd);
                return self.node(false, false);
            }
        }
        self.state = State::FlowPairEnd;
        let at = self.start()?;
        Ok(self.empty(at))
    }

    pub(super) fn flow_key(&mut self, first: bool) -> Result<(Event<'a>, Span)> {
        self.open(first)?;
        if *self.kind()? == Kind::FlowMappingEnd {
            return self.close();
        }
        if !first {
            if *self.kind()? != Kind::FlowEntry {
                let context = self.marks.pop();
                return Err(self.error(context, "did not find expected ',' or '}'"));
            }
            self.take()?;
        }
        match self.kind()? {
            Kind::Key => {
                self.take()?;
                if matches!(self.kind()?, Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd) {
                    self.state = State::FlowValue { empty: false };
                    let at = self.start()?;
                    return Ok(self.empty(at));
                }
                self.states.push(State::FlowValue { empty: false });
                self.node(false, false)
            }
            Kind::FlowMappingEnd => self.close(),
            _ => {
                self.states.push(State::FlowValue { empty: true });
                self.node(false, false)
            }
        }
    }

    pub(super) fn flow_value(&mut self, empty: bool) -> Result<(Event<'a>, Span)> {
        let next = State::FlowKey { first: false };
        if !empty && *self.kind()? == Kind::Value {
            self.take()?;
            if !matches!(self.kind()?, Kind::FlowEntry | Kind::FlowMappingEnd) {
                self.states.push(next);
                return self.node(false, false);
            }
        }
        self.state = next;
        let at = self.start()?;
        Ok(self.empty(at))
    }
}
