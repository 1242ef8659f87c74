//! Label selectors: their form, and what they select.

use super::{Errors, entries, list, names, text};
use serde_json::Value;

pub(super) fn check(selector: &Value, path: &str, errors: &mut Errors) {
    super::metadata::labels(&selector["matchLabels"], &format!("{path}.matchLabels"), errors);
    for (index, rule) in list(&selector["matchExpressions"]).iter().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let values = list(&rule["values"]);
        match text(&rule["operator"]) {
            "In" | "NotIn" if values.is_empty() => {
                errors.required(
                    &format!("{path}.values"),
                    "must be specified when `operator` is 'In' or 'NotIn'",
                );
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.forbidden(&format!("{path}.values"), detail);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.invalid(
                &format!("{path}.operator"),
                &rule["operator"],
                "not a valid selector operator",
            ),
        }
        errors.format(&format!("{path}.key"), &rule["key"], names::qualified);
        for (index, value) in values.iter().enumerate() {
            errors.format(&format!("{path}.values[{index}]"), value, names::label_value);
        }
    }
}

pub(super) fn is_empty(selector: &Value) -> bool {
    entries(&selector["matchLabels"]).next().is_none() && list(&selector["matchExpressions"]).is_empty()
}

pub(super) fn matches(selector: &Value, labels: &Value) -> bool {
    let all = entries(&selector["matchLabels"]).all(|(key, value)| labels[key.as_str()] == *value);
    all && list(&selector["matchExpressions"]).iter().all(|rule| {
        let value = labels.get(text(&rule["key"]));
        let among = value.is_some_and(|value| list(&rule["values"]).contains(value));
        match text(&rule["operator"]) {
            "In" => among,
            "NotIn" => !among,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    })
}
