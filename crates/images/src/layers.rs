//! Unpacked layers: `layers/<first 32 digits of the diff id>`, each a tree in overlayfs form.
//!
//! A layer that was made here has no blob: its tar is a pure function of its tree ([`crate::layer_tar`]), so the
//! blob can be written when a registry client asks for it. `<layer>.size` beside the tree says how long that tar is.

use crate::blobs::touch;
use crate::error::{Error, Result};
use crate::store::{Images, Resolved};
use crate::{Rootfs, layer_tar, unpack};
use oci::{Digest, Hasher};
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A layer that is here, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub diff_id: Digest,
    /// Length of its uncompressed tar.
    pub size: u64,
    pub path: PathBuf,
}

impl Images {
    /// Where a layer is unpacked, or would be. The names are short because all of them go into one mount call.
    pub fn layer_path(&self, diff_id: &Digest) -> PathBuf {
        self.layers_folder().join(&diff_id.hex()[..32])
    }

    pub fn has_layer(&self, diff_id: &Digest) -> bool {
        self.layer_path(diff_id).exists()
    }

    /// An empty folder in which a new layer can be made; removed when dropped.
    pub fn scratch(&self) -> Result<TempDir> {
        let folder = self.ingest_folder();
        tempfile::Builder::new()
            .prefix("layer-")
            .tempdir_in(&folder)
            .map_err(Error::file("make folder in", &folder))
    }

    /// Takes a tree (an overlay's upper folder, or one from [`Images::scratch`]) as a layer: it is moved, not copied,
    /// if it is on the store's file system. Blocks.
    pub fn adopt_layer(&self, tree: &Path) -> Result<Layer> {
        let mut counter = Counter::default();
        layer_tar::pack(tree, &mut counter)?;
        let (diff_id, size) = (counter.hasher.finish(), counter.size);
        let path = self.layer_path(&diff_id);
        let lock = self.layer_lock(&diff_id);
        let _held = lock.lock();
        if !touch(&path) {
            // The size first: a tree without it could not be packed again.
            crate::index::replace(&self.size_path(&diff_id), size.to_string().as_bytes())?;
            move_tree(self, tree, &path)?;
        } else {
            if self.packed_size(&diff_id).is_none() && !self.blob_path(&diff_id).exists() {
                crate::index::replace(&self.size_path(&diff_id), size.to_string().as_bytes())?;
            }
            fs::remove_dir_all(tree).map_err(Error::file("remove", tree))?;
        }
        Ok(Layer { diff_id, size, path })
    }

    /// Unpacks an archive (plain, gzip or zstd) into a new folder, as a layer is unpacked. Blocks.
    pub fn unpack_archive(&self, name: &str, from: impl Read, into: &Path) -> Result<()> {
        let plain =
            unpack::decompress(from).map_err(|source| Error::Archive { layer: name.to_owned(), source })?;
        unpack::unpack(name, plain, into, &[])
    }

    /// The length of the tar of a layer that was made here.
    pub(crate) fn packed_size(&self, diff_id: &Digest) -> Option<u64> {
        let size = fs::read_to_string(self.size_path(diff_id)).ok()?.parse().ok()?;
        self.has_layer(diff_id).then_some(size)
    }

    pub(crate) fn size_path(&self, diff_id: &Digest) -> PathBuf {
        self.layer_path(diff_id).with_extension("size")
    }

    pub(crate) fn pack_layer(&self, diff_id: &Digest, out: &mut impl Write) -> Result<()> {
        layer_tar::pack(&self.layer_path(diff_id), out)
    }

    pub(crate) fn unpacked(&self, resolved: &Resolved) -> Option<Rootfs> {
        let paths = resolved.config.rootfs.diff_ids.iter().map(|diff_id| self.layer_path(diff_id));
        let layers: Vec<PathBuf> = paths.collect();
        layers.iter().all(|path| path.exists()).then_some(Rootfs { layers })
    }

    /// Unpacks what is not yet unpacked. Blocks.
    pub(crate) fn unpack_all(&self, name: &str, resolved: &Resolved) -> Result<Rootfs> {
        let diff_ids = &resolved.config.rootfs.diff_ids;
        if diff_ids.len() != resolved.manifest.layers.len() {
            return Err(Error::Incomplete {
                what: name.to_owned(),
                missing: format!("{} layers", diff_ids.len().abs_diff(resolved.manifest.layers.len())),
            });
        }
        let mut layers: Vec<PathBuf> = Vec::new();
        for (diff_id, descriptor) in diff_ids.iter().zip(&resolved.manifest.layers) {
            if !self.has_layer(diff_id) {
                let blob = self.open_blob(&descriptor.digest)?;
                self.unpack_layer(blob, Some(diff_id), &layers)?;
            }
            layers.push(self.layer_path(diff_id));
        }
        Ok(Rootfs { layers })
    }

    /// Unpacks a layer (compressed or not) and checks it. `below`: the layers under it, for the attributes of
    /// folders that it does not name itself. Blocks.
    pub(crate) fn unpack_layer(
        &self,
        from: impl Read,
        expected: Option<&Digest>,
        below: &[PathBuf],
    ) -> Result<(Digest, PathBuf)> {
        let lock = expected.map(|diff_id| self.layer_lock(diff_id));
        let _held = lock.as_ref().map(|lock| lock.lock());
        if let Some(diff_id) = expected
            && touch(&self.layer_path(diff_id))
        {
            return Ok((diff_id.clone(), self.layer_path(diff_id)));
        }
        let scratch = self.scratch()?;
        let tree = scratch.path().join("tree");
        let name = expected.map_or("of the archive".to_owned(), |diff_id| diff_id.short().to_owned());
        let plain =
            unpack::decompress(from).map_err(|source| Error::Archive { layer: name.clone(), source })?;
        let mut hashing = Hashing { inner: plain, hasher: Hasher::default() };
        unpack::unpack(&name, &mut hashing, &tree, below)?;
        // The digest is of the whole stream, with whatever follows the archive's end.
        io::copy(&mut hashing, &mut io::sink())
            .map_err(|source| Error::Archive { layer: name.clone(), source })?;
        let diff_id = hashing.hasher.finish();
        if let Some(expected) = expected
            && *expected != diff_id
        {
            return Err(Error::Damaged {
                what: format!("layer {}", expected.short()),
                expected: expected.to_string(),
                found: diff_id.to_string(),
            });
        }
        let path = self.layer_path(&diff_id);
        move_tree(self, &tree, &path)?;
        Ok((diff_id, path))
    }
}

/// Moves a finished tree to its place; another process may have been faster, which is as good.
fn move_tree(images: &Images, tree: &Path, path: &Path) -> Result<()> {
    match fs::rename(tree, path) {
        Ok(()) => Ok(()),
        Err(_) if path.exists() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let scratch = images.scratch()?;
            let copy = scratch.path().join("tree");
            let (mut reader, mut writer) = io::pipe().map_err(Error::file("copy", tree))?;
            let packed = std::thread::scope(|scope| {
                let packing = scope.spawn(move || {
                    let packed = layer_tar::pack(tree, &mut writer);
                    drop(writer);
                    packed
                });
                let unpacked = unpack::unpack("copy", &mut reader, &copy, &[]);
                drop(reader);
                packing.join().map_err(|_| Error::Stopped)?.and(unpacked)
            });
            packed?;
            fs::rename(&copy, path).map_err(Error::file("rename to", path))?;
            fs::remove_dir_all(tree).map_err(Error::file("remove", tree))
        }
        Err(source) => Err(Error::File { doing: "rename to", path: path.to_owned(), source }),
    }
}

struct Hashing<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

#[derive(Default)]
struct Counter {
    hasher: Hasher,
    size: u64,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
