//! What the names of guards stand for.

use super::percent::interpolate;
use super::room::{check_room, demand, largest, printed};
use super::{LOOP_RANGE, PREFIX};
use crate::call::{Failure, Result};
use crate::values::{Environ, go_repr_of};
use allocative::Allocative;
use starlark::environment::{Globals, GlobalsBuilder};
use starlark::eval::{Arguments, Evaluator};
use starlark::starlark_simple_value;
use starlark::values::dict::AllocDict;
use starlark::values::list::ListRef;
use starlark::values::range::Range;
use starlark::values::tuple::{AllocTuple, TupleRef};
use starlark::values::{
    FrozenValue, Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, UnpackValue,
    Value, ValueLike, starlark_value,
};
use std::fmt;
use std::num::NonZeroI32;

/// Integers of more bits are not multiplied: the time for it grows with their square.
const MAX_BITS: i32 = 100_000;
/// Texts of more digits are not read as integers.
const MAX_DIGITS: usize = 100_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Allocative)]
enum Guard {
    Add,
    Multiply,
    Percent,
    Shift,
    Or,
    Join,
    Format,
    Replace,
    Update,
    /// The right side of `a *= n`.
    Times,
    /// The right side of `a %= b`.
    Formatted,
    /// True, if there is room.
    Room,
    LoopRange,
    // builtins of the interpreter
    Range,
    Str,
    Repr,
    Int,
    Dict,
}

/// Each by its name in a scope.
const GUARDS: [(&str, Guard); 18] = [
    ("__guard_add", Guard::Add),
    ("__guard_mul", Guard::Multiply),
    ("__guard_percent", Guard::Percent),
    ("__guard_shift", Guard::Shift),
    ("__guard_or", Guard::Or),
    ("__guard_join", Guard::Join),
    ("__guard_format", Guard::Format),
    ("__guard_replace", Guard::Replace),
    ("__guard_update", Guard::Update),
    ("__guard_times", Guard::Times),
    ("__guard_formatted", Guard::Formatted),
    ("__guard_room", Guard::Room),
    (LOOP_RANGE, Guard::LoopRange),
    ("range", Guard::Range),
    ("str", Guard::Str),
    ("repr", Guard::Repr),
    ("int", Guard::Int),
    ("dict", Guard::Dict),
];

/// Puts the guards into a scope, before the interpreter's own builtins of the same names.
pub(crate) fn set_guards(builder: &mut GlobalsBuilder) {
    let standard = Globals::standard();
    builder.frozen_heap().add_reference(standard.heap());
    for (name, guard) in GUARDS {
        let original = standard.iter().find(|(n, _)| *n == name).map(|(_, value)| value);
        builder.set(name, GuardValue { name, guard, original });
    }
}

/// The guard that a frame of the call stack is of; for a method or builtin its name.
pub(crate) fn guard_frame(name: &str) -> Option<Option<&str>> {
    let name = name.strip_prefix(PREFIX)?;
    Some(super::METHODS.contains(&name).then_some(name))
}

#[derive(Debug, Clone, Copy, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
struct GuardValue {
    name: &'static str,
    guard: Guard,
    #[allocative(skip)]
    original: Option<FrozenValue>,
}
starlark_simple_value!(GuardValue);

impl fmt::Display for GuardValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<built-in function {}>", self.name)
    }
}

#[starlark_value(type = "builtin_function_or_method")]
impl<'v> StarlarkValue<'v> for GuardValue {
    fn name_for_call_stack(&self, _me: Value<'v>) -> String {
        self.name.to_owned()
    }

    fn invoke(
        &self,
        _me: Value<'v>,
        args: &Arguments<'v, '_>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let own = |result: Result<Value<'v>>| result.map_err(Failure::into_starlark);
        match self.guard {
            Guard::Add | Guard::Multiply | Guard::Percent | Guard::Shift | Guard::Or => {
                let [a, b] = args.positional(eval.heap())?;
                operate(self.guard, a, b, eval)
            }
            Guard::Join | Guard::Format | Guard::Replace | Guard::Update => method(self.guard, args, eval),
            Guard::Times => {
                let [a, n] = args.positional(eval.heap())?;
                own(check_product(a, n, eval).map(|()| n))
            }
            Guard::Formatted => formatted(args, eval),
            Guard::Room => own(check_room(eval).map(|()| Value::new_bool(true))),
            Guard::LoopRange => range(args, eval, false),
            Guard::Range => range(args, eval, true),
            Guard::Dict => {
                let positional: Vec<Value<'v>> = args.positions(eval.heap())?.collect();
                let named = args.names_map()?;
                let named: Vec<(&str, Value<'v>)> = named.iter().map(|(n, v)| (n.as_str(), *v)).collect();
                let positional = with_pairs(&positional, eval.heap());
                let original = self.original.expect("this is a builtin of the interpreter");
                eval.eval_function(original.to_value(), &positional, &named)
            }
            Guard::Str | Guard::Repr | Guard::Int => {
                let first = args.positions(eval.heap())?.next();
                if let Some(value) = first {
                    let checked = match self.guard {
                        Guard::Int => check_digits(value),
                        _ => printed(eval, value).map(|_| ()),
                    };
                    checked.map_err(Failure::into_starlark)?;
                }
                let original = self.original.expect("these are builtins of the interpreter");
                let result = original.to_value().invoke(args, eval)?;
                Ok(match (self.guard, first) {
                    (Guard::Repr, Some(value)) => eval.heap().alloc(go_repr_of(value)),
                    (Guard::Str, Some(value)) if is_container(value) => field(value, eval.heap()),
                    _ => result,
                })
            }
        }
    }
}

fn operate<'v>(
    guard: Guard,
    a: Value<'v>,
    b: Value<'v>,
    eval: &Evaluator<'v, '_, '_>,
) -> starlark::Result<Value<'v>> {
    let heap = eval.heap();
    let checked = match guard {
        Guard::Add => size(a).zip(size(b)).map_or(Ok(()), |(a, b)| demand(eval, a + b)),
        Guard::Multiply => check_product(a, b, eval),
        Guard::Percent => check_percent(a, b, eval),
        Guard::Or => check_room(eval),
        _ => check_bits(a, heap),
    };
    checked.map_err(Failure::into_starlark)?;
    match guard {
        Guard::Add => a.add(b, heap),
        Guard::Multiply => a.mul(b, heap),
        Guard::Percent => match a.unpack_str() {
            Some(format) => interpolate(format, b, heap).map(|text| heap.alloc(text)),
            None => a.percent(b, heap),
        },
        Guard::Or => a.bit_or(b, heap),
        _ => a.left_shift(b, heap),
    }
}

/// Bytes that the content of a string, list or tuple takes.
fn size(value: Value<'_>) -> Option<u128> {
    if let Some(text) = value.unpack_str() {
        return Some(text.len() as u128);
    }
    let items = match ListRef::from_value(value) {
        Some(list) => list.len(),
        None => TupleRef::from_value(value)?.len(),
    };
    Some(items as u128 * size_of::<Value<'_>>() as u128)
}

fn check_product<'v>(a: Value<'v>, b: Value<'v>, eval: &Evaluator<'v, '_, '_>) -> Result<()> {
    let (sequence, count) = match (size(a), size(b)) {
        (Some(bytes), None) => (bytes, b),
        (None, Some(bytes)) => (bytes, a),
        _ => return check_bits(a, eval.heap()).and_then(|()| check_bits(b, eval.heap())),
    };
    match count.unpack_i32() {
        Some(count) => demand(eval, sequence * u128::try_from(count).unwrap_or_default()),
        None => Ok(()),
    }
}

/// Integers are as long as memory allows.
fn check_bits<'v>(value: Value<'v>, heap: Heap<'v>) -> Result<()> {
    if value.get_type() != "int" || i64::unpack_value(value).ok().flatten().is_some() {
        return Ok(());
    }
    match value.right_shift(heap.alloc(MAX_BITS), heap).ok().and_then(|rest| rest.unpack_i32()) {
        Some(0 | -1) => Ok(()),
        _ => Err(Failure::new(format!("integers of more than {MAX_BITS} bits are not multiplied"))),
    }
}

fn check_digits(value: Value<'_>) -> Result<()> {
    match value.unpack_str() {
        Some(text) if text.len() > MAX_DIGITS => {
            Err(Failure::new(format!("int: the text has more than {MAX_DIGITS} characters")))
        }
        _ => Ok(()),
    }
}

/// `format % arguments`: each argument is used once.
fn check_percent(format: Value<'_>, arguments: Value<'_>, eval: &Evaluator<'_, '_, '_>) -> Result<()> {
    let Some(text) = format.unpack_str() else { return Ok(()) };
    let bytes = match TupleRef::from_value(arguments) {
        Some(tuple) => tuple.iter().map(|v| printed(eval, v)).sum::<Result<u128>>()?,
        // a dictionary's values are used by name, as often as there are names
        None if arguments.get_type() == "dict" => {
            printed(eval, arguments)? * (text.matches('%').count().max(1) as u128)
        }
        None => printed(eval, arguments)?,
    };
    demand(eval, text.len() as u128 + bytes)
}

/// `a %= b, c` has the items one by one.
fn formatted<'v>(args: &Arguments<'v, '_>, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<Value<'v>> {
    let mut values: Vec<Value<'v>> = args.positions(eval.heap())?.collect();
    let format = values.remove(0);
    let right = match values.as_slice() {
        [one] => *one,
        _ => eval.heap().alloc(AllocTuple(values)),
    };
    check_percent(format, right, eval).map_err(Failure::into_starlark)?;
    Ok(right)
}

/// A method, called with what it is of as its first argument.
fn method<'v>(
    guard: Guard,
    args: &Arguments<'v, '_>,
    eval: &mut Evaluator<'v, '_, '_>,
) -> starlark::Result<Value<'v>> {
    let positional: Vec<Value<'v>> = args.positions(eval.heap())?.collect();
    let named = args.names_map()?;
    let named: Vec<(&str, Value<'v>)> = named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let (receiver, rest) = positional.split_first().expect("the receiver is always there");
    let name = match guard {
        Guard::Join => "join",
        Guard::Format => "format",
        Guard::Update => "update",
        _ => "replace",
    };
    if let Some(text) = receiver.unpack_str() {
        let checked = match (guard, rest) {
            (Guard::Join, [items]) => check_join(text, *items, eval)?,
            (Guard::Replace, [old, new, ..]) => check_replace(text, *old, *new, eval),
            (Guard::Format, _) => check_format(text, rest, &named, eval),
            _ => Ok(()),
        };
        checked.map_err(Failure::into_starlark)?;
    }
    let Some(function) = receiver.get_attr(name, eval.heap())? else {
        let text = format!("{} has no .{name} field or method", receiver.get_type());
        return Err(Failure { in_place: true, ..Failure::new(text) }.into_starlark());
    };
    if guard == Guard::Update {
        return eval.eval_function(function, &with_pairs(rest, eval.heap()), &named);
    }
    // a field with a conversion would put what was printed already into quotes
    let printed = guard == Guard::Format && receiver.unpack_str().is_some_and(|text| !text.contains('!'));
    if !printed {
        return eval.eval_function(function, rest, &named);
    }
    let heap = eval.heap();
    let rest: Vec<Value<'v>> = rest.iter().map(|v| field(*v, heap)).collect();
    let named: Vec<(&str, Value<'v>)> = named.iter().map(|(name, v)| (*name, field(*v, heap))).collect();
    eval.eval_function(function, &rest, &named)
}

/// The interpreter takes keys and values of nothing but a dictionary; `os.environ` becomes one.
fn with_pairs<'v>(values: &[Value<'v>], heap: Heap<'v>) -> Vec<Value<'v>> {
    let pairs = |value: &Value<'v>| match value.downcast_ref::<Environ>() {
        Some(environ) => heap.alloc(AllocDict(environ.with(|vars| vars.all()))),
        None => *value,
    };
    values.iter().map(pairs).collect()
}

/// What `str()` and `format()` print for a value that is not a string.
fn field<'v>(value: Value<'v>, heap: Heap<'v>) -> Value<'v> {
    if is_container(value) { heap.alloc(go_repr_of(value)) } else { value }
}

fn is_container(value: Value<'_>) -> bool {
    matches!(value.get_type(), "list" | "tuple" | "dict" | "set" | "struct")
}

/// The interpreter's own `join` makes room for as many of the longer of the first two as there are.
fn check_join<'v>(
    separator: &str,
    items: Value<'v>,
    eval: &Evaluator<'v, '_, '_>,
) -> starlark::Result<Result<()>> {
    let (mut sum, mut longest, mut count) = (0u128, 0u128, 0u128);
    for item in items.iterate(eval.heap())? {
        let length = item.unpack_str().map_or(0, str::len) as u128;
        if count < 2 {
            longest = longest.max(length);
        }
        sum += length;
        count += 1;
    }
    let bytes = separator.len() as u128 * count + sum.max(longest * count);
    Ok(demand(eval, bytes))
}

fn check_replace(text: &str, old: Value<'_>, new: Value<'_>, eval: &Evaluator<'_, '_, '_>) -> Result<()> {
    let (Some(old), Some(new)) = (old.unpack_str(), new.unpack_str()) else { return Ok(()) };
    let most = (text.len() / old.len().max(1) + 1) as u128 * new.len() as u128 + text.len() as u128;
    if most <= largest(eval) as u128 {
        return demand(eval, most.min(text.len() as u128 + new.len() as u128));
    }
    let matches = if old.is_empty() { text.chars().count() + 1 } else { text.matches(old).count() };
    demand(eval, text.len() as u128 + matches as u128 * new.len() as u128)
}

/// `'{} {0} {name}'.format(…)`: each field by what it names.
fn check_format(
    text: &str,
    positional: &[Value<'_>],
    named: &[(&str, Value<'_>)],
    eval: &Evaluator<'_, '_, '_>,
) -> Result<()> {
    let sizes: Vec<u128> = positional.iter().map(|v| printed(eval, *v)).collect::<Result<_>>()?;
    let named: Vec<(&str, u128)> =
        named.iter().map(|(n, v)| Ok((*n, printed(eval, *v)?))).collect::<Result<_>>()?;
    let (mut bytes, mut next) = (text.len() as u128, 0);
    for field in text.split('{').skip(1) {
        let name = field.split(['}', '!', ':', '.', '[']).next().unwrap_or_default();
        bytes += if name.is_empty() {
            next += 1;
            sizes.get(next - 1).copied().unwrap_or_default()
        } else if let Ok(index) = name.parse::<usize>() {
            sizes.get(index).copied().unwrap_or_default()
        } else {
            named.iter().find(|(n, _)| *n == name).map_or(0, |(_, size)| *size)
        };
    }
    demand(eval, bytes)
}

/// `is_value`: it may become a list, and so is limited.
fn range<'v>(
    args: &Arguments<'v, '_>,
    eval: &mut Evaluator<'v, '_, '_>,
    is_value: bool,
) -> starlark::Result<Value<'v>> {
    args.no_named_args()?;
    let values: Vec<Value<'v>> = args.positions(eval.heap())?.collect();
    let fail = |text: String| Err(Failure::new(text).into_starlark());
    let mut numbers = Vec::new();
    for (value, name) in values.iter().zip(match values.len() {
        1 => ["stop", "", ""],
        _ => ["start", "stop", "step"],
    }) {
        match i64::unpack_value(*value).ok().flatten() {
            Some(number) => numbers.push(number),
            None if value.get_type() == "int" => return fail(format!("range: {name} is out of range")),
            None => return fail(format!("range: for parameter {name}: got {}, want int", value.get_type())),
        }
    }
    let (start, stop, step) = match numbers.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (*start, *stop, 1),
        [start, stop, step] => (*start, *stop, *step),
        [] => return fail("range: got 0 arguments, want at least 1".to_owned()),
        more => return fail(format!("range: got {} arguments, want at most 3", more.len())),
    };
    if step == 0 {
        return fail("range: step argument must not be zero".to_owned());
    }
    let distance =
        if step > 0 { i128::from(stop) - i128::from(start) } else { i128::from(start) - i128::from(stop) };
    let count = (distance.max(0) as u128).div_ceil(u128::from(step.unsigned_abs()));
    let most = (largest(eval) / 2 / size_of::<Value<'_>>()) as u128;
    if is_value && count > most {
        let text = format!("range: {count} numbers are more than the {most} that fit into one value");
        let failure =
            Failure::new(text).with_hint("a range of any length is possible right after the `in` of a `for`");
        return Err(failure.into_starlark());
    }
    let number = |n: i64| i32::try_from(n).map_err(|_| Failure::new(format!("range: {n} is out of range")));
    let parts = number(start).and_then(|start| Ok((start, number(stop)?, number(step)?)));
    let (start, stop, step) = parts.map_err(Failure::into_starlark)?;
    let step = NonZeroI32::new(step).expect("it was looked at above");
    Ok(eval.heap().alloc(Range::new(start, stop, step)))
}
