//! How much room there is, and how much something would take.

use crate::call::{Failure, Result};
use crate::env::Env;
use crate::limits::Stop;
use crate::values::record::struct_fields;
use starlark::codemap::FileSpanRef;
use starlark::eval::{BeforeStmtFuncDyn, Evaluator};
use starlark::values::Value;
use starlark::values::dict::DictRef;
use starlark::values::list::ListRef;
use starlark::values::tuple::TupleRef;

/// One value may take this part of what an evaluation may.
const PART: usize = 8;

pub(super) fn env<'a, 'e>(eval: &Evaluator<'_, 'a, 'e>) -> &'a Env<'e> {
    let env = eval.extra.and_then(|extra| extra.downcast_ref::<Env<'e>>());
    env.expect("every evaluator is made with an Env")
}

/// Fails if the heap has reached its limit.
pub(super) fn check_room(eval: &Evaluator<'_, '_, '_>) -> Result<()> {
    let limit = env(eval).settings.limits.heap_bytes;
    if eval.heap().allocated_bytes() <= limit {
        return Ok(());
    }
    env(eval).stop.set(Some(Stop::Memory));
    Err(crate::limits::out_of_memory(limit))
}

/// Bytes that one value may take.
pub(super) fn largest(eval: &Evaluator<'_, '_, '_>) -> usize {
    env(eval).settings.limits.heap_bytes / PART
}

/// Fails if there is no room for so many bytes more.
pub(super) fn demand(eval: &Evaluator<'_, '_, '_>, bytes: u128) -> Result<()> {
    // a look at the heap costs more than what is small
    if bytes < 4096 {
        return Ok(());
    }
    let largest = largest(eval);
    if bytes > largest as u128 {
        return Err(too_large(&amount(bytes), largest));
    }
    check_room(eval)
}

fn too_large(what: &str, largest: usize) -> Failure {
    let message = format!("this would take {what} of memory; one value may take {}", amount(largest as u128));
    Failure::new(message).with_hint("work with data of this size belongs into a program that `local` runs")
}

/// `3 GiB`, rounded up.
pub(super) fn amount(bytes: u128) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut number, mut unit) = (bytes, 0);
    while number >= 10 * 1024 && unit + 1 < UNITS.len() || (number >= 1024 && number % 1024 == 0 && unit < 4)
    {
        number = number.div_ceil(1024);
        unit += 1;
    }
    format!("{number} {}", UNITS[unit])
}

/// Looks at the heap before each statement, so that what doubles is seen in time.
pub(crate) struct Watch;

impl<'e> BeforeStmtFuncDyn<'e> for Watch {
    fn call<'v>(
        &mut self,
        _: FileSpanRef<'_>,
        _: bool,
        eval: &mut Evaluator<'v, '_, 'e>,
    ) -> starlark::Result<()> {
        check_room(eval).map_err(Failure::into_starlark)
    }
}

/// Lists within lists; printing them takes a piece of the stack for each.
const MAX_DEPTH: usize = 500;

/// Fails if a value is too large, or nested too deep, to be printed: a list may hold another many times.
pub(crate) fn check_printed(eval: &Evaluator<'_, '_, '_>, value: Value<'_>) -> Result<()> {
    printed(eval, value).map(|_| ())
}

/// About how many bytes a value takes if it is printed.
pub(super) fn printed(eval: &Evaluator<'_, '_, '_>, value: Value<'_>) -> Result<u128> {
    if let Some(text) = value.unpack_str() {
        return Ok(text.len() as u128);
    }
    let mut measure = Measure { left: largest(eval), path: Vec::new() };
    match measure.value(value) {
        Ok(()) => Ok((largest(eval) - measure.left) as u128),
        Err(Problem::Large) => {
            let largest = largest(eval);
            Err(too_large(&format!("more than {}", amount(largest as u128)), largest))
        }
        Err(Problem::Deep) => Err(Failure::new(format!("this is nested more than {MAX_DEPTH} deep"))),
    }
}

/// An error that shows a value may not be as large as what it complains about.
pub(crate) fn is_short(value: Value<'_>) -> bool {
    const LONGEST: usize = 1 << 20;
    Measure { left: LONGEST, path: Vec::new() }.value(value).is_ok()
}

enum Problem {
    Large,
    Deep,
}

struct Measure<'v> {
    left: usize,
    /// The values around, which may hold themselves; what does is printed as `...`.
    path: Vec<Value<'v>>,
}

impl<'v> Measure<'v> {
    fn value(&mut self, value: Value<'v>) -> std::result::Result<(), Problem> {
        let own = value.unpack_str().map_or(8, |text| text.len() + 4);
        self.left = self.left.checked_sub(own).ok_or(Problem::Large)?;
        let items: Box<dyn Iterator<Item = Value<'v>> + 'v> = if let Some(list) = ListRef::from_value(value) {
            Box::new(list.iter())
        } else if let Some(tuple) = TupleRef::from_value(value) {
            Box::new(tuple.iter())
        } else if let Some(dict) = DictRef::from_value(value) {
            let items: Vec<Value<'v>> = dict.iter().flat_map(|(k, v)| [k, v]).collect();
            Box::new(items.into_iter())
        } else if let Some(fields) = struct_fields(value) {
            Box::new(fields.into_iter().map(|(_, v)| v))
        } else {
            return Ok(());
        };
        if self.path.iter().any(|p| p.ptr_eq(value)) {
            return Ok(());
        }
        if self.path.len() >= MAX_DEPTH {
            return Err(Problem::Deep);
        }
        self.path.push(value);
        for item in items {
            self.value(item)?;
        }
        self.path.pop();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn amounts() {
        let amounts = [100, 1024, 5000, 20_000, 256 << 20, 16_000_000_000, 1 << 40, 1 << 100].map(amount);
        assert_eq!(
            amounts,
            [
                "100 bytes",
                "1 KiB",
                "5000 bytes",
                "20 KiB",
                "256 MiB",
                "15 GiB",
                "1 TiB",
                "1152921504606846976 TiB"
            ]
        );
    }
}
