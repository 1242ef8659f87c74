//! Where resources come from and what has changed them: `buildMetadata`'s `originAnnotations` and
//! `transformerAnnotations`.
//!
//! As upstream, what is known is kept in annotations while the build runs, so that a patch which drops them is seen
//! to do so, and is left out at the end unless it was asked for. Nothing is recorded if the top kustomization asks
//! for nothing.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::id::Gvk;
use crate::path;
use crate::repository::Repository;
use crate::resmap::ResMap;
use crate::resource::Resource;

pub(crate) const ORIGIN: &str = "config.kubernetes.io/origin";
pub(crate) const TRANSFORMATIONS: &str = "alpha.config.kubernetes.io/transformations";

/// What `buildMetadata` of the top kustomization asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BuildMetadata {
    /// The list has entries, be they known or not: origins are recorded.
    pub(crate) any: bool,
    pub(crate) origins: bool,
    pub(crate) transformations: bool,
    pub(crate) managed_by: bool,
}

/// The directory of a kustomization, seen from the one that is built or from the root of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Location {
    pub(crate) path: String,
    /// Where the repository was cloned from; empty for local files.
    pub(crate) repo: String,
    pub(crate) reference: String,
}

impl Location {
    /// A directory or file named in the kustomization at this location.
    pub(crate) fn below(&self, name: &str) -> Location {
        if let Ok(repository) = Repository::parse(name) {
            let path = if repository.path.is_empty() { String::new() } else { path::clean(&repository.path) };
            return Location { path, repo: repository.clone_spec(), reference: repository.reference };
        }
        let joined = if self.path.is_empty() { path::clean(name) } else { path::join(&self.path, name) };
        Location { path: joined, ..self.clone() }
    }

    /// The origin of a resource that stands in a file of its own.
    pub(crate) fn of_file(&self, name: &str) -> Record {
        Record { location: self.below(name), ..Record::default() }
    }

    /// The origin of what a field of the kustomization file makes or changes.
    pub(crate) fn of_builtin(&self, file_name: &str, kind: &str) -> Record {
        let file = self.below(file_name);
        Record {
            configured_in: file.path,
            location: Location { path: String::new(), ..self.clone() },
            by: Identifier {
                api_version: "builtin".to_string(),
                kind: kind.to_string(),
                ..Identifier::default()
            },
        }
    }
}

/// One origin, as it is printed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Record {
    location: Location,
    /// The file of the generator or transformer.
    configured_in: String,
    by: Identifier,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Identifier {
    api_version: String,
    kind: String,
    name: String,
    namespace: String,
}

impl Record {
    /// The origin of what a plugin makes or changes, from the object that configures it.
    pub(crate) fn of_plugin(config: &Resource) -> Result<Option<Record>> {
        let Some(text) = config.annotation(ORIGIN) else { return Ok(None) };
        let origin = Record::parse(&text)?;
        let Gvk { kind, .. } = config.gvk();
        let api_version = config.gvk().api_version();
        let by = Identifier {
            api_version,
            kind,
            name: config.name().to_string(),
            namespace: config.namespace().to_string(),
        };
        Ok(Some(Record {
            configured_in: origin.location.path.clone(),
            location: Location { path: String::new(), ..origin.location },
            by,
        }))
    }

    fn parse(text: &str) -> Result<Record> {
        let documents = yaml::parse_documents(text)?;
        let value = documents.into_iter().next().unwrap_or_default();
        Record::from_value(&value)
    }

    fn from_value(value: &Value) -> Result<Record> {
        let kind = match value {
            Value::Object(_) | Value::Null => return Ok(Record::from_map(value)),
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Number(_) => "number",
            Value::Bool(_) => "bool",
        };
        Err(Error::new(format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type resource.Origin"
        ))
        .hint("the annotation config.kubernetes.io/origin belongs to kustomize"))
    }

    fn from_map(value: &Value) -> Record {
        let text = |value: &Value, field: &str| {
            value.get(field).and_then(Value::as_str).unwrap_or_default().to_string()
        };
        let by = value.get("configuredBy").unwrap_or(&Value::Null);
        Record {
            location: Location {
                path: text(value, "path"),
                repo: text(value, "repo"),
                reference: text(value, "ref"),
            },
            configured_in: text(value, "configuredIn"),
            by: Identifier {
                api_version: text(by, "apiVersion"),
                kind: text(by, "kind"),
                name: text(by, "name"),
                namespace: text(by, "namespace"),
            },
        }
    }

    /// The fields that are not empty, a line each.
    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = |indent: &str, field: &str, text: &str| {
            if !text.is_empty() {
                let scalar = yaml::to_string(&Value::String(text.to_string()));
                lines.push(format!("{indent}{field}: {}", scalar.trim_end()));
            }
        };
        line("", "path", &self.location.path);
        line("", "repo", &self.location.repo);
        line("", "ref", &self.location.reference);
        line("", "configuredIn", &self.configured_in);
        let by = &self.by;
        if *by != Identifier::default() {
            lines.push("configuredBy:".to_string());
        }
        let mut line = |field: &str, text: &str| {
            if !text.is_empty() {
                let scalar = yaml::to_string(&Value::String(text.to_string()));
                lines.push(format!("  {field}: {}", scalar.trim_end()));
            }
        };
        line("apiVersion", &by.api_version);
        line("kind", &by.kind);
        line("name", &by.name);
        line("namespace", &by.namespace);
        lines
    }

    /// As the value of the origin annotation.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines();
        if lines.is_empty() { "{}\n".to_string() } else { format!("{}\n", lines.join("\n")) }
    }

    /// As an item of the list of transformations.
    fn item(&self) -> String {
        let lines = self.lines();
        if lines.is_empty() { "- {}\n".to_string() } else { format!("- {}\n", lines.join("\n  ")) }
    }
}

/// Says where generated objects come from, if they do not say so themselves.
pub(crate) fn record_generated(resource: &mut Resource, record: &Record) {
    if resource.annotation(ORIGIN).is_none() {
        resource.set_annotation(ORIGIN, record.text());
    }
}

/// Adds a transformer to the history of all resources. One without an origin counts as made by it.
pub(crate) fn record_transformed(resources: &mut ResMap, record: &Record) -> Result<()> {
    let (text, item) = (record.text(), record.item());
    for at in 0..resources.resources().len() {
        let resource = resources.get_for_annotations(at);
        if resource.is_empty() {
            continue;
        }
        let Some(origin) = resource.annotation(ORIGIN) else {
            resource.set_annotation(ORIGIN, text.clone());
            continue;
        };
        if !is_ours(&origin) {
            Record::parse(&origin)?;
        }
        let before = resource.annotation(TRANSFORMATIONS).unwrap_or_default();
        let before = if before.is_empty() || before.starts_with("- configuredIn: ") {
            before
        } else {
            normalized(&before)?
        };
        resource.set_annotation(TRANSFORMATIONS, before + &item);
    }
    Ok(())
}

/// Begins like the texts that are written here: no need to read it.
fn is_ours(origin: &str) -> bool {
    origin.starts_with("path: ") || origin.starts_with("configuredIn: ") || origin.starts_with("repo: ")
}

/// A list that came with the resource, in the form in which it is written here.
fn normalized(text: &str) -> Result<String> {
    let documents = yaml::parse_documents(text)?;
    let value = documents.into_iter().next().unwrap_or_default();
    let kind = match &value {
        Value::Array(items) => {
            return items.iter().map(|item| Ok(Record::from_value(item)?.item())).collect();
        }
        Value::Null => return Ok(String::new()),
        Value::String(_) => "string",
        Value::Object(_) => "object",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
    };
    Err(Error::new(format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type resource.Transformations"
    ))
    .hint("the annotation alpha.config.kubernetes.io/transformations belongs to kustomize"))
}
