//! Names that nothing defines: Tilt's interpreter sees them before it runs a file, so they have no traceback.

use super::{own_names, read_again, span_start};
use crate::call::{Failure, distance, nearest};
use crate::dialect::original_name;
use starlark::codemap::FileSpan;
use starlark_syntax::syntax::ast::{AstNoPayload, AstStmtP, LoadP, StmtP};

/// Functions that Tilt's interpreter has in every file; `fail` and `print` are Tilt's own.
const NATIVE: [&str; 28] = [
    "abs",
    "all",
    "any",
    "bool",
    "bytes",
    "chr",
    "dict",
    "dir",
    "enumerate",
    "float",
    "getattr",
    "hasattr",
    "hash",
    "int",
    "len",
    "list",
    "max",
    "min",
    "ord",
    "range",
    "repr",
    "reversed",
    "set",
    "sorted",
    "str",
    "tuple",
    "type",
    "zip",
];

/// Whether the name is that of a function of the interpreter itself.
pub(super) fn is_native(name: &str) -> bool {
    NATIVE.contains(&name)
}

/// Whether a file has the name from nowhere.
pub(super) fn is_universal(name: &str) -> bool {
    is_native(name) || matches!(name, "None" | "True" | "False")
}

type Stmt = AstStmtP<AstNoPayload>;

/// What the interpreter says of a name that it does not find; with more than that, `None`.
pub(super) fn unresolved(e: &starlark::Error) -> Option<Failure> {
    let text = e.without_diagnostic().to_string();
    let span = e.span()?;
    let mut quoted = text.split('`').skip(1).step_by(2);
    if text.starts_with("Variable `") && text.contains("` not found") {
        return Some(undefined(quoted.next()?, quoted.next(), span));
    }
    let name = quoted.next()?;
    if text.starts_with("Cannot import private symbol `") {
        let mut position = span_start(span);
        position.column += 1;
        let message = format!("{position}: load: names with leading underscores are not exported: {name}");
        return Some(Failure { message, position: Some(Box::new(position)), ..Failure::default() });
    }
    None
}

/// A name near to it that is one of the file's own belongs to the message; that of a builtin is more than Tilt tells.
fn undefined(name: &str, near: Option<&str>, span: &FileSpan) -> Failure {
    let name = original_name(name);
    let position = span_start(span);
    let near = near.and_then(|near| nearest(name, [near]));
    let is_own = |near: &&str| {
        read_again(span.filename(), span.file.source().to_owned())
            .is_some_and(|ast| own_names(&ast).contains(*near))
    };
    let own = near.filter(is_own);
    let tail = own.map(|n| format!(" (did you mean {n}?)")).unwrap_or_default();
    // Tilt's measure is generous: of short names everything is near
    let is_slip = |near: &&str| {
        !matches!(*near, "None" | "True" | "False")
            && distance(&name.to_lowercase(), &near.to_lowercase()) <= name.len() / 4
    };
    let hint = near.filter(|_| own.is_none()).filter(is_slip).map(|n| format!("did you mean {n}?"));
    Failure {
        message: format!("{position}: undefined: {name}{tail}"),
        position: Some(Box::new(position)),
        hint,
        ..Failure::default()
    }
}

/// A symbol that a loaded file does not have: the message, and where the statement begins.
pub(super) fn not_exported(text: &str, span: &FileSpan) -> Option<(String, FileSpan)> {
    if !text.starts_with("Module has no symbol `") {
        return None;
    }
    let mut quoted = text.split('`').skip(1).step_by(2);
    let name = original_name(quoted.next()?);
    let near = quoted.next().and_then(|near| nearest(name, [near]));
    let ast = read_again(span.filename(), span.file.source().to_owned())?;
    let (load, statement) = load_with(ast.statement(), span)?;
    let tail = near.map(|n| format!(" (did you mean {n}?)")).unwrap_or_default();
    let message = format!("load: name {name} not found in module {}{tail}", load.module.node);
    Some((message, ast.file_span(statement.span)))
}

fn load_with<'s>(statement: &'s Stmt, span: &FileSpan) -> Option<(&'s LoadP<AstNoPayload>, &'s Stmt)> {
    if let StmtP::Load(load) = &statement.node {
        return statement.span.contains(span.span.begin()).then_some((load, statement));
    }
    let mut found = None;
    statement.visit_stmt(|s| found = found.or_else(|| load_with(s, span)));
    found
}
