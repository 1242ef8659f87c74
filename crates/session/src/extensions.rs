//! Repositories of extensions, fetched by the program `git` into the user's cache.
//!
//! A commit never changes: once it is there, no network is needed. A branch, a tag or the repository's own choice is
//! looked for once in a session; if the network is away, the copy of last time does.

use crate::{outside, process};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use tiltfile::{HostError, RepoRequest};
use tokio_util::sync::CancellationToken;

/// Copies of repositories; clones share what was fetched in this session.
#[derive(Debug, Clone)]
pub struct ExtensionCache {
    root: Option<PathBuf>,
    fresh: Arc<Mutex<HashMap<RepoRequest, PathBuf>>>,
}

/// A repository on disk.
pub(crate) struct Checkout {
    pub(crate) directory: PathBuf,
    /// Why it may be older than what the address has now.
    pub(crate) stale: Option<String>,
}

impl ExtensionCache {
    /// In the user's cache folder.
    pub fn of_user() -> Self {
        let caches = outside::user_caches(|name| std::env::var_os(name));
        Self::at(caches.map(|c| c.join("coracle").join("extensions")))
    }

    pub fn at(root: Option<PathBuf>) -> Self {
        Self { root, fresh: Arc::default() }
    }

    /// The repository's files at what the request names.
    pub(crate) fn checkout(
        &self,
        request: &RepoRequest,
        interrupt: &CancellationToken,
    ) -> Result<Checkout, HostError> {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = fresh.get(request) {
            return Ok(Checkout { directory: directory.clone(), stale: None });
        }
        let Some(root) = &self.root else {
            return Err(HostError {
                message: "neither XDG_CACHE_HOME nor HOME is set: there is no place for it".into(),
                hint: None,
            });
        };
        let directory = root.join(folder(request));
        let is_there = directory.join(".git").is_dir();
        let pinned = request.reference.as_deref().is_some_and(outside::is_commit);
        let stale = match is_there && pinned {
            true => None,
            false => match fetch(&directory, request, interrupt) {
                Ok(()) => None,
                Err(problem) if is_there && !interrupt.is_cancelled() => Some(problem),
                Err(problem) => return Err(failed(request, problem)),
            },
        };
        fresh.insert(request.clone(), directory.clone());
        Ok(Checkout { directory, stale })
    }
}

fn failed(request: &RepoRequest, problem: String) -> HostError {
    let at = request.reference.as_ref().map(|r| format!(" at {r}")).unwrap_or_default();
    HostError {
        message: format!("cannot fetch {}{at}\n{problem}", request.url),
        hint: Some(
            "is this machine offline? Extensions that are built in need no network (docs/reference/tiltfile-extensions.md); a repository that was fetched once is used again"
                .into(),
        ),
    }
}

/// `github.com/tilt-dev/tilt-extensions@v1`, with no letter that a path could misunderstand.
fn folder(request: &RepoRequest) -> PathBuf {
    let clean = |text: &str| -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        text.chars().map(|c| if fits(c) { c } else { '~' }).collect()
    };
    let address = request.url.split_once("://").map_or(request.url.as_str(), |(_, rest)| rest);
    // credentials are no part of a name
    let address = match address.split_once('/') {
        Some((host, path)) => format!("{}/{path}", host.rsplit('@').next().unwrap_or(host)),
        None => address.to_owned(),
    };
    let mut folder = PathBuf::new();
    for part in address.split('/').filter(|p| !p.is_empty() && !matches!(*p, "." | "..")) {
        folder.push(clean(part));
    }
    let last = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let reference = request.reference.as_deref().unwrap_or("HEAD");
    folder.set_file_name(format!("{last}@{}", clean(reference)));
    folder
}

/// Makes the copy, or brings it up to date. What is there stays whole if this fails.
fn fetch(directory: &Path, request: &RepoRequest, interrupt: &CancellationToken) -> Result<(), String> {
    let reference = request.reference.as_deref().unwrap_or("HEAD");
    if reference.starts_with('-') || request.url.starts_with('-') {
        return Err(format!("{reference:?} is no name of a commit, tag or branch"));
    }
    let git = |at: &Path, words: &[&str]| git(at, words, interrupt);
    if directory.join(".git").is_dir() {
        git(directory, &["fetch", "-q", "--depth", "1", &request.url, reference])?;
        return git(directory, &["checkout", "-q", "-f", "--detach", "FETCH_HEAD"]);
    }
    let parent = directory.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent).map_err(|e| format!("cannot create {}: {e}", parent.display()))?;
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let made = parent.join(format!(".{name}.{}", std::process::id()));
    let result = git(parent, &["init", "-q", &made.to_string_lossy()])
        .and_then(|()| git(&made, &["fetch", "-q", "--depth", "1", &request.url, reference]))
        .and_then(|()| git(&made, &["checkout", "-q", "--detach", "FETCH_HEAD"]))
        .and_then(|()| match std::fs::rename(&made, directory) {
            // another session was faster
            Err(_) if directory.join(".git").is_dir() => Ok(()),
            moved => moved.map_err(|e| format!("cannot create {}: {e}", directory.display())),
        });
    let _ = std::fs::remove_dir_all(&made);
    result
}

fn git(at: &Path, words: &[&str], interrupt: &CancellationToken) -> Result<(), String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(at).args(words);
    // Nobody is there to answer, and hooks and settings of a surrounding repository have no say.
    command.env("GIT_TERMINAL_PROMPT", "0");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    let output = process::output(&mut command, None, interrupt).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => "the program `git` is not there".to_owned(),
        _ => format!("git: {e}"),
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("git {}: {}", words.first().unwrap_or(&""), String::from_utf8_lossy(&output.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(repo: &Path, text: &str) -> String {
        std::fs::create_dir_all(repo.join("mine")).expect("a folder");
        std::fs::write(repo.join("mine/Tiltfile"), text).expect("a file");
        let token = CancellationToken::new();
        let run = |words: &[&str]| git(repo, words, &token).expect("git works");
        run(&["init", "-q", "."]);
        run(&["add", "-A"]);
        run(&["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "c"]);
        let mut ask = Command::new("git");
        ask.arg("-C").arg(repo).args(["rev-parse", "HEAD"]);
        let output = process::output(&mut ask, None, &token).expect("git works");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    #[test]
    fn a_repository_and_its_copies() {
        if Command::new("git").arg("--version").output().is_err() {
            eprintln!("skipped: no git here");
            return;
        }
        let scratch = tempfile::tempdir().expect("a folder");
        let repo = scratch.path().join("repo");
        std::fs::create_dir(&repo).expect("a folder");
        let first = commit(&repo, "one");
        let url = repo.display().to_string();
        let request = |reference: Option<&str>| RepoRequest {
            url: url.clone(),
            reference: reference.map(str::to_owned),
        };
        let caches = scratch.path().join("cache");
        let token = CancellationToken::new();
        let read = |cache: &ExtensionCache, reference: Option<&str>| {
            let checkout = cache.checkout(&request(reference), &token).map_err(|e| e.message)?;
            let text = std::fs::read_to_string(checkout.directory.join("mine/Tiltfile")).expect("a file");
            Ok::<_, String>((text, checkout.stale.is_some()))
        };
        let session = || ExtensionCache::at(Some(caches.clone()));
        let one = session();
        assert_eq!(read(&one, None), Ok(("one".into(), false)));
        assert_eq!(read(&one, Some(&first)), Ok(("one".into(), false)));
        commit(&repo, "two");
        // once in a session, and again in the next
        assert_eq!(read(&one.clone(), None), Ok(("one".into(), false)));
        assert_eq!(read(&session(), None), Ok(("two".into(), false)));
        assert_eq!(read(&session(), Some(&first)), Ok(("one".into(), false)));
        // the repository cannot be reached any more
        std::fs::rename(&repo, scratch.path().join("gone")).expect("it moves");
        assert_eq!(read(&session(), None), Ok(("two".into(), true)));
        assert_eq!(read(&session(), Some(&first)), Ok(("one".into(), false)));
        let error = read(&session(), Some("main")).expect_err("it was never fetched");
        assert!(error.starts_with(&format!("cannot fetch {url} at main\ngit fetch: ")), "{error}");
        let left = std::fs::read_dir(caches.join(url.trim_start_matches('/')).parent().expect("a parent"));
        let names =
            left.expect("a folder").flatten().filter(|e| e.file_name().to_string_lossy().starts_with('.'));
        assert_eq!(names.count(), 0, "nothing half made is left");
    }

    #[test]
    fn names_of_copies() {
        for (url, reference, want) in [
            ("https://github.com/tilt-dev/tilt-extensions", None, "github.com/tilt-dev/tilt-extensions@HEAD"),
            ("https://me:secret@h.example:8443/a/../b", Some("feature/x"), "h.example~8443/a/b@feature~x"),
        ] {
            let request = RepoRequest { url: url.to_owned(), reference: reference.map(str::to_owned) };
            assert_eq!(folder(&request), PathBuf::from(want));
        }
    }
}
