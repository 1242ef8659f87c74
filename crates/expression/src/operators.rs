//! What signs do with values.

use crate::syntax::Operator;
use crate::value::{Opt, list, text};
use crate::{Budget, Failure};
use kube_cel::cel::objects::KeyRef;
use kube_cel::cel::{ExecutionError, Value};
use std::cmp::Ordering;

type Result<T> = std::result::Result<T, Failure>;

pub(crate) fn wrong<T>(text: impl Into<String>) -> Result<T> {
    Err(Failure::Wrong(text.into()))
}

pub(crate) fn apply(operator: Operator, left: Value, right: Value, budget: &Budget) -> Result<Value> {
    use Operator as Op;
    let compared = |fits: fn(Ordering) -> bool| {
        budget.take_length(length(&left).min(length(&right)))?;
        compare(&left, &right).map(|order| Value::Bool(order.is_some_and(fits)))
    };
    match operator {
        Op::Less => compared(Ordering::is_lt),
        Op::LessEquals => compared(Ordering::is_le),
        Op::Greater => compared(Ordering::is_gt),
        Op::GreaterEquals => compared(Ordering::is_ge),
        Op::Equals => equal(&left, &right, budget).map(Value::Bool),
        Op::NotEquals => equal(&left, &right, budget).map(|same| Value::Bool(!same)),
        Op::In => contains(&right, &left, budget).map(Value::Bool),
        Op::Add => {
            budget.take_length(length(&left) + length(&right))?;
            add(left, right)
        }
        Op::Subtract => arithmetic(left - right),
        Op::Multiply => arithmetic(left * right),
        Op::Divide => arithmetic(left / right),
        Op::Modulo => arithmetic(left % right),
    }
}

fn add(left: Value, right: Value) -> Result<Value> {
    match (left, right) {
        (Value::List(a), Value::List(b)) => Ok(list(a.iter().chain(b.iter()).cloned().collect())),
        (Value::String(a), Value::String(b)) => Ok(text(format!("{a}{b}"))),
        (Value::Bytes(a), Value::Bytes(b)) => {
            Ok(Value::Bytes(a.iter().chain(b.iter()).copied().collect::<Vec<_>>().into()))
        }
        (a, b) => arithmetic(a + b),
    }
}

fn arithmetic(result: std::result::Result<Value, ExecutionError>) -> Result<Value> {
    result.map_err(|error| match error {
        ExecutionError::Overflow(_, left, _) => Failure::Wrong(
            match left {
                Value::UInt(_) => "unsigned integer overflow",
                Value::Timestamp(_) | Value::Duration(_) => "timestamp overflow",
                _ => "integer overflow",
            }
            .into(),
        ),
        ExecutionError::DivisionByZero(_) => Failure::Wrong("division by zero".into()),
        ExecutionError::RemainderByZero(_) => Failure::Wrong("modulus by zero".into()),
        _ => Failure::NoOverload,
    })
}

pub(crate) fn negate(value: &Value) -> Result<Value> {
    match value {
        Value::Int(number) => {
            number.checked_neg().map(Value::Int).ok_or_else(|| Failure::Wrong("integer overflow".into()))
        }
        Value::Float(number) => Ok(Value::Float(-number)),
        _ => Err(Failure::NoOverload),
    }
}

/// None: one is no number at all.
pub(crate) fn compare(left: &Value, right: &Value) -> Result<Option<Ordering>> {
    use Value as V;
    match (left, right) {
        (V::Int(_) | V::UInt(_) | V::Float(_), V::Int(_) | V::UInt(_) | V::Float(_)) => {
            Ok(left.partial_cmp(right))
        }
        (V::Bytes(a), V::Bytes(b)) => Ok(Some(a.cmp(b))),
        (V::String(_), V::String(_))
        | (V::Bool(_), V::Bool(_))
        | (V::Duration(_), V::Duration(_))
        | (V::Timestamp(_), V::Timestamp(_)) => Ok(left.partial_cmp(right)),
        _ => Err(Failure::NoOverload),
    }
}

pub(crate) fn equal(left: &Value, right: &Value, budget: &Budget) -> Result<bool> {
    budget.take_length(weight(left).min(weight(right)))?;
    Ok(left == right)
}

/// How long a value is to go through.
pub(crate) fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len() * 10,
        Value::Map(entries) => entries.map.len() * 10,
        _ => 1,
    }
}

/// The same with all that is in it; bounded, since a bound is all that it is for.
fn weight(value: &Value) -> usize {
    fn add(value: &Value, sum: &mut usize) {
        *sum = sum.saturating_add(length(value));
        match value {
            Value::List(items) => items.iter().for_each(|item| add(item, sum)),
            Value::Map(entries) => entries.map.values().for_each(|item| add(item, sum)),
            _ => {}
        }
    }
    match value {
        Value::List(_) | Value::Map(_) => {
            let mut sum = 0;
            add(value, &mut sum);
            sum
        }
        plain => length(plain),
    }
}

pub(crate) fn contains(container: &Value, item: &Value, budget: &Budget) -> Result<bool> {
    match container {
        Value::List(items) => {
            for known in items.iter() {
                budget.take(1)?;
                if equal(known, item, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Value::Map(entries) => match KeyRef::try_from(item) {
            Ok(key) => Ok(entries.get(&key).is_some()),
            Err(_) => Ok(false),
        },
        _ => Err(Failure::NoOverload),
    }
}

/// A field, or what stands at a key or index. None: it is not there.
pub(crate) fn find(of: &Value, key: &Value) -> Result<Option<Value>> {
    match of {
        Value::Map(entries) => match KeyRef::try_from(key) {
            Ok(key) => Ok(entries.get(&key).cloned()),
            Err(_) => Ok(None),
        },
        Value::List(items) => {
            let index = match key {
                Value::Int(index) => usize::try_from(*index).ok(),
                Value::UInt(index) => usize::try_from(*index).ok(),
                Value::Float(index) if index.fract() == 0.0 && *index >= 0.0 => Some(*index as usize),
                _ => return Err(Failure::NoOverload),
            };
            Ok(index.and_then(|index| items.get(index).cloned()))
        }
        _ => Err(Failure::NoOverload),
    }
}

/// `of[key]` and `of.field`; of an optional value, what may be there.
pub(crate) fn index(of: &Value, key: &Value, optional: bool) -> Result<Value> {
    if let Some(Opt(inner)) = Opt::of(of) {
        let found = inner.as_ref().map(|inner| find(inner, key)).transpose()?;
        return Ok(Opt::value(found.flatten()));
    }
    match find(of, key)? {
        found if optional => Ok(Opt::value(found)),
        Some(found) => Ok(found),
        None if matches!(of, Value::List(_)) => wrong(format!("index out of bounds: {}", shown(key))),
        None => wrong(format!("no such key: {}", shown(key))),
    }
}

fn shown(key: &Value) -> String {
    crate::functions::to_text(key).unwrap_or_default()
}
