//! Quantities: `100m`, `128Mi`, `1e3`, and the form in which upstream writes them back.

/// A number of at most nine decimals, and the family of its suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    nanos: i128,
    family: Family,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Decimal,
    Binary,
    Exponent,
}

const NANO: i128 = 1_000_000_000;

/// The largest number; upstream caps there too.
const LIMIT: i128 = i64::MAX as i128 * NANO;

const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

impl Quantity {
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return None;
        }
        let (family, ten, two) = scale(suffix)?;
        let digits = format!("{whole}{fraction}");
        let exponent = ten + 9 - i32::try_from(fraction.len()).ok()?;
        let nanos = scaled(digits.trim_start_matches('0'), exponent, two);
        Some(Self { nanos: if negative { -nanos } else { nanos }, family })
    }

    pub fn nanos(&self) -> i128 {
        self.nanos
    }

    /// Nothing, in the decimal family.
    pub fn zero() -> Self {
        Self { nanos: 0, family: Family::Decimal }
    }

    /// A whole number.
    pub fn whole(number: usize) -> Self {
        Self {
            nanos: i128::try_from(number).unwrap_or(LIMIT).saturating_mul(NANO).min(LIMIT),
            family: Family::Decimal,
        }
    }

    /// The sum; a zero takes the family of what is added, as upstream has it.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let family = if self.nanos == 0 { other.family } else { self.family };
        Self { nanos: self.nanos.saturating_add(other.nanos), family }
    }

    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.plus(Self { nanos: -other.nanos, ..other })
    }

    #[must_use]
    pub fn or_more(self, other: Self) -> Self {
        if other.nanos > self.nanos { other } else { self }
    }

    /// Thousandths, rounded up.
    pub fn millis(&self) -> i64 {
        i64::try_from(up(self.nanos, 1_000_000)).unwrap_or(i64::MAX)
    }

    /// Rounded up.
    pub fn value(&self) -> i64 {
        i64::try_from(up(self.nanos, NANO)).unwrap_or(i64::MAX)
    }

    /// As upstream writes it: `0.5` is `500m`, `1024Mi` is `1Gi`.
    pub fn canonical(&self) -> String {
        if self.nanos == 0 {
            return "0".into();
        }
        if self.family == Family::Binary && self.nanos.abs() >= 1024 * NANO {
            let (mut value, mut suffix) = (up(self.nanos, NANO), "");
            for (name, _) in BINARY {
                if value % 1024 != 0 {
                    break;
                }
                (value, suffix) = (value / 1024, name);
            }
            return format!("{value}{suffix}");
        }
        let (mut value, mut place) = (self.nanos, 0);
        while place + 1 < DECIMAL.len() && value % 1000 == 0 {
            (value, place) = (value / 1000, place + 1);
        }
        match (self.family, DECIMAL[place]) {
            (Family::Exponent, (_, 0)) => value.to_string(),
            (Family::Exponent, (_, exponent)) => format!("{value}e{exponent}"),
            (_, (suffix, _)) => format!("{value}{suffix}"),
        }
    }
}

/// The family of a suffix, its power of ten, its power of two.
fn scale(suffix: &str) -> Option<(Family, i32, u32)> {
    if let Some((_, ten)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((Family::Decimal, *ten, 0));
    }
    if let Some((_, two)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((Family::Binary, 0, *two));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok().filter(|n: &i32| n.abs() < 1000)?;
    Some((Family::Exponent, exponent, 0))
}

/// `digits` × 10^`exponent` × 2^`two`, rounded up, at most the limit.
fn scaled(digits: &str, exponent: i32, two: u32) -> i128 {
    // More digits than the limit has cannot matter but for rounding up.
    let Ok(mut value) = digits.get(..digits.len().min(36)).unwrap_or_default().parse::<i128>() else {
        return 0;
    };
    let mut exponent = exponent + i32::try_from(digits.len().saturating_sub(36)).unwrap_or(i32::MAX / 2);
    for _ in 0..two {
        let doubled = value.checked_mul(2).filter(|doubled| *doubled < i128::MAX / 16);
        let Some(doubled) = doubled else { return LIMIT };
        value = doubled;
    }
    while exponent > 0 {
        match value.checked_mul(10).filter(|more| *more < i128::MAX / 16) {
            Some(more) => value = more,
            None => return LIMIT,
        }
        exponent -= 1;
    }
    let mut lost = false;
    while exponent < 0 && value != 0 {
        lost |= value % 10 != 0;
        (value, exponent) = (value / 10, exponent + 1);
    }
    (value + i128::from(lost)).min(LIMIT)
}

/// Divides, away from zero.
fn up(value: i128, by: i128) -> i128 {
    let whole = value / by;
    if value % by == 0 { whole } else { whole + value.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        let forms = "0.5=500m 1=1 1000m=1 1024Mi=1Gi 1.5Gi=1536Mi 1500m=1500m 1e3=1e3 1000=1k 0=0 0Mi=0 128Mi=128Mi 1023Ki=1023Ki \
            0.1m=100u 10G=10G 1.2345678901=1234567891n -1.5=-1500m 1023=1023 1024=1024 512=512 0.5Mi=512Ki 0.5Ki=512 10000E=9223372036854775807 +5=5 .5=500m 5.=5 100e-1=10";
        for form in forms.split_whitespace() {
            let (text, wanted) = form.split_once('=').expect("a pair");
            assert_eq!(Quantity::parse(text).map(|q| q.canonical()).as_deref(), Some(wanted), "{text}");
        }
        for text in ["", "x", "1.2.3", "1Kib", "--1", "1 Gi", ".", "1e", "1mm", "12MB"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers() {
        let at = |text: &str| Quantity::parse(text).expect("a quantity");
        assert_eq!((at("100m").millis(), at("100m").value()), (100, 1));
        assert_eq!(at("128Mi").value(), 134_217_728);
        assert!(at("1Gi").nanos() > at("1G").nanos());
    }
}
