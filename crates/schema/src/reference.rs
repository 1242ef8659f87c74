//! The reference page of the kinds: `docs/reference/kubernetes-api.md` is written from the table of kinds and from what is
//! noted here beside it.

use crate::{Kind, builtin_kinds};
use std::fmt::Write;

/// How deep an object of a kind is checked before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checks {
    /// Upstream's rules, in its words.
    Upstream,
    /// The rules that people meet; others are missing.
    Part,
}

struct Note {
    /// As [`Kind::resource`] has it.
    resource: &'static str,
    checks: Checks,
    /// Who acts on the objects; empty: they are stored, and nothing acts on them.
    acts: &'static str,
    /// What is other than in Kubernetes.
    differs: &'static str,
}

const fn note(resource: &'static str, checks: Checks, acts: &'static str, differs: &'static str) -> Note {
    Note { resource, checks, acts, differs }
}

use Checks::{Part, Upstream};

/// A line for every kind of the table; a test fails if one is missing.
const NOTES: &[Note] = &[
    note("configmaps", Upstream, "the node, for volumes and environments", "changes reach volumes at once"),
    note("endpoints", Upstream, "services and DNS, for Services without a selector", ""),
    note("events", Upstream, "", "repeated events are counted together; the oldest go first"),
    note("limitranges", Upstream, "admission", ""),
    note("namespaces", Upstream, "the namespace controller", ""),
    note("nodes", Part, "the node", "one node; others are objects only"),
    note(
        "persistentvolumeclaims",
        Upstream,
        "the volume controller",
        "class local-path only; claims cannot grow",
    ),
    note("persistentvolumes", Part, "the volume controller", ""),
    note(
        "pods",
        Part,
        "the scheduler, the node, the collector of pods",
        "options for Windows, and annotations for seccomp and AppArmor, are not checked",
    ),
    note("podtemplates", Part, "", "checked as pods"),
    note("replicationcontrollers", Part, "the controller of ReplicationControllers", "checked as pods"),
    note("resourcequotas", Upstream, "admission, the controller of ResourceQuotas", ""),
    note("secrets", Part, "the node, for volumes and environments", "changes reach volumes at once"),
    note("serviceaccounts", Upstream, "the account controller, the node for tokens", ""),
    note("services", Upstream, "the network", "`externalIPs` have no effect"),
    note("admissionregistration.k8s.io/mutatingadmissionpolicies", Upstream, "the API server", ""),
    note("admissionregistration.k8s.io/mutatingadmissionpolicybindings", Upstream, "the API server", ""),
    note(
        "admissionregistration.k8s.io/mutatingwebhookconfigurations",
        Upstream,
        "the API server calls them",
        "",
    ),
    note(
        "admissionregistration.k8s.io/validatingadmissionpolicies",
        Upstream,
        "the API server",
        "there is no audit log",
    ),
    note("admissionregistration.k8s.io/validatingadmissionpolicybindings", Upstream, "the API server", ""),
    note(
        "admissionregistration.k8s.io/validatingwebhookconfigurations",
        Upstream,
        "the API server calls them",
        "",
    ),
    note("apiextensions.k8s.io/customresourcedefinitions", Upstream, "the API server", ""),
    note("apps/controllerrevisions", Upstream, "", ""),
    note("apps/daemonsets", Part, "the controller of DaemonSets", "pods as pods"),
    note("apps/deployments", Part, "the controller of Deployments", "pods as pods"),
    note("apps/replicasets", Part, "the controller of ReplicaSets", "pods as pods"),
    note("apps/statefulsets", Part, "the controller of StatefulSets", "pods as pods"),
    note(
        "autoscaling/horizontalpodautoscalers",
        Upstream,
        "its controller",
        "metrics of pods, objects and the outside have no adapter; conditions and events say so",
    ),
    note("batch/cronjobs", Part, "the controller of CronJobs", "pods as pods"),
    note(
        "batch/jobs",
        Part,
        "the controller of Jobs",
        "pods as pods; a changed template is shown as JSON, not as Go writes it",
    ),
    note("certificates.k8s.io/certificatesigningrequests", Part, "", "nothing is signed"),
    note("coordination.k8s.io/leases", Upstream, "those who elect a leader; the node renews its own", ""),
    note("discovery.k8s.io/endpointslices", Upstream, "the network", ""),
    note("events.k8s.io/events", Part, "", "the same objects as the core group's"),
    note("networking.k8s.io/ingressclasses", Upstream, "the ingress, for its own class", ""),
    note("networking.k8s.io/ingresses", Upstream, "the ingress, of class nginx", ""),
    note(
        "networking.k8s.io/networkpolicies",
        Upstream,
        "",
        "all traffic is allowed; an event on the object says so",
    ),
    note("node.k8s.io/runtimeclasses", Upstream, "", ""),
    note("policy/poddisruptionbudgets", Upstream, "evictions, their controller", ""),
    note("rbac.authorization.k8s.io/clusterrolebindings", Upstream, "the API server", ""),
    note("rbac.authorization.k8s.io/clusterroles", Upstream, "the API server", ""),
    note("rbac.authorization.k8s.io/rolebindings", Upstream, "the API server", ""),
    note("rbac.authorization.k8s.io/roles", Upstream, "the API server", ""),
    note(
        "scheduling.k8s.io/priorityclasses",
        Upstream,
        "pods get their priority, the scheduler preempts by it",
        "",
    ),
    note("storage.k8s.io/csidrivers", Upstream, "", ""),
    note("storage.k8s.io/csinodes", Upstream, "", ""),
    note("storage.k8s.io/csistoragecapacities", Upstream, "", ""),
    note("storage.k8s.io/storageclasses", Upstream, "the volume controller", "provisioner local-path only"),
    note("storage.k8s.io/volumeattachments", Part, "", ""),
];

const HEAD: &str = "# Kinds of the API

Written from the table of kinds (`crates/schema/src/kinds.rs`) and the notes beside it (`crates/schema/src/reference.rs`); a
test fails when this page is stale, and `UPDATE_EXPECT=1 cargo test -p schema reference` writes it anew.

Every kind has the verbs create, get, list, watch, update, patch (JSON, merge, strategic merge, apply), delete and
deletecollection. *Checks*: **upstream** refuses what Kubernetes refuses, in its words; **part** lacks some of the rules.
Kinds on which nobody acts are stored and answered like the
others. Custom resources have the same verbs; what is checked is what their schema says. What is other in general stands in
[kubernetes-deviations](kubernetes-deviations.md).

| kind | versions | scope | short names | subresources | checks | acts on it | other than Kubernetes |
| --- | --- | --- | --- | --- | --- | --- | --- |
";

/// Posted, answered and not stored.
const REVIEWS: &str = "
Only created, answered at once and not stored: SelfSubjectReview and TokenReview (authentication.k8s.io/v1),
SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReview and LocalSubjectAccessReview
(authorization.k8s.io/v1); TokenRequest, Scale, Binding and Eviction are subresources.
";

/// The whole page.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    for kind in builtin_kinds() {
        row(&mut page, kind);
    }
    page.push_str(REVIEWS);
    page
}

fn row(page: &mut String, kind: &Kind) {
    let resource = kind.resource();
    let note = NOTES.iter().find(|note| note.resource == resource).expect("the test looks at each kind");
    let versions: Vec<String> = kind
        .versions
        .iter()
        .map(|version| match kind.group.as_str() {
            "" => version.clone(),
            group => format!("{group}/{version}"),
        })
        .collect();
    let scope = if kind.namespaced { "namespace" } else { "cluster" };
    let checks = match note.checks {
        Upstream => "upstream",
        Part => "part",
    };
    let acts = if note.acts.is_empty() { "nobody" } else { note.acts };
    writeln!(
        page,
        "| {} | {} | {scope} | {} | {} | {checks} | {acts} | {} |",
        kind.kind,
        versions.join(", "),
        kind.short_names.join(", "),
        kind.subresources.join(", "),
        note.differs
    )
    .expect("a String takes all");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_kind_has_a_note() {
        let kinds: Vec<String> = builtin_kinds().iter().map(Kind::resource).collect();
        let notes: Vec<&str> = NOTES.iter().map(|note| note.resource).collect();
        assert_eq!(notes, kinds, "in the table's order");
    }

    #[test]
    fn the_page_is_fresh() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/kubernetes-api.md");
        expect_test::expect_file![page].assert_eq(&reference());
    }
}
