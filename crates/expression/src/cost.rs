//! What an expression may cost at most over an object of a structural schema: as upstream estimates it before there is an
//! object, from the bounds that the schema sets (`maxItems`, `maxLength`, `maxProperties`) and the size of a request.
//!
//! Where upstream's estimate is not known, this one is the lower.

use crate::syntax::{Fold, Form, Loop, Node, Operator, qualified};
use crate::value::escape;
use serde_json::Value as Json;

/// The largest request.
const REQUEST: u64 = 3 * 1024 * 1024;

/// What is known of a value: where in the schema it stands, or how large it is.
#[derive(Clone, Copy)]
enum Place<'a> {
    In(&'a Json),
    /// A list whose items are of the schema.
    Some {
        size: u64,
        items: Option<&'a Json>,
    },
    Unknown,
}

impl Place<'_> {
    /// A lower estimate where nothing is known.
    fn size(self) -> u64 {
        match self {
            Place::In(schema) => most(schema),
            Place::Some { size, .. } => size,
            Place::Unknown => 1,
        }
    }
}

/// How many elements, characters or bytes a value of a schema can have.
pub fn most(schema: &Json) -> u64 {
    let bound = |name: &str| schema[name].as_u64();
    if schema["x-kubernetes-int-or-string"] == true {
        return REQUEST - 2;
    }
    match schema["type"].as_str() {
        Some("array") => bound("maxItems").unwrap_or((REQUEST - 2) / (least_bytes(&schema["items"]) + 1)),
        Some("object") if schema["additionalProperties"].is_object() => bound("maxProperties")
            .unwrap_or((REQUEST - 2) / (least_bytes(&schema["additionalProperties"]) + 6)),
        Some("string") => text_most(schema),
        _ => 1,
    }
}

fn text_most(schema: &Json) -> u64 {
    match (schema["format"].as_str(), schema["maxLength"].as_u64(), schema["enum"].as_array()) {
        (Some("duration" | "date" | "date-time"), _, _) => 32,
        // Letters of four bytes.
        (_, Some(most), _) => most.saturating_mul(4),
        (_, None, Some(values)) => {
            let lengths = values.iter().filter_map(Json::as_str).map(|value| value.len() as u64 + 2);
            lengths.max().unwrap_or(1)
        }
        _ => REQUEST - 2,
    }
}

/// The size of the smallest value as JSON.
pub fn least_bytes(schema: &Json) -> u64 {
    if schema["x-kubernetes-int-or-string"] == true {
        return 1;
    }
    match schema["type"].as_str() {
        Some("string" | "array") => 2,
        Some("boolean") => 4,
        Some("object") => {
            let properties = &schema["properties"];
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
            required.fold(2_u64, |sum, name| {
                sum.saturating_add(name.len() as u64 + least_bytes(&properties[name]) + 4)
            })
        }
        _ => 1,
    }
}

/// The most that one evaluation costs, as an estimate. `this`: the schema of `self`.
pub(crate) fn estimate(root: &Node, this: &Json) -> u64 {
    let names = vec![("self".to_string(), Place::In(this)), ("oldSelf".to_string(), Place::In(this))];
    Estimate { names }.of(root).0
}

struct Estimate<'a> {
    names: Vec<(String, Place<'a>)>,
}

type Found<'a> = (u64, Place<'a>);

fn tenth(size: u64) -> u64 {
    size.div_ceil(10)
}

impl<'a> Estimate<'a> {
    fn all<'n>(&mut self, nodes: impl IntoIterator<Item = &'n Node>) -> u64 {
        nodes.into_iter().fold(0, |sum: u64, node| sum.saturating_add(self.of(node).0))
    }

    fn of(&mut self, node: &Node) -> Found<'a> {
        match &node.form {
            Form::Literal(value) => {
                let size = crate::operators::length(value) as u64;
                (0, Place::Some { size, items: None })
            }
            Form::Name(name) => {
                let known = self.names.iter().rev().find(|(known, _)| known == name);
                (1, known.map_or(Place::Unknown, |(_, place)| *place))
            }
            Form::Select { of, field, .. } => {
                let (cost, place) = self.of(of);
                (cost.saturating_add(1), field_of(place, field))
            }
            Form::Index { of, key, .. } => {
                let ((cost, place), key) = (self.of(of), self.of(key).0);
                (cost.saturating_add(key).saturating_add(1), item_of(place))
            }
            Form::Call { target, name, arguments } => self.of_call(target.as_deref(), name, arguments),
            Form::Unary { of, .. } => (self.of(of).0.saturating_add(1), Place::Unknown),
            Form::Binary { operator, left, right } => {
                let (left, right) = (self.of(left), self.of(right));
                let (own, place) = binary(*operator, left.1, right.1);
                (left.0.saturating_add(right.0).saturating_add(own), place)
            }
            Form::Logic { terms, .. } => (self.all(terms), Place::Unknown),
            Form::Choice { condition, yes, no } => {
                let (condition, yes, no) = (self.of(condition), self.of(yes), self.of(no));
                (condition.0.saturating_add(yes.0.max(no.0)), yes.1)
            }
            Form::List(items) => {
                let cost = self.all(items.iter().map(|(item, _)| item)).saturating_add(10);
                (cost, Place::Some { size: items.len() as u64, items: None })
            }
            Form::Map(entries) => {
                let cost = self.all(entries.iter().flat_map(|(key, value, _)| [key, value]));
                (cost.saturating_add(30), Place::Some { size: entries.len() as u64, items: None })
            }
            Form::Struct { fields, .. } => {
                (self.all(fields.iter().map(|(_, value, _)| value)).saturating_add(40), Place::Unknown)
            }
            Form::Loop(inner) => self.of_loop(inner),
            Form::Bind { name, value: of, body } => {
                let of = self.of(of);
                let found = self.within(vec![(name.clone(), of.1)], body);
                (of.0.saturating_add(found.0), found.1)
            }
            Form::OptMap { of, name, body, .. } => {
                let of = self.of(of);
                let found = self.within(vec![(name.clone(), of.1)], body);
                (of.0.saturating_add(found.0), Place::Unknown)
            }
        }
    }

    fn within(&mut self, names: Vec<(String, Place<'a>)>, body: &Node) -> Found<'a> {
        let before = self.names.len();
        self.names.extend(names);
        let found = self.of(body);
        self.names.truncate(before);
        found
    }

    fn of_call(&mut self, target: Option<&Node>, name: &str, arguments: &[Node]) -> Found<'a> {
        let is_qualified = qualified(target, name).is_some();
        let target = target.filter(|_| !is_qualified).map(|node| self.of(node));
        let given: Vec<Found<'a>> = arguments.iter().map(|node| self.of(node)).collect();
        let costs = target.iter().chain(&given).fold(0, |sum: u64, found| sum.saturating_add(found.0));
        let this = target.or(given.first().copied()).map_or(Place::Unknown, |found| found.1);
        let argument = given.last().map_or(1, |found| found.1.size());
        let own = match name {
            "startsWith" | "endsWith" => tenth(argument),
            "contains" => tenth(this.size()).saturating_mul(tenth(argument)),
            "matches" | "find" | "findAll" => {
                tenth(this.size().saturating_add(1)).saturating_mul(argument.div_ceil(4))
            }
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "lowerAscii" | "upperAscii"
            | "substring" | "trim" | "replace" | "split" | "url" | "isURL" => tenth(this.size()),
            _ => 1,
        };
        let place = match name {
            "orValue" | "value" | "or" | "dyn" | "string" | "lowerAscii" | "upperAscii" | "trim"
            | "distinct" | "sort" | "reverse" => this,
            _ => Place::Unknown,
        };
        (costs.saturating_add(own.max(1)), place)
    }

    fn of_loop(&mut self, inner: &Loop) -> Found<'a> {
        let range = self.of(&inner.range);
        let (size, item) = (range.1.size(), item_of(range.1));
        let is_map = matches!(range.1, Place::In(schema) if schema["type"] == "object");
        let key = Place::Unknown;
        let names = match &inner.second {
            Some(second) => vec![(inner.first.clone(), key), (second.clone(), item)],
            None => vec![(inner.first.clone(), if is_map { key } else { item })],
        };
        let filter = inner.filter.as_ref().map_or(0, |filter| self.within(names.clone(), filter).0);
        let body = self.within(names, &inner.body).0;
        // What the macro is written out as.
        let (round, end) = match inner.fold {
            Fold::All => (3, 1),
            Fold::Exists => (4, 1),
            Fold::ExistsOne => (2, 2),
            Fold::Filter | Fold::List => (12, 11),
            Fold::Map | Fold::Entries | Fold::SortBy => (1, 31),
        };
        let rounds = size.saturating_mul(body.saturating_add(filter).saturating_add(round));
        let place = match inner.fold {
            Fold::Filter | Fold::SortBy => {
                let items = match item {
                    Place::In(schema) => Some(schema),
                    _ => None,
                };
                Place::Some { size, items }
            }
            Fold::List | Fold::Map => Place::Some { size, items: None },
            _ => Place::Unknown,
        };
        (range.0.saturating_add(rounds).saturating_add(end), place)
    }
}

fn binary<'a>(operator: Operator, left: Place<'a>, right: Place<'a>) -> Found<'a> {
    use Operator as Op;
    let either = matches!((left, right), (Place::Unknown, _) | (_, Place::Unknown));
    match operator {
        Op::Equals | Op::NotEquals | Op::Less | Op::LessEquals | Op::Greater | Op::GreaterEquals => {
            (tenth(left.size().min(right.size())).max(1), Place::Unknown)
        }
        Op::In => match right {
            Place::In(schema) if schema["type"] == "array" => (most(schema), Place::Unknown),
            _ => (1, Place::Unknown),
        },
        Op::Add if !either => {
            let size = left.size().saturating_add(right.size());
            (tenth(size).max(1), Place::Some { size, items: None })
        }
        _ => (1, Place::Unknown),
    }
}

fn field_of<'a>(of: Place<'a>, field: &str) -> Place<'a> {
    let Place::In(schema) = of else { return Place::Unknown };
    if schema["additionalProperties"].is_object() {
        return Place::In(&schema["additionalProperties"]);
    }
    let mut known = schema["properties"].as_object().into_iter().flatten();
    known.find(|(name, _)| escape(name) == field).map_or(Place::Unknown, |(_, below)| Place::In(below))
}

fn item_of(of: Place<'_>) -> Place<'_> {
    match of {
        Place::In(schema) if schema["items"].is_object() => Place::In(&schema["items"]),
        Place::In(schema) if schema["additionalProperties"].is_object() => {
            Place::In(&schema["additionalProperties"])
        }
        Place::Some { items: Some(items), .. } => Place::In(items),
        _ => Place::Unknown,
    }
}
