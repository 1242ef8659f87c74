//! Content by digest: blobs are written aside, checked, and renamed into place.

use crate::error::{Error, Result};
use crate::store::Images;
use oci::{Digest, Hasher};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A blob that is being written; dropped unfinished it leaves nothing behind.
#[derive(Debug)]
pub struct BlobWriter {
    file: NamedTempFile,
    hasher: Hasher,
    size: u64,
    blobs: PathBuf,
}

impl BlobWriter {
    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Puts the blob into the store if its digest is the expected one.
    pub fn finish(self, expected: Option<&Digest>) -> Result<(Digest, u64)> {
        let digest = self.hasher.finish();
        if let Some(expected) = expected
            && *expected != digest
        {
            return Err(Error::Damaged {
                what: "the content received".into(),
                expected: expected.to_string(),
                found: digest.to_string(),
            });
        }
        let path = self.blobs.join(digest.hex());
        if !touch(&path) {
            self.file.as_file().sync_data().map_err(Error::file("write", &path))?;
            self.file.persist(&path).map_err(|error| Error::File {
                doing: "rename to",
                path: path.clone(),
                source: error.error,
            })?;
        }
        Ok((digest, self.size))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Images {
    /// Where a blob is, or would be. A layer made here has no blob until [`Images::materialise`] is called.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs_folder().join(digest.hex())
    }

    /// The size of a blob that can be had: a file, or a layer made here that can be packed again.
    pub fn blob_size(&self, digest: &Digest) -> Option<u64> {
        match fs::metadata(self.blob_path(digest)) {
            Ok(meta) => Some(meta.len()),
            Err(_) => self.packed_size(digest),
        }
    }

    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_size(digest).is_some()
    }

    /// The bytes of a small blob (manifest, config).
    pub fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.blob_path(digest);
        match fs::read(&path) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::NoBlob { digest: digest.to_string() })
            }
            Err(source) => Err(Error::File { doing: "read", path, source }),
        }
    }

    /// Opens a blob, packing a layer that was made here if need be. Blocks.
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        let path = self.materialise(digest)?;
        File::open(&path).map_err(Error::file("open", &path))
    }

    /// The path of a blob that is certainly there. Blocks: a layer that was made here is packed at this moment.
    pub fn materialise(&self, digest: &Digest) -> Result<PathBuf> {
        let path = self.blob_path(digest);
        if path.exists() {
            return Ok(path);
        }
        if self.packed_size(digest).is_none() {
            return Err(Error::NoBlob { digest: digest.to_string() });
        }
        let mut writer = self.writer()?;
        self.pack_layer(digest, &mut writer)?;
        writer.finish(Some(digest))?;
        Ok(path)
    }

    /// A new blob.
    pub fn writer(&self) -> Result<BlobWriter> {
        let folder = self.ingest_folder();
        let file = NamedTempFile::new_in(&folder).map_err(Error::file("write in", &folder))?;
        Ok(BlobWriter { file, hasher: Hasher::default(), size: 0, blobs: self.blobs_folder() })
    }

    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if !touch(&self.blob_path(&digest)) {
            let mut writer = self.writer()?;
            writer.write_all(bytes).map_err(Error::file("write", &self.blob_path(&digest)))?;
            writer.finish(Some(&digest))?;
        }
        Ok(digest)
    }

    pub fn delete_blob(&self, digest: &Digest) -> Result<bool> {
        remove_if_there(&self.blob_path(digest))
    }
}

/// Makes content young again, so that garbage collection leaves it to whoever has just found it. False: not there.
pub(crate) fn touch(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
    let keep = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    rustix::fs::utimensat(
        CWD,
        path,
        &Timestamps { last_access: now, last_modification: keep },
        AtFlags::empty(),
    )
    .is_ok()
}

pub(crate) fn remove_if_there(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Error::File { doing: "remove", path: path.to_owned(), source }),
    }
}
