//! Guards: what a Tiltfile can make much of in one step asks first whether there is room for it.
//!
//! The interpreter looks at its heap once in a thousand rounds, and one step can take all memory there is: a product,
//! a string that is joined, a range that becomes a list. So every file is read twice. The second time, the operators
//! and methods that make more than they are given are calls of [`natives`], the last clause of each comprehension asks
//! for room, and only loops get ranges of any length.
//!
//! ```text
//! ', '.join(names)        =>  __guard_join(', ',     names)
//! a *= n                  =>  a *= __guard_times(a,  n)
//! [f(x) for x in y]       =>  [f(x) for x in y if __guard_room()]
//! for i in range(n): …    =>  for i in __guard_loop_range(n): …
//! ```
//!
//! Text is only ever added, and lines stay lines. What was added is noted in a comment at the end of the text, so
//! that every place can be taken back to the Tiltfile: see [`column`].

mod edits;
mod natives;
mod percent;
mod room;

pub(crate) use edits::{call_parenthesis, column};
pub(crate) use natives::{guard_frame, set_guards};
pub(crate) use room::{Watch, check_printed, is_short};

use crate::call::Result;
use edits::Edits;
use starlark::syntax::AstModule;
use starlark_syntax::syntax::ast::{
    AssignOp, AstAssignTargetP, AstExprP, AstNoPayload, AstStmtP, CallArgsP, ClauseP, ExprP, ForClauseP,
    StmtP,
};
use std::collections::{HashMap, HashSet};

type Expr = AstExprP<AstNoPayload>;
type Stmt = AstStmtP<AstNoPayload>;

/// How the name of every guard begins.
pub(crate) const PREFIX: &str = "__guard_";
/// The name of a range that is looped over.
pub(crate) const LOOP_RANGE: &str = "__guard_loop_range";

/// Methods of strings that make more than they are given, and one of dictionaries, which takes `os.environ` too.
const METHODS: [&str; 4] = ["join", "format", "replace", "update"];

/// Operators that do, and their guards.
const OPERATORS: [(&str, &str); 5] = [
    ("+", "__guard_add"),
    ("*", "__guard_mul"),
    ("%", "__guard_percent"),
    ("<<", "__guard_shift"),
    ("|", "__guard_or"),
];

/// The file as it is executed. `own`: all names that it gives a meaning of its own; `read` reads text as Starlark.
pub(crate) fn guarded(
    ast: AstModule,
    source: &str,
    own: &HashSet<String>,
    read: impl FnOnce(String) -> Result<AstModule>,
) -> AstModule {
    let mut edits = Edits::new(source);
    let mut walk = Walk { edits: &mut edits, may_name_range: !own.contains("range") };
    walk.statement(ast.statement());
    // what is written so unusually that an addition breaks it goes without
    let mut ast = edits.applied().and_then(|text| read(text).ok()).unwrap_or(ast);
    let names = OPERATORS.map(|(operator, guard)| (operator.to_owned(), guard.to_owned()));
    ast.replace_binary_operators(&HashMap::from(names));
    ast
}

struct Walk<'w, 's> {
    edits: &'w mut Edits<'s>,
    may_name_range: bool,
}

impl Walk<'_, '_> {
    fn statement(&mut self, statement: &Stmt) {
        match &statement.node {
            StmtP::AssignModify(target, operator, _) => self.assignment(statement, target, *operator),
            StmtP::For(each) => self.looped(&each.over),
            _ => {}
        }
        statement.visit_children(|child| match child {
            starlark_syntax::syntax::uniplate::Visit::Stmt(s) => self.statement(s),
            starlark_syntax::syntax::uniplate::Visit::Expr(e) => self.expression(e),
        });
    }

    fn expression(&mut self, expression: &Expr) {
        match &expression.node {
            ExprP::Call(function, arguments) => self.call(expression, function, arguments),
            ExprP::ListComprehension(_, first, rest) | ExprP::DictComprehension(_, first, rest) => {
                self.comprehension(expression, first, rest);
            }
            _ => {}
        }
        expression.visit_expr(|e| self.expression(e));
    }

    fn comprehension(
        &mut self,
        expression: &Expr,
        first: &ForClauseP<AstNoPayload>,
        rest: &[ClauseP<AstNoPayload>],
    ) {
        self.looped(&first.over);
        for clause in rest {
            if let ClauseP::For(each) = clause {
                self.looped(&each.over);
            }
        }
        let end = expression.span.end().get() as usize;
        self.edits.insert(end - 1, " if __guard_room()");
    }

    /// What a loop goes over.
    fn looped(&mut self, over: &Expr) {
        if let ExprP::Call(function, _) = &over.node
            && let ExprP::Identifier(name) = &function.node
            && name.node.ident == "range"
            && self.may_name_range
        {
            self.edits.insert(name.span.begin().get() as usize, LOOP_RANGE.trim_end_matches("range"));
        }
    }

    /// `recv.join(…)`.
    fn call(&mut self, call: &Expr, function: &Expr, arguments: &CallArgsP<AstNoPayload>) {
        let ExprP::Dot(receiver, name) = &function.node else { return };
        let Some(method) = METHODS.iter().find(|m| **m == name.node) else { return };
        // a module's function, by far the most frequent of this name
        if matches!(&receiver.node, ExprP::Dot(_, module) if module.node == "path") {
            return;
        }
        let begin = call.span.begin().get() as usize;
        let name = (name.span.begin().get() as usize, name.span.end().get() as usize);
        let receiver_end = receiver.span.end().get() as usize;
        self.edits.method(begin, receiver_end, name, method, !arguments.args.is_empty());
    }

    /// `a *= n`: where the target can be read twice.
    fn assignment(&mut self, statement: &Stmt, target: &AstAssignTargetP<AstNoPayload>, operator: AssignOp) {
        let (written, guard) = match operator {
            AssignOp::Multiply => ("*=", "__guard_times"),
            AssignOp::Percent => ("%=", "__guard_formatted"),
            _ => return,
        };
        let mut has_call = false;
        target.visit_expr(|e| has_call |= contains_call(e));
        if has_call {
            return;
        }
        let (begin, end) = (target.span.begin().get() as usize, target.span.end().get() as usize);
        self.edits.assignment((begin, end), statement.span.end().get() as usize, written, guard);
    }
}

fn contains_call(expression: &Expr) -> bool {
    let mut found = matches!(expression.node, ExprP::Call(..));
    expression.visit_expr(|e| found |= contains_call(e));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::read_plainly;
    use expect_test::expect;
    use std::path::Path;

    fn edited(source: &str) -> String {
        let ast = read_plainly(Path::new("/p/Tiltfile"), source.to_owned()).unwrap();
        let mut edits = Edits::new(source);
        Walk { edits: &mut edits, may_name_range: true }.statement(ast.statement());
        edits.applied().unwrap_or_else(|| source.to_owned())
    }

    #[test]
    fn texts() {
        let mut out = String::new();
        for source in [
            "x = ', '.join(names)\n",
            "x = a.format('b', c=1).replace('d', 'e')\n",
            "x = (a + 'b').join(c)\n",
            "x = (((a).b) + c) . join (\n d)\n",
            "x = (a # (.\n ).join(b)\n",
            "x = '%s'.join()\n",
            "x = os.path.join('a', 'b')\n",
            "x *= (3)\nx[i] *= 4\nf()[0] *= 5\nx %= a, b\nx += 1\n",
            "x = [a for a in range(9) if a]\ny = {a: b for a in b # why\n}\n",
            "for i in range(3):\n  for j in list(range(4)): x *= 2\n",
            "def f():\n  return [lambda: 'é'.join(c), 'é'.join(c)]\n",
            "x = 1 + 2\n",
        ] {
            out.push_str(&edited(source));
        }
        expect![[r#"
            x = __guard_join(', ',     names)

            #guards:00000004000d0000001ax = __guard_replace(__guard_format(a,       'b', c=1),        'd', 'e')

            #guards:0000000400100000003d00000014000f0000002bx = __guard_join((a + 'b'),     c)

            #guards:00000004000d0000001fx = __guard_join((((a).b) + c) ,       
             d)

            #guards:00000004000d00000026x = (a # (.
             ).join(b)
            x = __guard_join('%s'      )

            #guards:00000004000d0000001ax = os.path.join('a', 'b')
            x *= __guard_times(x, (3))
            x[i] *= __guard_times(x[i], 4)
            f()[0] *= 5
            x %= __guard_formatted(x, a, b)
            x += 1

            #guards:000000040011000000000000001900010000000000000022001400000000000000380001000000000000004a00150000000000000064000100000000x = [a for a in __guard_loop_range(9) if a if __guard_room()]
            y = {a: b for a in b # why
             if __guard_room()}

            #guards:00000010000d000000000000002a00120000000000000059001200000000for i in __guard_loop_range(3):
              for j in list(range(4)): x *= __guard_times(x, 2)

            #guards:00000009000d000000000000003f00110000000000000052000100000000def f():
              return [lambda: __guard_join('é',     c), __guard_join('é',     c)]

            #guards:0000001b000d0000003100000036000d0000004cx = 1 + 2
        "#]]
        .assert_eq(&out);
    }

    /// Each word of the text as it is executed lies where it lay in the Tiltfile.
    #[test]
    fn columns() {
        let source =
            "x = 'é' + aa.join(bb).format(cc) + 'é'.join([dd for ee in range(ff)]) + gg\nhh *= ii * jj\n";
        let text = edited(source);
        for word in ["aa", "bb", "cc", "dd", "ee", "ff", "gg", "ii", "jj"] {
            let place = |text: &str| {
                let (number, line) = text.lines().enumerate().find(|(_, l)| l.contains(word)).unwrap();
                let start = text.lines().take(number).map(|l| l.len() + 1).sum::<usize>();
                (start, start + line.rfind(word).unwrap())
            };
            let (line_start, at) = place(&text);
            let (want_start, want) = place(source);
            let want = source[want_start..want].chars().count();
            assert_eq!(column(&text, line_start, at), want, "{word}");
        }
    }
}
