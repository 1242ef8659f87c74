//! Bases, components and files that lie elsewhere: in git repositories and behind http(s) addresses.

use std::rc::Rc;

use crate::accumulate::Root;
use crate::decode::Source;
use crate::error::{Error, Result};
use crate::outside::{self, Outside};
use crate::repository::{Repository, is_file_name};
use crate::resource::Resource;
use crate::{load, path};

/// A repository that has been cloned for this build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clone {
    pub(crate) repository: Repository,
    /// Canonical; nothing in the clone may lead out of it.
    pub(crate) dir: String,
    pub(crate) commit: String,
}

/// What an entry that may be a file or a base turned out to be.
pub(crate) enum Opened<'s, 'f> {
    File { objects: Vec<Resource> },
    Base(Box<Root<'s, 'f>>),
}

/// Whether it is fetched rather than read.
pub(crate) fn is_remote_file(name: &str) -> bool {
    let is = |scheme: &str| name.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    (is("http:") || is("https:")) && !name.contains(|c: char| c.is_control())
}

impl<'s, 'f> Root<'s, 'f> {
    fn outside(&self, what: &str) -> Result<&'f dyn Outside> {
        outside::needed(self.session.outside, what)
    }

    /// The clone that this directory lies in.
    pub(crate) fn clone_of(&self) -> Option<&Rc<Clone>> {
        self.clones.last()
    }

    /// A file, or a base: first come the file system, then the network.
    pub(crate) fn open(&self, name: &str) -> Result<Opened<'s, 'f>> {
        let full = path::join(&self.dir, name);
        if self.session.files.is_dir(&full) {
            return self.descend(name).map(|root| Opened::Base(Box::new(root)));
        }
        if name.starts_with("oci://") {
            return Err(Error::new(format!("bases in OCI registries are not supported: '{name}'"))
                .hint("pull it into the project, and name the local path"));
        }
        let repository = match Repository::parse(name) {
            Ok(repository) if !self.session.files.exists(&full) => repository,
            _ => return self.open_file(name),
        };
        if !is_remote_file(name) || repository.is_certain() {
            let root = self.clone_repository(repository).map_err(|e| self.as_file_too(name, e))?;
            return Ok(Opened::Base(Box::new(root)));
        }
        match self.open_file(name) {
            Ok(file) => Ok(file),
            Err(as_file) if is_file_name(name) => Err(as_file),
            // a page for people instead of YAML, no answer at all or a bad one: it may be a repository still
            Err(as_file) => match self.clone_repository(repository) {
                Ok(root) => Ok(Opened::Base(Box::new(root))),
                Err(as_base) => Err(as_base.prefixed(&format!("accumulation err='{}'", as_file.chain()))),
            },
        }
    }

    /// Kustomize's words for a base that cannot be had: it has looked for a file of that name before.
    fn as_file_too(&self, name: &str, as_base: Error) -> Error {
        let absolute = path::join(&self.canonical, name);
        let as_file = match is_remote_file(name) {
            true => "URL is a git repository".to_string(),
            false => self.session.missing(&absolute, &absolute).chain(),
        };
        let upstream = format!(
            "accumulation err='accumulating resources from '{name}': {as_file}': {}",
            as_base.chain()
        );
        as_base.worded(upstream)
    }

    fn open_file(&self, name: &str) -> Result<Opened<'s, 'f>> {
        let doing = format!("accumulating resources from '{name}'");
        let (file, text) = self.load_text(name).map_err(|e| e.doing(&doing))?;
        let objects = load::resources(Source { file: &file, text: &text }).map_err(|e| {
            let named = format!("{} in File: {name}", e.chain());
            if e.is_malformed_yaml() { e.worded(named) } else { e }.doing(&doing)
        })?;
        Ok(Opened::File { objects })
    }

    pub(crate) fn fetch(&self, url: &str) -> Result<Vec<u8>> {
        let fetched = self.outside(&format!("'{url}'"))?.fetch(url)?;
        self.session.warn(fetched.warnings);
        if (200..300).contains(&fetched.status) {
            return Ok(fetched.body);
        }
        let status = format!("status code {} ({})", fetched.status, fetched.reason);
        let error = Error::new(format!("'{url}' cannot be fetched: {status}"));
        if Repository::parse(url).is_ok() && !is_file_name(url) {
            return Err(error.worded("URL is a git repository"));
        }
        Err(error.worded(format!("HTTP Error: {status}")))
    }

    pub(crate) fn clone_repository(&self, repository: Repository) -> Result<Root<'s, 'f>> {
        let seen = self.clones.iter().find(|c| c.repository.raw.starts_with(&repository.raw));
        if let Some(seen) = seen {
            return Err(Error::new(format!(
                "cycle detected: URI '{}' referenced by previous URI '{}'",
                repository.raw, seen.repository.raw
            )));
        }
        let checkout =
            self.outside(&format!("the repository '{}'", repository.raw))?.checkout(&repository)?;
        if repository.forced {
            self.session.warn([format!(
                "# Warning: the prefix 'git::' of '{}' has no meaning and is ignored; remove it",
                repository.raw
            )]);
        }
        self.session.warn(checkout.warnings);
        let files = self.session.files;
        let (top, dir) = (files.canonical(&checkout.dir)?, path::join(&checkout.dir, &repository.path));
        if !files.is_dir(&dir) {
            let what = if files.exists(&dir) { "is a file; expecting directory" } else { "does not exist" };
            return Err(Error::new(format!(
                "'{}' {what} in the repository '{}' at {}",
                repository.path,
                repository.clone_spec(),
                checkout.commit
            )));
        }
        let canonical = files.canonical(&dir)?;
        if !path::is_below(&canonical, &top) {
            return Err(Error::new(format!("\"{dir}\" refers to directory outside of repo \"{top}\"")));
        }
        let mut clones = self.clones.clone();
        let raw = repository.raw.clone();
        clones.push(Rc::new(Clone { repository, dir: top, commit: checkout.commit }));
        Ok(self.below(&raw, dir, canonical, clones))
    }

    /// A kustomization that came from elsewhere may not reach for files of this machine.
    pub(crate) fn check_contained(&self, canonical: &str) -> Result<()> {
        match self.clone_of() {
            Some(clone) if !path::is_below(canonical, &clone.dir) => Err(Error::new(format!(
                "security; bases in kustomizations found in cloned git repos must be within the repo, but base '{canonical}' is outside '{}'",
                clone.dir
            ))),
            _ => Ok(()),
        }
    }
}

/// The error for a path that is not there, if it is because `..` stands within a segment: `base - ../x`.
pub(crate) fn ambiguous(name: &str) -> Option<Error> {
    let is_odd = |segment: &str| segment != ".." && segment.contains("..") && segment.contains(' ');
    if !name.split('/').any(is_odd) {
        return None;
    }
    let meant: Vec<&str> =
        name.split('/').map(|segment| if is_odd(segment) { ".." } else { segment }).collect();
    let meant = path::clean(&meant.join("/"));
    let message = format!("path \"{name}\" is ambiguous: resolves to \"{meant}\" after normalization");
    Some(Error::new(message).hint("two list items may have run together on one line"))
}
