//! Where a call or an error is said to be: at the operator, the bracket or the dot, as in Tilt's interpreter.

use super::read_again;
use crate::{Position, dialect, guard};
use starlark::codemap::FileSpan;
use starlark_syntax::syntax::ast::{AstExprP, AstNoPayload, AstStmtP, ExprP, StmtP};
use std::path::PathBuf;

type Expr = AstExprP<AstNoPayload>;
type Stmt = AstStmtP<AstNoPayload>;

/// The place of a call: its opening parenthesis, as starlark-go has it.
pub(crate) fn call_position(span: &FileSpan) -> Position {
    let source = span.source_span();
    let begin = span.span.begin().get() as usize;
    if let Some(parenthesis) = guard::call_parenthesis(span.file.source(), begin) {
        return offset_position(span, parenthesis - begin);
    }
    let mut depth = 0usize;
    let mut quote = None;
    let mut open = None;
    // the last group of parentheses at depth 0 holds this call's arguments
    for (i, c) in source.char_indices() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => {
                if depth == 0 {
                    open = Some(i);
                }
                depth += 1;
            }
            (None, '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    offset_position(span, open.unwrap_or(0))
}

/// The place of an error in an expression or a statement.
pub(super) fn error_position(span: &FileSpan, message: &str) -> Position {
    let text = span.source_span();
    let source = span.file.source();
    let (begin, end) = (span.span.begin().get() as usize, span.span.end().get() as usize);
    let after = source[end..].trim_start();
    let blank = source.len() - end - after.len();
    // a key is known to be wrong at its colon, and names that values are unpacked to at the `=`
    let is_unpacked = message.contains(" to unpack ") || message.ends_with("sequence assignment");
    if message.starts_with("unhashable type") && after.starts_with(':')
        || is_unpacked && after.starts_with('=')
    {
        return offset_position(span, text.len() + blank);
    }
    if let Some(before) = source[..begin].trim_end().strip_suffix("for").filter(|_| is_unpacked) {
        return source_position(span, before.len());
    }
    offset_position(span, failing(text, message).map_or(0, |(at, _)| at))
}

/// The operator that fails in an expression, as it is written.
pub(super) fn operator<'s>(span: &'s FileSpan, message: &str) -> Option<&'s str> {
    let (at, length) = failing(span.source_span(), message)?;
    span.source_span().get(at..at + length)
}

/// Where in the text of an expression or a statement that is what fails in it, and how long it is.
fn failing(text: &str, message: &str) -> Option<(usize, usize)> {
    let in_brackets = |from: usize, to: usize| {
        // what stands in brackets may go over several lines
        let ast = read_again("", format!("({})", text.get(from..to)?))?;
        let found =
            find(&whole(ast.statement())?.node, &format!("({})", &text[from..to]), message, from > 0)?;
        Some((from + found.0.checked_sub(1)?, found.1))
    };
    if let Some(condition) = text.strip_prefix("if ").or_else(|| text.strip_prefix("elif ")) {
        // an operator in a condition is given the whole statement as its place
        let from = text.len() - condition.len();
        return condition.match_indices(':').take(9).find_map(|(colon, _)| in_brackets(from, from + colon));
    }
    match read_again("", text.to_owned()) {
        Some(ast) => find(&whole(ast.statement())?.node, text, message, false),
        None => in_brackets(0, text.len()),
    }
}

/// The only statement.
fn whole(mut statement: &Stmt) -> Option<&Stmt> {
    while let StmtP::Statements(all) = &statement.node {
        let [only] = all.as_slice() else { return None };
        statement = only;
    }
    Some(statement)
}

fn find(
    statement: &StmtP<AstNoPayload>,
    text: &str,
    message: &str,
    anywhere: bool,
) -> Option<(usize, usize)> {
    let after = |begin: u32, what: &str| Some(begin as usize + text.get(begin as usize..)?.find(what)?);
    match statement {
        StmtP::Expression(e) if anywhere => first_like(e, text, message),
        StmtP::Expression(e) => in_expression(e, text, message).or_else(|| first_like(e, text, message)),
        StmtP::Assign(assign) => {
            let what = if message.contains("field of") { "." } else { "[" };
            Some((after(assign.lhs.span.begin().get(), what)?, 1))
        }
        StmtP::AssignModify(target, ..) => {
            let end = target.span.end().get() as usize;
            let rest = text.get(end..)?;
            let operator = rest.trim_start();
            Some((end + rest.len() - operator.len(), operator.find('=')?))
        }
        _ => None,
    }
}

/// The first part of an expression that the message may be about.
fn first_like(expression: &Expr, text: &str, message: &str) -> Option<(usize, usize)> {
    let mut found = None;
    expression.visit_expr(|e| found = found.or_else(|| first_like(e, text, message)));
    found.or_else(|| {
        let (at, length) = in_expression(expression, text, message)?;
        let operator = text.get(at..at + length)?;
        let is_meant = match &expression.node {
            ExprP::Op(..)
                if operator.contains(['<', '>']) && !operator.contains("<<") && !operator.contains(">>") =>
            {
                message.contains(" compare ") || message.contains(&format!(" {operator} "))
            }
            ExprP::Op(..) => message.contains(&format!(" {operator} ")) || message.contains(" zero"),
            ExprP::Dot(_, name) => message.contains(&format!(".{} ", name.node)),
            ExprP::Index(_) => {
                ["index", "key", "unhandled index", "got"].iter().any(|m| message.starts_with(m))
            }
            _ => false,
        };
        is_meant.then_some((at, length))
    })
}

fn in_expression(expression: &Expr, text: &str, message: &str) -> Option<(usize, usize)> {
    let end = |e: &Expr| e.span.end().get() as usize;
    let after = |place: usize, what: char| Some((place + text.get(place..)?.find(what)?, 1));
    match &expression.node {
        ExprP::Op(left, _, right) => {
            let between = text.get(end(left)..right.span.begin().get() as usize)?;
            let operator = between.trim_start_matches(|c: char| c.is_whitespace() || c == ')');
            let length = operator.find(|c: char| c.is_whitespace() || c == '(').unwrap_or(operator.len());
            Some((end(left) + between.len() - operator.len(), length))
        }
        ExprP::Dot(of, _) => after(end(of), '.'),
        ExprP::Call(function, _) => match &function.node {
            ExprP::Dot(of, _) if message.contains(" has no .") => after(end(of), '.'),
            _ => after(end(function), '('),
        },
        ExprP::Index(parts) => after(end(&parts.0), '['),
        ExprP::Slice(of, ..) => after(end(of), '['),
        _ => None,
    }
}

pub(crate) fn span_start(span: &FileSpan) -> Position {
    offset_position(span, 0)
}

/// A place so many bytes after the beginning of a span, in the Tiltfile.
pub(super) fn offset_position(span: &FileSpan, offset: usize) -> Position {
    source_position(span, span.span.begin().get() as usize + offset)
}

/// A place of the text that a span belongs to, in the Tiltfile.
fn source_position(span: &FileSpan, at: usize) -> Position {
    let source = span.file.source();
    let line_start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = span.file.find_line(starlark::codemap::Pos::new(at as u32));
    let column = guard::column(source, line_start, at);
    let (line, column) = dialect::original(source, line, column);
    Position { file: PathBuf::from(span.filename()), line: line + 1, column: column + 1 }
}
