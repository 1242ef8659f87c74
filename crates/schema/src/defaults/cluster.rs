//! Kinds that govern the cluster itself.

use super::{child, items, set};
use serde_json::{Value, json};

pub(super) fn namespace(object: &mut Value) {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_string();
    if !name.is_empty()
        && let Some(labels) = child(object, "metadata").and_then(|metadata| child(metadata, "labels"))
    {
        set(labels, "kubernetes.io/metadata.name", name);
    }
    // A namespace that goes away loses its finalizer on purpose.
    if object["metadata"]["deletionTimestamp"].is_null() {
        if let Some(spec) = child(object, "spec") {
            set(spec, "finalizers", json!(["kubernetes"]));
        }
        if let Some(status) = child(object, "status") {
            set(status, "phase", "Active");
        }
    }
}

/// What can be had is what is there, unless the node says otherwise.
pub(super) fn node(object: &mut Value) {
    let Some(status) = object.get_mut("status").filter(|status| status["capacity"].is_object()) else {
        return;
    };
    if status["allocatable"].is_null() {
        status["allocatable"] = status["capacity"].clone();
    }
}

/// For containers, limits come from the largest that is allowed, and requests from limits or the smallest.
pub(super) fn limit_range(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    for limit in items(spec, "limits").filter(|limit| limit["type"] == "Container") {
        for (target, source) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")]
        {
            let values = limit[source].as_object().cloned().unwrap_or_default();
            let Some(target) = child(limit, target) else { continue };
            values.into_iter().for_each(|(name, value)| set(target, &name, value));
        }
        for field in ["default", "defaultRequest"] {
            if limit[field].as_object().is_some_and(serde_json::Map::is_empty)
                && let Some(limit) = limit.as_object_mut()
            {
                limit.shift_remove(field);
            }
        }
    }
}

pub(super) fn admission_policy(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    set(spec, "failurePolicy", "Fail");
    spec.get_mut("matchConstraints").into_iter().for_each(admission_matches);
}

pub(super) fn admission_binding(object: &mut Value) {
    object.pointer_mut("/spec/matchResources").into_iter().for_each(admission_matches);
}

fn admission_matches(matches: &mut Value) {
    if !matches.is_object() {
        return;
    }
    set(matches, "matchPolicy", "Equivalent");
    child(matches, "namespaceSelector");
    child(matches, "objectSelector");
    for field in ["resourceRules", "excludeResourceRules"] {
        items(matches, field).for_each(|rule| set(rule, "scope", "*"));
    }
}

pub(super) fn priority_class(object: &mut Value) {
    set(object, "preemptionPolicy", "PreemptLowerPriority");
}

pub(super) fn definition(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    if let Some(names) = spec.get_mut("names").filter(|names| names.is_object())
        && let Some(kind) = names["kind"].as_str().map(str::to_string)
    {
        set(names, "singular", kind.to_lowercase());
        set(names, "listKind", format!("{kind}List"));
    }
    if let Some(conversion) = child(spec, "conversion") {
        set(conversion, "strategy", "None");
        if let Some(service) =
            conversion.pointer_mut("/webhook/clientConfig/service").filter(|service| service.is_object())
        {
            set(service, "port", 443);
        }
    }
    for version in items(spec, "versions") {
        if let Some(scale) = version.pointer_mut("/subresources/status").filter(|status| status.is_null()) {
            *scale = json!({});
        }
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) fn binding(object: &mut Value) {
    if let Some(role) = object.get_mut("roleRef").filter(|role| role.is_object()) {
        set(role, "apiGroup", RBAC);
    }
    for subject in
        items(object, "subjects").filter(|subject| subject["kind"] == "User" || subject["kind"] == "Group")
    {
        set(subject, "apiGroup", RBAC);
    }
}

pub(super) fn webhooks(object: &mut Value, mutating: bool) {
    for webhook in items(object, "webhooks") {
        set(webhook, "failurePolicy", "Fail");
        set(webhook, "matchPolicy", "Equivalent");
        child(webhook, "namespaceSelector");
        child(webhook, "objectSelector");
        set(webhook, "timeoutSeconds", 10);
        if mutating {
            set(webhook, "reinvocationPolicy", "Never");
        }
        if let Some(service) =
            webhook.pointer_mut("/clientConfig/service").filter(|service| service.is_object())
        {
            set(service, "port", 443);
        }
        items(webhook, "rules").for_each(|rule| set(rule, "scope", "*"));
    }
}
