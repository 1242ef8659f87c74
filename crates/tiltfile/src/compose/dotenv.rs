//! `.env` files.

use super::interpolate;
use std::collections::BTreeMap;

/// Assignments in order; a value may use what stands before it, and `outer`.
pub(super) fn parse(
    text: &str,
    outer: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, String> {
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start_matches('\u{feff}').trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // `NAME: value` does as well
        let Some((name, value)) = line.split_once(['=', ':']) else {
            // a name alone is taken from outside
            if let Some(value) = outer(line) {
                variables.insert(line.to_owned(), value);
            }
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        let is_odd = |c: &char| {
            !c.is_alphanumeric() && !c.is_whitespace() && !matches!(c, '_' | '.' | '-' | '[' | ']')
        };
        if let Some(odd) = name.chars().find(is_odd) {
            let odd = odd.to_string();
            return Err(format!(
                "line {}: unexpected character {odd:?} in variable name {line:?}",
                number + 1
            ));
        }
        if name.contains(' ') {
            return Err(format!("line {}: key cannot contain a space", number + 1));
        }
        let value = match value.chars().next() {
            Some('\'') => quoted(value, '\'', number, &mut lines)?,
            Some('"') => {
                let inner = unescape(&quoted(value, '"', number, &mut lines)?);
                fill_in(&inner, &variables, outer)?
            }
            _ => {
                let end = value.find(" #").unwrap_or(value.len());
                fill_in(value[..end].trim_end(), &variables, outer)?
            }
        };
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

fn fill_in(
    text: &str,
    known: &BTreeMap<String, String>,
    outer: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    interpolate::text(text, &|name| outer(name).or_else(|| known.get(name).cloned()))
        .map_err(|e| e.to_string())
}

/// Up to the closing quote, which may be some lines below.
fn quoted<'t>(
    start: &str,
    quote: char,
    number: usize,
    lines: &mut impl Iterator<Item = (usize, &'t str)>,
) -> Result<String, String> {
    let mut text = start[1..].to_owned();
    loop {
        let mut escaped = false;
        for (i, c) in text.char_indices() {
            if c == quote && !escaped {
                return Ok(text[..i].to_owned());
            }
            escaped = quote == '"' && c == '\\' && !escaped;
        }
        match lines.next() {
            Some((_, line)) => {
                text.push('\n');
                text.push_str(line);
            }
            None => return Err(format!("line {}: unterminated quoted value {start}", number + 1)),
        }
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('$') => out.push_str("$$"),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            (c, false) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn files() {
        let text = "# c\nA=1\nexport B = two words # c\nY: yes=1\nC='$A'\nD=\"${A}\\n$OUT\"\nE=\nOUT\nNOT\nF=${A:-x}-${Z:-z}\nG=\"a\nb\"\n";
        let got = super::parse(text, &|n| (n == "OUT").then(|| "out".to_owned())).expect("it is well formed");
        let got: Vec<String> = got.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
        expect_test::expect![[
            r#"A="1" B="two words" C="$A" D="1\nout" E="" F="1-z" G="a\nb" OUT="out" Y="yes=1""#
        ]]
        .assert_eq(&got.join(" "));
        assert!(super::parse("A='x\n", &|_| None).is_err());
        for (text, want) in [
            ("A=1\na b=1\n", "line 2: key cannot contain a space"),
            ("a?=1\n", "line 1: unexpected character \"?\" in variable name \"a?=1\""),
            ("A='x\n", "line 1: unterminated quoted value 'x"),
        ] {
            assert_eq!(super::parse(text, &|_| None), Err(want.to_owned()));
        }
    }
}
