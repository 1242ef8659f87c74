//! What calls cost, and how large what they give can be.

use super::{Estimate, Found, Place, Size, Step, plus};
use crate::syntax::{Form, Node, qualified};
use crate::types::Type;
use kube_cel::cel::Value;

/// What a format's pattern costs for each character.
const OF_FORMAT: u64 = 32;
/// An address has at most 16 bytes: comparing two of them, and masking one.
const OF_ADDRESSES: u64 = 4;
const OF_MASK: u64 = 3;
/// An authorization check; two fit into an expression.
const OF_CHECK: u64 = 350_000;

impl<'a> Estimate<'a> {
    pub(super) fn of_call(&mut self, target: Option<&Node>, name: &str, arguments: &[Node]) -> Found<'a> {
        let full = qualified(target, name);
        let target = target.filter(|_| full.is_none());
        let name = full.as_deref().unwrap_or(name);
        let this = target.map(|node| self.of(node));
        let given: Vec<Found<'a>> = arguments.iter().map(|node| self.of(node)).collect();
        let costs = this.iter().chain(&given).fold(0, |sum, found| plus(sum, found.cost));
        let (own, size) = match (this, target) {
            (Some(this), Some(node)) => self.of_method(name, (this, node), &given, arguments),
            _ => self.of_function(name, &given, arguments),
        };
        Found { size, ..Found::made(plus(costs, own)) }
    }

    fn of_function(&self, name: &str, given: &[Found<'a>], nodes: &[Node]) -> (u64, Option<Size>) {
        let size = |index: usize| given.get(index).map_or(Size::UNKNOWN, Found::size);
        match (name, given.len()) {
            ("dyn", 1) => (1, given[0].known_size()),
            ("url", 1) | ("strings.quote", 1) => (size(0).tenth(), None),
            ("string", 1) if matches!(self.ty(&nodes[0]), Type::Bytes | Type::Dyn) => {
                let of = size(0);
                (of.tenth().max(1), Some(Size { least: of.least / 4, most: of.most }))
            }
            ("bytes", 1) if self.ty(&nodes[0]).agrees(&Type::Text) => {
                let of = size(0);
                (of.tenth(), Some(Size { least: of.least, most: of.most.saturating_mul(4) }))
            }
            ("sets.contains" | "sets.intersects", 2) => (plus(size(0).times(size(1)).most, 1), None),
            ("sets.equivalent", 2) => (plus(size(0).times(size(1)).most.saturating_mul(2), 1), None),
            _ => (1, None),
        }
    }

    fn of_method(
        &self,
        name: &str,
        (this, node): (Found<'a>, &Node),
        given: &[Found<'a>],
        nodes: &[Node],
    ) -> (u64, Option<Size>) {
        let of = this.size();
        let size = |index: usize| given.get(index).map_or(Size::UNKNOWN, Found::size);
        let is_text = |index: usize| nodes.get(index).is_some_and(|node| self.ty(node).agrees(&Type::Text));
        match (name, given.len()) {
            ("check", _) => (OF_CHECK, None),
            ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", _) => {
                (self.of_items(this, node), None)
            }
            ("lowerAscii" | "upperAscii" | "substring" | "trim", _) => (of.tenth(), Some(of)),
            ("replace", 2..) => (of.fifth(), Some(replaced(of, size(0), size(1)))),
            ("split", _) => {
                let most = nodes.get(1).and_then(literal_count).unwrap_or(of.most);
                (of.fifth(), Some(Size::up_to(most)))
            }
            ("join", _) => {
                let joined = self.joined(this, node, given.first());
                (joined.tenth(), Some(joined))
            }
            ("find" | "findAll", 1..) => (searched(of, size(0)), Some(Size::up_to(of.most))),
            ("matches", 1) => (searched(of, size(0)), None),
            ("contains", 1) => (of.tenth().saturating_mul(size(0).tenth()), None),
            ("startsWith" | "endsWith", 1) => (size(0).tenth(), None),
            ("format", 1) => (of.tenth(), Some(of.plus(size(0)))),
            ("containsIP", 1..) => (plus(OF_ADDRESSES, if is_text(0) { size(0).tenth() } else { 0 }), None),
            ("containsCIDR", 1..) => {
                (plus(OF_ADDRESSES + OF_MASK, if is_text(0) { size(0).tenth() } else { 0 }), None)
            }
            ("validate", 1) => (size(0).tenth().saturating_mul(OF_FORMAT), None),
            ("sort" | "distinct" | "reverse" | "slice", _) => (1, Some(of)),
            _ => (1, None),
        }
    }

    /// Going through a list, and through its texts; or through a text.
    fn of_items(&self, this: Found<'a>, node: &Node) -> u64 {
        let Type::List(item) = self.ty(node) else { return this.size().tenth() };
        let each = match **item {
            Type::Text | Type::Bytes => plus(self.item_size(this).tenth(), 1),
            _ => 1,
        };
        this.size().most.saturating_mul(each)
    }

    fn item_size(&self, list: Found<'a>) -> Size {
        if matches!(list.place, Place::Nowhere) {
            return Size::UNKNOWN;
        }
        Found::made(0).at(self.step(list.place, &Step::Item)).size()
    }

    fn joined(&self, this: Found<'a>, node: &Node, mark: Option<&Found<'a>>) -> Size {
        let list = this.size();
        let items = match self.ty(node) {
            Type::List(_) => list.times(self.item_size(this)),
            _ => Size::exact(0),
        };
        let between = Size { least: list.least.saturating_sub(1), most: list.most.saturating_sub(1) };
        items.plus(mark.map_or(Size::exact(0), |mark| mark.size().times(between)))
    }
}

/// A pattern's cost is guessed from its length.
fn searched(text: Size, pattern: Size) -> u64 {
    text.plus(Size::exact(1)).tenth().saturating_mul(pattern.quarter())
}

fn literal_count(node: &Node) -> Option<u64> {
    match &node.form {
        Form::Literal(Value::Int(count)) => u64::try_from(*count).ok(),
        _ => None,
    }
}

/// How long a text is after its parts were replaced.
fn replaced(of: Size, old: Size, new: Size) -> Size {
    // An empty text stands around all characters.
    let (most_times, most_kept) = if old.least == 0 {
        (of.most.saturating_add(1), of.most)
    } else if new.most <= old.least {
        (0, of.most)
    } else {
        (of.most.div_ceil(old.least), 0)
    };
    let (least_times, least_kept) = if old.most == 0 {
        (of.least.saturating_add(1), of.least)
    } else if old.most <= new.least {
        (0, of.least)
    } else {
        (of.least.div_ceil(old.most), 0)
    };
    let times = Size { least: least_times, most: most_times };
    times.times(new).plus(Size { least: least_kept, most: most_kept })
}
