//! Regular expressions as Go has them, which is what schemas and expressions are written for: `\d` and its like are of ASCII,
//! brackets and signs within a class mean themselves, `{` that begins no count does too. They are read here, refused in Go's
//! words, and written anew for the crate `regex`.

mod class;
mod escape;

use regex::{Regex, RegexBuilder};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// How large a compiled expression may be.
const LARGEST: usize = 10 << 20;
/// How many are kept.
const KEPT: usize = 2000;
const MOST_TIMES: u32 = 1000;

/// Why a text is no regular expression, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {what}: `{part}`")]
pub struct PatternError {
    what: &'static str,
    part: String,
}

impl PatternError {
    fn new(what: &'static str, part: impl Into<String>) -> Self {
        Self { what, part: part.into() }
    }
}

type Result<T> = std::result::Result<T, PatternError>;

/// The expression, compiled once.
pub fn compile(pattern: &str) -> Result<Arc<Regex>> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Result<Arc<Regex>>>>> = LazyLock::new(Mutex::default);
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known().get(pattern) {
        return known.clone();
    }
    let made = translate(pattern).and_then(|text| {
        let regex = RegexBuilder::new(&text).size_limit(LARGEST).build();
        regex.map(Arc::new).map_err(|error| {
            let what = match error {
                regex::Error::CompiledTooBig(_) => "expression too large",
                _ => "invalid or unsupported Perl syntax",
            };
            PatternError::new(what, pattern)
        })
    });
    let mut known = known();
    if known.len() >= KEPT {
        known.clear();
    }
    known.insert(pattern.to_string(), made.clone());
    made
}

/// The same for the crate `regex`.
fn translate(pattern: &str) -> Result<String> {
    let mut reader = Reader { rest: pattern, out: String::with_capacity(pattern.len()) };
    let mut open = 0_usize;
    // Whether there is something that can be repeated, and where its repetition begins.
    let (mut repeatable, mut repeated) = (false, None);
    while let Some(next) = reader.rest.chars().next() {
        let repetition = match next {
            '*' | '+' | '?' => Some(1),
            '{' => count(reader.rest)?,
            _ => None,
        };
        if let Some(length) = repetition {
            reader.repeat(length, repeatable, &mut repeated)?;
            continue;
        }
        repeated = None;
        repeatable = true;
        match next {
            '\\' => repeatable = escape::outside(&mut reader)?,
            '[' => class::read(&mut reader)?,
            '(' => {
                repeatable = false;
                open += usize::from(reader.group()?);
            }
            ')' if open == 0 => return Err(PatternError::new("unexpected )", pattern)),
            ')' => {
                open -= 1;
                reader.take(1);
            }
            '|' => {
                repeatable = false;
                reader.take(1);
            }
            '{' | '}' | ']' => reader.literal(next),
            _ => reader.take(next.len_utf8()),
        }
    }
    if open > 0 {
        return Err(PatternError::new("missing closing )", pattern));
    }
    Ok(reader.out)
}

struct Reader<'a> {
    rest: &'a str,
    out: String,
}

impl<'a> Reader<'a> {
    /// Takes a sign that repeats what is before it, of this length, and whether it is content with little.
    fn repeat(&mut self, length: usize, repeatable: bool, repeated: &mut Option<&'a str>) -> Result<()> {
        if !repeatable {
            return Err(PatternError::new("missing argument to repetition operator", &self.rest[..length]));
        }
        let length = length + usize::from(self.rest[length..].starts_with('?'));
        if let Some(first) = *repeated {
            let end = first.len() - self.rest.len() + length;
            return Err(PatternError::new("invalid nested repetition operator", &first[..end]));
        }
        *repeated = Some(self.rest);
        self.take(length);
        Ok(())
    }

    /// Takes bytes as they are.
    fn take(&mut self, length: usize) {
        let (taken, rest) = self.rest.split_at(length);
        self.out.push_str(taken);
        self.rest = rest;
    }

    /// Takes a character that means itself.
    fn literal(&mut self, given: char) {
        push_literal(&mut self.out, given);
        self.rest = &self.rest[given.len_utf8()..];
    }

    /// What begins with a parenthesis; whether that is a group, and not flags alone.
    fn group(&mut self) -> Result<bool> {
        let Some(after) = self.rest.strip_prefix("(?") else {
            self.take(1);
            return Ok(true);
        };
        if let Some(named) = after.strip_prefix("P<").or_else(|| after.strip_prefix('<')) {
            let name = named.split_once('>').map(|(name, _)| name);
            let is_word = |name: &str| {
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            let Some(name) = name.filter(|name| is_word(name)) else {
                let end =
                    named.find('>').map_or(self.rest.len(), |end| self.rest.len() - named.len() + end + 1);
                return Err(PatternError::new("invalid named capture", &self.rest[..end]));
            };
            // Names mean nothing here, and Go's may begin with a digit.
            self.out.push('(');
            self.rest = &named[name.len() + 1..];
            return Ok(true);
        }
        let flags = after.find(|sign: char| !matches!(sign, 'i' | 'm' | 's' | 'U' | '-'));
        match flags.map(|end| (end, after.as_bytes()[end])) {
            Some((end, sign @ (b':' | b')'))) => {
                self.take(end + "(?:".len());
                Ok(sign == b':')
            }
            Some((end, _)) => {
                let end = after[end..].chars().next().map_or(end, |bad| end + bad.len_utf8());
                Err(PatternError::new("invalid or unsupported Perl syntax", format!("(?{}", &after[..end])))
            }
            None => Err(PatternError::new("missing argument to repetition operator", "?")),
        }
    }
}

fn push_literal(out: &mut String, given: char) {
    if given.is_ascii() && !given.is_ascii_alphanumeric() {
        out.push_str(&format!("\\x{:02X}", u32::from(given)));
    } else {
        out.push(given);
    }
}

/// How long a count such as `{2,3}` is; none if it is not one.
fn count(text: &str) -> Result<Option<usize>> {
    let Some(end) = text.find('}') else { return Ok(None) };
    let inner = &text[1..end];
    let (least, most) = inner.split_once(',').map_or((inner, None), |(least, most)| (least, Some(most)));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(least) || most.is_some_and(|most| !most.is_empty() && !is_number(most)) {
        return Ok(None);
    }
    let number = |text: &str| text.parse().unwrap_or(u32::MAX);
    let (first, last) = (number(least), most.filter(|most| !most.is_empty()).map(number));
    if first > MOST_TIMES || last.is_some_and(|last| last > MOST_TIMES || last < first) {
        return Err(PatternError::new("invalid repeat count", &text[..=end]));
    }
    Ok(Some(end + 1))
}

#[cfg(test)]
mod tests;
