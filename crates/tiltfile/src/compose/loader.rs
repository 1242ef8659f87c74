//! Compose files with their variables, includes and services of other files.

use super::tags::Document;
use super::{Files, Loaded, dotenv, interpolate, merge, normalize, schema, tags};
use crate::call::absolute;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How deep files may include, and services extend, each other.
const MOST_NESTED: usize = 100;

/// Reads documents with one environment.
pub(super) struct Loader<'f> {
    pub(super) files: &'f dyn Files,
    /// Of the `.env` file; the process's environment beats it.
    variables: BTreeMap<String, String>,
    /// The project's directory.
    dir: PathBuf,
}

impl<'f> Loader<'f> {
    pub(super) fn new(files: &'f dyn Files, dir: &Path, env_file: Option<&Path>) -> Loaded<Loader<'f>> {
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
        if !self.files.exists(path) {
            return Err(format!("couldn't find env file: {}", path.display()));
        }
        dotenv::parse(&self.text(path)?, &|name| self.variable(name))
            .map_err(|e| format!("failed to read {}: {e}", path.display()))
    }

    pub(super) fn text(&self, path: &Path) -> Loaded<String> {
        self.files.read(path).map_err(|e| crate::env::io_text("open", path, &e))
    }

    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.files.variable(name).or_else(|| self.variables.get(name).cloned())
    }

    /// A file with its variables filled in and its includes merged. `within` are the files that include it.
    pub(super) fn document(&self, path: &Path, text: &str, within: &mut Vec<PathBuf>) -> Loaded<Document> {
        if within.iter().any(|w| w == path) {
            let mut files: Vec<String> = within.iter().map(|w| w.display().to_string()).collect();
            files.push(path.display().to_string());
            return Err(format!("include cycle detected:\n{}", files.join("\n include ")));
        }
        if within.len() >= MOST_NESTED {
            return Err(format!("{}: more than {MOST_NESTED} files include each other", path.display()));
        }
        // Compose reads YAML by newer rules: `restart: no` is a text
        let options = yaml::Options { rules: yaml::Rules::Compose, ..yaml::Options::default() };
        let documents = yaml::parse_spanned_with(text, &options)
            .map_err(|e| format!("failed to parse {}: {}", path.display(), e.upstream()))?;
        let mut model = Map::new();
        let mut removed = Vec::new();
        for mut document in documents {
            removed.extend(tags::tagged(&mut document, text));
            match interpolate::all(&document.into_value(), &|name| self.variable(name))? {
                Value::Null => {}
                Value::Object(map) => {
                    check_services(&map)?;
                    merge::files(&mut model, map);
                }
                _ => return Err("top-level object must be a mapping".to_owned()),
            }
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
            schema::check(&model, path)?;
        }
        let Some(services) = model.get("services").and_then(Value::as_object) else { return Ok(model) };
        let mut canonical = Map::new();
        for (name, config) in services {
            let resolved = project.extended(name, config, services, first)?;
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

    /// A service with what it `extends` beneath. `file` is the one that it stands in.
    pub(super) fn extended(
        &self,
        name: &str,
        config: &Value,
        all: &Map<String, Value>,
        file: &Path,
    ) -> Loaded<Value> {
        self.extended_within(name, config, all, (&file.display().to_string(), file), &mut Vec::new())
    }

    /// `file`: its name as it was written, and where it is. `within` are the services that extend this one.
    fn extended_within(
        &self,
        name: &str,
        config: &Value,
        all: &Map<String, Value>,
        file: (&str, &Path),
        within: &mut Vec<Extension>,
    ) -> Loaded<Value> {
        let Some(extends) = config.get("extends") else { return Ok(config.clone()) };
        let other = extends.as_str().or_else(|| extends.get("service").and_then(Value::as_str));
        let Some(other) = other else { return Err(format!("extends.{name}.service is required")) };
        let mut merged = match extends.get("file").and_then(Value::as_str) {
            None => {
                let Some(base) = all.get(other) else {
                    return Err(format!(
                        "cannot extend service {name:?} in {}: service {other:?} not found",
                        file.1.display()
                    ));
                };
                enter(within, name, file)?;
                self.extended_within(other, base, all, file, within)?
            }
            Some(written) => {
                let path = absolute(&self.dir, written);
                let (there, services) = self.far_services(name, other, file.1, (written, &path))?;
                let base = services.get(other).unwrap_or(&Value::Null);
                enter(within, name, (written, &path))?;
                let base = there.extended_within(other, base, &services, (written, &path), within)?;
                normalize::service(&there, other, &base, &there.dir)?
            }
        };
        within.pop();
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

    /// The services of another file, which has the one that is extended.
    fn far_services(
        &self,
        name: &str,
        other: &str,
        from: &Path,
        (written, path): (&str, &Path),
    ) -> Loaded<(Loader<'f>, Map<String, Value>)> {
        let dir = path.parent().unwrap_or(Path::new("/")).to_owned();
        let there = Loader { files: self.files, variables: self.variables.clone(), dir };
        let mut model = there.document(path, &there.text(path)?, &mut Vec::new())?.model;
        let Some(Value::Object(services)) = model.shift_remove("services") else {
            return Err(format!("cannot extend service {name:?} in {}: no services section", path.display()));
        };
        if !services.contains_key(other) {
            return Err(format!(
                "cannot extend service {name:?} in {}: service {other:?} not found in {written}",
                from.display()
            ));
        }
        Ok((there, services))
    }
}

/// A service that extends another, and the file of that one.
#[derive(PartialEq)]
struct Extension {
    name: String,
    file: PathBuf,
    written: String,
}

/// Notes that a service is extended, unless it is extended already.
fn enter(within: &mut Vec<Extension>, name: &str, (written, file): (&str, &Path)) -> Loaded<()> {
    if within.len() >= MOST_NESTED {
        return Err(format!("services.{name}: more than {MOST_NESTED} services extend each other"));
    }
    let is_circle = within.iter().any(|e| e.name == name && e.file == file);
    within.push(Extension { name: name.to_owned(), file: file.to_owned(), written: written.to_owned() });
    if !is_circle {
        return Ok(());
    }
    let lines: Vec<String> = within.iter().map(|e| format!("{} in {}", e.name, e.written)).collect();
    Err(format!("Circular reference:\n  {}", lines.join("\n  extends ")))
}

fn check_services(model: &Map<String, Value>) -> Loaded<()> {
    match model.get("services") {
        None => Ok(()),
        Some(Value::Object(services)) => {
            for (name, config) in services {
                if !config.is_object() && !config.is_null() {
                    return Err(format!("services.{name}: must be a mapping"));
                }
                let extends = config.get("extends").and_then(Value::as_object);
                if extends.is_some_and(|extends| !extends.get("service").is_some_and(Value::is_string)) {
                    return Err(format!("extends.{name}.service is required"));
                }
            }
            Ok(())
        }
        Some(_) => Err("services: must be a mapping".to_owned()),
    }
}
