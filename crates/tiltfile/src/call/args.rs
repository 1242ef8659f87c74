//! Arguments by parameter name, and what each type of parameter takes. The texts are those of Tilt's unpackers.

use super::{Failure, Result, absolute, go_quote, go_repr, go_type, labels, type_name};
use crate::catalog::Param;
use crate::plan;
use crate::values::{self, GitRepo, text_of};
use starlark::values::dict::DictRef;
use starlark::values::{Heap, Value};
use std::fmt;
use std::path::PathBuf;

type Text<T> = std::result::Result<T, String>;

/// Arguments by parameter name.
pub(crate) struct Args<'v> {
    pub(super) function: &'static str,
    pub(super) params: &'static [Param],
    pub(super) values: Vec<Option<Value<'v>>>,
    pub(super) by_keyword: Vec<bool>,
    pub(super) heap: Heap<'v>,
    /// Relative paths start here.
    pub(crate) dir: PathBuf,
}

impl<'v> Args<'v> {
    fn index(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|p| p.name == name)
    }

    /// The builtin has such a parameter.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.index(name).is_some()
    }

    pub(crate) fn get(&self, name: &str) -> Option<Value<'v>> {
        let index = self.index(name).expect("a builtin asks for the parameters that the catalog gives it");
        self.values[index]
    }

    /// Given, and not `None`.
    pub(crate) fn some(&self, name: &str) -> Option<Value<'v>> {
        self.get(name).filter(|v| !v.is_none())
    }

    pub(crate) fn wrong(&self, name: &str, message: impl fmt::Display) -> Failure {
        let quoted = self.index(name).is_some_and(|i| self.by_keyword[i]);
        let name = if quoted { format!("{name:?}") } else { name.to_owned() };
        Failure::new(format!("{}: for parameter {name}: {message}", self.function))
    }

    fn wants(&self, name: &str, v: Value<'v>, what: &str) -> Failure {
        self.wrong(name, format_args!("got {}, want {what}", type_name(v)))
    }

    pub(crate) fn text(&self, name: &str) -> Result<String> {
        match self.get(name) {
            None => Ok(String::new()),
            Some(v) => match v.unpack_str() {
                Some(s) => Ok(s.to_owned()),
                None => Err(self.wants(name, v, "string")),
            },
        }
    }

    pub(crate) fn boolean(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(v) => v.unpack_bool().ok_or_else(|| self.wants(name, v, "bool")),
        }
    }

    /// `None` is allowed.
    pub(crate) fn optional_boolean(&self, name: &str) -> Result<Option<bool>> {
        match self.some(name) {
            None => Ok(None),
            Some(v) => v.unpack_bool().map(Some).ok_or_else(|| {
                self.wrong(name, format_args!("expected starlark.Bool or None, got {}", go_type(v)))
            }),
        }
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> Result<i64> {
        match self.get(name) {
            None => Ok(default),
            Some(v) if type_name(v) == "int" => v.to_repr().parse().map_err(|_| {
                let number = v.to_repr();
                self.wrong(name, format_args!("{number} out of range (want value in signed 64-bit range)"))
            }),
            Some(v) => Err(self.wants(name, v, "int")),
        }
    }

    pub(crate) fn int32(&self, name: &str) -> Result<i32> {
        match self.get(name) {
            None => Ok(0),
            Some(v) if type_name(v) == "int" => v.unpack_i32().ok_or_else(|| {
                self.wrong(name, format_args!("value out of range for int32: {}", v.to_repr()))
            }),
            Some(v) => Err(self.wants(name, v, "int")),
        }
    }

    /// A string or a blob; empty if it is not given.
    pub(crate) fn stringable(&self, name: &str) -> Result<String> {
        let Some(v) = self.get(name) else { return Ok(String::new()) };
        stringable(v).map_err(|e| self.wrong(name, e))
    }

    /// A string, or a sequence of strings, or `None`.
    pub(crate) fn strings(&self, name: &str) -> Result<Vec<String>> {
        match self.some(name) {
            None => Ok(Vec::new()),
            Some(v) => string_or_list(v, self.heap).map_err(|e| self.wrong(name, e)),
        }
    }

    /// A sequence of strings, or `None`.
    pub(crate) fn string_list(&self, name: &str) -> Result<Vec<String>> {
        let Some(v) = self.some(name) else { return Ok(Vec::new()) };
        string_list(v, self.heap).map_err(|e| self.wrong(name, e))
    }

    /// What the interpreter lets pass as a sequence.
    pub(crate) fn sequence(&self, name: &str) -> Result<Option<Vec<Value<'v>>>> {
        let Some(v) = self.get(name) else { return Ok(None) };
        match values::go_sequence(v, self.heap) {
            Some(items) => Ok(Some(items)),
            None => Err(self.wants(name, v, "starlark.Sequence")),
        }
    }

    /// Items of a sequence, or the one value itself; nothing for `None`.
    pub(crate) fn one_or_many(&self, v: Value<'v>) -> Vec<Value<'v>> {
        if v.is_none() {
            return Vec::new();
        }
        values::go_sequence(v, self.heap).unwrap_or_else(|| vec![v])
    }

    /// A sequence of strings whose items are checked by the builtin itself, which says `what` they are.
    pub(crate) fn strings_in_sequence(&self, name: &str, what: fmt::Arguments<'_>) -> Result<Vec<String>> {
        let items = self.sequence(name)?.unwrap_or_default();
        sequence_strings(&items).map_err(|e| Failure::new(format!("{what}: {e}")))
    }

    pub(crate) fn string_map(&self, name: &str) -> Result<Vec<(String, String)>> {
        let Some(v) = self.some(name) else { return Ok(Vec::new()) };
        string_map(v).map_err(|e| self.wrong(name, e))
    }

    /// A path, made absolute by the directory of the file that is executing.
    pub(crate) fn path(&self, name: &str) -> Result<Option<PathBuf>> {
        let Some(v) = self.get(name) else { return Ok(None) };
        self.path_of(v).map(Some).map_err(|e| self.wrong(name, e))
    }

    /// The path of a parameter that must be given.
    pub(crate) fn required_path(&self, name: &str) -> Result<PathBuf> {
        Ok(self.path(name)?.expect("a parameter without default is there"))
    }

    pub(crate) fn path_of(&self, v: Value<'v>) -> Text<PathBuf> {
        if let Some(repo) = GitRepo::from_value(v) {
            return Ok(repo.path.clone());
        }
        match v.unpack_str() {
            Some(s) => Ok(absolute(&self.dir, s)),
            None => Err(format!("expected path | string. Actual type: {}", go_type(v))),
        }
    }

    /// A path or a sequence of paths, or `None`.
    pub(crate) fn paths(&self, name: &str) -> Result<Vec<PathBuf>> {
        let Some(v) = self.some(name) else { return Ok(Vec::new()) };
        self.paths_of(v).map_err(|e| self.wrong(name, e))
    }

    fn paths_of(&self, v: Value<'v>) -> Text<Vec<PathBuf>> {
        if text_of(v).is_some() || GitRepo::from_value(v).is_some() {
            return Ok(vec![self.path_of(v)?]);
        }
        let Some(items) = values::iterable(v, self.heap) else { return Err(no_strings(v)) };
        let items = items.into_iter().enumerate();
        let paths = items.map(|(i, item)| {
            self.path_of(item).map_err(|e| format!("unpacking list item at index {i}: {e}"))
        });
        paths.collect()
    }

    /// A name that can be one segment of a URL path.
    pub(crate) fn segment(&self, name: &str) -> Result<String> {
        let text = self.stringable(name)?;
        let problem = match text.as_str() {
            "." => Some("may not be '.'"),
            ".." => Some("may not be '..'"),
            t if t.contains('/') => Some("may not contain '/'"),
            t if t.contains('%') => Some("may not contain '%'"),
            _ => None,
        };
        match problem {
            Some(problem) => {
                Err(self.wrong(name, format_args!("invalid value {}: {problem}", go_quote(&text))))
            }
            None => Ok(text),
        }
    }

    /// A label or a sequence of labels, or `None`.
    pub(crate) fn labels(&self, name: &str) -> Result<Vec<String>> {
        let Some(v) = self.some(name) else { return Ok(Vec::new()) };
        let items = match v.unpack_str() {
            Some(_) => vec![v],
            None => values::iterable(v, self.heap).ok_or_else(|| {
                let kind = type_name(v);
                self.wrong(
                    name,
                    format_args!("value should be a label or List or Tuple of labels, but is of type {kind}"),
                )
            })?,
        };
        let mut found = Vec::new();
        for item in items {
            let label = stringable(item).map_err(|e| self.wrong(name, e))?;
            if let Some(problem) = labels::problem(&label) {
                return Err(self.wrong(name, format_args!("Invalid label {}: {problem}", go_quote(&label))));
            }
            found.push(label);
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// A duration in Go's notation, in milliseconds.
    pub(crate) fn duration_ms(&self, name: &str) -> Result<Option<u64>> {
        let Some(v) = self.get(name) else { return Ok(None) };
        let Some(text) = v.unpack_str() else {
            return Err(self.wrong(name, format_args!("Expected string. Got: {}", type_name(v))));
        };
        crate::text::go_duration_ms(text).map(Some).map_err(|e| self.wrong(name, e))
    }

    /// A command with its directory; it has no environment of its own.
    pub(crate) fn command_in(&self, name: &str, dir: &str) -> Result<Option<plan::Command>> {
        self.command_of(name, dir, Vec::new()).map_err(Failure::new)
    }

    /// A command with its directory and environment.
    pub(crate) fn command(&self, name: &str, dir: &str, env: &str) -> Result<Option<plan::Command>> {
        self.command_of(name, dir, self.string_map(env)?).map_err(Failure::new)
    }

    /// The same, in a builtin that says which command is wrong.
    pub(crate) fn command_called(
        &self,
        what: &str,
        name: &str,
        dir: &str,
        env: &str,
    ) -> Result<Option<plan::Command>> {
        let env = self.string_map(env)?;
        self.command_of(name, dir, env).map_err(|e| Failure::new(format!("{what}: {e}")))
    }

    fn command_of(
        &self,
        name: &str,
        dir: &str,
        mut env: Vec<(String, String)>,
    ) -> Text<Option<plan::Command>> {
        let dir = match self.some(dir) {
            None => self.dir.clone(),
            Some(v) => {
                let problem = |e| format!("a command directory must be empty or a string: {e}");
                self.path_of(v).map_err(problem)?
            }
        };
        if let Some((_, value)) = env.iter().find(|(key, _)| key.is_empty()) {
            return Err(format!("environment has empty key for value {}", go_quote(value)));
        }
        env.sort();
        let argv = match self.get(name) {
            Some(v) => argv_of(v, self.heap)?,
            None => Vec::new(),
        };
        Ok((!argv.is_empty()).then_some(plan::Command { argv, dir, env }))
    }
}

fn stringable(v: Value<'_>) -> Text<String> {
    match text_of(v) {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("Value should be convertible to string, but is type {}", type_name(v))),
    }
}

fn no_strings(v: Value<'_>) -> String {
    format!("value should be a string or List or Tuple of strings, but is of type {}", type_name(v))
}

/// A command: a string is for the shell, a sequence is argv.
pub(crate) fn argv_of<'v>(v: Value<'v>, heap: Heap<'v>) -> Text<Vec<String>> {
    match v.unpack_str() {
        Some("") => return Ok(Vec::new()),
        Some(text) => return Ok(vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()]),
        None => {}
    }
    let Some(items) = values::go_sequence(v, heap) else {
        return Err(format!("a command must be a string or list of strings. found {}", go_type(v)));
    };
    sequence_strings(&items).map_err(|e| format!("a command must be a string or a list of strings: {e}"))
}

/// Items that must be strings, and nothing that could be made one.
pub(crate) fn sequence_strings(items: &[Value<'_>]) -> Text<Vec<String>> {
    let text = |item: &Value<'_>| match item.unpack_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("'{}' is a {}, not a string", go_repr(*item), go_type(*item))),
    };
    items.iter().map(text).collect()
}

/// Items that must be strings or blobs; the error speaks of a `whole`.
pub(crate) fn strings_of(items: &[Value<'_>], whole: &str) -> Text<Vec<String>> {
    let text = |item: &Value<'_>| match text_of(*item) {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!(
            "{whole} should contain only strings, but element {} was of type {}",
            go_quote(&go_repr(*item)),
            type_name(*item)
        )),
    };
    items.iter().map(text).collect()
}

fn string_or_list<'v>(v: Value<'v>, heap: Heap<'v>) -> Text<Vec<String>> {
    if let Some(text) = text_of(v) {
        return Ok(vec![text.to_owned()]);
    }
    match values::iterable(v, heap) {
        Some(items) => strings_of(&items, "list"),
        None => Err(no_strings(v)),
    }
}

fn string_list<'v>(v: Value<'v>, heap: Heap<'v>) -> Text<Vec<String>> {
    match values::iterable(v, heap) {
        Some(items) => strings_of(&items, "value"),
        None => Err(format!("value should be a List or Tuple of strings, but is of type {}", type_name(v))),
    }
}

pub(crate) fn string_map(v: Value<'_>) -> Text<Vec<(String, String)>> {
    let Some(dict) = DictRef::from_value(v) else {
        return Err(format!("expected dict, got {}", go_type(v)));
    };
    let text = |what: &str, v: Value<'_>| match text_of(v) {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("{what} is not a string: {} ({})", go_type(v), go_repr(v))),
    };
    dict.iter().map(|(key, value)| Ok((text("key", key)?, text("value", value)?))).collect()
}
