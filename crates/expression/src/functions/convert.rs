//! From a type to another one.

use super::Result;
use crate::Failure;
use crate::operators::wrong;
use crate::value::text;
use kube_cel::cel::Value;

pub(super) fn convert(to: &str, of: &Value) -> Result<Value> {
    match (to, of) {
        ("int", Value::Int(_))
        | ("uint", Value::UInt(_))
        | ("double", Value::Float(_))
        | ("bool", Value::Bool(_))
        | ("bytes", Value::Bytes(_))
        | ("duration", Value::Duration(_))
        | ("timestamp", Value::Timestamp(_)) => Ok(of.clone()),
        ("int", Value::UInt(number)) => {
            i64::try_from(*number).map(Value::Int).map_err(|_| Failure::Wrong("integer overflow".into()))
        }
        ("int", Value::Float(number)) if number.abs() < 9.223_372_036_854_775e18 => {
            Ok(Value::Int(*number as i64))
        }
        ("uint", Value::Int(number)) => u64::try_from(*number)
            .map(Value::UInt)
            .map_err(|_| Failure::Wrong("unsigned integer overflow".into())),
        ("uint", Value::Float(number)) if *number > -1.0 && *number < 1.844_674_407_370_955e19 => {
            Ok(Value::UInt(*number as u64))
        }
        ("int" | "uint", Value::Float(_)) => wrong("integer overflow"),
        ("double", Value::Int(number)) => Ok(Value::Float(*number as f64)),
        ("double", Value::UInt(number)) => Ok(Value::Float(*number as f64)),
        ("int", Value::Timestamp(time)) => Ok(Value::Int(time.timestamp())),
        ("int", Value::Duration(length)) => {
            length.num_nanoseconds().map(Value::Int).ok_or_else(|| Failure::Wrong("integer overflow".into()))
        }
        ("int", Value::String(given)) => parsed(given, "ParseInt", Value::Int),
        ("uint", Value::String(given)) => parsed(given, "ParseUint", Value::UInt),
        ("double", Value::String(given)) => parsed(given, "ParseFloat", Value::Float),
        ("bool", Value::String(given)) => match given.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Value::Bool(false)),
            _ => wrong(format!("strconv.ParseBool: parsing {given:?}: invalid syntax")),
        },
        ("bytes", Value::String(given)) => Ok(Value::Bytes(given.as_bytes().to_vec().into())),
        ("duration", Value::String(given)) => duration(given),
        ("timestamp", Value::String(given)) => timestamp(given),
        ("timestamp", Value::Int(seconds)) => {
            let Ok(Value::Timestamp(zero)) = timestamp("1970-01-01T00:00:00Z") else {
                return Err(Failure::NoOverload);
            };
            // The years that upstream knows.
            if !(-62_135_596_800..=253_402_300_799).contains(seconds) {
                return wrong("timestamp overflow");
            }
            let Ok(Value::Duration(second)) = duration("1s") else { return Err(Failure::NoOverload) };
            let (days, rest) = (seconds / 86_400, seconds % 86_400);
            let whole = i32::try_from(days).unwrap_or_default();
            Ok(Value::Timestamp(
                zero + second * 86_400 * whole + second * i32::try_from(rest).unwrap_or_default(),
            ))
        }
        _ => Err(Failure::NoOverload),
    }
}

fn parsed<T: std::str::FromStr>(given: &str, how: &str, make: fn(T) -> Value) -> Result<Value> {
    given
        .parse()
        .map(make)
        .map_err(|_| Failure::Wrong(format!("strconv.{how}: parsing {given:?}: invalid syntax")))
}

pub(crate) fn timestamp(given: &str) -> Result<Value> {
    super::library("timestamp", None, vec![text(given)])
}

pub(crate) fn duration(given: &str) -> Result<Value> {
    super::library("duration", None, vec![text(given)])
}

/// `string(…)`.
pub(crate) fn to_text(value: &Value) -> Result<String> {
    Ok(match value {
        Value::String(given) => given.to_string(),
        Value::Bool(given) => given.to_string(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => double(*number),
        Value::Bytes(bytes) => match String::from_utf8(bytes.to_vec()) {
            Ok(given) => given,
            Err(_) => return wrong("invalid UTF-8 in bytes, cannot convert to string"),
        },
        Value::Timestamp(time) => time.to_rfc3339().replace("+00:00", "Z"),
        Value::Duration(length) => {
            let (seconds, rest) = (length.num_seconds(), length.subsec_nanos());
            let sign = if seconds < 0 || rest < 0 { "-" } else { "" };
            let fraction = format!("{:09}", rest.unsigned_abs());
            match fraction.trim_end_matches('0') {
                "" => format!("{sign}{}s", seconds.unsigned_abs()),
                digits => format!("{sign}{}.{digits}s", seconds.unsigned_abs()),
            }
        }
        _ => return Err(Failure::NoOverload),
    })
}

/// As Go's shortest form: an exponent from 21 digits on.
fn double(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e21).contains(&size) {
        let scientific = format!("{number:e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(rest) => ('-', rest),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    number.to_string()
}
