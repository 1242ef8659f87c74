//! Running one file, loading others, and telling what went wrong as Tilt does.

mod arity;
mod bounds;
mod names;
mod places;
mod scope;

use crate::builtins;
use crate::call::{Failure, FailureKind, Result, absolute};
use crate::env::{Env, Loaded, io_text};
use crate::{TiltfileError, dialect, ext, guard, limits, messages};
use places::error_position;
pub(crate) use places::{call_position, span_start};
pub(crate) use scope::own_names;
use starlark::codemap::FileSpan;
use starlark::environment::{FrozenModule, Module};
use starlark::errors::Frame;
use starlark::eval::{Evaluator, FileLoader};
use starlark::syntax::{AstModule, Dialect};
use starlark::values::FrozenHeapName;
use std::path::Path;

/// Tilt's dialect: statements at the top level, but neither types nor f-strings.
const DIALECT: Dialect =
    Dialect { enable_top_level_stmt: true, enable_keyword_only_arguments: true, ..Dialect::Standard };

/// Evaluates the main Tiltfile.
pub(crate) fn run_main(env: &Env<'_>) -> Result<FrozenModule> {
    let source = match env.read(env.tiltfile) {
        Ok(source) => source,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Failure::new(format!(
                "No Tiltfile found at paths '{}'. Check out https://docs.tilt.dev/tutorial.html",
                env.tiltfile.display()
            )));
        }
        Err(e) => {
            return Err(Failure::new(format!(
                "error reading file {}: {}",
                env.tiltfile.display(),
                io_text("open", env.tiltfile, &e)
            )));
        }
    };
    execute(env, env.tiltfile, source, Role::Main)
}

/// A module by what `load`, `include` or `load_dynamic` name.
pub(crate) fn load(env: &Env<'_>, name: &str) -> Result<FrozenModule> {
    let (path, builtin) = match name.strip_prefix("ext://") {
        Some(extension) => {
            env.extensions_loaded.borrow_mut().insert(extension.to_owned());
            match ext::resolve(env, extension)? {
                ext::Source::Builtin(path, source) => (path, Some(source)),
                ext::Source::File(path) => (path, None),
            }
        }
        None => (absolute(&env.dir(), name), None),
    };
    let known = env.loaded.borrow().get(&path).cloned();
    match known {
        Some(Loaded::Done(module)) => return Ok(module),
        Some(Loaded::Failed(failure)) => return Err(failure),
        Some(Loaded::InProgress) => return Err(Failure::new(format!("Circular load: {}", path.display()))),
        None if path == env.tiltfile => {
            return Err(Failure::new(format!("Circular load: {}", path.display())));
        }
        None => {}
    }
    env.loaded.borrow_mut().insert(path.clone(), Loaded::InProgress);
    let result = match builtin {
        Some(source) => execute(env, &path, source.to_owned(), Role::Ours),
        None => match env.read(&path) {
            Ok(source) => execute(env, &path, source, Role::Loaded),
            Err(e) => Err(Failure::new(format!(
                "error reading file {}: {}",
                path.display(),
                io_text("open", &path, &e)
            ))),
        },
    };
    let entry = match &result {
        Ok(module) => Loaded::Done(module.clone()),
        Err(failure) => Loaded::Failed(failure.clone()),
    };
    env.loaded.borrow_mut().insert(path, entry);
    result
}

struct Loader<'x, 'a>(&'x Env<'a>);

impl FileLoader for Loader<'_, '_> {
    fn load(&self, path: &str) -> starlark::Result<FrozenModule> {
        let failed = |mut failure: Failure| {
            // what has frames of its own tells all
            if failure.frames.is_empty() {
                failure.message = format!("cannot load {path}: {}", failure.message);
            }
            failure.into_starlark()
        };
        load(self.0, path).map_err(failed)
    }
}

/// What a file is to the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Main,
    Loaded,
    /// A part of the program.
    Ours,
}

/// Reads a file's text as Starlark.
pub(crate) fn parse(path: &Path, source: String, max_nesting: usize) -> Result<AstModule> {
    limits::check_nesting(path, &source, max_nesting)?;
    read_plainly(path, dialect::translated(without_tabs(source)))
}

/// Reads text of the interpreter's dialect.
pub(crate) fn read_plainly(path: &Path, source: String) -> Result<AstModule> {
    AstModule::parse(&path.to_string_lossy(), source, &DIALECT).map_err(|e| syntax_failure(&e))
}

/// Reads text that was read before, or a part of it. `None`: the part is nothing whole.
fn read_again(path: &str, source: String) -> Option<AstModule> {
    AstModule::parse(path, source, &DIALECT).ok()
}

/// The file as it is executed: with the guards of memory in it.
fn parse_guarded(path: &Path, source: String, max_nesting: usize) -> Result<AstModule> {
    limits::check_nesting(path, &source, max_nesting)?;
    let source = dialect::translated(without_tabs(source));
    let ast = read_plainly(path, source.clone())?;
    let own = own_names(&ast);
    Ok(guard::guarded(ast, &source, &own, |text| read_plainly(path, text)))
}

fn execute(env: &Env<'_>, path: &Path, source: String, role: Role) -> Result<FrozenModule> {
    let shown = path.to_string_lossy().into_owned();
    limits::check_load(env, path)?;
    let ast = parse_guarded(path, source, env.settings.limits.nesting)?;
    let scope = if role == Role::Ours { &env.our_globals } else { &env.globals };
    let globals = scope.get_or_init(|| builtins::globals(env, role == Role::Ours)).clone();
    let redefined = scope::assigned_at_top_level(&ast);
    env.stack.borrow_mut().push(path.to_owned());
    let result = Module::with_temp_heap(|module| {
        let name = if role == Role::Main {
            "__main__".to_owned()
        } else {
            path.file_name().unwrap_or_default().to_string_lossy().into_owned()
        };
        scope::keep_builtins(&module, &globals, &redefined);
        module.set("__file__", module.heap().alloc(shown.as_str()));
        module.set("__name__", module.heap().alloc(name));
        let loader = Loader(env);
        let outcome = {
            let mut eval = Evaluator::new(&module);
            eval.set_loader(&loader);
            eval.extra = Some(env);
            limits::set(&mut eval, env);
            let outcome = eval.eval_module(ast, &globals).map(|_| ());
            outcome.map_err(|e| {
                let span = e.span().cloned();
                let mut failure = failure_in(e, Some(env));
                let is_in_function = failure.frames.len() > 1;
                let own = span.filter(|span| span.filename() == shown);
                let told = own.and_then(|s| bounds::told(&failure.message, &s, &module, is_in_function));
                failure.message = told.unwrap_or(failure.message);
                limits::in_our_words(failure, env)
            })
        };
        match outcome {
            Err(failure) if failure.kind != FailureKind::Exit || role != Role::Main => return Err(failure),
            _ => {}
        }
        module
            .freeze_named(FrozenHeapName::User(Box::new(shown.clone())))
            .map_err(|e| Failure::new(format!("{}: {e:?}", path.display())))
    });
    env.stack.borrow_mut().pop();
    result
}

/// The interpreter takes no tabs outside of strings; Tilt's does. One tab becomes one space, so that columns stay; if
/// the indentation mixes both, a tab reaches to the next multiple of eight.
fn without_tabs(source: String) -> String {
    if !source.contains('\t') {
        return source;
    }
    let spaces = source.lines().any(|l| l.starts_with(' '));
    let mut out = String::with_capacity(source.len());
    let (mut quote, mut triple, mut comment, mut indent) = (None, false, false, Some(0));
    // in brackets indentation means nothing, and one space is enough
    let mut brackets = 0usize;
    let mut rest = source.as_str();
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match (quote, c) {
            (Some(_), '\\') => taken += rest[1..].chars().next().map_or(0, char::len_utf8),
            (Some(q), c) if c == q && (!triple || rest[1..].starts_with(&format!("{q}{q}"))) => {
                taken = if triple { 3 } else { 1 };
                quote = None;
            }
            (Some(_), '\n') if !triple => quote = None,
            (None, '"' | '\'') if !comment => {
                triple = rest[1..].starts_with(&format!("{c}{c}"));
                taken = if triple { 3 } else { 1 };
                quote = Some(c);
            }
            (None, '#') => comment = true,
            (None, '(' | '[' | '{') if !comment => brackets += 1,
            (None, ')' | ']' | '}') if !comment => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        if c == '\n' {
            comment = false;
            indent = Some(0);
        }
        match (c, indent) {
            ('\t', Some(column)) if quote.is_none() && spaces && brackets == 0 => {
                let width = 8 - column % 8;
                out.extend(std::iter::repeat_n(' ', width));
                indent = Some(column + width);
            }
            ('\t', _) if quote.is_none() && !comment => out.push(' '),
            _ => out.push_str(&rest[..taken]),
        }
        match c {
            ' ' => indent = indent.map(|n| n + 1),
            '\n' | '\t' => {}
            _ => indent = None,
        }
        rest = &rest[taken..];
    }
    out
}

/// A syntax error: `file:line:col: message`.
fn syntax_failure(e: &starlark::Error) -> Failure {
    let position = e.span().map(span_start);
    let message = e.without_diagnostic().to_string();
    let message = message.strip_prefix("Parse error: ").unwrap_or(&message);
    let text = match &position {
        Some(position) => format!("{position}: {message}"),
        None => message.to_owned(),
    };
    Failure { message: text, position: position.map(Box::new), ..Failure::default() }
}

/// An error of the interpreter with its stack, or one of ours that passed through it.
pub(crate) fn failure_of(e: starlark::Error) -> Failure {
    failure_in(e, None)
}

fn failure_in(e: starlark::Error, env: Option<&Env<'_>>) -> Failure {
    let inner = match e.kind() {
        starlark::ErrorKind::Other(any) => any.downcast_ref::<Failure>().cloned(),
        _ => None,
    };
    if inner.is_none()
        && let Some(failure) = names::unresolved(&e)
    {
        return failure;
    }
    let in_place = inner.as_ref().is_some_and(|f| f.in_place);
    let mut told = e.without_diagnostic().to_string();
    let (frames, mut span) = without_guards(&e.call_stack().frames, e.span().cloned(), in_place);
    let is_ours = inner.is_some();
    let missing = span.as_ref().filter(|_| !is_ours);
    if let Some((message, statement)) = missing.and_then(|s| names::not_exported(&told, s)) {
        (told, span) = (message, Some(statement));
    }
    let mut failure = inner.unwrap_or_else(|| Failure::new(message(&told, &frames)));
    let called = frames.iter().rfind(|f| !is_module_frame(f));
    let misfit = called
        .filter(|_| !is_ours)
        .and_then(|frame| arity::misfit(env, &told, &frame.name, frame.location.as_ref()?));
    if let Some(span) = span.as_ref().filter(|_| !is_ours) {
        let is_len = span.source_span().starts_with("len(");
        failure.message = messages::with_operator(failure.message, is_len, |m| places::operator(span, m));
    }
    let mut body = None;
    if let Some(misfit) = misfit {
        (failure.message, body) = (misfit.message, Some(misfit.place));
    }
    failure.in_place = false;
    if failure.kind == FailureKind::Exit {
        return failure;
    }
    let mut lines = Vec::new();
    let mut caller = "<toplevel>".to_owned();
    let mut last_is_native = false;
    let mut position = None;
    let before_call = ["invalid call of non-function", "argument after *"];
    let not_called = usize::from(before_call.iter().any(|m| failure.message.starts_with(m)));
    let called = frames.iter().filter(|f| !is_module_frame(f)).count() - not_called.min(frames.len());
    // functions with a body fail where they are called if there are too many calls, or if the arguments do not fit
    let before_body = failure.message == limits::OVERFLOW || failure.message.starts_with("function ");
    for frame in frames.iter().filter(|f| !is_module_frame(f)).take(called) {
        match &frame.location {
            Some(location) => {
                let at = call_position(location);
                lines.push(format!("  {at}: in {caller}"));
                position = Some(at);
            }
            None => lines.push(format!("  <builtin>: in {caller}")),
        }
        caller = frame.name.clone();
        let fails_at_call = frame.location.is_some() && frame.location == span && !before_body;
        last_is_native = fails_at_call || builtins::index_of(&caller).is_some() || !has_body(frame);
    }
    if failure.frames.is_empty() && failure.prefix.is_empty() {
        let inlined = span.as_ref().and_then(|s| {
            let call = s.source_span();
            // the interpreter calls these without a frame
            ["len", "type"].into_iter().find(|f| call.strip_prefix(f).is_some_and(|c| c.starts_with('(')))
        });
        if let Some((span, function)) = span.as_ref().zip(inlined).filter(|_| !last_is_native) {
            lines.push(format!("  {}: in {caller}", call_position(span)));
            (caller, last_is_native) = (function.to_owned(), true);
        }
        failure.prefix = if last_is_native {
            format!("Error in {caller}: ")
        } else {
            if let Some(span) = &span {
                let at = body.unwrap_or_else(|| error_position(span, &failure.message));
                lines.push(format!("  {at}: in {caller}"));
                position = Some(at);
            }
            "Error: ".to_owned()
        };
        failure.position = failure.position.or(position.map(Box::new));
        failure.frames = lines;
    } else {
        // it happened in a file that a builtin of this one evaluated
        if last_is_native {
            lines.push(format!("  <builtin>: in {caller}"));
        } else if let Some(span) = &span {
            lines.push(format!("  {}: in {caller}", error_position(span, &failure.message)));
        }
        lines.append(&mut failure.frames);
        failure.frames = lines;
    }
    failure
}

/// The call stack as if there were no guards. What an operator's guard calls stands where the operator does.
fn without_guards(
    frames: &[Frame],
    mut span: Option<FileSpan>,
    in_place: bool,
) -> (Vec<Frame>, Option<FileSpan>) {
    let mut out: Vec<Frame> = Vec::new();
    let mut rest = frames.iter().peekable();
    while let Some(frame) = rest.next() {
        let Some(name) = guard::guard_frame(&frame.name) else {
            // a guard of a builtin of the same name calls it
            let is_inner = frame.location.is_none() && !has_body(frame);
            if !(is_inner && out.last().is_some_and(|f| f.name == frame.name)) {
                out.push(frame.clone());
            }
            continue;
        };
        while rest
            .peek()
            .is_some_and(|f| f.location.is_none() && matches!(f.name.as_str(), "None" | "<module>"))
        {
            rest.next();
        }
        let called = rest.next().map(|f| f.name.as_str()).or(name.filter(|_| !in_place));
        match called {
            Some(called) => out.push(Frame { name: called.to_owned(), location: frame.location.clone() }),
            None => span.clone_from(&frame.location),
        }
    }
    (out, span)
}

fn message(text: &str, frames: &[Frame]) -> String {
    let functions: Vec<&Frame> = frames.iter().filter(|f| !is_module_frame(f)).collect();
    let is_frozen = text == "Immutable";
    if is_frozen || text.starts_with("This operation mutates an iterable for an iterator") {
        return messages::unchangeable(functions.last().map_or("", |f| f.name.as_str()), is_frozen);
    }
    messages::translated(text, functions.is_empty())
}

/// The interpreter may push a frame for the module itself.
fn is_module_frame(frame: &Frame) -> bool {
    frame.location.is_none() && frame.name == "<module>"
}

/// Frames of functions written in Starlark have a plain name; native ones of the interpreter are known by it.
fn has_body(frame: &Frame) -> bool {
    !names::is_native(&frame.name)
}

/// What the user gets to see.
pub(crate) fn tiltfile_error(failure: Failure) -> TiltfileError {
    let traceback = if failure.frames.is_empty() {
        String::new()
    } else {
        let frames = shortened(&failure.frames).join("\n");
        format!("Traceback (most recent call last):\n{frames}\n{}", failure.prefix)
    };
    TiltfileError {
        message: failure.message,
        traceback,
        position: failure.position.map(|p| *p),
        excerpt: None,
        hint: failure.hint,
    }
}

/// Of a long way down, as of a recursion without an end, both ends.
fn shortened(frames: &[String]) -> Vec<String> {
    const ENDS: usize = 10;
    if frames.len() <= 4 * ENDS {
        return frames.to_vec();
    }
    let mut out = frames[..ENDS].to_vec();
    out.push(format!("  … {} calls more …", frames.len() - 2 * ENDS));
    out.extend_from_slice(&frames[frames.len() - ENDS..]);
    out
}
