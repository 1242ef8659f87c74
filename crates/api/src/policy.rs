//! Admission policies and their bindings, whose expressions in CEL refuse writes, warn of them ([`validate`]) or change what is
//! written ([`mutate`]).
//!
//! A policy is compiled when it is first asked about after a change, and kept until the next ([`Policies`]). Each write is
//! asked about: which policies concern it ([`crate::admission::matching`]), with which parameters a binding gives ([`params`]), and what their
//! expressions say ([`evaluate`], [`mutation`]). Without bindings nothing is looked at.

mod authorizer;
mod evaluate;
mod mutation;
mod params;
mod program;
mod typing;

pub(crate) use authorizer::Known as Roles;
pub(crate) use mutation::{Mutated, mutate, mutates};
pub(crate) use program::{has_expressions, problems, problems_of_webhooks};

use crate::admission::matching::{Concern, Matcher, word, words};
use crate::admission::{Attributes, Operation};
use crate::metadata::text;
use crate::transaction::Transaction;
use crate::{Api, ApiError, Result};
use evaluate::{Decision, Input, Names};
use expression::Program;
use parking_lot::Mutex;
use program::Policy;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Mark, Snapshot, View};

pub(crate) const GROUP: &str = "admissionregistration.k8s.io";
pub(crate) const VALIDATING: &str = "admissionregistration.k8s.io/validatingadmissionpolicies";
const VALIDATING_BINDINGS: &str = "admissionregistration.k8s.io/validatingadmissionpolicybindings";
pub(crate) const MUTATING: &str = "admissionregistration.k8s.io/mutatingadmissionpolicies";
const MUTATING_BINDINGS: &str = "admissionregistration.k8s.io/mutatingadmissionpolicybindings";

/// What no policy is about: who breaks admission must be able to mend it, and questions are no writes.
const EXEMPT: [(&str, &str); 10] = [
    (GROUP, "validatingadmissionpolicies"),
    (GROUP, "validatingadmissionpolicybindings"),
    (GROUP, "mutatingadmissionpolicies"),
    (GROUP, "mutatingadmissionpolicybindings"),
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
];

/// Whether the match conditions of a webhook hold, or what is wrong with them.
pub(crate) fn conditions(
    api: &Api,
    view: &dyn View,
    attributes: &Attributes<'_>,
    concern: &Concern,
    object: Option<&Value>,
    programs: &[Program],
) -> Result<std::result::Result<bool, String>> {
    let input = Input::new(api, view, attributes, concern, object)?;
    Ok(evaluate::conditions(programs, &Names::of_conditions(&input, None)))
}

/// A policy with a binding that puts it to use.
struct Bound {
    policy: Arc<Policy>,
    name: String,
    matcher: Matcher,
    reference: Value,
    actions: Vec<String>,
}

/// Policies in use, in the order of their names.
#[derive(Default)]
pub(crate) struct InUse {
    bound: Vec<Bound>,
}

/// The policies as they were read last, and what they were read from.
#[derive(Default)]
struct Cache(Mutex<Option<(Vec<Mark>, Arc<InUse>)>>);

#[derive(Default)]
pub(crate) struct Policies {
    validating: Cache,
    mutating: Cache,
}

impl Cache {
    /// None: there are none. `resources`: of policies and bindings.
    fn in_use(&self, view: &Snapshot, resources: [&str; 2]) -> Option<Arc<InUse>> {
        let marks: Vec<Mark> = resources.map(|resource| view.mark(resource)).into();
        let mut known = self.0.lock();
        if let Some((read_from, policies)) = known.as_ref()
            && *read_from == marks
        {
            return (!policies.bound.is_empty()).then(|| policies.clone());
        }
        let policies = Arc::new(InUse::read(view, resources));
        *known = Some((marks, policies.clone()));
        (!policies.bound.is_empty()).then_some(policies)
    }
}

impl InUse {
    fn read(view: &Snapshot, [policies, bindings]: [&str; 2]) -> Self {
        let bindings = view.list(bindings, "");
        if bindings.is_empty() {
            return Self::default();
        }
        let mut bound = Vec::new();
        for policy in view.list(policies, "") {
            let compiled = Arc::new(Policy::read(&policy));
            let own =
                bindings.iter().filter(|binding| binding["spec"]["policyName"] == compiled.name.as_str());
            bound.extend(own.map(|binding| Bound {
                policy: compiled.clone(),
                name: text(binding, "name").to_string(),
                matcher: Matcher::of_policy(&binding["spec"]["matchResources"]),
                reference: binding["spec"]["paramRef"].clone(),
                actions: words(&binding["spec"]["validationActions"]),
            }));
        }
        Self { bound }
    }
}

/// A policy's refusal.
struct Refusal {
    text: String,
    reason: String,
}

/// Refuses what a policy refuses; warnings go to the caller. `object` is what will be stored, `None` for a deletion.
pub(crate) fn validate(
    tx: &Transaction<'_>,
    attributes: &Attributes<'_>,
    object: Option<&Value>,
) -> Result<()> {
    let view = tx.view();
    let resources = [VALIDATING, VALIDATING_BINDINGS];
    let Some(policies) = tx.api.inner.policies.validating.in_use(&view, resources) else { return Ok(()) };
    if is_exempt(attributes) {
        return Ok(());
    }
    let mut refusals = Vec::new();
    let mut concern: Option<(*const Policy, Result<Option<Concern>>)> = None;
    for bound in &policies.bound {
        // The bindings of a policy stand beside each other.
        let is_same = matches!(&concern, Some((of, _)) if std::ptr::eq(*of, Arc::as_ptr(&bound.policy)));
        if !is_same {
            let found = bound.policy.matcher.concern(&view, attributes, object);
            concern = Some((Arc::as_ptr(&bound.policy), found));
        }
        let Some((_, found)) = &concern else { continue };
        match found {
            Ok(None) => {}
            Ok(Some(found)) => ask(tx, &view, bound, found, attributes, object, &mut refusals)?,
            Err(error) => return Err(error.clone()),
        }
    }
    match refusals.into_iter().next() {
        None => Ok(()),
        Some(refusal) => Err(refused(attributes, object, refusal)),
    }
}

fn is_exempt(attributes: &Attributes<'_>) -> bool {
    EXEMPT.contains(&(attributes.kind.group.as_str(), attributes.kind.plural.as_str()))
}

fn ask(
    tx: &Transaction<'_>,
    view: &Snapshot,
    bound: &Bound,
    concern: &Concern,
    attributes: &Attributes<'_>,
    object: Option<&Value>,
    refusals: &mut Vec<Refusal>,
) -> Result<()> {
    let policy = &bound.policy;
    let told = |message: &str| {
        format!(
            "ValidatingAdmissionPolicy '{}' with binding '{}' denied request: {message}",
            policy.name, bound.name
        )
    };
    let mut misconfigured = |why: String| {
        if !policy.ignores_failures {
            let text = told(&format!("failed to configure binding: {why}"));
            refusals.push(Refusal { text, reason: String::new() });
        }
    };
    match bound.matcher.concern(view, attributes, object) {
        Ok(None) => return Ok(()),
        Ok(Some(_)) => {}
        Err(error) => {
            misconfigured(error.message);
            return Ok(());
        }
    }
    let params =
        match params::collect(tx.api, view, &policy.param_kind, &bound.reference, attributes.namespace) {
            Ok(params) => params,
            Err(why) => {
                misconfigured(why);
                return Ok(());
            }
        };
    let input = Input::new(tx.api, view, attributes, concern, object)?;
    for param in &params {
        for decision in evaluate::decide(policy, &input, param.as_deref()) {
            let Decision { message, reason, always } = decision;
            let denies = always || bound.actions.iter().any(|action| action == "Deny");
            if denies {
                refusals.push(Refusal { text: told(&message), reason });
            }
            if !always && bound.actions.iter().any(|action| action == "Warn") {
                attributes.origin.warnings.push(format!(
                    "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {message}",
                    policy.name, bound.name
                ));
            }
        }
    }
    Ok(())
}

/// The refusal as upstream words it, with the code of its reason.
fn refused(attributes: &Attributes<'_>, object: Option<&Value>, refusal: Refusal) -> ApiError {
    let mut error = forbidden(attributes, object, &refusal.text);
    error.details["causes"] = json!([{ "message": refusal.text }]);
    (error.code, error.reason) = match refusal.reason.as_str() {
        "Forbidden" => (403, "Forbidden"),
        "Unauthorized" => (401, "Unauthorized"),
        "RequestEntityTooLarge" => (413, "RequestEntityTooLarge"),
        _ => (422, "Invalid"),
    };
    error
}

fn forbidden(attributes: &Attributes<'_>, object: Option<&Value>, why: &str) -> ApiError {
    let object = object.unwrap_or(&Value::Null);
    // The name that the server has drawn for a new object is nobody's yet.
    let is_drawn = attributes.name.is_empty() && attributes.operation == Operation::Create;
    let names =
        [attributes.name, if is_drawn { "" } else { text(object, "name") }, text(object, "generateName")];
    let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or("Unknown");
    ApiError::forbidden(&attributes.kind.resource(), name, why)
}

/// What upstream's controller writes: which generation it has looked at, and what it has found.
pub(crate) fn keep_status(api: &Api, view: &Snapshot, kind: &schema::Kind, policy: &mut Value) {
    if kind.resource() == VALIDATING {
        let generation = policy["metadata"]["generation"].clone();
        let warnings = typing::warnings(api, view, policy);
        let status = crate::metadata::field_map(policy, "status");
        status.insert("observedGeneration".into(), generation);
        let checked = if warnings.is_empty() { json!({}) } else { json!({ "expressionWarnings": warnings }) };
        status.insert("typeChecking".into(), checked);
    }
}

#[cfg(test)]
mod tests;
