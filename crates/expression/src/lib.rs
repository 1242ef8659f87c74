//! CEL, the Common Expression Language, as Kubernetes has it.
//!
//! Enter at [`Program::compile`], which refuses what cannot be an expression with its place, and [`Program::run`], which
//! evaluates it within a [`Budget`]: an expression of a user can take the server no longer than that. Values come from
//! [`value`], names from a [`Scope`]. The functions of Kubernetes' libraries are those of the crate `kube-cel`; the
//! language itself is here, because that crate's evaluator knows no budget, no optional values and no comprehensions of
//! two variables, and takes quadratic time to build lists.

mod budget;
mod check;
mod cost;
mod declared;
mod evaluate;
mod functions;
mod lex;
mod operators;
mod parse;
pub mod pattern;
mod syntax;
mod types;
pub mod value;

pub use budget::Budget;
pub use check::{Function, Names};
pub use declared::Declared;
pub use evaluate::{Host, Scope};
pub use kube_cel::cel::Value;
pub use kube_cel::cel::objects::{Key, KeyRef};
pub use parse::Problem;
pub use types::Type;
pub use value::Opt;

use syntax::{Form, Node, Operator};

/// An expression that has been read.
#[derive(Debug)]
pub struct Program {
    text: String,
    root: Node,
    names: Vec<String>,
}

/// Why an evaluation gave no value, in the words of upstream's evaluator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Wrong(String),
    #[error("no such overload")]
    NoOverload,
    #[error("operation cancelled: actual cost limit exceeded")]
    Budget,
}

impl Program {
    /// Reads an expression.
    pub fn compile(text: &str) -> Result<Self, Problem> {
        let root = parse::parse(text)?;
        let mut names = Vec::new();
        root.collect(&mut Vec::new(), &mut names);
        Ok(Self { text: text.to_string(), root, names })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it takes this name from outside.
    pub fn uses(&self, name: &str) -> bool {
        self.names.iter().any(|used| used == name)
    }

    /// Its type, or what is wrong with it.
    pub fn check(&self, names: &Names<'_>) -> Result<Type, Vec<Problem>> {
        self.checked(names).map(|(ty, _)| ty)
    }

    /// With the types of all parts.
    fn checked(&self, names: &Names<'_>) -> Result<(Type, cost::Types), Vec<Problem>> {
        let mut checker = check::Checker::new(&self.text, names);
        let ty = checker.of(&self.root);
        if checker.problems.is_empty() { Ok((ty, checker.types)) } else { Err(checker.problems) }
    }

    /// Its type, and what it may cost at most (see [`cost`]), where `this` is what is declared of `self`; or what is wrong
    /// with it.
    pub fn estimate(&self, names: &Names<'_>, this: &Declared) -> Result<(Type, u64), Vec<Problem>> {
        let (ty, types) = self.checked(names)?;
        Ok((ty, cost::estimate(&self.root, &types, this)))
    }

    /// The first regular expression that is written out and is none.
    pub fn bad_pattern(&self) -> Option<pattern::PatternError> {
        let mut found = None;
        self.root.walk(&mut |node| {
            let Form::Call { target, name, arguments } = &node.form else { return };
            let place = match (name.as_str(), target) {
                ("matches" | "find" | "findAll", Some(_)) => 0,
                ("matches", None) => 1,
                _ => return,
            };
            if let Some(Form::Literal(Value::String(text))) = arguments.get(place).map(|node| &node.form) {
                found = found.take().or_else(|| pattern::compile(text).err());
            }
        });
        found
    }

    pub fn run(&self, scope: &Scope<'_>, budget: &Budget) -> Result<Value, Failure> {
        evaluate::evaluate(&self.root, scope, budget)
    }
}

/// All that is wrong, a line or more each, as upstream tells it.
pub fn told(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

/// An operator as upstream's messages name it.
fn operators_name(operator: Operator) -> &'static str {
    match operator {
        Operator::Less => "_<_",
        Operator::LessEquals => "_<=_",
        Operator::Greater => "_>_",
        Operator::GreaterEquals => "_>=_",
        Operator::Equals => "_==_",
        Operator::NotEquals => "_!=_",
        Operator::In => "@in",
        Operator::Add => "_+_",
        Operator::Subtract => "_-_",
        Operator::Multiply => "_*_",
        Operator::Divide => "_/_",
        Operator::Modulo => "_%_",
    }
}

#[cfg(test)]
mod tests;
