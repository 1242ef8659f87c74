//! Persistent volumes.

use super::{Errors, affinity, at, claim, diff, entries, list, names, same, source, text};
use crate::quantity::Quantity;
use serde_json::{Map, Value};

/// The sources, in the order in which upstream looks at them.
const SOURCES: &[&str] = &[
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];

pub(super) fn check(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    if list(&spec["accessModes"]).is_empty() {
        errors.required("spec.accessModes", "");
    }
    claim::access_modes(spec, "spec.accessModes", errors);
    capacity(&spec["capacity"], errors);
    let policies = ["Delete", "Recycle", "Retain"];
    errors.one_of("spec.persistentVolumeReclaimPolicy", &spec["persistentVolumeReclaimPolicy"], &policies);
    let placed = &spec["nodeAffinity"];
    if placed.is_object() {
        if placed["required"].is_object() {
            affinity::node_selector(&placed["required"], "spec.nodeAffinity.required", errors);
        } else {
            errors.required("spec.nodeAffinity.required", "must specify required node constraints");
        }
    }
    sources(spec, errors);
    if text(&spec["hostPath"]["path"]) == "/" && spec["persistentVolumeReclaimPolicy"] == "Recycle" {
        let detail = "may not be 'recycle' for a hostPath mount of '/'";
        errors.forbidden("spec.persistentVolumeReclaimPolicy", detail);
    }
    errors.optional("spec.storageClassName", &spec["storageClassName"], names::subdomain);
    errors.one_of("spec.volumeMode", &spec["volumeMode"], &["Block", "Filesystem"]);
    let attributes = &spec["volumeAttributesClassName"];
    if attributes.is_string() {
        if text(attributes).is_empty() {
            errors.required("spec.volumeAttributesClassName", "an empty string is disallowed");
        }
        errors.optional("spec.volumeAttributesClassName", attributes, names::subdomain);
        if !spec["csi"].is_object() {
            errors.required("spec.csi", "has to be specified when using volumeAttributesClassName");
        }
    }
    if let Some(old) = old {
        update(spec, &old["spec"], errors);
    }
}

fn capacity(capacity: &Value, errors: &mut Errors) {
    const FIELD: &str = "spec.capacity";
    if entries(capacity).next().is_none() {
        errors.required(FIELD, "");
    }
    if capacity["storage"].is_null() || entries(capacity).count() > 1 {
        errors.unsupported(FIELD, capacity, &["storage"]);
    }
    for (name, value) in entries(capacity) {
        let field = format!("{FIELD}[{name}]");
        let Some(size) = Quantity::parse(text(value)) else { continue };
        if size.nanos() < 0 {
            errors.invalid(&field, &size.value().into(), "must be a valid resource quantity");
        }
        if size.nanos() <= 0 {
            errors.invalid(&field, value, "must be greater than zero");
        }
    }
}

fn sources(spec: &Value, errors: &mut Errors) {
    let mut count = 0;
    for kind in SOURCES.iter().filter(|kind| spec[**kind].is_object()) {
        let (source, path) = (&spec[*kind], at("spec", kind));
        count += 1;
        if count > 1 {
            errors.forbidden(&path, "may not specify more than 1 volume type");
            continue;
        }
        match *kind {
            "local" => {
                if text(&source["path"]).is_empty() {
                    errors.required(&at(&path, "path"), "");
                } else {
                    errors.format(&at(&path, "path"), &source["path"], names::no_backsteps);
                }
                if !spec["nodeAffinity"].is_object() {
                    errors.required("spec.nodeAffinity", "Local volume requires node affinity");
                }
            }
            kind => source::check(kind, source, &path, errors),
        }
        if *kind == "csi" {
            errors.required_text(&at(&path, "volumeHandle"), &source["volumeHandle"]);
        }
    }
    if count == 0 {
        errors.required("spec", "must specify a volume type");
    }
}

fn update(new: &Value, old: &Value, errors: &mut Errors) {
    let source = |spec: &Value| {
        let mut all: Map<String, Value> =
            SOURCES.iter().map(|kind| (kind.to_string(), spec[*kind].clone())).collect();
        if old["csi"]["controllerExpandSecretRef"].is_null()
            && let Some(csi) = all.get_mut("csi").and_then(Value::as_object_mut)
        {
            csi.shift_remove("controllerExpandSecretRef");
        }
        Value::Object(all)
    };
    let (now, before) = (source(new), source(old));
    if !same(&now, &before) {
        let detail =
            format!("spec.persistentvolumesource is immutable after creation\n{}", diff::of(&before, &now));
        errors.forbidden("spec.persistentvolumesource", &detail);
    }
    errors.immutable("volumeMode", &new["volumeMode"], &old["volumeMode"]);
    if old["nodeAffinity"].is_object() && !same(&new["nodeAffinity"], &old["nodeAffinity"]) {
        errors.invalid("nodeAffinity", &new["nodeAffinity"], "field is immutable");
    }
    if !old["volumeAttributesClassName"].is_null() && new["volumeAttributesClassName"].is_null() {
        let detail = "update from non-nil value to nil is forbidden";
        errors.forbidden("spec.volumeAttributesClassName", detail);
    }
}
