//! Versioned objects with watch history, in memory.
//!
//! The store knows keys, resource versions and changes; it knows nothing of files, clocks, tasks or Kubernetes
//! rules (defaulting, validation and admission are `api`'s). Controllers read it through [`View`] and answer
//! with [`Write`]s, which `api` carries out.

mod compact;
mod fixture;
mod fold;
mod history;
mod index;
mod snapshot;
#[cfg(test)]
mod tests;
mod versioned;

use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

pub use fixture::Fixture;
pub use fold::Fold;
pub use history::{Expired, History, Interest, Limits, Record};
pub use index::Term;
pub use snapshot::{Mark, Snapshot};
pub use versioned::Store;

/// An object as stored: a JSON tree, never a typed struct (typed round trips lose data).
pub type Object = Arc<Value>;

/// `group/plural` of a kind, the plural alone for the core group: `pods`, `apps/deployments`,
/// `networking.k8s.io/ingresses`. The version is not part of it: one object, several versions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource(pub Arc<str>);

impl Resource {
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an object lives. `namespace` is empty for cluster-scoped kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub resource: Resource,
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl Key {
    pub fn new(resource: &str, namespace: &str, name: &str) -> Self {
        Self { resource: Resource::new(resource), namespace: namespace.into(), name: name.into() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.resource, self.name)
        } else {
            write!(f, "{} {}/{}", self.resource, self.namespace, self.name)
        }
    }
}

/// Kinds whose objects controllers adopt when they have no controller.
pub const ADOPTABLE: [&str; 2] = ["pods", "apps/replicasets"];

fn is_controlled(object: &Value) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().any(|owner| owner["controller"] == true)
}

/// What controllers and the node see: a consistent reading of all objects. Cheap; borrowed per reconcile.
pub trait View {
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Object>;
    /// All of a kind in a namespace; an empty namespace means all of them. Ordered by namespace and name.
    fn list(&self, resource: &str, namespace: &str) -> Vec<Object>;
    /// Objects that have an ownerReference with this uid (all kinds; served from an index).
    fn owned_by(&self, uid: &str) -> Vec<(Key, Object)>;
    /// Objects of a kind in a namespace (an empty one means all of them) that say all of these; costs what says the rarest
    /// of them, where there is an index. In the order of `list`.
    fn select(&self, resource: &str, namespace: &str, terms: &[Term<'_>]) -> Vec<Object> {
        let mut found = self.list(resource, namespace);
        found.retain(|object| index::says_all(resource, object, terms));
        found
    }
    /// What has changed in a kind since; costs what has changed, where there is an index.
    fn since(&self, resource: &str, _mark: &Mark) -> Since {
        let changes = self.list(resource, "").into_iter().map(|object| (None, Some(object))).collect();
        Since { mark: Mark::default(), from_scratch: true, changes }
    }
    /// [`View::since`] of one namespace, for a mark that is always asked about the same one.
    fn since_in(&self, resource: &str, namespace: &str, _mark: &Mark) -> Since {
        let all = self.list(resource, namespace).into_iter();
        let changes = all.map(|object| (None, Some(object))).collect();
        Since { mark: Mark::default(), from_scratch: true, changes }
    }
    /// Objects of a kind in a namespace that no controller has; for [`ADOPTABLE`] kinds served from an index.
    fn unowned(&self, resource: &str, namespace: &str) -> Vec<Object> {
        self.select(resource, namespace, &[Term::Free])
    }
}

/// What has changed in a kind since a [`Mark`] was taken.
#[derive(Debug, Clone, Default)]
pub struct Since {
    pub mark: Mark,
    /// `changes` are all objects: whoever adds up starts anew.
    pub from_scratch: bool,
    /// Each object before and after.
    pub changes: Vec<(Option<Object>, Option<Object>)>,
}

/// One intended change, the answer of a controller. Carried out by `api::Api::write`, with optimistic checks.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Create; "already exists" is not an error worth more than a new reconcile.
    Create { resource: Resource, object: Value },
    /// Replace all but status. Refused with a conflict when `metadata.resourceVersion` is not current.
    Update { resource: Resource, object: Value },
    /// Replace `.status` only; metadata.resourceVersion as in `Update`.
    UpdateStatus { resource: Resource, object: Value },
    /// RFC 7386 merge patch of one object; `subresource` is "" or "status".
    Merge { key: Key, subresource: &'static str, patch: Value },
    /// Delete, only if the uid still matches (when given). `grace_seconds: Some(0)` is the final delete.
    Delete { key: Key, uid: Option<String>, grace_seconds: Option<i64>, propagation: Propagation },
    /// An Event about an object (aggregated by `api`).
    Event { regarding: Value, kind: EventKind, reason: String, message: String, component: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    Normal,
    Warning,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// One entry of the history: what watches are fed from.
#[derive(Debug, Clone)]
pub struct Change {
    pub version: u64,
    pub kind: ChangeKind,
    pub key: Key,
    /// The object after the change; for `Deleted` its last state, with the version of the delete.
    pub object: Object,
    /// The object before the change (`None` for `Added`): selector transitions need it.
    pub previous: Option<Object>,
    /// `object` as it was written to the journal; empty before that.
    pub text: Bytes,
}
