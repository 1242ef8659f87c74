//! Classes of characters: `[a-z]`.

use super::escape::{self, Escape};
use super::{PatternError, Reader, Result, push_literal};

pub(super) fn read(reader: &mut Reader<'_>) -> Result<()> {
    let whole = reader.rest;
    let unclosed = || PatternError::new("missing closing ]", whole);
    let mut rest = &whole[1..];
    reader.out.push('[');
    if let Some(after) = rest.strip_prefix('^') {
        reader.out.push('^');
        rest = after;
    }
    let mut is_first = true;
    loop {
        let next = rest.chars().next().ok_or_else(unclosed)?;
        if next == ']' && !is_first {
            reader.out.push(']');
            reader.rest = &rest[1..];
            return Ok(());
        }
        is_first = false;
        if rest.starts_with("[:")
            && let Some(end) = rest.find(":]")
        {
            reader.out.push_str(named(&rest[..end + 2])?);
            rest = &rest[end + 2..];
            continue;
        }
        let (low, length) = member(rest)?;
        let low_text = &rest[..length];
        rest = &rest[length..];
        let low = match low {
            Escape::One(low) => low,
            Escape::Set(set) if set.starts_with('^') => {
                reader.out.push_str(&format!("[{set}]"));
                continue;
            }
            Escape::Set(set) => {
                reader.out.push_str(set);
                continue;
            }
            Escape::Unicode(_) => {
                reader.out.push_str(low_text);
                continue;
            }
        };
        push_literal(&mut reader.out, low);
        let Some(after) = rest.strip_prefix('-').filter(|after| !after.starts_with(']') && !after.is_empty())
        else {
            continue;
        };
        let (high, length) = member(after)?;
        match high {
            Escape::One(high) if high >= low => {
                reader.out.push('-');
                push_literal(&mut reader.out, high);
            }
            _ => {
                let part = format!("{low_text}-{}", &after[..length]);
                return Err(PatternError::new("invalid character class range", part));
            }
        }
        rest = &after[length..];
    }
}

fn member(rest: &str) -> Result<(Escape, usize)> {
    match rest.chars().next() {
        Some('\\') => escape::read(rest),
        Some(given) => Ok((Escape::One(given), given.len_utf8())),
        None => Err(PatternError::new("missing closing ]", rest)),
    }
}

/// `[:alpha:]` and its like, as it is.
fn named(text: &str) -> Result<&str> {
    const NAMES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
        "upper", "word", "xdigit",
    ];
    let name = text.trim_start_matches("[:").trim_start_matches('^').trim_end_matches(":]");
    if NAMES.contains(&name) {
        Ok(text)
    } else {
        Err(PatternError::new("invalid character class range", text))
    }
}
