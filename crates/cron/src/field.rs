//! One field of a schedule, and durations as Go writes them.

use crate::Error;

/// What a field may hold. Names stand for the numbers from `min` on; their case does not count.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) names: &'static [&'static str],
}

/// A set of numbers below 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    bits: u64,
    star: bool,
}

impl Field {
    pub(crate) fn parse(text: &str, bounds: Bounds) -> Result<Self, Error> {
        let mut field = Self { bits: 0, star: false };
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (bits, star) = range(part, bounds)?;
            field.bits |= bits;
            field.star |= star;
        }
        Ok(field)
    }

    pub(crate) fn has(self, number: i8) -> bool {
        u32::try_from(number).is_ok_and(|number| self.bits >> number & 1 == 1)
    }

    pub(crate) fn is_star(self) -> bool {
        self.star
    }
}

/// `number`, `number-number`, `*`, each with `/step`.
fn range(text: &str, bounds: Bounds) -> Result<(u64, bool), Error> {
    let parts: Vec<&str> = text.split('/').collect();
    let ends: Vec<&str> = parts[0].split('-').collect();
    let (start, mut end, mut star) = match ends[..] {
        ["*" | "?", ..] => (bounds.min, bounds.max, true),
        [one] => {
            let number = number_or_name(one, bounds)?;
            (number, number, false)
        }
        [first, last] => (number_or_name(first, bounds)?, number_or_name(last, bounds)?, false),
        _ => return Err(Error(format!("too many hyphens: {text}"))),
    };
    let step = match parts[..] {
        [_] => 1,
        [_, step] => {
            let step = number(step)?;
            // `N/step` means `N-max/step`.
            if ends.len() == 1 {
                end = bounds.max;
            }
            star &= step <= 1;
            step
        }
        _ => return Err(Error(format!("too many slashes: {text}"))),
    };
    let (min, max) = (bounds.min, bounds.max);
    if start < min {
        return Err(Error(format!("beginning of range ({start}) below minimum ({min}): {text}")));
    }
    if end > max {
        return Err(Error(format!("end of range ({end}) above maximum ({max}): {text}")));
    }
    if start > end {
        return Err(Error(format!("beginning of range ({start}) beyond end of range ({end}): {text}")));
    }
    if step == 0 {
        return Err(Error(format!("step of range should be a positive number: {text}")));
    }
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    let bits = (start..=end).step_by(step).fold(0, |bits, number| bits | 1_u64 << number);
    Ok((bits, star))
}

fn number_or_name(text: &str, bounds: Bounds) -> Result<u32, Error> {
    let lower = text.to_lowercase();
    match bounds.names.iter().position(|name| *name == lower) {
        Some(index) => Ok(bounds.min + u32::try_from(index).expect("a dozen names")),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u32, Error> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let problem =
        |why: &str| Error(format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: {why}"));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(problem("invalid syntax"));
    }
    let number: i64 = text.parse().map_err(|_| problem("value out of range"))?;
    if number < 0 {
        return Err(Error(format!("negative number ({number}) not allowed: {text}")));
    }
    Ok(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Nanoseconds of a duration as Go's `time.ParseDuration` reads it (`1h30m`, `1.5s`), or its complaint.
pub(crate) fn duration(text: &str) -> Result<i128, String> {
    const UNITS: [(&str, i128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (amount, after) = rest.split_at(length);
        let (whole, part) = amount.split_once('.').unwrap_or((amount, ""));
        if (whole.is_empty() && part.is_empty()) || part.contains('.') || amount.len() > 18 {
            return Err(invalid());
        }
        let length = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {text:?}"));
        }
        let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("time: unknown unit {unit:?} in duration {text:?}"));
        };
        let digits = |digits: &str| digits.parse::<i128>().unwrap_or(0);
        let scale = 10_i128.pow(u32::try_from(part.len()).expect("at most 18"));
        total += digits(whole) * nanos + digits(part) * nanos / scale;
        if total > i128::from(i64::MAX) {
            return Err(invalid());
        }
        rest = after;
    }
    Ok(if negative { -total } else { total })
}
