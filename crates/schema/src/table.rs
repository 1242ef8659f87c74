//! The columns of `kubectl get`, as upstream's printers make them.

mod cluster;
mod format;
mod network;
mod pods;
mod storage;
mod workloads;

use format::{since, text};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    /// `string`, `integer`, `boolean`, `date`.
    pub r#type: &'static str,
    pub format: &'static str,
    pub description: &'static str,
    /// 0 is always shown, 1 only by `-o wide`.
    pub priority: i32,
}

/// The cells of an object; the second argument is now, in seconds since 1970.
type Row = fn(&Value, i64) -> Vec<Value>;

/// A resource, its columns (`#` an integer, `*` only wide, `@` a date), its cells. Some columns are strings by name and
/// numbers by their cells, as upstream's.
const TABLES: &[(&str, &str, Row)] = &[
    ("pods", "Name|Ready|Status|Restarts|Age|*IP|*Node|*Nominated Node|*Readiness Gates", pods::row),
    (
        "replicationcontrollers",
        "Name|#Desired|#Current|#Ready|Age|*Containers|*Images|*Selector",
        workloads::replicas,
    ),
    (
        "apps/replicasets",
        "Name|#Desired|#Current|#Ready|Age|*Containers|*Images|*Selector",
        workloads::replicas,
    ),
    (
        "apps/deployments",
        "Name|Ready|Up-to-date|Available|Age|*Containers|*Images|*Selector",
        workloads::deployment,
    ),
    ("apps/statefulsets", "Name|Ready|Age|*Containers|*Images", workloads::stateful_set),
    (
        "apps/daemonsets",
        "Name|#Desired|#Current|#Ready|#Up-to-date|#Available|Node Selector|Age|*Containers|*Images|*Selector",
        workloads::daemon_set,
    ),
    ("apps/controllerrevisions", "Name|Controller|Revision|Age", workloads::revision),
    ("batch/jobs", "Name|Status|Completions|Duration|Age|*Containers|*Images|*Selector", workloads::job),
    (
        "batch/cronjobs",
        "Name|Schedule|Timezone|Suspend|#Active|Last Schedule|Age|*Containers|*Images|*Selector",
        workloads::cron_job,
    ),
    (
        "autoscaling/horizontalpodautoscalers",
        "Name|Reference|Targets|MinPods|MaxPods|#Replicas|Age",
        workloads::autoscaler,
    ),
    (
        "policy/poddisruptionbudgets",
        "Name|Min Available|Max Unavailable|#Allowed Disruptions|Age",
        workloads::budget,
    ),
    ("podtemplates", "Name|Containers|Images|Pod Labels", workloads::template),
    ("services", "Name|Type|Cluster-IP|External-IP|Port(s)|Age|*Selector", network::service),
    ("endpoints", "Name|Endpoints|Age", network::endpoints),
    ("discovery.k8s.io/endpointslices", "Name|AddressType|Ports|Endpoints|Age", network::endpoint_slice),
    ("networking.k8s.io/ingresses", "Name|Class|Hosts|Address|Ports|Age", network::ingress),
    ("networking.k8s.io/ingressclasses", "Name|Controller|Parameters|Age", network::ingress_class),
    ("networking.k8s.io/networkpolicies", "Name|Pod-Selector|Age", network::policy),
    ("configmaps", "Name|Data|Age", storage::config_map),
    ("secrets", "Name|Type|#Data|Age", storage::secret),
    (
        "persistentvolumeclaims",
        "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|*VolumeMode",
        storage::claim,
    ),
    (
        "persistentvolumes",
        "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age|*VolumeMode",
        storage::volume,
    ),
    (
        "storage.k8s.io/storageclasses",
        "Name|Provisioner|ReclaimPolicy|VolumeBindingMode|?AllowVolumeExpansion|Age",
        storage::class,
    ),
    ("namespaces", "Name|Status|Age", cluster::namespace),
    (
        "nodes",
        "Name|Status|Roles|Age|Version|*Internal-IP|*External-IP|*OS-Image|*Kernel-Version|*Container-Runtime",
        cluster::node,
    ),
    ("serviceaccounts", "Name|#Secrets|Age", cluster::service_account),
    (
        "events",
        "Last Seen|Type|Reason|Object|*Subobject|*Source|Message|*First Seen|*#Count|*Name",
        cluster::event,
    ),
    ("resourcequotas", "Name|Request|Limit|Age", cluster::quota),
    ("limitranges", "Name|@Created At", cluster::created),
    ("coordination.k8s.io/leases", "Name|Holder|Age", cluster::lease),
    (
        "scheduling.k8s.io/priorityclasses",
        "Name|#Value|?Global-Default|Age|PreemptionPolicy",
        cluster::priority_class,
    ),
    ("node.k8s.io/runtimeclasses", "Name|Handler|Age", cluster::runtime_class),
    ("rbac.authorization.k8s.io/roles", "Name|@Created At", cluster::created),
    ("rbac.authorization.k8s.io/clusterroles", "Name|@Created At", cluster::created),
    (
        "rbac.authorization.k8s.io/rolebindings",
        "Name|Role|Age|*Users|*Groups|*ServiceAccounts",
        cluster::binding,
    ),
    (
        "rbac.authorization.k8s.io/clusterrolebindings",
        "Name|Role|Age|*Users|*Groups|*ServiceAccounts",
        cluster::binding,
    ),
    ("apiextensions.k8s.io/customresourcedefinitions", "Name|@Created At", cluster::created),
    ("admissionregistration.k8s.io/validatingwebhookconfigurations", "Name|#Webhooks|Age", cluster::webhooks),
    ("admissionregistration.k8s.io/mutatingwebhookconfigurations", "Name|#Webhooks|Age", cluster::webhooks),
];

fn find(resource: &str) -> (&'static str, Row) {
    let found = TABLES.iter().find(|(name, ..)| *name == resource);
    found.map_or(("Name|Age", plain as Row), |(_, columns, row)| (columns, *row))
}

/// `resource` is the store's name of the kind: `pods`, `apps/deployments`.
pub fn columns(resource: &str) -> Vec<Column> {
    find(resource).0.split('|').map(column).collect()
}

/// A cell for each of [`columns`].
pub fn row(resource: &str, object: &Value, now: i64) -> Vec<Value> {
    find(resource).1(object, now)
}

/// The age of a time of an object, as kubectl prints ages: `5m`, `<unknown>` if there is no such time.
pub fn age(time: &Value, now: i64) -> String {
    since(time, now)
}

fn column(text: &'static str) -> Column {
    let (priority, text) = text.strip_prefix('*').map_or((0, text), |rest| (1, rest));
    let (r#type, name) = match text.as_bytes().first() {
        Some(b'#') => ("integer", &text[1..]),
        Some(b'@') => ("date", &text[1..]),
        Some(b'?') => ("boolean", &text[1..]),
        _ => ("string", text),
    };
    let format = if name == "Name" { "name" } else { "" };
    Column { name, r#type, format, description: describe(name), priority }
}

fn describe(name: &str) -> &'static str {
    match name {
        "Name" => "Name is unique within a namespace.",
        "Age" => "Time since the object was created.",
        "Created At" => "When the object was created.",
        "Ready" => "How many are ready, of how many.",
        "Restarts" => "How often containers were restarted, and when last.",
        _ => "",
    }
}

fn plain(object: &Value, now: i64) -> Vec<Value> {
    vec![text(&object["metadata"]["name"]).into(), age_of(object, now)]
}

fn name_of(object: &Value) -> Value {
    text(&object["metadata"]["name"]).into()
}

fn age_of(object: &Value, now: i64) -> Value {
    since(&object["metadata"]["creationTimestamp"], now).into()
}

#[cfg(test)]
mod tests;
