//! Policies, read and compiled; what is wrong with their expressions.

use super::{GROUP, authorizer, word};
use crate::admission::matching::Matcher;
use crate::metadata::text;
use expression::{Function, Names, Program, Type};
use serde_json::Value;
use std::collections::HashSet;

/// Field, reason, text.
type Cause = (String, String, String);

pub(super) struct Policy {
    pub(super) name: String,
    pub(super) ignores_failures: bool,
    /// `apiVersion` and kind.
    pub(super) param_kind: Option<(String, String)>,
    pub(super) matcher: Matcher,
    pub(super) conditions: Vec<Program>,
    pub(super) variables: Vec<(String, Program)>,
    pub(super) validations: Vec<Validation>,
    pub(super) annotations: Vec<Program>,
    pub(super) mutations: Vec<Mutation>,
    /// Whether it is asked again when others have changed the object since.
    pub(super) is_asked_again: bool,
}

pub(super) struct Mutation {
    pub(super) program: Program,
    /// The expression makes a list of operations, not an object to be applied.
    pub(super) is_json_patch: bool,
}

pub(super) struct Validation {
    pub(super) program: Program,
    pub(super) message: String,
    pub(super) message_expression: Option<Program>,
    pub(super) reason: String,
}

impl Policy {
    /// Expressions that do not compile are left out: such policies are refused when they are written.
    pub(super) fn read(policy: &Value) -> Self {
        let spec = &policy["spec"];
        let compiled = |of: &Value| Program::compile(of.as_str().unwrap_or_default()).ok();
        let list = |field: &str| spec[field].as_array().cloned().unwrap_or_default();
        let all = |field: &str, name: &str| {
            list(field).iter().filter_map(|given| compiled(&given[name])).collect::<Vec<_>>()
        };
        let validation = |given: &Value| {
            Some(Validation {
                program: compiled(&given["expression"])?,
                message: word(&given["message"]).trim().to_string(),
                message_expression: given["messageExpression"]
                    .as_str()
                    .filter(|text| !text.is_empty())
                    .and_then(|text| Program::compile(text).ok()),
                reason: word(&given["reason"]),
            })
        };
        let kind = &spec["paramKind"];
        Self {
            name: text(policy, "name").to_string(),
            ignores_failures: spec["failurePolicy"] == "Ignore",
            param_kind: kind.is_object().then(|| (word(&kind["apiVersion"]), word(&kind["kind"]))),
            matcher: Matcher::of_policy(&spec["matchConstraints"]),
            conditions: all("matchConditions", "expression"),
            variables: list("variables")
                .iter()
                .filter_map(|given| Some((word(&given["name"]), compiled(&given["expression"])?)))
                .collect(),
            validations: list("validations").iter().filter_map(validation).collect(),
            annotations: all("auditAnnotations", "valueExpression"),
            mutations: list("mutations").iter().filter_map(mutation).collect(),
            is_asked_again: spec["reinvocationPolicy"] == "IfNeeded",
        }
    }
}

fn mutation(given: &Value) -> Option<Mutation> {
    let is_json_patch = given["patchType"] == "JSONPatch";
    let program = &given[if is_json_patch { "jsonPatch" } else { "applyConfiguration" }]["expression"];
    Some(Mutation { program: Program::compile(program.as_str().unwrap_or_default()).ok()?, is_json_patch })
}

/// What is wrong with the expressions of a policy.
pub(crate) fn problems(policy: &Value) -> Vec<Cause> {
    let mut checker = Checker::new(&policy["spec"]);
    let spec = &policy["spec"];
    let list = |field: &str| spec[field].as_array().map(Vec::as_slice).unwrap_or_default();
    for (index, condition) in list("matchConditions").iter().enumerate() {
        let path = format!("spec.matchConditions[{index}].expression");
        checker.expression(&condition["expression"], &path, Wanted::Bool, Seen::Conditions);
    }
    checker.variables(list("variables"));
    for (index, validation) in list("validations").iter().enumerate() {
        let path = format!("spec.validations[{index}]");
        checker.expression(&validation["expression"], &format!("{path}.expression"), Wanted::Bool, Seen::All);
        let message = &validation["messageExpression"];
        if message.as_str().is_some_and(|text| !text.is_empty() && text.trim().is_empty()) {
            let text = "Required value: must be non-empty if specified".to_string();
            checker.causes.push((format!("{path}.messageExpression"), "FieldValueRequired".into(), text));
        }
        checker.expression(message, &format!("{path}.messageExpression"), Wanted::Text, Seen::NoAuthorizer);
    }
    for (index, annotation) in list("auditAnnotations").iter().enumerate() {
        let path = format!("spec.auditAnnotations[{index}].valueExpression");
        checker.expression(&annotation["valueExpression"], &path, Wanted::TextOrNull, Seen::All);
    }
    for (index, mutation) in list("mutations").iter().enumerate() {
        for (field, wanted) in [("applyConfiguration", Wanted::Object), ("jsonPatch", Wanted::Patch)] {
            let path = format!("spec.mutations[{index}].{field}.expression");
            checker.expression(&mutation[field]["expression"], &path, wanted, Seen::All);
        }
    }
    checker.causes
}

/// What is wrong with the match conditions of webhooks.
pub(crate) fn problems_of_webhooks(configuration: &Value) -> Vec<Cause> {
    let mut checker = Checker::new(&Value::Null);
    for (hook, webhook) in configuration["webhooks"].as_array().into_iter().flatten().enumerate() {
        for (index, condition) in webhook["matchConditions"].as_array().into_iter().flatten().enumerate() {
            let path = format!("webhooks[{hook}].matchConditions[{index}].expression");
            checker.expression(&condition["expression"], &path, Wanted::Bool, Seen::Conditions);
        }
    }
    checker.causes
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Bool,
    Text,
    TextOrNull,
    Object,
    Patch,
    Anything,
}

/// Which names an expression has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    All,
    NoAuthorizer,
    /// Without variables, which are evaluated later.
    Conditions,
}

pub(super) struct Checker {
    object: Type,
    /// None: there are none.
    params: Option<Type>,
    mutates: bool,
    variables: Vec<(String, Type)>,
    causes: Vec<Cause>,
}

impl Checker {
    fn new(spec: &Value) -> Self {
        Self {
            object: Type::Dyn,
            params: spec["paramKind"].is_object().then_some(Type::Dyn),
            mutates: spec["mutations"].is_array(),
            variables: Vec::new(),
            causes: Vec::new(),
        }
    }

    fn variables(&mut self, given: &[Value]) {
        let mut seen = HashSet::new();
        for (index, variable) in given.iter().enumerate() {
            let path = format!("spec.variables[{index}]");
            let name = word(&variable["name"]);
            let mut say = |field: &str, reason: &str, text: String| {
                self.causes.push((format!("{path}.{field}"), reason.to_string(), text));
            };
            if name.is_empty() {
                say("name", "FieldValueRequired", "Required value: name is not specified".into());
            } else if !is_name(&name) {
                let text = format!("Invalid value: {name:?}: name is not a valid CEL identifier");
                say("name", "FieldValueInvalid", text);
            } else if !seen.insert(name.clone()) {
                say("name", "FieldValueDuplicate", format!("Duplicate value: {name:?}"));
            }
            if word(&variable["expression"]).trim().is_empty() {
                say("expression", "FieldValueRequired", "Required value: expression is not specified".into());
                continue;
            }
            let path = format!("{path}.expression");
            let ty = self.expression(&variable["expression"], &path, Wanted::Anything, Seen::All);
            self.variables.push((name, ty.unwrap_or(Type::Dyn)));
        }
    }

    fn expression(&mut self, given: &Value, path: &str, wanted: Wanted, seen: Seen) -> Option<Type> {
        let source = given.as_str().unwrap_or_default().trim();
        if source.is_empty() {
            return None;
        }
        let found = match self.compiled(source, seen) {
            Ok(found) => found,
            Err(problem) => {
                let text = format!("Invalid value: {source:?}: compilation failed: {problem}");
                self.causes.push((path.to_string(), "FieldValueInvalid".into(), text));
                return None;
            }
        };
        let (fits, detail) = match wanted {
            Wanted::Anything => (true, ""),
            Wanted::Bool => (matches!(found, Type::Bool | Type::Dyn), "must evaluate to bool"),
            Wanted::Text => (matches!(found, Type::Text | Type::Dyn), "must evaluate to string"),
            Wanted::Object => (found == Type::Dyn, "must evaluate to Object"),
            Wanted::Patch => (matches!(found, Type::List(_) | Type::Dyn), "must evaluate to list(JSONPatch)"),
            Wanted::TextOrNull => (
                matches!(found, Type::Text | Type::Null | Type::Dyn),
                "must evaluate to one of [string null_type]",
            ),
        };
        if !fits {
            let text = format!("Invalid value: {source:?}: {detail}");
            self.causes.push((path.to_string(), "FieldValueInvalid".into(), text));
        }
        Some(found)
    }

    /// Its type, or what is wrong with it.
    fn compiled(&self, source: &str, seen: Seen) -> Result<Type, String> {
        let program = Program::compile(source).map_err(|problem| problem.to_string())?;
        let mut names = vec![
            ("object", self.object.clone()),
            ("oldObject", self.object.clone()),
            ("namespaceObject", Type::Dyn),
            ("request", request_type()),
        ];
        names.extend(self.params.clone().map(|params| ("params", params)));
        let mut functions: &[Function] = &[];
        if seen != Seen::NoAuthorizer {
            names.extend(authorizer::names());
            functions = &authorizer::FUNCTIONS;
        }
        if seen != Seen::Conditions {
            let fields = self.variables.iter().cloned().collect();
            names.push(("variables", Type::Object(std::sync::Arc::new(fields))));
        }
        let names = Names { variables: &names, functions, objects: self.mutates };
        program.check(&names).map_err(|problems| expression::told(&problems))
    }

    /// For objects and parameters of known types.
    pub(super) fn typed(spec: &Value, object: Type, params: Option<Type>) -> Self {
        let mut checker = Self { object, params, ..Self::new(spec) };
        checker.variables(spec["variables"].as_array().map(Vec::as_slice).unwrap_or_default());
        checker
    }

    pub(super) fn type_of(&self, source: &str) -> Result<Type, String> {
        self.compiled(source, Seen::All)
    }
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && Program::compile(name).is_ok_and(|program| program.uses(name))
}

fn request_type() -> Type {
    let kind = Type::object([("group", Type::Text), ("version", Type::Text), ("kind", Type::Text)]);
    let resource = Type::object([("group", Type::Text), ("version", Type::Text), ("resource", Type::Text)]);
    let user = Type::object([
        ("username", Type::Text),
        ("uid", Type::Text),
        ("groups", Type::list(Type::Text)),
        ("extra", Type::map(Type::list(Type::Text))),
    ]);
    Type::object([
        ("kind", kind.clone()),
        ("resource", resource.clone()),
        ("subResource", Type::Text),
        ("requestKind", kind),
        ("requestResource", resource),
        ("requestSubResource", Type::Text),
        ("name", Type::Text),
        ("namespace", Type::Text),
        ("operation", Type::Text),
        ("userInfo", user),
        ("dryRun", Type::Bool),
        ("options", Type::Dyn),
    ])
}

/// Whether a kind of object is one whose expressions [`problems`] looks at.
pub(crate) fn has_expressions(kind: &schema::Kind) -> bool {
    kind.group == GROUP
        && matches!(kind.plural.as_str(), "validatingadmissionpolicies" | "mutatingadmissionpolicies")
}
