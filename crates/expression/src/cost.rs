//! What an expression may cost at most over values of a structural schema: as upstream estimates it before there is a value,
//! from the bounds that the schema sets (`maxItems`, `maxLength`, `maxProperties`) and the size of a request.
//!
//! Rules are refused by this estimate, so it is upstream's with all its peculiarities: what stands in no schema and is made
//! by a function has a size without limit, and what is reached by a field of such a value is taken for a value of the
//! root. Where upstream's depends on more than is known here, this one is the lower.

mod functions;

use crate::declared::Declared;
use crate::syntax::{Fold, Form, Loop, Node, Operator};
use crate::types::Type;
use kube_cel::cel::Value;
use std::collections::HashMap;

/// Between how many characters, bytes, items or entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    least: u64,
    most: u64,
}

impl Size {
    const UNKNOWN: Self = Self { least: 0, most: u64::MAX };

    fn exact(size: u64) -> Self {
        Self { least: size, most: size }
    }

    fn up_to(most: u64) -> Self {
        Self { least: 0, most }
    }

    fn plus(self, other: Self) -> Self {
        Self { least: self.least.saturating_add(other.least), most: self.most.saturating_add(other.most) }
    }

    fn times(self, other: Self) -> Self {
        Self { least: self.least.saturating_mul(other.least), most: self.most.saturating_mul(other.most) }
    }

    fn or(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    /// What going through it costs.
    fn tenth(self) -> u64 {
        self.most.div_ceil(10)
    }

    fn fifth(self) -> u64 {
        self.most.div_ceil(5)
    }

    fn quarter(self) -> u64 {
        self.most.div_ceil(4)
    }
}

/// Where in the schema a value stands.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    /// It is made by the expression.
    Nowhere,
    In(&'a Declared),
    /// The schema says nothing of it.
    Unknown,
    /// A key of a map, which has no length in upstream's eyes.
    Key,
}

/// A step from a place.
enum Step<'s> {
    Field(&'s str),
    Item,
    Key,
    Index,
}

/// What is known of a part of the expression.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    cost: u64,
    place: Place<'a>,
    /// What is known without the schema.
    size: Option<Size>,
    /// What is known when nothing else is.
    fallback: Option<Size>,
    is_scalar: bool,
}

impl<'a> Found<'a> {
    fn made(cost: u64) -> Self {
        Self { cost, place: Place::Nowhere, size: None, fallback: None, is_scalar: false }
    }

    fn sized(self, size: Size) -> Self {
        Self { size: Some(size), ..self }
    }

    fn known_size(&self) -> Option<Size> {
        let by_place = match self.place {
            Place::Nowhere | Place::Unknown => None,
            Place::In(declared) => Some(Size::up_to(declared.most())),
            Place::Key => Some(Size::up_to(0)),
        };
        self.size.or(by_place).or(self.is_scalar.then(|| Size::exact(1))).or(self.fallback)
    }

    fn size(&self) -> Size {
        self.known_size().unwrap_or(Size::UNKNOWN)
    }

    fn at(self, place: Place<'a>) -> Self {
        Self { place, ..self }
    }
}

/// The types of an expression's parts, by their address.
pub(crate) type Types = HashMap<usize, Type>;

pub(crate) fn address(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

/// The most that one evaluation costs. `root`: what is declared of `self`.
pub(crate) fn estimate(node: &Node, types: &Types, root: &Declared) -> u64 {
    Estimate { root, types, names: Vec::new() }.of(node).cost
}

/// What a name of a loop or of `cel.bind` stands for.
type Bound<'a> = (String, Place<'a>, Option<Size>);

struct Estimate<'a> {
    root: &'a Declared,
    types: &'a Types,
    names: Vec<Bound<'a>>,
}

impl<'a> Estimate<'a> {
    fn ty(&self, node: &Node) -> &'a Type {
        self.types.get(&address(node)).unwrap_or(&Type::Dyn)
    }

    fn step(&self, from: Place<'a>, step: &Step<'_>) -> Place<'a> {
        let declared = match from {
            Place::Nowhere => return Place::In(self.root),
            Place::In(declared) => declared,
            Place::Unknown | Place::Key => return Place::Unknown,
        };
        let found = match step {
            Step::Field(name) => declared.field(name),
            Step::Item => declared.items(),
            Step::Key if matches!(declared.ty(), Type::Map(..)) => return Place::Key,
            Step::Key | Step::Index => None,
        };
        found.map_or(Place::Unknown, |found| Place::In(found))
    }

    fn of(&mut self, node: &Node) -> Found<'a> {
        let found = self.of_form(node);
        Found { is_scalar: is_scalar(self.ty(node)), ..found }
    }

    fn of_form(&mut self, node: &Node) -> Found<'a> {
        match &node.form {
            Form::Literal(value) => Found { size: of_literal(value), ..Found::made(0) },
            Form::Name(name) => match self.names.iter().rev().find(|(known, ..)| known == name) {
                Some((_, place, size)) => Found { fallback: *size, ..Found::made(1).at(*place) },
                None => Found::made(1).at(Place::In(self.root)),
            },
            Form::Select { of, test: true, .. } => Found::made(self.of(of).cost),
            Form::Select { of, optional: true, .. } => Found::made(plus(self.of(of).cost, 1)),
            Form::Select { of, field, .. } => {
                let inner = self.of(of);
                let own = u64::from(matches!(self.ty(of), Type::Object(_) | Type::Map(..)));
                Found::made(plus(inner.cost, own)).at(self.step(inner.place, &Step::Field(field)))
            }
            Form::Index { of, key, optional } => {
                let (inner, key) = (self.of(of), self.of(key));
                let found = Found::made(plus(plus(inner.cost, key.cost), 1));
                if *optional { found } else { found.at(self.step(inner.place, &Step::Item)) }
            }
            Form::Call { target, name, arguments } => self.of_call(target.as_deref(), name, arguments),
            Form::Unary { of, .. } => Found::made(plus(self.of(of).cost, 1)),
            Form::Binary { operator, left, right } => self.of_binary(*operator, left, right),
            Form::Logic { terms, .. } => Found::made(self.all(terms)),
            Form::Choice { condition, yes, no } => {
                let (condition, yes, no) = (self.of(condition), self.of(yes), self.of(no));
                Found::made(plus(condition.cost, yes.cost.max(no.cost))).sized(yes.size().or(no.size()))
            }
            Form::List(items) => {
                let cost = plus(self.all(items.iter().map(|(item, _)| item)), LIST);
                Found::made(cost).sized(Size::exact(items.len() as u64))
            }
            Form::Map(entries) => {
                let cost = self.all(entries.iter().flat_map(|(key, value, _)| [key, value]));
                Found::made(plus(cost, MAP)).sized(Size::exact(entries.len() as u64))
            }
            Form::Struct { fields, .. } => {
                Found::made(plus(self.all(fields.iter().map(|(_, value, _)| value)), STRUCT))
            }
            Form::Loop(inner) => self.of_loop(inner),
            Form::Bind { name, value, body } => {
                let value = self.of(value);
                let bound = (name.clone(), value.place, value.known_size());
                let body = self.within(vec![bound], body);
                let cost = plus(plus(value.cost, body.cost), LIST);
                Found { size: body.known_size(), ..Found::made(cost) }
            }
            Form::OptMap { of, name, body, flat } => self.of_optional(of, name, body, *flat),
        }
    }

    fn all<'n>(&mut self, nodes: impl IntoIterator<Item = &'n Node>) -> u64 {
        nodes.into_iter().fold(0, |sum, node| plus(sum, self.of(node).cost))
    }

    fn within(&mut self, names: Vec<Bound<'a>>, body: &Node) -> Found<'a> {
        let before = self.names.len();
        self.names.extend(names);
        let found = self.of(body);
        self.names.truncate(before);
        found
    }

    /// `of.hasValue() ? optional.of(cel.bind(name, of.value(), body)) : optional.none()`.
    fn of_optional(&mut self, of: &Node, name: &str, body: &Node, flat: bool) -> Found<'a> {
        let of = self.of(of);
        let body = self.within(vec![(name.to_string(), Place::Nowhere, None)], body);
        let bound = plus(plus(of.cost, body.cost), LIST + 1);
        let there = if flat { bound } else { plus(bound, 1) };
        Found::made(plus(plus(of.cost, 1), there))
    }

    fn of_binary(&mut self, operator: Operator, left: &Node, right: &Node) -> Found<'a> {
        use Operator as Op;
        let types = (self.ty(left), self.ty(right));
        let both = |ty: &Type| types.0.agrees(ty) && types.1.agrees(ty);
        let (left, right) = (self.of(left), self.of(right));
        let found = Found::made(plus(left.cost, right.cost));
        let (of_left, of_right) = (left.size(), right.size());
        let of_shorter = Size::up_to(of_left.most.min(of_right.most)).tenth();
        let (own, size) = match operator {
            Op::Equals | Op::NotEquals => (of_shorter, None),
            Op::Less | Op::LessEquals | Op::Greater | Op::GreaterEquals => {
                let is_long = both(&Type::Text) || both(&Type::Bytes);
                let is_short = !is_long || matches!(types, (Type::Dyn, _) | (_, Type::Dyn));
                (if is_long { of_shorter.max(u64::from(is_short)) } else { 1 }, None)
            }
            Op::In => match types.1 {
                Type::Map(..) => (1, None),
                _ => (of_right.most, None),
            },
            Op::Add if both(&Type::Text) || both(&Type::Bytes) => {
                let size = of_left.plus(of_right);
                (size.tenth(), Some(size))
            }
            Op::Add if both(&Type::list(Type::Dyn)) => (1, Some(of_left.plus(of_right))),
            _ => (1, None),
        };
        Found { size, ..found }.costs_more(own)
    }

    fn of_loop(&mut self, inner: &Loop) -> Found<'a> {
        let range = self.of(&inner.range);
        let is_list = matches!(self.ty(&inner.range), Type::List(_));
        let places = match (is_list, inner.second.is_some()) {
            (true, false) => [Step::Item, Step::Index],
            (true, true) => [Step::Index, Step::Item],
            (false, _) => [Step::Key, Step::Item],
        };
        let [first, second] = places.map(|step| self.step(range.place, &step));
        let mut names = vec![(inner.first.clone(), first, None)];
        names.extend(inner.second.clone().map(|name| (name, second, None)));
        let filter = inner.filter.as_ref().map_or(0, |filter| self.within(names.clone(), filter).cost);
        let body = self.within(names, &inner.body).cost;
        let (round, end) = of_macro(inner.fold);
        let rounds = range.size().most.saturating_mul(plus(plus(body, filter), round));
        let size = match inner.fold {
            Fold::All | Fold::Exists | Fold::ExistsOne => Size::exact(1),
            _ => range.size(),
        };
        Found::made(plus(plus(range.cost, rounds), end)).sized(size)
    }
}

impl Found<'_> {
    fn costs_more(self, own: u64) -> Self {
        Self { cost: plus(self.cost, own), ..self }
    }
}

/// What it costs to make these.
const LIST: u64 = 10;
const MAP: u64 = 30;
const STRUCT: u64 = 40;

/// What the macro of a loop is written out as costs beside its body: each round, and once.
fn of_macro(fold: Fold) -> (u64, u64) {
    match fold {
        Fold::All => (3, 1),
        Fold::Exists => (4, 1),
        Fold::ExistsOne => (2, 2),
        Fold::Filter => (LIST + 3, LIST + 1),
        Fold::List => (LIST + 2, LIST + 1),
        Fold::Map => (3, MAP + 1),
        Fold::Entries => (2, MAP + 1),
        Fold::SortBy => (LIST + 2, LIST + 2),
    }
}

fn plus(a: u64, b: u64) -> u64 {
    a.saturating_add(b)
}

fn is_scalar(ty: &Type) -> bool {
    match ty {
        Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Time | Type::UInt => true,
        Type::Optional(inner) => is_scalar(inner),
        _ => false,
    }
}

fn of_literal(value: &Value) -> Option<Size> {
    Some(Size::exact(match value {
        Value::String(text) => text.chars().count() as u64,
        Value::Bytes(bytes) => bytes.len() as u64,
        _ => 1,
    }))
}
