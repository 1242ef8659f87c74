//! ValidatingAdmissionPolicies, MutatingAdmissionPolicies and their bindings.

use super::{conditions, rule};
use crate::validate::{Errors, at, list, names, selector, text};
use serde_json::Value;

pub(in crate::validate) fn policy(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    constraints(spec, errors);
    let (validations, annotations) = (list(&spec["validations"]), list(&spec["auditAnnotations"]));
    if validations.is_empty() && annotations.is_empty() {
        const DETAIL: &str = "validations or auditAnnotations must contain at least one item";
        errors.required("spec.validations", DETAIL);
        errors.required("spec.auditAnnotations", DETAIL);
    }
    for (index, validation) in validations.iter().enumerate() {
        let path = format!("spec.validations[{index}]");
        if text(&validation["expression"]).trim().is_empty() {
            errors.required(&at(&path, "expression"), "expression is not specified");
        }
        let message = text(&validation["message"]);
        if !message.is_empty() && message.trim().is_empty() {
            let detail = "message must be non-empty if specified";
            errors.invalid(&at(&path, "message"), &validation["message"], detail);
        }
        if message.contains('\n') {
            errors.invalid(
                &at(&path, "message"),
                &validation["message"],
                "message must not contain line breaks",
            );
        }
        let reasons = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];
        errors.one_of(&at(&path, "reason"), &validation["reason"], &reasons);
    }
    for (index, annotation) in annotations.iter().enumerate() {
        let path = format!("spec.auditAnnotations[{index}]");
        errors.required_format(&at(&path, "key"), &annotation["key"], names::qualified);
        if text(&annotation["valueExpression"]).trim().is_empty() {
            errors.required(&at(&path, "valueExpression"), "valueExpression is not specified");
        }
    }
}

fn matches(matches: &Value, path: &str, errors: &mut Errors) {
    for field in ["namespaceSelector", "objectSelector"] {
        selector::check(&matches[field], &at(path, field), errors);
    }
    for field in ["resourceRules", "excludeResourceRules"] {
        for (index, rule) in list(&matches[field]).iter().enumerate() {
            self::rule(rule, &format!("{path}.{field}[{index}]"), errors);
        }
    }
    errors.one_of(&at(path, "matchPolicy"), &matches["matchPolicy"], &["Equivalent", "Exact"]);
}

pub(in crate::validate) fn binding(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    bound(spec, errors);
    let actions = list(&spec["validationActions"]);
    if actions.is_empty() {
        errors.required("spec.validationActions", "at least one validation action is required");
    }
    for (index, action) in actions.iter().enumerate() {
        let field = format!("spec.validationActions[{index}]");
        errors.one_of(&field, action, &["Audit", "Deny", "Warn"]);
        if actions[..index].contains(action) {
            errors.duplicate(&field, action);
        }
    }
    if ["Deny", "Warn"].iter().all(|both| actions.iter().any(|action| action == both)) {
        let detail = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        errors.invalid("spec.validationActions", &spec["validationActions"], detail);
    }
}

fn bound(spec: &Value, errors: &mut Errors) {
    errors.required_format("spec.policyName", &spec["policyName"], names::subdomain);
    let reference = &spec["paramRef"];
    if reference.is_object() {
        let (name, selects) = (!text(&reference["name"]).is_empty(), reference["selector"].is_object());
        if name && selects {
            errors.forbidden("spec.paramRef.name", "name and selector are mutually exclusive");
        } else if !name && !selects {
            errors.required("spec.paramRef", "one of name or selector must be specified");
        }
        let actions = ["Allow", "Deny"];
        errors.required_one_of(
            "spec.paramRef.parameterNotFoundAction",
            &reference["parameterNotFoundAction"],
            &actions,
        );
    }
    matches(&spec["matchResources"], "spec.matchResources", errors);
}

/// What every policy has: how it fails, its parameters, what it is about.
fn constraints(spec: &Value, errors: &mut Errors) {
    errors.one_of("spec.failurePolicy", &spec["failurePolicy"], &["Fail", "Ignore"]);
    let parameters = &spec["paramKind"];
    if parameters.is_object() {
        errors.required_text("spec.paramKind.apiVersion", &parameters["apiVersion"]);
        errors.required_text("spec.paramKind.kind", &parameters["kind"]);
    }
    if !spec["matchConstraints"].is_object() {
        errors.required("spec.matchConstraints", "");
    } else {
        if list(&spec["matchConstraints"]["resourceRules"]).is_empty() {
            errors.required("spec.matchConstraints.resourceRules", "");
        }
        matches(&spec["matchConstraints"], "spec.matchConstraints", errors);
    }
    conditions(list(&spec["matchConditions"]), "spec.matchConditions", errors);
}

pub(in crate::validate) fn mutating_policy(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    constraints(spec, errors);
    // What is deleted cannot be changed.
    for (index, rule) in list(&spec["matchConstraints"]["resourceRules"]).iter().enumerate() {
        for (number, operation) in
            list(&rule["operations"]).iter().enumerate().filter(|(_, op)| **op == "DELETE")
        {
            let field = format!("spec.matchConstraints.resourceRules[{index}].operations[{number}]");
            errors.one_of(&field, operation, &["*", "CONNECT", "CREATE", "UPDATE"]);
        }
    }
    let mutations = list(&spec["mutations"]);
    if mutations.is_empty() {
        errors.required("spec.mutations", "mutations must contain at least one item");
    }
    for (index, mutation) in mutations.iter().enumerate() {
        self::mutation(mutation, &format!("spec.mutations[{index}]"), errors);
    }
    errors.required_one_of("spec.reinvocationPolicy", &spec["reinvocationPolicy"], &["IfNeeded", "Never"]);
}

fn mutation(mutation: &Value, path: &str, errors: &mut Errors) {
    const KINDS: [(&str, &str); 2] =
        [("ApplyConfiguration", "applyConfiguration"), ("JSONPatch", "jsonPatch")];
    let kind = text(&mutation["patchType"]);
    errors.required_one_of(
        &at(path, "patchType"),
        &mutation["patchType"],
        &["ApplyConfiguration", "JSONPatch"],
    );
    for (name, field) in KINDS {
        let (given, field) = (&mutation[field], at(path, field));
        if kind == name {
            if !given.is_object() {
                errors.required(&field, &format!("must be specified when patchType is {name}"));
            } else if text(&given["expression"]).trim().is_empty() {
                errors.required(&at(&field, "expression"), "expression is not specified");
            }
        } else if given.is_object() && !kind.is_empty() {
            errors.invalid(&field, given, &format!("must not be specified when patchType is {kind}"));
        }
    }
}

pub(in crate::validate) fn mutating_binding(object: &Value, errors: &mut Errors) {
    bound(&object["spec"], errors);
}
