//! Configurations of webhooks, and [`policies`]: their structure. Their expressions are not compiled.

mod policies;

pub(super) use policies::{binding, mutating_binding, mutating_policy, policy};

use super::{Errors, at, list, names, selector, text};
use serde_json::Value;
use std::collections::HashSet;

const VERSIONS: &[&str] = &["v1", "v1beta1"];

pub(super) fn webhooks(object: &Value, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (index, hook) in list(&object["webhooks"]).iter().enumerate() {
        let path = format!("webhooks[{index}]");
        webhook(hook, &path, errors);
        review_versions(hook, &path, errors);
        let name = text(&hook["name"]);
        if !name.is_empty() && !seen.insert(name) {
            errors.duplicate(&at(&path, "name"), &hook["name"]);
        }
    }
}

fn webhook(hook: &Value, path: &str, errors: &mut Errors) {
    errors.required_format(&at(path, "name"), &hook["name"], names::fully_qualified);
    for (index, rule) in list(&hook["rules"]).iter().enumerate() {
        self::rule(rule, &format!("{path}.rules[{index}]"), errors);
    }
    errors.one_of(&at(path, "failurePolicy"), &hook["failurePolicy"], &["Fail", "Ignore"]);
    errors.one_of(&at(path, "matchPolicy"), &hook["matchPolicy"], &["Equivalent", "Exact"]);
    let effects = &hook["sideEffects"];
    if effects.is_null() {
        errors.required(&at(path, "sideEffects"), "must specify one of None, NoneOnDryRun");
    }
    errors.one_of(&at(path, "sideEffects"), effects, &["None", "NoneOnDryRun"]);
    let timeout = &hook["timeoutSeconds"];
    if timeout.as_i64().is_some_and(|seconds| !(1..=30).contains(&seconds)) {
        let detail = "the timeout value must be between 1 and 30 seconds";
        errors.invalid(&at(path, "timeoutSeconds"), timeout, detail);
    }
    for field in ["namespaceSelector", "objectSelector"] {
        selector::check(&hook[field], &at(path, field), errors);
    }
    errors.one_of(&at(path, "reinvocationPolicy"), &hook["reinvocationPolicy"], &["IfNeeded", "Never"]);
    client(&hook["clientConfig"], &at(path, "clientConfig"), errors);
    conditions(list(&hook["matchConditions"]), &at(path, "matchConditions"), errors);
}

fn client(client: &Value, path: &str, errors: &mut Errors) {
    let (url, service) = (&client["url"], &client["service"]);
    if url.is_null() == service.is_null() {
        errors.required(path, "exactly one of url or service is required");
    } else if let Some(url) = url.as_str() {
        webhook_url(url, &at(path, "url"), errors);
    } else {
        let path = at(path, "service");
        errors.required_text(&at(&path, "name"), &service["name"]);
        errors.required_text(&at(&path, "namespace"), &service["namespace"]);
        if let Some(url) = service["path"].as_str() {
            service_path(url, &at(&path, "path"), errors);
        }
        let port = &service["port"];
        if port.as_i64().is_some_and(|port| !(1..=65_535).contains(&port)) {
            let detail = "port is not valid: must be between 1 and 65535, inclusive";
            errors.invalid(&at(&path, "port"), port, detail);
        }
    }
}

fn webhook_url(url: &str, field: &str, errors: &mut Errors) {
    const FORM: &str = "; desired format: https://host[/path]";
    let shown = url.into();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    if scheme != "https" {
        let detail = format!("'https' is the only allowed URL scheme{FORM}");
        errors.invalid(field, &shown, &detail);
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        errors.invalid(field, &shown, &format!("host must be specified{FORM}"));
    }
    if host.contains('@') {
        errors.invalid(field, &shown, "user information is not permitted in the URL");
    }
    if rest.contains('#') {
        errors.invalid(field, &shown, "fragments are not permitted in the URL");
    }
    if rest.contains('?') {
        errors.invalid(field, &shown, "query parameters are not permitted in the URL");
    }
}

fn service_path(path: &str, field: &str, errors: &mut Errors) {
    let shown = path.into();
    if !path.starts_with('/') {
        errors.invalid(field, &shown, "must start with a '/'");
        return;
    }
    if path == "/" {
        return;
    }
    let inner = path[1..].strip_suffix('/').unwrap_or(&path[1..]);
    for (index, part) in inner.split('/').enumerate() {
        if part.is_empty() {
            errors.invalid(field, &shown, &format!("segment[{index}] may not be empty"));
            continue;
        }
        for problem in names::subdomain(part) {
            errors.invalid(field, &shown, &format!("segment[{index}]: {problem}"));
        }
    }
}

fn review_versions(hook: &Value, path: &str, errors: &mut Errors) {
    let (versions, field) = (list(&hook["admissionReviewVersions"]), at(path, "admissionReviewVersions"));
    if versions.is_empty() {
        errors.required(&field, "must specify one of v1, v1beta1");
        return;
    }
    for (index, version) in versions.iter().enumerate() {
        let field = format!("{field}[{index}]");
        if versions[..index].contains(version) {
            errors.invalid(&field, version, "duplicate version");
        } else {
            errors.format(&field, version, names::service_name);
        }
    }
    if !versions.iter().any(|version| VERSIONS.contains(&text(version))) {
        let detail = "must include at least one of v1, v1beta1";
        errors.invalid(&field, &hook["admissionReviewVersions"], detail);
    }
}

const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];

pub(super) fn rule(rule: &Value, path: &str, errors: &mut Errors) {
    let starred =
        |field: &str| list(&rule[field]).len() > 1 && list(&rule[field]).iter().any(|word| word == "*");
    let operations = list(&rule["operations"]);
    if operations.is_empty() {
        errors.required(&at(path, "operations"), "");
    }
    if starred("operations") {
        let detail = "if '*' is present, must not specify other operations";
        errors.invalid(&at(path, "operations"), &rule["operations"], detail);
    }
    for (index, operation) in operations.iter().enumerate() {
        errors.one_of(&format!("{path}.operations[{index}]"), operation, OPERATIONS);
    }
    for (field, words) in [("apiGroups", "API groups"), ("apiVersions", "API versions")] {
        if list(&rule[field]).is_empty() {
            errors.required(&at(path, field), "");
        }
        if starred(field) {
            let detail = format!("if '*' is present, must not specify other {words}");
            errors.invalid(&at(path, field), &rule[field], &detail);
        }
    }
    for (index, version) in list(&rule["apiVersions"]).iter().enumerate() {
        errors.required_text(&format!("{path}.apiVersions[{index}]"), version);
    }
    resources(&rule["resources"], &at(path, "resources"), errors);
    errors.one_of(&at(path, "scope"), &rule["scope"], &["*", "Cluster", "Namespaced"]);
}

fn resources(resources: &Value, path: &str, errors: &mut Errors) {
    let all = list(resources);
    if all.is_empty() {
        errors.required(path, "");
    }
    let (mut of_resource, mut of_subresource) = (HashSet::new(), HashSet::new());
    let mut plain = false;
    for (index, resource) in all.iter().enumerate() {
        let (word, field) = (text(resource), format!("{path}[{index}]"));
        if word.is_empty() {
            errors.required(&field, "");
            continue;
        }
        let Some((name, sub)) = word.split_once('/') else {
            plain = word != "*";
            continue;
        };
        if of_resource.contains(name) {
            let detail = format!("if '{name}/*' is present, must not specify {word}");
            errors.invalid(&field, resource, &detail);
        }
        if of_subresource.contains(sub) {
            let detail = format!("if '*/{sub}' is present, must not specify {word}");
            errors.invalid(&field, resource, &detail);
        }
        if sub == "*" {
            of_resource.insert(name);
        }
        if name == "*" {
            of_subresource.insert(sub);
        }
    }
    if all.len() > 1 && all.iter().any(|word| word == "*/*") {
        errors.invalid(path, resources, "if '*/*' is present, must not specify other resources");
    }
    if plain && all.iter().any(|word| word == "*") {
        let detail = "if '*' is present, must not specify other resources without subresources";
        errors.invalid(path, resources, detail);
    }
}

pub(super) const MOST_CONDITIONS: usize = 64;

pub(super) fn conditions(conditions: &[Value], path: &str, errors: &mut Errors) {
    if conditions.len() > MOST_CONDITIONS {
        errors.too_many(path, conditions.len(), MOST_CONDITIONS);
    }
    let mut seen = HashSet::new();
    for (index, condition) in conditions.iter().enumerate() {
        let path = format!("{path}[{index}]");
        errors.required_text(&at(&path, "expression"), &condition["expression"]);
        errors.required_format(&at(&path, "name"), &condition["name"], names::qualified);
        if !text(&condition["name"]).is_empty() && !seen.insert(text(&condition["name"])) {
            errors.duplicate(&at(&path, "name"), &condition["name"]);
        }
    }
}
