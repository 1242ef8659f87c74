//! Values of objects as Go's `fmt` writes them.

use serde_json::{Number, Value};

/// What `%T` prints of a value that was read from YAML.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// `%v`.
pub(crate) fn plain(value: &Value) -> String {
    written(value, false)
}

/// `%s`, which complains of all that is no text.
pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::Null => "%!s(<nil>)".to_owned(),
        value => written(value, true),
    }
}

fn written(value: &Value, complains: bool) -> String {
    let scalar = |text: String| match complains {
        true => format!("%!s({}={text})", type_of(value)),
        false => text,
    };
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(b) => scalar(b.to_string()),
        Value::Number(n) => scalar(number(n)),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| written(item, complains)).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let mut fields: Vec<(&String, &Value)> = map.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{key}:{}", written(value, complains))).collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// `%v` of a float has an exponent from 1e21 on, and below 0.0001.
fn number(n: &Number) -> String {
    let Some(float) = n.as_f64().filter(|_| n.is_f64()) else { return n.to_string() };
    let size = float.abs();
    if size == 0.0 || (1e-4..1e21).contains(&size) {
        return float.to_string();
    }
    let text = format!("{float:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn as_go_writes_them() {
        for (value, want) in [
            (json!("a b"), "a b"),
            (json!(null), "%!s(<nil>)"),
            (json!(1), "%!s(int64=1)"),
            (json!(1.0), "%!s(float64=1)"),
            (json!(1.5e30), "%!s(float64=1.5e+30)"),
            (json!(0.000_01), "%!s(float64=1e-05)"),
            (json!([true, "x", null]), "[%!s(bool=true) x <nil>]"),
            (json!({"b": {"c": 1}, "a": []}), "map[a:[] b:map[c:%!s(int64=1)]]"),
        ] {
            assert_eq!(as_text(&value), want);
        }
        assert_eq!(plain(&json!({"b": 1, "a": [1.5]})), "map[a:[1.5] b:1]");
    }
}
