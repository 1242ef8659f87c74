//! The paths of replacements: dots, escapes, `[key=value]`, indices and `*`.

use regex::Regex;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    /// `[key=regex]`; an empty key means the scalar itself.
    Where {
        key: String,
        value: String,
        regex: Regex,
    },
    Every,
}

#[derive(Debug, Clone)]
pub(crate) struct FieldPath {
    text: String,
    steps: Vec<Step>,
}

impl FieldPath {
    pub(crate) fn parse(text: &str) -> Result<FieldPath> {
        let steps = split(text).iter().map(|segment| parse_step(segment)).collect::<Result<_>>()?;
        Ok(FieldPath { text: text.to_string(), steps })
    }

    /// The one value at the path.
    pub(crate) fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.steps.iter().try_fold(value, |value, step| match (step, value) {
            (Step::Key(key), Value::Object(map)) => map.get(key),
            (Step::Key(key), Value::Array(items)) => items.get(key.parse::<usize>().ok()?),
            (Step::Where { key, regex, .. }, Value::Array(items)) => {
                items.iter().find(|item| fits(item, key, regex))
            }
            _ => None,
        })
    }

    /// Calls `set` on every value at the path. Missing maps and list items are made if `create` says so.
    pub(crate) fn change(
        &self,
        value: &mut Value,
        create: bool,
        set: &mut dyn FnMut(&mut Value) -> Result<()>,
    ) -> Result<()> {
        let mut found = 0;
        walk(value, &self.steps, create, &mut |value| {
            found += 1;
            set(value)
        })
        .map_err(|e| {
            e.doing(format!("unable to find or create field \"{}\" in replacement target", self.text))
        })?;
        if found == 0 {
            return Err(Error::new(format!("unable to find field \"{}\" in replacement target", self.text))
                .hint("options.create: true makes what is missing"));
        }
        Ok(())
    }
}

/// At dots outside brackets and not behind a backslash.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut segments = vec![String::new()];
    let (mut depth, mut escaped) = (0, false);
    for c in text.chars() {
        let last = segments.len() - 1;
        match c {
            '.' if escaped => {
                segments[last].pop();
                segments[last].push('.');
            }
            '.' if depth == 0 => segments.push(String::new()),
            '[' => {
                depth += 1;
                if depth == 1 && !segments[last].is_empty() {
                    segments.push(String::new());
                }
                let last = segments.len() - 1;
                segments[last].push(c);
            }
            _ => {
                if c == ']' {
                    depth -= 1;
                }
                segments[last].push(c);
            }
        }
        escaped = c == '\\' && !escaped;
    }
    segments.retain(|segment| !segment.is_empty());
    segments
}

fn parse_step(segment: &str) -> Result<Step> {
    if segment == "*" {
        return Ok(Step::Every);
    }
    let Some(inner) = segment.strip_prefix('[').and_then(|s| s.strip_suffix(']')) else {
        return Ok(Step::Key(segment.to_string()));
    };
    let Some((key, value)) = inner.split_once('=') else { return Ok(Step::Key(inner.to_string())) };
    let regex = Regex::new(value).map_err(|_| Error::new(format!("error parsing regexp: `{value}`")))?;
    Ok(Step::Where { key: key.to_string(), value: value.to_string(), regex })
}

fn fits(item: &Value, key: &str, regex: &Regex) -> bool {
    let value = if key.is_empty() { Some(item) } else { item.get(key) };
    match value {
        Some(Value::String(text)) => regex.is_match(text),
        Some(other) => regex.is_match(&other.to_string()),
        None => false,
    }
}

fn walk(
    value: &mut Value,
    steps: &[Step],
    create: bool,
    set: &mut dyn FnMut(&mut Value) -> Result<()>,
) -> Result<()> {
    let Some((step, rest)) = steps.split_first() else { return set(value) };
    if create && value.is_null() {
        *value = match step {
            Step::Key(key) if key.parse::<usize>().is_ok() => Value::Array(Vec::new()),
            Step::Key(_) => Value::Object(Map::new()),
            Step::Where { .. } => Value::Array(Vec::new()),
            Step::Every => Value::Null,
        };
    }
    match (step, value) {
        (Step::Every, Value::Array(items)) => {
            items.iter_mut().try_for_each(|item| walk(item, rest, create, set))
        }
        (Step::Every, Value::Object(map)) => {
            map.values_mut().try_for_each(|item| walk(item, rest, create, set))
        }
        (Step::Key(key), Value::Object(map)) => {
            if create && !map.contains_key(key) {
                map.insert(key.clone(), Value::Null);
            }
            map.get_mut(key).map_or(Ok(()), |next| walk(next, rest, create, set))
        }
        (Step::Key(key), Value::Array(items)) => {
            let index: usize =
                key.parse().map_err(|_| Error::new(format!("'{key}' is no index of a list")))?;
            if create && index == items.len() {
                items.push(Value::Null);
            }
            let len = items.len();
            let Some(next) = items.get_mut(index) else {
                return Err(Error::new(format!("index {index} specified but only {len} elements found")));
            };
            walk(next, rest, create, set)
        }
        (Step::Where { key, value, regex }, Value::Array(items)) => {
            if create && !items.iter().any(|item| fits(item, key, regex)) {
                items.push(new_item(key, value));
            }
            let matching = items.iter_mut().filter(|item| fits(item, key, regex));
            matching.into_iter().try_for_each(|item| walk(item, rest, create, set))
        }
        _ => Ok(()),
    }
}

fn new_item(key: &str, value: &str) -> Value {
    if key.is_empty() {
        return Value::String(value.to_string());
    }
    let mut map = Map::new();
    map.insert(key.to_string(), Value::String(value.to_string()));
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn segments() {
        assert_eq!(split("a.b.0"), ["a", "b", "0"]);
        assert_eq!(split(r"data.config\.json.x"), ["data", "config.json", "x"]);
        assert_eq!(split("metadata.annotations.[a.b/c]"), ["metadata", "annotations", "[a.b/c]"]);
        assert_eq!(
            split("spec.containers.[name=x.y].env[name=E].value"),
            ["spec", "containers", "[name=x.y]", "env", "[name=E]", "value"]
        );
    }
}
