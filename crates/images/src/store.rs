//! The store itself: opening, names, manifests.

use crate::error::{Error, Result};
use crate::index::Index;
use crate::{Image, Rootfs};
use oci::{Digest, ImageConfig, Manifest, ManifestKind, Platform, Reference};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The images of this machine. Cheap to clone; several processes may have the same folder open.
#[derive(Clone, Debug)]
pub struct Images(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    index: Index,
    platform: Platform,
    /// What manifests mean; content does not change under its digest.
    known: Mutex<HashMap<Digest, Arc<Resolved>>>,
    /// One at a time per layer, so that two pods do not unpack the same one.
    unpacking: Mutex<HashMap<Digest, Arc<Mutex<()>>>>,
    pulling: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// A manifest as it was received.
#[derive(Debug, Clone)]
pub struct StoredManifest {
    pub digest: Digest,
    pub media_type: String,
    pub bytes: Vec<u8>,
}

/// A manifest for this machine, with its config.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) manifest: Manifest,
    pub(crate) config: ImageConfig,
}

impl Images {
    pub fn open(root: &Path) -> Result<Images> {
        for folder in ["blobs/sha256", "layers", "ingest", "pins"] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).map_err(Error::file("make folder", &folder))?;
        }
        let root = root.canonicalize().map_err(Error::file("open", root))?;
        Ok(Images(Arc::new(Inner {
            index: Index::new(&root),
            root,
            platform: host_platform(),
            known: Mutex::default(),
            unpacking: Mutex::default(),
            pulling: Mutex::default(),
        })))
    }

    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// `linux/amd64` and the like: what is taken from images that have several.
    pub fn platform(&self) -> &Platform {
        &self.0.platform
    }

    pub(crate) fn index(&self) -> &Index {
        &self.0.index
    }

    pub(crate) fn blobs_folder(&self) -> PathBuf {
        self.0.root.join("blobs/sha256")
    }

    pub(crate) fn ingest_folder(&self) -> PathBuf {
        self.0.root.join("ingest")
    }

    pub(crate) fn layers_folder(&self) -> PathBuf {
        self.0.root.join("layers")
    }

    pub(crate) fn pins_folder(&self) -> PathBuf {
        self.0.root.join("pins")
    }

    pub(crate) fn layer_lock(&self, diff_id: &Digest) -> Arc<Mutex<()>> {
        self.0.unpacking.lock().entry(diff_id.clone()).or_default().clone()
    }

    pub(crate) fn pull_lock(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.0.pulling.lock().entry(name.to_owned()).or_default().clone()
    }

    /// The image of this name if it is here, whole. Short names are completed (`nginx` is
    /// `docker.io/library/nginx:latest`); a digest (`name@sha256:…`, `sha256:…`) is looked up by content.
    pub fn get(&self, name: &str) -> Option<Image> {
        let digest = self.digest_of(name).ok().flatten()?;
        let canonical =
            Reference::parse(name).map_or_else(|_| name.to_owned(), |reference| reference.to_string());
        self.image(canonical, &digest).ok()
    }

    /// As [`Images::get`], with the reason when it is not here.
    pub fn require(&self, name: &str) -> Result<Image> {
        let reference = Reference::parse(name);
        let digest = self.digest_of(name)?.ok_or_else(|| Error::NoImage { name: name.to_owned() })?;
        let canonical = reference.map_or_else(|_| name.to_owned(), |reference| reference.to_string());
        self.image(canonical, &digest)
    }

    /// All images that have a name, in the order of their names.
    pub fn list(&self) -> Vec<Image> {
        let Ok(names) = self.0.index.read() else { return Vec::new() };
        names
            .iter()
            .filter_map(|(name, digest)| self.image(name.clone(), &Digest::parse(digest).ok()?).ok())
            .collect()
    }

    /// Canonical names and the digests they stand for, also of images that are not whole.
    pub fn names(&self) -> Result<Arc<std::collections::BTreeMap<String, String>>> {
        self.0.index.read()
    }

    /// Gives the image `src` another name as well.
    pub fn tag(&self, src: &str, dst: &str) -> Result<()> {
        let target = Reference::parse(dst)?.to_string();
        let digest = self.digest_of(src)?.ok_or_else(|| Error::NoImage { name: src.to_owned() })?;
        self.0.index.update(|names| {
            names.insert(target, digest.to_string());
            Ok(())
        })
    }

    /// Takes the name away; content goes with the next [`Images::gc`]. False if there was no such name.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let name = Reference::parse(name)?.to_string();
        self.0.index.update(|names| Ok(names.remove(&name).is_some()))
    }

    /// Stores a manifest or an index, under a name if one is given (a name with a digest only stores the content).
    pub fn put_manifest(&self, name: Option<&str>, bytes: &[u8]) -> Result<Digest> {
        let what = name.unwrap_or("the manifest");
        ManifestKind::parse(bytes).map_err(|source| Error::Document { what: what.to_owned(), source })?;
        let digest = self.put_blob(bytes)?;
        if let Some(name) = name {
            let reference = Reference::parse(name)?;
            self.0.index.update(|names| {
                names.insert(reference.to_string(), digest.to_string());
                Ok(())
            })?;
        }
        Ok(digest)
    }

    /// A manifest by name, `name@digest` or digest, as it was received (an index stays an index).
    pub fn manifest(&self, name_or_digest: &str) -> Result<Option<StoredManifest>> {
        let Some(digest) = self.digest_of(name_or_digest)? else { return Ok(None) };
        let bytes = match self.read_blob(&digest) {
            Ok(bytes) => bytes,
            Err(Error::NoBlob { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        // A layer can be asked for by its digest too; it is no manifest.
        let Ok(kind) = ManifestKind::parse(&bytes) else { return Ok(None) };
        let media_type = kind.media_type().to_owned();
        Ok(Some(StoredManifest { digest, media_type, bytes }))
    }

    /// The whole config of an image that is here.
    pub fn config(&self, image: &Image) -> Result<ImageConfig> {
        Ok(self.resolved(image)?.config.clone())
    }

    /// Digests of the unpacked layers, lowest first, and their sizes as they travel.
    pub fn layers_of(&self, image: &Image) -> Result<Vec<(Digest, oci::Descriptor)>> {
        let resolved = self.resolved(image)?;
        let diff_ids = resolved.config.rootfs.diff_ids.iter().cloned();
        Ok(diff_ids.zip(resolved.manifest.layers.iter().cloned()).collect())
    }

    /// The layers of an image as folders, unpacked if they were not before.
    pub async fn rootfs(&self, image: &Image) -> Result<Rootfs> {
        let resolved = self.resolved(image)?;
        if let Some(rootfs) = self.unpacked(&resolved) {
            return Ok(rootfs);
        }
        let (images, name) = (self.clone(), image.name.clone());
        tokio::task::spawn_blocking(move || images.unpack_all(&name, &resolved))
            .await
            .map_err(|_| Error::Stopped)?
    }

    pub(crate) fn resolved(&self, image: &Image) -> Result<Arc<Resolved>> {
        let digest =
            Digest::parse(&image.digest).map_err(|_| Error::NoBlob { digest: image.digest.clone() })?;
        self.resolve(&image.name, &digest)
    }

    pub(crate) fn digest_of(&self, name: &str) -> Result<Option<Digest>> {
        if let Ok(digest) = Digest::parse(name) {
            return Ok(self.blob_path(&digest).exists().then_some(digest));
        }
        let reference = Reference::parse(name)?;
        if let Some(digest) = reference.digest {
            return Ok(self.blob_path(&digest).exists().then_some(digest));
        }
        let names = self.0.index.read()?;
        Ok(names.get(&reference.to_string()).and_then(|text| Digest::parse(text).ok()))
    }

    pub(crate) fn image(&self, name: String, digest: &Digest) -> Result<Image> {
        let resolved = self.resolve(&name, digest)?;
        let layers = &resolved.manifest.layers;
        let missing = layers
            .iter()
            .zip(&resolved.config.rootfs.diff_ids)
            .find(|(layer, diff_id)| !self.layer_path(diff_id).exists() && !self.has_blob(&layer.digest));
        if let Some((layer, _)) = missing {
            return Err(Error::NoBlob { digest: layer.digest.to_string() });
        }
        Ok(Image {
            name,
            digest: digest.to_string(),
            config_digest: resolved.manifest.config.digest.to_string(),
            config: resolved.config.config.clone(),
            size: layers.iter().map(|layer| layer.size).sum::<u64>() + resolved.manifest.config.size,
        })
    }

    /// Reads a manifest (of an index, the one for this machine) and its config.
    fn resolve(&self, name: &str, digest: &Digest) -> Result<Arc<Resolved>> {
        if let Some(resolved) = self.0.known.lock().get(digest) {
            return Ok(resolved.clone());
        }
        let manifest = self.manifest_for_host(name, digest)?;
        let config = serde_json::from_slice(&self.read_blob(&manifest.config.digest)?)
            .map_err(|source| Error::Document { what: format!("the config of {name}"), source })?;
        let resolved = Arc::new(Resolved { manifest, config });
        self.0.known.lock().insert(digest.clone(), resolved.clone());
        Ok(resolved)
    }

    fn manifest_for_host(&self, name: &str, digest: &Digest) -> Result<Manifest> {
        let document = |source| Error::Document { what: format!("the manifest of {name}"), source };
        let index = match ManifestKind::parse(&self.read_blob(digest)?).map_err(document)? {
            ManifestKind::Manifest(manifest) => return Ok(manifest),
            ManifestKind::Index(index) => index,
        };
        let chosen = self.choose(name, &index)?;
        self.manifest_for_host(name, &chosen.digest)
    }

    pub(crate) fn choose<'a>(&self, name: &str, index: &'a oci::Index) -> Result<&'a oci::Descriptor> {
        index.choose(&self.0.platform).ok_or_else(|| {
            let platforms = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
            let mut available: Vec<String> = platforms.map(Platform::to_string).collect();
            available.dedup();
            Error::Platform {
                name: name.to_owned(),
                platform: self.0.platform.to_string(),
                available: available.join(", "),
            }
        })
    }

    pub(crate) fn forget(&self) {
        self.0.known.lock().clear();
    }
}

fn host_platform() -> Platform {
    let (architecture, variant) = match std::env::consts::ARCH {
        "x86_64" => ("amd64", None),
        "aarch64" => ("arm64", Some("v8".to_owned())),
        "arm" => ("arm", Some("v7".to_owned())),
        "x86" => ("386", None),
        "powerpc64" => ("ppc64le", None),
        other => (other, None),
    };
    Platform { os: "linux".into(), architecture: architecture.into(), variant, extra: Default::default() }
}
