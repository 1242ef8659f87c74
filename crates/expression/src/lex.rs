//! Text → tokens.

/// A token and where it begins, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Name(String),
    /// A name in backticks, which may follow a dot.
    Quoted(String),
    /// The digits of a whole number; 9223372036854775808 may follow a minus.
    Int(u64),
    UInt(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Sign(&'static str),
    End,
}

/// Longer ones first.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")",
    "[", "]", "{", "}",
];

/// The tokens of a text, or where it has none.
pub(crate) fn lex(text: &str) -> Result<Vec<Token>, usize> {
    let bytes = text.as_bytes();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let rest = &text[at..];
        let first = bytes[at];
        if first.is_ascii_whitespace() || first == 0x0c {
            at += 1;
            continue;
        }
        if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let (kind, length) = token(rest).ok_or(at)?;
        tokens.push(Token { kind, at });
        at += length;
    }
    tokens.push(Token { kind: Kind::End, at });
    Ok(tokens)
}

/// The token at the beginning of a text, and its length.
fn token(text: &str) -> Option<(Kind, usize)> {
    let bytes = text.as_bytes();
    let first = *bytes.first()?;
    if first == b'`' {
        let end = text[1..].find('`')? + 1;
        let name = &text[1..end];
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/ ".contains(&byte);
        return (!name.is_empty() && name.bytes().all(fits)).then(|| (Kind::Quoted(name.into()), end + 1));
    }
    if let Some(found) = quoted(text) {
        return found;
    }
    if first.is_ascii_digit() || (first == b'.' && bytes.get(1).is_some_and(u8::is_ascii_digit)) {
        return number(text);
    }
    if first.is_ascii_alphabetic() || first == b'_' {
        let length = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        return Some((Kind::Name(text[..length].to_string()), length));
    }
    let sign = SIGNS.into_iter().find(|sign| text.starts_with(sign))?;
    Some((Kind::Sign(sign), sign.len()))
}

fn number(text: &str) -> Option<(Kind, usize)> {
    let bytes = text.as_bytes();
    if let Some(rest) = text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let value = u64::from_str_radix(&rest[..digits], 16).ok()?;
        return Some(whole(value, &rest[digits..], digits + 2));
    }
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(0);
    let mut is_double = false;
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        is_double = true;
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits((end + 1 + sign).min(bytes.len()));
        if exponent > 0 {
            is_double = true;
            end += 1 + sign + exponent;
        }
    }
    if is_double {
        return Some((Kind::Double(text[..end].parse().ok()?), end));
    }
    Some(whole(text[..end].parse().ok()?, &text[end..], end))
}

fn whole(value: u64, rest: &str, length: usize) -> (Kind, usize) {
    if rest.starts_with(['u', 'U']) { (Kind::UInt(value), length + 1) } else { (Kind::Int(value), length) }
}

/// A text or bytes; the inner None: it does not end, or its escapes are none.
fn quoted(text: &str) -> Option<Option<(Kind, usize)>> {
    let (mut raw, mut bytes, mut prefix) = (false, false, 0);
    for letter in text.bytes().take(2) {
        match letter {
            b'r' | b'R' if !raw => raw = true,
            b'b' | b'B' if !bytes => bytes = true,
            _ => break,
        }
        prefix += 1;
    }
    let body = &text[prefix..];
    let mark = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|mark| body.starts_with(mark))?;
    Some(read(&body[mark.len()..], mark, raw, bytes).map(|(value, length)| {
        let kind = match value {
            Ok(text) => Kind::Text(text),
            Err(bytes) => Kind::Bytes(bytes),
        };
        (kind, prefix + mark.len() + length)
    }))
}

type Content = Result<String, Vec<u8>>;

/// What stands before `mark`, and its length with the mark.
fn read(body: &str, mark: &str, raw: bool, as_bytes: bool) -> Option<(Content, usize)> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        let rest = &body[at..];
        if rest.starts_with(mark) {
            break;
        }
        let letter = rest.chars().next()?;
        if mark.len() == 1 && matches!(letter, '\n' | '\r') {
            return None;
        }
        if letter == '\\' {
            let next = rest[1..].chars().next()?;
            if raw {
                out.extend_from_slice(&rest.as_bytes()[..1 + next.len_utf8()]);
                at += 1 + next.len_utf8();
            } else {
                at += 1 + escape(&rest[1..], as_bytes, &mut out)?;
            }
            continue;
        }
        out.extend_from_slice(&rest.as_bytes()[..letter.len_utf8()]);
        at += letter.len_utf8();
    }
    let content = if as_bytes { Err(out) } else { Ok(String::from_utf8(out).ok()?) };
    Some((content, at + mark.len()))
}

/// An escape after its backslash: writes what it means and answers its length.
fn escape(text: &str, as_bytes: bool, out: &mut Vec<u8>) -> Option<usize> {
    let simple = |byte: u8, out: &mut Vec<u8>| {
        out.push(byte);
        Some(1)
    };
    let coded = |from: usize, length: usize, radix: u32, out: &mut Vec<u8>| {
        let code = u32::from_str_radix(text.get(from..from + length)?, radix).ok()?;
        if as_bytes && length <= 3 {
            out.push(u8::try_from(code).ok()?);
        } else {
            out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Some(from + length)
    };
    match text.as_bytes().first()? {
        b'a' => simple(7, out),
        b'b' => simple(8, out),
        b'f' => simple(12, out),
        b'n' => simple(b'\n', out),
        b'r' => simple(b'\r', out),
        b't' => simple(b'\t', out),
        b'v' => simple(11, out),
        byte @ (b'\\' | b'?' | b'"' | b'\'' | b'`') => simple(*byte, out),
        b'x' | b'X' => coded(1, 2, 16, out),
        b'u' if !as_bytes => coded(1, 4, 16, out),
        b'U' if !as_bytes => coded(1, 8, 16, out),
        b'0'..=b'3' => coded(0, 3, 8, out),
        _ => None,
    }
}
