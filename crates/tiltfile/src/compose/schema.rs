//! Whether a model is of the form that the Compose specification gives it.

use super::Loaded;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;

/// What is wrong where it is deepest in the file is told, as Compose does.
pub(super) fn check(model: &Map<String, Value>, file: &Path) -> Loaded<()> {
    let mut path = Vec::new();
    match SCHEMA.mapping("root", model, &mut path) {
        Some(problem) => Err(format!("validating {}: {}", file.display(), problem.text)),
        None => Ok(()),
    }
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::parse(include_str!("schema.txt")));

#[derive(Debug)]
enum Type {
    Any,
    /// One of several kinds.
    Kinds(Vec<Kind>),
    /// One of several forms.
    Forms(Vec<Type>),
}

#[derive(Debug)]
enum Kind {
    String,
    Number,
    Integer,
    Boolean,
    Null,
    Word(&'static str),
    List(Type),
    Mapping { values: Type, of_names: bool },
    Named(&'static str),
}

#[derive(Debug)]
struct Field {
    kind: usize,
    required: bool,
}

#[derive(Debug, Default)]
struct Schema {
    types: Vec<Type>,
    mappings: HashMap<&'static str, HashMap<&'static str, Field>>,
}

struct Problem {
    depth: usize,
    text: String,
}

impl Problem {
    fn new(path: &[String], deeper: usize, text: &str) -> Option<Problem> {
        Some(Problem { depth: path.len() + deeper, text: format!("{} {text}", path.join(".")) })
    }
}

/// The deeper one, and of two that are as deep the first.
fn deeper(first: Option<Problem>, second: Option<Problem>) -> Option<Problem> {
    match (first, second) {
        (Some(first), Some(second)) if second.depth > first.depth => Some(second),
        (first, second) => first.or(second),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

fn quoted<'s>(names: impl IntoIterator<Item = &'s str>) -> String {
    names.into_iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

impl Kind {
    fn takes(&self, value: &Value) -> bool {
        match self {
            Kind::String | Kind::Word(_) => value.is_string(),
            Kind::Number => value.is_number(),
            Kind::Integer => {
                value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
            }
            Kind::Boolean => value.is_boolean(),
            Kind::Null => value.is_null(),
            Kind::List(_) => value.is_array(),
            Kind::Mapping { .. } | Kind::Named(_) => value.is_object(),
        }
    }

    fn shown(&self) -> &'static str {
        match self {
            Kind::String | Kind::Word(_) => "string",
            Kind::Number => "number",
            Kind::Integer => "integer",
            Kind::Boolean => "boolean",
            Kind::Null => "null",
            Kind::List(_) => "array",
            Kind::Mapping { .. } | Kind::Named(_) => "mapping",
        }
    }
}

/// `a, b or c`.
fn any_of(kinds: &[Kind]) -> String {
    let mut names: Vec<&str> = kinds.iter().map(Kind::shown).collect();
    names.sort_unstable();
    names.dedup();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

impl Schema {
    fn value(&self, kind: &Type, value: &Value, path: &mut Vec<String>) -> Option<Problem> {
        match kind {
            Type::Any => None,
            Type::Forms(forms) => {
                let mut found = None;
                for form in forms {
                    let problem = self.value(form, value, path)?;
                    found = deeper(found, Some(problem));
                }
                found
            }
            Type::Kinds(kinds) => match kinds.iter().find(|kind| kind.takes(value)) {
                None => Problem::new(path, 0, &format!("must be a {}", any_of(kinds))),
                Some(Kind::Word(_)) => {
                    let words: Vec<&str> = kinds
                        .iter()
                        .filter_map(|kind| match kind {
                            Kind::Word(word) => Some(*word),
                            _ => None,
                        })
                        .collect();
                    if words.iter().any(|word| value == word) {
                        return None;
                    }
                    let one_of = if words.len() == 1 { "" } else { "one of " };
                    Problem::new(path, 0, &format!("value must be {one_of}{}", quoted(words)))
                }
                Some(kind) => self.inner(kind, value, path),
            },
        }
    }

    fn inner(&self, kind: &Kind, value: &Value, path: &mut Vec<String>) -> Option<Problem> {
        match (kind, value) {
            (Kind::List(kind), Value::Array(items)) => {
                let mut found = None;
                for (at, item) in items.iter().enumerate() {
                    path.push(at.to_string());
                    found = deeper(found, self.value(kind, item, path));
                    path.pop();
                }
                found
            }
            (Kind::Mapping { values, of_names }, Value::Object(map)) => {
                let mut found = None;
                for (key, value) in map.iter().filter(|(key, _)| !of_names || is_name(key)) {
                    path.push(key.clone());
                    found = deeper(found, self.value(values, value, path));
                    path.pop();
                }
                let other = map.keys().filter(|key| *of_names && !is_name(key));
                deeper(found, additional(path, other))
            }
            (Kind::Named(name), Value::Object(map)) => self.mapping(name, map, path),
            _ => None,
        }
    }

    fn mapping(&self, name: &str, map: &Map<String, Value>, path: &mut Vec<String>) -> Option<Problem> {
        let fields = self.mappings.get(name)?;
        let mut missing: Vec<&str> = fields
            .iter()
            .filter(|(name, f)| f.required && !map.contains_key(**name))
            .map(|(n, _)| *n)
            .collect();
        missing.sort_unstable();
        let mut found = match missing.as_slice() {
            [] => None,
            [one] => Problem::new(path, 0, &format!("missing property '{one}'")),
            several => {
                Problem::new(path, 0, &format!("missing properties {}", quoted(several.iter().copied())))
            }
        };
        for (key, value) in map {
            let Some(field) = fields.get(key.as_str()) else { continue };
            path.push(key.clone());
            found = deeper(found, self.value(&self.types[field.kind], value, path));
            path.pop();
        }
        let other = map.keys().filter(|key| !fields.contains_key(key.as_str()) && !key.starts_with("x-"));
        deeper(found, additional(path, other))
    }

    /// The notation of `schema.txt`.
    fn parse(text: &'static str) -> Schema {
        let mut schema = Schema::default();
        let mut current = "";
        for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let Some((names, kind)) = line.split_once(": ").filter(|_| line.starts_with(' ')) else {
                current = line;
                continue;
            };
            schema.types.push(parse_type(&mut kind.trim()));
            let kind = schema.types.len() - 1;
            for name in names.split_whitespace() {
                let (name, required) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
                schema.mappings.entry(current).or_default().insert(name, Field { kind, required });
            }
        }
        schema
    }
}

fn additional<'k>(path: &[String], keys: impl Iterator<Item = &'k String>) -> Option<Problem> {
    let names = quoted(keys.map(String::as_str));
    if names.is_empty() {
        return None;
    }
    Problem::new(path, 1, &format!("additional properties {names} not allowed"))
}

/// `a / b`.
fn parse_type(rest: &mut &'static str) -> Type {
    let mut forms = vec![parse_kinds(rest)];
    while let Some(after) = rest.strip_prefix(" / ") {
        *rest = after;
        forms.push(parse_kinds(rest));
    }
    if forms.len() == 1 { forms.remove(0) } else { Type::Forms(forms) }
}

/// `a|b`.
fn parse_kinds(rest: &mut &'static str) -> Type {
    let mut kinds = Vec::new();
    loop {
        match parse_kind(rest) {
            Some(kind) => kinds.push(kind),
            None => return Type::Any,
        }
        match rest.strip_prefix('|') {
            Some(after) => *rest = after,
            None => return Type::Kinds(kinds),
        }
    }
}

/// `None` for `any`.
fn parse_kind(rest: &mut &'static str) -> Option<Kind> {
    let first = rest.chars().next()?;
    if matches!(first, '[' | '{' | '<') {
        *rest = &rest[1..];
        let inner = parse_type(rest);
        *rest = &rest[1..];
        return Some(match first {
            '[' => Kind::List(inner),
            _ => Kind::Mapping { values: inner, of_names: first == '{' },
        });
    }
    let end = rest.find([' ', '|', ']', '}', '>']).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after;
    Some(match word {
        "any" => return None,
        "string" => Kind::String,
        "number" => Kind::Number,
        "integer" => Kind::Integer,
        "boolean" => Kind::Boolean,
        "null" => Kind::Null,
        word if word.starts_with('\'') => Kind::Word(word.trim_matches('\'')),
        name => Kind::Named(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each mapping that is named is there, and each that is there is named.
    #[test]
    fn the_schema_is_whole() {
        fn names(kind: &Type, out: &mut Vec<&'static str>) {
            match kind {
                Type::Any => {}
                Type::Forms(forms) => forms.iter().for_each(|form| names(form, out)),
                Type::Kinds(kinds) => kinds.iter().for_each(|kind| match kind {
                    Kind::Named(name) => out.push(name),
                    Kind::List(inner) | Kind::Mapping { values: inner, .. } => names(inner, out),
                    _ => {}
                }),
            }
        }
        let mut used = vec!["root"];
        SCHEMA.types.iter().for_each(|kind| names(kind, &mut used));
        used.sort_unstable();
        used.dedup();
        let mut known: Vec<&str> = SCHEMA.mappings.keys().copied().collect();
        known.sort_unstable();
        assert_eq!(used, known);
    }
}
