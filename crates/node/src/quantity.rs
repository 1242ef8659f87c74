//! Kubernetes quantities (`500m`, `128Mi`) as whole numbers.

use serde_json::Value;

/// In thousandths, rounded up: millicores for CPU.
pub(crate) fn millis(value: &Value) -> Option<u64> {
    scaled(value, 1000.0)
}

/// In whole units, rounded up: bytes for memory.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    scaled(value, 1.0)
}

fn scaled(value: &Value, by: f64) -> Option<u64> {
    let number = number(value)?;
    // Not a hair above because of binary fractions.
    let scaled = (number * by - 1e-6).ceil();
    (0.0..1.8e19).contains(&scaled.max(0.0)).then(|| scaled.max(0.0) as u64)
}

pub(crate) fn number(value: &Value) -> Option<f64> {
    if value.is_number() {
        return value.to_string().parse().ok();
    }
    let text = value.as_str()?;
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let factor = match &text[end..] {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        exponent => 10f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities() {
        for (value, expected_millis, expected_whole) in [
            (json!("100m"), 100, 1),
            (json!("1"), 1000, 1),
            (json!(2), 2000, 2),
            (json!("0.1"), 100, 1),
            (json!("128Mi"), 134_217_728_000, 134_217_728),
            (json!("1e3"), 1_000_000, 1000),
            (json!("1500k"), 1_500_000_000, 1_500_000),
        ] {
            assert_eq!(millis(&value), Some(expected_millis), "{value}");
            assert_eq!(whole(&value), Some(expected_whole), "{value}");
        }
        assert_eq!(whole(&json!("much")), None);
    }
}
