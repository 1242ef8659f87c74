//! The paths of replacements: dots, escapes, `[key=value]`, indices and `*`.

use regex::Regex;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::{embedded, load};

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

    /// Calls `set` on every value at the path, and says whether the value was made for it. Missing maps and list items
    /// are made if `create` says so. A path may lead on into YAML or JSON that stands in a text.
    pub(crate) fn change(
        &self,
        value: &mut Value,
        create: bool,
        set: &mut dyn FnMut(&mut Value, bool) -> Result<()>,
    ) -> Result<()> {
        let (mut found, mut failed) = (0, None);
        let walked = walk(value, &self.steps, create, false, &mut |value, made| {
            found += 1;
            set(value, made).map_err(|e| {
                failed.get_or_insert(e);
                Error::new("the field cannot be set")
            })
        });
        if let Some(e) = failed {
            return Err(e);
        }
        let doing = if create { "find or create" } else { "find" };
        let message = format!("unable to {doing} field {:?} in replacement target", self.text);
        walked.map_err(|e| e.doing(&message))?;
        if found == 0 {
            return Err(Error::new(message).hint("options.create: true makes what is missing"));
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

type Set<'a> = dyn FnMut(&mut Value, bool) -> Result<()> + 'a;

/// `made`: the value has only just been made, on the way to what comes next.
fn walk(value: &mut Value, steps: &[Step], create: bool, made: bool, set: &mut Set<'_>) -> Result<()> {
    let Some((step, rest)) = steps.split_first() else { return set(value, made) };
    if create && value.is_null() {
        *value = match step {
            Step::Key(key) if key.parse::<usize>().is_ok() => Value::Array(Vec::new()),
            Step::Key(_) => Value::Object(Map::new()),
            Step::Where { .. } => Value::Array(Vec::new()),
            Step::Every => Value::Null,
        };
    }
    match (step, value) {
        (_, Value::Null) => Ok(()),
        (_, Value::String(text)) if embedded::may_be(text) => {
            embedded::change(text, |value| walk(value, steps, create, made, set))
        }
        (Step::Every, Value::Array(items)) => {
            items.iter_mut().try_for_each(|item| walk(item, rest, create, made, set))
        }
        (Step::Key(key), Value::Object(map)) => {
            let made = create && !map.contains_key(key);
            if made {
                map.insert(key.clone(), Value::Null);
            }
            map.get_mut(key).map_or(Ok(()), |next| walk(next, rest, create, made, set))
        }
        (Step::Key(key), Value::Array(items)) if key.parse::<usize>().is_ok() => {
            let index: usize = key.parse().unwrap_or(usize::MAX);
            let made = create && index == items.len();
            if made {
                items.push(Value::Null);
            }
            let len = items.len();
            let Some(next) = items.get_mut(index) else {
                return Err(Error::new(format!("index {index} specified but only {len} elements found")));
            };
            walk(next, rest, create, made, set)
        }
        (Step::Where { key, value, regex }, Value::Array(items)) => {
            let made = create && !items.iter().any(|item| fits(item, key, regex));
            if made {
                let item = new_item(key, value);
                items.push(item);
                let last = items.len() - 1;
                return walk(&mut items[last], rest, create, made, set);
            }
            let matching = items.iter_mut().filter(|item| fits(item, key, regex));
            matching.into_iter().try_for_each(|item| walk(item, rest, create, made, set))
        }
        (Step::Key(_), other) => Err(wrong_kind("MappingNode", other)),
        (Step::Every | Step::Where { .. }, other) => Err(wrong_kind("SequenceNode", other)),
    }
}

/// What kustomize calls the kind of a value.
pub(crate) fn node_kind(value: &Value) -> &'static str {
    match value {
        Value::Object(_) => "MappingNode",
        Value::Array(_) => "SequenceNode",
        _ => "ScalarNode",
    }
}

/// That a value is not of the kind that was expected.
pub(crate) fn wrong_kind(wanted: &str, found: &Value) -> Error {
    let kind = node_kind(found);
    let contents = yaml::to_string(found);
    let contents = contents.trim_end();
    Error::new(format!("wrong node kind: expected {wanted} but got {kind}: node contents:\n{contents}"))
}

fn new_item(key: &str, value: &str) -> Value {
    let value = load::plain_scalar(value);
    if key.is_empty() {
        return value;
    }
    Value::Object([(key.to_string(), value)].into_iter().collect())
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
