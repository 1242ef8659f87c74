//! Strings in quotes, as Tilt's interpreter writes them: what can be printed stands for itself.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text of a value, whose strings the interpreter here has written with escapes for what is not ASCII.
pub(crate) fn with_printable(text: &str) -> Cow<'_, str> {
    if !["\\x", "\\u", "\\U"].iter().any(|escape| text.contains(escape)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('"') {
        let (before, after) = rest.split_at(at + 1);
        let length = literal_length(after);
        out.push_str(before);
        match before.ends_with("b\"") {
            // the escapes of bytes are bytes
            true => out.push_str(&after[..length]),
            false => literal(&after[..length], &mut out),
        }
        rest = &after[length..];
        if let Some(closed) = rest.strip_prefix('"') {
            out.push('"');
            rest = closed;
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Up to the quote that closes it.
fn literal_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn literal(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let digits = match rest.as_bytes().get(1) {
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        let code = rest.get(2..2 + digits).filter(|_| digits > 0);
        let c = code.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        let taken = if let Some(c) = c {
            push(c, out);
            2 + digits
        } else {
            // an escape of one character, which may be a backslash
            let length = rest.chars().take(2).map(char::len_utf8).sum();
            out.push_str(&rest[..length]);
            length
        };
        rest = &rest[taken..];
    }
    out.push_str(rest);
}

fn push(c: char, out: &mut String) {
    let written = match c {
        '\u{7}' => out.write_str("\\a"),
        '\u{8}' => out.write_str("\\b"),
        '\u{b}' => out.write_str("\\v"),
        '\u{c}' => out.write_str("\\f"),
        c if u32::from(c) < 0x80 => write!(out, "\\x{:02x}", u32::from(c)),
        c if is_printable(c) => out.write_char(c),
        c if u32::from(c) < 0x10000 => write!(out, "\\u{:04x}", u32::from(c)),
        c => write!(out, "\\U{:08x}", u32::from(c)),
    };
    written.expect("a String takes all");
}

/// Letters, marks, numbers, punctuation and symbols.
fn is_printable(c: char) -> bool {
    // marks stand for themselves but at the beginning
    let text = String::from_iter(['a', c]);
    text.escape_debug().eq(text.chars())
}

#[cfg(test)]
mod tests {
    use super::with_printable;

    #[test]
    fn escapes() {
        let cases = [
            (r#"["\xe9", "\u2713 ok", "\U0001f600"]"#, r#"["é", "✓ ok", "😀"]"#),
            (r#"{"a\\xe9": "\"\xe9"}"#, r#"{"a\\xe9": "\"é"}"#),
            (r#"("\x00\x07\x08\x0b\x0c\x1b\x7f",)"#, r#"("\x00\a\b\v\f\x1b\x7f",)"#),
            (
                r#"["\u200b", "\xa0", "e\u0301", "\U000e0001"]"#,
                "[\"\\u200b\", \"\\u00a0\", \"e\u{301}\", \"\\U000e0001\"]",
            ),
            (r#"[b"\xc3\xa9", "\xe9"]"#, r#"[b"\xc3\xa9", "é"]"#),
            (r#"["\xe9"#, r#"["é"#),
            (r#"["\x"#, r#"["\x"#),
            (r#"\xe9 "a""#, r#"\xe9 "a""#),
        ];
        for (text, want) in cases {
            assert_eq!(with_printable(text), want, "{text}");
        }
    }
}
