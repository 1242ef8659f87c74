//! One call of a builtin: its arguments, taken apart as starlark-go does (error texts are part of the contract).

use crate::catalog::{Param, ParamKind};
use crate::env::Env;
use crate::values::{self, GitRepo, sequence, text_of};
use crate::{Position, plan};
use starlark::eval::Evaluator;
use starlark::values::dict::DictRef;
use starlark::values::none::NoneType;
use starlark::values::{AllocValue, Heap, Value};
use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) type Result<T> = std::result::Result<T, Failure>;
pub(crate) type Native = for<'v> fn(&mut Call<'v, '_, '_, '_>) -> Result<Value<'v>>;

/// Why a builtin failed. Frames are there if it failed inside another file that it evaluated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) frames: Vec<String>,
    /// `Error in f: `, known only with frames.
    pub(crate) prefix: String,
    pub(crate) position: Option<Box<Position>>,
    pub(crate) kind: FailureKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FailureKind {
    #[default]
    Error,
    /// `exit()`: no failure at all.
    Exit,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), ..Failure::default() }
    }
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
    pub(crate) fn into_starlark(self) -> starlark::Error {
        starlark::Error::new_other(self)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<starlark::Error> for Failure {
    fn from(e: starlark::Error) -> Failure {
        crate::eval::failure_of(e)
    }
}

/// `fail!("…")`: returns an error from a builtin.
macro_rules! fail {
    ($($arg:tt)*) => { return Err($crate::call::Failure::new(format!($($arg)*))) };
}
pub(crate) use fail;

pub(crate) struct Call<'v, 'c, 'a, 'e> {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [Param],
    pub(crate) positional: Vec<Value<'v>>,
    pub(crate) named: Vec<(String, Value<'v>)>,
    pub(crate) eval: &'c mut Evaluator<'v, 'a, 'e>,
}

impl<'v, 'a, 'e> Call<'v, '_, 'a, 'e> {
    pub(crate) fn env(&self) -> &'a Env<'e> {
        self.eval
            .extra
            .and_then(|extra| extra.downcast_ref::<Env<'e>>())
            .expect("every evaluator is made with an Env")
    }

    pub(crate) fn heap(&self) -> Heap<'v> {
        self.eval.heap()
    }

    pub(crate) fn alloc<T: AllocValue<'v>>(&self, value: T) -> Value<'v> {
        self.eval.heap().alloc(value)
    }

    /// Where this call stands.
    pub(crate) fn position(&self) -> Position {
        self.eval
            .call_stack_top_location()
            .map(|span| crate::eval::call_position(&span))
            .unwrap_or_else(|| Position { file: self.env().executing(), line: 1, column: 1 })
    }

    /// Matches the arguments with the parameters that the catalog has for this builtin.
    pub(crate) fn args(&self) -> Result<Args<'v>> {
        let params = self.params;
        let mut values: Vec<Option<Value<'v>>> = vec![None; params.len()];
        let mut by_keyword = vec![false; params.len()];
        let positions = params.iter().filter(|p| p.kind == ParamKind::Plain).count();
        if self.positional.len() > positions {
            let most = if params.is_empty() { "" } else { "at most " };
            fail!("{}: got {} arguments, want {most}{positions}", self.name, self.positional.len());
        }
        for (slot, value) in values.iter_mut().zip(&self.positional) {
            *slot = Some(*value);
        }
        for (name, value) in &self.named {
            let Some(index) = params.iter().position(|p| p.name == name) else {
                let tail = nearest(name, params).map(|n| format!(" (did you mean {n}?)")).unwrap_or_default();
                fail!("{}: unexpected keyword argument {name:?}{tail}", self.name);
            };
            if values[index].is_some() {
                fail!("{}: got multiple values for keyword argument {name:?}", self.name);
            }
            values[index] = Some(*value);
            by_keyword[index] = true;
        }
        for (param, value) in params.iter().zip(&mut values) {
            if param.none_is_unset && value.is_some_and(|v| v.is_none()) {
                *value = None;
            }
            if param.default.is_none() && value.is_none() {
                fail!("{}: missing argument for {}", self.name, param.name);
            }
        }
        Ok(Args { function: self.name, params, values, by_keyword, heap: self.heap(), dir: self.env().dir() })
    }

    pub(crate) fn none(&self) -> Result<Value<'v>> {
        Ok(self.alloc(NoneType))
    }
}

/// A parameter whose name differs by a letter or two.
fn nearest(name: &str, params: &'static [Param]) -> Option<&'static str> {
    let limit = name.len() / 2;
    let near = params.iter().map(|p| (distance(name, p.name), p.name)).filter(|(d, _)| *d <= limit);
    near.min().map(|(_, n)| n)
}

pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = usize::from(x != *y);
            let next = (diagonal + cost).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

/// Arguments by parameter name.
pub(crate) struct Args<'v> {
    function: &'static str,
    params: &'static [Param],
    values: Vec<Option<Value<'v>>>,
    by_keyword: Vec<bool>,
    heap: Heap<'v>,
    /// Relative paths start here.
    pub(crate) dir: PathBuf,
}

impl<'v> Args<'v> {
    fn index(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|p| p.name == name)
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

    pub(crate) fn text(&self, name: &str) -> Result<String> {
        match self.get(name) {
            None => Ok(String::new()),
            Some(v) => match v.unpack_str() {
                Some(s) => Ok(s.to_owned()),
                None => Err(self.wrong(name, format_args!("got {}, want string", v.get_type()))),
            },
        }
    }

    pub(crate) fn boolean(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(v) => v
                .unpack_bool()
                .ok_or_else(|| self.wrong(name, format_args!("got {}, want bool", v.get_type()))),
        }
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> Result<i64> {
        match self.get(name) {
            None => Ok(default),
            Some(v) if v.get_type() == "int" => v
                .to_repr()
                .parse()
                .map_err(|_| self.wrong(name, format_args!("{} out of range", v.to_repr()))),
            Some(v) => Err(self.wrong(name, format_args!("got {}, want int", v.get_type()))),
        }
    }

    pub(crate) fn int32(&self, name: &str) -> Result<i32> {
        let wide = self.int(name, 0)?;
        i32::try_from(wide)
            .map_err(|_| self.wrong(name, format_args!("value out of range for int32: {wide}")))
    }

    /// A string or a blob.
    pub(crate) fn stringable(&self, name: &str) -> Result<Option<String>> {
        match self.some(name) {
            None => Ok(None),
            Some(v) => match text_of(v) {
                Some(text) => Ok(Some(text.to_owned())),
                None => Err(self.wrong(
                    name,
                    format_args!("Value should be convertible to string, but is type {}", v.get_type()),
                )),
            },
        }
    }

    /// A string, or a sequence of strings, or `None`.
    pub(crate) fn strings(&self, name: &str) -> Result<Vec<String>> {
        match self.some(name) {
            None => Ok(Vec::new()),
            Some(v) => string_or_list(v, self.heap).map_err(|e| self.wrong(name, e)),
        }
    }

    /// A sequence of strings.
    pub(crate) fn string_list(&self, name: &str) -> Result<Vec<String>> {
        let Some(v) = self.some(name) else { return Ok(Vec::new()) };
        let Some(items) = values::iterable(v, self.heap) else {
            return Err(self.wrong(
                name,
                format_args!("value should be a List or Tuple of strings, but is of type {}", v.get_type()),
            ));
        };
        strings_of(&items).map_err(|e| self.wrong(name, e))
    }

    pub(crate) fn string_map(&self, name: &str) -> Result<Vec<(String, String)>> {
        let Some(v) = self.some(name) else { return Ok(Vec::new()) };
        string_map(v).map_err(|e| self.wrong(name, e))
    }

    /// A path, made absolute by the directory of the file that is executing.
    pub(crate) fn path(&self, name: &str) -> Result<Option<PathBuf>> {
        let Some(v) = self.some(name) else { return Ok(None) };
        self.path_of(v).map(Some).map_err(|e| self.wrong(name, e))
    }

    pub(crate) fn path_of(&self, v: Value<'v>) -> std::result::Result<PathBuf, String> {
        if let Some(repo) = GitRepo::from_value(v) {
            return Ok(repo.path.clone());
        }
        match v.unpack_str() {
            Some(s) => Ok(absolute(&self.dir, s)),
            None => Err(format!("expected path | string. Actual type: {}", v.get_type())),
        }
    }

    /// A path or a sequence of paths.
    pub(crate) fn paths(&self, name: &str) -> Result<Vec<PathBuf>> {
        let Some(v) = self.some(name) else { return Ok(Vec::new()) };
        let Some(items) = values::iterable(v, self.heap) else {
            return Ok(vec![self.path_of(v).map_err(|e| self.wrong(name, e))?]);
        };
        items
            .into_iter()
            .enumerate()
            .map(|(i, item)| {
                self.path_of(item)
                    .map_err(|e| self.wrong(name, format_args!("unpacking list item at index {i}: {e}")))
            })
            .collect()
    }

    /// A name that can be one segment of a URL path.
    pub(crate) fn segment(&self, name: &str) -> Result<String> {
        let text = self.text(name)?;
        let problem = match text.as_str() {
            "." => Some("may not be '.'"),
            ".." => Some("may not be '..'"),
            t if t.contains('/') => Some("may not contain '/'"),
            t if t.contains('%') => Some("may not contain '%'"),
            _ => None,
        };
        match problem {
            Some(problem) => Err(self.wrong(name, format_args!("invalid value {text:?}: {problem}"))),
            None => Ok(text),
        }
    }

    pub(crate) fn labels(&self, name: &str) -> Result<Vec<String>> {
        let Some(v) = self.some(name) else { return Ok(Vec::new()) };
        let list = match values::iterable(v, self.heap) {
            Some(items) => strings_of(&items),
            None => match v.unpack_str() {
                Some(s) => Ok(vec![s.to_owned()]),
                None => Err(format!(
                    "value should be a string or List or Tuple of strings, but is of type {}",
                    v.get_type()
                )),
            },
        }
        .map_err(|e| self.wrong(name, e))?;
        for label in &list {
            if let Some(problem) = label_problem(label) {
                return Err(self.wrong(name, format_args!("Invalid label {label:?}: {problem}")));
            }
        }
        let mut labels = list;
        labels.sort();
        labels.dedup();
        Ok(labels)
    }

    /// A duration in Go's notation, in milliseconds.
    pub(crate) fn duration_ms(&self, name: &str) -> Result<Option<u64>> {
        let Some(v) = self.some(name) else { return Ok(None) };
        let Some(text) = v.unpack_str() else {
            return Err(self.wrong(name, format_args!("Expected string. Got: {}", v.get_type())));
        };
        crate::text::go_duration_ms(text).map(Some).map_err(|e| self.wrong(name, e))
    }

    /// A command: a string is for the shell, a list is argv.
    pub(crate) fn argv(&self, name: &str) -> Result<Vec<String>> {
        let Some(v) = self.some(name) else { return Ok(Vec::new()) };
        argv_of(v, self.heap).map_err(Failure::new)
    }

    /// A command with its directory; it has no environment of its own.
    pub(crate) fn command_in(&self, name: &str, dir: &str) -> Result<Option<plan::Command>> {
        self.command_of(name, dir, Vec::new())
    }

    /// A command with its directory and environment.
    pub(crate) fn command(&self, name: &str, dir: &str, env: &str) -> Result<Option<plan::Command>> {
        self.command_of(name, dir, self.string_map(env)?)
    }

    fn command_of(
        &self,
        name: &str,
        dir: &str,
        mut env: Vec<(String, String)>,
    ) -> Result<Option<plan::Command>> {
        let argv = self.argv(name)?;
        let dir = match self.some(dir) {
            None => self.dir.clone(),
            Some(v) => match v.unpack_str() {
                Some(s) => absolute(&self.dir, s),
                None => fail!("a command directory must be empty or a string"),
            },
        };
        if let Some((_, value)) = env.iter().find(|(key, _)| key.is_empty()) {
            fail!("environment has empty key for value {value:?}");
        }
        env.sort();
        Ok((!argv.is_empty()).then_some(plan::Command { argv, dir, env }))
    }
}

pub(crate) fn argv_of<'v>(v: Value<'v>, heap: Heap<'v>) -> std::result::Result<Vec<String>, String> {
    if v.is_none() {
        return Ok(Vec::new());
    }
    if let Some(text) = v.unpack_str() {
        return Ok(if text.is_empty() {
            Vec::new()
        } else {
            vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()]
        });
    }
    let Some(items) = values::iterable(v, heap) else {
        return Err(format!("a command must be a string or list of strings. found {}", v.get_type()));
    };
    items
        .iter()
        .map(|item| {
            item.unpack_str().map(str::to_owned).ok_or_else(|| {
                format!("a command must be a string or a list of strings. found {}", item.get_type())
            })
        })
        .collect()
}

pub(crate) fn strings_of(items: &[Value<'_>]) -> std::result::Result<Vec<String>, String> {
    items
        .iter()
        .map(|item| {
            item.unpack_str().map(str::to_owned).ok_or_else(|| {
                format!(
                    "list should contain only strings, but element \"{}\" was of type {}",
                    item.to_str(),
                    item.get_type()
                )
            })
        })
        .collect()
}

pub(crate) fn string_or_list<'v>(v: Value<'v>, heap: Heap<'v>) -> std::result::Result<Vec<String>, String> {
    if let Some(text) = v.unpack_str() {
        return Ok(vec![text.to_owned()]);
    }
    match values::iterable(v, heap) {
        Some(items) => strings_of(&items),
        None => Err(format!(
            "value should be a string or List or Tuple of strings, but is of type {}",
            v.get_type()
        )),
    }
}

pub(crate) fn string_map(v: Value<'_>) -> std::result::Result<Vec<(String, String)>, String> {
    let Some(dict) = DictRef::from_value(v) else {
        return Err(format!("expected dict, got {}", v.get_type()));
    };
    dict.iter()
        .map(|(key, value)| {
            let Some(k) = key.unpack_str() else {
                return Err(format!("key is not a string: {} ({})", key.get_type(), key.to_repr()));
            };
            let Some(text) = text_of(value) else {
                return Err(format!("value is not a string: {} ({})", value.get_type(), value.to_repr()));
            };
            Ok((k.to_owned(), text.to_owned()))
        })
        .collect()
}

/// Items of a sequence, or the one value itself.
pub(crate) fn one_or_many(v: Value<'_>) -> Vec<Value<'_>> {
    if v.is_none() {
        return Vec::new();
    }
    sequence(v).unwrap_or_else(|| vec![v])
}

fn label_problem(label: &str) -> Option<String> {
    if label.is_empty() {
        return Some("name part must be non-empty".to_owned());
    }
    if label.contains('/') {
        return Some("cannot contain /".to_owned());
    }
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends = label.starts_with(|c: char| c.is_ascii_alphanumeric())
        && label.ends_with(|c: char| c.is_ascii_alphanumeric());
    if label.len() > 63 {
        return Some("name part must be no more than 63 characters".to_owned());
    }
    (!ends || !label.chars().all(inner)).then(|| {
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')".to_owned()
    })
}

/// Joins and cleans, without looking at the disk.
pub(crate) fn absolute(dir: &Path, path: &str) -> PathBuf {
    clean(&dir.join(path))
}

/// Takes `.`, `..` and doubled slashes out.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                if !out.pop() && !out.has_root() {
                    out.push("..");
                }
            }
            other => out.push(other),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

impl Args<'_> {
    /// The builtin has such a parameter.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.index(name).is_some()
    }
}

/// What Go calls the type of a value.
pub(crate) fn go_type(v: Value<'_>) -> String {
    match v.get_type() {
        "string" => "starlark.String".to_owned(),
        "int" => "starlark.Int".to_owned(),
        "float" => "starlark.Float".to_owned(),
        "bool" => "starlark.Bool".to_owned(),
        "list" => "*starlark.List".to_owned(),
        "dict" => "*starlark.Dict".to_owned(),
        "tuple" => "starlark.Tuple".to_owned(),
        other => other.to_owned(),
    }
}
