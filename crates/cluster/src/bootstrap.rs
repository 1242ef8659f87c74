//! The objects that a new cluster has, as k3s and an ingress-nginx installation would leave them.

use crate::settings::{API_VIP, DNS_VIP};
use crate::tables::INGRESS_CONTROLLER;
use api::{Api, ApiError, Key, PatchKind, WriteOptions};
use serde_json::{Value, json};

/// Creates what is missing; what the user has changed stays as it is. What policies of the user refuse is told of and left
/// out: a cluster that denies everything must start all the same, or nobody could mend it.
pub(crate) fn objects(api: &Api, api_port: u16, client_ca: &str) -> Result<(), ApiError> {
    let options = WriteOptions::by("coracle");
    roles(api, &options)?;
    for (resource, object) in wanted(api_port, client_ca) {
        let name = object["metadata"]["name"].as_str().unwrap_or("");
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("");
        match api.get(resource, namespace, name) {
            Ok(_) => {}
            Err(error) if error.reason == "NotFound" => {
                let name = name.to_string();
                admitted(api.create(resource, object, &options), resource, &name)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Errors that are no refusals stay errors.
fn admitted<T>(result: Result<T, ApiError>, resource: &str, name: &str) -> Result<(), ApiError> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if error.code < 500 => {
            tracing::warn!(resource, name, why = error.message, "an object of the cluster's own is refused");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The roles that every cluster has. Rules and subjects that are missing come back with each start, as upstream has it,
/// unless the object says `autoupdate: "false"`.
fn roles(api: &Api, options: &WriteOptions) -> Result<(), ApiError> {
    const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
    for (resource, object) in access::bootstrap::objects() {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let known = match api.get(resource, namespace, name) {
            Ok(known) => known,
            Err(error) if error.reason == "NotFound" => {
                let name = name.to_string();
                admitted(api.create(resource, object, options), resource, &name)?;
                continue;
            }
            Err(error) => return Err(error),
        };
        if known["metadata"]["annotations"][AUTOUPDATE] == "false" {
            continue;
        }
        for field in ["rules", "subjects"] {
            let list = |object: &Value| object[field].as_array().cloned().unwrap_or_default();
            let (mut have, wanted) = (list(&known), list(&object));
            let missing: Vec<Value> = wanted.into_iter().filter(|item| !have.contains(item)).collect();
            if !missing.is_empty() {
                have.extend(missing);
                let patch = json!({ field: have });
                let key = Key::new(resource, namespace, name);
                admitted(api.patch(&key, PatchKind::Merge, "", &patch, options), resource, name)?;
            }
        }
    }
    Ok(())
}

fn wanted(api_port: u16, client_ca: &str) -> Vec<(&'static str, Value)> {
    vec![
        (
            "services",
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
                "spec": {
                    "type": "ClusterIP", "clusterIP": API_VIP.to_string(), "clusterIPs": [API_VIP.to_string()],
                    "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": api_port}],
                },
            }),
        ),
        (
            "services",
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}},
                "spec": {
                    "type": "ClusterIP", "clusterIP": DNS_VIP.to_string(), "clusterIPs": [DNS_VIP.to_string()],
                    "ports": [
                        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                        {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
                    ],
                },
            }),
        ),
        (
            // How servers that extend the API check their callers.
            "configmaps",
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
                "data": {"client-ca-file": client_ca},
            }),
        ),
        (
            "storage.k8s.io/storageclasses",
            json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                "metadata": {"name": controllers::STORAGE_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
                "provisioner": "rancher.io/local-path", "reclaimPolicy": "Delete",
                "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": false,
            }),
        ),
        (
            "networking.k8s.io/ingressclasses",
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
                "metadata": {"name": "nginx", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
                "spec": {"controller": INGRESS_CONTROLLER},
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "admissionregistration.k8s.io";

    /// A new binary starts on the data of an old one, with a role that this had not.
    #[test]
    fn a_policy_that_denies_everything_is_no_obstacle() {
        let dir = tempfile::tempdir().expect("a folder");
        let config = api::ApiConfig {
            dir: dir.path().to_path_buf(),
            service_cidr: crate::settings::SERVICE_CIDR.into(),
            cluster_domain: "cluster.local".into(),
        };
        let api = Api::open(config).expect("opened");
        let by = WriteOptions::by("test");
        let policy = json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "ValidatingAdmissionPolicy", "metadata": { "name": "deny" },
            "spec": {
                "matchConstraints": { "resourceRules": [{
                    "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"],
                }] },
                "validations": [{ "expression": "false" }],
            },
        });
        let binding = json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": { "name": "deny" }, "spec": { "policyName": "deny", "validationActions": ["Deny"] },
        });
        for (kind, object) in
            [("validatingadmissionpolicies", policy), ("validatingadmissionpolicybindings", binding)]
        {
            api.create(&format!("{GROUP}/{kind}"), object, &by).expect("written");
        }
        objects(&api, 6443, "ca").expect("the cluster starts");
        assert!(api.get("services", "default", "kubernetes").is_err(), "the policy holds for everybody");
        let key = Key::new(&format!("{GROUP}/validatingadmissionpolicybindings"), "", "deny");
        api.delete(&key, &api::DeleteOptions::default()).expect("mended");
        objects(&api, 6443, "ca").expect("the cluster starts");
        api.get("services", "default", "kubernetes").expect("made with the next start");
    }
}
