//! Accumulation: a kustomization with everything below it becomes resources.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use crate::accumulator::Accumulator;
use crate::config::{self, Config};
use crate::decode::Source;
use crate::error::{Error, Errors, Result};
use crate::files::Files;
use crate::openapi::OpenApi;
use crate::origin::{BuildMetadata, Location, Record};
use crate::outside::Outside;
use crate::remote::{self, Opened};
use crate::repository::Repository;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::schema::Types;
use crate::spec::{self, FILE_NAMES, Kustomization, Named, SortOptions};
use crate::{LoadRestrictor, Options, generate, load, origin, path, plugin, transform};

/// One build: where files come from, and what was read on the way.
pub(crate) struct Session<'f> {
    pub(crate) files: &'f dyn Files,
    pub(crate) outside: Option<&'f dyn Outside>,
    pub(crate) options: Options,
    read: RefCell<BTreeSet<String>>,
    warnings: RefCell<Vec<String>>,
    build_metadata: Cell<BuildMetadata>,
    openapi: OpenApi,
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
        let merge_keys = options.merge_keys;
        Session {
            files,
            outside,
            options,
            read: RefCell::default(),
            warnings: RefCell::default(),
            build_metadata: Cell::default(),
            openapi: OpenApi::new(merge_keys),
        }
    }

    pub(crate) fn build_metadata(&self) -> BuildMetadata {
        self.build_metadata.get()
    }

    pub(crate) fn warn(&self, warnings: impl IntoIterator<Item = String>) {
        self.warnings.borrow_mut().extend(warnings);
    }

    /// What a kustomization that stands alone begins with.
    fn start(&self) -> Accumulator {
        Accumulator { resources: ResMap::new(self.openapi.scopes()), ..Accumulator::default() }
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
        Err(self.no_directory(dir, &local))
    }

    pub(crate) fn build(&self, dir: &str) -> Result<(Accumulator, Option<SortOptions>)> {
        let mut root = self.root(dir)?;
        let kustomization = root.kustomization()?;
        self.build_metadata.set(kustomization.build_metadata);
        root.origin = kustomization.build_metadata.any.then(Location::default);
        self.openapi.set(&root, &kustomization, &ResMap::default())?;
        let sort = kustomization.sort.clone();
        let accumulated = root.accumulate(&kustomization, self.start())?;
        Ok((accumulated, sort))
    }
}

impl<'s, 'f> Root<'s, 'f> {
    /// The types by which strategic merges go.
    pub(crate) fn types(&self) -> &'s Types {
        self.session.openapi.types()
    }

    /// Clones do not change under a watcher.
    pub(crate) fn note(&self, path: &str) {
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
        self.session.warn(kustomization.warnings.iter().cloned());
        Ok(kustomization)
    }

    /// Reads a file named in the kustomization. Gives its path, as seen from where the build started, and its bytes.
    pub(crate) fn load(&self, name: &str) -> Result<(String, Vec<u8>)> {
        if remote::is_remote_file(name) {
            return Ok((name.to_string(), self.fetch(name)?));
        }
        let file = path::join(&self.dir, name);
        let absolute = path::join(&self.canonical, name);
        if self.session.files.is_dir(&file) {
            return Err(Error::new(format!("'{absolute}' must resolve to a file")));
        }
        self.note(&file);
        if !self.session.files.exists(&file) {
            return Err(remote::ambiguous(name).unwrap_or_else(|| self.session.missing(&absolute, &absolute)));
        }
        let canonical = self.session.files.canonical(&file)?;
        let restricted = self.session.options.load_restrictor == LoadRestrictor::RootOnly;
        // what came from elsewhere never reaches for files of this machine
        if (restricted || !self.clones.is_empty()) && !path::is_below(&canonical, &self.canonical) {
            let message = format!("security; file '{absolute}' is not in or below '{}'", self.canonical);
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

    fn accumulate(&self, k: &Kustomization, mut so_far: Accumulator) -> Result<Accumulator> {
        if !k.namespace.is_empty() {
            self.namespace.replace(k.namespace.clone());
        }
        let mut errors = Errors::default();
        for entry in &k.resources {
            let added = self.accumulate_resource(entry, &mut so_far);
            errors.keep(added.map_err(|e| e.at_place(&entry.place).doing("accumulating resources")));
        }
        errors.finish()?;
        so_far.add_config(&self.config(k)?).map_err(|e| e.doing("merging config"))?;
        so_far.add_config(&self.crds(k)?).map_err(|e| e.doing("merging CRDs"))?;
        Config::settle(&mut so_far.config);
        generate::run(self, k, &mut so_far.resources)?;
        for entry in &k.components {
            self.accumulate_component(entry, &mut so_far)
                .map_err(|e| e.at_place(&entry.place).doing("accumulating components"))?;
        }
        transform::run(self, k, &so_far.config, &mut so_far.resources)?;
        plugin::validate(self, k, &mut so_far.resources)?;
        so_far.record_vars(&k.vars)?;
        Ok(so_far)
    }

    /// The defaults and what `configurations` add.
    fn config(&self, k: &Kustomization) -> Result<Arc<Config>> {
        let mut config = Config::defaults();
        for entry in &k.configurations {
            let merged = if entry.text.contains(['\n', '\r']) {
                config::read::merge(&mut config, Source { file: &entry.place.file, text: &entry.text })
            } else {
                self.load_text(&entry.text).and_then(|(file, text)| {
                    config::read::merge(&mut config, Source { file: &file, text: &text })
                })
            };
            merged.map_err(|e| e.at_place(&entry.place))?;
        }
        Ok(config)
    }

    fn crds(&self, k: &Kustomization) -> Result<Arc<Config>> {
        let mut config = Config::empty();
        for entry in &k.crds {
            self.load_text(&entry.text)
                .and_then(|(file, text)| {
                    config::crds::merge(&mut config, Source { file: &file, text: &text }, &entry.text)
                })
                .map_err(|e| {
                    let names: Vec<&str> = k.crds.iter().map(|entry| entry.text.as_str()).collect();
                    e.at_place(&entry.place).doing(format!("loading CRDs [{}]", names.join(" ")))
                })?;
        }
        Ok(config)
    }

    /// As a file if it is one, else as a base, as upstream; what fails as both is told as both.
    pub(crate) fn accumulate_resource(&self, entry: &Named, so_far: &mut Accumulator) -> Result<()> {
        let name = &entry.text;
        let absolute = path::join(&self.canonical, name);
        let is_dir = self.session.files.is_dir(&path::join(&self.dir, name));
        let added = self.open(name).and_then(|opened| match opened {
            Opened::Base(below) => below.add_to(so_far),
            Opened::File { objects } => self.add_objects(name, objects, &mut so_far.resources),
        });
        let Err(error) = added else { return Ok(()) };
        let (as_file, as_base) = if is_dir {
            let as_file =
                format!("accumulating resources from '{name}': '{absolute}' must resolve to a file");
            (as_file, error.chain())
        } else if self.is_remote(name) || error.is_malformed_yaml() {
            return Err(error);
        } else {
            let Err(as_base) = self.descend(name) else { return Err(error) };
            (error.chain(), as_base.chain())
        };
        Err(error.worded(format!("accumulation err='{as_file}': {as_base}")))
    }

    fn is_remote(&self, name: &str) -> bool {
        remote::is_remote_file(name)
            || (Repository::parse(name).is_ok() && !self.session.files.exists(&path::join(&self.dir, name)))
    }

    fn add_objects(&self, name: &str, objects: Vec<Resource>, resources: &mut ResMap) -> Result<()> {
        objects
            .into_iter()
            .try_for_each(|mut resource| {
                if let Some(origin) = &self.origin {
                    resource.set_annotation(origin::ORIGIN, origin.of_file(name).text());
                }
                resources.append(resource)
            })
            .map_err(|e| e.doing(format!("merging resources from '{name}'")))
    }

    /// Adds what this base holds to the resources of the kustomization that names it.
    fn add_to(&self, so_far: &mut Accumulator) -> Result<()> {
        let inner = self.accumulate_base(&so_far.resources)?;
        so_far.merge(inner).map_err(|e| e.doing(format!("recursed merging from path '{}'", self.canonical)))
    }

    /// What a field of the kustomization that a builtin plugin carries out is recorded as.
    pub(crate) fn builtin_origin(&self, k: &Kustomization, kind: &str) -> Option<Record> {
        self.origin.as_ref().map(|origin| origin.of_builtin(&k.file_name, kind))
    }

    /// What a kustomization that is named as a base comes to, after other resources.
    pub(crate) fn accumulate_base(&self, before: &ResMap) -> Result<Accumulator> {
        let kustomization = self.kustomization_of_path()?;
        if kustomization.is_component {
            return Err(Error::new(format!("expected kind != 'Component' for path '{}'", self.canonical))
                .hint("name it under components"));
        }
        self.session.openapi.set(self, &kustomization, before)?;
        self.accumulate(&kustomization, self.session.start())
            .map_err(|e| e.doing(format!("recursed accumulation of path '{}'", self.canonical)))
    }

    fn kustomization_of_path(&self) -> Result<Kustomization> {
        self.kustomization()
            .map_err(|e| e.doing(format!("couldn't make target for path '{}'", self.canonical)))
    }

    /// A component works on what there is so far.
    fn accumulate_component(&self, entry: &Named, so_far: &mut Accumulator) -> Result<()> {
        let name = &entry.text;
        let full = path::join(&self.dir, name);
        let below = match Repository::parse(name) {
            Ok(repository) if !self.session.files.is_dir(&full) => self.clone_repository(repository),
            _ => self.descend(name),
        };
        below
            .map_err(|e| e.quoted("loader.New"))?
            .add_as_component(so_far)
            .map_err(|e| e.quoted("accumulateDirectory:"))
    }

    fn add_as_component(&self, so_far: &mut Accumulator) -> Result<()> {
        let kustomization = self.kustomization_of_path()?;
        if !kustomization.is_component {
            let message =
                format!("expected kind 'Component' for path '{}' but got 'Kustomization'", self.canonical);
            return Err(Error::new(message).hint("name it under resources"));
        }
        self.session.openapi.set(self, &kustomization, &so_far.resources)?;
        *so_far = self
            .accumulate(&kustomization, std::mem::take(so_far))
            .map_err(|e| e.doing(format!("recursed accumulation of path '{}'", self.canonical)))?;
        Ok(())
    }

    pub(crate) fn descend(&self, name: &str) -> Result<Root<'s, 'f>> {
        if name.is_empty() {
            return Err(Error::new("new root cannot be empty"));
        }
        if name.starts_with('/') {
            return Err(Error::new(format!("new root '{name}' cannot be absolute")));
        }
        let dir = path::join(&self.dir, name);
        if !self.session.files.is_dir(&dir) {
            let absolute = path::join(&self.canonical, name);
            return Err(self.session.no_directory(&absolute, &absolute));
        }
        let canonical = self.session.files.canonical(&dir)?;
        self.check_contained(&canonical)?;
        let below = self.below(name, dir, canonical, self.clones.clone());
        if let Some(seen) = below.visited.iter().rev().find(|seen| path::is_below(seen, &below.canonical)) {
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
