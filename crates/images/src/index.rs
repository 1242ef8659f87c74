//! The names: `index.json`, read at need and replaced whole under the store's lock.

use crate::error::{Error, Result};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Canonical name → digest of its manifest.
pub(crate) type Names = BTreeMap<String, String>;

#[derive(Default, Serialize, Deserialize)]
struct Document {
    names: Names,
}

/// Identity of the file that was read last: a new file has another inode, size or time.
type Stamp = (u64, u64, i64, i64);

#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    lock: PathBuf,
    seen: Mutex<Option<(Stamp, Arc<Names>)>>,
}

impl Index {
    pub(crate) fn new(root: &Path) -> Index {
        Index { path: root.join("index.json"), lock: root.join("lock"), seen: Mutex::new(None) }
    }

    /// Names as they are now, whoever changed them.
    pub(crate) fn read(&self) -> Result<Arc<Names>> {
        let meta = match fs::metadata(&self.path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Arc::default()),
            Err(source) => return Err(Error::File { doing: "read", path: self.path.clone(), source }),
        };
        let stamp = (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec());
        if let Some((old, names)) = &*self.seen.lock()
            && *old == stamp
        {
            return Ok(names.clone());
        }
        let text = fs::read(&self.path).map_err(Error::file("read", &self.path))?;
        let document: Document = serde_json::from_slice(&text)
            .map_err(|source| Error::Document { what: self.path.display().to_string(), source })?;
        let names = Arc::new(document.names);
        *self.seen.lock() = Some((stamp, names.clone()));
        Ok(names)
    }

    /// Changes the names while no other process does. An unchanged index is not written.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Names) -> Result<T>) -> Result<T> {
        let _held = self.lock()?;
        let before = self.read()?;
        let mut names = Names::clone(&before);
        let value = change(&mut names)?;
        if names != *before {
            let bytes = serde_json::to_vec_pretty(&Document { names })
                .map_err(|source| Error::Document { what: "the index of names".into(), source })?;
            replace(&self.path, &bytes)?;
        }
        Ok(value)
    }

    /// Holds the store's lock until the file is dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.lock)
            .map_err(Error::file("open", &self.lock))?;
        file.lock().map_err(Error::file("lock", &self.lock))?;
        Ok(file)
    }
}

/// Writes a small file so that a reader sees the old or the new one, also after a power cut.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().expect("files of the store are in folders of the store");
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(Error::file("write in", folder))?;
    new.write_all(bytes).and_then(|()| new.as_file().sync_data()).map_err(Error::file("write", path))?;
    new.persist(path).map_err(|error| Error::File {
        doing: "replace",
        path: path.to_owned(),
        source: error.error,
    })?;
    if let Ok(folder) = File::open(folder) {
        // Without the sync a power cut could bring the old file back, which is as good as not having been called.
        let _unsupported_somewhere = folder.sync_all();
    }
    Ok(())
}
