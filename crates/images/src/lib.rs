//! Images on this machine: content store, pull, unpack, layers, garbage collection.
//!
//! [`Images`] is a folder: `blobs/sha256/<hex>` (manifests, configs, layers as they travel), `layers/<diff id>`
//! (layers unpacked once each, in overlayfs form), `index.json` (name → manifest digest), `pins/` (layers that
//! somebody else wants kept) and `ingest/` (unfinished work, never read). Everything appears by rename, so that a
//! killed process leaves nothing half made; `lock` orders the writers of several processes.

mod blobs;
mod error;
mod export;
mod gc;
mod import;
mod index;
mod layer_tar;
mod layers;
mod pull;
mod store;
mod unpack;
mod view;

#[cfg(test)]
mod tests;

pub use blobs::BlobWriter;
pub use error::{Error, Result};
pub use gc::Collected;
pub use layers::Layer;
pub use store::{Images, StoredManifest};
pub use view::{Kind, Node, View};

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
