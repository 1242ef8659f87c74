//! Label and field selectors: their text forms and LabelSelector objects.

use crate::{ApiError, Result};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
    /// Of a selector that cannot match.
    Never,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    terms: Vec<(String, Test)>,
}

impl Selector {
    /// `app=web,tier in (a, b),!legacy`.
    pub fn parse(text: &str) -> Result<Self> {
        let mut terms = Vec::new();
        for term in split_terms(text) {
            terms.push(parse_term(term.trim()).ok_or_else(|| {
                ApiError::bad_request(format!(
                    "unable to parse requirement: found '{}', expected: '=', '!=', '==', 'in', 'notin', '>' or '<'",
                    term.trim()
                ))
            })?);
        }
        Ok(Self { terms })
    }

    /// A LabelSelector. An absent one matches nothing, an empty one everything.
    pub fn of_object(selector: &Value) -> Self {
        let Some(fields) = selector.as_object() else {
            return Self { terms: vec![(String::new(), Test::Never)] };
        };
        let mut terms = Vec::new();
        for (name, value) in fields.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            terms.push((name.clone(), Test::In(vec![value.as_str().unwrap_or_default().to_string()])));
        }
        for expression in fields.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let values = expression["values"].as_array().into_iter().flatten();
            let values = values.filter_map(Value::as_str).map(str::to_string).collect();
            let test = match expression["operator"].as_str().unwrap_or_default() {
                "In" => Test::In(values),
                "NotIn" => Test::NotIn(values),
                "Exists" => Test::Exists,
                "DoesNotExist" => Test::Absent,
                _ => Test::Never,
            };
            terms.push((expression["key"].as_str().unwrap_or_default().to_string(), test));
        }
        Self { terms }
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub fn matches(&self, labels: &Value) -> bool {
        self.terms.iter().all(|(name, test)| {
            let value = labels.get(name.as_str()).and_then(Value::as_str);
            match test {
                Test::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
                Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|v| v != value)),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::Greater(than) => value.and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v > *than),
                Test::Less(than) => value.and_then(|v| v.parse::<i64>().ok()).is_some_and(|v| v < *than),
                Test::Never => false,
            }
        })
    }
}

/// At commas that are not in parentheses.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms.retain(|term| !term.trim().is_empty());
    terms
}

fn parse_term(term: &str) -> Option<(String, Test)> {
    let word = |text: &str| -> Option<String> {
        let text = text.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        (!text.is_empty() && text.chars().all(plain)).then(|| text.to_string())
    };
    let value = |text: &str| text.trim().to_string();
    if let Some(name) = term.strip_prefix('!') {
        return Some((word(name)?, Test::Absent));
    }
    if let Some((name, list)) = term.split_once('(') {
        let list = list.trim().strip_suffix(')')?.split(',').map(value).collect();
        let name = name.trim();
        if let Some(name) = name.strip_suffix(" notin") {
            return Some((word(name)?, Test::NotIn(list)));
        }
        return Some((word(name.strip_suffix(" in")?)?, Test::In(list)));
    }
    for (operator, equal) in [("!=", false), ("==", true), ("=", true)] {
        if let Some((name, given)) = term.split_once(operator) {
            let list = vec![value(given)];
            return Some((word(name)?, if equal { Test::In(list) } else { Test::NotIn(list) }));
        }
    }
    if let Some((name, than)) = term.split_once('>') {
        return Some((word(name)?, Test::Greater(than.trim().parse().ok()?)));
    }
    if let Some((name, than)) = term.split_once('<') {
        return Some((word(name)?, Test::Less(than.trim().parse().ok()?)));
    }
    Some((word(term)?, Test::Exists))
}

/// `status.phase=Running,spec.nodeName!=a`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector {
    terms: Vec<(String, bool, String)>,
}

impl FieldSelector {
    pub fn parse(text: &str) -> Result<Self> {
        let terms = text.split(',').filter(|term| !term.trim().is_empty());
        let terms = terms.map(|term| {
            let parts = [("!=", false), ("==", true), ("=", true)]
                .iter()
                .find_map(|(operator, equal)| term.split_once(operator).map(|(f, v)| (f, *equal, v)));
            parts
                .map(|(field, equal, value)| (field.trim().to_string(), equal, value.trim().to_string()))
                .ok_or_else(|| {
                    ApiError::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'"))
                })
        });
        Ok(Self { terms: terms.collect::<Result<_>>()? })
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that a field must have, if the selector says so.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|(name, equal, _)| *equal && name == field).map(|(_, _, value)| value.as_str())
    }

    pub fn matches(&self, object: &Value) -> bool {
        self.terms.iter().all(|(field, equal, wanted)| (text_at(object, field) == *wanted) == *equal)
    }
}

fn text_at(object: &Value, path: &str) -> String {
    // events.k8s.io has its own names for the same fields, and `source` there is the component
    let path = match path {
        "source" => "source.component",
        "reportingComponent" if object["reportingComponent"].as_str().is_none_or(str::is_empty) => {
            "source.component"
        }
        path => path,
    };
    match path.split('.').fold(object, |value, field| &value[field]) {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn label_selectors() {
        let labels = json!({ "app": "web", "tier": "b", "n": "7" });
        for (text, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier!=a", true),
            ("app in (web, api),tier notin (a)", true),
            ("app", true),
            ("!app", false),
            ("other!=x", true),
            ("!other", true),
            ("n>6,n<8", true),
            ("n>7", false),
            ("app=api", false),
        ] {
            assert_eq!(Selector::parse(text).expect(text).matches(&labels), expected, "{text}");
        }
        assert!(Selector::parse("a b").is_err());
        assert!(!Selector::of_object(&Value::Null).matches(&labels));
        assert!(Selector::of_object(&json!({})).matches(&labels));
        let object = json!({ "matchLabels": { "app": "web" },
            "matchExpressions": [{ "key": "tier", "operator": "In", "values": ["a", "b"] }] });
        assert!(Selector::of_object(&object).matches(&labels));
    }

    #[test]
    fn field_selectors() {
        let pod = json!({ "metadata": { "name": "x" }, "status": { "phase": "Running" }, "spec": {} });
        for (text, expected) in [
            ("metadata.name=x,status.phase!=Failed", true),
            ("spec.nodeName=", true),
            ("spec.nodeName=a", false),
            ("status.phase==Running", true),
        ] {
            assert_eq!(FieldSelector::parse(text).expect(text).matches(&pod), expected, "{text}");
        }
        assert_eq!(
            FieldSelector::parse("metadata.name=x").expect("parses").exact("metadata.name"),
            Some("x")
        );
        assert!(FieldSelector::parse("nonsense").is_err());
    }
}
