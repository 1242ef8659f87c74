//! The journal: every acknowledged write is in a file before its call returns.
//!
//! One file of records, each `length, checksum, payload`. Appending is one `write(2)`, so an acknowledged write
//! survives `kill -9`; a thread syncs to disk in groups, so a power cut loses at most [`SYNC_EVERY`]. A torn last
//! record is what a crash in the middle of a write leaves: it was never acknowledged, and is cut off. When the file
//! has grown it is rewritten with only the living objects and renamed into place.

mod compact;
mod record;
mod sync;

use crate::OpenError;
use bytes::Bytes;
use parking_lot::Mutex;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{Change, Key, Object};

use record::Entry;

/// At most this long is an acknowledged write not yet on disk.
const SYNC_EVERY: Duration = Duration::from_millis(50);
/// The file is rewritten when it is larger than this and than four times what it was after the last rewriting.
const COMPACT_FROM: u64 = 16 << 20;

/// What a journal held when it was opened.
pub(crate) struct Replayed {
    pub(crate) version: u64,
    pub(crate) objects: Vec<(Key, Object)>,
}

pub(crate) struct Journal {
    shared: Arc<Shared>,
    /// Where the next record goes; behind it is nothing.
    end: u64,
    /// How long the file was when it held only what lived.
    compacted: u64,
    syncer: Option<sync::Syncer>,
    /// Held for as long as the journal is open.
    _lock: File,
}

/// What the syncing thread shares with the writer.
pub(crate) struct Shared {
    path: PathBuf,
    file: Mutex<Arc<File>>,
    dirty: AtomicBool,
}

impl Journal {
    /// Opens the journal of `dir` and reads it back.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Replayed), OpenError> {
        let io = |doing, path: &Path| {
            let path = path.to_path_buf();
            move |source| OpenError::Io { doing, path, source }
        };
        std::fs::create_dir_all(dir).map_err(io("create", dir))?;
        let lock = lock(&dir.join("lock"))?;
        let path = dir.join("journal");
        let mut file = private().read(true).append(false).open(&path).map_err(io("open", &path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io("read", &path))?;
        let (replayed, end) = replay(&path, &bytes)?;
        if end < bytes.len() as u64 {
            tracing::warn!(path = %path.display(), lost = bytes.len() as u64 - end, "cut off a torn record");
            file.set_len(end).map_err(io("truncate", &path))?;
        }
        let shared =
            Arc::new(Shared { path, file: Mutex::new(Arc::new(file)), dirty: AtomicBool::new(false) });
        let syncer = sync::Syncer::start(shared.clone()).map_err(io("start the syncing thread of", dir))?;
        Ok((Self { shared, end, compacted: 0, syncer: Some(syncer), _lock: lock }, replayed))
    }

    /// Appends a change and returns the text of its object. The bytes are the operating system's then.
    pub(crate) fn append(&mut self, change: &Change) -> std::io::Result<Bytes> {
        let (bytes, text) = record::of_change(change);
        let file = self.shared.file.lock().clone();
        if let Err(error) = file.write_all_at(&bytes, self.end) {
            // Half a record must not stand before the next one.
            file.set_len(self.end)?;
            return Err(error);
        }
        self.end += bytes.len() as u64;
        self.shared.dirty.store(true, Ordering::Release);
        if let Some(syncer) = &self.syncer {
            syncer.wake();
        }
        Ok(text.map_or_else(Bytes::new, |text| Bytes::from(bytes).slice(text)))
    }

    pub(crate) fn wants_compaction(&self) -> bool {
        self.end > COMPACT_FROM.max(4 * self.compacted)
    }

    /// Rewrites the file with only these objects.
    pub(crate) fn compact(&mut self, version: u64, objects: &[(Key, Object)]) -> std::io::Result<()> {
        let (file, end) = compact::rewrite(&self.shared.path, version, objects)?;
        *self.shared.file.lock() = Arc::new(file);
        (self.end, self.compacted) = (end, end);
        Ok(())
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.syncer.take());
        if let Err(error) = self.shared.sync() {
            tracing::error!(%error, path = %self.shared.path.display(), "cannot sync the journal");
        }
    }
}

impl Shared {
    /// Brings what has been appended to disk, if anything has.
    fn sync(&self) -> std::io::Result<()> {
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let file = self.file.lock().clone();
        file.sync_data()
    }
}

/// Files of the journal are the user's alone: they hold Secrets.
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let io = |source| OpenError::Io { doing: "lock", path: path.to_path_buf(), source };
    let mut file = private().open(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path: path.to_path_buf() }),
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    // For people who look who it is; nothing reads it back.
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(io)?;
    Ok(file)
}

/// Where the last whole record ends, and what the records add up to.
fn replay(path: &Path, bytes: &[u8]) -> Result<(Replayed, u64), OpenError> {
    let mut objects = std::collections::HashMap::new();
    let mut version = 0;
    let mut offset = 0;
    while let Some((payload, next)) = record::decode(bytes, offset) {
        let entry: Entry = serde_json::from_slice(payload).map_err(|error| {
            tracing::error!(%error, offset, "a journal record cannot be read");
            OpenError::Damaged {
                path: path.to_path_buf(),
                offset: offset as u64,
                problem: "a record with a good checksum is not understood",
            }
        })?;
        version = version.max(entry.version);
        if let Some(at) = entry.at {
            let key = Key::new(&at.0, &at.1, &at.2);
            match entry.object {
                Some(object) => objects.insert(key, object),
                None => objects.remove(&key),
            };
        }
        offset = next;
    }
    if record::whole_record_after(bytes, offset) {
        return Err(OpenError::Damaged {
            path: path.to_path_buf(),
            offset: offset as u64,
            problem: "a record does not match its checksum, and good ones follow it",
        });
    }
    let objects = objects.into_iter().collect();
    Ok((Replayed { version, objects }, offset as u64))
}

#[cfg(test)]
mod tests;
