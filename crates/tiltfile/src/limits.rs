//! What one evaluation may use: a Tiltfile that runs away ends with an error, not with the machine.
//!
//! Steps are counted instead of time, so that the same Tiltfile fails or works everywhere alike; what takes long for
//! good reasons, a command for example, takes no steps.

use crate::Position;
use crate::call::Failure;
use crate::dialect::string_length;
use crate::env::Env;
use crate::guard::Watch;
use starlark::eval::{BeforeStmtFunc, Evaluator};
use std::path::Path;

/// What one evaluation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls of functions and rounds of loops, in all files together.
    pub steps: u64,
    /// Bytes of the interpreter's heap, for each file. One value may take an eighth of it, and the whole process may
    /// grow by twice as much.
    pub heap_bytes: usize,
    /// Calls within calls.
    pub call_depth: usize,
    /// Files that load files.
    pub load_depth: usize,
    /// Expressions within expressions and blocks within blocks, before a file is read as Starlark.
    pub nesting: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { steps: 500_000_000, heap_bytes: 2 << 30, call_depth: 1000, load_depth: 100, nesting: 1000 }
    }
}

/// Stack that a thread needs to evaluate with the default limits.
pub const STACK_BYTES: usize = 256 << 20;

/// Why an interpreter was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Interrupted,
    Steps,
    Memory,
}

/// The interpreter asks every so many steps whether to go on.
const STEPS_BETWEEN_QUESTIONS: u64 = 1000;

/// And every so many how much memory the process has: dictionaries, for one, lie outside of the interpreter's heap.
const STEPS_BETWEEN_LOOKS: u64 = 64 * STEPS_BETWEEN_QUESTIONS;

/// The process has grown by more than all heaps and what belongs to them may take.
fn has_grown(env: &Env<'_>) -> bool {
    let grown = env.host.memory().zip(env.memory_before).map(|(now, before)| now.saturating_sub(before));
    grown.is_some_and(|bytes| bytes > 2 * env.settings.limits.heap_bytes as u64)
}

/// Gives the limits to an interpreter.
///
/// All are looked at when it asks whether to go on, and not by its own limits: it asks once more at its end, and a
/// limit that is still exceeded then replaces the error that has the place.
pub(crate) fn set<'v: 'a, 'a>(eval: &mut Evaluator<'v, 'a, '_>, env: &'a Env<'_>) {
    let limits = &env.settings.limits;
    let heap = eval.heap();
    eval.before_stmt_for_dap(BeforeStmtFunc::from_dyn(Box::new(Watch)));
    eval.set_max_callstack_size(limits.call_depth.max(1)).expect("it is set once, and is not 0");
    eval.set_check_cancelled(Box::new(move || {
        env.steps.set(env.steps.get() + STEPS_BETWEEN_QUESTIONS);
        let asks_host = env.steps.get().is_multiple_of(STEPS_BETWEEN_LOOKS);
        let stop = if env.host.interrupted() {
            Stop::Interrupted
        } else if env.steps.get() > limits.steps {
            Stop::Steps
        } else if heap.allocated_bytes() > limits.heap_bytes || asks_host && has_grown(env) {
            Stop::Memory
        } else {
            return false;
        };
        env.stop.replace(Some(stop)).is_none()
    }));
}

/// The interpreter's own words for a limit, in ours.
pub(crate) fn in_our_words(failure: Failure, env: &Env<'_>) -> Failure {
    let limits = &env.settings.limits;
    let (message, hint) = match (failure.message.as_str(), env.stop.get()) {
        (OVERFLOW, _) => (
            format!("calls are nested more than {} deep", limits.call_depth),
            "does the function call itself without an end?",
        ),
        ("Evaluation cancelled", Some(Stop::Steps)) => (
            format!("the evaluation took more than {} steps", limits.steps),
            "is there a loop without an end? Work that is this long belongs into a program that `local` runs",
        ),
        ("Evaluation cancelled", Some(Stop::Memory)) => {
            let Failure { message, hint, .. } = out_of_memory(limits.heap_bytes);
            return Failure { message, hint, ..failure };
        }
        ("Evaluation cancelled", _) => return Failure { message: INTERRUPTED.to_owned(), ..failure },
        _ => return failure,
    };
    Failure { message, hint: Some(hint.to_owned()), ..failure }
}

/// What the interpreter says when calls are nested too deep.
pub(crate) const OVERFLOW: &str = "Starlark call stack overflow";

/// The heap is full.
pub(crate) fn out_of_memory(limit: usize) -> Failure {
    Failure::new(format!("the evaluation took more than {} MiB of memory", limit >> 20))
        .with_hint("a loop that makes a list or a string ever longer is the usual reason")
}

/// The message of an evaluation that the user stopped.
const INTERRUPTED: &str = "the evaluation was interrupted";

/// For builtins that took long: the user stopped the evaluation meanwhile.
pub(crate) fn check_interrupted(env: &Env<'_>) -> Result<(), Failure> {
    if !env.host.interrupted() {
        return Ok(());
    }
    env.stop.set(Some(Stop::Interrupted));
    Err(Failure::new(INTERRUPTED))
}

/// Loads that are nested too deep; each takes a good part of the stack.
pub(crate) fn check_load(env: &Env<'_>, path: &Path) -> Result<(), Failure> {
    let limit = env.settings.limits.load_depth;
    if env.stack.borrow().len() < limit {
        return Ok(());
    }
    Err(Failure::new(format!("loads are nested more than {limit} deep: {}", path.display())))
}

/// Text that is nested so deep that the interpreter would overflow its stack; it recurses over the syntax tree.
pub(crate) fn check_nesting(path: &Path, source: &str, limit: usize) -> Result<(), Failure> {
    let Some(offset) = too_deep(source, limit) else { return Ok(()) };
    let before = &source[..offset];
    let position = Position {
        file: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
    };
    let message = format!("{position}: this is nested more than {limit} deep");
    Err(Failure { position: Some(Box::new(position)), ..Failure::new(message) })
}

/// One open bracket, or the statement itself, with the operators that stand in it so far: each may be a level of the
/// tree of its own.
#[derive(Default)]
struct Level {
    operators: usize,
}

/// Where an upper bound of the depth exceeds the limit. An operator counts until the comma, colon or line end after
/// it; `elif` counts until the `if`'s end, since it is an `if` within an `else`.
fn too_deep(source: &str, limit: usize) -> Option<usize> {
    let mut levels = vec![Level::default()];
    let (mut depth, mut blocks) = (0usize, Blocks::default());
    let mut at = 0;
    let mut line_start = true;
    while at < source.len() {
        let rest = &source[at..];
        if line_start && levels.len() == 1 {
            blocks.line(rest);
        }
        let token = token(rest);
        match token.kind {
            Kind::Open => {
                levels.last_mut().expect("the statement itself stays").operators += 1;
                levels.push(Level::default());
                depth += 1;
            }
            Kind::Close if levels.len() > 1 => {
                depth -= levels.pop().map_or(0, |l| l.operators);
            }
            Kind::Separator | Kind::LineEnd if token.kind == Kind::Separator || levels.len() == 1 => {
                let level = levels.last_mut().expect("the statement itself stays");
                depth -= std::mem::take(&mut level.operators);
            }
            Kind::Operator => {
                levels.last_mut().expect("the statement itself stays").operators += 1;
                depth += 1;
            }
            _ => {}
        }
        if depth + blocks.depth() > limit {
            return Some(at);
        }
        line_start = token.kind == Kind::LineEnd;
        at += token.length;
    }
    None
}

/// Blocks that are open, by indentation, each with its `elif`s.
#[derive(Default)]
struct Blocks {
    open: Vec<(usize, usize)>,
}

impl Blocks {
    fn line(&mut self, rest: &str) {
        let text = rest.trim_start_matches([' ', '\t']);
        if text.starts_with(['\n', '\r', '#']) || text.is_empty() {
            return;
        }
        let indent = rest.len() - text.len();
        while self.open.last().is_some_and(|(i, _)| *i > indent) {
            self.open.pop();
        }
        let elif = text.starts_with("elif") as usize;
        match self.open.last_mut() {
            Some((i, elifs)) if *i == indent => *elifs = if elif == 1 { *elifs + 1 } else { 0 },
            _ => self.open.push((indent, elif)),
        }
    }

    fn depth(&self) -> usize {
        self.open.len() + self.open.iter().map(|(_, elifs)| elifs).sum::<usize>()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Operator,
    Separator,
    LineEnd,
    Other,
}

struct Token {
    kind: Kind,
    length: usize,
}

/// The first token of a text that is not empty. Only as exact as the depth needs.
fn token(rest: &str) -> Token {
    let bytes = rest.as_bytes();
    let of = |kind, length| Token { kind, length };
    match bytes[0] {
        b'(' | b'[' | b'{' => of(Kind::Open, 1),
        b')' | b']' | b'}' => of(Kind::Close, 1),
        b',' | b';' => of(Kind::Separator, 1),
        b'\n' => of(Kind::LineEnd, 1),
        b'#' => of(Kind::Other, rest.find('\n').unwrap_or(rest.len())),
        b'"' | b'\'' => of(Kind::Other, string_length(rest)),
        b'\\' => of(Kind::Other, 1 + rest[1..].chars().next().map_or(0, char::len_utf8)),
        b'+' | b'-' | b'*' | b'/' | b'%' | b'|' | b'&' | b'^' | b'~' | b'<' | b'>' | b'=' | b'!' | b'.' => {
            of(Kind::Operator, 1)
        }
        c if c.is_ascii_alphabetic() || c == b'_' => {
            let length = bytes.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == b'_').count();
            let words = ["not", "and", "or", "in", "if", "else", "lambda", "for"];
            of(if words.contains(&&rest[..length]) { Kind::Operator } else { Kind::Other }, length)
        }
        _ => of(Kind::Other, rest.chars().next().map_or(1, char::len_utf8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_of_texts() {
        let deep = |text: &str| too_deep(text, 20).is_some();
        for (text, is_deep) in [
            ("(".repeat(21), true),
            (format!("x = {}1{}", "[".repeat(18), "]".repeat(18)), false),
            (format!("x = {}True", "not ".repeat(30)), true),
            (format!("x = 1{}", "+1".repeat(30)), true),
            (format!("x = [{}]", "1+1, ".repeat(100)), false),
            ("x = 1 + 1\n".repeat(100), false),
            (format!("x = a{}", ".b".repeat(30)), true),
            (format!("x = '{}'", "((((".repeat(30)), false),
            (format!("x = '''{}\n'''", "((((".repeat(30)), false),
            (format!("# {}", "((((".repeat(30)), false),
            (format!("if a: pass\n{}", "elif b: pass\n".repeat(30)), true),
            ("if a:\n  pass\nelse:\n  pass\n".repeat(30), false),
            ((0..30).map(|i| format!("{}if a:\n", " ".repeat(i))).collect(), true),
            (format!("f({}\n)", "\n  a = 1,".repeat(50)), false),
        ] {
            assert_eq!(deep(&text), is_deep, "{text}");
        }
    }
}
