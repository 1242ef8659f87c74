//! Volumes, claims, classes and secrets.

use super::{child, set};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(super) fn claim(object: &mut Value) {
    if let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) {
        set(spec, "volumeMode", "Filesystem");
        child(spec, "resources");
    }
    if let Some(status) = child(object, "status") {
        set(status, "phase", "Pending");
    }
}

pub(super) fn volume(object: &mut Value) {
    if let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) {
        set(spec, "persistentVolumeReclaimPolicy", "Retain");
        set(spec, "volumeMode", "Filesystem");
        if let Some(path) = spec.get_mut("hostPath").filter(|path| path.is_object()) {
            set(path, "type", "");
        }
        if let Some(claim) = spec.get_mut("claimRef").filter(|claim| claim.is_object()) {
            set(claim, "apiVersion", "v1");
            set(claim, "kind", "PersistentVolumeClaim");
        }
    }
    if let Some(status) = child(object, "status") {
        set(status, "phase", "Pending");
    }
}

pub(super) fn class(object: &mut Value) {
    set(object, "reclaimPolicy", "Delete");
    set(object, "volumeBindingMode", "Immediate");
}

pub(super) fn csi_driver(object: &mut Value) {
    let Some(spec) = child(object, "spec") else { return };
    set(spec, "attachRequired", true);
    set(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    set(spec, "podInfoOnMount", false);
    set(spec, "requiresRepublish", false);
    set(spec, "seLinuxMount", false);
    set(spec, "storageCapacity", false);
    set(spec, "volumeLifecycleModes", json!(["Persistent"]));
}

/// `stringData` is for writing only.
pub(super) fn secret(object: &mut Value) {
    set(object, "type", "Opaque");
    let plain = object.as_object_mut().and_then(|fields| fields.shift_remove("stringData"));
    let Some(Value::Object(plain)) = plain else { return };
    let Some(data) = child(object, "data") else { return };
    for (key, value) in plain {
        data[key] = STANDARD.encode(value.as_str().unwrap_or_default()).into();
    }
}
