//! Accumulation: a kustomization with everything below it becomes resources.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::config::Config;
use crate::decode::Source;
use crate::error::{Error, Result};
use crate::files::Files;
use crate::origin::{BuildMetadata, Location, Record};
use crate::outside::Outside;
use crate::remote::{self, Opened};
use crate::repository::Repository;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::spec::{self, FILE_NAMES, Kustomization, Named, SortOptions};
use crate::{LoadRestrictor, Options, generate, load, origin, path, plugin, transform};

/// One build: where files come from, and what was read on the way.
pub(crate) struct Session<'f> {
    pub(crate) files: &'f dyn Files,
    pub(crate) outside: Option<&'f dyn Outside>,
    pub(crate) options: Options,
    config: Config,
    read: RefCell<BTreeSet<String>>,
    warnings: RefCell<Vec<String>>,
    build_metadata: Cell<BuildMetadata>,
}

/// The directory of one kustomization: what its paths are relative to.
pub(crate) struct Root<'s, 'f> {
    pub(crate) session: &'s Session<'f>,
    pub(crate) dir: String,
    pub(crate) canonical: String,
    /// The canonical directories on the way here, for cycles.
    pub(crate) visited: Vec<String>,
    /// The repositories on the way here; this directory lies in the last of them.
    pub(crate) clones: Vec<Rc<remote::Clone>>,
    /// The `namespace` of this kustomization, or of the nearest above that has one: for Helm charts.
    pub(crate) namespace: RefCell<String>,
    /// Where this is seen from the top, if origins are recorded.
    pub(crate) origin: Option<Location>,
}

impl<'f> Session<'f> {
    pub(crate) fn new(
        files: &'f dyn Files,
        outside: Option<&'f dyn Outside>,
        options: Options,
    ) -> Session<'f> {
        Session {
            files,
            outside,
            options,
            config: Config::defaults(),
            read: RefCell::default(),
            warnings: RefCell::default(),
            build_metadata: Cell::default(),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn build_metadata(&self) -> BuildMetadata {
        self.build_metadata.get()
    }

    pub(crate) fn warn(&self, warnings: impl IntoIterator<Item = String>) {
        self.warnings.borrow_mut().extend(warnings);
    }

    /// The files that were read or missed, and the warnings.
    pub(crate) fn finish(self) -> (Vec<String>, Vec<String>) {
        (self.read.into_inner().into_iter().collect(), self.warnings.into_inner())
    }

    fn root(&self, dir: &str) -> Result<Root<'_, 'f>> {
        let root = |dir: String, canonical: String| Root {
            session: self,
            dir,
            canonical,
            visited: Vec::new(),
            clones: Vec::new(),
            namespace: RefCell::default(),
            origin: None,
        };
        let local = path::clean(dir);
        if self.files.is_dir(&local) {
            let canonical = self.files.canonical(&local)?;
            return Ok(root(local, canonical));
        }
        if let Ok(repository) = Repository::parse(dir) {
            return root(".".to_string(), String::new()).clone_repository(repository);
        }
        Err(Error::new(format!("'{local}' doesn't exist or is no directory"))
            .hint("name a directory that holds a kustomization.yaml"))
    }

    pub(crate) fn build(&self, dir: &str) -> Result<(ResMap, Option<SortOptions>)> {
        let mut root = self.root(dir)?;
        let kustomization = root.kustomization()?;
        self.build_metadata.set(kustomization.build_metadata);
        root.origin = kustomization.build_metadata.any.then(Location::default);
        let sort = kustomization.sort.clone();
        let resources = root.accumulate(&kustomization, ResMap::default())?;
        Ok((resources, sort))
    }
}

impl<'s, 'f> Root<'s, 'f> {
    /// Clones do not change under a watcher.
    fn note(&self, path: &str) {
        if self.clones.is_empty() {
            self.session.read.borrow_mut().insert(path.to_string());
        }
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
        let mut kustomization = spec::read_kustomization(source, &self.canonical)?;
        kustomization.file_name = path::base_name(file).to_string();
        self.session.warnings.borrow_mut().extend(kustomization.warnings.iter().cloned());
        Ok(kustomization)
    }

    /// Reads a file named in the kustomization. Gives its path, as seen from where the build started, and its bytes.
    pub(crate) fn load(&self, name: &str) -> Result<(String, Vec<u8>)> {
        if remote::is_remote_file(name) {
            return Ok((name.to_string(), self.fetch(name)?));
        }
        let file = path::join(&self.dir, name);
        self.note(&file);
        if self.session.files.is_dir(&file) {
            return Err(Error::new(format!("'{name}' must resolve to a file")));
        }
        if !self.session.files.exists(&file) {
            return Err(remote::ambiguous(name)
                .unwrap_or_else(|| Error::new(format!("'{name}' doesn't exist: no file {file}"))));
        }
        let canonical = self.session.files.canonical(&file)?;
        let restricted = self.session.options.load_restrictor == LoadRestrictor::RootOnly;
        // what came from elsewhere never reaches for files of this machine
        if (restricted || !self.clones.is_empty()) && !path::is_below(&canonical, &self.canonical) {
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
        if !k.namespace.is_empty() {
            self.namespace.replace(k.namespace.clone());
        }
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
        plugin::validate(self, k, &mut resources)?;
        Ok(resources)
    }

    pub(crate) fn accumulate_resource(&self, entry: &Named, resources: &mut ResMap) -> Result<()> {
        let name = &entry.text;
        match self.open(name)? {
            Opened::Base(below) => {
                let inner = below.accumulate_base(name)?;
                resources
                    .append_all(inner)
                    .map_err(|e| e.doing(format!("recursed merging from path '{name}'")))
            }
            Opened::File { objects } => objects
                .into_iter()
                .try_for_each(|object| {
                    let mut resource = Resource::new(object);
                    if let Some(origin) = &self.origin {
                        resource.set_annotation(origin::ORIGIN, origin.of_file(name).text());
                    }
                    resources.append(resource)
                })
                .map_err(|e| e.doing(format!("merging resources from '{name}'"))),
        }
    }

    /// What a field of the kustomization that a builtin plugin carries out is recorded as.
    pub(crate) fn builtin_origin(&self, k: &Kustomization, kind: &str) -> Option<Record> {
        self.origin.as_ref().map(|origin| origin.of_builtin(&k.file_name, kind))
    }

    /// The resources of a kustomization that is named as a base.
    pub(crate) fn accumulate_base(&self, name: &str) -> Result<ResMap> {
        let kustomization = self.kustomization()?;
        if kustomization.is_component {
            return Err(Error::new(format!("expected kind != 'Component' for path '{name}'"))
                .hint("name it under components"));
        }
        self.accumulate(&kustomization, ResMap::default())
            .map_err(|e| e.doing(format!("recursed accumulation of path '{name}'")))
    }

    /// A component works on what there is so far.
    fn accumulate_component(&self, entry: &Named, resources: &mut ResMap) -> Result<()> {
        let name = &entry.text;
        let full = path::join(&self.dir, name);
        let below = match Repository::parse(name) {
            _ if self.session.files.is_dir(&full) => self.descend(name)?,
            Ok(repository) => self.clone_repository(repository)?,
            Err(_) => {
                return Err(Error::new(format!(
                    "loader.New \"must build at directory: '{name}' is no directory\""
                )));
            }
        };
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

    pub(crate) fn descend(&self, name: &str) -> Result<Root<'s, 'f>> {
        if name.starts_with('/') {
            return Err(Error::new(format!("new root '{name}' cannot be absolute")));
        }
        let dir = path::join(&self.dir, name);
        let canonical = self.session.files.canonical(&dir)?;
        self.check_contained(&canonical)?;
        let below = self.below(name, dir, canonical, self.clones.clone());
        if let Some(seen) = below.visited.iter().find(|seen| path::is_below(seen, &below.canonical)) {
            return Err(Error::new(format!(
                "cycle detected: candidate root '{}' contains visited root '{seen}'",
                below.canonical
            )));
        }
        Ok(below)
    }

    /// Another directory, named so by this one.
    pub(crate) fn below(
        &self,
        name: &str,
        dir: String,
        canonical: String,
        clones: Vec<Rc<remote::Clone>>,
    ) -> Root<'s, 'f> {
        let mut visited = self.visited.clone();
        if !self.canonical.is_empty() {
            visited.push(self.canonical.clone());
        }
        Root {
            session: self.session,
            dir,
            canonical,
            visited,
            clones,
            namespace: self.namespace.clone(),
            origin: self.origin.as_ref().map(|origin| origin.below(name)),
        }
    }
}
