//! Clones of git repositories, kept in the user's cache folder: bases of kustomizations and extensions of Tiltfiles.
//!
//! ```text
//! coracle/git/REPOSITORY/trees/COMMIT/   a working tree, written once
//! coracle/git/REPOSITORY/refs/HASH       which commit a branch or tag was, and when that was asked
//! ```
//!
//! A commit named in full is taken from here without a question. Of a branch or tag the remote is asked what it points
//! to, which takes one short exchange; only a commit that is not here is fetched. Where nobody answers, what is here is
//! used, and the caller told. Everything is written beside its place and renamed into it, so that builds at the same
//! time do not see halves.

pub(crate) mod git;

use kustomize::OutsideError;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// Trees that nobody has used for so long are removed when another is added.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// What to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Source {
    pub(crate) address: String,
    /// A branch, tag or commit; empty for the default branch.
    pub(crate) reference: String,
    pub(crate) submodules: bool,
    /// For each git command.
    pub(crate) timeout: Option<Duration>,
}

/// A working tree that nobody changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) dir: PathBuf,
    pub(crate) commit: String,
    /// Why it may be older than what the address has now.
    pub(crate) stale: Option<Stale>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stale {
    pub(crate) reason: String,
    /// How old the knowledge is, in words.
    pub(crate) age: String,
}

/// The repositories below a folder.
#[derive(Debug, Clone)]
pub(crate) struct Repositories {
    root: PathBuf,
}

impl Repositories {
    /// Below the folder of all of Coracle's caches.
    pub(crate) fn below(caches: &Path) -> Self {
        Self { root: caches.join("git") }
    }

    /// What is here, without asking anybody.
    pub(crate) fn known(&self, source: &Source) -> Option<Tree> {
        let shelf = Shelf::of(&self.root, source);
        if git::is_commit(&source.reference) {
            return shelf.tree(&source.reference);
        }
        shelf.tree(&shelf.record(&source.reference)?.commit)
    }

    pub(crate) fn checkout(
        &self,
        source: &Source,
        interrupt: &CancellationToken,
    ) -> Result<Tree, OutsideError> {
        let shelf = Shelf::of(&self.root, source);
        if git::is_commit(&source.reference) {
            return match shelf.tree(&source.reference) {
                Some(tree) => Ok(tree),
                None => shelf.add(source, None, interrupt),
            };
        }
        let record = shelf.record(&source.reference);
        let here = record.as_ref().and_then(|record| shelf.tree(&record.commit));
        let tip = match (git::remote_tip(source, interrupt), &record, here) {
            (Ok(tip), Some(record), Some(here)) if tip.as_ref() == Some(&record.tip) => {
                shelf.remember(&source.reference, record)?;
                return Ok(here);
            }
            (Ok(tip), _, _) => tip,
            (Err(error), Some(record), Some(here)) if !interrupt.is_cancelled() => {
                let stale = Stale { reason: brief(&error), age: age(record.asked) };
                return Ok(Tree { stale: Some(stale), ..here });
            }
            (Err(error), _, _) => return Err(error),
        };
        shelf.add(source, tip, interrupt)
    }
}

/// The user's folder for caches. Set but empty is as not set.
pub(crate) fn user_caches(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("coracle"))
}

/// All that is kept of one repository.
struct Shelf {
    dir: PathBuf,
}

/// What a branch or tag was when the remote was last asked.
struct Record {
    tip: String,
    commit: String,
    asked: u64,
}

impl Shelf {
    /// Credentials in an address are no part of the name, but for the hash.
    fn of(root: &Path, source: &Source) -> Shelf {
        let address = &source.address;
        let name = address.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or("");
        let name: String =
            name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(40).collect();
        let modules = if source.submodules { "" } else { " without submodules" };
        Shelf { dir: root.join(format!("{name}-{}", &hash(&format!("{address}{modules}"))[..16])) }
    }

    /// A tree that is here; its folder's time says when it was last used.
    fn tree(&self, commit: &str) -> Option<Tree> {
        let dir = self.dir.join("trees").join(commit.to_ascii_lowercase());
        let opened = std::fs::File::open(&dir).ok()?;
        drop(opened.set_modified(SystemTime::now()));
        Some(Tree { dir, commit: commit.to_string(), stale: None })
    }

    fn record_path(&self, reference: &str) -> PathBuf {
        self.dir.join("refs").join(hash(reference))
    }

    fn record(&self, reference: &str) -> Option<Record> {
        let value: Value = serde_json::from_slice(&std::fs::read(self.record_path(reference)).ok()?).ok()?;
        let text = |field: &str| value[field].as_str().map(str::to_string);
        let commit = text("commit").filter(|commit| git::is_commit(commit))?;
        Some(Record { tip: text("tip")?, commit, asked: value["asked"].as_u64()? })
    }

    fn remember(&self, reference: &str, record: &Record) -> Result<(), OutsideError> {
        let value =
            json!({"reference": reference, "tip": record.tip, "commit": record.commit, "asked": now()});
        write(&self.record_path(reference), value.to_string().as_bytes())
    }

    /// Clones, one after the other: the second finds what the first has brought.
    fn add(
        &self,
        source: &Source,
        tip: Option<String>,
        interrupt: &CancellationToken,
    ) -> Result<Tree, OutsideError> {
        let trees = self.dir.join("trees");
        make_dirs(&trees)?;
        let lock_path = self.dir.join("lock");
        let lock = std::fs::File::create(&lock_path).map_err(|e| file_error(&lock_path, &e))?;
        lock.lock().map_err(|e| file_error(&lock_path, &e))?;
        if let (Some(tip), Some(record)) = (&tip, self.record(&source.reference))
            && record.tip == *tip
            && let Some(tree) = self.tree(&record.commit)
        {
            return Ok(tree);
        }
        self.prune(&trees);
        let work = trees.join(format!(".new-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&work).map_err(|e| file_error(&work, &e))?;
        let cloned = git::clone(source, &work, interrupt).and_then(|commit| {
            let kept = trees.join(&commit);
            drop(std::fs::remove_dir_all(work.join(".git")));
            if !kept.exists() {
                std::fs::rename(&work, &kept).map_err(|e| file_error(&kept, &e))?;
            }
            Ok(commit)
        });
        drop(std::fs::remove_dir_all(&work));
        let commit = cloned?;
        if let Some(tip) = tip {
            let record = Record { tip, commit: commit.clone(), asked: now() };
            self.remember(&source.reference, &record)?;
        }
        let missing = || OutsideError::NotCached { what: format!("'{}'", source.address) };
        self.tree(&commit).ok_or_else(missing)
    }

    fn prune(&self, trees: &Path) {
        for entry in std::fs::read_dir(trees).into_iter().flatten().flatten() {
            let used = entry.metadata().and_then(|metadata| metadata.modified());
            let unused = used.ok().and_then(|used| used.elapsed().ok());
            if unused.is_some_and(|unused| unused > KEPT) {
                drop(std::fs::remove_dir_all(entry.path()));
            }
        }
    }
}

pub(crate) fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

pub(crate) fn age(asked: u64) -> String {
    let seconds = now().saturating_sub(asked);
    let (count, unit) = match seconds {
        0..60 => return "just now".to_string(),
        60..3600 => (seconds / 60, "minute"),
        3600..86400 => (seconds / 3600, "hour"),
        _ => (seconds / 86400, "day"),
    };
    format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
}

/// The part of an error that says why, in a line.
pub(crate) fn brief(error: &OutsideError) -> String {
    match error {
        OutsideError::Unreachable { reason, .. } => reason.clone(),
        OutsideError::Failed { output, .. } => {
            output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("git failed").to_string()
        }
        other => other.to_string(),
    }
}

/// Only for the user: fetched files may be secret.
fn make_dirs(dir: &Path) -> Result<(), OutsideError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| file_error(dir, &e))
}

/// Writes a file of the cache, whole or not at all.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), OutsideError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    make_dirs(dir)?;
    let work = dir.join(format!(".new-{:016x}", rand::random::<u64>()));
    let written = std::fs::write(&work, content).and_then(|()| std::fs::rename(&work, path));
    written.map_err(|e| {
        drop(std::fs::remove_file(&work));
        file_error(path, &e)
    })
}

pub(crate) fn file_error(path: &Path, error: &std::io::Error) -> OutsideError {
    OutsideError::File { path: path.to_string_lossy().into_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_shelves() {
        let name = |address: &str| {
            let source = Source { address: address.into(), ..Source::default() };
            Shelf::of(Path::new("/c"), &source)
                .dir
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        };
        assert!(name("https://github.com/tilt-dev/tilt-extensions/").starts_with("tilt-extensions-"));
        let private = name("https://me:secret@h.example:8443/a/../b");
        assert!(private.starts_with("b-") && !private.contains("secret"), "{private}");
        assert_ne!(name("https://one.example/x"), name("https://two.example/x"));
    }
}
