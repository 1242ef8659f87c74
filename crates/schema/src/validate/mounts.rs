//! Where containers see volumes.

use super::volume::Volumes;
use super::{Errors, at, list, names, text};
use serde_json::Value;
use std::collections::HashSet;

pub(super) fn mounts(container: &Value, path: &str, volumes: &Volumes<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    let devices = list(&container["volumeDevices"]);
    let path = at(path, "volumeMounts");
    for (index, mount) in list(&container["volumeMounts"]).iter().enumerate() {
        let own = format!("{path}[{index}]");
        let (name, place) = (text(&mount["name"]), text(&mount["mountPath"]));
        if name.is_empty() {
            errors.required(&at(&own, "name"), "");
        }
        if !volumes.contains_key(name) {
            errors.not_found(&at(&own, "name"), &name.into());
        }
        if place.is_empty() {
            errors.required(&at(&own, "mountPath"), "");
        }
        if !seen.insert(place) {
            errors.invalid(&at(&own, "mountPath"), &place.into(), "must be unique");
        }
        if devices.iter().any(|device| text(&device["name"]) == name) {
            errors.invalid(&at(&own, "name"), &mount["name"], "must not already exist in volumeDevices");
        }
        if devices.iter().any(|device| text(&device["devicePath"]) == place) {
            let detail = "must not already exist as a path in volumeDevices";
            errors.invalid(&at(&own, "mountPath"), &mount["mountPath"], detail);
        }
        // Upstream tells of these without the index.
        errors.optional(&at(&path, "subPath"), &mount["subPath"], names::local_path);
        if !text(&mount["subPathExpr"]).is_empty() {
            if !text(&mount["subPath"]).is_empty() {
                let detail = "subPathExpr and subPath are mutually exclusive";
                errors.invalid(&at(&own, "subPathExpr"), &mount["subPathExpr"], detail);
            }
            errors.format(&at(&path, "subPathExpr"), &mount["subPathExpr"], names::local_path);
        }
        propagation(container, mount, &path, errors);
    }
}

fn propagation(container: &Value, mount: &Value, path: &str, errors: &mut Errors) {
    let (mode, field) = (&mount["mountPropagation"], at(path, "mountPropagation"));
    errors.one_of(&field, mode, &["Bidirectional", "HostToContainer", "None"]);
    if mode == "Bidirectional" && container["securityContext"]["privileged"] != true {
        errors
            .forbidden(&field, "Bidirectional mount propagation is available only to privileged containers");
    }
    let (recursive, field) = (text(&mount["recursiveReadOnly"]), at(path, "recursiveReadOnly"));
    match recursive {
        "" | "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if mount["readOnly"] != true {
                errors.forbidden(&field, "may only be specified when readOnly is true");
            }
            if !matches!(text(mode), "" | "None") {
                let detail = "may only be specified when mountPropagation is None or not specified";
                errors.forbidden(&field, detail);
            }
        }
        _ => {
            let known = ["Disabled", "Enabled", "IfPossible"];
            errors.unsupported(&field, &mount["recursiveReadOnly"], &known);
        }
    }
}

pub(super) fn devices(container: &Value, path: &str, volumes: &Volumes<'_>, errors: &mut Errors) {
    let (mut names_seen, mut places) = (HashSet::new(), HashSet::new());
    let mounts = list(&container["volumeMounts"]);
    for (index, device) in list(&container["volumeDevices"]).iter().enumerate() {
        let path = format!("{path}.volumeDevices[{index}]");
        let (name, place) = (text(&device["name"]), text(&device["devicePath"]));
        errors.required_text(&at(&path, "name"), &device["name"]);
        if names_seen.contains(name) {
            errors.invalid(&at(&path, "name"), &name.into(), "must be unique");
        }
        match volumes.get(name) {
            None => errors.not_found(&at(&path, "name"), &name.into()),
            Some(volume)
                if !volume["persistentVolumeClaim"].is_object() && !volume["ephemeral"].is_object() =>
            {
                let detail =
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.invalid(&at(&path, "name"), &name.into(), detail);
            }
            Some(_) => {}
        }
        errors.required_text(&at(&path, "devicePath"), &device["devicePath"]);
        if places.contains(place) {
            errors.invalid(&at(&path, "devicePath"), &place.into(), "must be unique");
        }
        if names::no_backsteps(place).is_empty() {
            places.insert(place);
        } else {
            errors.invalid(&at(&path, "devicePath"), &place.into(), "can not contain backsteps ('..')");
        }
        if mounts.iter().any(|mount| text(&mount["name"]) == name) {
            errors.invalid(&at(&path, "name"), &name.into(), "must not already exist in volumeMounts");
        }
        if mounts.iter().any(|mount| text(&mount["mountPath"]) == place) {
            let detail = "must not already exist as a path in volumeMounts";
            errors.invalid(&at(&path, "devicePath"), &place.into(), detail);
        }
        if !name.is_empty() {
            names_seen.insert(name);
        }
    }
}
