//! What an index is wrong for: the interpreter tells the index alone, Tilt's the type and the range too.

use super::read_again;
use starlark::codemap::FileSpan;
use starlark::environment::Module;
use starlark::values::Value;
use starlark::values::list::ListRef;
use starlark::values::tuple::TupleRef;
use starlark_syntax::syntax::ast::{
    AssignTargetP, AstExprP, AstLiteral, AstNoPayload, AstStmtP, ExprP, StmtP,
};

type Expr = AstExprP<AstNoPayload>;
type Stmt = AstStmtP<AstNoPayload>;

/// The message with type and range, if the container is known: a literal, or what names of the file lead to.
pub(super) fn told(message: &str, span: &FileSpan, module: &Module<'_>) -> Option<String> {
    if message == "cannot insert into frozen hash table" {
        return not_assignable(span, module);
    }
    let index: i64 = message.strip_prefix("index ")?.strip_suffix(" out of range")?.parse().ok()?;
    let ast = read_again("", span.source_span().to_owned())?;
    let mut sizes = Vec::new();
    in_statement(ast.statement(), module, &mut sizes);
    let mut outside = sizes.into_iter().filter(|(_, len)| index >= *len || index < -len);
    let (kind, len) = outside.next()?;
    if outside.next().is_some() {
        return None;
    }
    Some(match len {
        0 => format!("index {index} out of range: empty {kind}"),
        len => format!("{kind} index {index} out of range [{}:{}]", -len, len - 1),
    })
}

/// A text or a tuple, whose items cannot be set.
fn not_assignable(span: &FileSpan, module: &Module<'_>) -> Option<String> {
    let ast = read_again("", span.source_span().to_owned())?;
    let mut sizes = Vec::new();
    in_statement(ast.statement(), module, &mut sizes);
    let (kind, _) = sizes.into_iter().next().filter(|(kind, _)| kind != "list")?;
    Some(format!("{kind} value does not support item assignment"))
}

fn in_statement(statement: &Stmt, module: &Module<'_>, out: &mut Vec<(String, i64)>) {
    if let StmtP::Assign(assign) = &statement.node
        && let AssignTargetP::Index(target) = &assign.lhs.node
    {
        out.extend(size(&target.0, module));
    }
    statement.visit_stmt(|s| in_statement(s, module, out));
    statement.visit_expr(|e| in_expression(e, module, out));
}

fn in_expression(expression: &Expr, module: &Module<'_>, out: &mut Vec<(String, i64)>) {
    if let ExprP::Index(parts) = &expression.node {
        out.extend(size(&parts.0, module));
    }
    expression.visit_expr(|e| in_expression(e, module, out));
}

fn size(container: &Expr, module: &Module<'_>) -> Option<(String, i64)> {
    let (kind, len) = match &container.node {
        ExprP::List(items) => ("list", items.len()),
        ExprP::Tuple(items) => ("tuple", items.len()),
        ExprP::Literal(AstLiteral::String(text)) => ("string", text.node.chars().count()),
        _ => {
            let value = value(container, module)?;
            let len = match (ListRef::from_value(value), TupleRef::from_value(value)) {
                (Some(list), _) => list.len(),
                (_, Some(tuple)) => tuple.len(),
                _ => value.unpack_str()?.chars().count(),
            };
            (value.get_type(), len)
        }
    };
    Some((kind.to_owned(), i64::try_from(len).ok()?))
}

/// What can be looked up again without running anything.
fn value<'v>(expression: &Expr, module: &Module<'v>) -> Option<Value<'v>> {
    match &expression.node {
        ExprP::Identifier(name) => module.get(&name.node.ident),
        ExprP::Literal(AstLiteral::String(text)) => Some(module.heap().alloc(text.node.as_str())),
        ExprP::Index(parts) => {
            let (container, index) = (value(&parts.0, module)?, value(&parts.1, module)?);
            container.at(index, module.heap()).ok()
        }
        _ => None,
    }
}
