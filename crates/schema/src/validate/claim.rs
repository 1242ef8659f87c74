//! Claims of volumes.

use super::{Errors, at, diff, list, names, same, selector, text};
use crate::quantity::Quantity;
use serde_json::Value;

const ACCESS_MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

pub(super) fn access_modes(spec: &Value, field: &str, errors: &mut Errors) {
    let modes = list(&spec["accessModes"]);
    for mode in modes {
        errors.one_of(field, mode, ACCESS_MODES);
    }
    let alone = |mode: &Value| mode == "ReadWriteOncePod";
    if modes.iter().any(alone) && modes.iter().any(|mode| !alone(mode) && ACCESS_MODES.contains(&text(mode)))
    {
        errors.forbidden(field, "may not use ReadWriteOncePod with other access modes");
    }
}

pub(super) fn check(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    spec(&object["spec"], "spec", errors);
    if let Some(old) = old {
        update(object, old, errors);
    }
}

pub(super) fn spec(spec: &Value, path: &str, errors: &mut Errors) {
    if list(&spec["accessModes"]).is_empty() {
        errors.required(&at(path, "accessModes"), "at least 1 access mode is required");
    }
    selector::check(&spec["selector"], &at(path, "selector"), errors);
    access_modes(spec, &at(path, "accessModes"), errors);
    let (storage, field) = (&spec["resources"]["requests"]["storage"], at(path, "resources[storage]"));
    match Quantity::parse(text(storage)) {
        None => errors.required(&field, ""),
        Some(size) if size.nanos() <= 0 => errors.invalid(&field, storage, "must be greater than zero"),
        Some(_) => {}
    }
    errors.optional(&at(path, "storageClassName"), &spec["storageClassName"], names::subdomain);
    errors.one_of(&at(path, "volumeMode"), &spec["volumeMode"], &["Block", "Filesystem"]);
    for field in ["dataSource", "dataSourceRef"] {
        data_source(&spec[field], &at(path, field), errors);
    }
    sources_agree(spec, path, errors);
    errors.optional(
        &at(path, "volumeAttributesClassName"),
        &spec["volumeAttributesClassName"],
        names::subdomain,
    );
}

fn data_source(source: &Value, path: &str, errors: &mut Errors) {
    if !source.is_object() {
        return;
    }
    errors.required_text(&at(path, "name"), &source["name"]);
    errors.required_text(&at(path, "kind"), &source["kind"]);
    let (group, kind) = (text(&source["apiGroup"]), text(&source["kind"]));
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        errors.invalid(path, &kind.into(), detail);
    }
    errors.optional(&at(path, "apiGroup"), &source["apiGroup"], names::subdomain);
    errors.optional(&at(path, "namespace"), &source["namespace"], names::label);
}

fn sources_agree(spec: &Value, path: &str, errors: &mut Errors) {
    let (source, reference) = (&spec["dataSource"], &spec["dataSourceRef"]);
    if source.is_null() || reference.is_null() {
        return;
    }
    // The value that upstream shows is the path itself, an object without fields.
    let shown = serde_json::json!({});
    if !text(&reference["namespace"]).is_empty() {
        errors.invalid(path, &shown, "may not be specified when dataSourceRef.namespace is specified");
    } else if ["apiGroup", "kind", "name"].iter().any(|field| !same(&source[*field], &reference[*field])) {
        errors.invalid(path, &shown, "must match dataSourceRef");
    }
}

const FIXED: &str = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";

fn update(object: &Value, old: &Value, errors: &mut Errors) {
    let (before, mut now) = (&old["spec"], object["spec"].clone());
    // Binding gives the volume; a class may be given to a claim that had none.
    if text(&before["volumeName"]).is_empty() {
        now["volumeName"] = before["volumeName"].clone();
    }
    if before["storageClassName"].is_null() {
        now["storageClassName"] = Value::Null;
    }
    if old["status"]["phase"] == "Bound" {
        if now["resources"]["requests"].is_object() {
            now["resources"]["requests"]["storage"] = before["resources"]["requests"]["storage"].clone();
        }
        if !now["volumeAttributesClassName"].is_null() {
            now["volumeAttributesClassName"] = before["volumeAttributesClassName"].clone();
        }
    }
    if !same(&now, before) {
        errors.forbidden("spec", &format!("{FIXED}\n{}", diff::of(before, &now)));
    }
    let asked = |claim: &Value| Quantity::parse(text(&claim["spec"]["resources"]["requests"]["storage"]));
    let held = Quantity::parse(text(&old["status"]["capacity"]["storage"])).map_or(0, |size| size.nanos());
    if let (Some(now), Some(before)) = (asked(object), asked(old))
        && now.nanos() < before.nanos()
        && now.nanos() <= held
    {
        errors.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity");
    }
    errors.immutable("volumeMode", &object["spec"]["volumeMode"], &before["volumeMode"]);
    let (class, had) = (&object["spec"]["volumeAttributesClassName"], &before["volumeAttributesClassName"]);
    if had.is_string() && class.is_null() {
        errors.forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden");
    } else if had.is_string() && text(class).is_empty() && class != had {
        let detail = "update from non-nil value to an empty string is forbidden";
        errors.forbidden("spec.volumeAttributesClassName", detail);
    }
}
