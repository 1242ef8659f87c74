//! Identity: group, version, kind, name, namespace; and which kinds have no namespace.

use std::fmt;

use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Gvk {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

impl Gvk {
    pub(crate) fn new(api_version: &str, kind: &str) -> Gvk {
        let (group, version) = match api_version.split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", api_version),
        };
        Gvk { group: group.to_string(), version: version.to_string(), kind: kind.to_string() }
    }

    pub(crate) fn of(object: &Value) -> Gvk {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or("");
        Gvk::new(text("apiVersion"), text("kind"))
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether a selector picks this one; what the selector leaves empty matches anything.
    pub(crate) fn is_selected(&self, selector: &Gvk) -> bool {
        let fits = |wanted: &str, have: &str| wanted.is_empty() || wanted == have;
        fits(&selector.group, &self.group)
            && fits(&selector.version, &self.version)
            && fits(&selector.kind, &self.kind)
    }

    /// A closed list, as kustomize has it: kinds that it does not know are taken for namespaced.
    pub(crate) fn is_cluster_scoped(&self) -> bool {
        CLUSTER_SCOPED.iter().any(|(kind, group, versions)| {
            *kind == self.kind && *group == self.group && versions.contains(&self.version.as_str())
        })
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &str, none: &'static str| {
            if text.is_empty() { none.to_string() } else { text.to_string() }
        };
        let (kind, version) = (or(&self.kind, "[noKind]"), or(&self.version, "[noVer]"));
        write!(f, "{kind}.{version}.{}", or(&self.group, "[noGrp]"))
    }
}

pub(crate) const NO_NAMESPACE: &str = "_non_namespaceable_";

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct ResId {
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl ResId {
    pub(crate) fn of(object: &Value) -> ResId {
        let meta = |field: &str| {
            object
                .get("metadata")
                .and_then(|m| m.get(field))
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_string()
        };
        ResId { gvk: Gvk::of(object), name: meta("name"), namespace: meta("namespace") }
    }

    pub(crate) fn effective_namespace(&self) -> &str {
        if self.gvk.is_cluster_scoped() {
            NO_NAMESPACE
        } else if self.namespace.is_empty() {
            "default"
        } else {
            &self.namespace
        }
    }

    /// The form by which two ids are compared.
    pub(crate) fn normal(&self) -> ResId {
        ResId {
            gvk: self.gvk.clone(),
            name: self.name.clone(),
            namespace: self.effective_namespace().to_string(),
        }
    }
}

impl fmt::Display for ResId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { "[noName]" } else { &self.name };
        let namespace = if self.namespace.is_empty() { "[noNs]" } else { &self.namespace };
        write!(f, "{}/{name}.{namespace}", self.gvk)
    }
}

const CLUSTER_SCOPED: &[(&str, &str, &[&str])] = &[
    ("MutatingWebhookConfiguration", "admissionregistration.k8s.io", &["v1", "v1beta1"]),
    ("ValidatingWebhookConfiguration", "admissionregistration.k8s.io", &["v1", "v1beta1"]),
    ("ValidatingAdmissionPolicy", "admissionregistration.k8s.io", &["v1"]),
    ("ValidatingAdmissionPolicyBinding", "admissionregistration.k8s.io", &["v1"]),
    ("CustomResourceDefinition", "apiextensions.k8s.io", &["v1", "v1beta1"]),
    ("APIService", "apiregistration.k8s.io", &["v1", "v1beta1"]),
    ("CertificateSigningRequest", "certificates.k8s.io", &["v1", "v1beta1"]),
    ("FlowSchema", "flowcontrol.apiserver.k8s.io", &["v1beta1"]),
    ("PriorityLevelConfiguration", "flowcontrol.apiserver.k8s.io", &["v1beta1"]),
    ("IngressClass", "networking.k8s.io", &["v1", "v1beta1"]),
    ("RuntimeClass", "node.k8s.io", &["v1", "v1beta1"]),
    ("PodSecurityPolicy", "policy", &["v1beta1"]),
    ("ClusterRole", "rbac.authorization.k8s.io", &["v1", "v1beta1"]),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io", &["v1", "v1beta1"]),
    ("PriorityClass", "scheduling.k8s.io", &["v1", "v1beta1"]),
    ("CSIDriver", "storage.k8s.io", &["v1", "v1beta1"]),
    ("CSINode", "storage.k8s.io", &["v1", "v1beta1"]),
    ("StorageClass", "storage.k8s.io", &["v1", "v1beta1"]),
    ("VolumeAttachment", "storage.k8s.io", &["v1", "v1beta1"]),
    ("ComponentStatus", "", &["v1"]),
    ("Namespace", "", &["v1"]),
    ("Node", "", &["v1"]),
    ("NodeProxyOptions", "", &["v1"]),
    ("PersistentVolume", "", &["v1"]),
];
