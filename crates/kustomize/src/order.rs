//! The order of the output.

use std::cmp::Ordering;

use crate::Reorder;
use crate::id::Gvk;
use crate::resource::Resource;
use crate::spec::SortOptions;

const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Sorts by what the kustomization says, else by the flag, else in the legacy order.
pub(crate) fn sort(resources: &mut [Resource], options: Option<&SortOptions>, reorder: Reorder) {
    let (first, last) = match (options, reorder) {
        (Some(SortOptions::Fifo), _) | (None, Reorder::None) => return,
        (Some(SortOptions::Legacy(Some((first, last)))), _) => (first.clone(), last.clone()),
        _ => (FIRST.map(str::to_string).to_vec(), LAST.map(str::to_string).to_vec()),
    };
    let rank = |kind: &str| -> i64 {
        let place = |list: &[String]| list.iter().position(|k| k == kind);
        if let Some(at) = place(&first) {
            at as i64 - first.len() as i64
        } else {
            place(&last).map_or(0, |at| at as i64 + 1)
        }
    };
    resources.sort_by_cached_key(|resource| Key::of(resource, &rank));
}

/// What lists of kinds are sorted by in a transformer configuration: rank, then text.
pub(crate) fn kind_key(gvk: &Gvk) -> (i64, String) {
    (rank(&gvk.kind), gvk_key(gvk))
}

/// The place of a kind in the legacy order.
fn rank(kind: &str) -> i64 {
    let place = |list: &[&str]| list.iter().position(|k| *k == kind).map(|at| at as i64);
    match (place(&FIRST), place(&LAST)) {
        (Some(at), _) => at - FIRST.len() as i64,
        (_, Some(at)) => at + 1,
        _ => 0,
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Key {
    rank: i64,
    namespace_kind_group: Option<bool>,
    gvk: String,
    id: String,
}

impl Key {
    fn of(resource: &Resource, rank: &impl Fn(&str) -> i64) -> Key {
        let id = resource.id();
        let kind_rank = rank(&id.gvk.kind);
        let or = |text: &str, none: &'static str| {
            if text.is_empty() { none.to_string() } else { text.to_string() }
        };
        Key {
            rank: kind_rank,
            // among other kinds of the same rank it would make the order no order
            namespace_kind_group: (id.gvk.kind == "Namespace" && kind_rank != 0)
                .then_some(!id.gvk.group.is_empty()),
            gvk: gvk_key(&id.gvk),
            id: format!("{}|{}|{}", id.gvk, or(&id.namespace, "~X"), or(&id.name, "~N")),
        }
    }
}

fn gvk_key(gvk: &Gvk) -> String {
    let or =
        |text: &str, none: &'static str| if text.is_empty() { none.to_string() } else { text.to_string() };
    format!("{}_{}_{}", or(&gvk.group, "~G"), or(&gvk.version, "~V"), or(&gvk.kind, "~K"))
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        let by_gvk = match (self.namespace_kind_group, other.namespace_kind_group) {
            // the core Namespace goes before other groups' kinds of that name
            (Some(a), Some(b)) if a != b => a.cmp(&b),
            _ => self.gvk.cmp(&other.gvk),
        };
        self.rank.cmp(&other.rank).then(by_gvk).then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
