//! `$(NAME)` within text becomes the value of a var.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::error::{Error, Result};

/// Expands a text, the items of a list or the values of a map. Notes the names that had a value.
pub(crate) fn expand(
    value: &mut Value,
    values: &BTreeMap<String, Value>,
    used: &mut BTreeSet<String>,
) -> Result<()> {
    match value {
        Value::String(text) => {
            if let Some(expanded) = expand_text(text, values, used) {
                *value = expanded;
            }
        }
        Value::Array(items) => {
            if items.iter().any(|item| !item.is_string()) {
                return Err(Error::new("invalid value type expect a string"));
            }
            items.iter_mut().try_for_each(|item| expand(item, values, used))?;
        }
        Value::Object(map) => {
            let texts = map.values_mut().filter(|value| value.is_string());
            texts.into_iter().try_for_each(|value| expand(value, values, used))?;
        }
        _ => {}
    }
    Ok(())
}

/// `None`: nothing to expand. A text that is one reference and nothing else becomes the value as it is.
fn expand_text(text: &str, values: &BTreeMap<String, Value>, used: &mut BTreeSet<String>) -> Option<Value> {
    let mut rest = text;
    let mut expanded = String::new();
    let mut may_close = true;
    while let Some(at) = rest.find('$') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        expanded.push_str(before);
        rest = after;
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some(inner) = after.strip_prefix('(').filter(|_| may_close) {
            let Some((name, after)) = inner.split_once(')') else {
                may_close = false;
                expanded.push('$');
                continue;
            };
            rest = after;
            // lists and maps have no text: their references stay
            match values.get(name).filter(|value| !value.is_array() && !value.is_object()) {
                Some(value) => {
                    used.insert(name.to_string());
                    if expanded.is_empty() && before.is_empty() && text.len() == name.len() + 3 {
                        return Some(value.clone());
                    }
                    expanded.push_str(&self::text(value));
                }
                None => expanded.push_str(&format!("$({name})")),
            }
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    (expanded != text).then_some(Value::String(expanded))
}

/// A scalar as text.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().map(float_text).unwrap_or_default(),
        other => other.to_string(),
    }
}

/// As Go prints a float: short, with an exponent below 1e-4 and from 1e6 on.
fn float_text(float: f64) -> String {
    let scientific = format!("{float:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let Ok(power) = exponent.parse::<i32>() else { return scientific };
    if (-4..6).contains(&power) {
        return format!("{float}");
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Value, json};

    use super::{expand, float_text};

    fn check(text: &str, expected: Value) {
        let values: BTreeMap<String, Value> = [
            ("S", json!("str")),
            ("I", json!(5)),
            ("F", json!(1.5)),
            ("T", json!(true)),
            ("L", json!(["a"])),
            ("", json!("empty")),
            ("R", json!("$(S)")),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .into();
        let mut value = json!(text);
        expand(&mut value, &values, &mut BTreeSet::new()).unwrap();
        assert_eq!(value, expected, "{text}");
    }

    #[test]
    fn texts() {
        for (text, expected) in [
            ("$(S)$(S)", "strstr"),
            ("a$(S)b", "astrb"),
            ("x$(I)", "x5"),
            ("x$(F)$(T)", "x1.5true"),
            ("$$(S)", "$(S)"),
            ("$$$(S)", "$str"),
            ("$$$$(S)", "$$(S)"),
            ("a$$b", "a$b"),
            ("$(", "$("),
            ("$(S", "$(S"),
            ("$", "$"),
            ("a$", "a$"),
            ("$x$(S)", "$xstr"),
            ("$é$(S)é", "$éstré"),
            ("$(NOPE)-$(S)", "$(NOPE)-str"),
            ("$((S))", "$((S))"),
            ("$(L)", "$(L)"),
            ("x$(L)", "x$(L)"),
            ("$()", "empty"),
            ("$(R)", "$(S)"),
            ("$($(S))", "$($(S))"),
        ] {
            check(text, json!(expected));
        }
    }

    #[test]
    fn a_reference_alone_keeps_the_type() {
        check("$(I)", json!(5));
        check("$(F)", json!(1.5));
        check("$(T)", json!(true));
    }

    #[test]
    fn lists_and_maps() {
        let values = BTreeMap::from([("S".to_string(), json!("str"))]);
        let mut used = BTreeSet::new();
        let mut map = json!({"a": "$(S)", "b": ["$(S)"], "c": 1});
        expand(&mut map, &values, &mut used).unwrap();
        assert_eq!(map, json!({"a": "str", "b": ["$(S)"], "c": 1}));
        let mut list = json!(["$(S)", 1]);
        assert!(expand(&mut list, &values, &mut used).is_err());
        assert_eq!(used.into_iter().collect::<Vec<_>>(), ["S"]);
    }

    #[test]
    fn floats() {
        for (float, expected) in [
            (1.5, "1.5"),
            (123456.5, "123456.5"),
            (1e6, "1e+06"),
            (1234567.5, "1.2345675e+06"),
            (-2.5e30, "-2.5e+30"),
            (1e-9, "1e-09"),
        ] {
            assert_eq!(float_text(float), expected);
        }
    }
}
