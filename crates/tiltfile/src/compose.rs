//! Compose files: several, merged, variables filled in, and each service in its canonical form.
//!
//! Pure like the rest of the crate: files are read through [`Files`].

mod dotenv;
mod interpolate;
mod merge;
mod normalize;
mod service;
mod tags;

use crate::call::absolute;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tags::Document;

/// What loading needs of the world.
pub(crate) trait Files {
    /// The text of a file; it is watched from now on.
    fn read(&self, path: &Path) -> std::io::Result<String>;
    fn exists(&self, path: &Path) -> bool;
    fn variable(&self, name: &str) -> Option<String>;
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// Files with their text, the later override the earlier.
    pub(crate) files: Vec<(PathBuf, String)>,
    pub(crate) dir: PathBuf,
    pub(crate) env_file: Option<PathBuf>,
    /// Empty: from the environment, the files or the directory.
    pub(crate) name: String,
    pub(crate) profiles: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) name: String,
    pub(crate) profiles: Vec<String>,
    /// Active services in canonical form, those that others depend on first.
    pub(crate) services: Vec<(String, Value)>,
}

pub(crate) type Loaded<T> = Result<T, String>;

/// Reads a project.
pub(crate) fn load(files: &dyn Files, request: &Request) -> Loaded<Project> {
    let loader = Loader::new(files, &request.dir, request.env_file.as_deref())?;
    let mut model = Map::new();
    for (path, text) in &request.files {
        loader.document(path, text, &mut Vec::new())?.over(&mut model);
    }
    let name = project_name(&loader, request, &model)?;
    let profiles = match request.profiles.is_empty() {
        true => split_list(&loader.variable("COMPOSE_PROFILES").unwrap_or_default()),
        false => request.profiles.clone(),
    };
    let mut services = BTreeMap::new();
    if let Some(all) = model.get("services").and_then(Value::as_object) {
        for (service, config) in all {
            let resolved = loader.extended(service, config, &request.dir, all, &mut Vec::new())?;
            let canonical = normalize::service(&loader, service, &resolved, &request.dir)?;
            if is_active(&canonical, &profiles) {
                services.insert(service.clone(), canonical);
            }
        }
    }
    Ok(Project { name, profiles, services: in_order(services)? })
}

fn split_list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect()
}

fn is_active(service: &Value, profiles: &[String]) -> bool {
    let own: Vec<&str> = service
        .get("profiles")
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    own.is_empty() || profiles.iter().any(|p| p == "*" || own.contains(&p.as_str()))
}

fn project_name(loader: &Loader<'_>, request: &Request, model: &Map<String, Value>) -> Loaded<String> {
    let declared = || model.get("name").and_then(Value::as_str).map(str::to_owned);
    let from_dir = || request.dir.file_name().map(|n| n.to_string_lossy().into_owned());
    let (name, explicit) = match request.name.is_empty() {
        false => (Some(request.name.clone()), true),
        true => {
            let given = loader.variable("COMPOSE_PROJECT_NAME").filter(|n| !n.is_empty()).or_else(declared);
            let explicit = given.is_some();
            (given.or_else(from_dir), explicit)
        }
    };
    let name = name.unwrap_or_default();
    let normal = normal_name(&name);
    if normal.is_empty() || (explicit && normal != name) {
        return Err(format!(
            "invalid project name {name:?}: must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number"
        ));
    }
    Ok(normal)
}

/// The name that a project has from its directory.
pub(crate) fn name_of_directory(dir: &Path) -> String {
    normal_name(&dir.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default())
}

fn normal_name(name: &str) -> String {
    let allowed = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let kept: String = name.to_lowercase().chars().filter(allowed).collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}

/// Services after those that they depend on; otherwise by name.
fn in_order(services: BTreeMap<String, Value>) -> Loaded<Vec<(String, Value)>> {
    fn visit(
        name: &str,
        services: &BTreeMap<String, Value>,
        path: &mut Vec<String>,
        out: &mut Vec<String>,
    ) -> Loaded<()> {
        if out.iter().any(|o| o == name) {
            return Ok(());
        }
        if path.iter().any(|p| p == name) {
            path.push(name.to_owned());
            return Err(format!("dependency cycle detected: {}", path.join(" -> ")));
        }
        let Some(config) = services.get(name) else { return Ok(()) };
        path.push(name.to_owned());
        for dependency in service::dependencies(config) {
            visit(&dependency, services, path, out)?;
        }
        path.pop();
        out.push(name.to_owned());
        Ok(())
    }
    let mut order = Vec::new();
    for name in services.keys() {
        visit(name, &services, &mut Vec::new(), &mut order)?;
    }
    let mut services = services;
    Ok(order.into_iter().filter_map(|name| services.remove_entry(&name)).collect())
}

pub(crate) use service::{bind_sources, dependencies, published_ports};

/// Reads documents with one environment.
pub(super) struct Loader<'f> {
    files: &'f dyn Files,
    /// Of the `.env` file; the process's environment beats it.
    variables: BTreeMap<String, String>,
    /// The project's directory.
    dir: PathBuf,
}

impl<'f> Loader<'f> {
    fn new(files: &'f dyn Files, dir: &Path, env_file: Option<&Path>) -> Loaded<Loader<'f>> {
        let mut loader = Loader { files, variables: BTreeMap::new(), dir: dir.to_owned() };
        let default = dir.join(".env");
        let path = match env_file {
            Some(path) => Some(path),
            None => files.exists(&default).then_some(default.as_path()),
        };
        if let Some(path) = path {
            loader.variables = loader.env_file(path)?;
        }
        Ok(loader)
    }

    /// A file of variables, which may use those that are there.
    fn env_file(&self, path: &Path) -> Loaded<BTreeMap<String, String>> {
        dotenv::parse(&self.text(path)?, &|name| self.variable(name))
            .map_err(|e| format!("failed to read {}: {e}", path.display()))
    }

    fn text(&self, path: &Path) -> Loaded<String> {
        self.files.read(path).map_err(|e| crate::env::io_text("open", path, &e))
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.files.variable(name).or_else(|| self.variables.get(name).cloned())
    }

    /// A file with its variables filled in and its includes merged. `within` are the files that include it.
    fn document(&self, path: &Path, text: &str, within: &mut Vec<PathBuf>) -> Loaded<Document> {
        if within.iter().any(|w| w == path) {
            return Err(format!("include cycle detected: {}", path.display()));
        }
        let documents = yaml::parse_spanned(text).map_err(|e| format!("parsing {}: {e}", path.display()))?;
        let mut model = Map::new();
        let mut removed = Vec::new();
        for mut document in documents {
            removed.extend(tags::tagged(&mut document, text));
            match document.into_value() {
                Value::Null => {}
                Value::Object(map) => merge::files(&mut model, map),
                _ => return Err(format!("{}: top-level object must be a mapping", path.display())),
            }
        }
        let filled = interpolate::all(&Value::Object(model), &|name| self.variable(name))
            .map_err(|e| format!("{}: {e}", path.display()))?;
        let Value::Object(mut model) = filled else { return Ok(Document::default()) };
        let has_services = model.contains_key("services") || model.contains_key("include");
        if let Some(unknown) = model.keys().find(|k| !has_services && !is_top_level(k)) {
            return Err(format!(
                "validating {}: additional properties '{unknown}' not allowed",
                path.display()
            ));
        }
        let Some(included) = model.shift_remove("include") else {
            return Ok(Document { model, removed });
        };
        within.push(path.to_owned());
        let mut base = Map::new();
        for entry in merge::list_of(included) {
            merge::files(&mut base, self.included(&entry, path, within)?);
        }
        within.pop();
        Document { model, removed: removed.clone() }.over(&mut base);
        Ok(Document { model: base, removed })
    }

    fn included(&self, entry: &Value, from: &Path, within: &mut Vec<PathBuf>) -> Loaded<Map<String, Value>> {
        let text = |v: &Value| v.as_str().map(|p| absolute(&self.dir, p));
        let list = |v: &Value| merge::list_of(v.clone()).iter().filter_map(text).collect::<Vec<_>>();
        let paths: Vec<PathBuf> = match entry.get("path") {
            Some(path) => list(path),
            None => text(entry).into_iter().collect(),
        };
        let Some(first) = paths.first() else {
            return Err(format!("{}: an include must name a path", from.display()));
        };
        let dir = entry.get("project_directory").and_then(text);
        let dir = dir.or_else(|| first.parent().map(Path::to_owned)).unwrap_or_else(|| self.dir.clone());
        let project = self.project(dir, entry.get("env_file").map(list))?;
        let mut model = Map::new();
        for path in &paths {
            project.document(path, &project.text(path)?, within)?.over(&mut model);
        }
        let Some(services) = model.get("services").and_then(Value::as_object) else { return Ok(model) };
        let mut canonical = Map::new();
        for (name, config) in services {
            let resolved = project.extended(name, config, first, services, &mut Vec::new())?;
            canonical.insert(name.clone(), normalize::service(&project, name, &resolved, &project.dir)?);
        }
        model.insert("services".to_owned(), Value::Object(canonical));
        Ok(model)
    }

    /// Reads a project that this one includes: its variables add to those that are there.
    fn project(&self, dir: PathBuf, env_files: Option<Vec<PathBuf>>) -> Loaded<Loader<'f>> {
        let default = dir.join(".env");
        let mut project = Loader { files: self.files, variables: self.variables.clone(), dir };
        let env_files = match env_files {
            Some(files) => files.into_iter().filter(|f| f != Path::new("/dev/null")).collect(),
            None => Vec::from_iter(self.files.exists(&default).then_some(default)),
        };
        let mut own = BTreeMap::new();
        for file in env_files {
            own.extend(project.env_file(&file)?);
        }
        for (name, value) in own {
            project.variables.entry(name).or_insert(value);
        }
        Ok(project)
    }

    /// A service with what it `extends` beneath. `path` are the services, with their files, that extend it.
    fn extended(
        &self,
        name: &str,
        config: &Value,
        from: &Path,
        all: &Map<String, Value>,
        path: &mut Vec<(PathBuf, String)>,
    ) -> Loaded<Value> {
        let Some(extends) = config.get("extends") else { return Ok(config.clone()) };
        if path.iter().any(|(file, service)| file == from && service == name) || path.len() > 100 {
            let names: Vec<&str> = path.iter().map(|(_, service)| service.as_str()).collect();
            return Err(format!("circular reference with extends: {}", names.join(" -> ")));
        }
        path.push((from.to_owned(), name.to_owned()));
        let other = extends.as_str().or_else(|| extends.get("service").and_then(Value::as_str));
        let Some(other) = other else { return Err(format!("services.{name}.extends.service is required")) };
        let missing = || format!("cannot extend service {name:?}: service {other:?} not found");
        let beneath = match extends.get("file").and_then(Value::as_str) {
            None => self.extended(other, all.get(other).ok_or_else(missing)?, from, all, path)?,
            Some(file) => {
                let file = absolute(&self.dir, file);
                let dir = file.parent().unwrap_or(Path::new("/")).to_owned();
                let there = Loader { files: self.files, variables: self.variables.clone(), dir };
                let model = there.document(&file, &there.text(&file)?, &mut Vec::new())?.model;
                let services = model.get("services").and_then(Value::as_object).ok_or_else(missing)?;
                let base = services.get(other).ok_or_else(missing)?;
                let base = there.extended(other, base, &file, services, path)?;
                normalize::service(&there, other, &base, &there.dir)?
            }
        };
        path.pop();
        let mut merged = beneath;
        let mut own = config.clone();
        if let Some(own) = own.as_object_mut() {
            own.shift_remove("extends");
        }
        // what is not taken over by extending
        if let Some(merged) = merged.as_object_mut() {
            merged.shift_remove("depends_on");
        }
        merge::services(&mut merged, own);
        Ok(merged)
    }
}

fn is_top_level(key: &str) -> bool {
    key.starts_with("x-")
        || matches!(
            key,
            "version"
                | "name"
                | "services"
                | "networks"
                | "volumes"
                | "secrets"
                | "configs"
                | "include"
                | "models"
        )
}
