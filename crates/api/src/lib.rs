//! The Kubernetes API as calls: what the HTTP server, the controllers' driver and the node agent all use.
//!
//! One handle, [`Api`], cheap to clone. A write is defaulted, validated, checked against the current version,
//! journalled (the bytes are with the operating system before the call returns) and published to watchers.

mod changes;
mod error;
mod kinds;
mod options;
mod streams;

use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

pub use changes::Changes;
pub use error::{ApiError, Result, qualified};
pub use kinds::{Kinds, split_api_version};
pub use options::{ApiConfig, DeleteOptions, FieldValidation, PatchKind, Warnings, WriteOptions};
pub use store::{
    Change, ChangeKind, EventKind, Expired, Key, Object, Propagation, Resource, Snapshot, View, Write,
};
pub use streams::{ByteStream, ExecExit, ExecRequest, ExecStreams, LogRequest, NodeHandle, NodeStreams};

/// Why an [`Api`] could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path} is in use by another daemon")]
    Locked { path: PathBuf },
    #[error("cannot {doing} {path}")]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{path} is damaged at byte {offset}: {problem}")]
    Damaged { path: PathBuf, offset: u64, problem: &'static str },
    #[error("bad service range {text}")]
    ServiceCidr { text: String },
}

/// The API. Clones are the same API.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    config: ApiConfig,
    store: Mutex<store::Store>,
    snapshot: RwLock<Snapshot>,
    kinds: RwLock<Arc<Kinds>>,
    version: watch::Sender<u64>,
}

impl Api {
    /// Replays the journal and makes the built-in namespaces.
    pub fn open(config: ApiConfig) -> std::result::Result<Api, OpenError> {
        let store = store::Store::new(20_000);
        let inner = Inner {
            config,
            snapshot: RwLock::new(store.snapshot()),
            store: Mutex::new(store),
            kinds: RwLock::default(),
            version: watch::Sender::new(0),
        };
        Ok(Api { inner: Arc::new(inner) })
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

    pub fn create(&self, _resource: &str, _object: Value, _options: &WriteOptions) -> Result<Object> {
        Err(ApiError::internal("create is not built yet"))
    }

    /// Replaces all but the status (where the kind has a status subresource).
    pub fn update(&self, _resource: &str, _object: Value, _options: &WriteOptions) -> Result<Object> {
        Err(ApiError::internal("update is not built yet"))
    }

    /// Replaces the status only.
    pub fn update_status(&self, _resource: &str, _object: Value, _options: &WriteOptions) -> Result<Object> {
        Err(ApiError::internal("update_status is not built yet"))
    }

    /// `subresource` is empty, `status` or `scale`.
    pub fn patch(
        &self,
        _key: &Key,
        _kind: PatchKind,
        _subresource: &str,
        _patch: &Value,
        _options: &WriteOptions,
    ) -> Result<Object> {
        Err(ApiError::internal("patch is not built yet"))
    }

    /// The object's last state, or its state while it waits for its finalizers or its grace period.
    pub fn delete(&self, _key: &Key, _options: &DeleteOptions) -> Result<Object> {
        Err(ApiError::internal("delete is not built yet"))
    }

    /// Carries out what a controller or the node wants.
    pub fn write(&self, _write: Write) -> Result<()> {
        Err(ApiError::internal("write is not built yet"))
    }

    /// Everything that changes after `since`.
    pub fn changes(&self, since: u64) -> Changes {
        Changes::new(self.clone(), since, self.inner.version.subscribe())
    }

    pub fn kinds(&self) -> Arc<Kinds> {
        self.inner.kinds.read().clone()
    }

    fn since(&self, version: u64, limit: usize) -> std::result::Result<Vec<Change>, Expired> {
        self.inner.store.lock().since(version, limit)
    }
}
