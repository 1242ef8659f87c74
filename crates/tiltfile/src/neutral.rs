//! An evaluation as JSON in a form that names no implementation: what `coracle tiltfile-result` prints.
//!
//! The schema is that of the conformance cases (`schema: 1`). What a key leaves out is not known here, or is Tilt's
//! own business.

mod image;
mod settings;

use crate::plan::{
    Command, ComposeResource, Dependency, Ignore, ImageLocator, K8sResource, Link, LocalResource,
    ObjectSelector, PlanSettings, PortForward, Resource, ResourceKind, TriggerMode,
};
use crate::{Evaluation, builtins, manifest};
use serde_json::{Map, Value, json};
use std::path::Path;

/// The whole evaluation. Of a failed one the plan's parts are missing.
pub fn evaluation(e: &Evaluation) -> Value {
    let mut out = json!({
        "schema": 1,
        "error": e.error.as_ref().map(ToString::to_string),
        "warnings": e.warnings.iter().map(|w| w.message.as_str()).collect::<Vec<_>>(),
        "config_files": e.files_read,
    });
    if e.error.is_none() {
        let resources: Vec<Value> = e.plan.resources.iter().map(|r| resource(e, r)).collect();
        out["resources"] = Value::Array(resources);
        out["enabled_resources"] = json!(e.plan.enabled);
        out["settings"] = settings::settings(&e.plan);
        out["api_objects"] = api_objects(e);
    }
    out
}

fn resource(e: &Evaluation, r: &Resource) -> Value {
    let deps = r.resource_deps.iter().filter_map(|d| match d {
        Dependency::Resource(name) => Some(name.as_str()),
        Dependency::Object { .. } => None,
    });
    let mut images: Vec<Value> =
        r.images().iter().map(|i| image::target(e, &e.plan.images[*i], &r.name)).collect();
    let mut out = json!({
        "name": r.name,
        "labels": r.labels,
        "resource_deps": deps.collect::<Vec<_>>(),
        "trigger_mode": match r.trigger_mode { TriggerMode::Auto => "auto", TriggerMode::Manual => "manual" },
        "auto_init": r.auto_init,
        "links": r.links.iter().map(link).collect::<Vec<_>>(),
    });
    match &r.kind {
        ResourceKind::K8s(k) | ResourceKind::Uncategorized(k) => {
            out["kind"] = json!("k8s");
            out["k8s"] = k8s(e, r, k);
        }
        ResourceKind::Local(l) => {
            out["kind"] = json!("local");
            out["local"] = local(l);
        }
        ResourceKind::Compose(c) => {
            out["kind"] = json!("docker_compose");
            out["docker_compose"] = compose(e, c);
            images.extend(c.build.as_ref().map(|build| image::compose(c, build)));
        }
    }
    out["image_targets"] = Value::Array(images);
    out
}

fn link(link: &Link) -> Value {
    json!({"url": link.url, "name": link.name})
}

fn k8s(e: &Evaluation, r: &Resource, k: &K8sResource) -> Value {
    let objects = k.objects.iter().map(|o| {
        let id = manifest::Id::of(o);
        json!({
            "api_version": manifest::text(o, "apiVersion"), "kind": id.kind, "name": id.name,
            "namespace": id.namespace,
        })
    });
    let deploy = k.custom_deploy.as_ref();
    let watched = deploy.map(|_| json!({"file_watches": [format!("{}:apply", r.name)]}));
    json!({
        "objects": objects.collect::<Vec<_>>(),
        "pod_readiness": k.pod_readiness,
        "port_forwards": k.port_forwards.iter().map(forward).collect::<Vec<_>>(),
        "extra_pod_selectors": k.extra_pod_selectors.iter().map(|s| json!({"match_labels": s})).collect::<Vec<_>>(),
        "discovery_strategy": k.discovery_strategy,
        "image_maps": image::maps(e, &k.deployed_images),
        "image_locators": k.image_locators.iter().map(locator).collect::<Vec<_>>(),
        "timeout": format!("{}s", e.plan.settings.k8s_upsert_timeout_secs),
        "server_side_apply": server_side_apply(&e.plan.settings),
        "apply_cmd": deploy.map(|d| command(&d.apply)),
        "delete_cmd": deploy.map(|d| command(&d.delete)),
        "restart_on": watched,
        "file_watch_ignores": deploy.map(|d| ignores(&d.ignores)).unwrap_or_default(),
    })
}

/// Not given is written as nothing.
fn server_side_apply(settings: &PlanSettings) -> &str {
    match settings.k8s_server_side_apply.as_str() {
        "auto" => "",
        other => other,
    }
}

fn forward(f: &PortForward) -> Value {
    let host = if f.host.is_empty() { "localhost" } else { &f.host };
    json!({"local_port": f.local, "container_port": f.container, "host": host, "name": f.name, "path": f.path})
}

fn locator(l: &ImageLocator) -> Value {
    let mut out = json!({"object_selector": selector(&l.selector), "path": l.path});
    if let Some(object) = &l.object {
        out["object"] = json!({"repo_field": object.repo_field, "tag_field": object.tag_field});
    }
    out
}

fn selector(s: &ObjectSelector) -> Value {
    let fields = [
        ("api_version_regexp", &s.api_version),
        ("kind_regexp", &s.kind),
        ("name_regexp", &s.name),
        ("namespace_regexp", &s.namespace),
    ];
    let set = fields.into_iter().filter(|(_, pattern)| !pattern.is_empty());
    Value::Object(set.map(|(field, pattern)| (field.to_owned(), json!(format!("(?i){pattern}")))).collect())
}

fn local(l: &LocalResource) -> Value {
    json!({
        "update_cmd": l.cmd.as_ref().map(command),
        "serve_cmd": l.serve_cmd.as_ref().map(command),
        "deps": l.deps,
        "allow_parallel": l.allow_parallel,
        "file_watch_ignores": ignores(&l.ignores),
    })
}

fn compose(e: &Evaluation, c: &ComposeResource) -> Value {
    let project = &c.project;
    let mut maps = image::maps(e, &c.images);
    maps.extend(c.build.as_ref().map(|b| image::map_name(&b.image)));
    let mut out = json!({
        "service": c.service,
        "project": {
            "config_paths": project.config_paths,
            "project_path": project.dir,
            "env_file": path_text(project.env_file.as_deref()),
            "profiles": project.profiles,
            "wait": project.wait,
            "yaml": "",
        },
        "image_maps": maps,
        "service_config": c.config,
    });
    // a name that follows from the directory is left out
    if crate::compose::name_of_directory(&project.dir) != project.name {
        out["project"]["name"] = json!(project.name);
    }
    out
}

fn path_text(path: Option<&Path>) -> String {
    path.map(|p| p.display().to_string()).unwrap_or_default()
}

fn command(c: &Command) -> Value {
    let env: Vec<String> = c.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
    json!({"args": c.argv, "dir": c.dir, "env": env})
}

fn ignores(list: &[Ignore]) -> Vec<Value> {
    // the file that a build writes is no business of its watch in Tilt's form
    list.iter().filter(|i| i.source != builtins::OUTPUT_FILE).map(ignore).collect()
}

fn ignore(i: &Ignore) -> Value {
    if i.source == builtins::WORKING_REPOSITORY {
        // as Tilt has it: relative to where the program runs
        return json!({"base_path": ".git", "patterns": i.patterns});
    }
    json!({"base_path": i.base, "patterns": i.patterns})
}

fn api_objects(e: &Evaluation) -> Value {
    let mut kinds = Map::new();
    for object in &e.plan.api_objects {
        let of_kind = kinds.entry(object.plural.clone()).or_insert_with(|| json!({}));
        of_kind[&object.name] =
            json!({"labels": object.labels, "annotations": object.annotations, "spec": object.spec});
    }
    Value::Object(kinds)
}
