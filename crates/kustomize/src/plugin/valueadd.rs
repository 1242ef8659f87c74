//! `ValueAddTransformer`: one value into fields of many resources, whole or as a part of a path.

use serde_json::{Map, Value};
use yaml::{Duplicates, Keys, Options, Rules};

use crate::accumulate::Root;
use crate::decode::{Fields, Source};
use crate::error::{Error, Result};
use crate::resmap::ResMap;
use crate::select::Matcher;
use crate::spec::{Selector, read as config};
use crate::transform::{NamespaceRule, names};
use crate::{load, path};

pub(super) struct ValueAdd {
    value: String,
    targets: Vec<Target>,
}

struct Target {
    /// `None`: all resources.
    selector: Option<Selector>,
    field_path: String,
    /// Zero: the value replaces the field; else its place among the parts of the path that the field holds.
    position: usize,
}

impl ValueAdd {
    pub(super) fn read(root: &Root<'_, '_>, f: &mut Fields<'_>) -> Result<ValueAdd> {
        let mut value = f.string("value")?.trim().to_string();
        if value.is_empty() {
            value = path::base_name(&root.canonical).to_string();
        }
        let mut targets = read_targets(f)?;
        let file = f.string("targetFilePath")?;
        if !file.is_empty() {
            targets.extend(targets_of_file(root, &file)?);
        }
        if targets.is_empty() {
            return Err(Error::new("must specify at least one target"));
        }
        let targets = targets.into_iter().map(check).collect::<Result<_>>()?;
        Ok(ValueAdd { value, targets })
    }

    pub(super) fn run(&self, resources: &mut ResMap) -> Result<()> {
        for target in &self.targets {
            let matcher = target.selector.as_ref().map(Matcher::new).transpose()?;
            for at in 0..resources.resources().len() {
                let resource = resources.get(at);
                if matcher.as_ref().is_some_and(|matcher| !matcher.matches(resource)) {
                    continue;
                }
                if target.field_path == "metadata/namespace" {
                    let rule = NamespaceRule { namespace: self.value.clone(), ..NamespaceRule::default() };
                    let scopes = resources.scopes();
                    resources.change(at, |resource| names::set_namespace(resource, &scopes, &rule, &[]))?;
                    continue;
                }
                resources.change(at, |resource| target.set(&mut resource.object, &self.value))?;
            }
        }
        Ok(())
    }
}

struct RawTarget {
    selector: Option<Selector>,
    field_path: String,
    position: i64,
}

fn read_targets(f: &mut Fields<'_>) -> Result<Vec<RawTarget>> {
    f.each("targets", "Target", |mut f| {
        Ok(RawTarget {
            selector: f.one("selector", "Selector", config::read_selector)?,
            field_path: f.string("fieldPath")?,
            position: f.int("filePathPosition")?.unwrap_or(0),
        })
    })
}

fn targets_of_file(root: &Root<'_, '_>, file: &str) -> Result<Vec<RawTarget>> {
    let (_, text) = root.load_text(file)?;
    let options = Options { rules: Rules::Sigs, duplicates: Duplicates::LastWins, keys: Keys::ToText };
    let documents = yaml::parse_spanned_with(&text, &options)?;
    let Some(document) = documents.first() else { return Ok(Vec::new()) };
    read_targets(&mut Fields::new(Source::of_plugin(&text), document, "Targets")?)
}

fn check(raw: RawTarget) -> Result<Target> {
    if raw.field_path.is_empty() {
        return Err(Error::new("fieldPath cannot be empty"));
    }
    let position = usize::try_from(raw.position).map_err(|_| {
        Error::new(format!("value of FilePathPosition ({}) cannot be negative", raw.position))
    })?;
    Ok(Target { selector: raw.selector, field_path: raw.field_path, position })
}

impl Target {
    fn set(&self, object: &mut Value, value: &str) -> Result<()> {
        let escaped = self.field_path.replace("\\/", "\u{0}");
        let segments: Vec<String> = escaped
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| segment.replace('\u{0}', "/"))
            .collect();
        let field = segments.iter().try_fold(object, |value, segment| step(value, segment))?;
        let old = match &*field {
            Value::Object(_) | Value::Array(_) => {
                let found = if field.is_object() { "MappingNode" } else { "SequenceNode" };
                return Err(Error::new(format!(
                    "wrong node kind: expected ScalarNode but got {found}: node contents:\n{}",
                    yaml::to_string(field)
                )));
            }
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let new = match self.position {
            0 => value.to_string(),
            position => insert_part(&old, position - 1, value),
        };
        // an empty text is one in quotes, which stay
        *field = match field {
            Value::String(old) if old.is_empty() => Value::String(new),
            _ => load::plain_scalar(&new),
        };
        Ok(())
    }
}

/// One step down, made if it is missing.
fn step<'v>(value: &'v mut Value, segment: &str) -> Result<&'v mut Value> {
    let condition =
        segment.strip_prefix('[').and_then(|s| s.strip_suffix(']')).and_then(|s| s.split_once('='));
    if value.is_null() {
        *value = if condition.is_some() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
    }
    let found = match value {
        Value::Object(_) => "MappingNode",
        Value::Array(_) => "SequenceNode",
        _ => "ScalarNode",
    };
    let wrong = |wanted| Err(Error::new(format!("wrong node kind: expected {wanted} but got {found}")));
    match (condition, value) {
        (Some((key, wanted)), Value::Array(items)) => {
            let is = |item: &Value| {
                let found = if key.is_empty() { Some(item) } else { item.get(key) };
                let text =
                    found.map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_string));
                text.as_deref() == Some(wanted)
            };
            let at = items.iter().position(is).unwrap_or_else(|| {
                let text = Value::String(wanted.to_string());
                let item = if key.is_empty() {
                    text
                } else {
                    Value::Object([(key.to_string(), text)].into_iter().collect())
                };
                items.push(item);
                items.len() - 1
            });
            Ok(&mut items[at])
        }
        (None, Value::Array(items)) if segment.parse::<usize>().is_ok() => {
            let (at, len) = (segment.parse::<usize>().unwrap_or(0), items.len());
            items
                .get_mut(at)
                .ok_or_else(|| Error::new(format!("index {at} specified but only {len} elements found")))
        }
        (None, Value::Object(map)) => Ok(map.entry(segment.to_string()).or_insert(Value::Null)),
        (Some(_), _) => wrong("SequenceNode"),
        (None, _) => wrong("MappingNode"),
    }
}

/// A path with one more part; an absolute one stays absolute.
fn insert_part(path: &str, at: usize, part: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.insert(at.min(parts.len()), part);
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::insert_part;

    #[test]
    fn parts_of_paths() {
        for (path, at, expected) in [
            ("", 3, "P"),
            ("/", 0, "/P"),
            ("pie", 0, "P/pie"),
            ("/pie", 0, "/P/pie"),
            ("raw", 1, "raw/P"),
            ("/raw", 99, "/raw/P"),
            ("a/nice/warm/pie", 3, "a/nice/warm/P/pie"),
            ("/a/nice/warm/pie", 3, "/a/nice/warm/P/pie"),
        ] {
            assert_eq!(insert_part(path, at, "P"), expected, "{path}");
        }
    }
}
