//! Patterns of objects: regular expressions, with what Go says of one that is none.

use crate::call::{Failure, Result};

/// A case-insensitive pattern that may match anywhere; `None` if empty.
pub(super) fn partial_pattern(field: &str, pattern: &str) -> Result<Option<regex::Regex>> {
    if pattern.is_empty() {
        return Ok(None);
    }
    match regex::RegexBuilder::new(pattern).case_insensitive(true).build() {
        Ok(pattern) => Ok(Some(pattern)),
        Err(e) => Err(Failure::new(format!(
            "error parsing {field} regexp: error parsing regexp: {}",
            problem(pattern, &e)
        ))),
    }
}

/// The most frequent mistakes in Go's words; others in those of our own reader.
fn problem(pattern: &str, e: &regex::Error) -> String {
    let regex::Error::Syntax(text) = e else { return e.to_string() };
    let says = |what: &str| text.contains(what);
    let whole = format!("(?i){pattern}");
    if says("repetition operator missing expression") {
        let start = pattern.find(['*', '+', '?']).unwrap_or(0);
        let operator: String = pattern[start..].chars().take_while(|c| "*+?".contains(*c)).collect();
        return format!("missing argument to repetition operator: `{operator}`");
    }
    if says("unclosed character class") {
        let start = pattern.rfind('[').unwrap_or(0);
        return format!("missing closing ]: `{}`", &pattern[start..]);
    }
    if says("unclosed group") {
        return format!("missing closing ): `{whole}`");
    }
    if says("unopened group") {
        return format!("unexpected ): `{whole}`");
    }
    if says("incomplete escape sequence") {
        return "trailing backslash at end of expression: ``".to_owned();
    }
    if says("unrecognized escape sequence") || says("backreferences are not supported") {
        let escape = pattern
            .match_indices('\\')
            .map(|(i, _)| pattern[i..].chars().take(2).collect::<String>())
            .find(|escape| regex::Regex::new(escape).is_err());
        return format!("invalid escape sequence: `{}`", escape.unwrap_or_default());
    }
    if says("invalid repetition count range") {
        let start = pattern.find('{').unwrap_or(0);
        let end = pattern[start..].find('}').map_or(pattern.len(), |end| start + end + 1);
        return format!("invalid repeat count: `{}`", &pattern[start..end]);
    }
    if says("look-around") {
        let start = pattern.find("(?").unwrap_or(0);
        let operator: String = pattern[start..].chars().take(3).collect();
        return format!("invalid or unsupported Perl syntax: `{operator}`");
    }
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn what_is_wrong() {
        let mut out = String::new();
        for pattern in ["*", "a[b", "(a", "a)", "a\\", "\\y", "(a)\\1", "(?=a)", "a{2,1}"] {
            let e = partial_pattern("kind", pattern).expect_err("none is a pattern");
            writeln!(out, "{pattern} {}", e.message).expect("a String takes all");
        }
        expect_test::expect![[r#"
            * error parsing kind regexp: error parsing regexp: missing argument to repetition operator: `*`
            a[b error parsing kind regexp: error parsing regexp: missing closing ]: `[b`
            (a error parsing kind regexp: error parsing regexp: missing closing ): `(?i)(a`
            a) error parsing kind regexp: error parsing regexp: unexpected ): `(?i)a)`
            a\ error parsing kind regexp: error parsing regexp: trailing backslash at end of expression: ``
            \y error parsing kind regexp: error parsing regexp: invalid escape sequence: `\y`
            (a)\1 error parsing kind regexp: error parsing regexp: invalid escape sequence: `\1`
            (?=a) error parsing kind regexp: error parsing regexp: invalid or unsupported Perl syntax: `(?=`
            a{2,1} error parsing kind regexp: error parsing regexp: invalid repeat count: `{2,1}`
        "#]]
        .assert_eq(&out);
    }
}
