//! Names of builtins that a file gives a meaning of its own.
//!
//! In Tilt's dialect a use at the top level means what the name means at that place: until the file's own assignment it
//! is the builtin, as in Python. The interpreter here makes the name the file's own from the first line on, so the
//! builtin is put there as its first value.

use starlark::environment::{Globals, Module};
use starlark::syntax::AstModule;
use starlark_syntax::syntax::ast::{
    AstAssignTargetP, AstExprP, AstNoPayload, AstStmtP, ClauseP, ExprP, ParameterP, StmtP,
};
use std::collections::HashSet;

type Expr = AstExprP<AstNoPayload>;
type Stmt = AstStmtP<AstNoPayload>;

/// The names that statements at the top level of a file assign, those in `if` and `for` included.
pub(super) fn assigned_at_top_level(ast: &AstModule) -> HashSet<String> {
    let mut names = HashSet::new();
    collect(ast.statement(), &mut names);
    names
}

fn collect(statement: &AstStmtP<AstNoPayload>, out: &mut HashSet<String>) {
    let target = match &statement.node {
        // what a function assigns is its own
        StmtP::Def(def) => {
            out.insert(def.name.node.ident.clone());
            return;
        }
        StmtP::Assign(assign) => Some(&assign.lhs),
        StmtP::AssignModify(target, _, _) => Some(target),
        StmtP::For(each) => Some(&each.var),
        _ => None,
    };
    if let Some(target) = target {
        target.visit_lvalue(|name| {
            out.insert(name.node.ident.clone());
        });
    }
    statement.visit_stmt(|s| collect(s, out));
}

/// Gives each of the names that is a builtin's that builtin as its first value.
pub(super) fn keep_builtins(module: &Module<'_>, globals: &Globals, names: &HashSet<String>) {
    let redefined: Vec<_> = globals.iter().filter(|(name, _)| names.contains(*name)).collect();
    if redefined.is_empty() {
        return;
    }
    module.frozen_heap().add_reference(globals.heap());
    for (name, builtin) in redefined {
        module.set(name, builtin.to_value());
    }
}

/// All names that the file gives a meaning of its own, anywhere.
pub(crate) fn own_names(ast: &AstModule) -> HashSet<String> {
    let mut own = HashSet::new();
    assigned(ast.statement(), &mut own);
    ast.statement().visit_expr(|e| bound(e, &mut own));
    own
}

/// The names that lambdas and comprehensions of a file bind, and with `functions` those that its functions do.
pub(super) fn inner_names(ast: &AstModule, functions: bool) -> HashSet<String> {
    fn of_functions(statement: &Stmt, out: &mut HashSet<String>) {
        match &statement.node {
            StmtP::Def(_) => assigned(statement, out),
            _ => statement.visit_stmt(|s| of_functions(s, out)),
        }
    }
    let mut inner = HashSet::new();
    ast.statement().visit_expr(|e| bound(e, &mut inner));
    if functions {
        of_functions(ast.statement(), &mut inner);
    }
    inner
}

fn assigned(statement: &Stmt, out: &mut HashSet<String>) {
    match &statement.node {
        StmtP::Def(def) => {
            out.insert(def.name.node.ident.clone());
            for parameter in &def.params {
                if let Some(name) = parameter_name(&parameter.node) {
                    out.insert(name);
                }
            }
        }
        StmtP::Load(load) => out.extend(load.args.iter().map(|a| a.local.node.ident.clone())),
        StmtP::Assign(assign) => targets(&assign.lhs, out),
        StmtP::AssignModify(target, _, _) => targets(target, out),
        StmtP::For(f) => targets(&f.var, out),
        _ => {}
    }
    statement.visit_stmt(|s| assigned(s, out));
}

fn targets(target: &AstAssignTargetP<AstNoPayload>, out: &mut HashSet<String>) {
    target.visit_lvalue(|name| {
        out.insert(name.node.ident.clone());
    });
}

/// Names that lambdas and comprehensions bind.
fn bound(expression: &Expr, out: &mut HashSet<String>) {
    match &expression.node {
        ExprP::Lambda(lambda) => out.extend(lambda.params.iter().filter_map(|p| parameter_name(&p.node))),
        ExprP::ListComprehension(_, first, rest) | ExprP::DictComprehension(_, first, rest) => {
            targets(&first.var, out);
            for clause in rest {
                if let ClauseP::For(f) = clause {
                    targets(&f.var, out);
                }
            }
        }
        _ => {}
    }
    expression.visit_expr(|e| bound(e, out));
}

fn parameter_name(parameter: &ParameterP<AstNoPayload>) -> Option<String> {
    match parameter {
        ParameterP::Normal(name, ..) | ParameterP::Args(name, _) | ParameterP::KwArgs(name, _) => {
            Some(name.node.ident.clone())
        }
        ParameterP::NoArgs | ParameterP::Slash => None,
    }
}
