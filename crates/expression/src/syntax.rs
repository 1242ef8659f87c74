//! The tree of an expression, its macros written out as loops.

use kube_cel::cel::Value;

/// More levels than anybody writes, and few enough for any stack.
pub(crate) const DEEPEST: u16 = 200;

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) form: Form,
    /// How many levels it has.
    pub(crate) depth: u16,
    /// Where its operator or name begins, in bytes.
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) enum Form {
    Literal(Value),
    Name(String),
    /// `test`: `has(…)`; `optional`: `.?`.
    Select {
        of: Box<Node>,
        field: String,
        test: bool,
        optional: bool,
    },
    Index {
        of: Box<Node>,
        key: Box<Node>,
        optional: bool,
    },
    Call {
        target: Option<Box<Node>>,
        name: String,
        arguments: Vec<Node>,
    },
    Unary {
        not: bool,
        of: Box<Node>,
    },
    Binary {
        operator: Operator,
        left: Box<Node>,
        right: Box<Node>,
    },
    /// All of the terms, or any.
    Logic {
        any: bool,
        terms: Vec<Node>,
    },
    Choice {
        condition: Box<Node>,
        yes: Box<Node>,
        no: Box<Node>,
    },
    /// Items; whether they are optional.
    List(Vec<(Node, bool)>),
    Map(Vec<(Node, Node, bool)>),
    /// `Type{…}`.
    Struct {
        name: String,
        fields: Vec<(String, Node, bool)>,
    },
    Loop(Box<Loop>),
    /// `cel.bind`.
    Bind {
        name: String,
        value: Box<Node>,
        body: Box<Node>,
    },
    /// `optMap` and `optFlatMap`.
    OptMap {
        of: Box<Node>,
        name: String,
        body: Box<Node>,
        flat: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Less,
    LessEquals,
    Greater,
    GreaterEquals,
    Equals,
    NotEquals,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) fold: Fold,
    pub(crate) range: Node,
    pub(crate) first: String,
    pub(crate) second: Option<String>,
    pub(crate) filter: Option<Node>,
    pub(crate) body: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fold {
    All,
    Exists,
    ExistsOne,
    Filter,
    /// `map` and `transformList`.
    List,
    /// `transformMap`.
    Map,
    /// `transformMapEntry`.
    Entries,
    SortBy,
}

impl Node {
    /// None: there are too many levels.
    pub(crate) fn new(form: Form, at: usize) -> Option<Self> {
        let mut depth = 0;
        form.each(&mut |node| depth = depth.max(node.depth));
        (depth < DEEPEST).then_some(Self { form, depth: depth + 1, at })
    }

    /// Calls `with` with this node and each below it.
    pub(crate) fn walk<'a>(&'a self, with: &mut dyn FnMut(&'a Self)) {
        with(self);
        self.form.each(&mut |node| node.walk(with));
    }

    /// The names that are used; `bound` are those of the loops around.
    pub(crate) fn collect(&self, bound: &mut Vec<String>, names: &mut Vec<String>) {
        match &self.form {
            Form::Name(name) if !bound.contains(name) => {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            Form::Call { target, name, arguments } => {
                if qualified(target.as_deref(), name).is_none()
                    && let Some(target) = target
                {
                    target.collect(bound, names);
                }
                arguments.iter().for_each(|node| node.collect(bound, names));
            }
            Form::Loop(inner) => {
                inner.range.collect(bound, names);
                let before = bound.len();
                bound.push(inner.first.clone());
                bound.extend(inner.second.clone());
                inner.filter.iter().for_each(|node| node.collect(bound, names));
                inner.body.collect(bound, names);
                bound.truncate(before);
            }
            Form::Bind { name, value: of, body } | Form::OptMap { of, name, body, .. } => {
                of.collect(bound, names);
                bound.push(name.clone());
                body.collect(bound, names);
                bound.pop();
            }
            form => form.each(&mut |node| node.collect(bound, names)),
        }
    }
}

/// `math.ceil` of a call that looks like a method's.
pub(crate) fn qualified(target: Option<&Node>, name: &str) -> Option<String> {
    let Form::Name(space) = &target?.form else { return None };
    let full = format!("{space}.{name}");
    crate::functions::is_qualified(&full).then_some(full)
}

impl Form {
    /// Calls `with` with each node right below.
    fn each<'a>(&'a self, with: &mut dyn FnMut(&'a Node)) {
        match self {
            Form::Literal(_) | Form::Name(_) => {}
            Form::Select { of, .. } | Form::Unary { of, .. } => with(of),
            Form::Index { of, key, .. } => [of, key].into_iter().for_each(|node| with(node)),
            Form::Call { target, arguments, .. } => {
                target.iter().for_each(|node| with(node));
                arguments.iter().for_each(with);
            }
            Form::Binary { left, right, .. } => [left, right].into_iter().for_each(|node| with(node)),
            Form::Logic { terms, .. } => terms.iter().for_each(with),
            Form::Choice { condition, yes, no } => {
                [condition, yes, no].into_iter().for_each(|node| with(node));
            }
            Form::List(items) => items.iter().for_each(|(node, _)| with(node)),
            Form::Map(entries) => entries.iter().for_each(|(key, value, _)| {
                with(key);
                with(value);
            }),
            Form::Struct { fields, .. } => fields.iter().for_each(|(_, value, _)| with(value)),
            Form::Loop(inner) => {
                with(&inner.range);
                inner.filter.iter().for_each(&mut *with);
                with(&inner.body);
            }
            Form::Bind { value: of, body, .. } | Form::OptMap { of, body, .. } => {
                with(of);
                with(body);
            }
        }
    }
}
