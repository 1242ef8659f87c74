//! What a plain scalar means: null, boolean, number, time, or just text.

use serde_json::{Number, Value};

use crate::Rules;
use crate::number::go_json;

mod time;

pub(crate) use time::as_rfc3339;

/// The meaning of a plain scalar without a tag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meaning {
    Null,
    Bool(bool),
    Int(Number),
    /// The number as JSON, or `None` for infinities and not-a-number.
    Float(Option<Number>),
    Time,
    Text,
}

pub(crate) fn resolve(text: &str, rules: Rules) -> Meaning {
    let Some(first) = text.bytes().next() else { return Meaning::Null };
    if let Some(meaning) = word(text, rules) {
        return meaning;
    }
    match first {
        b'.' => float(text).unwrap_or(Meaning::Text),
        b'0'..=b'9' | b'+' | b'-' => number(text, rules),
        _ => Meaning::Text,
    }
}

fn word(text: &str, rules: Rules) -> Option<Meaning> {
    let old = rules == Rules::Sigs;
    Some(match text {
        "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Bool(true),
        "false" | "False" | "FALSE" => Meaning::Bool(false),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" if old => Meaning::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" if old => Meaning::Bool(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => Meaning::Float(None),
        _ => return None,
    })
}

fn number(text: &str, rules: Rules) -> Meaning {
    if as_rfc3339(text).is_some() {
        return Meaning::Time;
    }
    let plain = text.replace('_', "");
    integer(&plain, rules).or_else(|| float(&plain)).unwrap_or(Meaning::Text)
}

/// Go's `ParseInt(text, 0, 64)` and `ParseUint`: prefixes 0x, 0o, 0b, and 0 alone for octal.
fn integer(text: &str, _rules: Rules) -> Option<Meaning> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.is_empty() || digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = u128::from_str_radix(digits, radix).ok()?;
    let number = if negative {
        let value = -(i128::try_from(magnitude).ok()?);
        Number::from(i64::try_from(value).ok()?)
    } else if text.starts_with('+') {
        Number::from(i64::try_from(magnitude).ok()?)
    } else {
        Number::from(u64::try_from(magnitude).ok()?)
    };
    Some(Meaning::Int(number))
}

fn float(text: &str) -> Option<Meaning> {
    if !float_syntax(text) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    if !value.is_finite() {
        return None;
    }
    // text that is JSON already is kept: replacements copy it letter by letter, the emitter prints the value
    let kept = if serde_json::from_str::<Number>(text).is_ok() { text.to_string() } else { go_json(value) };
    Some(Meaning::Float(serde_json::from_str(&kept).ok()))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn float_syntax(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)));
    mantissa_fits && exponent_fits
}

/// Text that the emitter may not write plain, since YAML 1.1 readers would take it for something else.
pub(crate) fn needs_quotes(text: &str) -> bool {
    resolve(text, Rules::Sigs) != Meaning::Text || is_base_60(text)
}

/// `[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?`
fn is_base_60(text: &str) -> bool {
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') {
        return false;
    }
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or("");
    if !first.starts_with(|c: char| c.is_ascii_digit())
        || !first.bytes().all(|b| b.is_ascii_digit() || b == b'_')
    {
        return false;
    }
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return false };
    let (last, fraction) = last.split_once('.').unwrap_or((last, ""));
    let sixty = |s: &str| match s.as_bytes() {
        [b] => b.is_ascii_digit(),
        [a, b] => (b'0'..=b'5').contains(a) && b.is_ascii_digit(),
        _ => false,
    };
    middle.iter().all(|s| sixty(s))
        && sixty(last)
        && fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

/// The value of a plain scalar; the text again if it has no JSON form (infinities).
pub(crate) fn plain_value(text: String, rules: Rules) -> Result<Value, String> {
    Ok(match resolve(&text, rules) {
        Meaning::Null => Value::Null,
        Meaning::Bool(b) => Value::Bool(b),
        Meaning::Int(n) => Value::Number(n),
        Meaning::Float(Some(n)) => Value::Number(n),
        Meaning::Float(None) => return Err(text),
        Meaning::Time if rules == Rules::Kyaml => Value::String(as_rfc3339(&text).unwrap_or(text)),
        Meaning::Time | Meaning::Text => Value::String(text),
    })
}

#[cfg(test)]
mod tests {
    use super::{needs_quotes, plain_value};
    use crate::Rules;
    use expect_test::expect;

    fn table(rules: Rules, texts: &[&str]) -> String {
        texts
            .iter()
            .map(|t| match plain_value(t.to_string(), rules) {
                Ok(value) => format!("{t} => {value}\n"),
                Err(_) => format!("{t} => -\n"),
            })
            .collect()
    }

    const TEXTS: [&str; 38] = [
        "",
        "~",
        "yes",
        "on",
        "n",
        "true",
        "null",
        "5",
        "+5",
        "-5",
        "0123",
        "0o17",
        "0x1F",
        "0b101",
        "08",
        "1_000",
        "1.0",
        "1e3",
        ".5",
        "5.",
        "-1.5E-3",
        "1e",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "2020-01-01",
        "2020-1-1T1:2:3Z",
        "2020-01-01 10:00:00.50",
        "2001-12-14t21:59:43.10-05:00",
        "2020-13-01",
        "1:30",
        ".inf",
        "-",
        "--1",
        "0x",
        "1.2.3",
        "128Mi",
        "<<",
    ];

    #[test]
    fn sigs() {
        expect![[r#"
             => null
            ~ => null
            yes => true
            on => true
            n => false
            true => true
            null => null
            5 => 5
            +5 => 5
            -5 => -5
            0123 => 83
            0o17 => 15
            0x1F => 31
            0b101 => 5
            08 => 8
            1_000 => 1000
            1.0 => 1.0
            1e3 => 1e+3
            .5 => 0.5
            5. => 5
            -1.5E-3 => -1.5e-3
            1e => "1e"
            18446744073709551615 => 18446744073709551615
            18446744073709551616 => 18446744073709551616
            -9223372036854775809 => -9223372036854775809
            2020-01-01 => "2020-01-01"
            2020-1-1T1:2:3Z => "2020-1-1T1:2:3Z"
            2020-01-01 10:00:00.50 => "2020-01-01 10:00:00.50"
            2001-12-14t21:59:43.10-05:00 => "2001-12-14t21:59:43.10-05:00"
            2020-13-01 => "2020-13-01"
            1:30 => "1:30"
            .inf => -
            - => "-"
            --1 => "--1"
            0x => "0x"
            1.2.3 => "1.2.3"
            128Mi => "128Mi"
            << => "<<"
        "#]]
        .assert_eq(&table(Rules::Sigs, &TEXTS));
    }

    #[test]
    fn kyaml_where_it_differs() {
        let differing: Vec<&str> = TEXTS
            .into_iter()
            .filter(|t| plain_value(t.to_string(), Rules::Sigs) != plain_value(t.to_string(), Rules::Kyaml))
            .collect();
        expect![[r#"
            yes => "yes"
            on => "on"
            n => "n"
            2020-01-01 => "2020-01-01T00:00:00Z"
            2020-1-1T1:2:3Z => "2020-01-01T01:02:03Z"
            2020-01-01 10:00:00.50 => "2020-01-01T10:00:00.5Z"
            2001-12-14t21:59:43.10-05:00 => "2001-12-14T21:59:43.1-05:00"
        "#]]
        .assert_eq(&table(Rules::Kyaml, &differing));
    }

    #[test]
    fn quotes() {
        for text in ["yes", "1:30", "-1:30:59.5_", "123", "", "~", "2020-01-01", "1_000", ".inf"] {
            assert!(needs_quotes(text), "{text}");
        }
        for text in ["1:60", "a:1", "1:", ":1", "1.2.3", "<<", "=", "128Mi", "yess", "1:2:x"] {
            assert!(!needs_quotes(text), "{text}");
        }
    }
}
