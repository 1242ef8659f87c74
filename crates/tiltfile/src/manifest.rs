//! Kubernetes objects as values: who they are, which pods they make, which images they name.

use crate::plan::SecretValue;
use serde_json::Value;
use std::collections::BTreeMap;

/// Why a text is no YAML: in the words of Tilt's reader, and where and how to mend it in ours.
pub(crate) struct YamlError {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl From<String> for YamlError {
    fn from(message: String) -> YamlError {
        YamlError { message, hint: None }
    }
}

/// The documents of a YAML stream.
pub(crate) fn parse_stream(text: &str) -> Result<Vec<Value>, YamlError> {
    yaml::parse_documents(text).map_err(|e| YamlError {
        message: format!("error converting YAML to JSON: {}", e.upstream()),
        hint: Some(e.to_string()),
    })
}

pub(crate) fn emit(value: &Value) -> String {
    yaml::to_string(value)
}

/// The objects of a YAML stream, lists flattened.
pub fn parse_objects(text: &str) -> Result<Vec<Value>, String> {
    objects_of(text).map_err(|e| e.message)
}

pub(crate) fn objects_of(text: &str) -> Result<Vec<Value>, YamlError> {
    let mut objects = Vec::new();
    for document in parse_stream(text)? {
        flatten(document, &mut objects)?;
    }
    Ok(objects)
}

fn flatten(object: Value, out: &mut Vec<Value>) -> Result<(), String> {
    if object.is_null() {
        return Ok(());
    }
    let (kind, version) = version_and_kind(&object)?;
    if kind.is_empty() {
        return Err(format!("Object 'Kind' is missing in '{}'", sorted(&object)));
    }
    if kind.ends_with("List") && object.get("items").is_some_and(Value::is_array) {
        let Some(Value::Array(items)) = object.get("items").cloned() else { return Ok(()) };
        for item in items {
            flatten(item, out)?;
        }
        return Ok(());
    }
    if let Some(at) = broken_base64(&object) {
        return Err(format!(
            "decoding Secret {:?}: illegal base64 data at input byte {at}",
            Id::of(&object).name
        ));
    }
    if version.is_empty() {
        return Err(format!("Object 'apiVersion' is missing in '{}'", sorted(&object)));
    }
    out.push(object);
    Ok(())
}

/// The two fields that every object has, or what Go's decoder says of something else.
fn version_and_kind(object: &Value) -> Result<(&str, &str), String> {
    const WANTED: &str = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
    let failed = |what: &Value, whither: &str| {
        let kind = match what {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {kind} into Go {whither}"
        )
    };
    let Some(fields) = object.as_object() else {
        return Err(failed(object, &format!("value of type {WANTED}")));
    };
    let field = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(other) => Err(failed(other, &format!("struct field .{name} of type string"))),
    };
    Ok((field("kind")?, field("apiVersion")?))
}

/// As Go writes it: the keys of maps in order.
fn sorted(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            let map: BTreeMap<&String, &Value> = map.iter().collect();
            let fields = map.into_iter().map(|(k, v)| format!("{}:{}", Value::from(k.as_str()), sorted(v)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

pub(crate) fn text<'o>(object: &'o Value, field: &str) -> &'o str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Who an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) group: String,
}

impl Id {
    pub(crate) fn of(object: &Value) -> Id {
        let metadata = object.get("metadata");
        let field = |name: &str| {
            metadata.and_then(|m| m.get(name)).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let name = match field("name") {
            name if name.is_empty() => field("generateName"),
            name => name,
        };
        Id {
            name,
            kind: text(object, "kind").to_owned(),
            namespace: field("namespace"),
            group: text(object, "apiVersion").split_once('/').map(|(g, _)| g).unwrap_or_default().to_owned(),
        }
    }

    /// `name:kind:namespace:group`, the first `parts` of it, lower case; colons in the name are escaped.
    pub(crate) fn fragment(&self, parts: usize) -> String {
        let escape = |s: &str| s.to_lowercase().replace('\\', "\\\\").replace(':', "\\:");
        let namespace = if self.namespace.is_empty() && !is_cluster_scoped(&self.kind) {
            "default"
        } else {
            self.namespace.as_str()
        };
        let group = if self.group.is_empty() { "core" } else { self.group.as_str() };
        [self.name.as_str(), self.kind.as_str(), namespace, group]
            .into_iter()
            .take(parts)
            .map(escape)
            .collect::<Vec<_>>()
            .join(":")
    }
}

/// Whether the kind is one of Kubernetes' own, of which clients know all fields.
pub(crate) fn is_of_kubernetes(object: &Value) -> bool {
    const GROUPS: [&str; 12] = [
        "admissionregistration.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    ];
    let (group, _) = text(object, "apiVersion").split_once('/').unwrap_or_default();
    !group.contains('.') || GROUPS.contains(&group)
}

pub(crate) fn is_cluster_scoped(kind: &str) -> bool {
    matches!(
        kind,
        "Namespace"
            | "Node"
            | "PersistentVolume"
            | "ClusterRole"
            | "ClusterRoleBinding"
            | "CustomResourceDefinition"
            | "StorageClass"
            | "PriorityClass"
            | "IngressClass"
            | "MutatingWebhookConfiguration"
            | "ValidatingWebhookConfiguration"
            | "APIService"
            | "CSIDriver"
            | "PodSecurityPolicy"
            | "RuntimeClass"
    )
}

/// Where the pods of an object are written: the part that has `metadata` and `spec`.
pub(crate) fn pod_template(object: &Value) -> Option<&Value> {
    let path = match text(object, "kind") {
        "Pod" => "",
        "CronJob" => "/spec/jobTemplate/spec/template",
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicationController" => {
            "/spec/template"
        }
        "PodTemplate" => "/template",
        _ => return None,
    };
    object.pointer(path)
}

/// Labels of the pods that an object makes.
pub(crate) fn pod_labels(object: &Value) -> BTreeMap<&str, &str> {
    let labels = pod_template(object).and_then(|t| t.pointer("/metadata/labels")).and_then(Value::as_object);
    labels.into_iter().flatten().filter_map(|(k, v)| Some((k.as_str(), v.as_str()?))).collect()
}

/// The `selector` of a Service.
pub(crate) fn service_selector(object: &Value) -> Option<BTreeMap<&str, &str>> {
    if text(object, "kind") != "Service" {
        return None;
    }
    let selector = object.pointer("/spec/selector")?.as_object()?;
    Some(selector.iter().filter_map(|(k, v)| Some((k.as_str(), v.as_str()?))).collect())
}

/// Image references in an object's pods.
pub(crate) fn container_images(object: &Value) -> Vec<&str> {
    let Some(spec) = pod_template(object).and_then(|t| t.get("spec")) else { return Vec::new() };
    let mut images = Vec::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in spec.get(list).and_then(Value::as_array).into_iter().flatten() {
            images.extend(container.get("image").and_then(Value::as_str));
        }
    }
    for volume in spec.get("volumes").and_then(Value::as_array).into_iter().flatten() {
        images.extend(volume.pointer("/image/reference").and_then(Value::as_str));
    }
    images
}

/// Values of environment variables in an object's pods: any may name an image.
pub(crate) fn env_values(object: &Value) -> Vec<&str> {
    let Some(spec) = pod_template(object).and_then(|t| t.get("spec")) else { return Vec::new() };
    let mut values = Vec::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in spec.get(list).and_then(Value::as_array).into_iter().flatten() {
            for variable in container.get("env").and_then(Value::as_array).into_iter().flatten() {
                values.extend(variable.get("value").and_then(Value::as_str));
            }
        }
    }
    values
}

/// The place of a kind in the order of applying; deleting goes the other way.
pub fn apply_order(kind: &str) -> usize {
    const FIRST: [&str; 22] = [
        "Namespace",
        "ResourceQuota",
        "StorageClass",
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "ServiceAccount",
        "PodSecurityPolicy",
        "Role",
        "ClusterRole",
        "RoleBinding",
        "ClusterRoleBinding",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "ConfigMap",
        "Secret",
        "Service",
        "LimitRange",
        "PriorityClass",
        "Deployment",
        "StatefulSet",
        "CronJob",
        "PodDisruptionBudget",
    ];
    const LAST: [&str; 1] = ["ValidatingWebhookConfiguration"];
    if LAST.contains(&kind) {
        return FIRST.len() + 1;
    }
    FIRST.iter().position(|k| *k == kind).unwrap_or(FIRST.len())
}

/// Values of a Secret, as (name, key, value in plain text).
pub(crate) fn secret_values(object: &Value) -> Vec<SecretValue> {
    if text(object, "kind") != "Secret" {
        return Vec::new();
    }
    let name = Id::of(object).name;
    let entries = |field: &str| object.get(field).and_then(Value::as_object).into_iter().flatten();
    let plain = entries("stringData").filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())));
    let encoded = entries("data").filter_map(|(k, v)| Some((k.clone(), decode_base64(v.as_str()?)?)));
    plain.chain(encoded).map(|(key, value)| SecretValue { name: name.clone(), key, value }).collect()
}

/// Where a value of a Secret is no base64.
fn broken_base64(object: &Value) -> Option<usize> {
    if text(object, "kind") != "Secret" || text(object, "apiVersion") != "v1" {
        return None;
    }
    let values = object.get("data")?.as_object()?.values().filter_map(Value::as_str);
    values
        .filter_map(|value| {
            let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'\r' | b'\n');
            let bytes = value.as_bytes();
            let end = bytes.iter().position(|c| !plain(*c)).unwrap_or(bytes.len());
            let digits = bytes[..end].iter().filter(|c| !c.is_ascii_whitespace()).count();
            let padding = bytes[end..].iter().filter(|c| !c.is_ascii_whitespace()).count();
            let padded = bytes[end..].iter().all(|c| *c == b'=' || c.is_ascii_whitespace());
            let whole = padded && (digits + padding).is_multiple_of(4) && padding < 3;
            (!whole).then_some(end)
        })
        .next()
}

/// `None` if it is not base64 of UTF-8.
pub(crate) fn decode_base64(text: &str) -> Option<String> {
    let (mut bits, mut count, mut out) = (0u32, 0, Vec::new());
    for c in text.bytes().filter(|c| !c.is_ascii_whitespace() && *c != b'=') {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    String::from_utf8(out).ok()
}
