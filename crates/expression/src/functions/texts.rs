//! Functions of texts and lists that the libraries have other than upstream.

use super::Result;
use crate::operators::apply;
use crate::syntax::Operator;
use crate::value::{list, text};
use crate::{Budget, Failure, Value};

/// None: it is not one of these.
pub(super) fn call(
    name: &str,
    target: &Value,
    arguments: &[Value],
    budget: &Budget,
) -> Option<Result<Value>> {
    Some(match (name, target, arguments) {
        ("split", Value::String(of), [Value::String(mark)]) => Ok(split(of, mark, -1)),
        ("split", Value::String(of), [Value::String(mark), Value::Int(most)]) => Ok(split(of, mark, *most)),
        ("replace", Value::String(of), [Value::String(old), Value::String(new)]) => {
            Ok(text(of.replace(old.as_str(), new)))
        }
        ("replace", Value::String(of), [Value::String(old), Value::String(new), Value::Int(most)]) => {
            Ok(text(match usize::try_from(*most) {
                Ok(most) => of.replacen(old.as_str(), new, most),
                Err(_) => of.replace(old.as_str(), new),
            }))
        }
        ("sum", Value::List(items), []) => sum(items, budget),
        _ => return None,
    })
}

/// As Go's: nothing for no parts, all of them for less than none; an empty mark stands between all letters.
fn split(of: &str, mark: &str, most: i64) -> Value {
    let parts: Vec<&str> = match usize::try_from(most) {
        Ok(0) => Vec::new(),
        most if mark.is_empty() => letters(of, most.unwrap_or(usize::MAX)),
        Ok(most) => of.splitn(most, mark).collect(),
        Err(_) => of.split(mark).collect(),
    };
    list(parts.into_iter().map(text).collect())
}

fn letters(of: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = of;
    while let Some(first) = rest.chars().next() {
        if parts.len() + 1 == most {
            parts.push(rest);
            break;
        }
        let (letter, others) = rest.split_at(first.len_utf8());
        parts.push(letter);
        rest = others;
    }
    parts
}

fn sum(items: &[Value], budget: &Budget) -> Result<Value> {
    let Some((first, rest)) = items.split_first() else { return Ok(Value::Int(0)) };
    if !matches!(first, Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Duration(_)) {
        return Err(Failure::NoOverload);
    }
    rest.iter().try_fold(first.clone(), |sum, item| apply(Operator::Add, sum, item.clone(), budget))
}
