//! Volumes of pods.

use super::container::{FILE_FIELDS, field_path};
use super::{Errors, list, names, text};
use serde_json::Value;
use std::collections::HashSet;

/// The names of all volumes.
pub(super) fn check<'a>(volumes: &'a [Value], path: &str, errors: &mut Errors) -> HashSet<&'a str> {
    let mut seen = HashSet::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let (name, name_path) = (&volume["name"], format!("{path}.name"));
        if text(name).is_empty() {
            errors.required(&name_path, "");
        } else {
            errors.format(&name_path, name, names::label);
            if !seen.insert(text(name)) {
                errors.duplicate(&name_path, name);
            }
        }
        source(volume, &path, errors);
    }
    seen
}

fn source(volume: &Value, path: &str, errors: &mut Errors) {
    let kinds: Vec<&String> = volume
        .as_object()
        .into_iter()
        .flat_map(|volume| volume.keys())
        .filter(|kind| *kind != "name")
        .collect();
    if kinds.is_empty() {
        errors.required(path, "must specify a volume type");
    }
    for (index, kind) in kinds.into_iter().enumerate() {
        let (source, path) = (&volume[kind.as_str()], format!("{path}.{kind}"));
        if index > 0 {
            errors.forbidden(&path, "may not specify more than 1 volume type");
            continue;
        }
        match kind.as_str() {
            "hostPath" => host_path(source, &path, errors),
            "configMap" => named(source, "name", &path, errors),
            "secret" => named(source, "secretName", &path, errors),
            "persistentVolumeClaim" if text(&source["claimName"]).is_empty() => {
                errors.required(&format!("{path}.claimName"), "");
            }
            "downwardAPI" => {
                mode(&source["defaultMode"], &format!("{path}.defaultMode"), errors);
                files(source, &path, errors);
            }
            "projected" => projected(source, &path, errors),
            "emptyDir" => {
                let limit = &source["sizeLimit"];
                if crate::quantity::Quantity::parse(text(limit)).is_some_and(|limit| limit.nanos() < 0) {
                    errors.invalid(&format!("{path}.sizeLimit"), limit, "must be greater than or equal to 0");
                }
            }
            "nfs" => {
                for field in ["server", "path"] {
                    if text(&source[field]).is_empty() {
                        errors.required(&format!("{path}.{field}"), "");
                    }
                }
            }
            _ => {}
        }
    }
}

const HOST_PATH_TYPES: &[&str] =
    &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

fn host_path(source: &Value, path: &str, errors: &mut Errors) {
    let (place, field) = (text(&source["path"]), format!("{path}.path"));
    if place.is_empty() {
        errors.required(&field, "");
    } else if place.split('/').any(|part| part == "..") {
        errors.invalid(&field, &source["path"], "must not contain '..'");
    }
    errors.one_of(&format!("{path}.type"), &source["type"], HOST_PATH_TYPES);
}

fn named(source: &Value, field: &str, path: &str, errors: &mut Errors) {
    if text(&source[field]).is_empty() {
        errors.required(&format!("{path}.{field}"), "");
    }
    mode(&source["defaultMode"], &format!("{path}.defaultMode"), errors);
    items(source, path, errors);
}

fn mode(value: &Value, path: &str, errors: &mut Errors) {
    if value.as_i64().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        errors.invalid(path, value, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}

fn items(source: &Value, path: &str, errors: &mut Errors) {
    for (index, item) in list(&source["items"]).iter().enumerate() {
        let path = format!("{path}.items[{index}]");
        if text(&item["key"]).is_empty() {
            errors.required(&format!("{path}.key"), "");
        }
        item_path(item, &path, errors);
    }
}

fn item_path(item: &Value, path: &str, errors: &mut Errors) {
    if text(&item["path"]).is_empty() {
        errors.required(&format!("{path}.path"), "");
    } else {
        errors.format(&format!("{path}.path"), &item["path"], names::local_path);
        if text(&item["path"]).starts_with("..") {
            errors.invalid(&format!("{path}.path"), &item["path"], "must not start with '..'");
        }
    }
    mode(&item["mode"], &format!("{path}.mode"), errors);
}

fn files(source: &Value, path: &str, errors: &mut Errors) {
    for (index, file) in list(&source["items"]).iter().enumerate() {
        let path = format!("{path}.items[{index}]");
        item_path(file, &path, errors);
        match (file["fieldRef"].is_object(), file["resourceFieldRef"].is_object()) {
            (true, true) => {
                errors.invalid(
                    &path,
                    &"resource".into(),
                    "fieldRef and resourceFieldRef can not be specified simultaneously",
                );
            }
            (true, false) => field_path(&file["fieldRef"], &format!("{path}.fieldRef"), FILE_FIELDS, errors),
            (false, true) => {}
            (false, false) => errors.required(&path, "one of fieldRef and resourceFieldRef is required"),
        }
    }
}

fn projected(source: &Value, path: &str, errors: &mut Errors) {
    mode(&source["defaultMode"], &format!("{path}.defaultMode"), errors);
    let mut paths = HashSet::new();
    for (index, part) in list(&source["sources"]).iter().enumerate() {
        let path = format!("{path}.sources[{index}]");
        for kind in ["configMap", "secret"] {
            if part[kind].is_object() {
                let path = format!("{path}.{kind}");
                if text(&part[kind]["name"]).is_empty() {
                    errors.required(&format!("{path}.name"), "");
                }
                items(&part[kind], &path, errors);
            }
        }
        if part["downwardAPI"].is_object() {
            files(&part["downwardAPI"], &format!("{path}.downwardAPI"), errors);
        }
        let token = &part["serviceAccountToken"];
        if token.is_object() {
            let path = format!("{path}.serviceAccountToken");
            if text(&token["path"]).is_empty() {
                errors.required(&format!("{path}.path"), "");
            }
            if token["expirationSeconds"].as_i64().is_some_and(|seconds| seconds < 600) {
                let detail = "may not specify a duration less than 10 minutes";
                errors.invalid(&format!("{path}.expirationSeconds"), &token["expirationSeconds"], detail);
            }
        }
        let own =
            ["configMap", "secret", "downwardAPI"].into_iter().flat_map(|kind| list(&part[kind]["items"]));
        for item in own.map(|item| &item["path"]).chain([&token["path"]]).filter(|path| path.is_string()) {
            if !paths.insert(text(item)) {
                errors.invalid(&path, item, "conflicting duplicate paths");
            }
        }
    }
}
