//! What to write instead: hints for errors whose message alone does not help.
//!
//! Most people know Python and write it. The messages are those of Tilt; these tables say what the same thing is called
//! here. A hint is a guess from the text at the place of the error, so it is given only where it is very likely.

mod fstring;
mod masked;
mod syntax;
mod values;

use crate::TiltfileError;

/// The error with a hint, if it has none and there is one. `source`: the text of the file in which it happened.
pub(crate) fn with_hint(error: TiltfileError, source: &str) -> TiltfileError {
    let Some(at) = &error.position else { return error };
    if error.hint.is_some() {
        return error;
    }
    // what is found before anything is evaluated begins with its place
    let hint = match error.message.strip_prefix(&format!("{at}: ")) {
        Some(message) if !["undefined: ", "load: "].iter().any(|m| message.starts_with(m)) => {
            syntax::hint(source, at.line, at.column)
        }
        _ => values::hint(&error.message, source, at.line, at.column),
    };
    TiltfileError { hint, ..error }
}

/// For a text that is no Starlark.
pub(crate) fn of_syntax(source: &str, line: usize, column: usize) -> Option<String> {
    syntax::hint(source, line, column)
}

/// For a name that nothing defines.
pub(crate) fn of_undefined(name: &str, source: &str, line: usize, column: usize) -> Option<String> {
    values::undefined(name, source, line, column)
}

/// The text of a line, counted from 1, and the place of a column in it.
fn line_at(source: &str, line: usize, column: usize) -> (&str, usize) {
    let text = source.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let at = text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(i, _)| i);
    (text, at)
}
