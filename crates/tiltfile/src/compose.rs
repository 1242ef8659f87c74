//! Compose files: several, merged, variables filled in, and each service in its canonical form.
//!
//! Pure like the rest of the crate: files are read through [`Files`].

mod consistency;
mod dotenv;
mod interpolate;
mod loader;
mod merge;
mod normalize;
mod schema;
mod service;
mod tags;

use loader::Loader;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

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
    let (model, origins) = model(&loader, request)?;
    let name = project_name(&loader, request, &model)?;
    let profiles = match request.profiles.is_empty() {
        true => split_list(&loader.variable("COMPOSE_PROFILES").unwrap_or_default()),
        false => request.profiles.clone(),
    };
    consistency::check_files(&model)?;
    let mut services = BTreeMap::new();
    if let Some(all) = model.get("services").and_then(Value::as_object) {
        for (service, config) in all {
            let file = origins.get(service).unwrap_or(&request.dir);
            let resolved = loader.extended(service, config, all, file)?;
            let canonical = normalize::service(&loader, service, &resolved, &request.dir)?;
            if is_active(&canonical, &profiles) {
                services.insert(service.clone(), canonical);
            }
        }
    }
    consistency::check(&services, &model)?;
    Ok(Project { name, profiles, services: in_order(services)? })
}

/// The name of a project.
pub(crate) fn name(files: &dyn Files, request: &Request) -> Loaded<String> {
    let loader = Loader::new(files, &request.dir, request.env_file.as_deref())?;
    let (model, _) = model(&loader, request)?;
    project_name(&loader, request, &model)
}

/// All files as one, and the file that a service which extends another stands in.
fn model(loader: &Loader<'_>, request: &Request) -> Loaded<(Map<String, Value>, BTreeMap<String, PathBuf>)> {
    let (mut model, mut origins) = (Map::new(), BTreeMap::new());
    for (path, text) in &request.files {
        let document = loader.document(path, text, &mut Vec::new())?;
        for (name, config) in document.model.get("services").and_then(Value::as_object).into_iter().flatten()
        {
            if config.get("extends").is_some() {
                origins.insert(name.clone(), path.clone());
            }
        }
        document.over(&mut model);
        schema::check(&model, path)?;
    }
    if model.is_empty() {
        return Err("empty compose file".to_owned());
    }
    Ok((model, origins))
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
fn in_order(mut services: BTreeMap<String, Value>) -> Loaded<Vec<(String, Value)>> {
    let depend: BTreeMap<String, Vec<String>> =
        services.iter().map(|(name, config)| (name.clone(), service::dependencies(config))).collect();
    let (mut order, mut done, mut entered) = (Vec::new(), HashSet::new(), HashSet::new());
    for name in depend.keys() {
        // each with those that are still to be visited
        let mut path: Vec<(&str, std::slice::Iter<'_, String>)> = Vec::new();
        let mut next = Some(name.as_str());
        loop {
            if let Some(name) = next.take().filter(|name| !done.contains(name))
                && let Some(dependencies) = depend.get(name)
            {
                if !entered.insert(name) {
                    let names = path.iter().map(|(name, _)| *name).chain([name]);
                    return Err(format!("dependency cycle detected: {}", Vec::from_iter(names).join(" -> ")));
                }
                path.push((name, dependencies.iter()));
            }
            let Some((name, rest)) = path.last_mut() else { break };
            next = rest.next().map(String::as_str);
            if next.is_none() {
                done.insert(*name);
                order.push((*name).to_owned());
                path.pop();
            }
        }
    }
    Ok(order.into_iter().filter_map(|name| services.remove_entry(&name)).collect())
}

pub(crate) use service::{bind_sources, dependencies, published_ports};
