//! Clones and fetched files, kept in the user's cache folder.
//!
//! ```text
//! coracle/git/         see `repositories`
//! coracle/http/HASH    a line of JSON (what to ask with the next time), then the content
//! ```
//!
//! A file is asked for with its ETag. Where nobody answers, what is here is used with a warning.

use super::http::{self, Answer, Validators};
use crate::repositories::{Repositories, Source, age, brief, hash, now, user_caches, write};
use kustomize::{Checkout, Fetched, OutsideError, Repository};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

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
            Some(dir) => Cache::new(mode, dir),
            None => Cache::new(Mode::Off, PathBuf::new()),
        }
    }

    pub(super) fn checkout(
        &self,
        repository: &Repository,
        interrupt: &CancellationToken,
    ) -> Result<Checkout, OutsideError> {
        let (source, repositories) = (source_of(repository), Repositories::below(&self.root));
        let tree = match self.mode {
            Mode::Offline => {
                let missing = || OutsideError::NotCached { what: format!("'{}'", repository.raw) };
                repositories.known(&source).ok_or_else(missing)?
            }
            Mode::On | Mode::Off => repositories.checkout(&source, interrupt)?,
        };
        let warnings = tree.stale.iter().map(|stale| {
            format!(
                "# Warning: '{}' cannot be reached ({}): its state of {} is used, commit {}",
                source.address, stale.reason, stale.age, tree.commit
            )
        });
        let warnings = warnings.collect();
        Ok(Checkout { dir: tree.dir.to_string_lossy().into_owned(), commit: tree.commit, warnings })
    }

    pub(super) fn fetch(&self, url: &str, interrupt: &CancellationToken) -> Result<Fetched, OutsideError> {
        if self.mode == Mode::Off {
            return match http::get(url, None, interrupt)? {
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
        let answer = http::get(url, page.as_ref().map(|page| &page.validators), interrupt);
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

/// A repository of a kustomization as one to clone.
pub(super) fn source_of(repository: &Repository) -> Source {
    Source {
        address: repository.clone_spec(),
        reference: repository.reference.clone(),
        submodules: repository.submodules,
        timeout: repository.timeout,
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
