//! Namespaces, nodes and events.

use super::{Errors, at, entries, list, metadata, names, text};
use crate::quantity::Quantity;
use serde_json::{Value, json};
use std::collections::HashSet;

pub(super) fn namespace(object: &Value, errors: &mut Errors) {
    for finalizer in list(&object["spec"]["finalizers"]) {
        errors.format("spec.finalizers", finalizer, names::qualified);
        metadata::standard_finalizer("spec.finalizers", finalizer, errors);
    }
}

pub(super) fn node(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    // Upstream looks for them under the path of the metadata.
    taints(list(&spec["taints"]), "metadata.taints", errors);
    for field in ["capacity", "allocatable"] {
        for (name, value) in entries(&object["status"][field]) {
            if Quantity::parse(text(value)).is_some_and(|quantity| quantity.nanos() < 0) {
                let path = format!("status.{field}.{name}");
                errors.invalid(&path, value, "must be greater than or equal to 0");
            }
        }
    }
    for (index, cidr) in list(&spec["podCIDRs"]).iter().enumerate() {
        errors.format(&format!("spec.podCIDRs[{index}]"), cidr, names::cidr);
    }
    let Some(old) = old.map(|old| &old["spec"]) else { return };
    if !list(&old["podCIDRs"]).is_empty() && old["podCIDRs"] != spec["podCIDRs"] {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        errors.forbidden("spec.podCIDRs", detail);
    }
    if !text(&old["providerID"]).is_empty() && old["providerID"] != spec["providerID"] {
        let detail = "node updates may not change providerID except from \"\" to valid";
        errors.forbidden("spec.providerID", detail);
    }
}

fn taints(taints: &[Value], path: &str, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (index, taint) in taints.iter().enumerate() {
        let path = format!("{path}[{index}]");
        errors.format(&at(&path, "key"), &text(&taint["key"]).into(), names::qualified);
        let problems = names::label_value(text(&taint["value"]));
        if !problems.is_empty() {
            errors.invalid(&at(&path, "value"), &taint["value"], &problems.join(";"));
        }
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        errors.required_one_of(&at(&path, "effect"), &taint["effect"], &effects);
        if !seen.insert((text(&taint["key"]), text(&taint["effect"]))) {
            let shown = json!({
                "Key": text(&taint["key"]),
                "Value": text(&taint["value"]),
                "Effect": text(&taint["effect"]),
                "TimeAdded": taint["timeAdded"],
            });
            let message = format!("Duplicate value: {shown}: taints must be unique by key and effect pair");
            errors.add(&path, "FieldValueDuplicate", message);
        }
    }
}

const MOST_CHARACTERS: usize = 128;
const MOST_NOTE: usize = 1024;

/// An event tells of an object of its own namespace.
pub(super) fn event(object: &Value, errors: &mut Errors) {
    let (namespace, about) =
        (text(&object["metadata"]["namespace"]), text(&object["involvedObject"]["namespace"]));
    const FIELD: &str = "involvedObject.namespace";
    const DETAIL: &str = "does not match event.namespace";
    if object["eventTime"].is_null() {
        let fits = if about.is_empty() { matches!(namespace, "" | "default") } else { about == namespace };
        if !fits {
            errors.invalid(FIELD, &about.into(), DETAIL);
        }
        return;
    }
    if about.is_empty() && !matches!(namespace, "default" | "kube-system") {
        errors.invalid(FIELD, &about.into(), DETAIL);
    }
    let reporter = &object["reportingComponent"];
    errors.required_text("reportingController", reporter);
    errors.format("reportingController", &text(reporter).into(), names::qualified);
    described(object, "message", errors);
}

fn described(object: &Value, note: &str, errors: &mut Errors) {
    for field in ["reportingInstance", "action", "reason"] {
        errors.required_text(field, &object[field]);
        if text(&object[field]).len() > MOST_CHARACTERS {
            errors.invalid(field, &"".into(), &format!("can have at most {MOST_CHARACTERS} characters"));
        }
    }
    if text(&object[note]).len() > MOST_NOTE {
        errors.invalid("message", &"".into(), &format!("can have at most {MOST_NOTE} bytes"));
    }
}

/// Events of the group `events.k8s.io` are checked when they are made.
pub(super) fn event_v1(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    if old.is_some() {
        return;
    }
    errors.required_text("eventTime", &object["eventTime"]);
    let reporter = &object["reportingController"];
    errors.required_text("reportingController", reporter);
    errors.optional("reportingController", reporter, names::qualified);
    described(object, "note", errors);
    let ty = text(&object["type"]);
    if !matches!(ty, "Normal" | "Warning") {
        errors.invalid("type", &ty.into(), &format!("has invalid value: {ty}"));
    }
}
