//! Configuration, secrets and volumes.

use super::format::{access_modes, or, plain, text};
use super::{age_of, name_of};
use serde_json::Value;

fn count(value: &Value) -> usize {
    value.as_object().map_or(0, |map| map.len())
}

pub(super) fn config_map(object: &Value, now: i64) -> Vec<Value> {
    let all = count(&object["data"]) + count(&object["binaryData"]);
    vec![name_of(object), all.into(), age_of(object, now)]
}

pub(super) fn secret(object: &Value, now: i64) -> Vec<Value> {
    vec![name_of(object), text(&object["type"]).into(), count(&object["data"]).into(), age_of(object, now)]
}

fn phase(object: &Value) -> &str {
    if object["metadata"]["deletionTimestamp"].is_string() {
        "Terminating"
    } else {
        text(&object["status"]["phase"])
    }
}

/// The class by field, or by the annotation of old.
fn class_name(object: &Value) -> &str {
    let by_annotation = text(&object["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"]);
    or(by_annotation, text(&object["spec"]["storageClassName"]))
}

pub(super) fn claim(object: &Value, now: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let bound = !text(&spec["volumeName"]).is_empty();
    vec![
        name_of(object),
        phase(object).into(),
        text(&spec["volumeName"]).into(),
        if bound { plain(&status["capacity"]["storage"], "") } else { String::new() }.into(),
        if bound { access_modes(&status["accessModes"]) } else { String::new() }.into(),
        class_name(object).into(),
        or(text(&spec["volumeAttributesClassName"]), "<unset>").into(),
        age_of(object, now),
        or(text(&spec["volumeMode"]), "<unset>").into(),
    ]
}

pub(super) fn volume(object: &Value, now: i64) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let claim = &spec["claimRef"];
    let claim = if claim.is_object() {
        format!("{}/{}", text(&claim["namespace"]), text(&claim["name"]))
    } else {
        String::new()
    };
    vec![
        name_of(object),
        plain(&spec["capacity"]["storage"], "").into(),
        access_modes(&spec["accessModes"]).into(),
        text(&spec["persistentVolumeReclaimPolicy"]).into(),
        phase(object).into(),
        claim.into(),
        class_name(object).into(),
        or(text(&spec["volumeAttributesClassName"]), "<unset>").into(),
        text(&status["reason"]).into(),
        age_of(object, now),
        or(text(&spec["volumeMode"]), "<unset>").into(),
    ]
}

pub(super) fn class(object: &Value, now: i64) -> Vec<Value> {
    let mut name = text(&object["metadata"]["name"]).to_string();
    if object["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true" {
        name.push_str(" (default)");
    }
    vec![
        name.into(),
        text(&object["provisioner"]).into(),
        or(text(&object["reclaimPolicy"]), "Delete").into(),
        or(text(&object["volumeBindingMode"]), "<unset>").into(),
        (object["allowVolumeExpansion"] == true).into(),
        age_of(object, now),
    ]
}
