//! Rules, checked when a definition is written: that they make sense for their schema, and what they may cost.

use super::compile::{list, text};
use super::cost::Total;
use super::{Cause, RULES};
use expression::value::escape;
use expression::{Declared, Names, Program, Type};
use serde_json::Value;
use std::sync::Arc;

/// What is wrong with the rules of a definition. `previous`: what it was; schemas that have not changed may be as expensive
/// as they were.
pub(crate) fn problems(definition: &Value, previous: Option<&Value>) -> Vec<Cause> {
    let before = |name: &Value| {
        let versions = previous.map(|previous| list(&previous["spec"]["versions"])).unwrap_or_default();
        versions.iter().find(|version| version["name"] == *name).map(|version| &version["schema"])
    };
    let mut causes = Vec::new();
    for (index, version) in list(&definition["spec"]["versions"]).iter().enumerate() {
        let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
        let is_as_before = before(&version["name"]).is_some_and(|schema| *schema == version["schema"]);
        let mut checker = Checker { causes: Vec::new(), total: (!is_as_before).then(Total::default) };
        let schema = &version["schema"]["openAPIV3Schema"];
        checker.node(schema, &Place::root(path.clone()));
        causes.append(&mut checker.causes);
        causes.extend(checker.total.map(|total| total.problems(&path)).unwrap_or_default());
    }
    causes
}

struct Place {
    path: String,
    is_root: bool,
    /// The list or map around whose items are not known again after a change.
    uncorrelated: Option<String>,
    /// How many such values an object can have, if something bounds them.
    times: Option<u64>,
    /// What is declared here, if a rule further up has asked for it.
    declared: Option<Arc<Declared>>,
}

impl Place {
    fn root(path: String) -> Self {
        Self { path, is_root: true, uncorrelated: None, times: Some(1), declared: None }
    }

    fn below(&self, name: &str, schema: &Value, uncorrelated: bool) -> Self {
        let around = || uncorrelated.then(|| self.path.clone());
        Self {
            path: format!("{}.{name}", self.path),
            is_root: schema["x-kubernetes-embedded-resource"] == true,
            uncorrelated: self.uncorrelated.clone().or_else(around),
            times: self.times,
            declared: None,
        }
    }

    /// The same for items and values, which are many.
    fn each(self, most: &Value) -> Self {
        let bound = most.as_i64().map(|most| u64::try_from(most).unwrap_or(0));
        let times = self.times.zip(bound).map(|(times, bound)| times.saturating_mul(bound));
        Self { times, ..self }
    }
}

struct Checker {
    causes: Vec<Cause>,
    /// None: costs do not count.
    total: Option<Total>,
}

impl Checker {
    fn node(&mut self, schema: &Value, place: &Place) {
        let rules = list(&schema[RULES]);
        let known = place.declared.clone();
        let declared = match rules {
            [] => known,
            _ => known.or_else(|| Declared::of_schema(schema, place.is_root)),
        };
        for (index, rule) in rules.iter().enumerate() {
            let path = format!("{}.{RULES}[{index}]", place.path);
            self.rule(rule, declared.as_ref(), place, &path);
        }
        let atomic = schema["x-kubernetes-map-type"] == "atomic";
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let below = place.below(&format!("properties[{name}]"), field, atomic);
            let declared = declared.as_ref().and_then(|here| here.field(&escape(name))).cloned();
            self.node(field, &Place { declared, ..below });
        }
        let inner = || declared.as_ref().and_then(|here| here.items()).cloned();
        if schema["items"].is_object() {
            let unknown = schema["x-kubernetes-list-type"] != "map";
            let below = place.below("items", &schema["items"], unknown).each(&schema["maxItems"]);
            self.node(&schema["items"], &Place { declared: inner(), ..below });
        }
        if schema["additionalProperties"].is_object() {
            let values = &schema["additionalProperties"];
            let below = place.below("additionalProperties", values, atomic).each(&schema["maxProperties"]);
            self.node(values, &Place { declared: inner(), ..below });
        }
    }

    fn say(&mut self, path: &str, field: &str, reason: &str, text: String) {
        self.causes.push((format!("{path}.{field}"), reason.to_string(), text));
    }

    fn costs(&mut self, path: &str, field: &str, name: &str, cost: u64) {
        let Some(total) = &mut self.total else { return };
        let path = format!("{path}.{field}");
        self.causes.extend(total.add(&path, name, cost));
    }
}

const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
const LONGEST_MESSAGE: usize = 2048;

impl Checker {
    fn rule(&mut self, rule: &Value, declared: Option<&Arc<Declared>>, place: &Place, path: &str) {
        let source = text(&rule["rule"]);
        if source.trim().is_empty() {
            return self.say(
                path,
                "rule",
                "FieldValueRequired",
                "Required value: rule is not specified".into(),
            );
        }
        self.words(rule, path);
        let invalid = |detail: &str| format!("Invalid value: {}: {detail}", shown(rule));
        let Some(declared) = declared else {
            let detail =
                "compilation failed: rules cannot see values of this schema: it declares no type for them";
            return self.say(path, "rule", "FieldValueInvalid", invalid(detail));
        };
        let uses_old = match checked(source, declared, rule["optionalOldSelf"] == true) {
            Err(problem) => {
                let text = invalid(&problem);
                return self.say(path, "rule", "FieldValueInvalid", text);
            }
            Ok((program, Type::Bool | Type::Dyn, cost)) => {
                let times = place.times.unwrap_or_else(|| declared.most_times());
                self.costs(path, "rule", "estimated rule cost", cost.saturating_mul(times));
                program.uses("oldSelf")
            }
            Ok(_) => {
                let text = invalid("cel expression must evaluate to a bool");
                return self.say(path, "rule", "FieldValueInvalid", text);
            }
        };
        self.message_expression(rule, declared, path);
        let optional = &rule["optionalOldSelf"];
        if uses_old && let Some(around) = &place.uncorrelated {
            let detail =
                format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {around}");
            self.say(path, "rule", "FieldValueInvalid", invalid(&detail));
        }
        if !uses_old && !optional.is_null() {
            let detail = "may not be set if oldSelf is not used in rule";
            let text = format!("Invalid value: {optional}: {detail}");
            self.say(path, "optionalOldSelf", "FieldValueInvalid", text);
        }
    }

    fn words(&mut self, rule: &Value, path: &str) {
        let message = text(&rule["message"]);
        let detail = if !message.is_empty() && message.trim().is_empty() {
            "message must be non-empty if specified".to_string()
        } else if message.trim().contains(['\n', '\r']) {
            "message must not contain line breaks".to_string()
        } else if message.len() > LONGEST_MESSAGE {
            format!("must have a maximum length of {LONGEST_MESSAGE} characters")
        } else {
            String::new()
        };
        if !detail.is_empty() {
            let text = format!("Invalid value: {message:?}: {detail}");
            self.say(path, "message", "FieldValueInvalid", text);
        }
        let given = &rule["reason"];
        if !given.is_null() && !REASONS.contains(&text(given)) {
            let known = REASONS.map(|reason| format!("{reason:?}")).join(", ");
            let text = format!("Unsupported value: {given}: supported values: {known}");
            self.say(path, "reason", "FieldValueNotSupported", text);
        }
    }

    fn message_expression(&mut self, rule: &Value, declared: &Arc<Declared>, path: &str) {
        const FIELD: &str = "messageExpression";
        let source = text(&rule[FIELD]);
        if source.is_empty() {
            return;
        }
        if source.trim().is_empty() {
            let text = "Required value: messageExpression must be non-empty if specified";
            return self.say(path, FIELD, "FieldValueRequired", text.into());
        }
        let detail = match checked(source, declared, rule["optionalOldSelf"] == true) {
            Err(problem) => format!("messageExpression {problem}"),
            Ok((_, Type::Text | Type::Dyn, cost)) => {
                return self.costs(path, FIELD, "estimated messageExpression cost", cost);
            }
            Ok(_) => "messageExpression must evaluate to a string".to_string(),
        };
        self.say(path, FIELD, "FieldValueInvalid", format!("Invalid value: {}: {detail}", shown(rule)));
    }
}

/// The program, its type and what it may cost.
fn checked(
    source: &str,
    declared: &Arc<Declared>,
    optional_old: bool,
) -> Result<(Program, Type, u64), String> {
    let failed = |why: String| format!("compilation failed: {why}");
    let program = Program::compile(source).map_err(|problem| failed(problem.to_string()))?;
    let this = declared.ty().clone();
    let old = if optional_old { Type::optional(this.clone()) } else { this.clone() };
    let names = Names { variables: &[("self", this), ("oldSelf", old)], functions: &[], objects: false };
    let found = program.estimate(&names, declared);
    let (ty, cost) = found.map_err(|problems| failed(expression::told(&problems)))?;
    if let Some(error) = program.bad_pattern() {
        return Err(format!("program instantiation failed: {error}"));
    }
    Ok((program, ty, cost))
}

/// A rule as upstream prints it.
fn shown(rule: &Value) -> String {
    let quoted = |field: &str| format!("{:?}", text(&rule[field]));
    let pointer = |field: &str, kind: &str| match &rule[field] {
        Value::Null => format!("(*{kind})(nil)"),
        given => format!("(*{kind})({given})"),
    };
    format!(
        "apiextensions.ValidationRule{{Rule:{}, Message:{}, MessageExpression:{}, Reason:{}, FieldPath:{}, OptionalOldSelf:{}}}",
        quoted("rule"),
        quoted("message"),
        quoted("messageExpression"),
        pointer("reason", "apiextensions.FieldValueErrorReason"),
        quoted("fieldPath"),
        pointer("optionalOldSelf", "bool"),
    )
}
