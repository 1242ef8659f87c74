//! CustomResourceDefinitions: names, versions, columns, and that their schemas are structural (KEP-1111 and the
//! documentation of structural schemas). The rules in CEL are looked at where they are compiled.

mod nested;
mod openapi;
mod structure;

use super::{Errors, list, names, same, text};
use serde_json::Value;

pub(super) fn check(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let spec = &object["spec"];
    identity(object, errors);
    approval(object, errors);
    group_and_scope(spec, errors);
    versions(spec, errors);
    all_names(&spec["names"], errors);
    conversion(&spec["conversion"], errors);
    if spec["preserveUnknownFields"] == true {
        errors.invalid("spec.preserveUnknownFields", &spec["preserveUnknownFields"], "must be false");
    }
    stored_versions(object, errors);
    if let Some(old) = old {
        changes(spec, old, errors);
    }
}

fn identity(object: &Value, errors: &mut Errors) {
    let name = &object["metadata"]["name"];
    let names = &object["spec"]["names"];
    if text(name) != format!("{}.{}", text(&names["plural"]), text(&object["spec"]["group"])) {
        errors.invalid("metadata.name", name, "must be spec.names.plural+\".\"+spec.group");
    }
}

/// Groups of Kubernetes' own need a word of its maintainers.
fn approval(object: &Value, errors: &mut Errors) {
    const ANNOTATION: &str = "api-approved.kubernetes.io";
    let group = text(&object["spec"]["group"]);
    let protected = group.ends_with(".k8s.io") || group.ends_with(".kubernetes.io");
    let field = format!("metadata.annotations[{ANNOTATION}]");
    let given = &object["metadata"]["annotations"][ANNOTATION];
    if !protected || text(given).starts_with("unapproved") {
        return;
    }
    if text(given).is_empty() {
        let detail = format!(
            "protected groups must have approval annotation {ANNOTATION:?}, see https://github.com/kubernetes/enhancements/pull/1111"
        );
        errors.required(&field, &detail);
    } else if !text(given).contains("://") {
        let detail = format!(
            "protected groups must have approval annotation {ANNOTATION:?} with either a URL or a reason starting with \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111"
        );
        errors.invalid(&field, given, &detail);
    }
}

fn group_and_scope(spec: &Value, errors: &mut Errors) {
    let group = &spec["group"];
    if text(group).is_empty() {
        errors.required("spec.group", "");
    } else if !names::subdomain(text(group)).is_empty() {
        errors.format("spec.group", group, names::subdomain);
    } else if !text(group).contains('.') {
        errors.invalid("spec.group", group, "should be a domain with at least one dot");
    }
    errors.required_one_of("spec.scope", &spec["scope"], &["Cluster", "Namespaced"]);
}

fn versions(spec: &Value, errors: &mut Errors) {
    let versions = list(&spec["versions"]);
    for (index, version) in versions.iter().enumerate() {
        let field = format!("spec.versions[{index}]");
        errors.required_format(&format!("{field}.name"), &version["name"], names::service_name);
        if !version["deprecationWarning"].is_null() && version["deprecated"] != true {
            let detail = "can only be set for deprecated versions";
            errors.invalid(&format!("{field}.deprecationWarning"), &version["deprecationWarning"], detail);
        }
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_object() {
            let path = format!("{field}.schema.openAPIV3Schema");
            if version["subresources"]["status"].is_object() {
                openapi::beside_status(schema, &path, errors);
            }
            openapi::check(schema, &path, errors);
            structure::check(schema, &path, errors);
        } else {
            errors.required(&format!("{field}.schema.openAPIV3Schema"), "schemas are required");
        }
        for (number, column) in list(&version["additionalPrinterColumns"]).iter().enumerate() {
            self::column(column, &format!("{field}.additionalPrinterColumns[{number}]"), errors);
        }
        scale(&version["subresources"]["scale"], &format!("{field}.subresources.scale"), errors);
    }
    let mut known = std::collections::HashSet::new();
    if !versions.iter().all(|version| known.insert(text(&version["name"]))) {
        errors.invalid("spec.versions", &spec["versions"], "must contain unique version names");
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.invalid("spec.versions", &spec["versions"], detail);
    }
}

fn column(column: &Value, field: &str, errors: &mut Errors) {
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    errors.required_text(&format!("{field}.name"), &column["name"]);
    let detail = format!("must be one of {}", TYPES.join(","));
    match column["type"].as_str() {
        None | Some("") => errors.required(&format!("{field}.type"), &detail),
        Some(given) if !TYPES.contains(&given) => {
            errors.invalid(&format!("{field}.type"), &column["type"], &detail);
        }
        Some(_) => {}
    }
    const FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
    let format = &column["format"];
    if !text(format).is_empty() && !FORMATS.contains(&text(format)) {
        let detail = format!("must be one of {}", FORMATS.join(","));
        errors.invalid(&format!("{field}.format"), format, &detail);
    }
    // Upstream names the field as its type does.
    json_path(
        &column["jsonPath"],
        "",
        "must be a simple json path starting with .",
        &format!("{field}.JSONPath"),
        errors,
    );
}

fn scale(scale: &Value, field: &str, errors: &mut Errors) {
    if !scale.is_object() {
        return;
    }
    for (name, under) in [("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")] {
        let detail = format!("should be a json path under {}", under.trim_end_matches('.'));
        json_path(&scale[name], under, &detail, &format!("{field}.{name}"), errors);
    }
    let selector = &scale["labelSelectorPath"];
    if !text(selector).is_empty()
        && ![".spec.", ".status."].iter().any(|under| text(selector).starts_with(under))
    {
        errors.invalid(
            &format!("{field}.labelSelectorPath"),
            selector,
            "should be a json path under either .spec or .status",
        );
    }
}

fn json_path(path: &Value, under: &str, detail: &str, field: &str, errors: &mut Errors) {
    if text(path).is_empty() {
        errors.required(field, "");
    } else if !text(path).starts_with('.') {
        errors.invalid(field, path, "must be a simple json path starting with .");
    } else if !text(path).starts_with(under) {
        errors.invalid(field, path, detail);
    }
}

fn all_names(given: &Value, errors: &mut Errors) {
    for field in ["plural", "singular", "kind", "listKind"] {
        if text(&given[field]).is_empty() {
            errors.required(&format!("spec.names.{field}"), "");
        }
    }
    for field in ["plural", "singular"] {
        errors.optional(&format!("spec.names.{field}"), &given[field], names::service_name);
    }
    for field in ["kind", "listKind"] {
        let problems = names::service_name(&text(&given[field]).to_lowercase());
        if !text(&given[field]).is_empty() && !problems.is_empty() {
            let detail = format!("may have mixed case, but should otherwise match: {}", problems.join(","));
            errors.invalid(&format!("spec.names.{field}"), &given[field], &detail);
        }
    }
    for field in ["shortNames", "categories"] {
        for (index, name) in list(&given[field]).iter().enumerate() {
            errors.format(&format!("spec.names.{field}[{index}]"), name, names::service_name);
        }
    }
    if !text(&given["kind"]).is_empty() && given["kind"] == given["listKind"] {
        errors.invalid("spec.names.listKind", &given["listKind"], "kind and listKind may not be the same");
    }
}

fn conversion(conversion: &Value, errors: &mut Errors) {
    errors.required_one_of("spec.conversion.strategy", &conversion["strategy"], &["None", "Webhook"]);
    let webhook = &conversion["webhook"];
    if conversion["strategy"] != "Webhook" {
        if webhook.is_object() {
            errors.forbidden(
                "spec.conversion.webhook",
                "should not be set when strategy is not set to Webhook",
            );
        }
        return;
    }
    if !webhook["clientConfig"].is_object() {
        errors.required("spec.conversion.webhookClientConfig", "required when strategy is set to Webhook");
    }
    if list(&webhook["conversionReviewVersions"]).is_empty() {
        errors.required("spec.conversion.conversionReviewVersions", "");
    }
}

fn stored_versions(object: &Value, errors: &mut Errors) {
    let versions = list(&object["spec"]["versions"]);
    for (index, stored) in list(&object["status"]["storedVersions"]).iter().enumerate() {
        if !versions.iter().any(|version| version["name"] == *stored) {
            errors.invalid(&format!("status.storedVersions[{index}]"), stored, "missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions".replace("v1", text(stored)).as_str());
        }
    }
}

/// What clients rely on once the kind is served.
fn changes(spec: &Value, old: &Value, errors: &mut Errors) {
    let was = &old["spec"];
    let established = list(&old["status"]["conditions"])
        .iter()
        .any(|condition| condition["type"] == "Established" && condition["status"] == "True");
    errors.immutable("spec.group", &spec["group"], &was["group"]);
    errors.immutable("spec.names.plural", &spec["names"]["plural"], &was["names"]["plural"]);
    if established && !same(&spec["scope"], &was["scope"]) {
        errors.immutable("spec.scope", &spec["scope"], &was["scope"]);
    }
    if established {
        errors.immutable("spec.names.kind", &spec["names"]["kind"], &was["names"]["kind"]);
    }
}
