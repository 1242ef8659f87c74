//! What upstream lets be done with objects of a kind, where the kinds differ.

use crate::{Api, crds};
use schema::Kind;
use store::Propagation;

/// Kinds whose objects may be made by replacing what is not there.
const MADE_BY_UPDATE: [&str; 10] = [
    "coordination.k8s.io/leases",
    "endpoints",
    "events",
    "limitranges",
    "node.k8s.io/runtimeclasses",
    "rbac.authorization.k8s.io/clusterrolebindings",
    "rbac.authorization.k8s.io/clusterroles",
    "rbac.authorization.k8s.io/rolebindings",
    "rbac.authorization.k8s.io/roles",
    "services",
];

/// Kinds whose objects are replaced only by who says which version it has read.
const READ_FIRST: [&str; 13] = [
    "admissionregistration.k8s.io/mutatingadmissionpolicies",
    "admissionregistration.k8s.io/mutatingadmissionpolicybindings",
    "admissionregistration.k8s.io/mutatingwebhookconfigurations",
    "admissionregistration.k8s.io/validatingadmissionpolicies",
    "admissionregistration.k8s.io/validatingadmissionpolicybindings",
    "admissionregistration.k8s.io/validatingwebhookconfigurations",
    "coordination.k8s.io/leases",
    "node.k8s.io/runtimeclasses",
    "policy/poddisruptionbudgets",
    "storage.k8s.io/csidrivers",
    "storage.k8s.io/csinodes",
    "storage.k8s.io/csistoragecapacities",
    "storage.k8s.io/volumeattachments",
];

impl Api {
    /// Whether a PUT of an object that is not there makes it.
    pub fn makes_by_update(&self, kind: &Kind) -> bool {
        let resource = kind.resource();
        MADE_BY_UPDATE.contains(&resource.as_str()) || resource == "events.k8s.io/events"
    }

    /// Whether a PUT must name the version that it replaces.
    pub fn replaces_only_what_was_read(&self, kind: &Kind) -> bool {
        let resource = kind.resource();
        resource == crds::RESOURCE
            || READ_FIRST.contains(&resource.as_str())
            || !(self.is_builtin(&resource) || resource == "events.k8s.io/events")
    }
}

/// What becomes of the dependents of an object whose deletion does not say it.
pub(crate) fn default_propagation(resource: &str) -> Option<Propagation> {
    matches!(resource, "batch/jobs" | "replicationcontrollers").then_some(Propagation::Orphan)
}

#[cfg(test)]
#[test]
fn the_kinds_are_there() {
    let known: Vec<String> = schema::builtin_kinds().iter().map(Kind::resource).collect();
    for resource in MADE_BY_UPDATE.iter().chain(&READ_FIRST) {
        assert!(known.iter().any(|known| known == resource), "{resource}");
    }
}
