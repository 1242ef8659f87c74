//! Policies, evaluated.

use super::authorizer;
use super::program::{Policy, Validation};
use crate::admission::matching::{Concern, Name};
use crate::admission::{self, Attributes, UserInfo};
use crate::{Api, Result, convert};
use expression::value::from_json;
use expression::{Budget, Failure, Host, Program, Scope, Value as Cel};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashMap;
use store::View;

/// What all expressions of a policy may cost, and one of them.
const COST_OF_ALL: u64 = 10_000_000;
const COST_OF_ONE: u64 = 1_000_000;
/// The same of its match conditions.
const COST_OF_CONDITIONS: u64 = COST_OF_ALL / 4;
const LONGEST_MESSAGE: usize = 5 * 1024;

/// A validation that does not hold.
pub(super) struct Decision {
    pub(super) message: String,
    pub(super) reason: String,
    /// Whatever the binding says is done about it.
    pub(super) always: bool,
}

/// What expressions are about.
pub(super) struct Input<'a> {
    pub(super) api: &'a Api,
    object: Cel,
    old: Cel,
    request: Cel,
    namespace: Cel,
    pub(super) user: UserInfo,
    /// Group, resource, subresource, namespace and name.
    pub(super) about: [String; 5],
}

impl<'a> Input<'a> {
    pub(super) fn new(
        api: &'a Api,
        view: &dyn View,
        attributes: &Attributes<'_>,
        concern: &Concern,
        object: Option<&Value>,
    ) -> Result<Self> {
        let shown = |object: Option<&Value>| match object {
            None => Cel::Null,
            Some(object) => from_json(&in_version(attributes, &concern.kind, object)),
        };
        let is_namespace = attributes.kind.group.is_empty() && attributes.kind.plural == "namespaces";
        let namespace = match attributes.namespace {
            "" => None,
            _ if is_namespace => None,
            name => view.get("namespaces", "", name),
        };
        Ok(Self {
            api,
            object: shown(object),
            old: shown(attributes.old),
            request: from_json(&admission::request(attributes, concern)),
            namespace: namespace.map_or(Cel::Null, |namespace| from_json(&seen_of_namespace(&namespace))),
            user: attributes.origin.user(),
            about: [
                concern.resource.0.clone(),
                concern.resource.2.clone(),
                attributes.subresource.to_string(),
                attributes.namespace.to_string(),
                attributes.name.to_string(),
            ],
        })
    }
}

/// The object in the version that the policy's rules name.
pub(super) fn in_version(attributes: &Attributes<'_>, (group, version, _): &Name, object: &Value) -> Value {
    let api_version = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
    if object["kind"] != attributes.kind.kind.as_str() {
        return object.clone();
    }
    convert::to_version(attributes.kind, &api_version, object)
}

fn seen_of_namespace(namespace: &Value) -> Value {
    const HIDDEN: [&str; 3] = ["managedFields", "ownerReferences", "selfLink"];
    let mut namespace = namespace.clone();
    if let Some(meta) = namespace["metadata"].as_object_mut() {
        HIDDEN.iter().for_each(|field| drop(meta.shift_remove(*field)));
    }
    namespace
}

/// The names of a policy's expressions. Variables are evaluated when they are first used.
pub(super) struct Names<'a> {
    pub(super) input: &'a Input<'a>,
    variables: &'a [(String, Program)],
    params: Cel,
    namespace: Cel,
    known: RefCell<HashMap<&'a str, Option<std::result::Result<Cel, Failure>>>>,
    left: RefCell<u64>,
}

impl<'a> Names<'a> {
    pub(super) fn new(
        input: &'a Input<'a>,
        variables: &'a [(String, Program)],
        params: Option<&Value>,
    ) -> Self {
        Self {
            input,
            variables,
            params: params.map_or(Cel::Null, from_json),
            namespace: input.namespace.clone(),
            known: RefCell::default(),
            left: RefCell::new(COST_OF_ALL),
        }
    }

    /// Those of match conditions: upstream shows these no namespace, and they may cost less.
    pub(super) fn of_conditions(input: &'a Input<'a>, params: Option<&Value>) -> Self {
        let left = RefCell::new(COST_OF_CONDITIONS);
        Self { namespace: Cel::Null, left, ..Self::new(input, &[], params) }
    }

    /// Evaluates within what is left.
    pub(super) fn run(&self, program: &Program) -> std::result::Result<Cel, Failure> {
        let budget = Budget::new(COST_OF_ONE.min(*self.left.borrow()));
        let result = program.run(&Scope::Host(self), &budget);
        let left = self.left.borrow().saturating_sub(budget.spent());
        *self.left.borrow_mut() = left;
        result
    }

    pub(super) fn is_exhausted(&self) -> bool {
        *self.left.borrow() == 0
    }

    /// The value, or what is wrong in upstream's words.
    pub(super) fn evaluate(&self, program: &Program) -> std::result::Result<Cel, String> {
        self.run(program)
            .map_err(|failure| format!("expression '{}' resulted in error: {failure}", program.text().trim()))
    }
}

impl Host for Names<'_> {
    fn variable(&self, name: &str) -> Option<std::result::Result<Cel, Failure>> {
        let value = match name {
            "object" => &self.input.object,
            "oldObject" => &self.input.old,
            "request" => &self.input.request,
            "namespaceObject" => &self.namespace,
            "params" => &self.params,
            "authorizer" => return Some(Ok(authorizer::of_caller())),
            _ => return None,
        };
        Some(Ok(value.clone()))
    }

    fn field(&self, of: &str, name: &str) -> Option<std::result::Result<Cel, Failure>> {
        if of == "authorizer" && name == "requestResource" {
            return Some(Ok(authorizer::of_request(&self.input.about)));
        }
        if of != "variables" {
            return None;
        }
        let (name, program) = self.variables.iter().find(|(known, _)| known == name)?;
        if let Some(known) = self.known.borrow().get(name.as_str()) {
            let circular = || Err(Failure::Wrong(format!("variable {name:?} is made of itself")));
            return Some(known.clone().unwrap_or_else(circular));
        }
        self.known.borrow_mut().insert(name, None);
        let result = self.run(program).map_err(|failure| match failure {
            Failure::Budget => Failure::Budget,
            other => Failure::Wrong(format!("composited variable {name:?} fails to evaluate: {other}")),
        });
        self.known.borrow_mut().insert(name, Some(result.clone()));
        Some(result)
    }

    fn call(
        &self,
        name: &str,
        target: Option<&Cel>,
        arguments: &[Cel],
    ) -> Option<std::result::Result<Cel, Failure>> {
        authorizer::call(self.input, name, target?, arguments)
    }
}

/// The validations that do not hold.
pub(super) fn decide(policy: &Policy, input: &Input<'_>, params: Option<&Value>) -> Vec<Decision> {
    let names = Names::new(input, &policy.variables, params);
    let failed = |message: String| {
        let decision = Decision { message, reason: String::new(), always: false };
        if policy.ignores_failures { None } else { Some(decision) }
    };
    match conditions(&policy.conditions, &Names::of_conditions(input, params)) {
        Ok(true) => {}
        Ok(false) => return Vec::new(),
        Err(why) => return failed(why).into_iter().collect(),
    }
    let mut decisions = Vec::new();
    for validation in &policy.validations {
        if names.is_exhausted() {
            const SPENT: &str = "validation failed due to running out of cost budget, no further validation rules will be run";
            return failed(SPENT.into()).into_iter().collect();
        }
        match names.evaluate(&validation.program) {
            Ok(Cel::Bool(true)) => {}
            Ok(_) => decisions.push(Decision {
                message: message(validation, &names),
                reason: validation.reason.clone(),
                always: false,
            }),
            Err(why) => decisions.extend(failed(why)),
        }
    }
    // What they publish goes into the audit log, which there is none of; what is wrong with them counts.
    for annotation in &policy.annotations {
        let problem = match names.evaluate(annotation) {
            Ok(Cel::String(_) | Cel::Null) => continue,
            Ok(_) => format!(
                "valueExpression '{}' resulted in unsupported return type. Return type must be either string or null.",
                annotation.text()
            ),
            Err(why) => why,
        };
        decisions.extend(failed(problem).map(|decision| Decision { always: true, ..decision }));
    }
    decisions
}

/// Whether all conditions hold; one that does not is enough, whatever is wrong with others.
pub(super) fn conditions(conditions: &[Program], names: &Names<'_>) -> std::result::Result<bool, String> {
    let mut problems = Vec::new();
    for condition in conditions {
        match names.evaluate(condition) {
            Ok(Cel::Bool(false)) => return Ok(false),
            Ok(_) => {}
            Err(why) => problems.push(why),
        }
    }
    match problems.as_slice() {
        [] => Ok(true),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

fn message(validation: &Validation, names: &Names<'_>) -> String {
    if let Some(program) = &validation.message_expression
        && let Ok(Cel::String(text)) = names.run(program)
    {
        let text = text.trim();
        if !text.is_empty() && text.len() <= LONGEST_MESSAGE && !text.contains('\n') {
            return text.to_string();
        }
    }
    match validation.message.as_str() {
        "" => format!("failed expression: {}", validation.program.text().trim()),
        message => message.to_string(),
    }
}
