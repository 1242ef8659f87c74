//! Affinity, and the spread of pods over the topology.

use super::{Errors, at, entries, list, names, number, selector, text};
use serde_json::Value;

pub(super) fn check(affinity: &Value, path: &str, errors: &mut Errors) {
    node_affinity(&affinity["nodeAffinity"], &at(path, "nodeAffinity"), errors);
    for kind in ["podAffinity", "podAntiAffinity"] {
        let (affinity, path) = (&affinity[kind], at(path, kind));
        for (index, term) in list(&affinity[REQUIRED]).iter().enumerate() {
            pod_term(term, &format!("{path}.{REQUIRED}[{index}]"), errors);
        }
        for (index, weighted) in list(&affinity[PREFERRED]).iter().enumerate() {
            let path = format!("{path}.{PREFERRED}[{index}]");
            weight(weighted, &path, errors);
            pod_term(&weighted["podAffinityTerm"], &at(&path, "podAffinityTerm"), errors);
        }
    }
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

fn weight(weighted: &Value, path: &str, errors: &mut Errors) {
    let weight = number(&weighted["weight"]);
    if !(1..=100).contains(&weight) {
        errors.invalid(&at(path, "weight"), &weight.into(), "must be in the range 1-100");
    }
}

fn node_affinity(affinity: &Value, path: &str, errors: &mut Errors) {
    if affinity[REQUIRED].is_object() {
        node_selector(&affinity[REQUIRED], &at(path, REQUIRED), errors);
    }
    for (index, term) in list(&affinity[PREFERRED]).iter().enumerate() {
        let path = format!("{path}.{PREFERRED}[{index}]");
        weight(term, &path, errors);
        // Labels that cannot be are tolerated where they only prefer.
        node_term(&term["preference"], &at(&path, "preference"), false, errors);
    }
}

pub(super) fn node_selector(selector: &Value, path: &str, errors: &mut Errors) {
    let path = at(path, "nodeSelectorTerms");
    let terms = list(&selector["nodeSelectorTerms"]);
    if terms.is_empty() {
        errors.required(&path, "must have at least one node selector term");
    }
    for (index, term) in terms.iter().enumerate() {
        node_term(term, &format!("{path}[{index}]"), true, errors);
    }
}

fn node_term(term: &Value, path: &str, strict: bool, errors: &mut Errors) {
    for (index, rule) in list(&term["matchExpressions"]).iter().enumerate() {
        node_rule(rule, &format!("{path}.matchExpressions[{index}]"), strict, errors);
    }
    for (index, rule) in list(&term["matchFields"]).iter().enumerate() {
        node_field(rule, &format!("{path}.matchFields[{index}]"), errors);
    }
}

fn node_rule(rule: &Value, path: &str, strict: bool, errors: &mut Errors) {
    let (values, field) = (list(&rule["values"]), at(path, "values"));
    match text(&rule["operator"]) {
        "In" | "NotIn" if values.is_empty() => {
            errors.required(&field, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            errors.forbidden(&field, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        "Gt" | "Lt" if values.len() != 1 => {
            errors.required(&field, "must be specified single value when `operator` is 'Lt' or 'Gt'");
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errors.invalid(&at(path, "operator"), &other.into(), "not a valid selector operator"),
    }
    errors.format(&at(path, "key"), &text(&rule["key"]).into(), names::qualified);
    for (index, value) in values.iter().enumerate().filter(|_| strict) {
        errors.format(&format!("{field}[{index}]"), value, names::label_value);
    }
}

fn node_field(rule: &Value, path: &str, errors: &mut Errors) {
    let values = list(&rule["values"]);
    match text(&rule["operator"]) {
        "In" | "NotIn" if values.len() != 1 => {
            let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.required(&at(path, "values"), detail);
        }
        "In" | "NotIn" => {}
        other => errors.invalid(&at(path, "operator"), &other.into(), "not a valid selector operator"),
    }
    if text(&rule["key"]) == "metadata.name" {
        for (index, value) in values.iter().enumerate() {
            errors.format(&format!("{path}.values[{index}]"), value, names::subdomain);
        }
    } else {
        errors.invalid(&at(path, "key"), &text(&rule["key"]).into(), "not a valid field selector key");
    }
}

fn pod_term(term: &Value, path: &str, errors: &mut Errors) {
    selector::check(&term["labelSelector"], &at(path, "labelSelector"), errors);
    selector::check(&term["namespaceSelector"], &at(path, "namespaceSelector"), errors);
    for name in list(&term["namespaces"]) {
        errors.format(&at(path, "namespace"), name, names::label);
    }
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        let keys = list(&term[field]);
        if !keys.is_empty() && !term["labelSelector"].is_object() {
            errors.forbidden(&at(path, field), "must not be specified when labelSelector is not set");
        } else {
            for (index, key) in keys.iter().enumerate() {
                errors.format(&format!("{path}.{field}[{index}]"), key, names::qualified);
            }
        }
    }
    for (index, key) in list(&term["matchLabelKeys"]).iter().enumerate() {
        if list(&term["mismatchLabelKeys"]).contains(key) {
            let detail = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.invalid(&format!("{path}.matchLabelKeys[{index}]"), key, detail);
        }
    }
    let key = text(&term["topologyKey"]);
    if key.is_empty() {
        errors.required(&at(path, "topologyKey"), "can not be empty");
    }
    errors.format(&at(path, "topologyKey"), &key.into(), names::qualified);
}

pub(super) fn spread(constraints: &[Value], path: &str, errors: &mut Errors) {
    for (index, constraint) in constraints.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let (skew, key) = (number(&constraint["maxSkew"]), text(&constraint["topologyKey"]));
        let action = text(&constraint["whenUnsatisfiable"]);
        if skew <= 0 {
            errors.invalid(&at(&path, "maxSkew"), &skew.into(), "must be greater than zero");
        }
        if key.is_empty() {
            errors.required(&at(&path, "topologyKey"), "can not be empty");
        }
        if !matches!(action, "DoNotSchedule" | "ScheduleAnyway") {
            let known = ["DoNotSchedule", "ScheduleAnyway"];
            errors.unsupported(&at(&path, "whenUnsatisfiable"), &action.into(), &known);
        }
        let repeated = constraints[index + 1..]
            .iter()
            .any(|other| text(&other["topologyKey"]) == key && text(&other["whenUnsatisfiable"]) == action);
        if repeated {
            let field = at(&path, "{topologyKey, whenUnsatisfiable}");
            errors.duplicate(&field, &format!("{{{key}, {action}}}").into());
        }
        min_domains(&constraint["minDomains"], action, &at(&path, "minDomains"), errors);
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            errors.one_of(&at(&path, field), &constraint[field], &["Honor", "Ignore"]);
        }
        match_keys(constraint, &path, errors);
        selector::check(&constraint["labelSelector"], &at(&path, "labelSelector"), errors);
    }
}

fn min_domains(domains: &Value, action: &str, field: &str, errors: &mut Errors) {
    if domains.is_null() {
        return;
    }
    if number(domains) <= 0 {
        errors.invalid(field, domains, "must be greater than zero");
    }
    if action != "DoNotSchedule" {
        let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
        errors.invalid(field, domains, &detail);
    }
}

fn match_keys(constraint: &Value, path: &str, errors: &mut Errors) {
    let keys = list(&constraint["matchLabelKeys"]);
    let selector = &constraint["labelSelector"];
    if !keys.is_empty() && !selector.is_object() {
        let detail = "must not be specified when labelSelector is not set";
        errors.forbidden(&at(path, "matchLabelKeys"), detail);
    }
    for (index, key) in keys.iter().enumerate() {
        let field = format!("{path}.matchLabelKeys[{index}]");
        errors.format(&field, key, names::qualified);
        let selected = entries(&selector["matchLabels"]).any(|(name, _)| *key == *name)
            || list(&selector["matchExpressions"]).iter().any(|rule| rule["key"] == *key);
        if selected {
            errors.invalid(&field, key, "exists in both matchLabelKeys and labelSelector");
        }
    }
}
