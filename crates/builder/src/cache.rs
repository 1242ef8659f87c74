//! What steps made before: `cache/<key>`, where the key says everything that the result depends on.

use crate::error::{Error, Result};
use images::Images;
use oci::{Digest, Hasher};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
}

/// What a step made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// `None`: the step changed no file.
    pub(crate) layer: Option<Digest>,
    #[serde(default)]
    pub(crate) size: u64,
    pub(crate) created: String,
}

/// A key in the making.
pub(crate) struct Key(Hasher);

impl Key {
    /// `what` separates kinds of keys; a change of what a kind means must change the word.
    pub(crate) fn new(what: &str) -> Key {
        let mut hasher = Hasher::default();
        hasher.field(what.as_bytes());
        Key(hasher)
    }

    pub(crate) fn with(mut self, field: impl AsRef<[u8]>) -> Key {
        self.0.field(field.as_ref());
        self
    }

    pub(crate) fn list<T: AsRef<[u8]>>(mut self, fields: impl IntoIterator<Item = T>) -> Key {
        let mut count = 0_u64;
        for field in fields {
            self.0.field(field.as_ref());
            count += 1;
        }
        self.0.field(&count.to_le_bytes());
        self
    }

    pub(crate) fn finish(self) -> Digest {
        self.0.finish()
    }
}

impl Cache {
    pub(crate) fn open(root: &Path) -> Result<Cache> {
        let folder = root.join("cache");
        fs::create_dir_all(&folder).map_err(Error::file("make folder", &folder))?;
        Ok(Cache { folder })
    }

    /// The step's result, if its layer is still here.
    pub(crate) fn get(&self, key: &Digest, images: &Images) -> Option<Record> {
        let record: Record = serde_json::from_slice(&fs::read(self.path(key)).ok()?).ok()?;
        record.layer.as_ref().is_none_or(|layer| images.has_layer(layer)).then_some(record)
    }

    pub(crate) fn put(&self, key: &Digest, record: &Record) -> Result<()> {
        self.write(key, &serde_json::to_vec(record).expect("a record has only strings and numbers"))
    }

    /// A digest that took long to make (of a tree in a finished stage).
    pub(crate) fn digest(&self, key: &Digest) -> Option<Digest> {
        Digest::parse(fs::read_to_string(self.path(key)).ok()?.trim()).ok()
    }

    pub(crate) fn put_digest(&self, key: &Digest, digest: &Digest) -> Result<()> {
        self.write(key, digest.as_str().as_bytes())
    }

    /// Forgets steps whose layers are gone. Returns how many.
    pub(crate) fn prune(&self, images: &Images) -> Result<usize> {
        let entries = fs::read_dir(&self.folder).map_err(Error::file("read", &self.folder))?;
        let mut count = 0;
        for path in entries.flatten().map(|entry| entry.path()) {
            let record = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
            let is_gone =
                record.and_then(|record| record.layer).is_some_and(|layer| !images.has_layer(&layer));
            count += usize::from(is_gone && fs::remove_file(&path).is_ok());
        }
        Ok(count)
    }

    fn path(&self, key: &Digest) -> PathBuf {
        self.folder.join(key.hex())
    }

    fn write(&self, key: &Digest, bytes: &[u8]) -> Result<()> {
        let path = self.path(key);
        replace(&path, bytes)
    }
}

/// Writes a file whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().expect("files of the builder are in folders of the builder");
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(Error::file("write in", folder))?;
    file.write_all(bytes).map_err(Error::file("write", path))?;
    file.persist(path).map_err(|error| Error::File {
        doing: "write",
        path: path.to_owned(),
        source: error.error,
    })?;
    Ok(())
}
