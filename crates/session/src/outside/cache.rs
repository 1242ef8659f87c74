//! Clones and fetched files, kept in the user's cache folder.
//!
//! ```text
//! coracle/kustomize/
//!   git/REPOSITORY/trees/COMMIT/   a working tree, written once
//!   git/REPOSITORY/refs/HASH       which commit a branch or tag was, and when that was asked
//!   http/HASH                      a line of JSON (what to ask with the next time), then the content
//! ```
//!
//! A commit named in full is taken from here without a question. Of a branch or tag the remote is asked what it points
//! to, which takes one short exchange; only a commit that is not here is fetched. A file is asked for with its ETag. Where
//! nobody answers, what is here is used with a warning. Everything is written beside its place and renamed into it, so
//! that builds at the same time do not see halves.

use kustomize::{Checkout, Fetched, OutsideError, Repository};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::http::{self, Answer, Validators};
use super::{file_error, git};

/// Trees that no build has used for so long are removed when another is added.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    On,
    /// Only what is in the cache.
    Offline,
    /// Everything anew, and nothing kept.
    Off,
}

#[derive(Debug, Clone)]
pub struct Cache {
    pub(super) mode: Mode,
    pub(super) root: PathBuf,
}

impl Cache {
    pub fn new(mode: Mode, root: PathBuf) -> Cache {
        Cache { mode, root }
    }

    /// `CORACLE_KUSTOMIZE_CACHE` may be `off` or `offline`.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Cache {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mode = match set("CORACLE_KUSTOMIZE_CACHE").as_deref() {
            Some("off" | "0" | "no" | "false") => Mode::Off,
            Some("offline") => Mode::Offline,
            _ => Mode::On,
        };
        match user_caches(|name| variable(name).map(OsString::from)) {
            Some(dir) => Cache::new(mode, dir.join("coracle/kustomize")),
            None => Cache::new(Mode::Off, PathBuf::new()),
        }
    }

    pub(super) fn checkout(&self, repository: &Repository) -> Result<Checkout, OutsideError> {
        let shelf = Shelf::of(&self.root, repository);
        if git::is_commit(&repository.reference)
            && let Some(tree) = shelf.tree(&repository.reference)
        {
            return Ok(tree);
        }
        let record = shelf.record(&repository.reference);
        let here = record.as_ref().and_then(|record| shelf.tree(&record.commit));
        if self.mode == Mode::Offline {
            return here.ok_or_else(|| OutsideError::NotCached { what: format!("'{}'", repository.raw) });
        }
        let tip = match git::is_commit(&repository.reference) {
            true => None,
            false => match (git::remote_tip(repository), &record, here) {
                (Ok(tip), Some(record), Some(here)) if tip.as_ref() == Some(&record.tip) => {
                    shelf.remember(&repository.reference, record)?;
                    return Ok(here);
                }
                (Ok(tip), _, _) => tip,
                (Err(error @ OutsideError::NoProgram { .. }), _, None) => return Err(error),
                (Err(error), Some(record), Some(here)) => {
                    let warning = format!(
                        "# Warning: '{}' cannot be reached ({}): its state of {} is used, commit {}",
                        repository.clone_spec(),
                        brief(&error),
                        age(record.asked),
                        record.commit
                    );
                    return Ok(Checkout { warnings: vec![warning], ..here });
                }
                (Err(error), _, _) => return Err(error),
            },
        };
        shelf.add(repository, tip)
    }

    pub(super) fn fetch(&self, url: &str) -> Result<Fetched, OutsideError> {
        if self.mode == Mode::Off {
            return match http::get(url, None)? {
                Answer::Fetched { fetched, .. } => Ok(fetched),
                Answer::Unchanged => Ok(Fetched::default()),
            };
        }
        let path = self.root.join("http").join(hash(url));
        let page = Page::read(&path);
        if self.mode == Mode::Offline {
            let missing = || OutsideError::NotCached { what: format!("'{url}'") };
            return page.map(Page::fetched).ok_or_else(missing);
        }
        let answer = http::get(url, page.as_ref().map(|page| &page.validators));
        match (answer, page) {
            (Ok(Answer::Unchanged), Some(page)) => {
                // the copy is as good as new
                drop(page.write(&path));
                Ok(page.fetched())
            }
            (Ok(Answer::Fetched { fetched, .. }), Some(page)) if (502..=504).contains(&fetched.status) => {
                Ok(page.stale(url, &format!("status code {} ({})", fetched.status, fetched.reason)))
            }
            (Ok(Answer::Fetched { fetched, validators }), _) => {
                if (200..300).contains(&fetched.status) {
                    let page = Page { validators, body: fetched.body.clone(), asked: now() };
                    // a build does not fail because nothing can be kept
                    drop(page.write(&path));
                }
                Ok(fetched)
            }
            (Ok(Answer::Unchanged), None) => Ok(Fetched::default()),
            (Err(error), Some(page)) => Ok(page.stale(url, &brief(&error))),
            (Err(error), None) => Err(error),
        }
    }
}

/// The user's folder for caches. Set but empty is as not set.
pub(crate) fn user_caches(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))
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
    fn of(root: &Path, repository: &Repository) -> Shelf {
        let spec = repository.clone_spec();
        let name = spec.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or("");
        let name: String =
            name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(40).collect();
        let modules = if repository.submodules { "" } else { " without submodules" };
        Shelf { dir: root.join("git").join(format!("{name}-{}", &hash(&format!("{spec}{modules}"))[..16])) }
    }

    /// A tree that is here; its folder's time says when it was last used.
    fn tree(&self, commit: &str) -> Option<Checkout> {
        let dir = self.dir.join("trees").join(commit.to_ascii_lowercase());
        let opened = std::fs::File::open(&dir).ok()?;
        drop(opened.set_modified(SystemTime::now()));
        Some(Checkout {
            dir: dir.to_string_lossy().into_owned(),
            commit: commit.to_string(),
            warnings: Vec::new(),
        })
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

    /// Clones, one build after the other: the second finds what the first has brought.
    fn add(&self, repository: &Repository, tip: Option<String>) -> Result<Checkout, OutsideError> {
        let trees = self.dir.join("trees");
        make_dirs(&trees)?;
        let lock_path = self.dir.join("lock");
        let lock = std::fs::File::create(&lock_path).map_err(|e| file_error(&lock_path, &e))?;
        lock.lock().map_err(|e| file_error(&lock_path, &e))?;
        if let (Some(tip), Some(record)) = (&tip, self.record(&repository.reference))
            && record.tip == *tip
            && let Some(tree) = self.tree(&record.commit)
        {
            return Ok(tree);
        }
        self.prune(&trees);
        let work = trees.join(format!(".new-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&work).map_err(|e| file_error(&work, &e))?;
        let cloned = git::clone(repository, &work).and_then(|checkout| {
            let kept = trees.join(&checkout.commit);
            drop(std::fs::remove_dir_all(work.join(".git")));
            if !kept.exists() {
                std::fs::rename(&work, &kept).map_err(|e| file_error(&kept, &e))?;
            }
            Ok(checkout.commit)
        });
        drop(std::fs::remove_dir_all(&work));
        let commit = cloned?;
        if let Some(tip) = tip {
            self.remember(&repository.reference, &Record { tip, commit: commit.clone(), asked: now() })?;
        }
        let missing = || OutsideError::NotCached { what: format!("'{}'", repository.raw) };
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

/// A fetched file.
struct Page {
    validators: Validators,
    asked: u64,
    body: Vec<u8>,
}

impl Page {
    fn read(path: &Path) -> Option<Page> {
        let content = std::fs::read(path).ok()?;
        let end = content.iter().position(|byte| *byte == b'\n')?;
        let head: Value = serde_json::from_slice(&content[..end]).ok()?;
        let text = |field: &str| head[field].as_str().unwrap_or("").to_string();
        Some(Page {
            validators: Validators { etag: text("etag"), last_modified: text("lastModified") },
            asked: head["asked"].as_u64()?,
            body: content[end + 1..].to_vec(),
        })
    }

    fn write(&self, path: &Path) -> Result<(), OutsideError> {
        let Validators { etag, last_modified } = &self.validators;
        let head = json!({"etag": etag, "lastModified": last_modified, "asked": now()});
        let mut content = head.to_string().into_bytes();
        content.push(b'\n');
        content.extend_from_slice(&self.body);
        write(path, &content)
    }

    fn fetched(self) -> Fetched {
        Fetched { status: 200, reason: "OK".to_string(), body: self.body, warnings: Vec::new() }
    }

    fn stale(self, url: &str, why: &str) -> Fetched {
        let warning =
            format!("# Warning: '{url}' cannot be reached ({why}): its state of {} is used", age(self.asked));
        Fetched { warnings: vec![warning], ..self.fetched() }
    }
}

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn age(asked: u64) -> String {
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
fn brief(error: &OutsideError) -> String {
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

fn write(path: &Path, content: &[u8]) -> Result<(), OutsideError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    make_dirs(dir)?;
    let work = dir.join(format!(".new-{:016x}", rand::random::<u64>()));
    let written = std::fs::write(&work, content).and_then(|()| std::fs::rename(&work, path));
    written.map_err(|e| {
        drop(std::fs::remove_file(&work));
        file_error(path, &e)
    })
}
