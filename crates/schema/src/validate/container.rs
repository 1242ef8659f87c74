//! Containers.

use super::{Errors, entries, list, names, probe, same, text};
use crate::quantity::Quantity;
use serde_json::Value;
use std::collections::HashSet;

/// What containers of a pod may refer to.
pub(super) struct Pod<'a> {
    pub(super) volumes: HashSet<&'a str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Init,
    Main,
}

/// `seen` are the names of the containers before this one.
pub(super) fn check<'a>(
    container: &'a Value,
    path: &str,
    role: Role,
    pod: &Pod<'_>,
    seen: &mut HashSet<&'a str>,
    errors: &mut Errors,
) {
    let (name, name_path) = (&container["name"], format!("{path}.name"));
    if text(name).is_empty() {
        errors.required(&name_path, "");
    } else {
        errors.format(&name_path, name, names::label);
        if !seen.insert(text(name)) {
            errors.duplicate(&name_path, name);
        }
    }
    image(container, path, errors);
    errors.required_one_of(
        &format!("{path}.terminationMessagePolicy"),
        &container["terminationMessagePolicy"],
        &["FallbackToLogsOnError", "File"],
    );
    ports(container, path, errors);
    env(container, path, errors);
    mounts(container, path, pod, errors);
    let sidecar = container["restartPolicy"] == "Always";
    if role == Role::Init && !sidecar {
        for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if container[field].is_object() {
                let detail = "may not be set for init containers without restartPolicy=Always";
                errors.forbidden(&format!("{path}.{field}"), detail);
            }
        }
    } else {
        probe::probes(container, path, errors);
        probe::hooks(container, path, errors);
    }
    resources(&container["resources"], &format!("{path}.resources"), errors);
    security(&container["securityContext"], &format!("{path}.securityContext"), errors);
}

fn image(container: &Value, path: &str, errors: &mut Errors) {
    let image = text(&container["image"]);
    let field = format!("{path}.image");
    if image.is_empty() {
        errors.required(&field, "");
    } else if image.trim() != image {
        errors.invalid(&field, &container["image"], "must not have leading or trailing whitespace");
    }
    let policies = ["Always", "IfNotPresent", "Never"];
    errors.required_one_of(&format!("{path}.imagePullPolicy"), &container["imagePullPolicy"], &policies);
}

fn ports(container: &Value, path: &str, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (index, port) in list(&container["ports"]).iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        if let Some(name) = port["name"].as_str().filter(|name| !name.is_empty()) {
            errors.format(&format!("{path}.name"), &port["name"], names::port_name);
            if !seen.insert(name) {
                errors.duplicate(&format!("{path}.name"), &port["name"]);
            }
        }
        if port["containerPort"].as_i64().unwrap_or_default() == 0 {
            errors.required(&format!("{path}.containerPort"), "");
        } else {
            errors.port(&format!("{path}.containerPort"), &port["containerPort"]);
        }
        if port["hostPort"].as_i64().is_some_and(|number| number != 0) {
            errors.port(&format!("{path}.hostPort"), &port["hostPort"]);
        }
        errors.required_one_of(&format!("{path}.protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]);
    }
}

fn env(container: &Value, path: &str, errors: &mut Errors) {
    for (index, variable) in list(&container["env"]).iter().enumerate() {
        let path = format!("{path}.env[{index}]");
        if text(&variable["name"]).is_empty() {
            errors.required(&format!("{path}.name"), "");
        } else {
            errors.format(&format!("{path}.name"), &variable["name"], names::variable);
        }
        if variable["valueFrom"].is_object() {
            source(variable, &format!("{path}.valueFrom"), errors);
        }
    }
    for (index, from) in list(&container["envFrom"]).iter().enumerate() {
        let path = format!("{path}.envFrom[{index}]");
        if !text(&from["prefix"]).is_empty() {
            errors.format(&format!("{path}.prefix"), &from["prefix"], names::variable);
        }
        let given: Vec<&str> =
            ["configMapRef", "secretRef"].into_iter().filter(|kind| from[*kind].is_object()).collect();
        match given.as_slice() {
            [kind] => {
                if text(&from[*kind]["name"]).is_empty() {
                    errors.required(&format!("{path}.{kind}.name"), "");
                }
            }
            [] => errors.invalid(&path, &"".into(), "must specify one of: `configMapRef` or `secretRef`"),
            _ => errors.invalid(&path, &"".into(), "may not have more than one field specified at a time"),
        }
    }
}

fn source(variable: &Value, path: &str, errors: &mut Errors) {
    let from = &variable["valueFrom"];
    let kinds = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
    let given: Vec<&str> = kinds.into_iter().filter(|kind| from[*kind].is_object()).collect();
    if given.is_empty() {
        let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        errors.invalid(path, &"".into(), detail);
    } else if !text(&variable["value"]).is_empty() {
        errors.invalid(path, &"".into(), "may not be specified when `value` is not empty");
    } else if given.len() > 1 {
        errors.invalid(path, &"".into(), "may not have more than one field specified at a time");
    }
    for kind in given {
        let (selector, path) = (&from[kind], format!("{path}.{kind}"));
        match kind {
            "configMapKeyRef" | "secretKeyRef" => {
                if text(&selector["name"]).is_empty() {
                    errors.required(&format!("{path}.name"), "");
                }
                if text(&selector["key"]).is_empty() {
                    errors.required(&format!("{path}.key"), "");
                } else {
                    errors.format(&format!("{path}.key"), &selector["key"], names::config_key);
                }
            }
            "fieldRef" => field_path(selector, &path, FIELDS, errors),
            "resourceFieldRef" if text(&selector["resource"]).is_empty() => {
                errors.required(&format!("{path}.resource"), "");
            }
            _ => {}
        }
    }
}

const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// What a file of a downward API volume may show.
pub(super) const FILE_FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];

pub(super) fn field_path(selector: &Value, path: &str, known: &[&str], errors: &mut Errors) {
    let (field, path) = (text(&selector["fieldPath"]), format!("{path}.fieldPath"));
    let subscript =
        ["metadata.labels['", "metadata.annotations['"].iter().any(|start| field.starts_with(start));
    if field.is_empty() {
        errors.required(&path, "");
    } else if !(known.contains(&field) || subscript && field.ends_with("']")) {
        errors.unsupported(&path, &selector["fieldPath"], known);
    }
}

fn mounts(container: &Value, path: &str, pod: &Pod<'_>, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (index, mount) in list(&container["volumeMounts"]).iter().enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        if text(&mount["name"]).is_empty() {
            errors.required(&format!("{path}.name"), "");
        } else if !pod.volumes.contains(text(&mount["name"])) {
            errors.not_found(&format!("{path}.name"), &mount["name"]);
        }
        let place = text(&mount["mountPath"]);
        if place.is_empty() {
            errors.required(&format!("{path}.mountPath"), "");
        } else if !seen.insert(place) {
            errors.invalid(&format!("{path}.mountPath"), &mount["mountPath"], "must be unique");
        }
        for field in ["subPath", "subPathExpr"] {
            errors.format(&format!("{path}.{field}"), &mount[field], names::local_path);
        }
        if !text(&mount["subPath"]).is_empty() && !text(&mount["subPathExpr"]).is_empty() {
            errors.invalid(
                &format!("{path}.subPathExpr"),
                &mount["subPathExpr"],
                "subPathExpr and subPath are mutually exclusive",
            );
        }
        let modes = ["Bidirectional", "HostToContainer", "None"];
        errors.one_of(&format!("{path}.mountPropagation"), &mount["mountPropagation"], &modes);
    }
}

pub(super) fn resources(resources: &Value, path: &str, errors: &mut Errors) {
    let parsed = |value: &Value| Quantity::parse(text(value));
    for side in ["limits", "requests"] {
        for (name, value) in entries(&resources[side]) {
            let path = format!("{path}.{side}[{name}]");
            let shown = name.as_str().into();
            errors.format(&path, &shown, names::qualified);
            if !name.contains('/') && !is_standard(name) {
                errors.invalid(&path, &shown, "must be a standard resource type or fully qualified");
                errors.invalid(&path, &shown, "must be a standard resource for containers");
            }
            match parsed(value) {
                Some(quantity) if quantity.nanos() < 0 => {
                    errors.invalid(&path, value, "must be greater than or equal to 0");
                }
                Some(_) => {}
                None => errors.invalid(
                    &path,
                    value,
                    &format!("quantities must match the regular expression '{}'", super::QUANTITY),
                ),
            }
        }
    }
    for (name, request) in entries(&resources["requests"]) {
        let limit = &resources["limits"][name.as_str()];
        let (Some(asked), Some(most)) = (parsed(request), parsed(limit)) else { continue };
        let path = format!("{path}.requests");
        if asked.nanos() > most.nanos() {
            let detail = format!("must be less than or equal to {name} limit of {}", text(limit));
            errors.invalid(&path, request, &detail);
        }
    }
}

fn is_standard(resource: &str) -> bool {
    matches!(resource, "cpu" | "memory" | "ephemeral-storage") || resource.starts_with("hugepages-")
}

fn security(context: &Value, path: &str, errors: &mut Errors) {
    for field in ["runAsUser", "runAsGroup"] {
        identity(&context[field], &format!("{path}.{field}"), errors);
    }
    if context["allowPrivilegeEscalation"] == false {
        let detail = if context["privileged"] == true {
            "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        } else if list(&context["capabilities"]["add"]).iter().any(|capability| capability == "CAP_SYS_ADMIN")
        {
            "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        } else {
            return;
        };
        errors.invalid(path, context, detail);
    }
}

pub(super) fn identity(value: &Value, path: &str, errors: &mut Errors) {
    if value.as_i64().is_some_and(|id| !(0..=i64::from(i32::MAX)).contains(&id)) {
        errors.invalid(path, value, "must be between 0 and 2147483647, inclusive");
    }
}

/// Whether containers differ in nothing but images.
pub(super) fn differ_in_images_only(new: &[Value], old: &[Value]) -> bool {
    new.len() == old.len()
        && new.iter().zip(old).all(|(new, old)| {
            let mut new = new.clone();
            new["image"] = old["image"].clone();
            same(&new, old)
        })
}
