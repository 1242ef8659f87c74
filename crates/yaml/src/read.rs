//! From text to trees: documents, anchors, merge keys, and what each scalar means.

mod build;

use granit_parser::{Event, Parser, ScanError};

use crate::error::Error;
use crate::spanned::Spanned;
use crate::{Options, Rules};
use build::Builder;
use diag::Span;

/// The documents of a stream with positions, by kubectl's rules; empty ones are left out.
pub fn parse_spanned(text: &str) -> Result<Vec<Spanned>, Error> {
    parse_spanned_with(text, &Options::default())
}

pub fn parse_spanned_with(text: &str, options: &Options) -> Result<Vec<Spanned>, Error> {
    let parser_options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        block_scalar_eof_without_line_feed: true,
        block_nesting_limit: MAX_DEPTH,
        flow_nesting_limit: MAX_DEPTH,
    };
    let mut documents = Vec::new();
    let mut builder = Builder::new(text, options);
    for event in Parser::new_from_str_with_options(text, parser_options) {
        let (event, span) = event.map_err(|e| syntax_error(text, &e))?;
        match event {
            Event::DocumentStart(_, Some(_)) if options.rules == Rules::Kyaml => {
                return Err(Error::at(text, Span::new(0, 1), "a %YAML directive is not supported here"));
            }
            Event::DocumentStart(..) => builder = Builder::new(text, options),
            Event::DocumentEnd => documents.extend(builder.take_document()?.filter(|d| !d.is_null())),
            Event::StreamStart | Event::StreamEnd => {}
            event => builder.event(event, bytes(text, &span))?,
        }
    }
    Ok(documents)
}

/// Deeper nesting is refused: nothing that people write comes near, and trees are walked recursively.
const MAX_DEPTH: usize = 200;

fn bytes(text: &str, span: &granit_parser::Span) -> Span {
    span.byte_range().map_or(Span::new(text.len(), text.len()), |range| Span::new(range.start, range.end))
}

fn syntax_error(text: &str, error: &ScanError) -> Error {
    let start = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
    let first = text[start..].chars().next().map_or(0, char::len_utf8);
    let error = Error::at(text, Span::new(start, start + first), format!("invalid YAML: {}", error.info()));
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or("");
    if line.trim_start_matches(' ').starts_with('\t') {
        return error.hint("indent with blanks: YAML takes no tabs there");
    }
    error
}

#[cfg(test)]
mod tests;
