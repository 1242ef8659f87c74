//! Arguments that do not fit a function, in the words of Tilt's interpreter.
//!
//! The interpreter here tells one thing that is wrong, and in an order of its own. So the call and the definition are
//! read once more, and the arguments are bound as Tilt's interpreter binds them.

use super::names::is_universal;
use super::places::offset_position;
use super::{read_again, without_tabs};
use crate::env::Env;
use crate::{Position, dialect};
use starlark::codemap::{FileSpan, Span};
use starlark::syntax::AstModule;
use starlark_syntax::syntax::ast::{
    ArgumentP, AstExprP, AstNoPayload, AstParameterP, AstStmtP, CallArgsP, DefP, ExprP, LambdaP, ParameterP,
    StmtP,
};
use std::path::Path;

type Expr = AstExprP<AstNoPayload>;
type Stmt = AstStmtP<AstNoPayload>;

/// Why a call fails before the function's body runs, and the place in the body that Tilt's interpreter shows for it.
pub(super) struct Misfit {
    pub(super) message: String,
    pub(super) place: Position,
}

/// What the interpreter said of arguments that do not fit.
struct Told<'t> {
    /// The file of the definition, where it is told.
    file: Option<&'t str>,
    /// More arguments by position than parameters.
    extra: Option<usize>,
}

impl<'t> Told<'t> {
    fn of(text: &'t str) -> Option<Told<'t>> {
        let missing = text.starts_with("Missing ") && text.contains("parameter `");
        let repeated = text.starts_with("Argument `") && text.ends_with("` occurs more than once");
        let extra =
            text.strip_prefix("Found ").and_then(|rest| rest.split_once(" extra positional argument"));
        let named = text.starts_with("Found `") && text.contains(" extra named parameter");
        if !missing && !repeated && !named && extra.is_none() {
            return None;
        }
        let (_, function) = text.rsplit_once(" for call to ").unwrap_or_default();
        let file = function.trim_matches('`').rsplit_once('.').map(|(file, _)| file);
        Some(Told { file, extra: extra.and_then(|(count, _)| count.parse().ok()) })
    }
}

/// `text`: what the interpreter said; `function` was called at `call`.
pub(super) fn misfit(env: Option<&Env<'_>>, text: &str, function: &str, call: &FileSpan) -> Option<Misfit> {
    let told = Told::of(text)?;
    let calling = read_again(call.filename(), call.file.source().to_owned())?;
    let other = match told.file {
        Some(file) if file != call.filename() => {
            let source = env?.read(Path::new(file)).ok()?;
            Some(read_again(file, dialect::translated(without_tabs(source)))?)
        }
        _ => None,
    };
    let defining = other.as_ref().unwrap_or(&calling);
    let arguments = arguments(&calling, call)?;
    let (params, place) = if function == "lambda" {
        let lambda = lambda(defining.statement())?;
        (&lambda.params, in_expression(&lambda.body).unwrap_or(lambda.body.span))
    } else {
        let definition = definition(defining.statement(), function)?;
        (&definition.params, in_statement(&definition.body).unwrap_or(definition.name.span))
    };
    let message = Signature::of(params).misfit(function, arguments, &told)?;
    let place = offset_position(&defining.file_span(place), 0);
    Some(Misfit { message, place })
}

/// The only function of this name in a file.
fn definition<'s>(statement: &'s Stmt, name: &str) -> Option<&'s DefP<AstNoPayload>> {
    let mut found = Vec::new();
    fn collect<'s>(statement: &'s Stmt, name: &str, out: &mut Vec<&'s DefP<AstNoPayload>>) {
        if let StmtP::Def(def) = &statement.node
            && def.name.node.ident == name
        {
            out.push(def);
        }
        statement.visit_stmt(|s| collect(s, name, out));
    }
    collect(statement, name, &mut found);
    let [only] = found.as_slice() else { return None };
    Some(only)
}

/// The only function without a name in a file.
fn lambda(statement: &Stmt) -> Option<&LambdaP<AstNoPayload>> {
    fn collect<'s>(e: &'s Expr, out: &mut Vec<&'s LambdaP<AstNoPayload>>) {
        if let ExprP::Lambda(lambda) = &e.node {
            out.push(lambda);
        }
        e.visit_expr(|e| collect(e, out));
    }
    let mut found = Vec::new();
    statement.visit_expr(|e| collect(e, &mut found));
    let [only] = found.as_slice() else { return None };
    Some(only)
}

fn arguments<'s>(ast: &'s AstModule, call: &FileSpan) -> Option<&'s CallArgsP<AstNoPayload>> {
    fn find<'s>(e: &'s Expr, call: &FileSpan, out: &mut Option<&'s CallArgsP<AstNoPayload>>) {
        if let ExprP::Call(_, arguments) = &e.node
            && e.span == call.span
        {
            *out = Some(arguments);
        }
        e.visit_expr(|e| find(e, call, out));
    }
    let mut out = None;
    ast.statement().visit_expr(|e| find(e, call, &mut out));
    out
}

/// The parameters of a function.
struct Signature<'s> {
    /// Name, and whether it must be given; those from `by_name` on only by name.
    params: Vec<(&'s str, bool)>,
    by_name: usize,
    has_args: bool,
    has_kwargs: bool,
}

impl<'s> Signature<'s> {
    fn of(params: &'s [AstParameterP<AstNoPayload>]) -> Signature<'s> {
        let mut out = Signature { params: Vec::new(), by_name: 0, has_args: false, has_kwargs: false };
        let mut star = None;
        for AstParameterP { node, .. } in params {
            match node {
                ParameterP::Normal(name, _, default) => {
                    out.params.push((name.node.ident.as_str(), default.is_none()));
                }
                ParameterP::Args(..) => {
                    out.has_args = true;
                    star = Some(out.params.len());
                }
                ParameterP::NoArgs => star = Some(out.params.len()),
                ParameterP::KwArgs(..) => out.has_kwargs = true,
                ParameterP::Slash => {}
            }
        }
        out.by_name = star.unwrap_or(out.params.len());
        out
    }

    /// What is wrong, looked for in Tilt's order.
    fn misfit(&self, function: &str, arguments: &CallArgsP<AstNoPayload>, told: &Told<'_>) -> Option<String> {
        let (mut positional, mut named, mut unpacked) = (0, Vec::new(), false);
        for argument in &arguments.args {
            match &argument.node {
                ArgumentP::Positional(_) => positional += 1,
                ArgumentP::Named(name, _) => named.push(name.node.as_str()),
                ArgumentP::Args(_) | ArgumentP::KwArgs(_) => unpacked = true,
            }
        }
        if let Some(extra) = told.extra {
            positional = self.by_name + extra;
        }
        if self.params.is_empty() && !self.has_args && !self.has_kwargs && !unpacked {
            let given = positional + named.len();
            return (given > 0).then(|| format!("function {function} accepts no arguments ({given} given)"));
        }
        if positional > self.by_name && !self.has_args {
            return Some(self.too_many(function, positional));
        }
        if unpacked {
            return None;
        }
        let mut bound: Vec<bool> = (0..self.params.len()).map(|i| i < positional.min(self.by_name)).collect();
        for name in named {
            match self.params.iter().position(|(param, _)| *param == name) {
                Some(index) if bound[index] => {
                    return Some(format!("function {function} got multiple values for parameter {name:?}"));
                }
                Some(index) => bound[index] = true,
                None if self.has_kwargs => {}
                None => {
                    return Some(format!("function {function} got an unexpected keyword argument {name:?}"));
                }
            }
        }
        let missing: Vec<&str> = self
            .params
            .iter()
            .zip(bound)
            .filter(|((_, must), is)| *must && !is)
            .map(|((name, _), _)| *name)
            .collect();
        let plural = if missing.len() > 1 { "s" } else { "" };
        (!missing.is_empty()).then(|| {
            format!("function {function} missing {} argument{plural} ({})", missing.len(), missing.join(", "))
        })
    }

    fn too_many(&self, function: &str, given: usize) -> String {
        let optional = self.params[..self.by_name].iter().any(|(_, must)| !must);
        let at_most = if optional { "at most " } else { "" };
        let plural = if self.by_name == 1 { "" } else { "s" };
        format!(
            "function {function} accepts {at_most}{} positional argument{plural} ({given} given)",
            self.by_name
        )
    }
}

/// The first thing in a function's body that has a place for Tilt's interpreter; a constant has none.
fn in_statement(statement: &Stmt) -> Option<Span> {
    match &statement.node {
        StmtP::Statements(all) => all.iter().find_map(in_statement),
        StmtP::Expression(e) | StmtP::Return(Some(e)) => in_expression(e),
        StmtP::Assign(assign) => in_expression(&assign.rhs),
        StmtP::If(condition, then) => in_expression(condition).or_else(|| in_statement(then)),
        StmtP::IfElse(condition, branches) => in_expression(condition).or_else(|| in_statement(&branches.0)),
        StmtP::For(each) => in_expression(&each.over).or(Some(statement.span)),
        StmtP::Break | StmtP::Continue | StmtP::Pass | StmtP::Return(None) | StmtP::Def(_) => None,
        StmtP::AssignModify(..) | StmtP::Load(_) => Some(statement.span),
    }
}

fn in_expression(expression: &Expr) -> Option<Span> {
    if let ExprP::Identifier(name) = &expression.node {
        return (!is_universal(&name.node.ident)).then_some(expression.span);
    }
    let mut found = None;
    expression.visit_expr(|e| found = found.or_else(|| in_expression(e)));
    found
}
