//! OpenAPI documents of the served kinds: version 3, a document a group-version, and version 2, one for all.
//!
//! Clients read merge keys, kinds and query parameters from them (`kubectl apply`, `explain`, `--validate`).

mod measured;
mod paths;
mod schemas;

use crate::types::types;
use crate::{Kind, builtin_kinds};
pub use measured::measured;
use schemas::Schemas;
use serde_json::{Map, Value, json};

/// A kind that a CustomResourceDefinition adds, in one of its served versions.
#[derive(Debug, Clone, Copy)]
pub struct Custom<'a> {
    pub kind: &'a Kind,
    pub version: &'a str,
    /// `spec.versions[].schema.openAPIV3Schema`.
    pub schema: Option<&'a Value>,
    /// Nobody writes objects of it, and they cannot be watched.
    pub is_read_only: bool,
}

/// Version 2 or 3 of OpenAPI: they differ in where schemas stand and in what a schema may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavor {
    V2,
    V3,
}

/// A kind in one version.
#[derive(Clone, Copy)]
struct Served<'a> {
    kind: &'a Kind,
    version: &'a str,
    custom: Option<Custom<'a>>,
}

impl Served<'_> {
    fn api_version(&self) -> String {
        if self.kind.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.kind.group, self.version)
        }
    }

    /// `api/v1`, `apis/apps/v1`.
    fn path(&self) -> String {
        let root = if self.kind.group.is_empty() { "api" } else { "apis" };
        format!("{root}/{}", self.api_version())
    }

    fn gvk(&self, kind: &str) -> Value {
        json!({ "group": self.kind.group, "version": self.version, "kind": kind })
    }
}

fn served<'a>(custom: &'a [Custom<'a>]) -> impl Iterator<Item = Served<'a>> {
    let built_in = builtin_kinds()
        .iter()
        .flat_map(|kind| kind.versions.iter().map(move |version| Served { kind, version, custom: None }));
    built_in.chain(custom.iter().map(|it| Served { kind: it.kind, version: it.version, custom: Some(*it) }))
}

/// Paths below `/openapi/v3/`: `api/v1`, `apis/apps/v1`, in the order of discovery.
pub fn v3_paths(custom: &[Custom<'_>]) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for path in served(custom).map(|kind| kind.path()) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// The document of one of [`v3_paths`].
pub fn v3(path: &str, custom: &[Custom<'_>]) -> Option<Value> {
    let kinds: Vec<Served<'_>> = served(custom).filter(|kind| kind.path() == path).collect();
    if kinds.is_empty() {
        return None;
    }
    let (paths, schemas) = document(&kinds, Flavor::V3);
    Some(json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": VERSION },
        "paths": paths,
        "components": { "schemas": schemas },
    }))
}

/// Swagger 2.0, all group-versions in one document.
pub fn v2(custom: &[Custom<'_>]) -> Value {
    let kinds: Vec<Served<'_>> = served(custom).collect();
    let (paths, schemas) = document(&kinds, Flavor::V2);
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": VERSION },
        "paths": paths,
        "definitions": schemas,
    })
}

/// The Kubernetes version of the types.
const VERSION: &str = "v1.37.0";

fn document(kinds: &[Served<'_>], flavor: Flavor) -> (Map<String, Value>, Map<String, Value>) {
    let mut schemas = Schemas::new(flavor);
    let mut paths = Map::new();
    for name in ["DeleteOptions", "Status"] {
        if let Some(ty) = types().by_name(&format!("meta.v1.{name}")) {
            schemas.add_type(ty, None);
        }
    }
    for kind in kinds {
        let Some(definition) = schemas.add_kind(kind) else { continue };
        paths::add(&mut paths, kind, &definition, &mut schemas);
    }
    (paths, schemas.finish())
}

#[cfg(test)]
mod tests;
