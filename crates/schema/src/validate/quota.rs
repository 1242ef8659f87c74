//! ResourceQuotas and LimitRanges.

use super::resources::{self, is_overcommitted, quantity_value};
use super::{Errors, entries, list, names, text};
use crate::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) fn quota(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    for (name, value) in entries(&spec["hard"]) {
        let path = format!("spec.hard[{name}]");
        quota_name(name, &path, errors);
        quantity_value(name, value, &path, errors);
    }
    scopes(spec, errors);
    for requirement in list(&spec["scopeSelector"]["matchExpressions"]) {
        scope_requirement(requirement, spec, errors);
    }
    if let Some(old) = old {
        let set = |spec: &Value| {
            list(&spec["scopes"]).iter().map(|scope| text(scope).to_string()).collect::<BTreeSet<_>>()
        };
        if set(spec) != set(&old["spec"]) {
            errors.invalid("spec.scopes", &spec["scopes"], "field is immutable");
        }
    }
}

/// Counted in whole numbers, one of each.
const COUNTED: &[&str] = &[
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// What pods use.
const COMPUTE: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];

fn is_standard_for_quota(name: &str) -> bool {
    COUNTED.contains(&name)
        || COMPUTE.contains(&name)
        || name == "requests.storage"
        || name.starts_with("hugepages-")
        || name.starts_with("requests.hugepages-")
}

fn quota_name(name: &str, path: &str, errors: &mut Errors) {
    resources::name(name, path, errors);
    if !name.contains('/') && !is_standard_for_quota(name) {
        errors.invalid(path, &name.into(), "must be a standard resource for quota");
    }
}

const SCOPES: &[&str] = &[
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

/// Whether a scope can narrow a quota of a resource.
fn fits(scope: &str, resource: &str) -> bool {
    match scope {
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => resource == "pods" || COMPUTE.contains(&resource),
        _ => true,
    }
}

fn scopes(spec: &Value, errors: &mut Errors) {
    let scopes = list(&spec["scopes"]);
    for scope in scopes {
        if !SCOPES.contains(&text(scope)) {
            errors.invalid("spec.scopes", &spec["scopes"], "unsupported scope");
        }
        for (resource, _) in entries(&spec["hard"]) {
            if is_standard_for_quota(resource) && !fits(text(scope), resource) {
                errors.invalid("spec.scopes", &spec["scopes"], "unsupported scope applied to resource");
            }
        }
    }
    for (one, other) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if scopes.iter().any(|scope| scope == one) && scopes.iter().any(|scope| scope == other) {
            errors.invalid("spec.scopes", &spec["scopes"], "conflicting scopes");
        }
    }
}

fn scope_requirement(requirement: &Value, spec: &Value, errors: &mut Errors) {
    const PATH: &str = "spec.scopeSelector.matchExpressions";
    let (scope, operator) = (text(&requirement["scopeName"]), text(&requirement["operator"]));
    if !SCOPES.contains(&scope) {
        errors.invalid(&format!("{PATH}.scopeName"), &scope.into(), "unsupported scope");
    }
    for (resource, _) in entries(&spec["hard"]) {
        if is_standard_for_quota(resource) && !fits(scope, resource) {
            errors.invalid(PATH, &spec["scopeSelector"], "unsupported scope applied to resource");
        }
    }
    if !matches!(scope, "PriorityClass" | "VolumeAttributesClass")
        && SCOPES.contains(&scope)
        && operator != "Exists"
    {
        let detail = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
        errors.invalid(&format!("{PATH}.operator"), &operator.into(), detail);
    }
    let values = list(&requirement["values"]);
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
            errors.required(&format!("{PATH}.values"), detail);
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
            errors.invalid(&format!("{PATH}.values"), &requirement["values"], detail);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        _ => errors.invalid(&format!("{PATH}.operator"), &operator.into(), "not a valid selector operator"),
    }
}

pub(super) fn limit_range(object: &Value, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (index, limit) in list(&object["spec"]["limits"]).iter().enumerate() {
        let path = format!("spec.limits[{index}]");
        let ty = text(&limit["type"]);
        let problems = names::qualified(ty);
        let known = matches!(ty, "Pod" | "Container" | "PersistentVolumeClaim") || ty.contains('/');
        for problem in &problems {
            errors.invalid(&format!("{path}.type"), &ty.into(), problem);
        }
        if problems.is_empty() && !known {
            let detail = "must be a standard limit type or fully qualified";
            errors.invalid(&format!("{path}.type"), &ty.into(), detail);
        }
        if !seen.insert(ty) {
            errors.duplicate(&format!("{path}.type"), &ty.into());
        }
        limit_item(limit, ty, &path, errors);
    }
}

fn limit_item(limit: &Value, ty: &str, path: &str, errors: &mut Errors) {
    let mut keys = BTreeSet::new();
    let mut visit = |field: &str, errors: &mut Errors| {
        for (name, _) in entries(&limit[field]) {
            let path = format!("{path}.{field}[{name}]");
            if matches!(ty, "Pod" | "Container") {
                resources::container_name(name, &path, errors);
            } else {
                resources::name(name, &path, errors);
            }
            keys.insert(name.as_str());
        }
    };
    visit("max", errors);
    visit("min", errors);
    for field in ["default", "defaultRequest"] {
        if ty != "Pod" {
            visit(field, errors);
        } else if entries(&limit[field]).next().is_some() {
            errors.forbidden(&format!("{path}.{field}"), "may not be specified when `type` is 'Pod'");
        }
    }
    if ty == "PersistentVolumeClaim" && limit["min"]["storage"].is_null() && limit["max"]["storage"].is_null()
    {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        errors.required(&format!("{path}.limits"), detail);
    }
    visit("maxLimitRequestRatio", errors);
    for key in keys {
        limit_relations(limit, key, ty, path, errors);
    }
}

/// What has to be at most what: the field that is told, the smaller, the larger, and how they are called.
const RELATIONS: [(&str, &str, &str, &str); 6] = [
    ("min", "min", "max", "min value {} is greater than max value {}"),
    ("defaultRequest", "min", "defaultRequest", "min value {} is greater than default request value {}"),
    ("defaultRequest", "defaultRequest", "max", "default request value {} is greater than max value {}"),
    (
        "defaultRequest",
        "defaultRequest",
        "default",
        "default request value {} is greater than default limit value {}",
    ),
    ("default", "min", "default", "min value {} is greater than default value {}"),
    ("default", "default", "max", "default value {} is greater than max value {}"),
];

fn limit_relations(limit: &Value, key: &str, ty: &str, path: &str, errors: &mut Errors) {
    let of = |field: &str| {
        let allowed = ty != "Pod" || !matches!(field, "default" | "defaultRequest");
        Quantity::parse(text(&limit[field][key])).filter(|_| allowed)
    };
    for (field, small, large, words) in RELATIONS {
        let (Some(least), Some(most)) = (of(small), of(large)) else { continue };
        if least.nanos() > most.nanos() {
            let detail =
                words.replacen("{}", text(&limit[small][key]), 1).replacen("{}", text(&limit[large][key]), 1);
            // Upstream shows the bound, not the value, where it speaks of a default limit.
            let shown = if field == "default" { if small == "min" { small } else { large } } else { field };
            errors.invalid(&format!("{path}.{field}[{key}]"), &limit[shown][key], &detail);
        }
    }
    if let Some(ratio) = of("maxLimitRequestRatio") {
        let (shown, field) =
            (&limit["maxLimitRequestRatio"][key], format!("{path}.maxLimitRequestRatio[{key}]"));
        if ratio.nanos() < 1_000_000_000 {
            errors.invalid(&field, shown, &format!("ratio {} is less than 1", text(shown)));
        }
        if let (Some(least), Some(most)) = (of("min"), of("max")) {
            let bound = most.nanos() as f64 / least.nanos() as f64;
            if ratio.nanos() as f64 / 1e9 > bound {
                let detail = format!("ratio {} is greater than max/min = {bound:.6}", text(shown));
                errors.invalid(&field, shown, &detail);
            }
        }
    }
    if let (Some(most), Some(asked)) = (of("default"), of("defaultRequest"))
        && !is_overcommitted(key)
        && most.nanos() != asked.nanos()
    {
        let (most, asked) = (&limit["default"][key], &limit["defaultRequest"][key]);
        let detail = format!(
            "default value {} must equal to defaultRequest value {} in {key}",
            text(most),
            text(asked)
        );
        errors.invalid(&format!("{path}.defaultRequest[{key}]"), asked, &detail);
    }
}
