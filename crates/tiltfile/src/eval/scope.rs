//! Names of builtins that a file gives a meaning of its own.
//!
//! In Tilt's dialect a use at the top level means what the name means at that place: until the file's own assignment it
//! is the builtin, as in Python. The interpreter here makes the name the file's own from the first line on, so the
//! builtin is put there as its first value.

use starlark::environment::{Globals, Module};
use starlark::syntax::AstModule;
use starlark_syntax::syntax::ast::{AstNoPayload, AstStmtP, StmtP};
use std::collections::HashSet;

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
