//! The functions: those of the language here, those of Kubernetes' libraries by `kube-cel`.

mod convert;
mod quantity;
mod result;
mod texts;

pub(crate) use convert::{duration, timestamp, to_text};
pub(crate) use result::result;

use crate::operators::{contains, length, wrong};
use crate::value::{Opt, Type, list, type_name};
use crate::{Budget, Failure, pattern};
use kube_cel::KubeCelExt as _;
use kube_cel::cel::common::ast::{CallExpr, Expr, IdedExpr};
use kube_cel::cel::{Context, ExecutionError, Value};
use regex::Regex;
use std::sync::Arc;

type Result<T> = std::result::Result<T, Failure>;

/// Functions of the language.
const OWN: [&str; 28] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "bytes",
    "duration",
    "timestamp",
    "dyn",
    "type",
    "hasValue",
    "value",
    "or",
    "orValue",
    "unwrapOpt",
    "first",
    "last",
    "optional.of",
    "optional.none",
    "optional.ofNonZeroValue",
    "optional.unwrap",
    "flatten",
    "format.named",
];

/// What `kube-cel` has beside them.
const LIBRARIES: [&str; 96] = [
    "indexOf",
    "lastIndexOf",
    "isGreaterThan",
    "isLessThan",
    "compareTo",
    "ip",
    "reverse",
    "min",
    "max",
    "format",
    "isIP",
    "family",
    "isLoopback",
    "isUnspecified",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isGlobalUnicast",
    "cidr",
    "isCIDR",
    "containsIP",
    "containsCIDR",
    "prefixLength",
    "masked",
    "isSorted",
    "sum",
    "slice",
    "sort",
    "distinct",
    "validate",
    "quantity",
    "isQuantity",
    "isInteger",
    "asInteger",
    "asApproximateFloat",
    "sign",
    "add",
    "sub",
    "find",
    "findAll",
    "semver",
    "isSemver",
    "major",
    "minor",
    "patch",
    "charAt",
    "lowerAscii",
    "upperAscii",
    "replace",
    "split",
    "substring",
    "trim",
    "join",
    "url",
    "isURL",
    "getScheme",
    "getHost",
    "getHostname",
    "getPort",
    "getEscapedPath",
    "getQuery",
    "getFullYear",
    "getMonth",
    "getDayOfYear",
    "getDayOfMonth",
    "getDate",
    "getDayOfWeek",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "ip.isCanonical",
    "jsonpatch.escapeKey",
    "lists.range",
    "base64.encode",
    "base64.decode",
    "strings.quote",
    "sets.contains",
    "sets.equivalent",
    "sets.intersects",
    "math.ceil",
    "math.floor",
    "math.round",
    "math.trunc",
    "math.abs",
    "math.sign",
    "math.isInf",
    "math.isNaN",
    "math.isFinite",
    "math.bitAnd",
    "math.bitOr",
    "math.bitXor",
    "math.bitNot",
    "math.bitShiftLeft",
    "math.bitShiftRight",
    "math.least",
    "math.greatest",
];
/// All that can be called, for tests.
#[cfg(test)]
pub(crate) fn all() -> Vec<String> {
    let formats = FORMATS.iter().map(|name| format!("format.{name}"));
    OWN.iter().chain(&LIBRARIES).map(|name| name.to_string()).chain(formats).collect()
}

const SPACES: [&str; 10] =
    ["optional", "math", "sets", "lists", "strings", "base64", "jsonpatch", "format", "ip", "cel"];
const FORMATS: [&str; 13] = [
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "dns1035LabelPrefix",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "qualifiedName",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

pub(crate) fn is_known(name: &str) -> bool {
    OWN.contains(&name) || LIBRARIES.contains(&name) || name == "math.sqrt" || is_format(name)
}

/// `format.uuid` makes a format.
fn is_format(name: &str) -> bool {
    name.strip_prefix("format.").is_some_and(|name| FORMATS.contains(&name))
}

/// Whether `math.ceil` is one name.
pub(crate) fn is_qualified(name: &str) -> bool {
    name.split_once('.').is_some_and(|(space, _)| SPACES.contains(&space)) && is_known(name)
}

pub(crate) fn is_type(name: &str) -> bool {
    type_value(name).is_some() || SPACES.contains(&name) || name == "google"
}

/// `int` and its like, as values.
pub(crate) fn type_value(name: &str) -> Option<Value> {
    const TYPES: [&str; 13] = [
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "bool",
        "list",
        "map",
        "null_type",
        "type",
        "optional_type",
        "google.protobuf.Timestamp",
        "google.protobuf.Duration",
    ];
    TYPES.contains(&name).then(|| type_of(name))
}

fn type_of(name: &str) -> Value {
    Value::Opaque(std::sync::Arc::new(Type(name.to_string())))
}

pub(crate) fn call(
    name: &str,
    target: Option<Value>,
    arguments: Vec<Value>,
    budget: &Budget,
) -> Result<Value> {
    let size: usize = target.iter().chain(&arguments).map(length).sum();
    budget.take_length(size)?;
    if let Some(target) = &target
        && let Some(answer) = of_optional(name, target, &arguments)
    {
        return answer;
    }
    if let Some(answer) = quantity::call(name, target.as_ref(), &arguments) {
        return answer;
    }
    match (name, target.as_ref(), arguments.as_slice()) {
        ("size", Some(of), []) | ("size", None, [of]) => count(of),
        ("contains", Some(Value::String(of)), [Value::String(part)]) => {
            budget.take_length(of.len().saturating_mul(part.len()) / 10)?;
            Ok(Value::Bool(of.contains(part.as_str())))
        }
        ("contains", Some(of @ (Value::List(_) | Value::Map(_))), [item]) => {
            contains(of, item, budget).map(Value::Bool)
        }
        ("startsWith", Some(Value::String(of)), [Value::String(part)]) => {
            Ok(Value::Bool(of.starts_with(part.as_str())))
        }
        ("endsWith", Some(Value::String(of)), [Value::String(part)]) => {
            Ok(Value::Bool(of.ends_with(part.as_str())))
        }
        ("matches", Some(Value::String(of)), [Value::String(pattern)])
        | ("matches", None, [Value::String(of), Value::String(pattern)]) => {
            Ok(Value::Bool(searching(of, pattern, budget)?.is_match(of)))
        }
        ("find", Some(Value::String(of)), [Value::String(pattern)]) => Ok(crate::value::text(
            searching(of, pattern, budget)?.find(of).map_or("", |found| found.as_str()),
        )),
        ("findAll", Some(Value::String(of)), [Value::String(pattern), rest @ ..]) => {
            let most = match rest {
                [] => usize::MAX,
                // Less than none is all.
                [Value::Int(most)] => usize::try_from(*most).unwrap_or(usize::MAX),
                _ => return Err(Failure::NoOverload),
            };
            let regex = searching(of, pattern, budget)?;
            let found = regex.find_iter(of).take(most).map(|found| crate::value::text(found.as_str()));
            Ok(list(found.collect()))
        }
        ("dyn", None, [of]) => Ok(of.clone()),
        ("type", None, [of]) => Ok(type_of(type_name(of))),
        ("first" | "last", Some(Value::List(items)), []) => {
            Ok(Opt::value(if name == "first" { items.first() } else { items.last() }.cloned()))
        }
        ("optional.of", None, [of]) => Ok(Opt::value(Some(of.clone()))),
        ("optional.none", None, []) => Ok(Opt::value(None)),
        ("optional.ofNonZeroValue", None, [of]) => Ok(Opt::value((!of.is_zero()).then(|| of.clone()))),
        ("optional.unwrap", None, [Value::List(items)]) | ("unwrapOpt", Some(Value::List(items)), []) => {
            let present = items.iter().filter_map(|item| Opt::of(item)?.0.clone());
            Ok(list(present.collect()))
        }
        ("int" | "uint" | "double" | "bool" | "bytes" | "duration" | "timestamp", None, [of]) => {
            convert::convert(name, of)
        }
        ("format.named", None, [Value::String(_)]) => {
            let found = library(name, None, arguments)?;
            Ok(Opt::value((found != Value::Null).then_some(found)))
        }
        ("string", None, [of]) if !matches!(of, Value::Opaque(_)) => to_text(of).map(crate::value::text),
        _ if is_known(name) => {
            budget.take_length(growth(name, target.as_ref(), &arguments))?;
            guard(name, target.as_ref(), &arguments)?;
            if let Some(target) = &target
                && let Some(answer) = texts::call(name, target, &arguments, budget)
            {
                return answer;
            }
            library(name, target, arguments)
        }
        _ => Err(Failure::NoOverload),
    }
}

/// What the libraries cannot take.
fn guard(name: &str, target: Option<&Value>, arguments: &[Value]) -> Result<()> {
    const MOST_DIGITS: usize = 3;
    match (name, target, arguments) {
        ("format", Some(Value::String(form)), _) => {
            let is_wide = |rest: &str| rest.bytes().take_while(u8::is_ascii_digit).count() > MOST_DIGITS;
            if form.split("%.").skip(1).any(is_wide) {
                return wrong("error during formatting: unable to convert precision specifier to integer");
            }
        }
        (_, Some(Value::Timestamp(_)), [Value::String(zone)])
            if name.starts_with("get") && !matches!(zone.as_str(), "UTC" | "" | "00:00" | "+00:00") =>
        {
            return wrong(format!("time zones other than UTC are not known here: {zone}"));
        }
        _ => {}
    }
    Ok(())
}

/// How much longer than its values a result can be, or how often they are gone through.
fn growth(name: &str, target: Option<&Value>, arguments: &[Value]) -> usize {
    let first = target.or(arguments.first()).map_or(0, length);
    let of = |index: usize| arguments.get(index).map_or(0, length);
    match name {
        "replace" => first.saturating_add(1).saturating_mul(of(1)),
        "join" => first.saturating_mul(of(0)),
        "distinct" | "indexOf" | "lastIndexOf" => first.saturating_mul(first.max(of(0))),
        "sets.contains" | "sets.equivalent" | "sets.intersects" => of(0).saturating_mul(of(1)),
        "lists.range" => match arguments.first() {
            Some(Value::Int(count)) => usize::try_from(*count).unwrap_or(0).saturating_mul(10),
            _ => 0,
        },
        _ => 0,
    }
}

fn of_optional(name: &str, target: &Value, arguments: &[Value]) -> Option<Result<Value>> {
    let Opt(inner) = Opt::of(target)?;
    Some(match (name, arguments) {
        ("hasValue", []) => Ok(Value::Bool(inner.is_some())),
        ("value", []) => inner.clone().ok_or_else(|| Failure::Wrong("optional.none() dereference".into())),
        ("or", [other]) if Opt::of(other).is_some() => {
            Ok(if inner.is_some() { target.clone() } else { other.clone() })
        }
        ("orValue", [other]) => Ok(inner.as_ref().unwrap_or(other).clone()),
        _ => Err(Failure::NoOverload),
    })
}

fn count(of: &Value) -> Result<Value> {
    let count = match of {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Map(entries) => entries.map.len(),
        _ => return Err(Failure::NoOverload),
    };
    Ok(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

/// The expression, when going through a text with it is paid for.
fn searching(of: &str, pattern: &str, budget: &Budget) -> Result<Arc<Regex>> {
    budget.take_length(of.len().saturating_mul(pattern.len()) / 10)?;
    pattern::compile(pattern).map_err(|error| Failure::Wrong(error.to_string()))
}

/// A function of the libraries: its values are bound to names, and the call is made of these.
fn library(name: &str, target: Option<Value>, arguments: Vec<Value>) -> Result<Value> {
    thread_local! { static LIBRARIES: Context<'static> = Context::default().with_all(); }
    LIBRARIES.with(|libraries| {
        let mut scope = libraries.new_inner_scope();
        let named = |name: String| IdedExpr { id: 0, expr: Expr::Ident(name) };
        let (space, name) = name.rsplit_once('.').map_or((None, name), |(space, name)| (Some(space), name));
        let has_target = target.is_some();
        if let Some(target) = target {
            scope.add_variable_from_value("@target", target);
        }
        let args = arguments
            .into_iter()
            .enumerate()
            .map(|(at, value)| {
                let name = format!("@{at}");
                scope.add_variable_from_value(name.clone(), value);
                named(name)
            })
            .collect();
        let target = match space {
            Some(space) => Some(Box::new(named(space.to_string()))),
            None => has_target.then(|| Box::new(named("@target".into()))),
        };
        let call = Expr::Call(CallExpr { func_name: name.to_string(), target, args });
        Value::resolve(&IdedExpr { id: 0, expr: call }, &scope).map_err(failure).map(optional)
    })
}

/// The libraries have a type of their own for optional values.
fn optional(value: Value) -> Value {
    if let Value::Opaque(opaque) = &value
        && let Some(inner) = opaque.downcast_ref::<kube_cel::cel::objects::OptionalValue>()
    {
        return Opt::value(inner.value().cloned());
    }
    value
}

fn failure(error: ExecutionError) -> Failure {
    match error {
        ExecutionError::FunctionError { message, .. } => Failure::Wrong(message),
        ExecutionError::NoSuchKey(key) => Failure::Wrong(format!("no such key: {key}")),
        _ => Failure::NoOverload,
    }
}

#[cfg(test)]
mod tests;
