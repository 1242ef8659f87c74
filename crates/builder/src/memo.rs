//! Digests of files that have not changed since they were last read.
//!
//! A file is taken as unchanged when its size, inode, modification time and change time are the same; the last of
//! them cannot be set back. A file that was changed just before it was read is read again next time, because another
//! change within the clock's grain would not show.

use crate::cache::replace;
use oci::{Digest, Hasher};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Younger files are not remembered. File systems' clocks tick every few milliseconds, some every two seconds.
const GRAIN: Duration = Duration::from_millis(2100);

/// What says that a file is the same as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    inode: u64,
    modified: i128,
    changed: i128,
}

impl Stamp {
    pub(crate) fn of(meta: &Metadata) -> Stamp {
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Stamp {
            size: meta.size(),
            inode: meta.ino(),
            modified: nanos(meta.mtime(), meta.mtime_nsec()),
            changed: nanos(meta.ctime(), meta.ctime_nsec()),
        }
    }

    fn is_settled(&self) -> bool {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .saturating_sub(GRAIN);
        let now = now.as_nanos() as i128;
        self.changed < now && self.modified < now
    }
}

#[derive(Debug)]
pub(crate) struct Memo {
    path: PathBuf,
    known: HashMap<PathBuf, (Stamp, Digest)>,
    is_new: bool,
}

impl Memo {
    /// The memo for one context. A damaged one is as good as none.
    pub(crate) fn open(root: &Path, context: &Path) -> Memo {
        let folder = root.join("memo");
        // Without the folder nothing is remembered, which is only slower.
        let _cannot = fs::create_dir_all(&folder);
        let path = folder.join(Digest::of(context.as_os_str().as_bytes()).hex());
        let text = fs::read_to_string(&path).unwrap_or_default();
        let known = text.lines().filter_map(parse).collect();
        Memo { path, known, is_new: false }
    }

    /// `stamp` was taken before; a file that changes in between is found out by [`crate::gather::unchanged`], and its
    /// digest is not remembered under the wrong stamp.
    pub(crate) fn digest(&mut self, path: &Path, stamp: Stamp) -> io::Result<Digest> {
        if let Some((known, digest)) = self.known.get(path)
            && *known == stamp
        {
            return Ok(digest.clone());
        }
        let digest = hash_file(path)?;
        let is_same = fs::symlink_metadata(path).is_ok_and(|meta| Stamp::of(&meta) == stamp);
        if is_same && stamp.is_settled() {
            self.known.insert(path.to_owned(), (stamp, digest.clone()));
            self.is_new = true;
        }
        Ok(digest)
    }

    pub(crate) fn save(&mut self) {
        if !std::mem::take(&mut self.is_new) {
            return;
        }
        let mut text = String::new();
        for (path, (stamp, digest)) in &self.known {
            // A path that is not text, or has a line break in it, is read every time.
            let Some(path) = path.to_str().filter(|path| !path.contains('\n')) else { continue };
            let Stamp { size, inode, modified, changed } = stamp;
            writeln!(text, "{size} {inode} {modified} {changed} {digest} {path}")
                .expect("writing to a string");
        }
        if let Err(error) = replace(&self.path, text.as_bytes()) {
            tracing::debug!(%error, "the digests of the context's files are not remembered");
        }
    }
}

fn parse(line: &str) -> Option<(PathBuf, (Stamp, Digest))> {
    let mut words = line.splitn(6, ' ');
    let stamp = Stamp {
        size: words.next()?.parse().ok()?,
        inode: words.next()?.parse().ok()?,
        modified: words.next()?.parse().ok()?,
        changed: words.next()?.parse().ok()?,
    };
    let digest = Digest::parse(words.next()?).ok()?;
    Some((PathBuf::from(words.next()?), (stamp, digest)))
}

fn hash_file(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
