//! Structs and lists that are there whatever an object says: in Go's types the structs are values, not pointers, and the
//! lists are not left out when they are empty, so that an object has them before anything is in them. Whoever writes the first field of another map, list or struct owns that too.

use schema::Kind;

/// A resource and these fields, each below the one before or beside it. The source is `k8s.io/api`.
const TABLE: &[(&str, &str)] = &[
    ("admissionregistration.k8s.io/validatingadmissionpolicies", "spec status"),
    ("admissionregistration.k8s.io/validatingadmissionpolicybindings", "spec"),
    (
        "apiextensions.k8s.io/customresourcedefinitions",
        "spec spec.names spec.versions status status.acceptedNames status.conditions status.storedVersions",
    ),
    (
        "apps/daemonsets",
        "spec spec.template spec.template.metadata spec.template.spec spec.template.spec.containers spec.updateStrategy status",
    ),
    (
        "apps/deployments",
        "spec spec.template spec.template.metadata spec.template.spec spec.template.spec.containers spec.strategy status",
    ),
    (
        "apps/replicasets",
        "spec spec.template spec.template.metadata spec.template.spec spec.template.spec.containers status",
    ),
    (
        "apps/statefulsets",
        "spec spec.template spec.template.metadata spec.template.spec spec.template.spec.containers spec.updateStrategy status",
    ),
    ("autoscaling/horizontalpodautoscalers", "spec spec.scaleTargetRef status"),
    (
        "batch/cronjobs",
        "spec spec.jobTemplate spec.jobTemplate.metadata spec.jobTemplate.spec spec.jobTemplate.spec.template \
         spec.jobTemplate.spec.template.metadata spec.jobTemplate.spec.template.spec \
         spec.jobTemplate.spec.template.spec.containers status",
    ),
    (
        "batch/jobs",
        "spec spec.template spec.template.metadata spec.template.spec spec.template.spec.containers status",
    ),
    ("certificates.k8s.io/certificatesigningrequests", "spec status"),
    ("coordination.k8s.io/leases", "spec"),
    ("discovery.k8s.io/endpointslices", "endpoints ports"),
    ("events", "involvedObject source"),
    ("limitranges", "spec spec.limits"),
    ("namespaces", "spec status"),
    ("networking.k8s.io/ingressclasses", "spec"),
    ("networking.k8s.io/ingresses", "spec status status.loadBalancer"),
    ("networking.k8s.io/networkpolicies", "spec spec.podSelector"),
    ("nodes", "spec status status.daemonEndpoints status.daemonEndpoints.kubeletEndpoint status.nodeInfo"),
    ("persistentvolumeclaims", "spec spec.resources status"),
    ("persistentvolumes", "spec status"),
    ("pods", "spec spec.containers status"),
    ("podtemplates", "template template.metadata template.spec template.spec.containers"),
    ("policy/poddisruptionbudgets", "spec status"),
    ("rbac.authorization.k8s.io/clusterroles", "rules"),
    ("rbac.authorization.k8s.io/roles", "rules"),
    ("rbac.authorization.k8s.io/clusterrolebindings", "roleRef"),
    ("rbac.authorization.k8s.io/rolebindings", "roleRef"),
    ("replicationcontrollers", "spec status"),
    ("resourcequotas", "spec status"),
    ("services", "spec status status.loadBalancer"),
    ("storage.k8s.io/csidrivers", "spec"),
    ("storage.k8s.io/csinodes", "spec spec.drivers"),
    ("storage.k8s.io/volumeattachments", "spec spec.source status"),
];

/// The structs below some place of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Always<'a> {
    paths: &'a str,
    place: Place<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    Root,
    /// The path of a struct of the table.
    At(&'a str),
    /// Below something that is not always there nothing is.
    Nowhere,
}

pub(crate) const NONE: Always<'static> = Always { paths: "", place: Place::Nowhere };

pub(crate) fn of(kind: &Kind) -> Always<'static> {
    let resource = kind.resource();
    let paths = TABLE.iter().find(|(known, _)| *known == resource).map_or("", |(_, paths)| paths);
    Always { paths, place: Place::Root }
}

impl<'a> Always<'a> {
    /// The struct of this name, if it is always there.
    pub(crate) fn field(&self, name: &str) -> Option<Self> {
        let paths = self.paths;
        let found = match self.place {
            Place::Nowhere => None,
            // Of every kind.
            Place::Root if name == "metadata" => Some("metadata"),
            Place::Root => paths.split_whitespace().find(|path| *path == name),
            Place::At(parent) => paths
                .split_whitespace()
                .find(|path| path.strip_prefix(parent).and_then(|rest| rest.strip_prefix('.')) == Some(name)),
        };
        found.map(|path| Always { paths, place: Place::At(path) })
    }
}

#[cfg(test)]
#[test]
fn fields_of_a_deployment() {
    let kinds = schema::builtin_kinds();
    for (resource, _) in TABLE {
        assert!(kinds.iter().any(|kind| kind.resource() == *resource), "{resource}");
    }
    let kind = kinds.iter().find(|kind| kind.kind == "Deployment").expect("a built-in kind");
    for (path, expected) in [
        ("metadata", true),
        ("metadata.labels", false),
        ("spec", true),
        ("spec.strategy", true),
        ("spec.strategy.rollingUpdate", false),
        ("spec.template.spec", true),
        ("spec.template.spec.containers", true),
        ("spec.template.spec.volumes", false),
        ("spec.selector", false),
        ("spec.selector.spec", false),
        ("template", false),
        ("status", true),
    ] {
        let mut place = Some(of(kind));
        for name in path.split('.') {
            place = place.and_then(|place| place.field(name));
        }
        assert_eq!(place.is_some(), expected, "{path}");
    }
}
