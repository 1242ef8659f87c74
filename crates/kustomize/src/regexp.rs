//! Regular expressions of selectors: Go's grammar nearly word for word, and its words for what is wrong.

use regex::Regex;

use crate::error::{Error, Result};

/// An expression that must match a whole text.
#[derive(Debug)]
pub(crate) enum Anchored {
    /// A name, as most are: compiling it would take longer than all else that is done with it.
    Plain(Plain),
    Regex(Regex),
}

impl Anchored {
    pub(crate) fn is_match(&self, text: &str) -> bool {
        match self {
            Anchored::Plain(plain) => plain.rest_of(text) == Some(""),
            Anchored::Regex(regex) => regex.is_match(text),
        }
    }
}

/// An expression in which nothing but a dot has a meaning of its own.
#[derive(Debug)]
pub(crate) struct Plain(String);

impl Plain {
    pub(crate) fn new(pattern: &str) -> Option<Plain> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_/:@.".contains(c);
        pattern.chars().all(is_plain).then(|| Plain(pattern.to_owned()))
    }

    /// What follows a match at the beginning of a text.
    pub(crate) fn rest_of<'a>(&self, text: &'a str) -> Option<&'a str> {
        let mut rest = text.chars();
        let fits = self.0.chars().all(|wanted| match rest.next() {
            Some(found) if wanted == '.' => found != '\n',
            found => found == Some(wanted),
        });
        fits.then_some(rest.as_str())
    }
}

/// An expression that must match a whole text; an empty one matches everything.
pub(crate) fn anchored(pattern: &str) -> Result<Option<Anchored>> {
    if pattern.is_empty() {
        return Ok(None);
    }
    if let Some(plain) = Plain::new(pattern) {
        return Ok(Some(Anchored::Plain(plain)));
    }
    let whole = format!("^(?:{pattern})$");
    Regex::new(&whole).map(Anchored::Regex).map(Some).map_err(|e| {
        Error::new(format!("error parsing regexp: {}", in_go(&e.to_string(), &whole))).hint(
            "a selector is a regular expression; a dot or a bracket that means itself takes a backslash",
        )
    })
}

/// What Go says of an expression that `regex` has refused.
fn in_go(refused: &str, whole: &str) -> String {
    let what = refused.lines().filter_map(|line| line.strip_prefix("error: ")).next_back().unwrap_or("");
    match what {
        "unclosed character class" => format!("missing closing ]: `{}`", &whole[open_class(whole)..]),
        "unclosed group" => format!("missing closing ): `{whole}`"),
        "unopened group" => format!("unexpected ): `{whole}`"),
        "repetition operator missing expression" => {
            let operator = operator_of(whole).unwrap_or('*');
            format!("missing argument to repetition operator: `{operator}`")
        }
        "" => format!("`{whole}`"),
        other => format!("{other}: `{whole}`"),
    }
}

/// Where the class begins that nothing closes.
fn open_class(whole: &str) -> usize {
    let mut open = None;
    let mut chars = whole.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '[' if open.is_none() => open = Some(at),
            ']' => open = None,
            _ => {}
        }
    }
    open.unwrap_or(0)
}

/// The first repetition with nothing before it.
fn operator_of(whole: &str) -> Option<char> {
    let rest = whole.strip_prefix("^(?:")?;
    let mut before = '(';
    for c in rest.chars() {
        if "*+?".contains(c) && "(|".contains(before) {
            return Some(c);
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Anchored, Plain, anchored};

    #[test]
    fn as_go_says_it() {
        let cases = [
            ("[", "missing closing ]: `[)$`"),
            (r"a\[[b", "missing closing ]: `[b)$`"),
            ("(", "missing closing ): `^(?:()$`"),
            (")", "unexpected ): `^(?:))$`"),
            (r"a\", r"missing closing ): `^(?:a\)$`"),
            ("*a", "missing argument to repetition operator: `*`"),
        ];
        for (pattern, expected) in cases {
            let error = anchored(pattern).expect_err(pattern).to_string();
            assert!(error.contains(&format!("error parsing regexp: {expected}")), "{pattern}: {error}");
        }
        assert!(anchored("a.*").unwrap().unwrap().is_match("abc"));
        assert!(anchored("").unwrap().is_none());
    }

    #[test]
    fn plain_names_match_as_their_expressions_do() {
        for pattern in ["web", "a.c", "a/b:5000/c-d_e", "a..", "."] {
            let Some(Anchored::Plain(plain)) = anchored(pattern).unwrap() else { panic!("{pattern}") };
            let regex = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
            let prefix = regex::Regex::new(&format!("^(?:{pattern})")).unwrap();
            for text in
                ["", "web", "webs", "a.c", "abc", "a\nc", "aéc", "a/b:5000/c-d_e", "é", "a\n", "ab", "abcd"]
            {
                assert_eq!(plain.rest_of(text) == Some(""), regex.is_match(text), "{pattern} {text:?}");
                let rest = prefix.find(text).map(|found| &text[found.end()..]);
                assert_eq!(plain.rest_of(text), rest, "{pattern} {text:?}");
            }
        }
        assert!(Plain::new("a.*").is_none() && Plain::new("é").is_none());
    }
}
