//! `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME?error}`, `${NAME:+other}`; `$$` is a dollar sign.

use serde_json::Value;
use std::fmt;

type Variable<'v> = &'v dyn Fn(&str) -> Option<String>;

/// Why a text cannot be filled in.
#[derive(Debug, PartialEq)]
pub(super) enum Wrong {
    /// The whole text, which is no template.
    Template(String),
    Missing(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Template(text) => write!(f, "Invalid template: {text:?}"),
            Wrong::Missing(message) => f.write_str(message),
        }
    }
}

/// Fills in all strings of a value, but not keys; texts where a number or a truth value belongs become one.
pub(super) fn all(value: &Value, variable: Variable<'_>) -> Result<Value, String> {
    inner(value, variable, &mut Vec::new())
}

fn inner<'v>(value: &'v Value, variable: Variable<'_>, path: &mut Vec<&'v str>) -> Result<Value, String> {
    Ok(match value {
        Value::String(source) => {
            let at = || path.join(".");
            let filled = text(source, variable).map_err(|e| match e {
                Wrong::Template(text) => format!(
                    "invalid interpolation format for {}.\nYou may need to escape any $ with another $.\n{text}",
                    at()
                ),
                Wrong::Missing(message) => format!("error while interpolating {}: {message}", at()),
            })?;
            match cast(path, &filled) {
                None => Value::String(filled),
                Some(cast) => cast.map_err(|e| {
                    format!("error while interpolating {}: failed to cast to expected type: {e}", at())
                })?,
            }
        }
        Value::Array(items) => {
            path.push("[]");
            let items = items.iter().map(|item| inner(item, variable, path)).collect::<Result<_, _>>();
            path.pop();
            Value::Array(items?)
        }
        Value::Object(map) => {
            let mut out = serde_json::Map::new();
            for (key, value) in map {
                path.push(key);
                let value = inner(value, variable, path);
                path.pop();
                out.insert(key.clone(), value?);
            }
            Value::Object(out)
        }
        other => other.clone(),
    })
}

/// Paths whose texts are numbers or truth values; `*` is any name.
const INTEGERS: [&str; 20] = [
    "services.*.configs.[].mode",
    "services.*.cpu_count",
    "services.*.cpu_period",
    "services.*.cpu_quota",
    "services.*.cpu_shares",
    "services.*.deploy.placement.max_replicas_per_node",
    "services.*.deploy.replicas",
    "services.*.deploy.restart_policy.max_attempts",
    "services.*.deploy.rollback_config.parallelism",
    "services.*.deploy.update_config.parallelism",
    "services.*.healthcheck.retries",
    "services.*.mem_swappiness",
    "services.*.oom_score_adj",
    "services.*.pids_limit",
    "services.*.ports.[].target",
    "services.*.scale",
    "services.*.secrets.[].mode",
    "services.*.ulimits.*",
    "services.*.ulimits.*.hard",
    "services.*.ulimits.*.soft",
];
const FLOATS: [&str; 4] = [
    "services.*.cpu_percent",
    "services.*.cpus",
    "services.*.deploy.rollback_config.max_failure_ratio",
    "services.*.deploy.update_config.max_failure_ratio",
];
const BOOLEANS: [&str; 15] = [
    "services.*.healthcheck.disable",
    "services.*.init",
    "services.*.oom_kill_disable",
    "services.*.privileged",
    "services.*.read_only",
    "services.*.stdin_open",
    "services.*.tty",
    "services.*.volumes.[].read_only",
    "services.*.volumes.[].volume.nocopy",
    "networks.*.external",
    "networks.*.internal",
    "networks.*.attachable",
    "volumes.*.external",
    "secrets.*.external",
    "configs.*.external",
];

/// A text of a place where something else belongs.
fn cast(path: &[&str], text: &str) -> Option<Result<Value, String>> {
    let is_at = |pattern: &&str| {
        let mut parts = pattern.split('.');
        path.iter().all(|at| parts.next().is_some_and(|part| part == "*" || part == *at))
            && parts.next().is_none()
    };
    if INTEGERS.iter().any(is_at) {
        let wrong = || format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
        return Some(text.parse::<i64>().map(Value::from).map_err(|_| wrong()));
    }
    if FLOATS.iter().any(is_at) {
        let wrong = || format!("strconv.ParseFloat: parsing {text:?}: invalid syntax");
        return Some(text.parse::<f64>().map(Value::from).map_err(|_| wrong()));
    }
    if BOOLEANS.iter().any(is_at) {
        return Some(match text.to_lowercase().as_str() {
            "true" | "1" | "t" | "y" | "yes" | "on" => Ok(Value::Bool(true)),
            "false" | "0" | "f" | "n" | "no" | "off" => Ok(Value::Bool(false)),
            _ => Err(format!("invalid boolean: {text}")),
        });
    }
    None
}

pub(super) fn text(source: &str, variable: Variable<'_>) -> Result<String, Wrong> {
    let wrong = || Wrong::Template(source.to_owned());
    let mut out = String::new();
    let mut rest = source;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('{') {
            let end = closing(inner).ok_or_else(wrong)?;
            out.push_str(&braced(&inner[..end], variable, source)?);
            rest = &inner[end + 1..];
        } else {
            let length = name_length(rest);
            if length == 0 {
                return Err(wrong());
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

fn braced(inner: &str, variable: Variable<'_>, source: &str) -> Result<String, Wrong> {
    let wrong = || Wrong::Template(source.to_owned());
    let length = name_length(inner);
    let (name, rest) = inner.split_at(length);
    if name.is_empty() {
        return Err(wrong());
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
        (Some('?'), None) => Err(Wrong::Missing(match text(operator.as_str(), variable)? {
            message if message.is_empty() => format!("required variable {name} is missing a value"),
            message => format!("required variable {name} is missing a value: {message}"),
        })),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn variable(name: &str) -> Option<String> {
        match name {
            "A" => Some("a".to_owned()),
            "E" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn forms() {
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
            ("${", Err("Invalid template: \"${\"")),
            ("${A", Err("Invalid template: \"${A\"")),
            ("${A!}", Err("Invalid template: \"${A!}\"")),
            ("$", Err("Invalid template: \"$\"")),
        ] {
            let got = text(source, &variable).map_err(|e| e.to_string());
            assert_eq!(got.as_deref().map_err(String::as_str), want, "{source}");
        }
    }

    #[test]
    fn kinds() {
        let value = json!({"services": {"web": {"tty": "yes", "scale": "2", "cpus": "0.5", "image": "1"}}});
        let want = json!({"services": {"web": {"tty": true, "scale": 2, "cpus": 0.5, "image": "1"}}});
        assert_eq!(all(&value, &variable), Ok(want));
    }
}
