//! Containers.

use super::volume::Volumes;
use super::{Errors, at, list, mounts, names, probe, resources, same, security, text};
use serde_json::Value;
use std::collections::HashSet;

/// What containers of a pod may refer to, and what of the pod is about them.
pub(super) struct Pod<'a> {
    pub(super) volumes: Volumes<'a>,
    pub(super) claims: Vec<&'a str>,
    pub(super) grace: Option<i64>,
    pub(super) restart: &'a str,
    pub(super) host_users: bool,
}

/// Regular containers; `seen` are the names of the containers before.
pub(super) fn regular<'a>(
    all: &'a [Value],
    path: &str,
    pod: &Pod<'_>,
    seen: &mut HashSet<&'a str>,
    errors: &mut Errors,
) {
    if all.is_empty() {
        errors.required(path, "");
    }
    for (index, container) in all.iter().enumerate() {
        let path = format!("{path}[{index}]");
        common(container, &path, pod, errors);
        unique(container, &path, seen, errors);
        probe::hooks(container, &path, pod.grace, errors);
        probe::probes(container, &path, errors);
    }
    host_ports(all, path, errors);
}

pub(super) fn init<'a>(
    all: &'a [Value],
    path: &str,
    pod: &Pod<'_>,
    seen: &mut HashSet<&'a str>,
    errors: &mut Errors,
) {
    for (index, container) in all.iter().enumerate() {
        let own = format!("{path}[{index}]");
        common(container, &own, pod, errors);
        let restarts = container["restartPolicy"] == "Always";
        unique(container, &own, seen, errors);
        host_ports(std::slice::from_ref(container), path, errors);
        if restarts {
            probe::hooks(container, &own, pod.grace, errors);
            probe::probes(container, &own, errors);
            continue;
        }
        for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if container[field].is_object() {
                let detail = "may not be set for init containers without restartPolicy=Always";
                errors.forbidden(&at(&own, field), detail);
            }
        }
    }
}

/// What a container for debugging may not have.
const NOT_EPHEMERAL: &[&str] = &[
    "ports",
    "resources",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
    "resizePolicy",
    "restartPolicy",
];

pub(super) fn ephemeral<'a>(
    all: &'a [Value],
    path: &str,
    pod: &Pod<'_>,
    seen: &mut HashSet<&'a str>,
    errors: &mut Errors,
) {
    const DETAIL: &str = "cannot be set for an Ephemeral Container";
    let others = seen.clone();
    for (index, container) in all.iter().enumerate() {
        let path = format!("{path}[{index}]");
        common(container, &path, pod, errors);
        padding(container, &path, errors);
        unique(container, &path, seen, errors);
        let target = &container["targetContainerName"];
        if !text(target).is_empty() && !others.contains(text(target)) {
            errors.not_found(&at(&path, "targetContainerName"), target);
        }
        for field in NOT_EPHEMERAL.iter().filter(|field| !super::is_nothing(&container[**field])) {
            errors.forbidden(&at(&path, field), DETAIL);
        }
        for (index, mount) in list(&container["volumeMounts"]).iter().enumerate() {
            for field in
                ["subPath", "subPathExpr"].into_iter().filter(|field| !text(&mount[*field]).is_empty())
            {
                errors.forbidden(&format!("{path}.volumeMounts[{index}].{field}"), DETAIL);
            }
        }
    }
}

fn unique<'a>(container: &'a Value, path: &str, seen: &mut HashSet<&'a str>, errors: &mut Errors) {
    let name = text(&container["name"]);
    if !name.is_empty() && !seen.insert(name) {
        errors.duplicate(&at(path, "name"), &container["name"]);
    }
}

/// Of containers in pods alone; templates are given what they always were.
pub(super) fn padding(container: &Value, path: &str, errors: &mut Errors) {
    let image = text(&container["image"]);
    if image.trim() != image {
        errors.invalid(
            &at(path, "image"),
            &container["image"],
            "must not have leading or trailing whitespace",
        );
    }
}

fn common(container: &Value, path: &str, pod: &Pod<'_>, errors: &mut Errors) {
    errors.required_format(&at(path, "name"), &container["name"], names::label);
    errors.required_text(&at(path, "image"), &container["image"]);
    let policies = ["File", "FallbackToLogsOnError"];
    let policy = &container["terminationMessagePolicy"];
    errors.required_one_of(&at(path, "terminationMessagePolicy"), policy, &policies);
    ports(container, path, errors);
    env(container, path, errors);
    env_from(container, path, errors);
    mounts::mounts(container, path, &pod.volumes, errors);
    mounts::devices(container, path, &pod.volumes, errors);
    let policies = ["Always", "IfNotPresent", "Never"];
    errors.required_one_of(&at(path, "imagePullPolicy"), &container["imagePullPolicy"], &policies);
    resources::check(&container["resources"], &pod.claims, &at(path, "resources"), errors);
    resize(list(&container["resizePolicy"]), pod.restart, &at(path, "resizePolicy"), errors);
    let context = &container["securityContext"];
    security::of_container(context, &at(path, "securityContext"), pod.host_users, errors);
}

fn resize(policies: &[Value], restart: &str, path: &str, errors: &mut Errors) {
    for (index, policy) in policies.iter().enumerate() {
        let (name, action) = (&policy["resourceName"], &policy["restartPolicy"]);
        if policies[..index].iter().any(|other| other["resourceName"] == *name) {
            errors.duplicate(&format!("{path}[{index}]"), name);
        }
        errors.required_one_of(path, name, &["cpu", "memory"]);
        errors.required_one_of(path, action, &["NotRequired", "RestartContainer"]);
        if restart == "Never" && action != "NotRequired" {
            errors.invalid(path, action, "must be 'NotRequired' when `restartPolicy` is 'Never'");
        }
    }
}

/// Two containers cannot have the same port of the node.
fn host_ports(containers: &[Value], path: &str, errors: &mut Errors) {
    let mut taken = HashSet::new();
    for (index, container) in containers.iter().enumerate() {
        for (place, port) in list(&container["ports"]).iter().enumerate() {
            let number = super::number(&port["hostPort"]);
            if number == 0 {
                continue;
            }
            let key = format!("{}/{}/{number}", text(&port["protocol"]), text(&port["hostIP"]));
            if !taken.insert(key.clone()) {
                errors.duplicate(&format!("{path}[{index}].ports[{place}].hostPort"), &key.into());
            }
        }
    }
}

fn ports(container: &Value, path: &str, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for (index, port) in list(&container["ports"]).iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        if let Some(name) = port["name"].as_str().filter(|name| !name.is_empty()) {
            errors.format(&format!("{path}.name"), &port["name"], names::port_name);
            if names::port_name(name).is_empty() && !seen.insert(name) {
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
        errors.required_format(&at(&path, "name"), &variable["name"], names::variable);
        if variable["valueFrom"].is_object() {
            source(variable, &at(&path, "valueFrom"), errors);
        }
    }
}

fn env_from(container: &Value, path: &str, errors: &mut Errors) {
    let path = at(path, "envFrom");
    for (index, from) in list(&container["envFrom"]).iter().enumerate() {
        let own = format!("{path}[{index}]");
        errors.optional(&at(&own, "prefix"), &from["prefix"], names::variable);
        let mut count = 0;
        for kind in ["configMapRef", "secretRef"].into_iter().filter(|kind| from[*kind].is_object()) {
            count += 1;
            errors.required_format(&format!("{own}.{kind}.name"), &from[kind]["name"], names::subdomain);
        }
        // Upstream tells of these without the index.
        if count == 0 {
            errors.invalid(&path, &"".into(), "must specify one of: `configMapRef` or `secretRef`");
        } else if count > 1 {
            errors.invalid(&path, &"".into(), "may not have more than one field specified at a time");
        }
    }
}

fn source(variable: &Value, path: &str, errors: &mut Errors) {
    let from = &variable["valueFrom"];
    let kinds = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
    let mut count = 0;
    for kind in kinds.into_iter().filter(|kind| from[*kind].is_object()) {
        count += 1;
        let (selector, path) = (&from[kind], at(path, kind));
        match kind {
            "configMapKeyRef" | "secretKeyRef" => {
                errors.format(&at(&path, "name"), &text(&selector["name"]).into(), names::subdomain);
                errors.required_format(&at(&path, "key"), &selector["key"], names::config_key);
            }
            "fieldRef" => field_path(selector, &path, FIELDS, errors),
            "resourceFieldRef" => resource_field(selector, &path, false, errors),
            _ => {}
        }
    }
    if count == 0 {
        let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        errors.invalid(path, &"".into(), detail);
    } else if !text(&variable["value"]).is_empty() {
        errors.invalid(path, &"".into(), "may not be specified when `value` is not empty");
    } else if count > 1 {
        errors.invalid(path, &"".into(), "may not have more than one field specified at a time");
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

/// What upstream knows of a pod, and shows nowhere.
const OTHER_FIELDS: &[&str] =
    &["spec.restartPolicy", "spec.schedulerName", "status.phase", "status.nominatedNodeName"];

pub(super) fn field_path(selector: &Value, path: &str, known: &[&str], errors: &mut Errors) {
    let (field, own) = (text(&selector["fieldPath"]), at(path, "fieldPath"));
    if field.is_empty() {
        errors.required(&own, "");
        return;
    }
    let subscript = field.strip_suffix("']").and_then(|field| field.split_once("['"));
    match subscript {
        Some(("metadata.annotations", key)) => {
            errors.format(path, &key.to_lowercase().into(), names::qualified);
        }
        Some(("metadata.labels", key)) => errors.format(path, &key.into(), names::qualified),
        Some((name, _)) if FIELDS.contains(&name) => {
            errors.invalid(path, &name.into(), "does not support subscript");
        }
        None if known.contains(&field) => {}
        // What pods do not have cannot even be converted.
        None if FIELDS.contains(&field) || FILE_FIELDS.contains(&field) || OTHER_FIELDS.contains(&field) => {
            errors.unsupported(&own, &selector["fieldPath"], known);
        }
        _ => {
            let detail = format!("error converting fieldPath: field label not supported: {field}");
            errors.invalid(&own, &selector["fieldPath"], &detail);
        }
    }
}

const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

const SIZES: &[&str] = &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

pub(super) fn resource_field(selector: &Value, path: &str, in_volume: bool, errors: &mut Errors) {
    let resource = text(&selector["resource"]);
    let huge = resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if in_volume && text(&selector["containerName"]).is_empty() {
        errors.required(&at(path, "containerName"), "");
    } else if resource.is_empty() {
        errors.required(&at(path, "resource"), "");
    } else if !RESOURCES.contains(&resource) && !huge {
        errors.unsupported(&at(path, "resource"), &selector["resource"], RESOURCES);
    }
    let divisor = text(&selector["divisor"]);
    if matches!(divisor, "" | "0") {
        return;
    }
    let what = match resource.split_once('.').map_or("", |(_, what)| what) {
        "cpu" => {
            if !matches!(divisor, "1" | "1m") {
                let detail = "only divisor's values 1m and 1 are supported with the cpu resource";
                errors.invalid(&at(path, "divisor"), &resource.into(), detail);
            }
            return;
        }
        "memory" => "memory",
        "ephemeral-storage" => "local ephemeral storage",
        _ if huge => "hugepages",
        _ => return,
    };
    if !SIZES.contains(&divisor) {
        let detail =
            format!("only divisor's values {} are supported with the {what} resource", SIZES.join(", "));
        errors.invalid(&at(path, "divisor"), &resource.into(), &detail);
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
