//! Kubernetes: which objects, and how they form resources.

mod custom_deploy;
mod forward;
mod kinds;
mod names;

pub(crate) use custom_deploy::k8s_custom_deploy;
pub(crate) use forward::port_forward;
pub(crate) use kinds::{k8s_image_json_path, k8s_kind};
pub(crate) use names::{WORKLOAD_FUNCTION, workload_to_resource_function};

use super::local::{links, trigger_mode_arg};
use crate::call::{Args, Call, Failure, Result, fail, go_type, one_or_many};
use crate::env::{Entity, K8sResourceOptions, io_text};
use crate::manifest::{self, Id};
use crate::plan::{DiscoveryStrategy, PodReadiness};
use crate::values::{Blob, iterable, sequence};
use forward::port_forwards;
use starlark::values::Value;
use starlark::values::dict::DictRef;
use std::collections::BTreeMap;

/// The text and origin of YAML given as a file's name or a blob.
fn yaml_input<'v>(call: &Call<'v, '_, '_, '_>, args: &Args<'v>, v: Value<'v>) -> Result<(String, String)> {
    if let Some(blob) = Blob::from_value(v) {
        return Ok((blob.text.to_string(), blob.source.clone()));
    }
    let path = args.path_of(v).map_err(|_| {
        Failure::new(format!(
            "k8s_yaml: value should be a string (a path) or a Blob, but is of type {}",
            v.get_type()
        ))
    })?;
    match call.env().read(&path) {
        Ok(text) => Ok((text, format!("file: {}", path.display()))),
        Err(e) => fail!("error reading yaml file: {}", io_text("open", &path, &e)),
    }
}

fn parse_input(text: &str, source: &str) -> Result<Vec<serde_json::Value>> {
    manifest::parse_objects(text).map_err(|e| {
        Failure::new(match source.strip_prefix("file: ") {
            Some(path) => format!("{path} is not a valid YAML file: {e}"),
            None => format!("Error reading yaml from {source}: {e}"),
        })
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
    for item in one_or_many(value) {
        let (text, source) = yaml_input(call, &args, item)?;
        objects.extend(parse_input(&text, &source)?);
    }
    if objects.is_empty() {
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
        ("name", args.text("name")?),
        ("namespace", args.text("namespace")?),
        ("kind", args.text("kind")?),
        ("api_version", args.text("api_version")?),
    ];
    let patterns: Vec<(&str, Option<regex::Regex>)> =
        patterns.iter().map(|(n, p)| Ok((*n, partial(p)?))).collect::<Result<_>>()?;
    let value = args.get("yaml").expect("it is required");
    let (mut matching, mut rest) = (Vec::new(), Vec::new());
    for item in one_or_many(value) {
        let (text, source) = yaml_input(call, &args, item)?;
        for object in parse_input(&text, &source)? {
            let fits = patterns.iter().all(|(field, pattern)| {
                let id = Id::of(&object);
                let text = match *field {
                    "name" => id.name,
                    "namespace" => id.namespace,
                    "kind" => id.kind,
                    _ => manifest::text(&object, "apiVersion").to_owned(),
                };
                pattern.as_ref().is_none_or(|p| p.is_match(&text))
            }) && labels.iter().all(|(key, value)| {
                object.pointer("/metadata/labels").and_then(|l| l.get(key)).and_then(|v| v.as_str())
                    == Some(value)
            });
            if fits { &mut matching } else { &mut rest }.push(manifest::emit(&object));
        }
    }
    let blob = |texts: Vec<String>, what: &str| {
        call.alloc(Blob { text: texts.join("---\n").into(), source: format!("filter_yaml ({what})") })
    };
    Ok(call.alloc((blob(matching, "matching"), blob(rest, "rest"))))
}

/// A case-insensitive pattern that may match anywhere; `None` if empty.
fn partial(pattern: &str) -> Result<Option<regex::Regex>> {
    if pattern.is_empty() {
        return Ok(None);
    }
    regex::RegexBuilder::new(pattern)
        .case_insensitive(true)
        .build()
        .map(Some)
        .map_err(|e| Failure::new(format!("error parsing regexp {pattern:?}: {e}")))
}

pub(crate) fn k8s_resource<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let workload = args.text("workload")?;
    let new_name = args.segment("new_name")?;
    let objects = args.strings("objects")?;
    if workload.is_empty() && new_name.is_empty() {
        fail!(
            "Resource name missing. Must give a name for an existing resource or a new_name to create a new resource."
        );
    }
    if workload.is_empty() && objects.is_empty() {
        // it may add to a resource of that name made by an earlier call
        let known = call.env().reg().k8s_resources.iter().any(|o| o.new_name == new_name);
        if !known {
            fail!(
                "k8s_resource doesn't specify a workload or any objects. All non-workload resources must specify 1 or more objects"
            );
        }
    }
    let auto_init = match args.some("auto_init") {
        None => None,
        Some(_) => Some(args.boolean("auto_init", true)?),
    };
    let options = K8sResourceOptions {
        workload,
        new_name,
        port_forwards: port_forwards(&args)?,
        extra_pod_selectors: pod_selectors(&args)?,
        trigger_mode: trigger_mode_arg(&args)?,
        resource_deps: dependencies(call, &args)?,
        objects,
        auto_init,
        pod_readiness: pod_readiness(&args)?,
        links: links(&args)?,
        labels: args.labels("labels")?,
        discovery_strategy: discovery_strategy(&args)?,
        position: call.position(),
    };
    call.env().reg_mut().k8s_resources.push(options);
    call.none()
}

fn dependencies<'v>(call: &Call<'v, '_, '_, '_>, args: &Args<'v>) -> Result<Vec<String>> {
    let Some(value) = args.some("resource_deps") else { return Ok(Vec::new()) };
    let Some(items) = iterable(value, call.heap()) else {
        return Err(args.wrong("resource_deps", format_args!("got {}, want iterable", value.get_type())));
    };
    crate::call::strings_of(&items).map_err(|e| Failure::new(format!("k8s_resource: resource_deps: {e}")))
}

fn pod_readiness(args: &Args<'_>) -> Result<Option<PodReadiness>> {
    match args.text("pod_readiness")?.as_str() {
        "" => Ok(None),
        "wait" => Ok(Some(PodReadiness::Wait)),
        "ignore" => Ok(Some(PodReadiness::Ignore)),
        other => Err(args
            .wrong("pod_readiness", format_args!("Invalid value. Allowed: {{ignore, wait}}. Got: {other}"))),
    }
}

fn discovery_strategy(args: &Args<'_>) -> Result<Option<DiscoveryStrategy>> {
    match args.text("discovery_strategy")?.as_str() {
        "" => Ok(None),
        "default" => Ok(Some(DiscoveryStrategy::Default)),
        "selectors-only" => Ok(Some(DiscoveryStrategy::SelectorsOnly)),
        other => Err(args.wrong(
            "discovery_strategy",
            format_args!("Invalid. Must be one of: \"default\", \"selectors-only\". Got: {other:?}"),
        )),
    }
}

fn pod_selectors(args: &Args<'_>) -> Result<Vec<BTreeMap<String, String>>> {
    let Some(value) = args.some("extra_pod_selectors") else { return Ok(Vec::new()) };
    let items = match sequence(value) {
        Some(items) => items,
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
                    fail!(
                        "pod label keys must be strings; got '{}' of type {}",
                        key.to_str(),
                        key.get_type()
                    );
                };
                let Some(v) = value.unpack_str() else {
                    fail!(
                        "pod label values must be strings; got '{}' of type {}",
                        value.to_str(),
                        value.get_type()
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
    let contexts = args.strings("contexts")?;
    call.env().reg_mut().settings.allowed_contexts.extend(contexts);
    call.none()
}
