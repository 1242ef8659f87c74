//! Extensions: what `ext://NAME` means.
//!
//! A name is looked up among the extensions that the Tiltfile registered, then among its repositories with a
//! `load_host`, then in the default repository. Extensions of that one that people use most are part of the program
//! and need no network.

mod builtin;

pub use builtin::NAMES as BUILTIN_EXTENSIONS;
pub(crate) use builtin::source as builtin_source;

use crate::call::{Failure, Result, clean};
use crate::env::Env;
use crate::host::RepoRequest;
use crate::plan::ApiObject;
use std::path::{Path, PathBuf};

/// Where Tilt's own extensions come from.
pub const DEFAULT_REPO_URL: &str = "https://github.com/tilt-dev/tilt-extensions";

/// The repository of plain names.
const DEFAULT_REPO: &str = "default";

/// `v1alpha1.extension_repo`.
struct ExtensionRepo {
    name: String,
    url: String,
    reference: String,
    load_host: String,
    subpath: String,
}

impl ExtensionRepo {
    fn default_repo() -> ExtensionRepo {
        ExtensionRepo {
            name: DEFAULT_REPO.to_owned(),
            url: DEFAULT_REPO_URL.to_owned(),
            reference: String::new(),
            load_host: String::new(),
            subpath: String::new(),
        }
    }

    fn of(object: &ApiObject) -> ExtensionRepo {
        let text = |field: &str| object.spec[field].as_str().unwrap_or_default().to_owned();
        ExtensionRepo {
            name: object.name.clone(),
            url: text("url"),
            reference: text("ref"),
            load_host: text("load_host"),
            subpath: text("git_subpath"),
        }
    }

    /// Tilt's own, at no commit that the user chose: what is built in stands for it.
    fn is_upstream(&self) -> bool {
        self.is_tilts_own() && matches!(self.reference.as_str(), "" | "HEAD")
    }

    /// Tilt's own, at any commit.
    fn is_tilts_own(&self) -> bool {
        let url = self.url.trim_end_matches('/').trim_end_matches(".git");
        url == DEFAULT_REPO_URL && self.subpath.is_empty()
    }
}

/// A file to evaluate.
#[derive(Clone)]
pub(crate) enum Source {
    /// Part of the program; the path is only a name.
    Builtin(PathBuf, &'static str),
    File(PathBuf),
}

/// The name that Tilt gives an extension's object.
fn shown(name: &str) -> String {
    name.replace(['/', '%'], "_")
}

/// Finds an extension, which may mean to fetch its repository.
pub(crate) fn resolve(env: &Env<'_>, name: &str) -> Result<Source> {
    let (repo, path) = locate(&env.reg().api_objects, name);
    let Some(repo) = repo else {
        return Err(Failure::new(format!(
            "loading extension {}: the repository that it was registered with does not exist",
            shown(name)
        ))
        .with_hint("register it first: v1alpha1.extension_repo(name=…, url=…)"));
    };
    let own = builtin::source(&path).filter(|_| repo.is_tilts_own());
    let own = own.map(|source| Source::Builtin(PathBuf::from(format!("/ext/{path}/Tiltfile")), source));
    if let (true, Some(own)) = (repo.is_upstream(), own.as_ref()) {
        return Ok(own.clone());
    }
    if !is_inside(&path) || !is_inside(&repo.subpath) {
        return Err(Failure::new(format!(
            "loading extension {}: the path {path:?} leads out of its repository",
            shown(name)
        )));
    }
    let directory = match (directory(env, &repo, name), own) {
        // one of another commit is better than none
        (Err(failure), Some(own)) if !env.host.interrupted() => {
            let why = failure.message.lines().next().unwrap_or_default();
            env.warn(format!("{why}; the ext://{path} that is built in stands for it"), None);
            return Ok(own);
        }
        (found, _) => found?,
    };
    let file = directory.join(&repo.subpath).join(&path).join("Tiltfile");
    let file = clean(&file);
    if env.host.kind(&file).is_some() {
        return Ok(Source::File(file));
    }
    let failure = Failure::new(format!(
        "loading extension {}: no extension tiltfile found at {}",
        shown(name),
        file.display()
    ));
    Err(match near(&path) {
        Some(near) if repo.is_upstream() => failure.with_hint(format!("did you mean ext://{near}?")),
        _ => failure,
    })
}

/// The repository of a name, and the path in it.
fn locate(objects: &[ApiObject], name: &str) -> (Option<ExtensionRepo>, String) {
    let repos = || objects.iter().filter(|o| o.plural == "extensionrepos");
    let find = |wanted: &str| repos().find(|r| r.name == wanted).map(ExtensionRepo::of);
    let default = || find(DEFAULT_REPO).unwrap_or_else(ExtensionRepo::default_repo);
    if let Some(extension) = objects.iter().find(|o| o.plural == "extensions" && o.name == name) {
        let text = |field: &str| extension.spec[field].as_str().unwrap_or_default();
        let repo = match text("repo_name") {
            DEFAULT_REPO => Some(default()),
            repo => find(repo),
        };
        return (repo, text("repo_path").to_owned());
    }
    let hosted = repos().map(ExtensionRepo::of).filter(|r| !r.load_host.is_empty()).find_map(|r| {
        let rest = name.strip_prefix(r.load_host.as_str())?.strip_prefix('/')?.to_owned();
        Some((Some(r), rest))
    });
    hosted.unwrap_or_else(|| (Some(default()), name.to_owned()))
}

fn is_inside(path: &str) -> bool {
    !path.starts_with('/')
        && Path::new(path).components().all(|c| !matches!(c, std::path::Component::ParentDir))
}

fn directory(env: &Env<'_>, repo: &ExtensionRepo, extension: &str) -> Result<PathBuf> {
    if let Some(path) = repo.url.strip_prefix("file://") {
        return Ok(clean(Path::new(path)));
    }
    let known = env.fetched.borrow().get(&(repo.url.clone(), repo.reference.clone())).cloned();
    if let Some(directory) = known {
        return Ok(directory);
    }
    let request = RepoRequest {
        url: repo.url.clone(),
        reference: (!matches!(repo.reference.as_str(), "" | "HEAD")).then(|| repo.reference.clone()),
    };
    let directory = env.host.extension_repo(&request);
    crate::limits::check_interrupted(env)?;
    let directory = directory.map_err(|e| Failure {
        hint: Some(e.hint.unwrap_or_else(|| format!("the extension {extension} is in it"))),
        ..Failure::new(format!("loading extension repo {}: {}", repo.name, e.message))
    })?;
    env.fetched.borrow_mut().insert((repo.url.clone(), repo.reference.clone()), directory.clone());
    Ok(directory)
}

/// A built-in extension whose name differs by a letter or two.
fn near(name: &str) -> Option<&'static str> {
    builtin::NAMES.iter().copied().find(|n| crate::call::distance(name, n) <= 2)
}

/// Extensions that were registered and then not loaded: Tilt evaluates them by themselves, and this is not done here.
pub(crate) fn not_loaded(env: &Env<'_>) -> Vec<String> {
    let loaded = env.extensions_loaded.borrow();
    let registry = env.reg();
    let extensions = registry.api_objects.iter().filter(|o| o.plural == "extensions");
    extensions.filter(|o| !loaded.contains(&o.name)).map(|o| o.name.clone()).collect()
}
