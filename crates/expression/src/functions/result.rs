//! The types of what functions give.

use crate::types::Type;

const ADDRESS: Type = Type::Opaque("net.IP");
const NETWORK: Type = Type::Opaque("net.CIDR");
const URL: Type = Type::Opaque("kubernetes.URL");
const QUANTITY: Type = Type::Opaque("kubernetes.Quantity");
const VERSION: Type = Type::Opaque("kubernetes.Semver");
const FORMAT: Type = Type::Opaque("kubernetes.NamedFormat");

/// None: there is no such function for values of these types.
pub(crate) fn result(name: &str, target: Option<&Type>, arguments: &[Type]) -> Option<Type> {
    use Type as T;
    let text = |ty: &T| ty.agrees(&T::Text);
    let is_any = |ty: Option<&T>| ty.is_some_and(|ty| matches!(ty, T::Dyn));
    Some(match (name, target, arguments) {
        ("size", Some(of), []) | ("size", None, [of]) => {
            return matches!(of, T::Text | T::Bytes | T::List(_) | T::Map(..) | T::Dyn).then_some(T::Int);
        }
        ("contains" | "startsWith" | "endsWith" | "matches", Some(of), [part]) => {
            return (text(of) && text(part)).then_some(T::Bool);
        }
        ("matches", None, [of, pattern]) => return (text(of) && text(pattern)).then_some(T::Bool),
        ("hasValue", Some(T::Optional(_) | T::Dyn), []) => T::Bool,
        ("value", Some(T::Optional(inner)), []) => (**inner).clone(),
        ("orValue", Some(T::Optional(inner)), [other]) => {
            return inner.agrees(other).then(|| (**inner).clone().joined(other));
        }
        ("or", Some(T::Optional(_)), [_]) => target.cloned()?,
        ("optional.of" | "optional.ofNonZeroValue", None, [of]) => T::optional(of.clone()),
        ("optional.none", None, []) => T::optional(T::Dyn),
        ("first" | "last", Some(T::List(item)), []) => T::optional((**item).clone()),
        ("dyn", None, [_]) => T::Dyn,
        ("isURL" | "isIP" | "isCIDR" | "isQuantity" | "isSemver" | "ip.isCanonical", None, [of, ..]) => {
            return text(of).then_some(T::Bool);
        }
        ("size" | "contains" | "startsWith" | "endsWith" | "hasValue" | "orValue", ..) if !is_any(target) => {
            return None;
        }
        _ => {
            let found = of_texts(name, target, arguments)
                .or_else(|| of_lists(name, target, arguments).map(Some))
                .or_else(|| of_libraries(name, target, arguments).map(Some))
                .or_else(|| converted(name, target, arguments).map(Some));
            return found.unwrap_or(Some(T::Dyn));
        }
    })
}

fn converted(name: &str, target: Option<&Type>, arguments: &[Type]) -> Option<Type> {
    let (None, [of]) = (target, arguments) else { return None };
    Some(match name {
        "string" | "strings.quote" | "base64.encode" | "jsonpatch.escapeKey" => Type::Text,
        "int" => Type::Int,
        "uint" => Type::UInt,
        "double" | "math.ceil" | "math.floor" | "math.round" | "math.trunc" | "math.sqrt" => Type::Double,
        "bool" | "math.isInf" | "math.isNaN" | "math.isFinite" => Type::Bool,
        "bytes" | "base64.decode" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Time,
        "math.abs" | "math.sign" | "math.bitNot" => of.clone(),
        "lists.range" => Type::list(Type::Int),
        _ => return None,
    })
}

/// None: not one of these. None within: there is none for values of these types.
fn of_texts(name: &str, target: Option<&Type>, arguments: &[Type]) -> Option<Option<Type>> {
    let is_text = |ty: &Type| ty.agrees(&Type::Text);
    let of = target?;
    Some(match (name, arguments) {
        ("lowerAscii" | "upperAscii" | "trim" | "replace" | "substring" | "charAt" | "find", _) => {
            is_text(of).then_some(Type::Text)
        }
        ("split" | "findAll", _) => is_text(of).then(|| Type::list(Type::Text)),
        ("format", [_]) => is_text(of).then_some(Type::Text),
        ("join", _) => match of {
            Type::List(item) => is_text(item).then_some(Type::Text),
            other => (*other == Type::Dyn).then_some(Type::Text),
        },
        _ => return None,
    })
}

fn of_lists(name: &str, target: Option<&Type>, arguments: &[Type]) -> Option<Type> {
    Some(match (name, target, arguments) {
        ("isSorted", Some(Type::List(_)), []) => Type::Bool,
        ("sum" | "min" | "max", Some(Type::List(item)), []) => (**item).clone(),
        ("indexOf" | "lastIndexOf", Some(_), [_, ..]) => Type::Int,
        ("distinct" | "sort" | "slice" | "reverse", Some(of @ Type::List(_)), _) => of.clone(),
        ("reverse", Some(Type::Text), []) => Type::Text,
        ("sets.contains" | "sets.equivalent" | "sets.intersects", None, [_, _]) => Type::Bool,
        ("unwrapOpt", Some(Type::List(item)), []) | ("optional.unwrap", None, [Type::List(item)]) => {
            match &**item {
                Type::Optional(inner) => Type::List(inner.clone()),
                _ => Type::list(Type::Dyn),
            }
        }
        ("math.least" | "math.greatest", None, [Type::List(item)]) => (**item).clone(),
        ("math.least" | "math.greatest", None, [first, rest @ ..]) => {
            rest.iter().fold(first.clone(), Type::joined)
        }
        ("math.bitAnd" | "math.bitOr" | "math.bitXor", None, [first, _])
        | ("math.bitShiftLeft" | "math.bitShiftRight", None, [first, _]) => first.clone(),
        _ => return None,
    })
}

fn of_libraries(name: &str, target: Option<&Type>, arguments: &[Type]) -> Option<Type> {
    let Some(target) = target else { return of_global(name, arguments) };
    Some(match name {
        "isGreaterThan"
        | "isLessThan"
        | "containsIP"
        | "containsCIDR"
        | "isInteger"
        | "isLoopback"
        | "isUnspecified"
        | "isLinkLocalMulticast"
        | "isLinkLocalUnicast"
        | "isGlobalUnicast" => Type::Bool,
        "compareTo" | "asInteger" | "sign" | "family" | "prefixLength" | "major" | "minor" | "patch" => {
            Type::Int
        }
        "getFullYear" | "getMonth" | "getDayOfYear" | "getDayOfMonth" | "getDate" | "getDayOfWeek"
        | "getHours" | "getMinutes" | "getSeconds" | "getMilliseconds" => Type::Int,
        "asApproximateFloat" => Type::Double,
        "add" | "sub" if *target == QUANTITY => QUANTITY,
        "ip" if *target == NETWORK => ADDRESS,
        "masked" if *target == NETWORK => NETWORK,
        "getScheme" | "getHost" | "getHostname" | "getPort" | "getEscapedPath" => Type::Text,
        "getQuery" => Type::map(Type::list(Type::Text)),
        "validate" => Type::optional(Type::list(Type::Text)),
        _ => return None,
    })
}

fn of_global(name: &str, arguments: &[Type]) -> Option<Type> {
    Some(match (name, arguments) {
        ("ip", [_]) => ADDRESS,
        ("cidr", [_]) => NETWORK,
        ("url", [_]) => URL,
        ("quantity", [_]) => QUANTITY,
        ("semver", [_, ..]) => VERSION,
        ("format.named", [_]) => Type::optional(FORMAT),
        (name, []) if name.starts_with("format.") => FORMAT,
        _ => return None,
    })
}
