//! Accumulation: a kustomization with everything below it becomes resources.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use crate::config::Config;
use crate::decode::Source;
use crate::error::{Error, Result};
use crate::files::Files;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::spec::{self, FILE_NAMES, Kustomization, Named, SortOptions};
use crate::{LoadRestrictor, Options, generate, load, path, transform};

/// One build: where files come from, and what was read on the way.
pub(crate) struct Session<'f> {
    files: &'f dyn Files,
    options: Options,
    config: Config,
    read: RefCell<BTreeSet<String>>,
    warnings: RefCell<Vec<String>>,
    managed_by_label: Cell<bool>,
}

/// The directory of one kustomization: what its paths are relative to.
pub(crate) struct Root<'s, 'f> {
    session: &'s Session<'f>,
    pub(crate) dir: String,
    canonical: String,
    /// The canonical directories on the way here, for cycles.
    visited: Vec<String>,
}

impl<'f> Session<'f> {
    pub(crate) fn new(files: &'f dyn Files, options: Options) -> Session<'f> {
        Session {
            files,
            options,
            config: Config::defaults(),
            read: RefCell::default(),
            warnings: RefCell::default(),
            managed_by_label: Cell::new(false),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn managed_by_label(&self) -> bool {
        self.managed_by_label.get()
    }

    /// The files that were read or missed, and the warnings.
    pub(crate) fn finish(self) -> (Vec<String>, Vec<String>) {
        (self.read.into_inner().into_iter().collect(), self.warnings.into_inner())
    }

    pub(crate) fn build(&self, dir: &str) -> Result<(ResMap, Option<SortOptions>)> {
        let dir = path::clean(dir);
        if !self.files.is_dir(&dir) {
            return Err(Error::new(format!("'{dir}' doesn't exist or is no directory"))
                .hint("name a directory that holds a kustomization.yaml"));
        }
        let root = Root {
            session: self,
            canonical: self.files.canonical(&dir).map_err(Error::from)?,
            dir,
            visited: Vec::new(),
        };
        let kustomization = root.kustomization()?;
        self.managed_by_label.set(kustomization.managed_by_label);
        let sort = kustomization.sort.clone();
        let resources = root.accumulate(&kustomization, ResMap::default())?;
        Ok((resources, sort))
    }
}

impl<'s, 'f> Root<'s, 'f> {
    fn note(&self, path: &str) {
        self.session.read.borrow_mut().insert(path.to_string());
    }

    fn kustomization(&self) -> Result<Kustomization> {
        let candidates: Vec<String> = FILE_NAMES.iter().map(|name| path::join(&self.dir, name)).collect();
        let found: Vec<&String> = candidates
            .iter()
            .filter(|p| self.session.files.exists(p) && !self.session.files.is_dir(p))
            .collect();
        let file = match found.as_slice() {
            [] => {
                candidates.iter().for_each(|candidate| self.note(candidate));
                return Err(Error::new(format!(
                    "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{}'",
                    self.canonical
                )));
            }
            [file] => *file,
            _ => {
                return Err(Error::new(format!(
                    "Found multiple kustomization files under: {}",
                    self.canonical
                )));
            }
        };
        self.note(file);
        let text = load::text(self.session.files.read(file)?, file)?;
        let source = Source { file, text: &text };
        let kustomization = spec::read_kustomization(source, &self.canonical)?;
        self.session.warnings.borrow_mut().extend(kustomization.warnings.iter().cloned());
        Ok(kustomization)
    }

    /// Reads a file named in the kustomization. Gives its path, as seen from where the build started, and its bytes.
    pub(crate) fn load(&self, name: &str) -> Result<(String, Vec<u8>)> {
        if is_remote(name) {
            return Err(remote(name));
        }
        let file = path::join(&self.dir, name);
        self.note(&file);
        if self.session.files.is_dir(&file) {
            return Err(Error::new(format!("'{name}' must resolve to a file")));
        }
        if !self.session.files.exists(&file) {
            return Err(Error::new(format!("'{name}' doesn't exist: no file {file}")));
        }
        let canonical = self.session.files.canonical(&file)?;
        if self.session.options.load_restrictor == LoadRestrictor::RootOnly
            && !path::is_below(&canonical, &self.canonical)
        {
            let message = format!("security; file '{canonical}' is not in or below '{}'", self.canonical);
            return Err(Error::new(message)
                .hint("move the file, or build with --load-restrictor LoadRestrictionsNone"));
        }
        Ok((file.clone(), self.session.files.read(&file)?))
    }

    /// The same as text.
    pub(crate) fn load_text(&self, name: &str) -> Result<(String, String)> {
        let (file, bytes) = self.load(name)?;
        let text = load::text(bytes, &file)?;
        Ok((file, text))
    }

    fn accumulate(&self, k: &Kustomization, mut resources: ResMap) -> Result<ResMap> {
        for entry in &k.resources {
            self.accumulate_resource(entry, &mut resources)
                .map_err(|e| e.at_place(&entry.place).doing("accumulating resources"))?;
        }
        generate::run(self, k, &mut resources)?;
        for entry in &k.components {
            self.accumulate_component(entry, &mut resources)
                .map_err(|e| e.at_place(&entry.place).doing("accumulating components"))?;
        }
        transform::run(self, k, &self.session.config, &mut resources)?;
        Ok(resources)
    }

    fn accumulate_resource(&self, entry: &Named, resources: &mut ResMap) -> Result<()> {
        let name = &entry.text;
        let full = path::join(&self.dir, name);
        if is_remote(name) && !self.session.files.exists(&full) {
            return Err(remote(name));
        }
        if self.session.files.is_dir(&full) {
            let inner = self.accumulate_directory(name)?;
            return resources
                .append_all(inner)
                .map_err(|e| e.doing(format!("recursed merging from path '{name}'")));
        }
        let doing = format!("accumulating resources from '{name}'");
        let (file, text) = self.load_text(name).map_err(|e| e.doing(&doing))?;
        let objects = load::objects(Source { file: &file, text: &text }).map_err(|e| e.doing(&doing))?;
        objects
            .into_iter()
            .try_for_each(|object| resources.append(Resource::new(object)))
            .map_err(|e| e.doing(format!("merging resources from '{name}'")))
    }

    pub(crate) fn is_dir(&self, name: &str) -> bool {
        self.session.files.is_dir(&path::join(&self.dir, name))
    }

    /// The resources of a kustomization in another directory.
    pub(crate) fn accumulate_directory(&self, name: &str) -> Result<ResMap> {
        let below = self.descend(name)?;
        let kustomization = below.kustomization()?;
        if kustomization.is_component {
            return Err(Error::new(format!("expected kind != 'Component' for path '{name}'"))
                .hint("name it under components"));
        }
        below
            .accumulate(&kustomization, ResMap::default())
            .map_err(|e| e.doing(format!("recursed accumulation of path '{name}'")))
    }

    /// A component works on what there is so far.
    fn accumulate_component(&self, entry: &Named, resources: &mut ResMap) -> Result<()> {
        let name = &entry.text;
        let full = path::join(&self.dir, name);
        if is_remote(name) && !self.session.files.exists(&full) {
            return Err(remote(name));
        }
        if !self.session.files.is_dir(&full) {
            return Err(Error::new(format!(
                "loader.New \"must build at directory: '{name}' is no directory\""
            )));
        }
        let below = self.descend(name)?;
        let kustomization = below.kustomization()?;
        if !kustomization.is_component {
            let message = format!(
                "accumulateDirectory: \"expected kind 'Component' for path '{name}' but got 'Kustomization'\""
            );
            return Err(Error::new(message).hint("name it under resources"));
        }
        *resources = below
            .accumulate(&kustomization, std::mem::take(resources))
            .map_err(|e| e.doing(format!("recursed accumulation of path '{name}'")))?;
        Ok(())
    }

    fn descend(&self, name: &str) -> Result<Root<'s, 'f>> {
        if name.starts_with('/') {
            return Err(Error::new(format!("new root '{name}' cannot be absolute")));
        }
        let dir = path::join(&self.dir, name);
        let canonical = self.session.files.canonical(&dir)?;
        let mut visited = self.visited.clone();
        visited.push(self.canonical.clone());
        if let Some(seen) = visited.iter().find(|seen| path::is_below(seen, &canonical)) {
            return Err(Error::new(format!(
                "cycle detected: candidate root '{canonical}' contains visited root '{seen}'"
            )));
        }
        Ok(Root { session: self.session, dir, canonical, visited })
    }
}

/// Looks like a URL or a git repository.
fn is_remote(name: &str) -> bool {
    name.contains("://")
        || name.starts_with("git::")
        || name.starts_with("github.com/")
        || name.starts_with("github.com:")
        || (name.contains('@')
            && name.contains(':')
            && !name.contains('\n')
            && name.find('@') < name.find(':'))
}

fn remote(name: &str) -> Error {
    Error::new(format!("remote resources are not supported yet: '{name}'"))
        .hint("fetch it into the project, and name the local path")
}
