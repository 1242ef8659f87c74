//! Rules, read.

use super::RULES;
use expression::Program;
use serde_json::Value;
use std::collections::HashMap;

/// The rules of a schema, where it has any.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) here: Vec<Rule>,
    pub(super) properties: HashMap<String, Rules>,
    pub(super) items: Option<Box<Rules>>,
    pub(super) others: Option<Box<Rules>>,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) program: Program,
    pub(super) message: String,
    pub(super) message_expression: Option<Program>,
    pub(super) reason: String,
    pub(super) field_path: String,
    /// It compares with what was before.
    pub(super) uses_old: bool,
    pub(super) optional_old: bool,
}

/// The rules that compile; a definition with others is refused when it is written.
pub(super) fn compile(schema: &Value) -> Option<Rules> {
    if !schema.is_object() {
        return None;
    }
    let within = |schema: &Value| compile(schema).map(Box::new);
    let rules = Rules {
        here: list(&schema[RULES]).iter().filter_map(rule).collect(),
        properties: schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, below)| Some((name.clone(), compile(below)?)))
            .collect(),
        items: within(&schema["items"]),
        others: within(&schema["additionalProperties"]),
    };
    let is_empty = rules.here.is_empty()
        && rules.properties.is_empty()
        && rules.items.is_none()
        && rules.others.is_none();
    (!is_empty).then_some(rules)
}

fn rule(given: &Value) -> Option<Rule> {
    let program = Program::compile(text(&given["rule"])).ok()?;
    let message = text(&given["messageExpression"]);
    let message_expression = if message.is_empty() { None } else { Program::compile(message).ok() };
    Some(Rule {
        uses_old: program.uses("oldSelf"),
        optional_old: given["optionalOldSelf"] == true,
        message: text(&given["message"]).trim().to_string(),
        reason: given["reason"].as_str().unwrap_or("FieldValueInvalid").to_string(),
        field_path: text(&given["fieldPath"]).trim_start_matches('.').to_string(),
        message_expression,
        program,
    })
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
