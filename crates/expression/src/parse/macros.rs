//! The macros: calls that are written out when an expression is read.

use super::{Parsed, Parser};
use crate::syntax::{Fold, Form, Loop, Node};

impl Parser<'_> {
    /// A call, or what the macro of that name stands for.
    pub(super) fn call(&self, target: Option<Node>, name: String, arguments: Vec<Node>, at: usize) -> Parsed {
        let Some(target) = target else {
            return match (name.as_str(), arguments.len()) {
                ("has", 1) => self.has(arguments, at),
                _ => self.node(Form::Call { target: None, name, arguments }, at),
            };
        };
        let is_cel = matches!(&target.form, Form::Name(space) if space == "cel");
        match (name.as_str(), arguments.len()) {
            ("bind", 3) if is_cel => self.bind(arguments, at),
            ("optMap", 2) => self.opt_map(target, arguments, false, at),
            ("optFlatMap", 2) => self.opt_map(target, arguments, true, at),
            ("all", 2 | 3) => self.over(Fold::All, false, target, arguments, at),
            ("exists", 2 | 3) => self.over(Fold::Exists, false, target, arguments, at),
            ("exists_one", 2) | ("existsOne", 2 | 3) => {
                self.over(Fold::ExistsOne, false, target, arguments, at)
            }
            ("filter", 2) => self.over(Fold::Filter, false, target, arguments, at),
            ("map", 2 | 3) => self.over(Fold::List, arguments.len() == 3, target, arguments, at),
            ("transformList", 3 | 4) => self.over(Fold::List, arguments.len() == 4, target, arguments, at),
            ("transformMap", 3 | 4) => self.over(Fold::Map, arguments.len() == 4, target, arguments, at),
            ("transformMapEntry", 3 | 4) => {
                self.over(Fold::Entries, arguments.len() == 4, target, arguments, at)
            }
            ("sortBy", 2) => self.over(Fold::SortBy, false, target, arguments, at),
            _ => self.node(Form::Call { target: Some(target.into()), name, arguments }, at),
        }
    }

    fn has(&self, mut arguments: Vec<Node>, at: usize) -> Parsed {
        match arguments.pop().map(|argument| argument.form) {
            Some(Form::Select { of, field, test: false, optional: false }) => {
                self.node(Form::Select { of, field, test: true, optional: false }, at)
            }
            _ => Err(self.problem(at, "invalid argument to has() macro")),
        }
    }

    fn variable(&self, node: &Node) -> Result<String, super::Problem> {
        match &node.form {
            Form::Name(name) => Ok(name.clone()),
            _ => Err(self.problem(node.at, "argument must be a simple name")),
        }
    }

    fn bind(&self, arguments: Vec<Node>, at: usize) -> Parsed {
        let [name, value, body] = <[Node; 3]>::try_from(arguments).map_err(|_| self.unexpected())?;
        let name = self.variable(&name)?;
        self.node(Form::Bind { name, value: value.into(), body: body.into() }, at)
    }

    fn opt_map(&self, of: Node, arguments: Vec<Node>, flat: bool, at: usize) -> Parsed {
        let [name, body] = <[Node; 2]>::try_from(arguments).map_err(|_| self.unexpected())?;
        let name = self.variable(&name)?;
        self.node(Form::OptMap { of: of.into(), name, body: body.into(), flat }, at)
    }

    /// A loop; the last argument is what is done each time, before it may stand a filter.
    fn over(&self, fold: Fold, filtered: bool, range: Node, mut arguments: Vec<Node>, at: usize) -> Parsed {
        let Some(body) = arguments.pop() else { return Err(self.unexpected()) };
        let filter = if filtered { arguments.pop() } else { None };
        let mut names = arguments.iter();
        let first = names.next().map(|node| self.variable(node)).transpose()?.unwrap_or_default();
        let second = names.next().map(|node| self.variable(node)).transpose()?;
        if second.as_ref() == Some(&first) {
            return Err(self.problem(at, format!("duplicate variable name: {first}")));
        }
        self.node(Form::Loop(Box::new(Loop { fold, range, first, second, filter, body })), at)
    }
}
