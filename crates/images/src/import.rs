//! Archives become images: `docker save`, OCI layouts, and plain root file systems.

use crate::error::{Error, Result};
use crate::{BlobWriter, Image, Images, unpack};
use oci::{Descriptor, Digest, History, ImageConfig, Index, Manifest, Reference, RunConfig, media};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;
use tar::{Archive, EntryType};

/// `manifest.json` of `docker save`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// What an archive held: path in it → content in the store.
#[derive(Default)]
struct Contents {
    files: HashMap<String, (Digest, u64)>,
    links: HashMap<String, String>,
}

impl Images {
    /// Imports a `docker save` or OCI layout archive (plain, gzip or zstd) and returns the images that got a name.
    pub async fn import(&self, path: &Path) -> Result<Vec<Image>> {
        let (images, path) = (self.clone(), path.to_owned());
        blocking(move || {
            let file = File::open(&path).map_err(Error::file("open", &path))?;
            images.import_reader(file, &path.display().to_string())
        })
        .await
    }

    /// As [`Images::import`] from a stream; `what` names it in messages. Blocks.
    pub fn import_reader(&self, reader: impl Read, what: &str) -> Result<Vec<Image>> {
        let damaged = |source| Error::Archive { layer: what.to_owned(), source };
        let mut archive = Archive::new(unpack::decompress(reader).map_err(damaged)?);
        let mut contents = Contents::default();
        for entry in archive.entries().map_err(damaged)? {
            let mut entry = entry.map_err(damaged)?;
            let name = tidy(&String::from_utf8_lossy(&entry.path_bytes()), "");
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    let mut writer = self.writer()?;
                    io::copy(&mut entry, &mut writer).map_err(damaged)?;
                    contents.files.insert(name, writer.finish(None)?);
                }
                EntryType::Symlink | EntryType::Link => {
                    let is_hard = entry.header().entry_type() == EntryType::Link;
                    let target = entry.link_name_bytes().unwrap_or_default();
                    let folder =
                        if is_hard { "" } else { name.rsplit_once('/').map_or("", |(folder, _)| folder) };
                    let target = tidy(&String::from_utf8_lossy(&target), folder);
                    contents.links.insert(name, target);
                }
                _ => {}
            }
        }
        let names = self.register(&contents, what)?;
        names.into_iter().map(|(name, digest)| self.image(name, &digest)).collect()
    }

    fn register(&self, contents: &Contents, what: &str) -> Result<Vec<(String, Digest)>> {
        let saved = contents.find("manifest.json");
        let index = contents.find("index.json");
        let mut found = Vec::new();
        if let Some((digest, _)) = index {
            found = self.register_layout(&digest, what)?;
        }
        if let Some((digest, _)) = saved
            && found.is_empty()
        {
            found = self.register_saved(&digest, contents, what)?;
        }
        if saved_and_index_missing(contents) {
            return Err(Error::NotAnArchive { what: what.to_owned() });
        }
        for (name, digest) in &found {
            // Only an image that is whole gets its name.
            self.image(name.clone(), digest)?;
        }
        self.index().update(|names| {
            names.extend(found.iter().map(|(name, digest)| (name.clone(), digest.to_string())));
            Ok(())
        })?;
        Ok(found)
    }

    fn register_layout(&self, digest: &Digest, what: &str) -> Result<Vec<(String, Digest)>> {
        let index: Index = self.document(digest, "index.json")?;
        let mut found = Vec::new();
        for entry in &index.manifests {
            let annotation = |key: &str| entry.annotations.get(key).map(String::as_str);
            let name = annotation("io.containerd.image.name").or_else(|| {
                // A bare tag says nothing about the repository.
                annotation("org.opencontainers.image.ref.name").filter(|name| name.contains(['/', ':']))
            });
            let Some(name) = name else { continue };
            if !self.blob_path(&entry.digest).exists() {
                return Err(Error::Incomplete { what: what.to_owned(), missing: entry.digest.to_string() });
            }
            found.push((Reference::parse(name)?.to_string(), entry.digest.clone()));
        }
        if let ([], [only]) = (found.as_slice(), index.manifests.as_slice()) {
            // One image without a name: named after the file, as `docker load` cannot do better either.
            let stem = Path::new(what).file_name().map(|name| name.to_string_lossy().to_lowercase());
            let stem =
                stem.as_deref().and_then(|name| name.split('.').next()).unwrap_or("imported").to_owned();
            if let Ok(reference) = Reference::parse(&stem)
                && self.blob_path(&only.digest).exists()
            {
                let tag = only.annotations.get("org.opencontainers.image.ref.name");
                let reference = tag.map_or(reference.clone(), |tag| reference.with_tag(tag));
                found.push((reference.to_string(), only.digest.clone()));
            }
        }
        Ok(found)
    }

    fn register_saved(
        &self,
        digest: &Digest,
        contents: &Contents,
        what: &str,
    ) -> Result<Vec<(String, Digest)>> {
        let saved: Vec<Saved> = self.document(digest, "manifest.json")?;
        let mut found = Vec::new();
        for image in saved {
            let missing = |name: &str| Error::Incomplete { what: what.to_owned(), missing: name.to_owned() };
            let (config, size) = contents.find(&image.config).ok_or_else(|| missing(&image.config))?;
            let mut layers = Vec::new();
            for layer in &image.layers {
                let (digest, size) = contents.find(layer).ok_or_else(|| missing(layer))?;
                layers.push(Descriptor::new(self.layer_media_type(&digest)?, digest, size));
            }
            let manifest = Manifest::new(Descriptor::new(media::OCI_CONFIG, config, size), layers);
            let digest = self.put_json(&manifest, "a manifest")?;
            for name in image.repo_tags.unwrap_or_default() {
                found.push((Reference::parse(&name)?.to_string(), digest.clone()));
            }
        }
        Ok(found)
    }

    /// Makes an image of one layer from the tar of a root file system (plain, gzip or zstd). Blocks.
    pub fn import_rootfs(&self, reader: impl Read, name: &str, config: RunConfig) -> Result<Image> {
        let name = Reference::parse(name)?.to_string();
        let mut writer = self.writer()?;
        let (diff_id, _) = self.unpack_layer(Tee { from: reader, to: &mut writer }, None, &[])?;
        let (blob, size) = writer.finish(None)?;
        let layer = Descriptor::new(self.layer_media_type(&blob)?, blob, size);
        let history = History { created_by: Some("root file system imported".into()), ..History::default() };
        let config = ImageConfig {
            // The same archive gives the same image, whenever it is imported.
            created: Some("1970-01-01T00:00:00Z".into()),
            architecture: self.platform().architecture.clone(),
            os: self.platform().os.clone(),
            variant: self.platform().variant.clone(),
            config,
            rootfs: oci::LayerList { diff_ids: vec![diff_id], ..Default::default() },
            history: vec![history],
            ..ImageConfig::default()
        };
        self.put_image(&[&name], &config, vec![layer])
    }

    /// Stores a config and a manifest over layers that are here, and names the image.
    pub fn put_image(&self, names: &[&str], config: &ImageConfig, layers: Vec<Descriptor>) -> Result<Image> {
        let config_bytes = to_json(config, "a config")?;
        let config =
            Descriptor::new(media::OCI_CONFIG, self.put_blob(&config_bytes)?, config_bytes.len() as u64);
        let digest = self.put_json(&Manifest::new(config, layers), "a manifest")?;
        let names =
            names.iter().map(|name| Ok(Reference::parse(name)?.to_string())).collect::<Result<Vec<_>>>()?;
        self.index().update(|index| {
            index.extend(names.iter().map(|name| (name.clone(), digest.to_string())));
            Ok(())
        })?;
        self.image(names.into_iter().next().unwrap_or_else(|| digest.to_string()), &digest)
    }

    fn document<T: for<'de> Deserialize<'de>>(&self, digest: &Digest, what: &str) -> Result<T> {
        serde_json::from_slice(&self.read_blob(digest)?)
            .map_err(|source| Error::Document { what: what.to_owned(), source })
    }

    fn put_json(&self, value: &impl serde::Serialize, what: &str) -> Result<Digest> {
        self.put_blob(&to_json(value, what)?)
    }

    /// By its first bytes: what archives call their layers says nothing.
    fn layer_media_type(&self, digest: &Digest) -> Result<&'static str> {
        let path = self.blob_path(digest);
        let mut start = [0; 4];
        let read = File::open(&path)
            .and_then(|mut file| file.read(&mut start))
            .map_err(Error::file("read", &path))?;
        Ok(match &start[..read] {
            [0x1f, 0x8b, ..] => media::OCI_LAYER_GZIP,
            [0x28, 0xb5, 0x2f, 0xfd] => media::OCI_LAYER_ZSTD,
            _ => media::OCI_LAYER,
        })
    }
}

impl Contents {
    /// A file by its path in the archive, through links.
    fn find(&self, name: &str) -> Option<(Digest, u64)> {
        let mut name = tidy(name, "");
        for _ in 0..8 {
            if let Some(found) = self.files.get(&name) {
                return Some(found.clone());
            }
            name = self.links.get(&name)?.clone();
        }
        None
    }
}

fn saved_and_index_missing(contents: &Contents) -> bool {
    contents.find("manifest.json").is_none() && contents.find("index.json").is_none()
}

/// A path in an archive without `.`, `..` and slashes at its ends.
fn tidy(name: &str, folder: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}

fn to_json(value: &impl serde::Serialize, what: &str) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|source| Error::Document { what: what.to_owned(), source })
}

/// Keeps a copy of what is read.
struct Tee<'a, R> {
    from: R,
    to: &'a mut BlobWriter,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.to.write_all(&buffer[..count])?;
        Ok(count)
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Stopped)?
}
