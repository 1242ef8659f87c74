//! Numbers as Go prints them.

/// `strconv.FormatFloat(f, 'g', -1, 64)`: shortest digits, an exponent below -4 or from 6 on.
fn go_g(f: f64) -> String {
    let (negative, digits, exponent) = digits(f);
    let text = if digits != "0" && !(-4..6).contains(&exponent) {
        scientific(&digits, exponent, true)
    } else {
        plain(&digits, exponent)
    };
    if negative { format!("-{text}") } else { text }
}

/// A float as it comes out of YAML, by way of JSON, into YAML: whole numbers that fit 64 bits are integers.
pub(crate) fn go_yaml(f: f64) -> String {
    let json = go_json(f);
    if json == "-0" {
        return "0".to_string();
    }
    if json.parse::<i64>().is_ok() || json.parse::<u64>().is_ok() { json } else { go_g(f) }
}

/// A float as `encoding/json` writes it: an exponent below 1e-6 or from 1e21 on.
pub(crate) fn go_json(f: f64) -> String {
    let (negative, digits, exponent) = digits(f);
    let text = if digits != "0" && !(-6..21).contains(&exponent) {
        scientific(&digits, exponent, exponent >= 0)
    } else {
        plain(&digits, exponent)
    };
    if negative { format!("-{text}") } else { text }
}

/// A number as `encoding/json` writes it: `1.0` is `1`.
pub fn json_number(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if !number.is_i64() && !number.is_u64() => go_json(float),
        _ => number.to_string(),
    }
}

/// Sign, shortest decimal digits, and the exponent of the first of them.
fn digits(f: f64) -> (bool, String, i32) {
    let text = format!("{f:e}");
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.as_str()),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    (negative, mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
}

fn scientific(digits: &str, exponent: i32, pad: bool) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let exponent = exponent.abs();
    if pad {
        format!("{first}{point}{rest}e{sign}{exponent:02}")
    } else {
        format!("{first}{point}{rest}e{sign}{exponent}")
    }
}

fn plain(digits: &str, exponent: i32) -> String {
    if exponent < 0 {
        return format!("0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        format!("{digits}{}", "0".repeat(whole - digits.len()))
    } else {
        format!("{}.{}", &digits[..whole], &digits[whole..])
    }
}

#[cfg(test)]
mod tests {
    use super::{go_json, go_yaml};

    #[test]
    fn like_go() {
        for (f, yaml, json) in [
            (0.0, "0", "0"),
            (-0.0, "0", "-0"),
            (1.0, "1", "1"),
            (-1.5, "-1.5", "-1.5"),
            (0.1, "0.1", "0.1"),
            (0.0001, "0.0001", "0.0001"),
            (0.00001, "1e-05", "0.00001"),
            (1e-7, "1e-07", "1e-7"),
            (1e20, "1e+20", "100000000000000000000"),
            (1e21, "1e+21", "1e+21"),
            (1.2345678901234568e29, "1.2345678901234568e+29", "1.2345678901234568e+29"),
            (1234567.5, "1.2345675e+06", "1234567.5"),
            (-1e6, "-1000000", "-1000000"),
            (123456.789, "123456.789", "123456.789"),
        ] {
            assert_eq!(go_yaml(f), yaml);
            assert_eq!(go_json(f), json);
        }
    }
}
