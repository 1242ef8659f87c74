//! Images of the neutral form.

use super::{command, ignores};
use crate::plan::{
    ComposeBuild, ComposeResource, CustomBuild, DockerBuild, ImageBuild, ImageKind, LiveUpdate,
    LiveUpdateSelector, Step,
};
use crate::{Evaluation, ImageRef};
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn target(e: &Evaluation, i: &ImageBuild, resource: &str) -> Value {
    let deploys_by_command = i.live_update_only().is_some_and(|c| c.is_custom_deploy);
    let reference = match ImageRef::parse(&i.reference) {
        _ if deploys_by_command => format!("k8s_custom_deploy:{resource}"),
        Ok(reference) => reference.familiar(),
        Err(_) => i.reference.clone(),
    };
    let mut out = json!({
        "ref": reference,
        "match_exact": i.match_exact || deploys_by_command,
        "match_in_env_vars": i.match_in_env_vars,
        "entrypoint": i.entrypoint,
        "container_args": i.container_args,
        "live_update_only": i.live_update_only().is_some(),
        "docker": null,
        "custom": null,
        "docker_compose": null,
        "image_deps": maps(e, &i.image_deps),
        "live_update": i.live_update.as_ref().map(|l| live_update(l, i)),
        "file_watch_ignores": ignores(&i.ignores),
    });
    match &i.kind {
        ImageKind::Docker(d) => {
            out["build"] = json!("docker");
            out["docker"] = docker(d);
        }
        ImageKind::Custom(c) => {
            out["build"] = json!("custom");
            out["custom"] = custom(c);
        }
    }
    out
}

/// Names of images as objects are named after them.
pub(super) fn maps(e: &Evaluation, images: &[usize]) -> Vec<String> {
    let deployed = images.iter().map(|i| &e.plan.images[*i]);
    deployed.filter(|i| i.live_update_only().is_none()).map(|i| map_name(&i.reference)).collect()
}

pub(super) fn map_name(reference: &str) -> String {
    let familiar = ImageRef::parse(reference).map_or_else(|_| reference.to_owned(), |r| r.familiar());
    familiar.replace('/', "_")
}

fn docker(d: &DockerBuild) -> Value {
    let build_args = d.build_args.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    });
    json!({
        "context": d.context,
        "dockerfile_contents": d.dockerfile.contents,
        "build_args": build_args.collect::<Vec<_>>(),
        "target": d.target,
        "ssh": d.ssh,
        "secret": d.secret,
        "network": d.network,
        "pull": d.pull,
        "cache_from": d.cache_from,
        "platform": d.platform,
        "extra_tags": d.extra_tags,
        "extra_hosts": d.extra_hosts,
        "context_ignores": ignores(&d.context_ignores),
    })
}

fn custom(c: &CustomBuild) -> Value {
    let mut out = command(&c.command);
    if c.live_update_only {
        out["dir"] = json!("");
    }
    out["deps"] = json!(c.deps);
    out["tag"] = json!(c.tag);
    // where the command leaves the image
    out["output_mode"] = json!(match c {
        _ if c.disable_push || c.skips_local_docker => "remote",
        _ => "local-docker",
    });
    out["outputs_image_ref_to"] = json!(super::path_text(c.outputs_image_ref_to.as_deref()));
    out
}

fn live_update(l: &LiveUpdate, image: &ImageBuild) -> Value {
    let (mut syncs, mut execs, mut stops) = (Vec::new(), Vec::new(), Vec::new());
    let (mut initial_sync, mut restart) = (false, "none");
    let relative = |path: &Path| {
        let inside = path.strip_prefix(&l.base).unwrap_or(path);
        if inside.as_os_str().is_empty() { ".".to_owned() } else { inside.display().to_string() }
    };
    for step in &l.steps {
        match step {
            Step::InitialSync => initial_sync = true,
            Step::FallBackOn(paths) => stops.extend(paths.iter().map(|p| relative(p))),
            Step::Sync { local, container, .. } => {
                syncs.push(json!({"local_path": relative(local), "container_path": container}));
            }
            Step::Run { argv, triggers, echo_off } => execs.push(json!({
                "args": argv,
                "trigger_paths": triggers.iter().map(|t| relative(t)).collect::<Vec<_>>(),
                "echo_off": echo_off,
            })),
            Step::RestartContainer => restart = "always",
        }
    }
    let (named, container) = match &l.selector {
        LiveUpdateSelector::Image if image.live_update_only().is_some_and(|c| c.is_custom_deploy) => {
            (image.reference.as_str(), "")
        }
        LiveUpdateSelector::Image => ("", ""),
        LiveUpdateSelector::ContainerName(name) => ("", name.as_str()),
    };
    json!({
        "base_path": l.base,
        "selector": {"image": named, "image_map": "", "container_name": container, "service": ""},
        "sources": [],
        "syncs": syncs,
        "execs": execs,
        "restart": restart,
        "stop_paths": stops,
        "initial_sync": initial_sync,
    })
}

/// A build that is Compose's own.
pub(super) fn compose(c: &ComposeResource, build: &ComposeBuild) -> Value {
    json!({
        "ref": ImageRef::parse(&build.image).map_or_else(|_| build.image.clone(), |r| r.familiar()),
        "match_exact": false,
        "match_in_env_vars": false,
        "entrypoint": null,
        "container_args": null,
        "live_update_only": false,
        "build": "docker_compose",
        "docker": null,
        "custom": null,
        "docker_compose": {"service": c.service, "context": build.context},
        "image_deps": [],
        "live_update": null,
        "file_watch_ignores": compose_ignores(c),
    })
}

/// Volumes that are no directories of this machine stand in Tilt's list too, by their name.
fn compose_ignores(c: &ComposeResource) -> Vec<Value> {
    let mut out = ignores(&c.ignores);
    let volumes = c.config.get("volumes").and_then(Value::as_array).into_iter().flatten();
    let named = volumes.filter(|v| v.get("type").is_some_and(|t| t == "volume"));
    out.extend(named.filter_map(|v| v.get("source")).map(|name| json!({"base_path": name, "patterns": []})));
    out
}
