//! Objects that are kept take no more room than they need.
//!
//! A map of JSON grows in steps of 3, 7 and 14 entries of a hundred bytes each; most maps of an object are small and
//! never grow again once it is stored.

use serde_json::{Map, Value};

/// The same value without room to grow.
pub(crate) fn compact(value: Value) -> Value {
    match value {
        Value::Object(fields) if fields.is_empty() => Value::Object(Map::new()),
        Value::Object(fields) => {
            let mut exact = Map::with_capacity(fields.len());
            exact.extend(fields.into_iter().map(|(name, value)| (fitting(name), compact(value))));
            Value::Object(exact)
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(compact).collect();
            items.shrink_to_fit();
            Value::Array(items)
        }
        Value::String(text) => Value::String(fitting(text)),
        other => other,
    }
}

fn fitting(mut text: String) -> String {
    text.shrink_to_fit();
    text
}

#[cfg(test)]
#[test]
fn nothing_is_lost_or_moved() {
    let text =
        r#"{"b":{"z":[1,{"y":null,"a":{}}],"c":"text"},"a":[],"empty":{},"deep":{"x":{"y":{"z":true}}}}"#;
    let value: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(compact(value).to_string(), text);
}
