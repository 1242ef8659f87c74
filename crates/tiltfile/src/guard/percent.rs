//! `format % arguments`, by the rules of Tilt's interpreter: `%(name)s`, `%i` and `%c` are there, widths are not.

use crate::call::Failure;
use crate::values::{go_repr_of, go_text_of};
use starlark::values::dict::DictRef;
use starlark::values::tuple::{AllocTuple, TupleRef};
use starlark::values::{Heap, UnpackValue as _, Value};

type Text = starlark::Result<String>;

/// The text; what is printed has been measured before.
pub(super) fn interpolate<'v>(format: &str, arguments: Value<'v>, heap: Heap<'v>) -> Text {
    let positional = TupleRef::from_value(arguments);
    let count = positional.as_ref().map_or(1, |tuple| tuple.len());
    let mut out = String::with_capacity(format.len() + 16);
    let (mut rest, mut used) = (format, 0);
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let argument = match rest.strip_prefix('(') {
            Some(inner) => {
                let Some((key, after)) = inner.split_once(')') else { return fail("incomplete format key") };
                rest = after;
                keyed(arguments, key, heap)?
            }
            None if used >= count => return fail("not enough arguments for format string"),
            None => positional.as_ref().map_or(arguments, |tuple| tuple.content()[used]),
        };
        let Some(verb) = rest.chars().next() else { return fail("incomplete format") };
        convert(verb, argument, heap, &mut out)?;
        rest = &rest[verb.len_utf8()..];
        used += 1;
    }
    out.push_str(rest);
    if used < count && !is_mapping(arguments) {
        return fail("too many arguments for format string");
    }
    Ok(out)
}

fn fail<T>(text: impl Into<String>) -> starlark::Result<T> {
    Err(Failure { in_place: true, ..Failure::new(text) }.into_starlark())
}

fn is_mapping(value: Value<'_>) -> bool {
    matches!(value.get_type(), "dict" | "environ")
}

fn keyed<'v>(mapping: Value<'v>, key: &str, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
    if !is_mapping(mapping) {
        return fail("format requires a mapping");
    }
    let found = match DictRef::from_value(mapping) {
        Some(dict) => dict.get_str(key),
        None => mapping.at(heap.alloc(key), heap).ok(),
    };
    found.map_or_else(|| fail(format!("key not found: {key}")), Ok)
}

fn convert<'v>(verb: char, argument: Value<'v>, heap: Heap<'v>, out: &mut String) -> starlark::Result<()> {
    let number = |format: &str| -> Text {
        // the interpreter knows how numbers of any size are written
        let one = heap.alloc(AllocTuple([argument]));
        let text = heap.alloc(format).percent(one, heap)?;
        Ok(text.unpack_str().unwrap_or_default().to_owned())
    };
    match verb {
        's' => out.push_str(&go_text_of(argument)),
        'r' => out.push_str(&go_repr_of(argument)),
        'd' | 'i' => out.push_str(&number("%d")?),
        'o' | 'x' | 'X' | 'e' | 'f' | 'g' | 'E' | 'F' | 'G' => out.push_str(&number(&format!("%{verb}"))?),
        'c' => out.push(character(argument)?),
        other => return fail(format!("unknown conversion %{other}")),
    }
    Ok(())
}

fn character(argument: Value<'_>) -> starlark::Result<char> {
    if let Some(text) = argument.unpack_str() {
        let mut characters = text.chars();
        return match (characters.next(), characters.next()) {
            (Some(only), None) => Ok(only),
            _ => fail("%c format requires a single-character string"),
        };
    }
    if argument.get_type() != "int" {
        let kind = argument.get_type();
        return fail(format!("%c format requires int or single-character string, not {kind}"));
    }
    let number = u32::unpack_value(argument).ok().flatten();
    number.and_then(char::from_u32).map_or_else(
        || fail(format!("%c format requires a valid Unicode code point, got {}", argument.to_repr())),
        Ok,
    )
}
