//! What a path names in an object.

use super::{Node, Slice, Step};
use crate::text::go_value;
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A value, and where it is if the object has it.
#[derive(Debug, Clone)]
pub struct Found<'o> {
    value: Cow<'o, Value>,
    place: Option<Vec<Step>>,
}

impl<'o> Found<'o> {
    pub fn value(&self) -> &Value {
        &self.value
    }

    pub(super) fn into_place(self) -> Option<Vec<Step>> {
        self.place
    }

    fn literal(value: &Value) -> Found<'o> {
        Found { value: Cow::Owned(value.clone()), place: None }
    }

    fn child(&self, step: Step, value: &'o Value) -> Found<'o> {
        let mut place = self.place.clone();
        place.iter_mut().for_each(|place| place.push(step.clone()));
        Found { value: Cow::Borrowed(value), place }
    }

    /// The value as a part of the object; a literal has none.
    fn inner(&self) -> Option<&'o Value> {
        match &self.value {
            Cow::Borrowed(value) => Some(value),
            Cow::Owned(_) => None,
        }
    }

    fn children(&self) -> Vec<Found<'o>> {
        match self.inner() {
            Some(Value::Object(map)) => {
                map.iter().map(|(key, value)| self.child(Step::Key(key.clone()), value)).collect()
            }
            Some(Value::Array(items)) => {
                items.iter().enumerate().map(|(at, value)| self.child(Step::Index(at), value)).collect()
            }
            _ => Vec::new(),
        }
    }
}

struct Evaluation {
    lenient: bool,
}

pub(super) fn find<'o>(
    parts: &[Vec<Node>],
    object: &'o Value,
    lenient: bool,
) -> Result<Vec<Found<'o>>, String> {
    let root = Found { value: Cow::Borrowed(object), place: Some(Vec::new()) };
    Evaluation { lenient }.parts(parts, &[root])
}

fn begins(part: &[Node], name: &str) -> bool {
    matches!(part.first(), Some(Node::Identifier(first)) if first == name)
}

impl Evaluation {
    /// `{range …}` to `{end}` runs what is between for each value.
    fn parts<'o>(&self, parts: &[Vec<Node>], current: &[Found<'o>]) -> Result<Vec<Found<'o>>, String> {
        let mut out = Vec::new();
        let mut at = 0;
        while at < parts.len() {
            let part = &parts[at];
            at += 1;
            if begins(part, "end") {
                return Err("not in range, nothing to end".to_owned());
            }
            if !begins(part, "range") {
                out.extend(self.list(current.to_vec(), part)?);
                continue;
            }
            let body = &parts[at..];
            let mut depth = 1;
            let end = body.iter().position(|part| {
                depth += i32::from(begins(part, "range")) - i32::from(begins(part, "end"));
                depth == 0
            });
            let end = end.unwrap_or(body.len());
            for value in self.list(current.to_vec(), &part[1..])? {
                out.extend(self.parts(&body[..end], &[value])?);
            }
            at += end + 1;
        }
        Ok(out)
    }

    fn list<'o>(&self, mut current: Vec<Found<'o>>, nodes: &[Node]) -> Result<Vec<Found<'o>>, String> {
        for node in nodes {
            current = self.node(current, node)?;
        }
        Ok(current)
    }

    fn node<'o>(&self, input: Vec<Found<'o>>, node: &Node) -> Result<Vec<Found<'o>>, String> {
        match node {
            Node::Field(name) => self.field(&input, name),
            Node::Slice(slice) => sliced(&input, slice),
            Node::Wildcard => Ok(input.iter().flat_map(Found::children).collect()),
            Node::Recursive => {
                let mut out = Vec::new();
                input.into_iter().for_each(|value| descend(value, &mut out));
                Ok(out)
            }
            Node::Filter { left, comparison } => self.filter(&input, left, comparison.as_ref()),
            Node::Union(lists) => {
                let mut out = Vec::new();
                for list in lists {
                    out.extend(self.list(input.clone(), list)?);
                }
                Ok(out)
            }
            // a text stands for itself, however many values there are; a number once for each of them
            Node::Literal(value) if value.is_string() => Ok(vec![Found::literal(value)]),
            Node::Literal(value) => Ok(input.iter().map(|_| Found::literal(value)).collect()),
            Node::Identifier(name) => Err(format!("unrecognized identifier {name}")),
        }
    }

    fn field<'o>(&self, input: &[Found<'o>], name: &str) -> Result<Vec<Found<'o>>, String> {
        let of = |found: &Found<'o>| {
            let value = found.inner()?.as_object()?.get(name)?;
            Some(found.child(Step::Key(name.to_owned()), value))
        };
        let out: Vec<Found<'o>> = input.iter().filter_map(of).collect();
        if out.is_empty() && !input.is_empty() && !self.lenient {
            return Err(format!("{name} is not found"));
        }
        Ok(out)
    }

    fn filter<'o>(
        &self,
        input: &[Found<'o>],
        left: &[Node],
        comparison: Option<&(String, Vec<Node>)>,
    ) -> Result<Vec<Found<'o>>, String> {
        let mut out = Vec::new();
        for found in input {
            if !matches!(found.value(), Value::Array(_) | Value::Object(_)) {
                let shown = go_value::plain(found.value());
                return Err(format!("{shown} is not array or slice and cannot be filtered"));
            }
            for item in found.children() {
                if self.passes(&item, left, comparison)? {
                    out.push(item);
                }
            }
        }
        Ok(out)
    }

    fn passes(
        &self,
        item: &Found<'_>,
        left: &[Node],
        comparison: Option<&(String, Vec<Node>)>,
    ) -> Result<bool, String> {
        let left = self.list(vec![item.clone()], left);
        let Some((operator, right)) = comparison else {
            return Ok(left.is_ok_and(|found| !found.is_empty()));
        };
        let left = left?;
        let Some(left) = single(&left)? else { return Ok(false) };
        let right = self.list(vec![item.clone()], right)?;
        let Some(right) = single(&right)? else { return Ok(false) };
        compared(operator, left.value(), right.value())
    }
}

fn single<'f, 'o>(found: &'f [Found<'o>]) -> Result<Option<&'f Found<'o>>, String> {
    match found {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err("can only compare one element at a time".to_owned()),
    }
}

/// The value and all in it, but for those that hold nothing.
fn descend<'o>(value: Found<'o>, out: &mut Vec<Found<'o>>) {
    let children = value.children();
    let is_text = value.value().as_str().is_some_and(|text| !text.is_empty());
    if !children.is_empty() || is_text {
        out.push(value);
    }
    children.into_iter().for_each(|child| descend(child, out));
}

fn sliced<'o>(input: &[Found<'o>], slice: &Slice) -> Result<Vec<Found<'o>>, String> {
    let mut out = Vec::new();
    for found in input {
        let items = match found.value() {
            Value::Null => continue,
            Value::Array(_) => found.children(),
            other => return Err(format!("{} is not array or slice", go_value::type_of(other))),
        };
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let from_end = |at: i64| if at < 0 { at + length } else { at };
        let start = from_end(slice.start.unwrap_or(0));
        let end = match slice.end {
            None => length,
            Some(0) if slice.is_index => length,
            Some(end) => from_end(end),
        };
        if start == end {
            return Ok(out);
        }
        let outside = |at: i64| Err(format!("array index out of bounds: index {at}, length {length}"));
        if start >= length || start < 0 {
            return outside(start);
        }
        if end > length || end < 0 {
            return outside(end - 1);
        }
        if start > end {
            return Err(format!("starting index {start} is greater than ending index {end}"));
        }
        let step = slice.step.unwrap_or(1);
        if step <= 0 {
            return Err("step must be > 0".to_owned());
        }
        let (start, count) = (usize::try_from(start).unwrap_or(0), usize::try_from(end - start).unwrap_or(0));
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        out.extend(items.into_iter().skip(start).take(count).step_by(step));
    }
    Ok(out)
}

/// As Go's templates compare: only what is of one kind.
fn compared(operator: &str, left: &Value, right: &Value) -> Result<bool, String> {
    const INVALID: &str = "invalid type for comparison";
    let order = match (left, right) {
        (Value::Null | Value::Array(_) | Value::Object(_), _)
        | (_, Value::Null | Value::Array(_) | Value::Object(_)) => return Err(INVALID.to_owned()),
        (Value::Bool(l), Value::Bool(r)) if matches!(operator, "==" | "!=") => Some(l.cmp(r)),
        (Value::Bool(_), Value::Bool(_)) => return Err(INVALID.to_owned()),
        (Value::String(l), Value::String(r)) => Some(l.cmp(r)),
        (Value::Number(l), Value::Number(r)) if l.is_f64() == r.is_f64() => match (l.as_i64(), r.as_i64()) {
            (Some(l), Some(r)) => Some(l.cmp(&r)),
            _ => l.as_f64().partial_cmp(&r.as_f64()),
        },
        _ => return Err("incompatible types for comparison".to_owned()),
    };
    Ok(match operator {
        "==" => order == Some(Ordering::Equal),
        "!=" => order != Some(Ordering::Equal),
        "<" => order == Some(Ordering::Less),
        "<=" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        ">" => order == Some(Ordering::Greater),
        ">=" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        _ => return Err(format!("unrecognized filter operator {operator}")),
    })
}
