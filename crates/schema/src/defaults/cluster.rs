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
