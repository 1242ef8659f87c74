//! Types from documents: OpenAPI files that `openapi.path` names, and the schemas in CustomResourceDefinitions.

use std::collections::HashMap;

use ::schema::types::types;
use patch::TypeId;
use serde_json::{Map, Value};

use super::{Keys, Lists, Place};

const KINDS: &str = "x-kubernetes-group-version-kind";
const STRATEGY: &str = "x-kubernetes-patch-strategy";
const MERGE_KEY: &str = "x-kubernetes-patch-merge-key";
const MAP_KEYS: &str = "x-kubernetes-list-map-keys";
const LIST_TYPE: &str = "x-kubernetes-list-type";

/// References are followed this far; a longer chain is a circle.
const MOST_REFERENCES: usize = 64;

/// An OpenAPI document, version 2: `definitions` by name, and `paths`.
#[derive(Debug, Default)]
pub(crate) struct Document {
    root: Value,
    /// `apiVersion`, `kind` → name of the definition.
    kinds: HashMap<(String, String), String>,
    /// What the document lacks is taken from the built-in types.
    pub(crate) over_builtin: bool,
}

impl Document {
    pub(crate) fn new(root: Value) -> Document {
        let mut kinds = HashMap::new();
        for (name, schema) in root.get("definitions").and_then(Value::as_object).into_iter().flatten() {
            let declared = schema.get(KINDS).and_then(Value::as_array).map(Vec::as_slice);
            for id in declared.unwrap_or_default().iter().filter_map(type_of) {
                kinds.insert(id, name.clone());
            }
        }
        Document { root, kinds, over_builtin: false }
    }

    pub(super) fn object(&self, api_version: &str, kind: &str) -> Option<&Value> {
        let name = self.kinds.get(&(api_version.to_string(), kind.to_string()))?;
        self.root.get("definitions")?.get(name)
    }

    pub(super) fn field<'s>(&'s self, schema: &'s Value, name: &str) -> Option<Place<'s>> {
        self.resolve(field(schema, name)?)
    }

    pub(super) fn items<'s>(&'s self, schema: &'s Value) -> Option<Place<'s>> {
        self.resolve(items(schema)?)
    }

    fn resolve<'s>(&'s self, mut schema: &'s Value) -> Option<Place<'s>> {
        for _ in 0..MOST_REFERENCES {
            let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
                return Some(Place::Document(self, schema));
            };
            match self.root.pointer(reference.strip_prefix('#')?) {
                Some(found) => schema = found,
                None if self.over_builtin => return builtin(reference).map(Place::Newest),
                None => return None,
            }
        }
        None
    }

    /// The kinds that `paths` show, each with whether it is namespaced.
    pub(crate) fn scopes(&self) -> HashMap<(String, String), bool> {
        let mut scopes = HashMap::new();
        for (path, item) in self.root.get("paths").and_then(Value::as_object).into_iter().flatten() {
            let Some(id) = item.get("get").and_then(|get| get.get(KINDS)).and_then(type_of) else { continue };
            let namespaced = path.contains("namespaces/{namespace}");
            *scopes.entry(id).or_insert(false) |= namespaced;
        }
        scopes
    }
}

/// `#/definitions/io.k8s.api.core.v1.PodSpec` is `core.v1.PodSpec`.
fn builtin(reference: &str) -> Option<TypeId> {
    let mut parts = reference.strip_prefix("#/definitions/io.k8s.")?.rsplit('.');
    let (name, version, group) = (parts.next()?, parts.next()?, parts.next()?);
    types().by_name(&format!("{group}.{version}.{name}"))
}

fn type_of(id: &Value) -> Option<(String, String)> {
    let text = |field: &str| id.get(field).and_then(Value::as_str);
    let (version, kind) = (text("version")?, text("kind")?);
    let group = text("group").unwrap_or("");
    let api_version = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
    Some((api_version, kind.to_string()))
}

/// The schema of a field, or of the values of a map.
pub(super) fn field<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    let named = schema.get("properties").and_then(|properties| properties.get(name));
    named.or_else(|| schema.get("additionalProperties")).filter(|schema| schema.is_object())
}

pub(super) fn items(schema: &Value) -> Option<&Value> {
    let is_array = match schema.get("type") {
        Some(Value::Array(types)) => types.len() == 1 && types[0] == "array",
        other => other.is_some_and(|ty| ty == "array"),
    };
    schema.get("items").filter(|items| is_array && items.is_object())
}

/// By the extensions for strategic merges; the keys of a list count only beside a strategy.
pub(super) fn strategy(schema: &Value) -> Lists<'_> {
    let strategy = schema.get(STRATEGY).and_then(Value::as_str).unwrap_or("");
    if !strategy.split(',').any(|one| one == "merge") {
        return Lists::Whole;
    }
    let key = || schema.get(MERGE_KEY).and_then(Value::as_str).into_iter().collect();
    let keys = map_keys(schema).unwrap_or_else(key);
    if keys.is_empty() { Lists::Set } else { Lists::Keyed(Keys::Owned(keys)) }
}

/// By the extensions of structural schemas.
pub(super) fn list_type(schema: &Value) -> Lists<'_> {
    match schema.get(LIST_TYPE).and_then(Value::as_str) {
        Some("map") => match map_keys(schema) {
            Some(keys) if !keys.is_empty() => Lists::Keyed(Keys::Owned(keys)),
            _ => Lists::Whole,
        },
        Some("set") => Lists::Set,
        _ => Lists::Whole,
    }
}

fn map_keys(schema: &Value) -> Option<Vec<&str>> {
    Some(schema.get(MAP_KEYS)?.as_array()?.iter().filter_map(Value::as_str).collect())
}

/// The schema that a CustomResourceDefinition has for a version of its kind.
pub(crate) fn definition_of<'s>(definition: &'s Value, version: &str) -> Option<&'s Value> {
    let spec = definition.get("spec")?;
    let versions = spec.get("versions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let own = versions.iter().find(|v| v.get("name").is_some_and(|name| name == version));
    // v1beta1 may have one schema for all versions
    let validation = own.and_then(|v| v.get("schema")).or_else(|| spec.get("validation"));
    validation?
        .get("openAPIV3Schema")
        .filter(|schema| schema.as_object().is_some_and(|s: &Map<_, _>| !s.is_empty()))
}
