//! Regular expressions of selectors: Go's grammar nearly word for word, and its words for what is wrong.

use regex::Regex;

use crate::error::{Error, Result};

/// An expression that must match a whole text; an empty one matches everything.
pub(crate) fn anchored(pattern: &str) -> Result<Option<Regex>> {
    if pattern.is_empty() {
        return Ok(None);
    }
    let whole = format!("^(?:{pattern})$");
    Regex::new(&whole).map(Some).map_err(|e| {
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
    use super::anchored;

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
            let error = anchored(pattern).unwrap_err().to_string();
            assert!(error.contains(&format!("error parsing regexp: {expected}")), "{pattern}: {error}");
        }
        assert!(anchored("a.*").unwrap().unwrap().is_match("abc"));
        assert!(anchored("").unwrap().is_none());
    }
}
