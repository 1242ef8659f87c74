//! Images become archives that `docker load`, `skopeo` and [`Images::import`] read: an OCI layout with a
//! `manifest.json` as `docker save` writes it.

use crate::error::{Error, Result};
use crate::{Images, StoredManifest};
use oci::{Digest, ManifestKind, Reference};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::Path;
use tar::{Builder, Header};

impl Images {
    /// Writes the images as one archive. Blocks.
    pub fn export(&self, names: &[&str], out: impl Write) -> Result<()> {
        let mut archive = Archive { tar: Builder::new(out), written: BTreeSet::new() };
        let mut index = Vec::new();
        let mut saved = Vec::new();
        for name in names {
            let image = self.require(name)?;
            let resolved = self.resolved(&image)?;
            let manifest =
                self.manifest(&image.digest)?.ok_or_else(|| Error::NoImage { name: (*name).to_owned() })?;
            let manifest = self.for_host(manifest)?;
            archive.bytes(&blob_name(&manifest.digest), &manifest.bytes)?;
            let config = &resolved.manifest.config.digest;
            archive.bytes(&blob_name(config), &self.read_blob(config)?)?;
            for layer in &resolved.manifest.layers {
                let size = self.blob_size(&layer.digest).unwrap_or(layer.size);
                archive.stream(&blob_name(&layer.digest), size, self.open_blob(&layer.digest)?)?;
            }
            let familiar = Reference::parse(&image.name)?.familiar();
            index.push(json!({
                "mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.bytes.len(),
                "annotations": {"io.containerd.image.name": image.name},
            }));
            saved.push(json!({
                "Config": blob_name(config),
                "RepoTags": [familiar],
                "Layers": resolved.manifest.layers.iter().map(|layer| blob_name(&layer.digest)).collect::<Vec<_>>(),
            }));
        }
        archive.bytes("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        archive
            .bytes("index.json", json!({"schemaVersion": 2, "manifests": index}).to_string().as_bytes())?;
        archive.bytes("manifest.json", serde_json::Value::from(saved).to_string().as_bytes())?;
        archive.tar.finish().map_err(written)
    }

    /// Of an index only the manifest that is here whole can be exported.
    fn for_host(&self, manifest: StoredManifest) -> Result<StoredManifest> {
        match ManifestKind::parse(&manifest.bytes) {
            Ok(ManifestKind::Index(index)) => {
                let chosen = self.choose(manifest.digest.as_str(), &index)?;
                let inner = self.manifest(chosen.digest.as_str())?;
                inner.ok_or_else(|| Error::NoBlob { digest: chosen.digest.to_string() })
            }
            _ => Ok(manifest),
        }
    }
}

struct Archive<W: Write> {
    tar: Builder<W>,
    written: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    fn bytes(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.stream(name, bytes.len() as u64, bytes)
    }

    /// Adds a file; images of one archive share layers.
    fn stream(&mut self, name: &str, size: u64, from: impl Read) -> Result<()> {
        if !self.written.insert(name.to_owned()) {
            return Ok(());
        }
        let mut header = Header::new_ustar();
        header.set_size(size);
        header.set_mode(0o644);
        header.set_mtime(0);
        self.tar.append_data(&mut header, name, from).map_err(written)
    }
}

fn written(source: io::Error) -> Error {
    Error::File { doing: "write", path: Path::new("the archive").to_owned(), source }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
