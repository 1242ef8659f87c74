//! The Kubernetes API as calls: what the HTTP server, the controllers' driver and the node agent all use.
//!
//! One handle, [`Api`], cheap to clone. A write is defaulted, validated, checked against the current version,
//! journalled (the bytes are with the operating system before the call returns) and published to watchers.

mod admission;
mod admit;
mod apply;
mod changes;
mod convert;
mod crds;
mod deletion;
mod error;
mod events;
mod eviction;
mod gvk;
mod journal;
mod kinds;
mod limits;
mod link;
mod luck;
mod measured;
mod metadata;
mod options;
mod patching;
mod pods;
mod policy;
mod quota;
mod rules;
mod scale;
mod selector;
mod services;
mod strategy;
mod streams;
mod structural;
#[cfg(test)]
mod tests;
mod transaction;
mod write;

use parking_lot::{Mutex, RwLock};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use transaction::Transaction;
use write::Part;

pub use admission::{Operation, Origin, UserInfo, WebhookCall, WebhookCaller, WebhookTarget};
pub use changes::Changes;
pub use error::{ApiError, Result, qualified};
pub use kinds::{Kinds, split_api_version};
pub use options::{ApiConfig, DeleteOptions, FieldValidation, PatchKind, Warnings, WriteOptions};
pub use scale::reason as scale_problem;
pub use schema::Kind;
pub use selector::{FieldFilter, FieldSelector, Selector};
pub use store::{
    Change, ChangeKind, EventKind, Expired, Key, Object, Propagation, Resource, Snapshot, View, Write,
};
pub use streams::{
    ByteStream, ExecExit, ExecRequest, ExecStreams, LogRequest, LogStream, NodeHandle, NodeStreams,
};

/// What watches can catch up with: the last 10,000 changes, more in a cluster of small objects. A parsed object takes
/// some five times the memory of its text, so only the newest are kept as values.
const HISTORY: store::Limits =
    store::Limits { changes: 10_000, weight: 8 << 20, most: 256 << 20, parsed: 512 };

/// Namespaces that are there from the start.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Why an [`Api`] could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path} is in use by another daemon")]
    Locked { path: PathBuf },
    #[error("cannot {doing} {path}")]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{path} is damaged at byte {offset}: {problem}")]
    Damaged { path: PathBuf, offset: u64, problem: &'static str },
    #[error("bad service range {text:?}: an IPv4 range such as 10.43.0.0/16 is needed")]
    ServiceCidr { text: String },
    #[error("cannot create namespace {name}")]
    Namespace { name: &'static str, source: Box<ApiError> },
}

/// The API. Clones are the same API.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    config: ApiConfig,
    range: services::Range,
    /// Held for the length of one write.
    state: Mutex<State>,
    /// What readers see: never behind an acknowledged write.
    snapshot: RwLock<Snapshot>,
    builtin: HashSet<String>,
    kinds: RwLock<Arc<Kinds>>,
    feed: RwLock<changes::Feed>,
    shapes: apply::Custom,
    rules: rules::Known,
    policies: policy::Policies,
    roles: policy::Roles,
    quotas: quota::Memo,
    measured: measured::Latest,
    hooks: RwLock<Arc<admission::Hooks>>,
    caller: OnceLock<Arc<dyn WebhookCaller>>,
    /// Whether the objects of some kind are converted by a webhook.
    converts: AtomicBool,
}

struct State {
    store: store::Store,
    journal: journal::Journal,
    /// When old events were last looked for.
    pruned: Option<jiff::Timestamp>,
}

impl Api {
    /// Replays the journal and makes the built-in namespaces.
    pub fn open(config: ApiConfig) -> std::result::Result<Api, OpenError> {
        let range = services::Range::parse(&config.service_cidr)?;
        let (journal, replayed) = journal::Journal::open(&config.dir)?;
        let store = store::Store::restore(replayed.version, replayed.objects);
        let snapshot = store.snapshot();
        let builtin = link::kinds();
        let inner = Inner {
            config,
            range,
            builtin: builtin.iter().map(Kind::resource).collect(),
            kinds: RwLock::new(Arc::new(Kinds::new(builtin))),
            feed: RwLock::new(changes::Feed::new(store::History::new(HISTORY, snapshot.version()))),
            shapes: apply::Custom::default(),
            rules: rules::Known::default(),
            policies: policy::Policies::default(),
            roles: policy::Roles::default(),
            hooks: RwLock::default(),
            caller: OnceLock::new(),
            converts: AtomicBool::new(false),
            snapshot: RwLock::new(snapshot.clone()),
            state: Mutex::new(State { store, journal, pruned: None }),
            quotas: quota::Memo::default(),
            measured: measured::Latest::default(),
        };
        let api = Api { inner: Arc::new(inner) };
        api.reload_kinds(&snapshot);
        api.reload_hooks(&snapshot);
        // What is there is not asked about again: a policy that refuses everything must not keep the API from opening.
        for name in NAMESPACES.into_iter().filter(|name| snapshot.get("namespaces", "", name).is_none()) {
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            match api.create("namespaces", namespace, &WriteOptions::default()) {
                Err(error) if error.reason != "AlreadyExists" => {
                    return Err(OpenError::Namespace { name, source: Box::new(error) });
                }
                _ => {}
            }
        }
        Ok(api)
    }

    pub fn config(&self) -> &ApiConfig {
        &self.inner.config
    }

    /// A consistent reading of everything; cheap to take and to keep.
    pub fn view(&self) -> Snapshot {
        self.inner.snapshot.read().clone()
    }

    pub fn version(&self) -> u64 {
        self.inner.snapshot.read().version()
    }

    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Result<Object> {
        self.view().get(resource, namespace, name).ok_or_else(|| ApiError::not_found(resource, name))
    }

    pub fn list(&self, resource: &str, namespace: &str) -> Vec<Object> {
        self.view().list(resource, namespace)
    }

    pub fn create(&self, resource: &str, object: Value, options: &WriteOptions) -> Result<Object> {
        let kind = self.kind_of(resource, &options.api_version, Some(&object))?;
        write::create(&mut Transaction::begin(self, options.dry_run, &options.origin), &kind, object, options)
    }

    /// Replaces all but the status (where the kind has a status subresource).
    pub fn update(&self, resource: &str, object: Value, options: &WriteOptions) -> Result<Object> {
        let kind = self.kind_of(resource, &options.api_version, Some(&object))?;
        write::update(
            &mut Transaction::begin(self, options.dry_run, &options.origin),
            &kind,
            object,
            Part::Main,
            options,
        )
    }

    /// Replaces the status only.
    pub fn update_status(&self, resource: &str, object: Value, options: &WriteOptions) -> Result<Object> {
        let kind = self.kind_of(resource, &options.api_version, Some(&object))?;
        write::update(
            &mut Transaction::begin(self, options.dry_run, &options.origin),
            &kind,
            object,
            Part::Status,
            options,
        )
    }

    /// `subresource` is empty, `status` or `scale`; `binding`, `resize` and `ephemeralcontainers` for pods and `finalize` for
    /// namespaces take only the field that they are about.
    pub fn patch(
        &self,
        key: &Key,
        kind: PatchKind,
        subresource: &str,
        patch: &Value,
        options: &WriteOptions,
    ) -> Result<Object> {
        let known = self.kind_of(key.resource.as_str(), &options.api_version, None)?;
        let mut transaction = Transaction::begin(self, options.dry_run, &options.origin);
        patching::patch(&mut transaction, &known, key, kind, subresource, patch, options)
    }

    /// The object's last state, or its state while it waits for its finalizers or its grace period.
    pub fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Object> {
        let kind = self.kind_of(key.resource.as_str(), &options.origin.api_version, None)?;
        deletion::delete(&mut Transaction::begin(self, options.dry_run, &options.origin), &kind, key, options)
    }

    /// The `autoscaling/v1` Scale of an object.
    pub fn scale(&self, key: &Key) -> Result<Value> {
        scale::read(self, key)
    }

    /// Deletes a pod unless a PodDisruptionBudget forbids it now.
    pub fn evict(&self, namespace: &str, name: &str, options: &DeleteOptions) -> Result<Object> {
        let kind = self.kind("pods")?;
        let mut transaction = Transaction::begin(self, options.dry_run, &options.origin);
        eviction::evict(&mut transaction, &kind, namespace, name, options)
    }

    /// Carries out what a controller or the node wants. No webhook is asked.
    pub fn write(&self, write: Write) -> Result<()> {
        self.write_by(write, &Origin::default())
    }

    /// The same in somebody's name; see [`Api::admitted`].
    pub fn write_by(&self, write: Write, origin: &Origin) -> Result<()> {
        let origin = origin.clone();
        let options = WriteOptions {
            field_validation: FieldValidation::Ignore,
            origin: origin.clone(),
            ..WriteOptions::default()
        };
        match write {
            Write::Create { resource, object } => self.create(resource.as_str(), object, &options).map(drop),
            Write::Update { resource, object } => self.update(resource.as_str(), object, &options).map(drop),
            Write::UpdateStatus { resource, object } => {
                self.update_status(resource.as_str(), object, &options).map(drop)
            }
            Write::Merge { key, subresource, patch } => {
                self.patch(&key, PatchKind::Merge, subresource, &patch, &options).map(drop)
            }
            Write::Delete { key, uid, grace_seconds, propagation } => {
                let propagation = Some(propagation);
                let options =
                    DeleteOptions { uid, grace_seconds, propagation, origin, ..DeleteOptions::default() };
                self.delete(&key, &options).map(drop)
            }
            Write::Event { regarding, kind, reason, message, component } => {
                let event = events::Event { regarding, kind, reason, message, component };
                events::record(&mut Transaction::begin(self, false, &Origin::default()), event)
            }
        }
    }

    pub fn kinds(&self) -> Arc<Kinds> {
        self.inner.kinds.read().clone()
    }

    /// Whether a resource is Kubernetes' own, not one of a CustomResourceDefinition.
    pub fn is_builtin(&self, resource: &str) -> bool {
        self.inner.builtin.contains(resource)
    }

    fn kind(&self, resource: &str) -> Result<Arc<Kind>> {
        self.kinds()
            .by_resource(resource)
            .ok_or_else(|| ApiError::new(404, "NotFound", "the server could not find the requested resource"))
    }

    /// A kind in the version of a request, or else of its object.
    fn kind_of(&self, resource: &str, api_version: &str, object: Option<&Value>) -> Result<Arc<Kind>> {
        let kind = self.kind(resource)?;
        if kind.versions.len() < 2 || self.is_builtin(resource) {
            return Ok(kind);
        }
        let given = object.and_then(|object| object["apiVersion"].as_str()).unwrap_or_default();
        if !api_version.is_empty() && !given.is_empty() && given != api_version {
            let kind = convert::kind_in(kind, api_version);
            return Err(ApiError::bad_request(format!(
                "the API version in the data ({given}) does not match the expected API version ({})",
                kind.api_version()
            )));
        }
        Ok(convert::kind_in(kind, if api_version.is_empty() { given } else { api_version }))
    }

    fn reload_hooks(&self, view: &Snapshot) {
        *self.inner.hooks.write() = Arc::new(admission::Hooks::read(view));
    }

    fn reload_kinds(&self, view: &Snapshot) {
        let mut kinds = link::kinds();
        kinds.extend(crds::kinds(view));
        *self.inner.kinds.write() = Arc::new(Kinds::new(kinds));
        let definitions = view.list(crds::RESOURCE, "");
        let converts = definitions.iter().any(|known| known["spec"]["conversion"]["strategy"] == "Webhook");
        self.inner.converts.store(converts, Ordering::Relaxed);
    }
}
