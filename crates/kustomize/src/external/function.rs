//! KRM functions: a program that gets a ResourceList on stdin and prints one.
//!
//! Those in containers are refused: a build runs no containers. So are Starlark scripts, as by kustomize since v5.

use serde_json::{Map, Value, json};
use yaml::Spanned;

use crate::accumulate::Root;
use crate::decode::Source;
use crate::error::{Error, Result};
use crate::id::ResId;
use crate::origin::BuildMetadata;
use crate::outside::{self, Program};
use crate::resource::Resource;
use crate::{load, path};

const ANNOTATIONS: [&str; 2] = ["config.kubernetes.io/function", "config.k8s.io/function"];

/// Set on what a function gets, and taken from what it gives.
const BOOKKEEPING: [&str; 6] = [
    "config.kubernetes.io/index",
    "config.kubernetes.io/path",
    "config.k8s.io/id",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/id",
];

pub(super) struct Function {
    id: ResId,
    path: String,
    config: Value,
}

impl Function {
    /// The function that a configuration names, if it names one.
    pub(super) fn of(root: &Root<'_, '_>, config: &Resource) -> Result<Option<Function>> {
        let id = config.original_id();
        let old = "config.kubernetes.io/container";
        let text =
            ANNOTATIONS.iter().find_map(|name| config.annotation(name).filter(|text| !text.is_empty()));
        let Some(text) = text else {
            return match config.annotation(old) {
                Some(image) => Err(in_container(&id, &image)),
                None => Ok(None),
            };
        };
        let documents = yaml::parse_spanned(&text).map_err(|e| {
            Error::from(e)
                .doing("loader: failed to get FunctionSpec: config.kubernetes.io/function unmarshal error")
        })?;
        let spec = documents.first();
        let field = |name: &str, inner: &str| {
            let value = spec.and_then(|spec| spec.get(name)).and_then(|value| value.get(inner));
            value.and_then(Spanned::as_str).unwrap_or("").to_string()
        };
        if let Some(spec) = spec {
            check_fields(spec)?;
        }
        let image = field("container", "image");
        if !image.is_empty() {
            return Err(in_container(&id, &image));
        }
        let path = field("exec", "path");
        if path.is_empty() {
            return Err(Error::new(format!("the function {id} names no program"))
                .hint("exec: {path: ./program} in its annotation config.kubernetes.io/function"));
        }
        if !root.session.options.plugins.exec {
            return Err(Error::new(format!(
                "the function {id} is a program, and must be allowed by --enable-exec"
            ))
            .hint("look at what it does first: it runs as you"));
        }
        Ok(Some(Function { id, path, config: local(config) }))
    }

    pub(super) fn name(&self) -> String {
        let text = |value: &Value| value.as_str().unwrap_or("").to_string();
        format!(
            "api: {}, kind: {}, name: {}",
            text(&self.config["apiVersion"]),
            text(&self.config["kind"]),
            text(&self.config["metadata"]["name"])
        )
    }

    /// A generator gets its own configuration as the one item, as upstream.
    pub(super) fn generate(&self, root: &Root<'_, '_>) -> Result<Vec<Value>> {
        let made = self.run(root, vec![self.config.clone()])?;
        Ok(made.into_iter().filter(|object| !Resource::new(object.clone()).is_local_config()).collect())
    }

    pub(super) fn transform(&self, root: &Root<'_, '_>, items: Vec<Value>) -> Result<Vec<Value>> {
        self.run(root, items)
    }

    fn run(&self, root: &Root<'_, '_>, items: Vec<Value>) -> Result<Vec<Value>> {
        let outside = outside::needed(root.session.outside, "a function that is a program")?;
        let items: Vec<Value> = items.into_iter().enumerate().map(|(at, item)| numbered(item, at)).collect();
        let list = json!({
            "apiVersion": "config.kubernetes.io/v1",
            "kind": "ResourceList",
            "items": items,
            "functionConfig": self.config,
        });
        let env = root.session.options.plugins.env.iter().filter_map(|set| set.split_once('='));
        let program = Program {
            // a name alone is looked for on the PATH
            program: match self.path.contains('/') {
                true => path::join(&root.canonical, &self.path),
                false => self.path.clone(),
            },
            env: env.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            dir: Some(root.canonical.clone()),
            stdin: yaml::to_string(&list).into_bytes(),
            ..Program::default()
        };
        if self.path.contains('/') {
            // a function of the project is watched
            root.note(&path::join(&root.dir, &self.path));
        }
        let output = outside.run(&program)?;
        let stdout = load::text(output.stdout, &self.path)?;
        let results = results(&stdout);
        let stderr = String::from_utf8_lossy(&output.stderr).trim_end().to_string();
        if output.code != 0 {
            let said: Vec<String> =
                results.into_iter().chain((!stderr.is_empty()).then_some(stderr)).collect();
            let message = format!(
                "the function {} failed with exit status {}: {}",
                self.id,
                output.code,
                said.join("\n")
            );
            return Err(Error::new(message).worded(format!(
                "couldn't execute function: exit status {} {}",
                output.code,
                said.join("\n")
            )));
        }
        root.session.warn(stderr.lines().map(str::to_string).chain(results));
        let objects = load::objects(Source { file: &self.path, text: &stdout })
            .map_err(|e| e.doing(format!("reading what the function {} printed", self.id)))?;
        // a list without items is none
        let items = objects.into_iter().filter(|object| object["kind"] != "ResourceList");
        Ok(items.map(without_numbers).collect())
    }
}

fn in_container(id: &ResId, image: &str) -> Error {
    Error::new(format!("the function {id} runs in a container of the image {image}, and a build here runs no containers"))
        .hint("name a program instead, as exec: {path: ...}, with --enable-exec; or build with kustomize itself, in a Tiltfile by kustomize(..., kustomize_bin='kustomize')")
}

/// As upstream, what it does not know is an error; starlark is such since v5.
fn check_fields(spec: &Spanned) -> Result<()> {
    const KNOWN: [&str; 3] = ["container", "exec", "deferFailure"];
    match spec.entries().iter().find(|entry| !KNOWN.contains(&entry.key.as_str())) {
        None => Ok(()),
        Some(entry) => Err(Error::new(format!(
            "loader: failed to get FunctionSpec: config.kubernetes.io/function unmarshal error: error unmarshaling JSON: while decoding JSON: json: unknown field \"{}\"",
            entry.key
        ))
        .hint("a function is a program: exec: {path: ...}")),
    }
}

/// The configuration as functions get it: not a part of any output.
fn local(config: &Resource) -> Value {
    let mut config = Resource::new(config.clone().finish(BuildMetadata::default()));
    config.set_annotation("config.kubernetes.io/local-config", "true".to_string());
    config.object
}

fn numbered(item: Value, at: usize) -> Value {
    let mut item = Resource::new(item);
    for name in ["config.kubernetes.io/index", "internal.config.kubernetes.io/index"] {
        item.set_annotation(name, at.to_string());
    }
    for name in ["config.k8s.io/id", "internal.config.kubernetes.io/id"] {
        item.set_annotation(name, (at + 1).to_string());
    }
    item.object
}

fn without_numbers(item: Value) -> Value {
    let mut item = Resource::new(item);
    item.remove_annotations(|name| BOOKKEEPING.contains(&name));
    item.object
}

/// What a function has to say, a line each.
fn results(stdout: &str) -> Vec<String> {
    let documents = yaml::parse_documents(stdout).unwrap_or_default();
    let lists = documents.iter().filter(|document| document["kind"] == "ResourceList");
    let results = lists.filter_map(|list| match &list["results"] {
        Value::Array(results) => Some(results),
        // the form of before v1
        Value::Object(results) => results.get("items").and_then(Value::as_array),
        _ => None,
    });
    results.flatten().filter_map(Value::as_object).map(result).collect()
}

fn result(result: &Map<String, Value>) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").to_string();
    let severity = match text(result.get("severity")) {
        none if none.is_empty() => "info".to_string(),
        given => given,
    };
    let about = result.get("resourceRef").map(|reference| {
        let part = |name: &str| text(reference.get(name));
        format!("{}/{}/{}", part("apiVersion"), part("kind"), part("name"))
    });
    let field = result.get("field").map(|field| text(field.get("path"))).filter(|path| !path.is_empty());
    let place: Vec<String> = about.into_iter().chain(field).collect();
    let separator = if place.is_empty() { "" } else { ": " };
    format!("[{severity}] {}{separator}{}", place.join(" "), text(result.get("message")))
}
