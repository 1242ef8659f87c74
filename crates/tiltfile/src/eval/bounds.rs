//! What an index is wrong for: the interpreter tells the index alone, Tilt's the type and the range too.

use super::{read_again, scope};
use crate::call::type_name;
use starlark::codemap::FileSpan;
use starlark::environment::Module;
use starlark::values::Value;
use starlark::values::list::ListRef;
use starlark::values::tuple::TupleRef;
use starlark_syntax::syntax::ast::{
    AssignTargetP, AstExprP, AstLiteral, AstNoPayload, AstStmtP, ExprP, StmtP,
};
use std::collections::HashSet;

type Expr = AstExprP<AstNoPayload>;
type Stmt = AstStmtP<AstNoPayload>;

/// The message with type and range, if the container is known: a literal, or what names of the file lead to.
pub(super) fn told(
    message: &str,
    span: &FileSpan,
    module: &Module<'_>,
    is_in_function: bool,
) -> Option<String> {
    const FROZEN: &str = "cannot insert into frozen hash table";
    let index = message.strip_prefix("index ").and_then(|m| m.strip_suffix(" out of range"));
    if index.is_none() && message != FROZEN {
        return None;
    }
    let file = read_again(span.filename(), span.file.source().to_owned())?;
    let names = Names { module, inner: scope::inner_names(&file, is_in_function) };
    let ast = read_again("", span.source_span().to_owned())?;
    let mut containers = Vec::new();
    in_statement(ast.statement(), &mut containers);
    let Some(index) = index else {
        let kind = names.size(containers.first()?)?.0;
        let has_items = ["list", "dict", "set", "struct", "module", "environ"].contains(&kind);
        return (!has_items).then(|| format!("{kind} value does not support item assignment"));
    };
    let index: i64 = index.parse().ok()?;
    let sizes = containers.iter().filter_map(|container| names.size(container));
    let sizes = sizes.filter_map(|(kind, len)| Some((kind, i64::try_from(len?).ok()?)));
    let mut outside = sizes.filter(|(_, len)| index >= *len || index < -len);
    let (kind, len) = outside.next()?;
    if outside.next().is_some() {
        return None;
    }
    Some(match len {
        0 => format!("index {index} out of range: empty {kind}"),
        len => format!("{kind} index {index} out of range [{}:{}]", -len, len - 1),
    })
}

/// What is indexed.
fn in_statement<'s>(statement: &'s Stmt, out: &mut Vec<&'s Expr>) {
    if let StmtP::Assign(assign) = &statement.node
        && let AssignTargetP::Index(target) = &assign.lhs.node
    {
        out.push(&target.0);
    }
    statement.visit_stmt(|s| in_statement(s, out));
    statement.visit_expr(|e| in_expression(e, out));
}

fn in_expression<'s>(expression: &'s Expr, out: &mut Vec<&'s Expr>) {
    if let ExprP::Index(parts) = &expression.node {
        out.push(&parts.0);
    }
    expression.visit_expr(|e| in_expression(e, out));
}

struct Names<'m, 'v> {
    module: &'m Module<'v>,
    /// Names that may mean something else where it failed.
    inner: HashSet<String>,
}

impl<'v> Names<'_, 'v> {
    /// Type, and length if it has one.
    fn size(&self, container: &Expr) -> Option<(&'static str, Option<usize>)> {
        Some(match &container.node {
            ExprP::List(items) => ("list", Some(items.len())),
            ExprP::Tuple(items) => ("tuple", Some(items.len())),
            _ => {
                let value = self.value(container)?;
                let len = match (ListRef::from_value(value), TupleRef::from_value(value)) {
                    (Some(list), _) => Some(list.len()),
                    (_, Some(tuple)) => Some(tuple.len()),
                    _ => value.unpack_str().map(|text| text.chars().count()),
                };
                (type_name(value), len)
            }
        })
    }

    /// What can be looked up again without running anything.
    fn value(&self, expression: &Expr) -> Option<Value<'v>> {
        match &expression.node {
            ExprP::Identifier(name) if self.inner.contains(&name.node.ident) => None,
            ExprP::Identifier(name) => self.module.get(&name.node.ident),
            ExprP::Literal(AstLiteral::String(text)) => Some(self.module.heap().alloc(text.node.as_str())),
            ExprP::Index(parts) => {
                let (container, index) = (self.value(&parts.0)?, self.value(&parts.1)?);
                container.at(index, self.module.heap()).ok()
            }
            _ => None,
        }
    }
}
