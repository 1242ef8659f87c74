//! The objects that a new cluster has, as k3s and an ingress-nginx installation would leave them.

use crate::settings::{API_VIP, DNS_VIP};
use crate::tables::INGRESS_CONTROLLER;
use api::{Api, ApiError, WriteOptions};
use serde_json::{Value, json};

/// Creates what is missing; what the user has changed stays as it is.
pub(crate) fn objects(api: &Api, api_port: u16) -> Result<(), ApiError> {
    let options = WriteOptions::by("coracle");
    for (resource, object) in wanted(api_port) {
        let name = object["metadata"]["name"].as_str().unwrap_or("");
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("");
        match api.get(resource, namespace, name) {
            Ok(_) => {}
            Err(error) if error.reason == "NotFound" => {
                api.create(resource, object, &options)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn wanted(api_port: u16) -> Vec<(&'static str, Value)> {
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
