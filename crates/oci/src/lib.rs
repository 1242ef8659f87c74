//! OCI digests, references, manifests and layer rules as values.
//!
//! Nothing here touches a file or a socket: stores, registries and builders share these words.

mod config;
mod digest;
mod manifest;
mod reference;
pub mod whiteout;

pub use config::{History, ImageConfig, LayerList, RunConfig};
pub use digest::{Digest, DigestError, Hasher};
pub use manifest::{Descriptor, Index, Manifest, ManifestKind, Platform, media};
pub use reference::{Reference, ReferenceError};

/// Fields that we do not know; kept so that a document survives being read and written.
pub type Extra = std::collections::BTreeMap<String, serde_json::Value>;
