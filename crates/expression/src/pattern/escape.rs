//! What begins with a backslash.

use super::{PatternError, Reader, Result, push_literal};

/// A character, or a set of them.
pub(super) enum Escape {
    One(char),
    /// As it is written within a class.
    Set(&'static str),
    /// A class of Unicode, written as Go and `regex` do.
    Unicode(usize),
}

/// Outside of a class; whether it can be repeated.
pub(super) fn outside(reader: &mut Reader<'_>) -> Result<bool> {
    let rest = reader.rest;
    match rest.chars().nth(1) {
        Some('A' | 'z' | 'B') => {
            reader.take(2);
            return Ok(true);
        }
        Some('b') => {
            reader.out.push_str(r"(?-u:\b)");
            reader.rest = &rest[2..];
            return Ok(true);
        }
        Some('Q') => {
            let quoted = &rest[2..];
            let (text, after) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            text.chars().for_each(|given| push_literal(&mut reader.out, given));
            reader.rest = after;
            return Ok(!text.is_empty());
        }
        _ => {}
    }
    match read(rest)? {
        (Escape::One(given), length) => {
            push_literal(&mut reader.out, given);
            reader.rest = &rest[length..];
        }
        (Escape::Set(set), length) => {
            reader.out.push_str(&format!("[{set}]"));
            reader.rest = &rest[length..];
        }
        (Escape::Unicode(length), _) => reader.take(length),
    }
    Ok(true)
}

/// What an escape stands for, inside of a class and outside, and its length.
pub(super) fn read(rest: &str) -> Result<(Escape, usize)> {
    let Some(sign) = rest.chars().nth(1) else {
        return Err(PatternError::new("trailing backslash at end of expression", ""));
    };
    let bad = || PatternError::new("invalid escape sequence", format!("\\{sign}"));
    let set = |set| Ok((Escape::Set(set), 2));
    let one = |given| Ok((Escape::One(given), 2));
    match sign {
        'd' => set("0-9"),
        'D' => set("^0-9"),
        's' => set(r"\t\n\f\r "),
        'S' => set(r"^\t\n\f\r "),
        'w' => set("0-9A-Za-z_"),
        'W' => set("^0-9A-Za-z_"),
        'a' => one('\x07'),
        'f' => one('\x0C'),
        'n' => one('\n'),
        'r' => one('\r'),
        't' => one('\t'),
        'v' => one('\x0B'),
        'p' | 'P' => {
            let name = &rest[2..];
            let length = match name.strip_prefix('{') {
                Some(inner) => inner.find('}').map(|end| end + 2),
                None => name.chars().next().map(char::len_utf8),
            };
            let bad = |part: &str| PatternError::new("invalid character class range", part);
            let length = length.ok_or_else(|| bad(rest))? + 2;
            let part = &rest[..length];
            if regex::Regex::new(part).is_err() {
                return Err(bad(part));
            }
            Ok((Escape::Unicode(length), length))
        }
        'x' => hexadecimal(rest).ok_or_else(|| {
            PatternError::new("invalid escape sequence", rest.chars().take(4).collect::<String>())
        }),
        '0'..='7' => octal(rest).ok_or_else(bad),
        _ if sign.is_ascii() && !sign.is_ascii_alphanumeric() => one(sign),
        _ => Err(bad()),
    }
}

fn hexadecimal(rest: &str) -> Option<(Escape, usize)> {
    let after = &rest[2..];
    let (digits, length) = match after.strip_prefix('{') {
        Some(inner) => {
            let end = inner.find('}')?;
            (&inner[..end], end + 4)
        }
        None => (after.get(..2)?, 4),
    };
    let number = u32::from_str_radix(digits, 16).ok()?;
    Some((Escape::One(char::from_u32(number)?), length))
}

/// One digit alone would refer to a group, which there is none of; but for a zero.
fn octal(rest: &str) -> Option<(Escape, usize)> {
    let digits = rest[1..].bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    if digits == 1 && !rest[1..].starts_with('0') {
        return None;
    }
    let number = u32::from_str_radix(&rest[1..=digits], 8).ok()?;
    Some((Escape::One(char::from_u32(number)?), digits + 1))
}
