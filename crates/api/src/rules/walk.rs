//! Rules, evaluated.

use super::Cause;
use super::compile::{Rule, Rules};
use crate::structural::key_text;
use expression::value::{escape, from_json_by, map};
use expression::{Budget, Failure, Host, KeyRef, Opt, Scope, Value as Cel};

use serde_json::Value;
use std::collections::HashMap;

/// What all rules may cost over an object, and one of them.
const COST_OF_ALL: u64 = 10_000_000;
const COST_OF_ONE: u64 = 1_000_000;

/// A value, as it is and as expressions see it.
#[derive(Clone, Copy)]
struct Seen<'a> {
    json: &'a Value,
    cel: &'a Cel,
}

struct Walk {
    left: u64,
    causes: Vec<Cause>,
}

pub(super) fn check(rules: &Rules, schema: &Value, object: &Value, previous: Option<&Value>) -> Vec<Cause> {
    let shown = of_object(schema, object);
    let before = previous.map(|previous| of_object(schema, previous));
    let new = Seen { json: object, cel: &shown };
    let old = previous.zip(before.as_ref()).map(|(json, cel)| Seen { json, cel });
    let mut walk = Walk { left: COST_OF_ALL, causes: Vec::new() };
    walk.node(rules, schema, new, old, "");
    walk.causes
}

/// An object with what rules may see of its metadata.
fn of_object(schema: &Value, object: &Value) -> Cel {
    let Cel::Map(fields) = from_json_by(schema, object) else { return Cel::Null };
    let mut fields = (*fields.map).clone();
    let word = |value: &Value| expression::value::text(value.as_str().unwrap_or_default());
    for name in ["apiVersion", "kind"] {
        fields.insert(name.into(), word(&object[name]));
    }
    let seen = ["name", "generateName"].into_iter().filter(|name| object["metadata"][name].is_string());
    let metadata = seen.map(|name| (name.into(), word(&object["metadata"][name])));
    fields.insert("metadata".into(), map(metadata.collect::<Vec<_>>()));
    map(fields)
}

/// What a rule can name.
struct Names<'a> {
    this: &'a Cel,
    old: Option<&'a Cel>,
    optional: bool,
}

impl Host for Names<'_> {
    fn variable(&self, name: &str) -> Option<Result<Cel, Failure>> {
        match name {
            "self" => Some(Ok(self.this.clone())),
            "oldSelf" if self.optional => Some(Ok(Opt::value(self.old.cloned()))),
            "oldSelf" => self.old.cloned().map(Ok),
            _ => None,
        }
    }
}

impl Walk {
    /// False: the budget is spent.
    fn node(
        &mut self,
        rules: &Rules,
        schema: &Value,
        new: Seen<'_>,
        old: Option<Seen<'_>>,
        path: &str,
    ) -> bool {
        if !new.json.is_null() {
            for rule in &rules.here {
                if !self.rule(rule, schema, new, old, path) {
                    return false;
                }
            }
        }
        match (new.json, new.cel) {
            (Value::Object(fields), Cel::Map(seen)) => {
                // What stands in an atomic map is not known again after a change.
                let old = old.filter(|_| schema["x-kubernetes-map-type"] != "atomic");
                for (name, json) in fields {
                    let Some(below) = below(rules, schema, path, name) else { continue };
                    let Some(cel) = seen.get(&KeyRef::String(&below.key)) else { continue };
                    let old = old.and_then(|old| field_of(old, name, &below.key));
                    if !self.node(below.rules, below.schema, Seen { json, cel }, old, &below.path) {
                        return false;
                    }
                }
                true
            }
            (Value::Array(items), Cel::List(seen)) => {
                let Some(below) = &rules.items else { return true };
                let before = old.map(|old| Before::of(schema, old)).unwrap_or_default();
                for (index, (json, cel)) in items.iter().zip(seen.iter()).enumerate() {
                    let old = before.find(schema, json);
                    let path = format!("{path}[{index}]");
                    if !self.node(below, &schema["items"], Seen { json, cel }, old, &path) {
                        return false;
                    }
                }
                true
            }
            _ => true,
        }
    }

    fn rule(
        &mut self,
        rule: &Rule,
        schema: &Value,
        new: Seen<'_>,
        old: Option<Seen<'_>>,
        path: &str,
    ) -> bool {
        if rule.uses_old && old.is_none() && !rule.optional_old {
            return true;
        }
        let names = Names { this: new.cel, old: old.map(|old| old.cel), optional: rule.optional_old };
        let scope = Scope::Host(&names);
        let budget = Budget::new(COST_OF_ONE.min(self.left));
        let result = rule.program.run(&scope, &budget);
        // Values of two types have none.
        let kind = schema["type"].as_str().unwrap_or_default();
        let detail = match result {
            Ok(Cel::Bool(true)) => {
                self.left -= budget.spent();
                return true;
            }
            Ok(Cel::Bool(false)) => self.message(rule, &scope),
            Err(Failure::Budget) => {
                let detail = if self.left < COST_OF_ONE {
                    "validation failed due to running out of cost budget, no further validation rules will be run".to_string()
                } else {
                    format!(
                        "'{}': no further validation rules will be run due to call cost exceeds limit for rule: {}",
                        Failure::Budget,
                        told(rule)
                    )
                };
                self.say(path, "FieldValueInvalid", format!("Invalid value: {kind:?}: {detail}"));
                return false;
            }
            Ok(_) | Err(Failure::NoOverload) => format!(
                "'no such overload': call arguments did not match a supported operator, function or macro signature for rule: {}",
                told(rule)
            ),
            Err(Failure::Wrong(why)) => format!("{why} evaluating rule: {}", told(rule)),
        };
        self.left = self.left.saturating_sub(budget.spent());
        // What has not changed was accepted before.
        let is_old_news = !rule.uses_old && old.is_some_and(|old| old.json == new.json);
        if !is_old_news {
            let place =
                if rule.field_path.is_empty() { path.to_string() } else { join(path, &rule.field_path) };
            let text = match rule.reason.as_str() {
                "FieldValueRequired" => format!("Required value: {detail}"),
                "FieldValueForbidden" => format!("Forbidden: {detail}"),
                "FieldValueDuplicate" => format!("Duplicate value: {kind:?}"),
                _ => format!("Invalid value: {kind:?}: {detail}"),
            };
            self.say(&place, &rule.reason, text);
        }
        true
    }

    fn message(&mut self, rule: &Rule, scope: &Scope<'_>) -> String {
        if let Some(program) = &rule.message_expression {
            let budget = Budget::new(COST_OF_ONE.min(self.left));
            let result = program.run(scope, &budget);
            self.left = self.left.saturating_sub(budget.spent());
            if let Ok(Cel::String(text)) = result
                && !text.trim().is_empty()
                && !text.trim().contains('\n')
            {
                return text.trim().to_string();
            }
        }
        if rule.message.is_empty() { format!("failed rule: {}", told(rule)) } else { rule.message.clone() }
    }

    fn say(&mut self, path: &str, reason: &str, text: String) {
        let path = if path.is_empty() { "<nil>" } else { path };
        self.causes.push((path.to_string(), reason.to_string(), text));
    }
}

/// A field that has rules.
struct Below<'a> {
    rules: &'a Rules,
    schema: &'a Value,
    path: String,
    /// Its name in expressions.
    key: String,
}

fn below<'a>(rules: &'a Rules, schema: &'a Value, path: &str, name: &str) -> Option<Below<'a>> {
    if let Some(rules) = rules.properties.get(name) {
        let schema = &schema["properties"][name];
        return Some(Below { rules, schema, path: join(path, name), key: escape(name) });
    }
    let (rules, schema) = (rules.others.as_deref()?, &schema["additionalProperties"]);
    Some(Below { rules, schema, path: format!("{path}[{name}]"), key: name.to_string() })
}

fn field_of<'a>(of: Seen<'a>, name: &str, key: &str) -> Option<Seen<'a>> {
    let Cel::Map(fields) = of.cel else { return None };
    Some(Seen { json: of.json.get(name)?, cel: fields.get(&KeyRef::String(key))? })
}

/// A rule as messages name it.
fn told(rule: &Rule) -> &str {
    if rule.message.is_empty() { rule.program.text().trim() } else { &rule.message }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

/// What the items of a list were before, by the fields that tell them apart; nothing of other lists.
#[derive(Default)]
struct Before<'a>(HashMap<String, Seen<'a>>);

impl<'a> Before<'a> {
    fn of(schema: &Value, old: Seen<'a>) -> Self {
        let (Value::Array(items), Cel::List(seen)) = (old.json, old.cel) else { return Self::default() };
        if schema["x-kubernetes-list-type"] != "map" {
            return Self::default();
        }
        let keys = &schema["x-kubernetes-list-map-keys"];
        let pairs = items.iter().zip(seen.iter());
        Self(pairs.map(|(json, cel)| (key_text(keys, json), Seen { json, cel })).collect())
    }

    fn find(&self, schema: &Value, item: &Value) -> Option<Seen<'a>> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&key_text(&schema["x-kubernetes-list-map-keys"], item)).copied()
    }
}
