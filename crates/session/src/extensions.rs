//! Repositories of extensions, fetched by the program `git` into the user's cache.
//!
//! A commit never changes: once it is there, no network is needed. A branch, a tag or the repository's own choice is
//! looked for once in a session; if the network is away, the copy of last time does.

use crate::repositories::{Repositories, Source, user_caches};
use kustomize::OutsideError;
use std::collections::HashMap;
use std::path::PathBuf;
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
        Self::at(user_caches(|name| std::env::var_os(name)))
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
        let reference = request.reference.clone().unwrap_or_default();
        if reference.starts_with('-') || request.url.starts_with('-') {
            // git would take it for an option
            let problem = format!("{reference:?} is no name of a commit, tag or branch");
            return Err(failed(request, &problem));
        }
        let source = Source { address: request.url.clone(), reference, ..Source::default() };
        let tree = Repositories::below(root)
            .checkout(&source, interrupt)
            .map_err(|error| failed(request, &words(&error)))?;
        fresh.insert(request.clone(), tree.dir.clone());
        let stale = tree.stale.map(|stale| format!("{} (the copy is of {})", stale.reason, stale.age));
        Ok(Checkout { directory: tree.dir, stale })
    }
}

/// Which step of git failed, and why.
fn words(error: &OutsideError) -> String {
    match error {
        OutsideError::NoProgram { program } => format!("the program `{program}` is not there"),
        OutsideError::Failed { command, output, .. } => {
            let step: Vec<&str> = command.split(' ').take(2).collect();
            format!("{}: {output}", step.join(" "))
        }
        error => error.to_string(),
    }
}

fn failed(request: &RepoRequest, problem: &str) -> HostError {
    let at = request.reference.as_ref().map(|r| format!(" at {r}")).unwrap_or_default();
    HostError {
        message: format!("cannot fetch {}{at}\n{problem}", request.url),
        hint: Some(
            "is this machine offline? Extensions that are built in need no network (docs/reference/tiltfile-extensions.md); a repository that was fetched once is used again"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    fn commit(repo: &Path, text: &str) -> String {
        std::fs::create_dir_all(repo.join("mine")).expect("a folder");
        std::fs::write(repo.join("mine/Tiltfile"), text).expect("a file");
        let run = |words: &[&str]| {
            let output = Command::new("git").arg("-C").arg(repo).args(words).output().expect("git starts");
            assert!(output.status.success(), "git {words:?}");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        run(&["init", "-q", "."]);
        // whole commits may be asked for, as at the large hosts
        run(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
        run(&["add", "-A"]);
        run(&["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "c"]);
        run(&["rev-parse", "HEAD"])
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
        assert!(error.starts_with(&format!("cannot fetch {url} at main\ngit ls-remote: ")), "{error}");
        assert!(!read(&session(), Some("--upload-pack=x")).expect_err("no reference").is_empty());
    }
}
