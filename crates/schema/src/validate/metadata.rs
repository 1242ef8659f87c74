//! Names, labels, annotations: the same rules for every kind.

use super::{Errors, entries, list, names, text};
use serde_json::Value;

pub(super) fn check(resource: &str, object: &Value, old: Option<&Value>, errors: &mut Errors) {
    common(object, old, format_of(resource), has_own_types(resource), errors);
}

/// Of a custom kind.
pub(super) fn custom(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    common(object, old, names::subdomain, false, errors);
}

fn common(
    object: &Value,
    old: Option<&Value>,
    format: fn(&str) -> Vec<String>,
    has_own_types: bool,
    errors: &mut Errors,
) {
    let metadata = &object["metadata"];
    if let Some(prefix) = metadata["generateName"].as_str().filter(|prefix| !prefix.is_empty()) {
        // What is appended starts with a letter or digit, so that a dash at the end is well.
        for problem in format(&format!("{}a", prefix.trim_end_matches('-'))) {
            errors.invalid("metadata.generateName", &metadata["generateName"], &problem);
        }
    }
    if text(&metadata["name"]).is_empty() {
        if text(&metadata["generateName"]).is_empty() {
            errors.required("metadata.name", "name or generateName is required");
        }
    } else {
        errors.format("metadata.name", &metadata["name"], format);
    }
    labels(&metadata["labels"], "metadata.labels", errors);
    annotations(&metadata["annotations"], "metadata.annotations", errors);
    owners(list(&metadata["ownerReferences"]), errors);
    for (index, finalizer) in list(&metadata["finalizers"]).iter().enumerate() {
        let field = format!("metadata.finalizers[{index}]");
        errors.format(&field, finalizer, names::qualified);
        if has_own_types {
            standard_finalizer(&field, finalizer, errors);
        }
    }
    if let Some(old) = old {
        for field in ["name", "namespace", "uid", "creationTimestamp"] {
            let (new, old) = (&metadata[field], &old["metadata"][field]);
            if !new.is_null() && !old.is_null() {
                errors.immutable(&format!("metadata.{field}"), new, old);
            }
        }
    }
}

fn owners(references: &[Value], errors: &mut Errors) {
    const FIELD: &str = "metadata.ownerReferences";
    let mut controller: Option<String> = None;
    for reference in references {
        let api_version = text(&reference["apiVersion"]);
        for (field, what) in [("apiVersion", "version"), ("kind", "kind"), ("name", "name"), ("uid", "uid")] {
            if text(&reference[field]).is_empty() {
                let value = reference[field].as_str().unwrap_or_default().into();
                errors.invalid(&format!("{FIELD}.{field}"), &value, &format!("{what} must not be empty"));
            }
        }
        if api_version == "v1" && reference["kind"] == "Event" {
            errors.invalid(FIELD, reference, "/v1, Kind=Event is disallowed from being an owner");
        }
        if reference["controller"] != true {
            continue;
        }
        let name = format!("{}/{}", text(&reference["kind"]), text(&reference["name"]));
        match &controller {
            Some(first) => {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
                );
                errors.invalid(FIELD, &references.into(), &detail);
            }
            None => controller = Some(name),
        }
    }
}

/// Groups whose kinds are validated by the code of the API server's own types.
fn has_own_types(resource: &str) -> bool {
    let group = resource.split_once('/').map_or("", |(group, _)| group);
    !matches!(
        group,
        "admissionregistration.k8s.io" | "apiextensions.k8s.io" | "coordination.k8s.io" | "policy"
    )
}

/// A finalizer that is not qualified is one of upstream's own.
pub(super) fn standard_finalizer(field: &str, finalizer: &Value, errors: &mut Errors) {
    let name = text(finalizer);
    if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
        errors.invalid(
            field,
            finalizer,
            "name is neither a standard finalizer name nor is it fully qualified",
        );
    }
}

/// How objects of a resource may be called.
fn format_of(resource: &str) -> fn(&str) -> Vec<String> {
    match resource {
        "namespaces" => names::label,
        "services" => names::service_name,
        "certificates.k8s.io/certificatesigningrequests" => names::subdomain,
        _ if resource.starts_with("rbac.authorization.k8s.io/") => names::path_segment,
        _ => names::subdomain,
    }
}

pub(super) fn labels(labels: &Value, path: &str, errors: &mut Errors) {
    for (key, value) in entries(labels) {
        errors.format(path, &key.as_str().into(), names::qualified);
        errors.format(path, value, names::label_value);
    }
}

pub(super) fn annotations(annotations: &Value, path: &str, errors: &mut Errors) {
    const MOST: usize = 256 << 10;
    let mut size = 0;
    for (key, value) in entries(annotations) {
        size += key.len() + text(value).len();
        for problem in names::qualified(&key.to_lowercase()) {
            errors.invalid(path, &key.as_str().into(), &problem);
        }
    }
    if size > MOST {
        errors.too_long(path, MOST);
    }
}
