//! Kubernetes quantities (`500m`, `128Mi`) as whole numbers.

use schema::quantity::Quantity;
use serde_json::Value;

/// In thousandths, rounded up: millicores for CPU.
pub(crate) fn millis(value: &Value) -> Option<u64> {
    parse(value).map(|quantity| quantity.millis().max(0).unsigned_abs())
}

/// In whole units, rounded up: bytes for memory.
pub(crate) fn whole(value: &Value) -> Option<u64> {
    parse(value).map(|quantity| quantity.value().max(0).unsigned_abs())
}

pub(crate) fn number(value: &Value) -> Option<f64> {
    parse(value).map(|quantity| quantity.nanos() as f64 / 1e9)
}

fn parse(value: &Value) -> Option<Quantity> {
    let text = value.as_str().map_or_else(|| value.to_string(), String::from);
    Quantity::parse(&text)
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
