//! The types of what functions give.

use crate::types::Type;

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
        ("string", None, [_]) => T::Text,
        ("int", None, [_]) => T::Int,
        ("uint", None, [_]) => T::UInt,
        ("double", None, [_]) => T::Double,
        ("bool", None, [_]) => T::Bool,
        ("bytes", None, [_]) => T::Bytes,
        ("duration", None, [_]) => T::Duration,
        ("timestamp", None, [_]) => T::Time,
        ("hasValue", Some(T::Optional(_) | T::Dyn), []) => T::Bool,
        ("value", Some(T::Optional(inner)), []) => (**inner).clone(),
        ("orValue", Some(T::Optional(inner)), [other]) => {
            return inner.agrees(other).then(|| (**inner).clone().joined(other));
        }
        ("or", Some(T::Optional(_)), [_]) => target.cloned()?,
        ("optional.of" | "optional.ofNonZeroValue", None, [of]) => T::optional(of.clone()),
        ("optional.none", None, []) => T::optional(T::Dyn),
        ("first" | "last", Some(T::List(item)), []) => T::optional((**item).clone()),
        (
            "lowerAscii" | "upperAscii" | "trim" | "replace" | "substring" | "charAt" | "find",
            Some(of),
            [..],
        ) => {
            return (text(of) || is_any(target)).then_some(T::Text);
        }
        ("split" | "findAll", Some(of), [..]) => return text(of).then(|| T::list(T::Text)),
        ("join", Some(T::List(item)), [..]) => return text(item).then_some(T::Text),
        ("isURL" | "isIP" | "isCIDR" | "isQuantity" | "isSemver", None, [of, ..]) => {
            return text(of).then_some(T::Bool);
        }
        ("isSorted", Some(T::List(_)), []) => T::Bool,
        ("isGreaterThan" | "isLessThan" | "containsIP" | "containsCIDR" | "isInteger", Some(_), [..]) => {
            T::Bool
        }
        ("sets.contains" | "sets.equivalent" | "sets.intersects", None, [_, _]) => T::Bool,
        ("distinct" | "sort" | "slice", Some(list @ T::List(_)), [..]) => list.clone(),
        ("dyn", None, [_]) => T::Dyn,
        ("size" | "contains" | "startsWith" | "endsWith" | "hasValue" | "orValue", ..) if !is_any(target) => {
            return None;
        }
        _ => T::Dyn,
    })
}
