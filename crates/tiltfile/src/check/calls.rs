//! Calls of builtins with arguments that they do not take, seen without running anything.

use super::{Diagnostic, Severity};
use crate::catalog::{self, Entry, Param, ParamKind, State};
use crate::eval::{own_names, span_start};
use starlark::syntax::AstModule;
use starlark_syntax::syntax::ast::{ArgumentP, AstExprP, AstLiteral, AstNoPayload, CallArgsP, ExprP};

type Expr = AstExprP<AstNoPayload>;

/// Looks at every call of the file.
pub(super) fn check(ast: &AstModule, out: &mut Vec<Diagnostic>) {
    let own = own_names(ast);
    let mut calls = Vec::new();
    ast.statement().visit_expr(|e| find_calls(e, &mut calls));
    for (call, function, arguments) in calls {
        let Some(name) = full_name(function) else { continue };
        let root = name.split('.').next().unwrap_or_default();
        if own.contains(root) || name.starts_with("environ.") || name.starts_with("coracle.") {
            continue;
        }
        let entry = catalog::find(&name).or_else(|| name.strip_prefix("os.").and_then(catalog::find));
        let Some(entry) = entry else { continue };
        let place = || Some(span_start(&ast.file_span(call.span)));
        for problem in problems(entry, arguments) {
            out.push(Diagnostic {
                severity: Severity::Error,
                code: "call",
                message: problem,
                position: place(),
                hint: Some(format!("{}({})", entry.name, shown(entry.params()))),
            });
        }
        if entry.state == State::NotBuilt {
            out.push(Diagnostic {
                severity: Severity::Warning,
                code: "not-built",
                message: format!("{}() is not built yet in Coracle", entry.name),
                position: place(),
                hint: None,
            });
        }
    }
}

/// Files that `include` and `load_dynamic` name by a literal.
pub(super) fn included(ast: &AstModule) -> Vec<String> {
    let mut calls = Vec::new();
    ast.statement().visit_expr(|e| find_calls(e, &mut calls));
    let named = calls.into_iter().filter_map(|(_, function, arguments)| {
        let is_load = matches!(full_name(function)?.as_str(), "include" | "load_dynamic");
        match arguments.args.first().map(|a| &a.node) {
            Some(ArgumentP::Positional(e)) if is_load => match &e.node {
                ExprP::Literal(AstLiteral::String(text)) => Some(text.node.clone()),
                _ => None,
            },
            _ => None,
        }
    });
    named.collect()
}

type Call<'a> = (&'a Expr, &'a Expr, &'a CallArgsP<AstNoPayload>);

fn find_calls<'a>(expression: &'a Expr, out: &mut Vec<Call<'a>>) {
    if let ExprP::Call(function, arguments) = &expression.node {
        out.push((expression, function, arguments));
    }
    expression.visit_expr(|e| find_calls(e, out));
}

/// `a.b.c`
fn full_name(expression: &Expr) -> Option<String> {
    match &expression.node {
        ExprP::Identifier(name) => Some(name.node.ident.clone()),
        ExprP::Dot(object, name) => Some(format!("{}.{}", full_name(object)?, name.node)),
        _ => None,
    }
}

/// In the words of the evaluation.
fn problems(entry: &Entry, arguments: &CallArgsP<AstNoPayload>) -> Vec<String> {
    let (params, name) = (entry.params(), entry.name);
    let takes = |kind| params.iter().any(|p| p.kind == kind);
    let (mut positional, mut named, mut open) = (0usize, Vec::new(), false);
    for argument in &arguments.args {
        match &argument.node {
            ArgumentP::Positional(_) => positional += 1,
            ArgumentP::Named(name, _) => named.push(name.node.as_str()),
            ArgumentP::Args(_) | ArgumentP::KwArgs(_) => open = true,
        }
    }
    let plain: Vec<&Param> = params.iter().filter(|p| p.kind == ParamKind::Plain).collect();
    let mut found = Vec::new();
    if positional > plain.len() && !takes(ParamKind::Positionals) {
        let most = if params.is_empty() { "" } else { "at most " };
        found.push(format!("{name}: got {positional} arguments, want {most}{}", plain.len()));
    }
    for given in &named {
        match plain.iter().position(|p| p.name == *given) {
            Some(index) if index < positional => {
                found.push(format!("{name}: got multiple values for keyword argument {given:?}"));
            }
            Some(_) => {}
            None if params.iter().any(|p| p.name == *given) || takes(ParamKind::Keywords) => {}
            None => found.push(format!("{name}: unexpected keyword argument {given:?}")),
        }
    }
    if !open {
        let missing = plain.iter().skip(positional).find(|p| p.default.is_none() && !named.contains(&p.name));
        found.extend(missing.map(|p| format!("{name}: missing argument for {}", p.name)));
    }
    found
}

fn shown(params: &[Param]) -> String {
    let words = params.iter().map(|p| match (p.kind, p.default) {
        (ParamKind::Positionals, _) => format!("*{}", p.name),
        (ParamKind::Keywords, _) => format!("**{}", p.name),
        (_, Some(default)) => format!("{}={default}", p.name),
        (_, None) => p.name.to_owned(),
    });
    words.collect::<Vec<_>>().join(", ")
}
