//! Pods, and the templates of them.

use super::{child, is_unset, items, set};
use serde_json::{Map, Value, json};

/// File mode 0644.
const MODE: i32 = 0o644;

pub(super) fn pod(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    self::spec(spec);
    // Only pods get these, templates do not.
    set(spec, "enableServiceLinks", true);
    let host_network = spec["hostNetwork"] == true;
    for list in ["initContainers", "containers"] {
        for container in items(spec, list) {
            requests_from_limits(container);
            if host_network {
                items(container, "ports").for_each(|port| {
                    let number = port["containerPort"].clone();
                    if port.get("hostPort").is_none_or(|port| port == 0) && number.is_number() {
                        port["hostPort"] = number;
                    }
                });
            }
        }
    }
}

pub(super) fn template(template: &mut Value) {
    if !template.is_object() {
        return;
    }
    child(template, "metadata");
    if let Some(spec) = template.get_mut("spec").filter(|spec| spec.is_object()) {
        self::spec(spec);
    }
}

fn spec(spec: &mut Value) {
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        items(spec, list).for_each(container);
    }
    items(spec, "volumes").for_each(volume);
    set(spec, "restartPolicy", "Always");
    set(spec, "terminationGracePeriodSeconds", 30);
    set(spec, "dnsPolicy", "ClusterFirst");
    child(spec, "securityContext");
    set(spec, "schedulerName", "default-scheduler");
    // The old name and the new one say the same.
    if let Some(account) = ["serviceAccountName", "serviceAccount"]
        .iter()
        .find_map(|name| spec.get(*name).filter(|value| !is_unset(Some(value))).cloned())
    {
        set(spec, "serviceAccountName", account.clone());
        set(spec, "serviceAccount", account);
    }
}

fn container(container: &mut Value) {
    if !container.is_object() {
        return;
    }
    if let Some(image) = container.get("image").and_then(Value::as_str) {
        let policy = if is_latest(image) { "Always" } else { "IfNotPresent" };
        set(container, "imagePullPolicy", policy);
    } else {
        set(container, "imagePullPolicy", "IfNotPresent");
    }
    child(container, "resources");
    set(container, "terminationMessagePath", "/dev/termination-log");
    set(container, "terminationMessagePolicy", "File");
    items(container, "ports").for_each(|port| set(port, "protocol", "TCP"));
    for source in items(container, "env").filter_map(|env| env.get_mut("valueFrom")) {
        field_and_resource(source);
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name).filter(|probe| probe.is_object()) {
            self::probe(probe);
        }
    }
    for name in ["postStart", "preStop"] {
        if let Some(handler) = container.get_mut("lifecycle").and_then(|hooks| hooks.get_mut(name)) {
            http_get(handler);
        }
    }
}

/// Whether an image's tag is `latest`, as it is when neither tag nor digest is named.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn probe(probe: &mut Value) {
    http_get(probe);
    if let Some(grpc) = probe.get_mut("grpc").and_then(Value::as_object_mut) {
        grpc.entry("service").or_insert_with(|| "".into());
    }
    for (name, value) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        if probe[name].is_null() || probe[name] == 0 {
            probe[name] = value.into();
        }
    }
}

fn http_get(handler: &mut Value) {
    if let Some(get) = handler.get_mut("httpGet").filter(|get| get.is_object()) {
        set(get, "path", "/");
        set(get, "scheme", "HTTP");
    }
}

/// Of an environment variable, or of a file of a downward API volume.
fn field_and_resource(source: &mut Value) {
    if let Some(field) = source.get_mut("fieldRef").filter(|field| field.is_object()) {
        set(field, "apiVersion", "v1");
    }
    if let Some(resource) = source.get_mut("resourceFieldRef").filter(|field| field.is_object()) {
        set(resource, "divisor", "0");
    }
}

fn volume(volume: &mut Value) {
    let Some(fields) = volume.as_object_mut() else { return };
    if fields.keys().all(|name| name == "name") {
        fields.insert("emptyDir".into(), json!({}));
    }
    for name in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = fields.get_mut(name).filter(|source| source.is_object()) {
            set(source, "defaultMode", MODE);
        }
    }
    if let Some(source) = fields.get_mut("downwardAPI") {
        items(source, "items").for_each(field_and_resource);
    }
    if let Some(projected) = fields.get_mut("projected") {
        for source in items(projected, "sources") {
            if let Some(token) = source.get_mut("serviceAccountToken").filter(|token| token.is_object()) {
                set(token, "expirationSeconds", 3600);
            }
            if let Some(downward) = source.get_mut("downwardAPI") {
                items(downward, "items").for_each(field_and_resource);
            }
        }
    }
    if let Some(path) = fields.get_mut("hostPath").filter(|path| path.is_object()) {
        set(path, "type", "");
    }
    if let Some(spec) =
        fields.get_mut("ephemeral").and_then(|source| source.pointer_mut("/volumeClaimTemplate/spec"))
    {
        set(spec, "volumeMode", "Filesystem");
    }
    if let Some(image) = fields.get_mut("image").filter(|image| image.is_object()) {
        let latest = image["reference"].as_str().is_some_and(is_latest);
        set(image, "pullPolicy", if latest { "Always" } else { "IfNotPresent" });
    }
}

/// What is limited and not requested is requested as limited.
fn requests_from_limits(container: &mut Value) {
    let Some(resources) = container.get_mut("resources") else { return };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).filter(|limits| !limits.is_empty())
    else {
        return;
    };
    let limits: Map<String, Value> = limits.clone();
    let Some(requests) = child(resources, "requests") else { return };
    for (name, limit) in limits {
        if requests.get(&name).is_none() {
            requests[name] = limit;
        }
    }
}
