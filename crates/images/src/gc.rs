//! Garbage collection: what no name and no pin leads to goes.

use crate::blobs::remove_if_there;
use crate::error::{Error, Result};
use crate::{Images, index};
use oci::{Digest, ImageConfig, ManifestKind};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What is younger may belong to a pull, push or build that has not put its name yet.
const GRACE: Duration = Duration::from_secs(3600);

/// What was freed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    pub blobs: usize,
    pub layers: usize,
    pub bytes: u64,
}

/// What must stay.
#[derive(Default)]
struct Live {
    blobs: BTreeSet<String>,
    layers: BTreeSet<PathBuf>,
}

impl Images {
    /// Keeps these layers from being collected, instead of those that `owner` named before.
    pub fn pin(&self, owner: &str, layers: &[Digest]) -> Result<()> {
        let lines: Vec<String> = layers.iter().map(|digest| format!("{digest}\n")).collect();
        index::replace(&self.pins_folder().join(owner), lines.concat().as_bytes())
    }

    /// Removes content that no name and no pin leads to and that is older than an hour. `in_use`: layer folders
    /// that containers stand on, named or not. Blocks.
    pub fn gc(&self, in_use: &[PathBuf]) -> Result<Collected> {
        self.gc_older_than(in_use, GRACE)
    }

    /// As [`Images::gc`] with another age.
    pub fn gc_older_than(&self, in_use: &[PathBuf], age: Duration) -> Result<Collected> {
        let _held = self.index().lock()?;
        let live = self.live(in_use)?;
        let now = SystemTime::now();
        let is_old = |path: &Path| {
            let meta = fs::symlink_metadata(path).ok()?;
            // The change time: unpacking sets the modification time to what the archive says.
            let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(meta.ctime()).ok()?);
            Some(now.duration_since(changed).unwrap_or_default() >= age)
        };
        let mut freed = Collected::default();
        for path in entries(&self.layers_folder())? {
            let tree = path.with_extension("");
            if live.layers.contains(&tree) || is_old(&path) != Some(true) {
                continue;
            }
            if path.extension().is_some() {
                remove_if_there(&path)?;
                continue;
            }
            freed.bytes += size_of(&path);
            freed.layers += 1;
            // Out of the way first: a half removed layer must not look like a layer.
            let aside = self.scratch()?;
            fs::rename(&path, aside.path().join("tree")).map_err(Error::file("remove", &path))?;
        }
        for path in entries(&self.blobs_folder())? {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if !live.blobs.contains(&name) && is_old(&path) == Some(true) {
                freed.bytes += fs::metadata(&path).map_or(0, |meta| meta.len());
                freed.blobs += usize::from(remove_if_there(&path)?);
            }
        }
        for path in entries(&self.ingest_folder())? {
            // Unfinished work of a process that was killed.
            if is_old(&path) == Some(true) && fs::remove_file(&path).is_err() {
                let _in_use = fs::remove_dir_all(&path);
            }
        }
        self.forget();
        Ok(freed)
    }

    fn live(&self, in_use: &[PathBuf]) -> Result<Live> {
        let mut live = Live { layers: in_use.iter().cloned().collect(), ..Live::default() };
        for digest in self.index().read()?.values() {
            if let Ok(digest) = Digest::parse(digest) {
                self.mark(&digest, &mut live);
            }
        }
        for pin in entries(&self.pins_folder())? {
            let text = fs::read_to_string(&pin).map_err(Error::file("read", &pin))?;
            for digest in text.lines().filter_map(|line| Digest::parse(line).ok()) {
                live.blobs.insert(digest.hex().to_owned());
                live.layers.insert(self.layer_path(&digest));
            }
        }
        Ok(live)
    }

    /// Marks a manifest and all that it leads to; what is not here needs no mark.
    fn mark(&self, digest: &Digest, live: &mut Live) {
        if !live.blobs.insert(digest.hex().to_owned()) {
            return;
        }
        let Ok(bytes) = self.read_blob(digest) else { return };
        match ManifestKind::parse(&bytes) {
            Ok(ManifestKind::Index(index)) => {
                index.manifests.iter().for_each(|entry| self.mark(&entry.digest, live));
            }
            Ok(ManifestKind::Manifest(manifest)) => {
                let blobs = manifest.layers.iter().chain([&manifest.config]);
                live.blobs.extend(blobs.map(|entry| entry.digest.hex().to_owned()));
                let config = self.read_blob(&manifest.config.digest).ok();
                let config = config.and_then(|bytes| serde_json::from_slice::<ImageConfig>(&bytes).ok());
                let diff_ids = config.map(|config| config.rootfs.diff_ids).unwrap_or_default();
                live.layers.extend(diff_ids.iter().map(|diff_id| self.layer_path(diff_id)));
            }
            Err(_) => {}
        }
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>());
    listed.map_err(Error::file("read", folder))
}

fn size_of(tree: &Path) -> u64 {
    let files = walkdir::WalkDir::new(tree).into_iter().flatten();
    files
        .filter_map(|entry| entry.metadata().ok())
        .map(|meta| if meta.is_file() { meta.len() } else { 0 })
        .sum()
}
