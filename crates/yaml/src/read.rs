//! From text to trees: documents, anchors, merge keys, and what each scalar means.

mod build;
mod explain;

use diag::Span;

use crate::error::Error;
use crate::parse::{Event, Parser};
use crate::scan::SyntaxError;
use crate::spanned::Spanned;
use crate::{Options, Rules};
use build::Builder;
pub(crate) use build::MAX_DEPTH;

/// The documents of a stream with positions, by kubectl's rules; empty ones are left out.
pub fn parse_spanned(text: &str) -> Result<Vec<Spanned>, Error> {
    parse_spanned_with(text, &Options::default())
}

pub fn parse_spanned_with(text: &str, options: &Options) -> Result<Vec<Spanned>, Error> {
    if let Some(at) = forbidden(text) {
        let span = Span::new(at, at + text[at..].chars().next().map_or(0, char::len_utf8));
        return Err(Error::at(text, span, "control characters are not allowed")
            .worded("control characters are not allowed".to_string())
            .hint("write it as an escape in double quotes, \"\\x1b\" for example"));
    }
    // go-yaml v3 reads two tokens ahead, v2 none
    let lookahead = if options.rules == Rules::Kyaml { 2 } else { 0 };
    let mut parser = Parser::new(text, lookahead);
    let mut documents = Vec::new();
    let mut builder = Builder::new(text, options);
    // what values mean is asked once all of the text can be read
    let mut meaningless = None;
    loop {
        let (event, span) = parser.next().map_err(|e| syntax_error(text, &e, documents.is_empty()))?;
        builder.note(&event, span)?;
        let built = match event {
            Event::StreamEnd => return meaningless.map_or(Ok(documents), Err),
            // there every document is read by itself, so that a directive stands alone
            Event::DocumentStart { directives: true } if options.rules == Rules::Kyaml => {
                let problem = "did not find expected <document start>";
                return Err(Error::at(text, span, problem)
                    .worded(format!("line 1: {problem}"))
                    .hint("resources take no directives: remove the lines that begin with %"));
            }
            _ if meaningless.is_some() => continue,
            Event::DocumentStart { .. } => {
                builder.start_document();
                continue;
            }
            Event::DocumentEnd => {
                documents.extend(builder.take_document().filter(|d| !d.is_null()));
                continue;
            }
            event => builder.event(event, span),
        };
        meaningless = built.err();
    }
}

/// The first character that YAML takes in no place: controls but for tab, line feed, carriage return and NEL.
fn forbidden(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let odd =
            |b: &u8| *b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r') || matches!(b, 0x7f | 0xc2 | 0xef);
        let at = from + bytes[from..].iter().position(odd)?;
        match bytes[at..] {
            [0xc2, next, ..] if next == 0x85 || next >= 0xa0 => from = at + 2,
            [0xef, 0xbf, 0xbe | 0xbf, ..] => return Some(at),
            [0xef, ..] => from = at + 3,
            _ => return Some(at),
        }
    }
}

/// What go-yaml says, and what it means. Its line counts within a document, so it is named in the first one only.
pub(crate) fn syntax_error(text: &str, error: &SyntaxError, first: bool) -> Error {
    // what is not closed is best shown where it was opened
    let opened = error.context.filter(|_| {
        matches!(
            &*error.problem,
            "could not find expected ':'"
                | "found unexpected end of stream"
                | "found unexpected document indicator"
        )
    });
    let start = opened.unwrap_or(error.at).byte.min(text.len());
    let end = start + text[start..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
    let line = error.named_line().filter(|_| first);
    let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
    let report = Error::at(text, Span::new(start, end), error.problem.clone())
        .worded(format!("{line}{}", error.problem));
    match explain::hint(text, error) {
        Some(hint) => report.hint(&hint),
        None => report,
    }
}

#[cfg(test)]
mod tests;
