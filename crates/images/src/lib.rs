//! Images on this machine: content store, pull, unpack, layers, garbage collection.

use oci::RunConfig;
use std::path::PathBuf;

/// An image that is here, whole.
#[derive(Debug, Clone)]
pub struct Image {
    /// Canonical name: `docker.io/library/nginx:1.22`, `codex-registry.localhost:5111/codex-backend:dev`.
    pub name: String,
    /// `sha256:…` of the manifest (what `imageID` shows).
    pub digest: String,
    /// `sha256:…` of the config.
    pub config_digest: String,
    pub config: RunConfig,
    pub size: u64,
}

/// The unpacked layers of an image, lowest first, ready as overlay lower directories.
#[derive(Debug, Clone)]
pub struct Rootfs {
    pub layers: Vec<PathBuf>,
}
