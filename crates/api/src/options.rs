//! What a caller may ask of a write.

use crate::Origin;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;

/// Settings of an [`Api`](crate::Api).
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The journal lives here; the directory is made if it is not there.
    pub dir: PathBuf,
    /// Where Services get their addresses from, such as `10.43.0.0/16`.
    pub service_cidr: String,
    /// Such as `cluster.local`.
    pub cluster_domain: String,
}

/// What happens to fields that the kind does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// Collects the warnings of a call; clones share one list.
#[derive(Debug, Clone, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// The same warning is given once, as upstream does.
    pub fn push(&self, warning: impl Into<String>) {
        let (mut all, warning) = (self.0.lock(), warning.into());
        if !all.contains(&warning) {
            all.push(warning);
        }
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// Who writes, for `metadata.managedFields`.
    pub field_manager: String,
    /// Do everything but store it.
    pub dry_run: bool,
    pub field_validation: FieldValidation,
    pub warnings: Warnings,
    /// What a strict reader refuses in the body as it was sent, such as a field that is given twice.
    pub oversights: Vec<String>,
    /// The version that a patch speaks of, such as `autoscaling/v1`; empty: the stored one.
    pub api_version: String,
    pub origin: Origin,
}

impl WriteOptions {
    pub fn by(field_manager: &str) -> Self {
        Self { field_manager: field_manager.to_string(), ..Self::default() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own; custom kinds refuse it.
    Strategic,
    /// Server-side apply.
    Apply { force: bool },
}

#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    /// Precondition.
    pub uid: Option<String>,
    /// Precondition.
    pub resource_version: Option<String>,
    pub grace_seconds: Option<i64>,
    pub propagation: Option<store::Propagation>,
    pub dry_run: bool,
    pub origin: Origin,
}
