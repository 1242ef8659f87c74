//! Pods and their templates.

use super::container::{self, Pod, Role, differ_in_images_only, identity};
use super::{Errors, list, metadata, names, same, text, volume};
use serde_json::Value;
use std::collections::HashSet;

pub(super) fn check(pod: &Value, old: Option<&Value>, errors: &mut Errors) {
    spec(&pod["spec"], "spec", errors);
    match old {
        Some(old) => update(&pod["spec"], &old["spec"], errors),
        None if !list(&pod["spec"]["ephemeralContainers"]).is_empty() => {
            errors.forbidden("spec.ephemeralContainers", "cannot be set on create");
        }
        None => {}
    }
}

/// A template of pods; `path` leads to it.
pub(super) fn template(template: &Value, path: &str, errors: &mut Errors) {
    metadata::labels(&template["metadata"]["labels"], &format!("{path}.metadata.labels"), errors);
    metadata::annotations(
        &template["metadata"]["annotations"],
        &format!("{path}.metadata.annotations"),
        errors,
    );
    spec(&template["spec"], &format!("{path}.spec"), errors);
}

fn spec(spec: &Value, path: &str, errors: &mut Errors) {
    let at = |field: &str| format!("{path}.{field}");
    let volumes = volume::check(list(&spec["volumes"]), &at("volumes"), errors);
    let pod = Pod { volumes };
    let mut seen = HashSet::new();
    if list(&spec["containers"]).is_empty() {
        errors.required(&at("containers"), "");
    }
    for (field, role) in [("containers", Role::Main), ("initContainers", Role::Init)] {
        for (index, container) in list(&spec[field]).iter().enumerate() {
            container::check(container, &format!("{path}.{field}[{index}]"), role, &pod, &mut seen, errors);
        }
    }
    host_ports(spec, path, errors);
    errors.required_one_of(&at("restartPolicy"), &spec["restartPolicy"], &["Always", "OnFailure", "Never"]);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    errors.required_one_of(&at("dnsPolicy"), &spec["dnsPolicy"], &policies);
    if spec["dnsPolicy"] == "None" && list(&spec["dnsConfig"]["nameservers"]).is_empty() {
        let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        errors.required(&at("dnsConfig.nameservers"), detail);
    }
    metadata::labels(&spec["nodeSelector"], &at("nodeSelector"), errors);
    for field in ["serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"] {
        if !text(&spec[field]).is_empty() {
            errors.format(&at(field), &spec[field], names::subdomain);
        }
    }
    for field in ["hostname", "subdomain"] {
        if !text(&spec[field]).is_empty() {
            errors.format(&at(field), &spec[field], names::label);
        }
    }
    errors.not_negative(&at("terminationGracePeriodSeconds"), &spec["terminationGracePeriodSeconds"]);
    let deadline = &spec["activeDeadlineSeconds"];
    if deadline.as_i64().is_some_and(|seconds| !(1..=i64::from(i32::MAX)).contains(&seconds)) {
        errors.invalid(&at("activeDeadlineSeconds"), deadline, "must be between 1 and 2147483647, inclusive");
    }
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        identity(&spec["securityContext"][field], &at(&format!("securityContext.{field}")), errors);
    }
    tolerations(spec, path, errors);
}

/// Two containers cannot have the same port of the node.
fn host_ports(spec: &Value, path: &str, errors: &mut Errors) {
    let mut taken = HashSet::new();
    for (index, container) in list(&spec["containers"]).iter().enumerate() {
        for (place, port) in list(&container["ports"]).iter().enumerate() {
            let number = port["hostPort"].as_i64().unwrap_or_default();
            if number == 0 {
                continue;
            }
            let key = format!("{}/{}/{number}", text(&port["protocol"]), text(&port["hostIP"]));
            if !taken.insert(key.clone()) {
                errors.duplicate(&format!("{path}.containers[{index}].ports[{place}].hostPort"), &key.into());
            }
        }
    }
}

fn tolerations(spec: &Value, path: &str, errors: &mut Errors) {
    for (index, toleration) in list(&spec["tolerations"]).iter().enumerate() {
        let path = format!("{path}.tolerations[{index}]");
        if !text(&toleration["key"]).is_empty() {
            errors.format(&format!("{path}.key"), &toleration["key"], names::qualified);
        } else if !matches!(text(&toleration["operator"]), "Exists") {
            let detail =
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid(&format!("{path}.operator"), &toleration["operator"], detail);
        }
        match text(&toleration["operator"]) {
            "" | "Equal" | "Gt" | "Lt" => {}
            "Exists" if text(&toleration["value"]).is_empty() => {}
            "Exists" => {
                errors.invalid(
                    &format!("{path}.operator"),
                    &toleration["value"],
                    "value must be empty when `operator` is 'Exists'",
                );
            }
            _ => {
                errors.unsupported(&format!("{path}.operator"), &toleration["operator"], &["Equal", "Exists"])
            }
        }
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        if !text(&toleration["effect"]).is_empty() {
            errors.one_of(&format!("{path}.effect"), &toleration["effect"], &effects);
        }
    }
}

const UPDATE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

fn update(new: &Value, old: &Value, errors: &mut Errors) {
    for field in ["containers", "initContainers"] {
        if list(&new[field]).len() != list(&old[field]).len() {
            errors.forbidden(&format!("spec.{field}"), "pod updates may not add or remove containers");
            return;
        }
        if !differ_in_images_only(list(&new[field]), list(&old[field])) {
            errors.forbidden("spec", UPDATE);
            return;
        }
    }
    let (before, now) = (&old["activeDeadlineSeconds"], &new["activeDeadlineSeconds"]);
    let shortened = match (before.as_i64(), now.as_i64()) {
        (Some(before), Some(now)) => now <= before,
        (Some(_), None) => false,
        (None, _) => true,
    };
    if !shortened {
        errors.invalid("spec.activeDeadlineSeconds", now, "must be less than or equal to previous value");
    }
    let kept = list(&old["tolerations"]).iter().all(|toleration| {
        list(&new["tolerations"]).iter().any(|new| {
            let mut new = new.clone();
            new["tolerationSeconds"] = toleration["tolerationSeconds"].clone();
            same(&new, toleration)
        })
    });
    // Binding is an update too: it gives the node. Gates are taken away by their owners.
    let free = ["containers", "initContainers", "activeDeadlineSeconds", "tolerations", "schedulingGates"];
    let mut fields: Vec<&String> =
        [new, old].into_iter().filter_map(Value::as_object).flat_map(|spec| spec.keys()).collect();
    fields.retain(|field| !free.contains(&field.as_str()));
    let changed = fields.into_iter().any(|field| {
        let (new, old) = (&new[field.as_str()], &old[field.as_str()]);
        let allowed = match field.as_str() {
            "nodeName" => text(old).is_empty(),
            "terminationGracePeriodSeconds" => old.as_i64().is_some_and(|before| before < 0) && *new == 1,
            _ => false,
        };
        !same(new, old) && !allowed
    });
    if changed || !kept {
        errors.forbidden("spec", UPDATE);
    }
}
