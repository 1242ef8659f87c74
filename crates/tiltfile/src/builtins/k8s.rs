//! Kubernetes: which objects, and how they form resources.

mod custom_deploy;
mod forward;
mod kinds;
mod names;
mod patterns;

pub(crate) use custom_deploy::k8s_custom_deploy;
pub(crate) use forward::port_forward;
pub(crate) use kinds::{k8s_image_json_path, k8s_kind};
pub(crate) use names::{WORKLOAD_FUNCTION, workload_to_resource_function};

use super::local::{links, trigger_mode_arg};
use crate::call::{Args, Call, Failure, Result, fail, go_repr, go_type, sequence_strings, type_name};
use crate::env::{Entity, K8sResourceOptions, io_text};
use crate::manifest::{self, Id};
use crate::plan::{DiscoveryStrategy, PodReadiness};
use crate::values::{Blob, text_of};
use forward::port_forwards;
use patterns::partial_pattern;
use starlark::values::Value;
use starlark::values::dict::DictRef;
use starlark::values::list::ListRef;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where YAML comes from.
enum YamlSource {
    File(PathBuf),
    /// What the blob says of itself.
    Blob(String),
}

/// The objects of YAML given as a file's name or a blob.
fn yaml_input<'v>(
    call: &Call<'v, '_, '_, '_>,
    args: &Args<'v>,
    v: Value<'v>,
) -> Result<Vec<serde_json::Value>> {
    if let Some(blob) = Blob::from_value(v) {
        return parse_input(&blob.text, &YamlSource::Blob(blob.source.clone()));
    }
    let path = args.path_of(v).map_err(Failure::new)?;
    match call.env().read(&path) {
        Ok(text) => parse_input(&text, &YamlSource::File(path)),
        Err(e) => fail!("error reading yaml file: {}", io_text("open", &path, &e)),
    }
}

fn parse_input(text: &str, source: &YamlSource) -> Result<Vec<serde_json::Value>> {
    manifest::objects_of(text).map_err(|e| {
        let text = &e.message;
        let (message, hint) = match source {
            YamlSource::File(path) if text.contains("json parse error: ") => {
                (format!("{} is not a valid YAML file: {text}", path.display()), e.hint)
            }
            // Tilt does not name the file
            YamlSource::File(path) => {
                let path = path.display();
                let hint = e.hint.map_or(path.to_string(), |hint| format!("{path}:{hint}"));
                (text.clone(), Some(hint))
            }
            YamlSource::Blob(source) => (format!("Error reading yaml from {source}: {text}"), e.hint),
        };
        Failure { message, hint, ..Failure::default() }
    })
}

pub(crate) fn k8s_yaml<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let value = args.get("yaml").expect("it is required");
    let allow_duplicates = args.boolean("allow_duplicates", false)?;
    let at = call.position();
    let registered = format!(
        "Traceback (most recent call last):\n    {at}: in <toplevel>\n    <builtin>: in k8s_yaml\n  "
    );
    let mut objects = Vec::new();
    let items = args.one_or_many(value);
    for item in &items {
        objects.extend(yaml_input(call, &args, *item)?);
    }
    // as in Tilt: a file may be empty, a blob may not; of a list the first item decides
    let is_file = items.first().is_some_and(|item| item.unpack_str().is_some_and(|path| !path.is_empty()));
    if objects.is_empty() && !is_file {
        fail!("Empty YAML passed to k8s_yaml");
    }
    let mut reg = call.env().reg_mut();
    for object in objects {
        let id = Id::of(&object);
        let known = reg.entity_ids.get(&id).map(|i| &reg.entities[*i]);
        if let Some(known) = known.filter(|_| !allow_duplicates) {
            let namespace = if id.namespace.is_empty() {
                String::new()
            } else {
                format!(" (Namespace: {})", id.namespace)
            };
            fail!(
                "Duplicate YAML: {} {}{namespace}\nIgnore this error with k8s_yaml(..., allow_duplicates=True)\nYAML originally registered at: {}",
                id.kind,
                id.name,
                known.source
            );
        }
        let index = reg.entities.len();
        reg.entity_ids.entry(id).or_insert(index);
        reg.entities.push(Entity { object, source: registered.clone() });
    }
    drop(reg);
    call.none()
}

pub(crate) fn filter_yaml<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let labels = args.string_map("labels")?;
    let patterns = [
        ("apiVersion", args.text("api_version")?),
        ("kind", args.text("kind")?),
        ("name", args.text("name")?),
        ("namespace", args.text("namespace")?),
    ];
    let value = args.get("yaml").expect("it is required");
    let mut objects = Vec::new();
    for item in args.one_or_many(value) {
        objects.extend(yaml_input(call, &args, item)?);
    }
    let patterns: Vec<(&str, Option<regex::Regex>)> =
        patterns.iter().map(|(n, p)| Ok((*n, partial_pattern(n, p)?))).collect::<Result<_>>()?;
    let fits = |object: &serde_json::Value| {
        let id = Id::of(object);
        patterns.iter().all(|(field, pattern)| {
            let text = match *field {
                "name" => &id.name,
                "namespace" => &id.namespace,
                "kind" => &id.kind,
                _ => manifest::text(object, "apiVersion"),
            };
            pattern.as_ref().is_none_or(|p| p.is_match(text))
        }) && labels.iter().all(|(key, value)| {
            object.pointer("/metadata/labels").and_then(|l| l.get(key)).and_then(|v| v.as_str())
                == Some(value)
        })
    };
    let (matching, rest): (Vec<_>, Vec<_>) = objects.into_iter().partition(fits);
    let source = Blob::from_value(value).map_or("filter_yaml", |blob| blob.source.as_str());
    let blob = |objects: Vec<serde_json::Value>| {
        let texts: Vec<String> = objects.iter().map(manifest::emit).collect();
        call.alloc(Blob { text: texts.join("---\n").into(), source: source.to_owned() })
    };
    Ok(call.alloc((blob(matching), blob(rest))))
}

pub(crate) fn k8s_resource<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let (workload, new_name) = (args.segment("workload")?, args.segment("new_name")?);
    let (trigger_mode, objects) = (trigger_mode_arg(&args)?, args.sequence("objects")?.unwrap_or_default());
    let auto_init = args.optional_boolean("auto_init")?;
    let pod_readiness = pod_readiness(&args)?;
    let (links, labels) = (links(&args)?, args.labels("labels")?);
    let discovery_strategy = discovery_strategy(&args)?;
    args.sequence("resource_deps")?;
    let resource = if workload.is_empty() { &new_name } else { &workload };
    if resource.is_empty() {
        fail!(
            "Resource name missing. Must give a name for an existing resource or a new_name to create a new resource."
        );
    }
    let port_forwards = port_forwards(call, &args, resource)?;
    let extra_pod_selectors = pod_selectors(&args)?;
    let resource_deps =
        args.strings_in_sequence("resource_deps", format_args!("k8s_resource: resource_deps"))?;
    // Tilt names the wrong parameter
    let objects =
        sequence_strings(&objects).map_err(|e| Failure::new(format!("k8s_resource: resource_deps: {e}")))?;
    if workload.is_empty() && objects.is_empty() {
        fail!(
            "k8s_resource doesn't specify a workload or any objects. All non-workload resources must specify 1 or more objects"
        );
    }
    let options = K8sResourceOptions {
        workload,
        new_name,
        port_forwards,
        extra_pod_selectors,
        trigger_mode,
        resource_deps,
        objects,
        auto_init,
        pod_readiness,
        links,
        labels,
        discovery_strategy,
        position: call.position(),
    };
    call.env().reg_mut().k8s_resources.push(options);
    call.none()
}

/// One of some words, as a string or blob; empty if it is not given.
fn word(args: &Args<'_>, name: &str) -> Result<String> {
    match args.get(name) {
        None => Ok(String::new()),
        Some(v) => match text_of(v) {
            Some(text) => Ok(text.to_owned()),
            None => Err(args.wrong(name, format_args!("Must be a string. Got: {}", type_name(v)))),
        },
    }
}

fn pod_readiness(args: &Args<'_>) -> Result<Option<PodReadiness>> {
    match word(args, "pod_readiness")?.as_str() {
        "" => Ok(None),
        "wait" => Ok(Some(PodReadiness::Wait)),
        "ignore" => Ok(Some(PodReadiness::Ignore)),
        "succeeded" => Ok(Some(PodReadiness::Succeeded)),
        other => Err(args
            .wrong("pod_readiness", format_args!("Invalid value. Allowed: {{ignore, wait}}. Got: {other}"))),
    }
}

fn discovery_strategy(args: &Args<'_>) -> Result<Option<DiscoveryStrategy>> {
    match word(args, "discovery_strategy")?.as_str() {
        "" => Ok(None),
        "default" => Ok(Some(DiscoveryStrategy::Default)),
        "selectors-only" => Ok(Some(DiscoveryStrategy::SelectorsOnly)),
        _ => Err(args.wrong("discovery_strategy", r#"Invalid. Must be one of: "default", "selectors-only""#)),
    }
}

fn pod_selectors(args: &Args<'_>) -> Result<Vec<BTreeMap<String, String>>> {
    let Some(value) = args.get("extra_pod_selectors") else { return Ok(Vec::new()) };
    let items = match ListRef::from_value(value) {
        Some(items) => items.content().to_vec(),
        None if DictRef::from_value(value).is_some() => vec![value],
        None => fail!("pod labels must be a dict or a list; got {}", go_type(value)),
    };
    items
        .into_iter()
        .map(|item| {
            let Some(dict) = DictRef::from_value(item) else {
                fail!("pod labels elements must be dicts; got {}", go_type(item));
            };
            let mut labels = BTreeMap::new();
            for (key, value) in dict.iter() {
                let Some(k) = key.unpack_str() else {
                    fail!("pod label keys must be strings; got '{}' of type {}", go_repr(key), go_type(key));
                };
                let Some(v) = value.unpack_str() else {
                    fail!(
                        "pod label values must be strings; got '{}' of type {}",
                        go_repr(value),
                        go_type(value)
                    );
                };
                labels.insert(k.to_owned(), v.to_owned());
            }
            Ok(labels)
        })
        .collect()
}

pub(crate) fn k8s_context<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    let name = call.env().context.as_ref().map(|c| c.name.clone()).unwrap_or_default();
    Ok(call.alloc(name))
}

pub(crate) fn k8s_namespace<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    call.args()?;
    let name = call.env().context.as_ref().map(|c| c.namespace.clone()).unwrap_or_default();
    Ok(call.alloc(name))
}

pub(crate) fn allow_k8s_contexts<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let mut contexts = Vec::new();
    for context in args.one_or_many(args.get("contexts").expect("it is required")) {
        match context.unpack_str() {
            Some(context) => contexts.push(context.to_owned()),
            None => fail!(
                "allow_k8s_contexts contexts must be a string or a sequence of strings; found a {}",
                go_type(context)
            ),
        }
    }
    call.env().reg_mut().settings.allowed_contexts.extend(contexts);
    call.none()
}
