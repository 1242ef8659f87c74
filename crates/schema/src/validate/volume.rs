//! Volumes of pods.

use super::container::{self, FILE_FIELDS};
use super::{Errors, at, claim, entries, list, metadata, names, source, text};
use crate::quantity::Quantity;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// The volumes that are well, by name.
pub(super) type Volumes<'a> = HashMap<&'a str, &'a Value>;

/// `pod` is the name of the pod, if there is one.
pub(super) fn check<'a>(volumes: &'a [Value], pod: &str, path: &str, errors: &mut Errors) -> Volumes<'a> {
    let mut known = HashMap::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let before = errors.found.len();
        source(volume, pod, &path, errors);
        let (name, field) = (text(&volume["name"]), at(&path, "name"));
        errors.required_format(&field, &volume["name"], names::label);
        if known.contains_key(name) {
            errors.duplicate(&field, &volume["name"]);
        }
        if errors.found.len() == before {
            known.insert(name, volume);
        }
        let claim = &volume["persistentVolumeClaim"]["claimName"];
        let made = |other: &&Value| {
            other["ephemeral"].is_object() && text(claim) == format!("{pod}-{}", text(&other["name"]))
        };
        if claim.is_string() && !pod.is_empty() && volumes.iter().any(|other| made(&other)) {
            let detail = "must not reference a PVC that gets created for an ephemeral volume";
            errors.invalid(&at(&path, "persistentVolumeClaim.claimName"), claim, detail);
        }
    }
    known
}

/// The sources, in the order in which upstream looks at them.
const SOURCES: &[&str] = &[
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];

fn source(volume: &Value, pod: &str, path: &str, errors: &mut Errors) {
    let mut count = 0;
    for kind in SOURCES.iter().filter(|kind| volume[**kind].is_object()) {
        let (source, own) = (&volume[*kind], at(path, kind));
        count += 1;
        if count > 1 {
            errors.forbidden(&own, "may not specify more than 1 volume type");
            continue;
        }
        match *kind {
            "configMap" => named(source, "name", &own, errors),
            "secret" => named(source, "secretName", &own, errors),
            "gitRepo" => {
                errors.required_text(&at(&own, "repository"), &source["repository"]);
                errors.format(&at(&own, "directory"), &source["directory"], names::local_path);
            }
            "persistentVolumeClaim" => errors.required_text(&at(&own, "claimName"), &source["claimName"]),
            "downwardAPI" => {
                mode(&source["defaultMode"], &at(&own, "defaultMode"), errors);
                // Upstream tells of its files without their index.
                list(&source["items"]).iter().for_each(|item| file(item, &own, errors));
            }
            "projected" => projected(source, &own, errors),
            "emptyDir" => {
                if Quantity::parse(text(&source["sizeLimit"])).is_some_and(|limit| limit.nanos() < 0) {
                    let detail = "SizeLimit field must be a valid resource quantity";
                    errors.forbidden(&at(&own, "sizeLimit"), detail);
                }
            }
            "ephemeral" => ephemeral(volume, source, pod, path, errors),
            "image" => {
                errors.required_text(&at(&own, "reference"), &source["reference"]);
                let policies = ["Always", "IfNotPresent", "Never"];
                errors.one_of(&at(&own, "pullPolicy"), &source["pullPolicy"], &policies);
            }
            kind => source::check(kind, source, &own, errors),
        }
    }
    if count == 0 {
        errors.required(path, "must specify a volume type");
    }
}

fn ephemeral(volume: &Value, source: &Value, pod: &str, path: &str, errors: &mut Errors) {
    let (template, own) = (&source["volumeClaimTemplate"], at(path, "ephemeral.volumeClaimTemplate"));
    if !template.is_object() {
        errors.required(&own, "");
        return;
    }
    metadata::annotations(&template["metadata"]["annotations"], &at(&own, "metadata.annotations"), errors);
    metadata::labels(&template["metadata"]["labels"], &at(&own, "metadata.labels"), errors);
    for (field, _) in entries(&template["metadata"]) {
        if !matches!(field.as_str(), "annotations" | "labels" | "creationTimestamp") {
            errors.forbidden(&at(&own, &format!("metadata.{field}")), "cannot be set");
        }
    }
    claim::spec(&template["spec"], &at(&own, "spec"), errors);
    let name = text(&volume["name"]);
    if !pod.is_empty() && !name.is_empty() {
        let claim = format!("{pod}-{name}");
        for problem in names::subdomain(&claim) {
            errors.invalid(&at(path, "name"), &volume["name"], &format!("PVC name {claim:?}: {problem}"));
        }
    }
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
    errors.required_format(&at(path, "path"), &item["path"], names::unreserved_path);
    mode(&item["mode"], &format!("{path}.mode"), errors);
}

fn file(file: &Value, path: &str, errors: &mut Errors) {
    errors.required_format(&at(path, "path"), &file["path"], names::unreserved_path);
    match (file["fieldRef"].is_object(), file["resourceFieldRef"].is_object()) {
        (false, false) => errors.required(path, "one of fieldRef and resourceFieldRef is required"),
        (false, true) => {
            container::resource_field(&file["resourceFieldRef"], &at(path, "resourceFieldRef"), true, errors);
        }
        (true, both) => {
            container::field_path(&file["fieldRef"], &at(path, "fieldRef"), FILE_FIELDS, errors);
            if both {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.invalid(path, &"resource".into(), detail);
            }
        }
    }
    mode(&file["mode"], &at(path, "mode"), errors);
}

fn projected(source: &Value, path: &str, errors: &mut Errors) {
    mode(&source["defaultMode"], &at(path, "defaultMode"), errors);
    let mut paths = HashSet::new();
    let mut take = |place: &Value, shown: &Value, errors: &mut Errors| {
        if !text(place).is_empty() && !paths.insert(text(place).to_string()) {
            errors.invalid(path, shown, "conflicting duplicate paths");
        }
    };
    for (index, part) in list(&source["sources"]).iter().enumerate() {
        let own = format!("{path}.sources[{index}]");
        let mut count = 0;
        for kind in ["secret", "configMap"].into_iter().filter(|kind| part[*kind].is_object()) {
            count += 1;
            let own = at(&own, kind);
            errors.required_text(&at(&own, "name"), &part[kind]["name"]);
            items(&part[kind], &own, errors);
            list(&part[kind]["items"])
                .iter()
                .for_each(|item| take(&item["path"], &part[kind]["name"], errors));
        }
        if part["downwardAPI"].is_object() {
            count += 1;
            for item in list(&part["downwardAPI"]["items"]) {
                file(item, &at(&own, "downwardAPI"), errors);
                take(&item["path"], &item["path"], errors);
            }
        }
        let token = &part["serviceAccountToken"];
        if token.is_object() {
            count += 1;
            service_account_token(token, &at(&own, "serviceAccountToken"), errors);
            take(&token["path"], &token["path"], errors);
        }
        count +=
            ["clusterTrustBundle", "podCertificate"].iter().filter(|kind| part[**kind].is_object()).count();
        if count > 1 {
            errors.forbidden(&own, "may not specify more than 1 volume type");
        }
    }
}

fn service_account_token(token: &Value, path: &str, errors: &mut Errors) {
    let (seconds, field) = (&token["expirationSeconds"], at(path, "expirationSeconds"));
    if seconds.as_i64().is_some_and(|seconds| seconds < 600) {
        errors.invalid(&field, seconds, "may not specify a duration less than 10 minutes");
    }
    if seconds.as_i64().is_some_and(|seconds| seconds > 1 << 32) {
        errors.invalid(&field, seconds, "may not specify a duration larger than 2^32 seconds");
    }
    errors.required_format(&at(path, "path"), &token["path"], names::unreserved_path);
}
