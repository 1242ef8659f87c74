//! Calls into `schema`, in one place.

use crate::{ApiError, Result};
use schema::Kind;
use serde_json::Value;

pub(crate) fn kinds() -> Vec<Kind> {
    let table = [
        "|pods|Pod|po|all|ns|status,log,exec,attach,portforward,eviction,binding",
        "|services|Service|svc|all|ns|status",
        "|configmaps|ConfigMap|cm||ns|",
        "|secrets|Secret|||ns|",
        "|namespaces|Namespace|ns|||status",
        "|nodes|Node|no|||status",
        "|serviceaccounts|ServiceAccount|sa||ns|",
        "|events|Event|ev||ns|",
        "|endpoints|Endpoints|ep||ns|",
        "|persistentvolumes|PersistentVolume|pv|||status",
        "|persistentvolumeclaims|PersistentVolumeClaim|pvc||ns|status",
        "apps|deployments|Deployment|deploy|all|ns|status,scale",
        "apps|replicasets|ReplicaSet|rs|all|ns|status,scale",
        "apps|statefulsets|StatefulSet|sts|all|ns|status,scale",
        "apps|daemonsets|DaemonSet|ds|all|ns|status",
        "batch|jobs|Job||all|ns|status",
        "batch|cronjobs|CronJob|cj|all|ns|status",
        "networking.k8s.io|ingresses|Ingress|ing||ns|status",
        "networking.k8s.io|ingressclasses|IngressClass||||",
        "storage.k8s.io|storageclasses|StorageClass|sc|||",
        "discovery.k8s.io|endpointslices|EndpointSlice|||ns|",
        "policy|poddisruptionbudgets|PodDisruptionBudget|pdb||ns|status",
        "scheduling.k8s.io|priorityclasses|PriorityClass|pc|||",
        "coordination.k8s.io|leases|Lease|||ns|",
        "apiextensions.k8s.io|customresourcedefinitions|CustomResourceDefinition|crd,crds|||status",
    ];
    let list = |text: &str| text.split(',').filter(|w| !w.is_empty()).map(str::to_string).collect::<Vec<_>>();
    table
        .iter()
        .map(|line| {
            let f: Vec<&str> = line.split('|').collect();
            Kind {
                group: f[0].into(),
                versions: vec!["v1".into()],
                plural: f[1].into(),
                kind: f[2].into(),
                singular: f[2].to_lowercase(),
                short_names: list(f[3]),
                categories: list(f[4]),
                namespaced: f[5] == "ns",
                subresources: list(f[6]),
            }
        })
        .collect()
}

pub(crate) fn drop_unknown_fields(_kind: &Kind, _object: &mut Value) -> Vec<String> {
    Vec::new()
}

pub(crate) fn defaults(_object: &mut Value) {}

pub(crate) fn validate(_object: &Value, _previous: Option<&Value>) -> Vec<(String, String, String)> {
    Vec::new()
}

struct Nothing;

impl patch::Schema for Nothing {
    fn object(&self, _: &str, _: &str) -> Option<patch::TypeId> {
        Some(patch::TypeId(0))
    }
    fn field(&self, _: patch::TypeId, name: &str) -> patch::FieldRule {
        let list = match name {
            "containers" | "volumes" => patch::ListRule::Map("name".into()),
            _ => patch::ListRule::Replace,
        };
        patch::FieldRule { ty: Some(patch::TypeId(0)), list, retain_keys: false }
    }
}

pub(crate) fn strategic_merge(
    api_version: &str,
    kind: &str,
    object: &mut Value,
    change: &Value,
) -> Result<()> {
    patch::strategic_merge(&Nothing, api_version, kind, object, change)
        .map_err(|error| ApiError::bad_request(error.to_string()))
}

pub(crate) fn apply_root(_api_version: &str, _kind: &str) -> crate::apply::Shape {
    crate::apply::Shape::Struct(0)
}

pub(crate) fn apply_shape(_ty: u32, name: &str) -> Option<crate::apply::Shape> {
    use crate::apply::Shape;
    Some(match name {
        "labels" | "annotations" | "data" => Shape::Map(Box::new(Shape::Atomic)),
        "containers" => Shape::Keyed(vec!["name".into()], Box::new(Shape::Struct(0))),
        "selector" => Shape::Atomic,
        _ => Shape::Struct(0),
    })
}
