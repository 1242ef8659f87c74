//! ConfigMaps and Secrets from literals, files and env files.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Map, json};

use crate::accumulate::Root;
use crate::error::{Error, Result};
use crate::origin::Record;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::spec::{Behavior, Generator, GeneratorOptions, Kustomization};
use crate::{helm, origin, path, plugin};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    ConfigMap,
    Secret,
}

/// All ConfigMaps, then all Secrets, then charts, then what plugins make.
pub(crate) fn run(root: &Root<'_, '_>, k: &Kustomization, resources: &mut ResMap) -> Result<()> {
    let config_maps = k.config_maps.iter().map(|g| (Kind::ConfigMap, g));
    let secrets = k.secrets.iter().map(|g| (Kind::Secret, g));
    for (kind, generator) in config_maps.chain(secrets) {
        let plugin = if kind == Kind::Secret { "SecretGenerator" } else { "ConfigMapGenerator" };
        generate(root, kind, generator, &k.generator_options)
            .and_then(|resource| {
                let record = root.builtin_origin(k, plugin);
                absorb(resource, generator.behavior, record.as_ref(), resources)
            })
            .map_err(|e| e.at_place(&generator.place))?;
    }
    for chart in &k.helm.charts {
        let record = root.builtin_origin(k, "HelmChartInflationGenerator");
        helm::inflate(root, &k.helm, chart)
            .and_then(|made| {
                made.into_iter().try_for_each(|one| absorb(one, Behavior::Create, record.as_ref(), resources))
            })
            .map_err(|e| e.at_place(&chart.place))?;
    }
    plugin::generate(root, k, resources)
}

/// One generator by itself, to which the kustomization's options do not apply.
pub(crate) fn one(root: &Root<'_, '_>, secret: bool, generator: &Generator) -> Result<Resource> {
    let kind = if secret { Kind::Secret } else { Kind::ConfigMap };
    generate(root, kind, generator, &GeneratorOptions::default())
}

/// Adds a generated object to the others.
pub(crate) fn absorb(
    mut resource: Resource,
    behavior: Behavior,
    record: Option<&Record>,
    resources: &mut ResMap,
) -> Result<()> {
    if let Some(record) = record {
        origin::record_generated(&mut resource, record);
    }
    resources.absorb(resource, behavior).map_err(|e| e.doing("merging from generator"))
}

fn generate(
    root: &Root<'_, '_>,
    kind: Kind,
    generator: &Generator,
    base: &GeneratorOptions,
) -> Result<Resource> {
    if generator.name.is_empty() {
        return Err(Error::new("a configmap must have a name"));
    }
    let options = generator.options.over(base);
    let mut meta = Map::new();
    meta.insert("name".to_string(), json!(generator.name));
    if !generator.namespace.is_empty() {
        meta.insert("namespace".to_string(), json!(generator.namespace));
    }
    for (field, pairs) in [("labels", &options.labels), ("annotations", &options.annotations)] {
        if !pairs.is_empty() {
            meta.insert(field.to_string(), json!(pairs));
        }
    }
    let (kind_name, secret_type) = match kind {
        Kind::ConfigMap => ("ConfigMap", None),
        Kind::Secret if generator.secret_type.is_empty() => ("Secret", Some("Opaque")),
        Kind::Secret => ("Secret", Some(generator.secret_type.as_str())),
    };
    let mut object = json!({"apiVersion": "v1", "kind": kind_name, "metadata": meta});
    if let Some(secret_type) = secret_type {
        object["type"] = json!(secret_type);
    }
    let pairs = load_pairs(root, generator).map_err(|e| e.doing("loading KV pairs"))?;
    let (data, binary) = encode(kind, &generator.name, pairs)?;
    for (field, entries) in [("data", data), ("binaryData", binary)] {
        // a Secret has its data even if there is none
        if !entries.is_empty() || (field == "data" && kind == Kind::Secret) {
            object[field] = json!(entries);
        }
    }
    if options.immutable {
        object["immutable"] = json!(true);
    }
    let mut resource = Resource::new(object);
    resource.is_generated = true;
    resource.needs_hash = !options.disable_name_suffix_hash;
    Ok(resource)
}

type Entries = BTreeMap<String, String>;

/// `data` and `binaryData`.
fn encode(kind: Kind, name: &str, pairs: Vec<(String, Vec<u8>)>) -> Result<(Entries, Entries)> {
    let (mut data, mut binary) = (Entries::new(), Entries::new());
    for (key, value) in pairs {
        if data.contains_key(&key) || binary.contains_key(&key) {
            // upstream says so of secrets too
            return Err(Error::new(format!("configmap {name} illegally repeats the key `{key}`")));
        }
        match (kind, String::from_utf8(value)) {
            (Kind::ConfigMap, Ok(text)) => data.insert(key, text),
            (Kind::ConfigMap, Err(e)) => binary.insert(key, base64_lines(e.as_bytes())),
            (Kind::Secret, Ok(text)) => data.insert(key, base64_lines(text.as_bytes())),
            (Kind::Secret, Err(e)) => data.insert(key, base64_lines(e.as_bytes())),
        };
    }
    Ok((data, binary))
}

/// Base64 in lines of 70 letters, each with a line break, if there is more than one.
fn base64_lines(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    if text.len() < LINE {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    lines
}

/// Env files, then literals, then files.
fn load_pairs(root: &Root<'_, '_>, generator: &Generator) -> Result<Vec<(String, Vec<u8>)>> {
    let mut pairs = Vec::new();
    for file in &generator.envs {
        let (_, text) = root
            .load_text(file)
            .map_err(|e| e.doing(format!("env source files: {}", go_list(&generator.envs))))?;
        pairs.extend(text.lines().filter_map(env_line));
    }
    for literal in &generator.literals {
        let (key, value) = literal.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
            Error::new(format!("invalid literal source {literal}, expected key=value"))
                .doing(format!("literal sources {}", go_list(&generator.literals)))
        })?;
        pairs.push((key.to_string(), unquote(value).as_bytes().to_vec()));
    }
    for file in &generator.files {
        let sources = || format!("file sources: {}", go_list(&generator.files));
        let (key, name) = file_source(file).map_err(|e| e.doing(sources()))?;
        let (_, bytes) = root.load(name).map_err(|e| e.doing(sources()))?;
        pairs.push((key.to_string(), bytes));
    }
    Ok(pairs)
}

/// `KEY=VALUE`, the value as it stands; nothing for blank lines, comments and lines without a key.
fn env_line(line: &str) -> Option<(String, Vec<u8>)> {
    let line = line.trim_start();
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    let is_pair = !key.is_empty() && !line.starts_with('#');
    is_pair.then(|| (key.to_string(), value.as_bytes().to_vec()))
}

/// As Go prints a list of texts.
fn go_list(items: &[String]) -> String {
    format!("[{}]", items.join(" "))
}

/// Without one pair of equal quotes around it.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

/// `path`, or `key=path`.
fn file_source(source: &str) -> Result<(&str, &str)> {
    match source.split('=').collect::<Vec<_>>().as_slice() {
        [path] => Ok((path::base_name(path), path)),
        ["", path] => {
            Err(Error::new(format!("missing key name for file path \"{path}\" in source \"{source}\"")))
        }
        [key, ""] => {
            Err(Error::new(format!("missing file path for key name \"{key}\" in source \"{source}\"")))
        }
        [key, path] => Ok((key, path)),
        _ => Err(Error::new(format!("source \"{source}\" key name or file path contains '='"))),
    }
}
