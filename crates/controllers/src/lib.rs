//! Deployment, ReplicaSet, Job and the others: objects in, writes out.
//!
//! A controller is two pure functions: which keys a change concerns, and what to write for a key. It reads a
//! [`View`] and the clock it is given; it never waits and never remembers: a restarted daemon needs no hand-over.
//! Enter at [`all`] (the list) and [`Controller`]. `cluster` drives them and carries out the writes.

mod access;
mod aggregation;
mod autoscaler;
mod cronjob;
mod daemonset;
mod deployment;
mod disruption;
mod endpoints;
mod garbage;
mod job;
mod mirror;
mod namespace;
mod nodes;
mod podgc;
mod pods;
mod quota;
mod ranking;
mod replicaset;
mod revisions;
mod rollout;
mod scheduler;
mod secret_tokens;
mod statefulset;
mod taint_eviction;
mod told;
mod unsupported;
mod volumes;

use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use store::{Change, Key, Object, View, Write};

pub use access::{at, int_at, key_of, labels_match, list_at, str_at};
pub use autoscaler::refused as rescale_refused;
pub use schema::measured::Measured;
pub use told::{creation, refusal};
pub use volumes::STORAGE_CLASS;

/// What controllers may know of the server beside the objects.
pub trait Server: View {
    /// `apps/deployments` for (`apps/v1`, `Deployment`).
    fn resource_of(&self, api_version: &str, kind: &str) -> Option<String>;
    /// Whether objects of this resource live in namespaces.
    fn is_namespaced(&self, resource: &str) -> bool;
    /// The names of all namespaced kinds, built in and custom.
    fn namespaced_resources(&self) -> Vec<String>;
    /// The cluster's CA certificate, which each namespace gets as `kube-root-ca.crt`.
    fn ca_certificate(&self) -> &str;
    /// The folder on the node below which local-path volumes live.
    fn storage_path(&self) -> &str;
    /// A token that never expires for a ServiceAccount (its name and uid), to be kept in this Secret.
    fn secret_token(&self, namespace: &str, account: &str, uid: &str, secret: &str) -> String;
    /// The `scale` of an object, or why there is none.
    fn scale(&self, key: &Key) -> Result<Scale, String>;
    /// The pods of a namespace that a selector selects, which is written as in a `scale`.
    fn pods_of(&self, namespace: &str, selector: &str) -> Result<Vec<Object>, String>;
    /// What pods and nodes have used of late.
    fn measured(&self) -> Arc<Measured>;
}

/// What everything that has replicas says of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scale {
    /// As many as there are to be.
    pub replicas: i64,
    /// `app=web,tier in (a, b)`; empty: the kind has none.
    pub selector: String,
}

/// What a reconcile wants: writes in order, and when to look again although nothing changed.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    pub writes: Vec<Write>,
    pub again_after: Option<Duration>,
    /// Other keys to reconcile after a while: a key can say what was already seen.
    pub later: Vec<(Key, Duration)>,
}

impl Outcome {
    fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// Ask for another look; the earliest request wins.
    fn again(&mut self, after: Duration) {
        self.again_after = Some(self.again_after.map_or(after, |old| old.min(after)));
    }
}

pub trait Controller: Send + Sync {
    /// As in `kubectl get events`: `deployment-controller`.
    fn name(&self) -> &'static str;
    /// The keys to reconcile after this change. At start each existing object is passed as `Added`.
    fn concerns(&self, server: &dyn Server, change: &Change) -> Vec<Key>;
    fn reconcile(&self, server: &dyn Server, key: &Key, now: Timestamp) -> Outcome;
}

/// Every controller, in no particular order: they meet only in the store.
pub fn all() -> Vec<Box<dyn Controller>> {
    vec![
        Box::new(namespace::Namespaces),
        Box::new(garbage::GarbageCollector),
        Box::new(podgc::PodGc),
        Box::new(nodes::Nodes),
        Box::new(taint_eviction::TaintEviction),
        Box::new(deployment::Deployments),
        Box::new(replicaset::REPLICA_SETS),
        Box::new(replicaset::REPLICATION_CONTROLLERS),
        Box::new(disruption::Disruption),
        Box::new(quota::Quotas::default()),
        Box::new(statefulset::StatefulSets),
        Box::new(daemonset::DaemonSets),
        Box::new(job::Jobs),
        Box::new(aggregation::Aggregation),
        Box::new(cronjob::CronJobs),
        Box::new(scheduler::Scheduler::default()),
        Box::new(secret_tokens::SecretTokens),
        Box::new(endpoints::Endpoints),
        Box::new(mirror::Mirror),
        Box::new(volumes::PersistentVolumeClaims),
        Box::new(volumes::PersistentVolumes),
        Box::new(autoscaler::Autoscalers::default()),
        Box::new(unsupported::Unsupported),
    ]
}

#[cfg(test)]
mod testing;
