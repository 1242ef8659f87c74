//! Scalars as text: a number or a boolean in the place of a name is treated by its text, and stays what it is.

use serde_json::Value;

/// The text of a scalar.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The same, of anything: nothing for null, JSON for lists and maps.
pub(crate) fn text_of_any(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Gives a scalar another text. What was written without quotes still has none.
pub(crate) fn set_text(value: &mut Value, text: String) {
    *value = if value.is_string() { Value::String(text) } else { plain(text) };
}

/// What a text without quotes is.
pub(crate) fn plain(text: String) -> Value {
    match serde_json::from_str(&text) {
        Ok(scalar @ (Value::Number(_) | Value::Bool(_))) => scalar,
        _ => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::set_text;

    #[test]
    fn quotes_are_kept() {
        for (before, text, after) in [
            (json!(123), "p-123", json!("p-123")),
            (json!(123), "2123", json!(2123)),
            (json!("123"), "2123", json!("2123")),
            (json!(true), "2true", json!("2true")),
            (json!("a"), "true", json!("true")),
            (json!(1), "", json!("")),
        ] {
            let mut value = before;
            set_text(&mut value, text.to_string());
            assert_eq!(value, after);
        }
    }
}
