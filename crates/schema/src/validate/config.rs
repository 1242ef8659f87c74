//! ConfigMaps, Secrets, claims and classes of storage.

use super::{Errors, entries, list, names, same, text};
use crate::quantity::Quantity;
use serde_json::Value;

/// ConfigMaps and Secrets hold at most this many bytes.
const MOST: usize = 1 << 20;

pub(super) fn config_map(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let mut size = 0;
    for (key, value) in entries(&object["data"]) {
        errors.format(&format!("data[{key}]"), &key.as_str().into(), names::config_key);
        if object["binaryData"].get(key).is_some() {
            errors.invalid(
                &format!("data[{key}]"),
                &key.as_str().into(),
                "duplicate of key present in binaryData",
            );
        }
        size += text(value).len();
    }
    for (key, value) in entries(&object["binaryData"]) {
        errors.format(&format!("binaryData[{key}]"), &key.as_str().into(), names::config_key);
        size += text(value).len() / 4 * 3;
    }
    if size > MOST {
        errors.too_long("", MOST);
    }
    kept(object, old, &["data", "binaryData"], errors);
}

/// Once immutable, for ever; and its content with it.
fn kept(object: &Value, old: Option<&Value>, fields: &[&str], errors: &mut Errors) {
    let Some(old) = old.filter(|old| old["immutable"] == true) else { return };
    const DETAIL: &str = "field is immutable when `immutable` is set";
    if object["immutable"] != true {
        errors.forbidden("immutable", DETAIL);
    }
    for field in fields {
        if !same(&object[*field], &old[*field]) {
            errors.forbidden(field, DETAIL);
        }
    }
}

pub(super) fn secret(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let mut size = 0;
    for (key, value) in entries(&object["data"]) {
        errors.format(&format!("data[{key}]"), &key.as_str().into(), names::config_key);
        size += text(value).len() / 4 * 3;
    }
    if size > MOST {
        errors.too_long("data", MOST);
    }
    let required: &[&str] = match text(&object["type"]) {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in required.iter().filter(|key| object["data"].get(**key).is_none()) {
        errors.required(&format!("data[{key}]"), "");
    }
    if text(&object["type"]) == "kubernetes.io/service-account-token"
        && text(&object["metadata"]["annotations"]["kubernetes.io/service-account.name"]).is_empty()
    {
        errors.required("metadata.annotations[kubernetes.io/service-account.name]", "");
    }
    if let Some(old) = old {
        errors.immutable("type", &object["type"], &old["type"]);
    }
    kept(object, old, &["data"], errors);
}

const ACCESS_MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

const CLAIM_UPDATE: &str = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";

pub(super) fn claim(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    let modes = list(&spec["accessModes"]);
    if modes.is_empty() {
        errors.required("spec.accessModes", "at least 1 access mode is required");
    }
    for mode in modes {
        errors.one_of("spec.accessModes", mode, ACCESS_MODES);
    }
    if modes.len() > 1 && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
        errors.forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes");
    }
    let storage = &spec["resources"]["requests"]["storage"];
    match Quantity::parse(text(storage)) {
        None => errors.required("spec.resources[storage]", ""),
        Some(size) if size.nanos() <= 0 => {
            errors.invalid("spec.resources[storage]", storage, "must be greater than zero");
        }
        Some(_) => {}
    }
    if !text(&spec["storageClassName"]).is_empty() {
        errors.format("spec.storageClassName", &spec["storageClassName"], names::subdomain);
    }
    errors.one_of("spec.volumeMode", &spec["volumeMode"], &["Block", "Filesystem"]);
    if let Some(old) = old {
        claim_update(object, old, errors);
    }
}

fn claim_update(object: &Value, old: &Value, errors: &mut Errors) {
    let fixed = |claim: &Value| {
        let mut spec = claim["spec"].clone();
        if let Some(fields) = spec.as_object_mut() {
            fields.retain(|field, _| !matches!(field.as_str(), "resources" | "volumeAttributesClassName"));
        }
        spec
    };
    let (mut new, before) = (fixed(object), fixed(old));
    // Binding gives the volume; a class may be given to a claim that had none.
    if text(&before["volumeName"]).is_empty() {
        new["volumeName"] = before["volumeName"].clone();
    }
    if before["storageClassName"].is_null() {
        new["storageClassName"] = Value::Null;
    }
    if !same(&new, &before) {
        errors.forbidden("spec", CLAIM_UPDATE);
    }
    let size = |claim: &Value| Quantity::parse(text(&claim["spec"]["resources"]["requests"]["storage"]));
    if let (Some(now), Some(before)) = (size(object), size(old))
        && now.nanos() != before.nanos()
    {
        if old["status"]["phase"] != "Bound" {
            errors.forbidden("spec", CLAIM_UPDATE);
        } else if now.nanos() < before.nanos() {
            errors.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity");
        }
    }
}

pub(super) fn class(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    if text(&object["provisioner"]).is_empty() {
        errors.required("provisioner", "");
    }
    errors.one_of("reclaimPolicy", &object["reclaimPolicy"], &["Delete", "Retain"]);
    errors.one_of("volumeBindingMode", &object["volumeBindingMode"], &["Immediate", "WaitForFirstConsumer"]);
    let Some(old) = old else { return };
    for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
        if !same(&object[field], &old[field]) {
            errors.forbidden(field, &format!("updates to {field} are forbidden."));
        }
    }
}
