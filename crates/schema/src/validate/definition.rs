//! CustomResourceDefinitions: names, versions, columns, and that their schemas are structural (KEP-1111 and the
//! documentation of structural schemas). The rules in CEL are looked at where they are compiled.

mod nested;

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
            structural(schema, &format!("{field}.schema.openAPIV3Schema"), errors);
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
    json_path(
        &column["jsonPath"],
        "",
        "must be a simple json path starting with .",
        &format!("{field}.jsonPath"),
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
    } else if !text(path).starts_with('.') || !text(path).starts_with(under) {
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

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// Of OpenAPI, and not of structural schemas.
const UNSUPPORTED: [&str; 4] = ["$ref", "definitions", "dependencies", "patternProperties"];

fn structural(schema: &Value, field: &str, errors: &mut Errors) {
    match schema["type"].as_str() {
        None | Some("") => errors.required(&format!("{field}.type"), "must not be empty at the root"),
        Some("object") => {}
        Some(_) => errors.invalid(&format!("{field}.type"), &schema["type"], "must be object at the root"),
    }
    let metadata = &schema["properties"]["metadata"];
    let more = metadata["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .any(|(name, _)| !matches!(name.as_str(), "name" | "generateName"));
    if more {
        errors.forbidden(
            &format!("{field}.properties[metadata]"),
            "must not specify anything other than name and generateName, but metadata is implicitly specified",
        );
    }
    if schema["additionalProperties"].is_object() || schema["additionalProperties"] == true {
        errors.forbidden(&format!("{field}.additionalProperties"), "must not be used at the root");
    }
    node(schema, field, errors);
}

/// What a schema that stands somewhere in another one says about itself.
fn node(schema: &Value, field: &str, errors: &mut Errors) {
    for name in UNSUPPORTED {
        if !schema[name].is_null() {
            errors.forbidden(&format!("{field}.{name}"), &format!("{name} is not supported"));
        }
    }
    if schema["uniqueItems"] == true {
        errors.forbidden(
            &format!("{field}.uniqueItems"),
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        );
    }
    errors.one_of(&format!("{field}.type"), &schema["type"], &TYPES);
    if schema["x-kubernetes-int-or-string"] == true && !text(&schema["type"]).is_empty() {
        errors.invalid(
            &format!("{field}.type"),
            &schema["type"],
            "must be empty if x-kubernetes-int-or-string is true",
        );
    }
    let (properties, others) = (&schema["properties"], &schema["additionalProperties"]);
    if properties.as_object().is_some_and(|fields| !fields.is_empty())
        && !others.is_null()
        && *others != false
    {
        errors.forbidden(
            &format!("{field}.additionalProperties"),
            "additionalProperties and properties are mutual exclusive",
        );
    }
    lists(schema, field, errors);
    maps(schema, field, errors);
    embedded(schema, field, errors);
    nested::check(schema, field, errors);
    for (name, below) in properties.as_object().into_iter().flatten() {
        child(
            below,
            &format!("{field}.properties[{name}]"),
            "must not be empty for specified object fields",
            errors,
        );
    }
    if others.is_object() {
        let field = format!("{field}.additionalProperties");
        child(others, &field, "must not be empty for specified object fields", errors);
    }
    if schema["items"].is_object() {
        child(
            &schema["items"],
            &format!("{field}.items"),
            "must not be empty for specified array items",
            errors,
        );
    } else if schema["items"].is_array() {
        errors.forbidden(&format!("{field}.items"), "items must be a schema object and not an array");
    }
}

fn child(schema: &Value, field: &str, detail: &str, errors: &mut Errors) {
    let any = schema["x-kubernetes-int-or-string"] == true
        || schema["x-kubernetes-preserve-unknown-fields"] == true;
    if text(&schema["type"]).is_empty() && !any {
        errors.required(&format!("{field}.type"), detail);
    }
    node(schema, field, errors);
}

fn lists(schema: &Value, field: &str, errors: &mut Errors) {
    let (kind, keys) = (&schema["x-kubernetes-list-type"], list(&schema["x-kubernetes-list-map-keys"]));
    if schema["type"] == "array" && !schema["items"].is_object() && !schema["items"].is_array() {
        errors.required(&format!("{field}.items"), "must be specified");
    }
    let at = format!("{field}.x-kubernetes-list-type");
    errors.one_of(&at, kind, &["atomic", "map", "set"]);
    if !kind.is_null() && schema["type"] != "array" {
        errors.invalid(
            &format!("{field}.type"),
            &schema["type"],
            "must be array if x-kubernetes-list-type is specified",
        );
    }
    let at = format!("{field}.x-kubernetes-list-map-keys");
    if *kind != "map" {
        if !keys.is_empty() {
            let kind = if kind.is_null() { super::NIL.into() } else { kind.clone() };
            errors.invalid(
                &format!("{field}.x-kubernetes-list-type"),
                &kind,
                "must be map if x-kubernetes-list-map-keys is non-empty",
            );
        }
        return;
    }
    if keys.is_empty() {
        errors.required(&at, "must not be empty if x-kubernetes-list-type is map");
    }
    for (index, key) in keys.iter().enumerate() {
        let known = &schema["items"]["properties"][text(key)];
        if !known.is_object() {
            errors.invalid(&format!("{at}[{index}]"), key, "entries must all be names of item properties");
        } else if matches!(text(&known["type"]), "array" | "object") {
            let at = format!("{field}.items.properties[{}].type", text(key));
            errors.invalid(
                &at,
                &known["type"],
                "must be a scalar type if parent array's x-kubernetes-list-type is map",
            );
        }
    }
}

fn maps(schema: &Value, field: &str, errors: &mut Errors) {
    let kind = &schema["x-kubernetes-map-type"];
    errors.one_of(&format!("{field}.x-kubernetes-map-type"), kind, &["atomic", "granular"]);
    if !kind.is_null() && schema["type"] != "object" {
        errors.invalid(
            &format!("{field}.type"),
            &schema["type"],
            "must be object if x-kubernetes-map-type is specified",
        );
    }
}

/// Objects within objects, and numbers that may be texts.
fn embedded(schema: &Value, field: &str, errors: &mut Errors) {
    const EMBEDDED: &str = "x-kubernetes-embedded-resource";
    const KEEPS: &str = "x-kubernetes-preserve-unknown-fields";
    if schema["x-kubernetes-int-or-string"] == true {
        for name in [KEEPS, EMBEDDED].into_iter().filter(|name| schema[*name] == true) {
            let detail = "must be false if x-kubernetes-int-or-string is true";
            errors.invalid(&format!("{field}.{name}"), &schema[name], detail);
        }
    }
    if schema[EMBEDDED] != true {
        return;
    }
    let detail = "must be object if x-kubernetes-embedded-resource is true";
    match text(&schema["type"]) {
        "object" => {}
        "" => errors.required(&format!("{field}.type"), detail),
        _ => errors.invalid(&format!("{field}.type"), &schema["type"], detail),
    }
    if !schema["additionalProperties"].is_null() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.forbidden(&format!("{field}.additionalProperties"), detail);
    }
    let has_fields = schema["properties"].as_object().is_some_and(|fields| !fields.is_empty());
    if schema[KEEPS] != true && !has_fields {
        errors.required(
            &format!("{field}.properties"),
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        );
    }
}
