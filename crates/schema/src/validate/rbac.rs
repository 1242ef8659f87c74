//! Roles and their bindings.

use super::{Errors, at, list, names, same, text};
use serde_json::{Value, json};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn role(object: &Value, namespaced: bool, errors: &mut Errors) {
    for (index, rule) in list(&object["rules"]).iter().enumerate() {
        policy_rule(rule, &format!("rules[{index}]"), namespaced, errors);
    }
    for (index, selector) in list(&object["aggregationRule"]["clusterRoleSelectors"]).iter().enumerate() {
        super::selector::check(selector, &format!("aggregationRule.clusterRoleSelectors[{index}]"), errors);
    }
    if object["aggregationRule"].is_object()
        && list(&object["aggregationRule"]["clusterRoleSelectors"]).is_empty()
    {
        errors.required(
            "aggregationRule.clusterRoleSelectors",
            "at least one clusterRoleSelector required if aggregationRule is non-nil",
        );
    }
}

fn policy_rule(rule: &Value, path: &str, namespaced: bool, errors: &mut Errors) {
    let is_empty = |field: &str| list(&rule[field]).is_empty();
    if is_empty("verbs") {
        errors.required(&at(path, "verbs"), "verbs must contain at least one value");
    }
    if !is_empty("nonResourceURLs") {
        let (field, urls) = (at(path, "nonResourceURLs"), &rule["nonResourceURLs"]);
        if namespaced {
            errors.invalid(&field, urls, "namespaced rules cannot apply to non-resource URLs");
        }
        if !["apiGroups", "resources", "resourceNames"].into_iter().all(is_empty) {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            errors.invalid(&field, urls, detail);
        }
        return;
    }
    if is_empty("apiGroups") {
        errors.required(&at(path, "apiGroups"), "resource rules must supply at least one api group");
    }
    if is_empty("resources") {
        errors.required(&at(path, "resources"), "resource rules must supply at least one resource");
    }
}

pub(super) fn binding(object: &Value, old: Option<&Value>, namespaced: bool, errors: &mut Errors) {
    let role = &object["roleRef"];
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    one_of_or_none("roleRef.apiGroup", &role["apiGroup"], &[GROUP], errors);
    one_of_or_none("roleRef.kind", &role["kind"], kinds, errors);
    errors.required_format("roleRef.name", &role["name"], names::path_segment);
    for (index, subject) in list(&object["subjects"]).iter().enumerate() {
        self::subject(subject, &format!("subjects[{index}]"), namespaced, errors);
    }
    if old.is_some_and(|old| !same(&old["roleRef"], role)) {
        let shown = json!({ "APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"] });
        errors.add("roleRef", "FieldValueInvalid", format!("Invalid value: {shown}: cannot change roleRef"));
    }
}

/// None is not among them either.
fn one_of_or_none(field: &str, value: &Value, supported: &[&str], errors: &mut Errors) {
    if !supported.contains(&text(value)) {
        errors.unsupported(field, &text(value).into(), supported);
    }
}

fn subject(subject: &Value, path: &str, namespaced: bool, errors: &mut Errors) {
    let name = at(path, "name");
    errors.required_text(&name, &subject["name"]);
    match text(&subject["kind"]) {
        "ServiceAccount" => {
            errors.optional(&name, &subject["name"], names::subdomain);
            if !text(&subject["apiGroup"]).is_empty() {
                errors.unsupported(&at(path, "apiGroup"), &subject["apiGroup"], &[""]);
            }
            if !namespaced {
                errors.required_text(&at(path, "namespace"), &subject["namespace"]);
            }
        }
        kind @ ("User" | "Group") => {
            if text(&subject["name"]).is_empty() {
                let detail = format!("{} name cannot be empty", kind.to_lowercase());
                errors.invalid(&name, &"".into(), &detail);
            }
            one_of_or_none(&at(path, "apiGroup"), &subject["apiGroup"], &[GROUP], errors);
        }
        kind => errors.unsupported(&at(path, "kind"), &kind.into(), &["ServiceAccount", "User", "Group"]),
    }
}
