//! What the scanner makes of the text.

use std::borrow::Cow;

use super::cursor::Mark;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind<'a> {
    StreamEnd,
    Version { major: u32, minor: u32 },
    TagDirective { handle: &'a str, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    Tag { handle: &'a str, suffix: String },
    Scalar { value: Cow<'a, str>, plain: bool },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind<'a>,
    pub(crate) start: Mark,
    pub(crate) end: Mark,
}

/// Why a text is no YAML, in go-yaml's words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SyntaxError {
    pub(crate) problem: Cow<'static, str>,
    pub(crate) at: Mark,
    /// Where the construct began that cannot be read.
    pub(crate) context: Option<Mark>,
    /// Found while making tokens, and not while putting them together.
    pub(crate) scanning: bool,
}

impl SyntaxError {
    /// The line that go-yaml names: none on the first one, and one too few for what the parser finds.
    pub(crate) fn named_line(&self) -> Option<usize> {
        let context = self.context.map_or(0, |mark| mark.line);
        let line = if context == 0 { self.at.line } else { context };
        (line != 0).then_some(line + usize::from(self.scanning))
    }
}
