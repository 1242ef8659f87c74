//! Rules, read and checked.

use super::{Cause, RULES};
use expression::{Names, Problem, Program, Type};
use serde_json::Value;

/// The rules of a schema, where it has any.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) here: Vec<Rule>,
    pub(super) properties: Vec<(String, Rules)>,
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

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What is wrong with the rules of a definition.
pub(crate) fn problems(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (index, version) in list(&definition["spec"]["versions"]).iter().enumerate() {
        let place = Place {
            path: format!("spec.versions[{index}].schema.openAPIV3Schema"),
            is_root: true,
            uncorrelated: None,
        };
        problems_at(&version["schema"]["openAPIV3Schema"], &place, &mut causes);
    }
    causes
}

struct Place {
    path: String,
    is_root: bool,
    /// The list or map around whose items are not known again after a change.
    uncorrelated: Option<String>,
}

impl Place {
    fn below(&self, name: &str, embedded: bool, uncorrelated: bool) -> Self {
        let around = || uncorrelated.then(|| self.path.clone());
        Self {
            path: format!("{}.{name}", self.path),
            is_root: embedded,
            uncorrelated: self.uncorrelated.clone().or_else(around),
        }
    }
}

fn problems_at(schema: &Value, place: &Place, causes: &mut Vec<Cause>) {
    let rules = list(&schema[RULES]);
    if !rules.is_empty() {
        let this = Type::of_schema(schema, place.is_root);
        for (index, rule) in rules.iter().enumerate() {
            let path = format!("{}.{RULES}[{index}]", place.path);
            of_rule(rule, this.as_ref(), place.uncorrelated.as_deref(), &path, causes);
        }
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let embedded = below["x-kubernetes-embedded-resource"] == true;
        let atomic = schema["x-kubernetes-map-type"] == "atomic";
        problems_at(below, &place.below(&format!("properties[{name}]"), embedded, atomic), causes);
    }
    if schema["items"].is_object() {
        let embedded = schema["items"]["x-kubernetes-embedded-resource"] == true;
        let unknown = schema["x-kubernetes-list-type"] != "map";
        problems_at(&schema["items"], &place.below("items", embedded, unknown), causes);
    }
    if schema["additionalProperties"].is_object() {
        let atomic = schema["x-kubernetes-map-type"] == "atomic";
        let below = place.below("additionalProperties", false, atomic);
        problems_at(&schema["additionalProperties"], &below, causes);
    }
}

const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
const LONGEST_MESSAGE: usize = 2048;

fn of_rule(
    rule: &Value,
    this: Option<&Type>,
    uncorrelated: Option<&str>,
    path: &str,
    causes: &mut Vec<Cause>,
) {
    let mut say = |field: &str, reason: &str, text: String| {
        causes.push((format!("{path}.{field}"), reason.to_string(), text));
    };
    let source = text(&rule["rule"]);
    if source.trim().is_empty() {
        return say("rule", "FieldValueRequired", "Required value: rule is not specified".into());
    }
    let message = text(&rule["message"]);
    let mut bad_message = |detail: &str| {
        say("message", "FieldValueInvalid", format!("Invalid value: {message:?}: {detail}"));
    };
    if !message.is_empty() && message.trim().is_empty() {
        bad_message("message must be non-empty if specified");
    } else if message.trim().contains(['\n', '\r']) {
        bad_message("message must not contain line breaks");
    } else if message.len() > LONGEST_MESSAGE {
        bad_message(&format!("must have a maximum length of {LONGEST_MESSAGE} characters"));
    }
    let given = &rule["reason"];
    if !given.is_null() && !REASONS.contains(&text(given)) {
        let known = REASONS.map(|reason| format!("{reason:?}")).join(", ");
        say(
            "reason",
            "FieldValueNotSupported",
            format!("Unsupported value: {given}: supported values: {known}"),
        );
    }
    let invalid = |detail: &str| format!("Invalid value: {}: {detail}", shown(rule));
    let Some(this) = this else {
        let detail =
            "compilation failed: rules cannot see values of this schema: it declares no type for them";
        return say("rule", "FieldValueInvalid", invalid(detail));
    };
    let uses_old = match checked(source, this, rule["optionalOldSelf"] == true) {
        Err(problem) => {
            return say("rule", "FieldValueInvalid", invalid(&format!("compilation failed: {problem}")));
        }
        Ok((_, ty)) if !matches!(ty, Type::Bool | Type::Dyn) => {
            return say("rule", "FieldValueInvalid", invalid("cel expression must evaluate to a bool"));
        }
        Ok((program, _)) => program.uses("oldSelf"),
    };
    if uses_old && let Some(around) = uncorrelated {
        let detail =
            format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {around}");
        say("rule", "FieldValueInvalid", invalid(&detail));
    }
    if !uses_old && !rule["optionalOldSelf"].is_null() {
        let detail = "may not be set if oldSelf is not used in rule";
        say(
            "optionalOldSelf",
            "FieldValueInvalid",
            format!("Invalid value: {}: {detail}", rule["optionalOldSelf"]),
        );
    }
    let expression = &rule["messageExpression"];
    if expression.is_null() || text(expression).is_empty() {
        return;
    }
    let bad = |detail: &str| format!("Invalid value: {}: {detail}", shown(rule));
    if text(expression).trim().is_empty() {
        let text = "Required value: messageExpression must be non-empty if specified";
        return say("messageExpression", "FieldValueRequired", text.into());
    }
    match checked(text(expression), this, rule["optionalOldSelf"] == true) {
        Err(problem) => {
            let detail = format!("messageExpression compilation failed: {problem}");
            say("messageExpression", "FieldValueInvalid", bad(&detail));
        }
        Ok((_, Type::Text | Type::Dyn)) => {}
        Ok(_) => {
            say("messageExpression", "FieldValueInvalid", bad("messageExpression must evaluate to a string"))
        }
    }
}

fn checked(source: &str, this: &Type, optional_old: bool) -> Result<(Program, Type), String> {
    let program = Program::compile(source).map_err(|problem| problem.to_string())?;
    let old = if optional_old { Type::optional(this.clone()) } else { this.clone() };
    let names =
        Names { variables: &[("self", this.clone()), ("oldSelf", old)], functions: &[], objects: false };
    let told =
        |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n");
    let ty = program.check(&names).map_err(told)?;
    Ok((program, ty))
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
