//! One call of a builtin: its arguments, taken apart as starlark-go does (error texts are part of the contract).

mod args;
mod go;
mod labels;
mod paths;

pub(crate) use args::{Args, argv_of, sequence_strings, string_map, strings_of};
pub(crate) use go::{go_quote, go_repr, go_type, type_name};
pub(crate) use paths::{absolute, clean};

use crate::Position;
use crate::catalog::{Param, ParamKind};
use crate::env::Env;
use starlark::eval::Evaluator;
use starlark::values::none::NoneType;
use starlark::values::{AllocValue, Heap, Value};
use std::fmt;

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
    /// It belongs to the expression, not to a function that it calls.
    pub(crate) in_place: bool,
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
            fail!("{}: got {} arguments, want at most {positions}", self.name, self.positional.len());
        }
        for (slot, value) in values.iter_mut().zip(&self.positional) {
            *slot = Some(*value);
        }
        for (name, value) in &self.named {
            let Some(index) = params.iter().position(|p| p.name == name) else {
                let near = nearest(name, params.iter().map(|p| p.name));
                let tail = near.map(|n| format!(" (did you mean {n}?)")).unwrap_or_default();
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

/// The name that another was meant to be: at most half of it is wrong. Case and underscores do not count.
pub(crate) fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let fold = |s: &str| s.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect::<String>();
    let name = fold(name);
    let mut best = (name.len().div_ceil(2), None);
    for candidate in names {
        let distance = distance(&name, &fold(candidate));
        if distance < best.0 {
            best = (distance, Some(candidate));
        }
    }
    best.1
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
