//! Items of `configMapGenerator` and `secretGenerator`.

use serde_json::{Map, Value, json};

use super::target::{Target, get, steps, text};
use super::{Context, glob, go_list};
use crate::error::{Error, Result};
use crate::flags::{Flag, Words};

/// What the two kinds of generators differ in.
pub(super) struct Kind {
    noun: &'static str,
    name: &'static str,
    field: &'static str,
}

pub(super) const CONFIG_MAP: Kind =
    Kind { noun: "configmap", name: "ConfigMap", field: "configMapGenerator" };
pub(super) const SECRET: Kind = Kind { noun: "secret", name: "Secret", field: "secretGenerator" };

const FILE: Flag = Flag::list("from-file", "[KEY=]PATH: a file, or those that a pattern names; repeatable");
const LITERAL: Flag = Flag::texts("from-literal", "KEY=VALUE; repeatable");
const ENV: Flag = Flag::text("from-env-file", "A file of lines KEY=VALUE");
const NAMESPACE: Flag = Flag::text("namespace", "Its namespace [default]");
const NO_HASH: Flag = Flag::switch("disableNameSuffixHash", "No hash at the end of the name");
const BEHAVIOR: Flag = Flag::text("behavior", "create, merge or replace");
const TYPE: Flag = Flag::text("type", "Opaque, kubernetes.io/tls, … [Opaque]");
const NEW_NAMESPACE: Flag = Flag::text("new-namespace", "The namespace that it gets");

pub(super) const CONFIG_MAP_FLAGS: &[Flag] = &[FILE, LITERAL, ENV, NAMESPACE, NO_HASH, BEHAVIOR];
pub(super) const SECRET_FLAGS: &[Flag] = &[FILE, LITERAL, ENV, TYPE, NAMESPACE, NO_HASH];
pub(super) const SET_FLAGS: &[Flag] = &[LITERAL, NAMESPACE, NEW_NAMESPACE];
pub(super) const REMOVE_FLAGS: &[Flag] = &[NAMESPACE];

fn is_called(item: &Value, name: &str, namespace: &str) -> bool {
    let or_default = |namespace: &str| if namespace.is_empty() { "default" } else { namespace }.to_string();
    text(item, "name") == name && or_default(&text(item, "namespace")) == or_default(namespace)
}

pub(super) fn add(context: &mut Context<'_>, words: &Words, kind: &Kind) -> Result<()> {
    let files = file_sources(context, words).map_err(|e| e.doing("failed to expand file source"))?;
    let name = validate_add(words, &files).map_err(|e| e.doing("failed to validate flags"))?;
    let mut target = Target::open(context).map_err(|e| e.doing("failed to load kustomization file"))?;
    let doing = format!("failed to create {}", kind.noun);
    check_sources(context, words).map_err(|e| e.doing(doing))?;

    let texts = |texts: &[String]| texts.iter().cloned().map(Value::from).collect::<Vec<_>>();
    let envs = texts(words.texts("from-env-file"));
    let lists = [("literals", texts(words.texts("from-literal"))), ("files", texts(&files)), ("envs", envs)];
    let mut fields = Map::new();
    if words.is_on("disableNameSuffixHash") {
        fields.insert("options".to_string(), json!({"disableNameSuffixHash": true}));
    }
    if !words.text("behavior").is_empty() {
        fields.insert("behavior".to_string(), words.text("behavior").into());
    }
    let namespace = words.text("namespace");
    let items = target.items(kind.field);
    match items.iter().position(|item| is_called(item, &name, namespace)) {
        Some(index) => {
            for (list, new) in &lists {
                target.append(steps![kind.field, index, *list], new)?;
            }
            if fields.shift_remove("options").is_some() {
                let path = steps![kind.field, index, "options", "disableNameSuffixHash"];
                target.set(path, &Value::Bool(true))?;
            }
            for (field, value) in &fields {
                target.set(steps![kind.field, index, field.as_str()], value)?;
            }
        }
        None => {
            let lists = lists.into_iter().filter(|(_, new)| !new.is_empty());
            fields.extend(lists.map(|(list, new)| (list.to_string(), Value::Array(new))));
            fields.insert("name".to_string(), name.into());
            if !namespace.is_empty() {
                fields.insert("namespace".to_string(), namespace.into());
            }
            if kind.noun == SECRET.noun {
                let given = words.text("type");
                fields.insert("type".to_string(), if given.is_empty() { "Opaque" } else { given }.into());
            }
            target.append(steps![kind.field], &[Value::Object(fields)])?;
        }
    }
    target.finish(context)
}

fn validate_add(words: &Words, files: &[String]) -> Result<String> {
    let [name] = &words.arguments[..] else { return Err(Error::new("name must be specified once")) };
    let (env, literals) = (words.text("from-env-file"), words.texts("from-literal"));
    let is_without_data = files.is_empty() && literals.is_empty();
    if env.is_empty() && is_without_data {
        return Err(Error::new("at least from-env-file, or from-file or from-literal must be set"));
    }
    if !env.is_empty() && !is_without_data {
        return Err(Error::new("from-env-file cannot be combined with from-file or from-literal"));
    }
    if !["", "create", "merge", "replace"].contains(&words.text("behavior")) {
        return Err(Error::new(r#"invalid behavior: must be one of "create", "merge", or "replace""#));
    }
    Ok(name.clone())
}

/// What kustomize finds when it makes the object for a trial.
fn check_sources(context: &Context<'_>, words: &Words) -> Result<()> {
    for literal in words.texts("from-literal") {
        if literal.split_once('=').is_none_or(|(key, _)| key.is_empty()) {
            return Err(Error::new(format!("invalid literal source {literal}, expected key=value")));
        }
    }
    for env in words.texts("from-env-file") {
        context.files.read(&context.path(env)).map_err(|e| Error::from(e).doing("env source files"))?;
    }
    Ok(())
}

/// `--from-file`: patterns become the files that they name. With a key there must be one.
fn file_sources(context: &mut Context<'_>, words: &Words) -> Result<Vec<String>> {
    let mut sources = Vec::new();
    for source in words.texts("from-file") {
        let parts: Vec<&str> = source.split('=').collect();
        let (key, pattern) = match parts[..] {
            [key, pattern] => (key, pattern),
            _ => ("", parts[0]),
        };
        let found = glob::matching(context, &[pattern.to_string()])?;
        if key.is_empty() {
            sources.extend(found);
            continue;
        }
        let [file] = &found[..] else {
            return Err(Error::new(format!(
                "'pattern '{source}' catches files {}, should catch only one",
                go_list(&found)
            )));
        };
        sources.push(format!("{key}={file}"));
    }
    Ok(sources)
}

pub(super) fn set(context: &mut Context<'_>, words: &Words, kind: &Kind) -> Result<()> {
    let invalid = |message: &str| Err(Error::new(message).doing("failed to validate flags"));
    let [name] = &words.arguments[..] else { return invalid("name must be specified once") };
    let (literals, new_namespace) = (words.texts("from-literal"), words.text("new-namespace"));
    if literals.is_empty() && new_namespace.is_empty() {
        return invalid("at least one of [--from-literal, --new-namespace] must be specified");
    }
    let mut target = Target::open(context).map_err(|e| e.doing("failed to load kustomization file"))?;
    let doing = |e: Error| e.doing(format!("failed to create {}", kind.noun));
    let items = target.items(kind.field);
    let index =
        items.iter().position(|item| is_called(item, name, words.text("namespace"))).ok_or_else(|| {
            let names: Vec<String> = items.iter().map(|item| text(item, "name")).collect();
            let hint = match names.is_empty() {
                true => format!("there is none; `kustomize edit add {}` adds one", kind.noun),
                false => format!("there are {} (see --namespace)", names.join(", ")),
            };
            let error = Error::new(format!("unable to find {} with name {name:?}", kind.name)).hint(&hint);
            doing(error.doing(format!("could not set new {} value", kind.name)))
        })?;
    let changes = literal_changes(&items[index], literals)
        .map_err(|e| doing(e.doing("failed to update literal sources")))?;
    for (at, literal) in changes {
        target.set(steps![kind.field, index, "literals", at], &Value::from(literal))?;
    }
    if !new_namespace.is_empty() {
        target.set(steps![kind.field, index, "namespace"], &Value::from(new_namespace))?;
    }
    target.finish(context)
}

/// Which literals get another text. Keys must be there.
fn literal_changes(item: &Value, new: &[String]) -> Result<Vec<(usize, String)>> {
    let list = get(item, "literals").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut keys = Vec::with_capacity(list.len());
    if !new.is_empty() {
        for literal in &list {
            keys.push(literal_key(literal.as_str().unwrap_or_default())?);
        }
    }
    let mut changes = Vec::with_capacity(new.len());
    for literal in new {
        let key = literal_key(literal)?;
        let at = keys.iter().position(|own| *own == key);
        changes.push((
            at.ok_or_else(|| Error::new(format!("key '{key}' not found in resource")))?,
            literal.clone(),
        ));
    }
    Ok(changes)
}

fn literal_key(literal: &str) -> Result<String> {
    match literal.split('=').collect::<Vec<_>>()[..] {
        [key, _] => Ok(key.to_string()),
        _ => Err(Error::new("invalid format: literal values must be specified in the key=value format")
            .doing("failed to update resource")),
    }
}

pub(super) fn remove(context: &mut Context<'_>, words: &Words, kind: &Kind) -> Result<()> {
    let names: Vec<&str> = match &words.arguments[..] {
        [] => return Err(Error::new(format!("at least one {} name must be specified", kind.noun))),
        [names] => names.split(',').collect(),
        several => {
            return Err(Error::new(format!(
                "too many arguments: {}; to provide multiple {noun}s to remove, please separate {noun} names by commas",
                go_list(several),
                noun = kind.noun
            )));
        }
    };
    let mut target = Target::open(context).map_err(|e| e.doing("could not read kustomization file"))?;
    let items = target.items(kind.field);
    let namespace = words.text("namespace");
    let is_named = |name: &&str| items.iter().any(|item| is_called(item, name, namespace));
    let indices: Vec<usize> = (0..items.len())
        .filter(|index| names.iter().any(|name| is_called(&items[*index], name, namespace)))
        .collect();
    if indices.is_empty() {
        return Err(Error::new(format!(
            "no specified {}(s) were found in the kustomization.yaml file",
            kind.noun
        )));
    }
    for name in names.iter().filter(|name| !is_named(name)) {
        context.log(format!("{} {name} doesn't exist in kustomization file", kind.noun));
    }
    target.remove_items(steps![kind.field], &indices)?;
    target.finish(context)
}
