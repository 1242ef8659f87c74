//! Kubernetes: which objects, and how they form resources.

use super::local::{links, trigger_mode_arg};
use super::{images, live_update};
use crate::Position;
use crate::call::{Args, Call, Failure, Result, fail, go_type, one_or_many};
use crate::env::{CustomDeployDef, Entity, ImageDef, K8sResourceOptions, KindDef, LocatorDef, io_text};
use crate::manifest::{self, Id};
use crate::plan::{
    CustomBuild, CustomDeploy, DiscoveryStrategy, Ignore, ImageBuild, ImageKind, ImageObject, LiveUpdate,
    LiveUpdateSelector, ObjectSelector, PodReadiness, PortForward, Step,
};
use crate::text::ImageRef;
use crate::values::{Blob, PortForwardValue, iterable, sequence};
use starlark::docs::{DocItem, DocMember};
use starlark::values::Value;
use starlark::values::dict::DictRef;
use std::collections::BTreeMap;
use std::path::Path;

/// A function that maps workloads to names is kept under this name in the module that set it.
pub(crate) const WORKLOAD_FUNCTION: &str = "__workload_to_resource_function";

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
        port_forwards: port_forwards(call, &args)?,
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

fn port_forwards<'v>(call: &Call<'v, '_, '_, '_>, args: &Args<'v>) -> Result<Vec<PortForward>> {
    let _ = call;
    let Some(value) = args.some("port_forwards") else { return Ok(Vec::new()) };
    let mut forwards = Vec::new();
    for item in one_or_many(value) {
        if let Some(made) = PortForwardValue::from_value(item) {
            forwards.push(made.forward.clone());
        } else if let Some(text) = item.unpack_str() {
            forwards.push(parse_forward(text)?);
        } else if item.get_type() == "int" {
            let local = port(&item.to_repr())?;
            forwards.push(PortForward { local, ..no_forward() });
        } else {
            fail!(
                "port_forwards must be an int, a port_forward, or a sequence of those; is a {}",
                item.get_type()
            );
        }
    }
    Ok(forwards)
}

fn no_forward() -> PortForward {
    PortForward { local: 0, container: 0, host: String::new(), name: String::new(), path: String::new() }
}

fn port(text: &str) -> Result<u16> {
    match text.parse::<i64>() {
        Ok(n) => match u16::try_from(n) {
            Ok(n) => Ok(n),
            Err(_) => fail!("portForward port value {text:?} is not in the valid range [0-65535]"),
        },
        Err(_) => fail!("portForward port value {text:?} is not in the valid range [0-65535]"),
    }
}

/// `local`, `local:container` or `host:local:container`.
fn parse_forward(text: &str) -> Result<PortForward> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [local] => Ok(PortForward { local: port(local)?, ..no_forward() }),
        [local, container] if local.parse::<i64>().is_ok() => {
            Ok(PortForward { local: port(local)?, container: port(container)?, ..no_forward() })
        }
        [host, local] => Ok(PortForward { host: valid_host(host)?, local: port(local)?, ..no_forward() }),
        [host, local, container] => Ok(PortForward {
            host: valid_host(host)?,
            local: port(local)?,
            container: port(container)?,
            ..no_forward()
        }),
        _ => fail!("Invalid format for port-forward {text:?}: expected [[host:]local:]container"),
    }
}

fn valid_host(host: &str) -> Result<String> {
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let is_name = || host.split('.').all(label) && host.chars().any(|c| c.is_ascii_alphabetic());
    if host.parse::<std::net::IpAddr>().is_err() && !is_name() {
        fail!("portForward host value {host:?} is not a valid hostname or IP address");
    }
    Ok(host.to_owned())
}

pub(crate) fn port_forward<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let local = args.int("local_port", 0)?;
    let container = args.int("container_port", 0)?;
    let host = args.text("host")?;
    let forward = PortForward {
        local: port(&local.to_string())?,
        container: port(&container.to_string())?,
        host: if host.is_empty() { host } else { valid_host(&host)? },
        name: args.text("name")?,
        path: args.text("link_path")?,
    };
    Ok(call.alloc(PortForwardValue { forward }))
}

pub(crate) fn k8s_custom_deploy<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let name = args.segment("name")?;
    let Some(apply) = args.command("apply_cmd", "apply_dir", "apply_env")? else {
        fail!("apply_cmd cannot be empty")
    };
    let Some(delete) = args.command("delete_cmd", "delete_dir", "delete_env")? else {
        fail!("delete_cmd cannot be empty")
    };
    let deps = args.paths("deps")?;
    let env = call.env();
    let mut ignores = images::git_ignores(env, &deps);
    let live_update = live_update::of_args(call, &args)?;
    let mut image_deps = args.strings("image_deps")?;
    for dep in &image_deps {
        if let Err(e) = ImageRef::parse(dep) {
            return Err(args.wrong("image_deps", format_args!("must be a valid image reference: {e}")));
        }
    }
    if let Some(mut live_update) = live_update {
        let (image, container) = (args.text("image_selector")?, args.text("container_selector")?);
        let written = match (image.is_empty(), container.is_empty()) {
            (true, true) => fail!("no Live Update selector specified"),
            (false, false) => fail!("cannot specify more than one Live Update selector"),
            (true, false) => {
                live_update.selector = LiveUpdateSelector::ContainerName(container);
                format!("k8s_custom_deploy:{name}")
            }
            (false, true) => image,
        };
        ignores.extend(synced(&live_update, &env.dir()));
        let reference =
            ImageRef::parse(&written).map_err(|e| Failure::new(format!("can't parse {written:?}: {e}")))?;
        let build = ImageBuild {
            reference: written.clone(),
            match_exact: false,
            match_in_env_vars: false,
            entrypoint: None,
            container_args: None,
            image_deps: Vec::new(),
            live_update: Some(live_update),
            ignores: vec![images::tiltfile_ignore(env)],
            kind: ImageKind::Custom(Box::new(CustomBuild {
                command: crate::plan::Command {
                    argv: ["sh", "-c", ":"].map(str::to_owned).to_vec(),
                    dir: env.dir(),
                    env: Vec::new(),
                },
                deps: deps.clone(),
                tag: String::new(),
                disable_push: true,
                skips_local_docker: true,
                outputs_image_ref_to: None,
                live_update_only: true,
                is_custom_deploy: true,
            })),
        };
        let position = call.position();
        env.reg_mut().images.push(ImageDef {
            written: written.clone(),
            reference,
            build,
            bases: Vec::new(),
            watched: Vec::new(),
            position,
        });
        image_deps.push(written);
    }
    {
        let reg = env.reg();
        if reg.custom_deploys.iter().any(|d| d.name == name) {
            fail!("k8s_resource named {name:?} already exists");
        }
        if reg.locals.iter().any(|l| l.name == name) {
            fail!("local_resource named {name:?} already exists");
        }
        if reg.compose.iter().flat_map(|p| &p.services).any(|s| s.resource == name) {
            fail!("dc_resource named {name:?} already exists");
        }
    }
    let deploy = CustomDeploy { apply, delete, deps, ignores };
    env.reg_mut().custom_deploys.push(CustomDeployDef { name, deploy, image_deps });
    call.none()
}

/// Paths that a live update takes care of: a change there is no reason to deploy anew.
fn synced(live_update: &LiveUpdate, base: &Path) -> Option<Ignore> {
    let mut patterns: Vec<String> = Vec::new();
    for step in &live_update.steps {
        let paths: Vec<&Path> = match step {
            Step::Sync { local, .. } => vec![local],
            Step::FallBackOn(paths) => paths.iter().map(|p| p.as_path()).collect(),
            Step::InitialSync | Step::Run { .. } | Step::RestartContainer => Vec::new(),
        };
        patterns.extend(paths.iter().map(|p| p.strip_prefix(base).unwrap_or(p).display().to_string()));
    }
    let ignore = Ignore { base: base.to_owned(), source: "live_update".to_owned(), patterns };
    (!ignore.patterns.is_empty()).then_some(ignore)
}

pub(crate) fn k8s_kind<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    if call.positional.len() > 1 {
        fail!("k8s_kind: got {} arguments, want at most 1", call.positional.len());
    }
    let args = call.args()?;
    let paths = args.strings("image_json_path")?;
    let selector = ObjectSelector {
        kind: args.text("kind")?,
        api_version: args.text("api_version")?,
        ..ObjectSelector::default()
    };
    check_patterns(&selector)?;
    let object = args.some("image_object").map(|v| image_object(&args, v)).transpose()?;
    if !paths.is_empty() && object.is_some() {
        fail!("Cannot specify both image_json_path and image_object");
    }
    let pod_readiness = pod_readiness(&args)?;
    let position = call.position();
    let mut reg = call.env().reg_mut();
    for path in paths {
        check_json_path(&path)?;
        reg.locators.push(LocatorDef {
            selector: selector.clone(),
            path,
            object: None,
            position: position.clone(),
        });
    }
    if let Some((path, object)) = object {
        reg.locators.push(LocatorDef { selector: selector.clone(), path, object: Some(object), position });
    }
    reg.kinds.push(KindDef { selector, pod_readiness });
    drop(reg);
    call.none()
}

fn image_object(args: &Args<'_>, v: Value<'_>) -> Result<(String, ImageObject)> {
    let map = crate::call::string_map(v).map_err(|e| args.wrong("image_object", e))?;
    let field = |name: &str| match map.iter().find(|(k, _)| k == name) {
        Some((_, value)) if !value.is_empty() => Ok(value.clone()),
        _ => fail!("Expected key {name:?} in image_object"),
    };
    let path = field("json_path")?;
    check_json_path(&path)?;
    Ok((path, ImageObject { repo_field: field("repo_field")?, tag_field: field("tag_field")? }))
}

/// The selector's patterns are regular expressions.
fn check_patterns(selector: &ObjectSelector) -> Result<()> {
    let fields = [
        ("kind", &selector.kind),
        ("apiVersion", &selector.api_version),
        ("name", &selector.name),
        ("namespace", &selector.namespace),
    ];
    for (field, pattern) in fields {
        if let Err(e) = regex::Regex::new(pattern) {
            let why = match &e {
                regex::Error::Syntax(text) if text.contains("repetition operator missing expression") => {
                    let operator: String = pattern.chars().take_while(|c| "*+?".contains(*c)).collect();
                    format!("missing argument to repetition operator: `{operator}`")
                }
                other => other.to_string(),
            };
            fail!("error parsing {field} regexp: error parsing regexp: {why}");
        }
    }
    Ok(())
}

fn check_json_path(path: &str) -> Result<()> {
    crate::jsonpath::parse(path)
        .map(|_| ())
        .map_err(|e| Failure::new(format!("error parsing json path {path:?}: {e}")))
}

pub(crate) fn k8s_image_json_path<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let value = args.get("paths").expect("it is required");
    let items = sequence(value).unwrap_or_else(|| vec![value]);
    if let Some(bad) = items.iter().find(|i| i.unpack_str().is_none()) {
        return Err(args.wrong("paths", format_args!("Expected string, got: {}", bad.to_repr())));
    }
    let paths = crate::call::strings_of(&items).map_err(Failure::new)?;
    if paths.is_empty() {
        fail!("paths cannot be empty");
    }
    let selector = ObjectSelector {
        api_version: args.text("api_version")?,
        kind: args.text("kind")?,
        name: args.text("name")?,
        namespace: args.text("namespace")?,
    };
    if selector.kind.is_empty() && selector.name.is_empty() && selector.namespace.is_empty() {
        fail!("at least one of kind, name, or namespace must be specified");
    }
    check_patterns(&selector)?;
    let position = call.position();
    for path in paths {
        let definition =
            LocatorDef { selector: selector.clone(), path, object: None, position: position.clone() };
        call.env().reg_mut().locators.push(definition);
    }
    call.none()
}

pub(crate) fn workload_to_resource_function<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let function = args.get("func").expect("it is required");
    if function.get_type() != "function" {
        return Err(args.wrong("func", format_args!("got {}, want function", function.get_type())));
    }
    let name = function_name(function);
    let count = parameter_count(function);
    if count != 1 {
        fail!("workload_to_resource_function arg must take 1 argument. {name} takes {count}");
    }
    let file = call.env().executing();
    let position = definition_place(call, &file, &name);
    call.eval.module().set(WORKLOAD_FUNCTION, function);
    call.env().reg_mut().workload_to_resource = Some((file, position));
    call.none()
}

fn function_name(function: Value<'_>) -> String {
    let shown = function.to_str();
    shown.rsplit('.').next().unwrap_or(&shown).to_owned()
}

fn parameter_count(function: Value<'_>) -> usize {
    match function.documentation() {
        DocItem::Member(DocMember::Function(doc)) => {
            let params = &doc.params;
            let lists = [&params.pos_only, &params.pos_or_named, &params.named_only];
            let rest = usize::from(params.args.is_some()) + usize::from(params.kwargs.is_some());
            lists.iter().map(|l| l.len()).sum::<usize>() + rest
        }
        _ => 1,
    }
}

/// Where the function is defined; errors in it are told there. That of the call if it has no name.
fn definition_place(call: &Call<'_, '_, '_, '_>, file: &Path, name: &str) -> Position {
    let text = call.env().host.read_file(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line =
        text.lines().position(|l| l.strip_prefix("def ").is_some_and(|l| l.trim_start().starts_with(name)));
    match line {
        Some(line) => Position { file: file.to_owned(), line: line + 1, column: 1 },
        None => call.position(),
    }
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
