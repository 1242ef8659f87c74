//! `quantity(…)`: amounts as Kubernetes writes them.

use super::Result;
use crate::operators::wrong;
use crate::{Failure, Value};
use kube_cel::cel::objects::Opaque;
use schema::quantity::Quantity;
use std::cmp::Ordering;
use std::sync::Arc;

const NANOS: i128 = 1_000_000_000;

/// In billionths.
#[derive(Debug, PartialEq, Eq)]
struct Amount(i128);

impl Opaque for Amount {
    fn runtime_type_name(&self) -> &'static str {
        "kubernetes.Quantity"
    }
}

fn amount(nanos: i128) -> Value {
    Value::Opaque(Arc::new(Amount(nanos)))
}

fn nanos(value: &Value) -> Option<i128> {
    match value {
        Value::Opaque(opaque) => opaque.downcast_ref::<Amount>().map(|amount| amount.0),
        _ => None,
    }
}

fn whole(nanos: i128) -> Option<i64> {
    if nanos % NANOS == 0 { i64::try_from(nanos / NANOS).ok() } else { None }
}

/// None: it is not about quantities.
pub(super) fn call(name: &str, target: Option<&Value>, arguments: &[Value]) -> Option<Result<Value>> {
    if let (None, [Value::String(given)]) = (target, arguments) {
        let parsed = || Quantity::parse(given).map(|quantity| quantity.nanos());
        return match name {
            "quantity" => Some(parsed().map(amount).map_or_else(
                || wrong("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
                Ok,
            )),
            "isQuantity" => Some(Ok(Value::Bool(parsed().is_some()))),
            _ => None,
        };
    }
    let this = nanos(target?)?;
    let other = match arguments {
        [] => None,
        [Value::Int(number)] if matches!(name, "add" | "sub") => Some(i128::from(*number) * NANOS),
        [other] => Some(nanos(other)?),
        _ => return Some(Err(Failure::NoOverload)),
    };
    Some(match (name, other) {
        ("isInteger", None) => Ok(Value::Bool(whole(this).is_some())),
        ("asInteger", None) => whole(this)
            .map(Value::Int)
            .ok_or_else(|| Failure::Wrong("cannot convert value to integer".into())),
        ("asApproximateFloat", None) => Ok(Value::Float(this as f64 / NANOS as f64)),
        ("sign", None) => Ok(Value::Int(i64::from(this.signum() as i8))),
        ("add", Some(other)) => Ok(amount(this.saturating_add(other))),
        ("sub", Some(other)) => Ok(amount(this.saturating_sub(other))),
        ("compareTo", Some(other)) => Ok(Value::Int(match this.cmp(&other) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        })),
        ("isGreaterThan", Some(other)) => Ok(Value::Bool(this > other)),
        ("isLessThan", Some(other)) => Ok(Value::Bool(this < other)),
        _ => Err(Failure::NoOverload),
    })
}
