//! Whether an expression makes sense for values of given types: fields that are not declared, signs and functions that such
//! values do not have. What cannot be known is taken on trust.

use crate::cost::{Types, address};
use crate::functions;
use crate::operators_name;
use crate::parse::Problem;
use crate::syntax::{Fold, Form, Loop, Node, Operator, qualified};
use crate::types::Type;

/// What the names stand for, and which functions the host adds.
pub struct Names<'a> {
    pub variables: &'a [(&'a str, Type)],
    pub functions: &'a [Function],
    /// Whether objects can be made: `Object{…}`, whose fields are `Object.field{…}`, and `JSONPatch{…}`.
    pub objects: bool,
}

/// A function that the host adds; its arguments are texts.
#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    pub target: Type,
    pub texts: usize,
    pub result: Type,
}

impl Function {
    fn fits(&self, target: Option<&Type>, arguments: &[Type]) -> bool {
        target.is_some_and(|target| target.agrees(&self.target))
            && arguments.len() == self.texts
            && arguments.iter().all(|ty| ty.agrees(&Type::Text))
    }
}

pub(crate) struct Checker<'a> {
    text: &'a str,
    names: &'a Names<'a>,
    bound: Vec<(String, Type)>,
    pub(crate) types: Types,
    pub(crate) problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(text: &'a str, names: &'a Names<'a>) -> Self {
        Self { text, names, bound: Vec::new(), types: Types::new(), problems: Vec::new() }
    }
}

impl Checker<'_> {
    fn say(&mut self, at: usize, message: String) -> Type {
        self.problems.push(Problem::new(self.text, at, message));
        Type::Dyn
    }

    fn undeclared(&mut self, at: usize, name: &str) -> Type {
        self.say(at, format!("undeclared reference to '{name}' (in container '')"))
    }

    fn no_overload(&mut self, at: usize, what: &str, target: Option<&Type>, types: &[Type]) -> Type {
        let list = types.iter().map(Type::to_string).collect::<Vec<_>>().join(", ");
        let target = target.map(|ty| format!("{ty}.")).unwrap_or_default();
        self.say(at, format!("found no matching overload for '{what}' applied to '{target}({list})'"))
    }

    pub(crate) fn of(&mut self, node: &Node) -> Type {
        let ty = self.of_form(node);
        self.types.insert(address(node), ty.clone());
        ty
    }

    fn of_form(&mut self, node: &Node) -> Type {
        match &node.form {
            Form::Literal(value) => of_literal(value),
            Form::Name(name) => self.of_name(name, node.at),
            Form::Select { of, field, test, optional } => {
                self.of_select(of, field, *test, *optional, node.at)
            }
            Form::Index { of, key, optional } => {
                let (of, key) = (self.of(of), self.of(key));
                self.of_index(&of, &key, *optional, node.at)
            }
            Form::Call { target, name, arguments } => {
                self.of_call(target.as_deref(), name, arguments, node.at)
            }
            Form::Unary { not, of } => match (not, self.of(of)) {
                (true, Type::Bool | Type::Dyn) => Type::Bool,
                (false, ty @ (Type::Int | Type::Double | Type::Dyn)) => ty,
                (not, ty) => self.no_overload(node.at, if *not { "!_" } else { "-_" }, None, &[ty]),
            },
            Form::Binary { operator, left, right } => {
                let (left, right) = (self.of(left), self.of(right));
                self.of_binary(*operator, left, right, node.at)
            }
            Form::Logic { any, terms } => {
                let types: Vec<Type> = terms.iter().map(|term| self.of(term)).collect();
                if types.iter().any(|ty| !ty.agrees(&Type::Bool)) {
                    self.no_overload(node.at, if *any { "_||_" } else { "_&&_" }, None, &types);
                }
                Type::Bool
            }
            Form::Choice { condition, yes, no } => {
                let (condition, yes, no) = (self.of(condition), self.of(yes), self.of(no));
                if !condition.agrees(&Type::Bool) || !yes.agrees(&no) {
                    return self.no_overload(node.at, "_?_:_", None, &[condition, yes, no]);
                }
                yes.joined(&no)
            }
            Form::List(items) => {
                let types: Vec<(usize, Type)> =
                    items.iter().map(|(item, optional)| (item.at, self.entry(item, *optional))).collect();
                Type::list(self.common(types))
            }
            Form::Map(entries) => {
                let (mut keys, mut values) = (Vec::new(), Vec::new());
                for (key, value, optional) in entries {
                    keys.push((key.at, self.of(key)));
                    values.push((value.at, self.entry(value, *optional)));
                }
                let keys = self.common(keys);
                Type::Map(keys.into(), self.common(values).into())
            }
            Form::Struct { name, fields } => self.of_struct(name, fields, node.at),
            Form::Loop(inner) => self.of_loop(inner, node.at),
            Form::Bind { name, value, body } => {
                let ty = self.of(value);
                self.within(vec![(name.clone(), ty)], body)
            }
            Form::OptMap { of, name, body, flat } => {
                let inner = match self.of(of) {
                    Type::Optional(inner) => (*inner).clone(),
                    _ => Type::Dyn,
                };
                let found = self.within(vec![(name.clone(), inner)], body);
                if *flat { found } else { Type::optional(found) }
            }
        }
    }

    fn within(&mut self, names: Vec<(String, Type)>, body: &Node) -> Type {
        let before = self.bound.len();
        self.bound.extend(names);
        let ty = self.of(body);
        self.bound.truncate(before);
        ty
    }

    fn entry(&mut self, node: &Node, optional: bool) -> Type {
        match self.of(node) {
            Type::Optional(inner) if optional => (*inner).clone(),
            ty => ty,
        }
    }

    fn of_name(&mut self, name: &str, at: usize) -> Type {
        if let Some((_, ty)) = self.bound.iter().rev().find(|(known, _)| known == name) {
            return ty.clone();
        }
        if let Some((_, ty)) = self.names.variables.iter().find(|(known, _)| *known == name) {
            return ty.clone();
        }
        if functions::is_type(name) { Type::Dyn } else { self.undeclared(at, name) }
    }

    /// A name of the host that has a dot in it.
    fn dotted(&self, of: &Node, field: &str) -> Option<Type> {
        let Form::Name(name) = &of.form else { return None };
        if self.bound.iter().any(|(known, _)| known == name) {
            return None;
        }
        let full = format!("{name}.{field}");
        self.names.variables.iter().find(|(known, _)| *known == full).map(|(_, ty)| ty.clone())
    }

    fn of_select(&mut self, of: &Node, field: &str, test: bool, optional: bool, at: usize) -> Type {
        if let Some(ty) = self.dotted(of, field).filter(|_| !test && !optional) {
            return ty;
        }
        let of = self.of(of);
        let (of, wrapped) = match &of {
            Type::Optional(inner) => ((**inner).clone(), true),
            _ => (of, false),
        };
        let found = match &of {
            Type::Object(_) => match of.field(field) {
                Some(ty) => ty.clone(),
                None => self.say(at, format!("undefined field '{field}'")),
            },
            Type::Map(_, value) => (**value).clone(),
            Type::Dyn | Type::Null => Type::Dyn,
            ty => self.say(at, format!("type '{ty}' does not support field selection")),
        };
        match () {
            () if test => Type::Bool,
            () if optional || wrapped => Type::optional(found),
            () => found,
        }
    }

    fn of_index(&mut self, of: &Type, key: &Type, optional: bool, at: usize) -> Type {
        let (inner, wrapped) = match of {
            Type::Optional(inner) => (&**inner, true),
            _ => (of, false),
        };
        let found = match inner {
            Type::List(item) if key.agrees(&Type::Int) || matches!(key, Type::UInt | Type::Double) => {
                (**item).clone()
            }
            Type::Map(wanted, value) if key.agrees(wanted) => (**value).clone(),
            Type::Dyn | Type::Null | Type::Object(_) => Type::Dyn,
            _ => self.no_overload(at, "_[_]", None, &[of.clone(), key.clone()]),
        };
        if optional || wrapped { Type::optional(found) } else { found }
    }

    fn of_binary(&mut self, operator: Operator, left: Type, right: Type, at: usize) -> Type {
        use Operator as Op;
        use Type as T;
        let numeric = |ty: &T| matches!(ty, T::Int | T::UInt | T::Double);
        let any = matches!(left, T::Dyn) || matches!(right, T::Dyn);
        let found = match operator {
            Op::Equals | Op::NotEquals => left.agrees(&right).then_some(T::Bool),
            Op::Less | Op::LessEquals | Op::Greater | Op::GreaterEquals => {
                let ordered =
                    !matches!(left, T::List(_) | T::Map(..) | T::Object(_) | T::Null | T::Optional(_));
                (ordered && (left.agrees(&right) || (numeric(&left) && numeric(&right)))).then_some(T::Bool)
            }
            Op::In => match &right {
                T::List(item) => item.agrees(&left).then_some(T::Bool),
                T::Map(key, _) => key.agrees(&left).then_some(T::Bool),
                T::Dyn => Some(T::Bool),
                _ => None,
            },
            _ if any => Some(T::Dyn),
            Op::Add | Op::Subtract => match (&left, &right) {
                (T::Time, T::Duration) => Some(T::Time),
                (T::Duration, T::Time) if operator == Op::Add => Some(T::Time),
                (T::Time, T::Time) if operator == Op::Subtract => Some(T::Duration),
                (T::Duration, T::Duration) => Some(T::Duration),
                (T::Text | T::Bytes, _) if operator == Op::Add && left == right => Some(left.clone()),
                (T::List(a), T::List(b)) if operator == Op::Add && a.agrees(b) => {
                    Some(T::list((**a).clone().joined(b)))
                }
                (a, b) => (numeric(a) && a == b).then(|| left.clone()),
            },
            Op::Modulo => (numeric(&left) && left != T::Double && left == right).then(|| left.clone()),
            Op::Multiply | Op::Divide => (numeric(&left) && left == right).then(|| left.clone()),
        };
        found.unwrap_or_else(|| self.no_overload(at, operators_name(operator), None, &[left, right]))
    }

    /// What the parts of a list or map that is written out have in common: they are of one type.
    fn common(&mut self, types: Vec<(usize, Type)>) -> Type {
        let mut parts = types.into_iter();
        let Some((_, mut all)) = parts.next() else { return Type::Dyn };
        for (at, ty) in parts {
            if !all.agrees(&ty) {
                return self.say(at, format!("expected type '{all}' but found '{ty}'"));
            }
            all = all.joined(&ty);
        }
        all
    }

    fn of_call(&mut self, target: Option<&Node>, name: &str, arguments: &[Node], at: usize) -> Type {
        let types: Vec<Type> = arguments.iter().map(|node| self.of(node)).collect();
        let is_method = name == "matches";
        if let [Node { form: Form::Literal(crate::Value::String(text)), at, .. }] = arguments
            && target.is_some() == is_method
            && !takes(name, text)
        {
            return self.say(*at, format!("invalid {name} argument"));
        }
        let (target, name) = match qualified(target, name) {
            Some(full) => (None, full),
            None => (target.map(|node| self.of(node)), name.to_string()),
        };
        let mut of_host = self.names.functions.iter().filter(|function| function.name == name).peekable();
        let is_of_host = of_host.peek().is_some();
        if let Some(function) = of_host.find(|function| function.fits(target.as_ref(), &types)) {
            return function.result.clone();
        }
        if !functions::is_known(&name) {
            if is_of_host {
                return self.no_overload(at, &name, target.as_ref(), &types);
            }
            return self.undeclared(at, &name);
        }
        match functions::result(&name, target.as_ref(), &types) {
            Some(ty) => ty,
            None => self.no_overload(at, &name, target.as_ref(), &types),
        }
    }

    fn of_struct(&mut self, name: &str, fields: &[(String, Node, bool)], at: usize) -> Type {
        const OF_PATCH: [&str; 4] = ["op", "path", "from", "value"];
        let is_patch = name == "JSONPatch";
        if !self.names.objects || !(is_patch || name == "Object" || name.starts_with("Object.")) {
            return self.undeclared(at, name);
        }
        for (field, value, _) in fields {
            if is_patch && !OF_PATCH.contains(&field.as_str()) {
                self.say(value.at, format!("undefined field '{field}'"));
            }
            if !is_patch {
                self.of_field(value, &format!("{name}.{field}"));
            }
            self.of(value);
        }
        Type::Dyn
    }

    /// The objects in a field are named as the field is.
    fn of_field(&mut self, value: &Node, wanted: &str) {
        match &value.form {
            Form::Struct { name, .. } if name != wanted => {
                let text = format!(
                    "type mismatch: unexpected type name \"{name}\", expected \"{wanted}\", which matches field name path from root Object type"
                );
                self.say(value.at, text);
            }
            Form::List(items) => items.iter().for_each(|(item, _)| self.of_field(item, wanted)),
            Form::Choice { yes, no, .. } => {
                [yes, no].into_iter().for_each(|node| self.of_field(node, wanted))
            }
            _ => {}
        }
    }

    fn of_loop(&mut self, inner: &Loop, at: usize) -> Type {
        let range = self.of(&inner.range);
        let (key, value) = match &range {
            Type::List(item) if inner.second.is_some() => (Type::Int, (**item).clone()),
            Type::List(item) => ((**item).clone(), Type::Dyn),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Dyn => (Type::Dyn, Type::Dyn),
            ty => {
                let text = format!(
                    "expression of type '{ty}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                (self.say(at, text), Type::Dyn)
            }
        };
        let mut names = vec![(inner.first.clone(), key.clone())];
        names.extend(inner.second.clone().map(|name| (name, value)));
        if let Some(filter) = &inner.filter {
            self.condition(names.clone(), filter, at);
        }
        match inner.fold {
            Fold::All | Fold::Exists | Fold::ExistsOne => {
                self.condition(names, &inner.body, at);
                Type::Bool
            }
            Fold::Filter => {
                self.condition(names, &inner.body, at);
                Type::list(key)
            }
            Fold::List => Type::list(self.within(names, &inner.body)),
            Fold::Map => {
                let value = self.within(names, &inner.body);
                Type::Map(key.into(), value.into())
            }
            Fold::Entries => self.within(names, &inner.body),
            Fold::SortBy => {
                self.within(names, &inner.body);
                range
            }
        }
    }

    fn condition(&mut self, names: Vec<(String, Type)>, body: &Node, at: usize) {
        let found = self.within(names, body);
        if !found.agrees(&Type::Bool) {
            self.say(at, format!("expected type 'bool' but found '{found}'"));
        }
    }
}

/// Whether a text is what a function wants where it is written out.
fn takes(name: &str, text: &str) -> bool {
    match name {
        "matches" => crate::pattern::compile(text).is_ok(),
        "duration" => functions::duration(text).is_ok(),
        "timestamp" => functions::timestamp(text).is_ok(),
        _ => true,
    }
}

fn of_literal(value: &crate::Value) -> Type {
    use crate::Value as V;
    match value {
        V::Bool(_) => Type::Bool,
        V::Int(_) => Type::Int,
        V::UInt(_) => Type::UInt,
        V::Float(_) => Type::Double,
        V::String(_) => Type::Text,
        V::Bytes(_) => Type::Bytes,
        V::Null => Type::Null,
        _ => Type::Dyn,
    }
}
