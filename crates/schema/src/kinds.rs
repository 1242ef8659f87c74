//! The kinds that are built in, as upstream registers them.

use crate::Kind;
use std::sync::OnceLock;

/// One line a kind: `group|versions|plural|Kind|short names|categories|ns or cluster|subresources`, in the order of discovery.
const TABLE: &str = "
|v1|configmaps|ConfigMap|cm||ns|
|v1|endpoints|Endpoints|ep||ns|
|v1|events|Event|ev||ns|
|v1|limitranges|LimitRange|limits||ns|
|v1|namespaces|Namespace|ns||cluster|finalize,status
|v1|nodes|Node|no||cluster|proxy,status
|v1|persistentvolumeclaims|PersistentVolumeClaim|pvc||ns|status
|v1|persistentvolumes|PersistentVolume|pv||cluster|status
|v1|pods|Pod|po|all|ns|attach,binding,ephemeralcontainers,eviction,exec,log,portforward,proxy,resize,status
|v1|podtemplates|PodTemplate|||ns|
|v1|replicationcontrollers|ReplicationController|rc|all|ns|scale,status
|v1|resourcequotas|ResourceQuota|quota||ns|status
|v1|secrets|Secret|||ns|
|v1|serviceaccounts|ServiceAccount|sa||ns|token
|v1|services|Service|svc|all|ns|proxy,status
admissionregistration.k8s.io|v1|mutatingadmissionpolicies|MutatingAdmissionPolicy||api-extensions|cluster|
admissionregistration.k8s.io|v1|mutatingadmissionpolicybindings|MutatingAdmissionPolicyBinding||api-extensions|cluster|
admissionregistration.k8s.io|v1|mutatingwebhookconfigurations|MutatingWebhookConfiguration||api-extensions|cluster|
admissionregistration.k8s.io|v1|validatingadmissionpolicies|ValidatingAdmissionPolicy||api-extensions|cluster|status
admissionregistration.k8s.io|v1|validatingadmissionpolicybindings|ValidatingAdmissionPolicyBinding||api-extensions|cluster|
admissionregistration.k8s.io|v1|validatingwebhookconfigurations|ValidatingWebhookConfiguration||api-extensions|cluster|
apiextensions.k8s.io|v1|customresourcedefinitions|CustomResourceDefinition|crd,crds|api-extensions|cluster|status
apps|v1|controllerrevisions|ControllerRevision|||ns|
apps|v1|daemonsets|DaemonSet|ds|all|ns|status
apps|v1|deployments|Deployment|deploy|all|ns|scale,status
apps|v1|replicasets|ReplicaSet|rs|all|ns|scale,status
apps|v1|statefulsets|StatefulSet|sts|all|ns|scale,status
autoscaling|v2,v1|horizontalpodautoscalers|HorizontalPodAutoscaler|hpa|all|ns|status
batch|v1|cronjobs|CronJob|cj|all|ns|status
batch|v1|jobs|Job||all|ns|status
certificates.k8s.io|v1|certificatesigningrequests|CertificateSigningRequest|csr||cluster|approval,status
coordination.k8s.io|v1|leases|Lease|||ns|
discovery.k8s.io|v1|endpointslices|EndpointSlice|||ns|
events.k8s.io|v1|events|Event|ev||ns|
networking.k8s.io|v1|ingressclasses|IngressClass|||cluster|
networking.k8s.io|v1|ingresses|Ingress|ing||ns|status
networking.k8s.io|v1|networkpolicies|NetworkPolicy|netpol||ns|
node.k8s.io|v1|runtimeclasses|RuntimeClass|||cluster|
policy|v1|poddisruptionbudgets|PodDisruptionBudget|pdb||ns|status
rbac.authorization.k8s.io|v1|clusterrolebindings|ClusterRoleBinding|||cluster|
rbac.authorization.k8s.io|v1|clusterroles|ClusterRole|||cluster|
rbac.authorization.k8s.io|v1|rolebindings|RoleBinding|||ns|
rbac.authorization.k8s.io|v1|roles|Role|||ns|
scheduling.k8s.io|v1|priorityclasses|PriorityClass|pc||cluster|
storage.k8s.io|v1|csidrivers|CSIDriver|||cluster|
storage.k8s.io|v1|csinodes|CSINode|||cluster|
storage.k8s.io|v1|csistoragecapacities|CSIStorageCapacity|||ns|
storage.k8s.io|v1|storageclasses|StorageClass|sc||cluster|
storage.k8s.io|v1|volumeattachments|VolumeAttachment|||cluster|status
";

pub fn builtin_kinds() -> &'static [Kind] {
    static KINDS: OnceLock<Vec<Kind>> = OnceLock::new();
    KINDS.get_or_init(|| TABLE.lines().filter(|line| !line.is_empty()).map(kind).collect())
}

fn kind(line: &str) -> Kind {
    let columns: Vec<&str> = line.split('|').collect();
    let [group, versions, plural, kind, short_names, categories, scope, subresources] = columns[..] else {
        unreachable!("the table has eight columns: {line}")
    };
    let list = |text: &str| text.split(',').filter(|word| !word.is_empty()).map(String::from).collect();
    Kind {
        group: group.to_string(),
        versions: list(versions),
        kind: kind.to_string(),
        plural: plural.to_string(),
        singular: kind.to_lowercase(),
        short_names: list(short_names),
        categories: list(categories),
        namespaced: scope == "ns",
        subresources: list(subresources),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_whole_and_unique() {
        let mut seen = std::collections::HashSet::new();
        for kind in builtin_kinds() {
            assert!(seen.insert(kind.resource()), "{} twice", kind.resource());
            for version in &kind.versions {
                let api_version =
                    if kind.group.is_empty() { version.clone() } else { format!("{}/{version}", kind.group) };
                assert!(
                    patch::Schema::object(crate::builtin(), &api_version, &kind.kind).is_some(),
                    "no type for {api_version} {}",
                    kind.kind
                );
            }
        }
    }
}
