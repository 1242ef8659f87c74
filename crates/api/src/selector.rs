//! Label selectors: their text form and LabelSelector objects. [`fields`] has field selectors.

mod fields;
mod parse;

use serde_json::Value;

pub use fields::{FieldFilter, FieldSelector};

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
    pub fn parse(text: &str) -> crate::Result<Self> {
        parse::terms(text).map(|terms| Self { terms }).map_err(crate::ApiError::bad_request)
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

#[cfg(test)]
mod tests;
