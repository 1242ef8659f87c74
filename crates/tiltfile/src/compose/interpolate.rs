//! `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME?error}`, `${NAME:+other}`; `$$` is a dollar sign.

use serde_json::Value;

type Variable<'v> = &'v dyn Fn(&str) -> Option<String>;

/// Fills in all strings of a value, but not keys.
pub(super) fn all(value: &Value, variable: Variable<'_>) -> Result<Value, String> {
    Ok(match value {
        Value::String(s) => Value::String(text(s, variable)?),
        Value::Array(items) => {
            Value::Array(items.iter().map(|i| all(i, variable)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => Value::Object(
            map.iter().map(|(k, v)| Ok((k.clone(), all(v, variable)?))).collect::<Result<_, String>>()?,
        ),
        other => other.clone(),
    })
}

pub(super) fn text(source: &str, variable: Variable<'_>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = source;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('{') {
            let end = closing(inner).ok_or_else(|| format!("invalid interpolation format {source:?}"))?;
            out.push_str(&braced(&inner[..end], variable, source)?);
            rest = &inner[end + 1..];
        } else {
            let length = name_length(rest);
            if length == 0 {
                return Err(format!("invalid interpolation format {source:?}; write $$ for a dollar sign"));
            }
            out.push_str(&variable(&rest[..length]).unwrap_or_default());
            rest = &rest[length..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn name_length(text: &str) -> usize {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if starts { end } else { 0 }
}

/// The brace that closes the one before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut before = ' ';
    for (i, c) in text.char_indices() {
        match c {
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => return Some(i),
            '}' => depth -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

fn braced(inner: &str, variable: Variable<'_>, source: &str) -> Result<String, String> {
    let length = name_length(inner);
    let (name, rest) = inner.split_at(length);
    if name.is_empty() {
        return Err(format!("invalid interpolation format {source:?}"));
    }
    let value = variable(name);
    if rest.is_empty() {
        return Ok(value.unwrap_or_default());
    }
    let (counts_empty, operator) = match rest.strip_prefix(':') {
        Some(operator) => (true, operator),
        None => (false, rest),
    };
    let set = value.filter(|v| !(counts_empty && v.is_empty()));
    let mut operator = operator.chars();
    match (operator.next(), set) {
        (Some('-' | '?'), Some(value)) => Ok(value),
        (Some('-'), None) => text(operator.as_str(), variable),
        (Some('+'), Some(_)) => text(operator.as_str(), variable),
        (Some('+'), None) => Ok(String::new()),
        (Some('?'), None) => Err(match text(operator.as_str(), variable)? {
            message if message.is_empty() => format!("required variable {name} is missing a value"),
            message => format!("required variable {name} is missing a value: {message}"),
        }),
        _ => Err(format!("invalid interpolation format {source:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let variable = |name: &str| match name {
            "A" => Some("a".to_owned()),
            "E" => Some(String::new()),
            _ => None,
        };
        for (source, want) in [
            ("x$A-y", Ok("xa-y")),
            ("${A}${E}${N}", Ok("a")),
            ("$$A", Ok("$A")),
            ("${N:-d}${N-d}${E:-d}${E-d}", Ok("ddd")),
            ("${A:+b}${N:+b}${E:+b}${E+b}", Ok("bb")),
            ("${N:-${A}}", Ok("a")),
            ("${A?x}", Ok("a")),
            ("${N?gone}", Err("required variable N is missing a value: gone")),
            ("${N:?}", Err("required variable N is missing a value")),
            ("${", Err("invalid interpolation format \"${\"")),
            ("${A", Err("invalid interpolation format \"${A\"")),
            ("${A!}", Err("invalid interpolation format \"${A!}\"")),
            ("$", Err("invalid interpolation format \"$\"; write $$ for a dollar sign")),
        ] {
            let got = text(source, &variable);
            assert_eq!(got.as_deref().map_err(String::as_str), want, "{source}");
        }
    }
}
