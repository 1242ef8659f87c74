//! Splitting into words and expanding variables, as Docker's own small shell does.

use crate::Glob;
use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    #[error("`{word}` has an unfinished quote or `${{`")]
    Unfinished { word: String },
    #[error("`${{{name}{operator}` is not a form of expansion that we know")]
    Operator { name: String, operator: String },
    #[error("{name}: {message}")]
    Required { name: String, message: String },
}

/// Expands `$name`, `${name}`, `${name:-word}` and the like, and takes quotes away. Unknown variables are empty.
pub fn expand(word: &str, escape: char, get: &dyn Fn(&str) -> Option<String>) -> Result<String, ExpandError> {
    let mut expander = Expander { chars: word.chars().peekable(), word, escape, get, quotes: true };
    expander.run(None)
}

/// As [`expand`] for the body of a here-document, where quotes are text.
pub(crate) fn expand_body(
    body: &str,
    escape: char,
    get: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ExpandError> {
    let mut expander = Expander { chars: body.chars().peekable(), word: body, escape, get, quotes: false };
    expander.run(None)
}

struct Expander<'a> {
    chars: Peekable<Chars<'a>>,
    word: &'a str,
    escape: char,
    get: &'a dyn Fn(&str) -> Option<String>,
    /// Are quotes special here?
    quotes: bool,
}

impl Expander<'_> {
    /// Up to `end` (which is eaten) or the end of the word.
    fn run(&mut self, end: Option<char>) -> Result<String, ExpandError> {
        let mut out = String::new();
        while let Some(char) = self.chars.next() {
            match char {
                char if Some(char) == end => return Ok(out),
                '\'' if self.quotes => out.push_str(&self.single()?),
                '"' if self.quotes => out.push_str(&self.double()?),
                '$' => out.push_str(&self.variable()?),
                char if char == self.escape => match self.chars.next() {
                    Some(next) if self.quotes || next == '$' || next == self.escape => out.push(next),
                    Some(next) => out.extend([char, next]),
                    None => out.push(char),
                },
                other => out.push(other),
            }
        }
        if end.is_some() { Err(self.unfinished()) } else { Ok(out) }
    }

    fn unfinished(&self) -> ExpandError {
        ExpandError::Unfinished { word: self.word.to_owned() }
    }

    fn single(&mut self) -> Result<String, ExpandError> {
        let mut out = String::new();
        loop {
            match self.chars.next().ok_or_else(|| self.unfinished())? {
                '\'' => return Ok(out),
                other => out.push(other),
            }
        }
    }

    fn double(&mut self) -> Result<String, ExpandError> {
        let mut out = String::new();
        loop {
            match self.chars.next().ok_or_else(|| self.unfinished())? {
                '"' => return Ok(out),
                '$' => out.push_str(&self.variable()?),
                char if char == self.escape => match self.chars.next().ok_or_else(|| self.unfinished())? {
                    next if next == '"' || next == '$' || next == self.escape => out.push(next),
                    next => out.extend([char, next]),
                },
                other => out.push(other),
            }
        }
    }

    /// What follows a `$`.
    fn variable(&mut self) -> Result<String, ExpandError> {
        match self.chars.peek() {
            Some('{') => {
                self.chars.next();
                self.braced()
            }
            Some(char) if char.is_ascii_alphabetic() || *char == '_' => {
                let name = self.name();
                Ok((self.get)(&name).unwrap_or_default())
            }
            // Positional and special parameters have no value in a Dockerfile.
            Some(char)
                if char.is_ascii_digit() || matches!(char, '@' | '*' | '#' | '?' | '-' | '$' | '!') =>
            {
                self.chars.next();
                Ok(String::new())
            }
            _ => Ok("$".to_owned()),
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(char) = self.chars.next_if(|char| char.is_ascii_alphanumeric() || *char == '_') {
            name.push(char);
        }
        name
    }

    fn braced(&mut self) -> Result<String, ExpandError> {
        let name = self.name();
        let value = (self.get)(&name);
        let operator = self.chars.next().ok_or_else(|| self.unfinished())?;
        let unknown = |operator: String| ExpandError::Operator { name: name.clone(), operator };
        match operator {
            '}' if !name.is_empty() => Ok(value.unwrap_or_default()),
            ':' => {
                let second = self.chars.next().ok_or_else(|| self.unfinished())?;
                let word = self.run(Some('}'))?;
                choose(&name, second, value.filter(|value| !value.is_empty()), word)
                    .unwrap_or_else(|| Err(unknown(format!(":{second}"))))
            }
            '-' | '+' | '?' => {
                let word = self.run(Some('}'))?;
                choose(&name, operator, value, word).unwrap_or_else(|| Err(unknown(operator.to_string())))
            }
            '#' | '%' => {
                let longest = self.chars.next_if_eq(&operator).is_some();
                let pattern = self.run(Some('}'))?;
                Ok(trim(&value.unwrap_or_default(), &pattern, operator == '#', longest))
            }
            '/' => {
                let all = self.chars.next_if_eq(&'/').is_some();
                let rest = self.run(Some('}'))?;
                let (pattern, new) = rest.split_once('/').unwrap_or((&rest, ""));
                Ok(replace(&value.unwrap_or_default(), pattern, new, all))
            }
            other => Err(unknown(other.to_string())),
        }
    }
}

/// `-`: the word instead of nothing; `+`: the word instead of something; `?`: the word is the complaint.
fn choose(
    name: &str,
    operator: char,
    value: Option<String>,
    word: String,
) -> Option<Result<String, ExpandError>> {
    match operator {
        '-' => Some(Ok(value.unwrap_or(word))),
        '+' => Some(Ok(value.map(|_| word).unwrap_or_default())),
        '?' => Some(value.ok_or_else(|| ExpandError::Required {
            name: name.to_owned(),
            message: if word.is_empty() { "not set".to_owned() } else { word },
        })),
        _ => None,
    }
}

fn trim(value: &str, pattern: &str, front: bool, longest: bool) -> String {
    let glob = Glob::text(pattern);
    let mut cuts: Vec<usize> = value.char_indices().map(|(at, _)| at).chain([value.len()]).collect();
    if front == longest {
        cuts.reverse();
    }
    let cut = cuts.into_iter().find(|at| glob.matches(if front { &value[..*at] } else { &value[*at..] }));
    match cut {
        Some(at) if front => value[at..].to_owned(),
        Some(at) => value[..at].to_owned(),
        None => value.to_owned(),
    }
}

fn replace(value: &str, pattern: &str, new: &str, all: bool) -> String {
    if pattern.is_empty() {
        return value.to_owned();
    }
    if all { value.replace(pattern, new) } else { value.replacen(pattern, new, 1) }
}

/// Splits at blanks outside quotes; quotes stay. Offsets are into the text.
pub(crate) fn split(text: &str, escape: char) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote: Option<char> = None;
    let mut skip = false;
    for (at, char) in text.char_indices() {
        if skip {
            skip = false;
            continue;
        }
        let blank = quote.is_none() && char.is_whitespace();
        match (blank, start) {
            (true, Some(begin)) => {
                words.push((begin, &text[begin..at]));
                start = None;
                continue;
            }
            (true, None) => continue,
            (false, None) => start = Some(at),
            (false, Some(_)) => {}
        }
        if quote != Some('\'') && char == escape {
            skip = true;
        } else if quote == Some(char) {
            quote = None;
        } else if quote.is_none() && matches!(char, '"' | '\'') {
            quote = Some(char);
        }
    }
    words.extend(start.map(|begin| (begin, &text[begin..])));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(words: &[&str], expect: Expect) {
        let get = |name: &str| match name {
            "A" => Some("a b".to_owned()),
            "E" => Some(String::new()),
            "V" => Some("v1.2.3/x.tar.gz".to_owned()),
            _ => None,
        };
        let lines: Vec<String> = words
            .iter()
            .map(|word| match expand(word, '\\', &get) {
                Ok(text) => format!("{word} => {text}\n"),
                Err(error) => format!("{word} => error: {error}\n"),
            })
            .collect();
        expect.assert_eq(&lines.concat());
    }

    #[test]
    fn expansion() {
        check(
            &[
                "x$A.y",
                "${A}z",
                "$N|",
                "${N:-d$A}",
                "${E:-d}",
                "${E-d}",
                "${A:+yes}",
                "${N+yes}",
                "'$A'",
                "\"$A'\"",
                "\\$A",
                "a\\ b",
                "\"a\\b\\\"\"",
                "${N:?must be set}",
                "${N?}",
                "${V#v}",
                "${V%.*}",
                "${V%%.*}",
                "${V##*/}",
                "${V/./-}",
                "${V//./-}",
                "${N:-${E:-in}}",
                "cost$",
                "$1",
                "${A",
                "'x",
                "${A^}",
                "${A:=x}",
            ],
            expect![[r#"
                x$A.y => xa b.y
                ${A}z => a bz
                $N| => |
                ${N:-d$A} => da b
                ${E:-d} => d
                ${E-d} => 
                ${A:+yes} => yes
                ${N+yes} => 
                '$A' => $A
                "$A'" => a b'
                \$A => $A
                a\ b => a b
                "a\b\"" => a\b"
                ${N:?must be set} => error: N: must be set
                ${N?} => error: N: not set
                ${V#v} => 1.2.3/x.tar.gz
                ${V%.*} => v1.2.3/x.tar
                ${V%%.*} => v1
                ${V##*/} => x.tar.gz
                ${V/./-} => v1-2.3/x.tar.gz
                ${V//./-} => v1-2-3/x-tar-gz
                ${N:-${E:-in}} => in
                cost$ => cost$
                $1 => 
                ${A => error: `${A` has an unfinished quote or `${`
                'x => error: `'x` has an unfinished quote or `${`
                ${A^} => error: `${A^` is not a form of expansion that we know
                ${A:=x} => error: `${A:=` is not a form of expansion that we know
            "#]],
        );
    }

    #[test]
    fn splitting() {
        let words: Vec<&str> =
            split("a  \"b c\"=d e\\ f 'g h'", '\\').into_iter().map(|(_, word)| word).collect();
        assert_eq!(words, ["a", "\"b c\"=d", "e\\ f", "'g h'"]);
    }
}
