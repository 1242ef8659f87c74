//! `docker_compose`, `dc_resource`.

use super::images::dockerignore;
use super::local::{links, trigger_mode_arg};
use crate::Level;
use crate::call::{Call, Failure, Result, fail, go_quote};
use crate::compose::{self, Files, Request};
use crate::env::{ComposeProjectDef, ComposeServiceDef, Env};
use crate::plan::{ComposeBuild, ComposeProject, Ignore};
use crate::text::ImageRef;
use crate::values::{Blob, CustomBuildValue};
use serde_json::Value as Json;
use starlark::values::Value;
use std::path::{Path, PathBuf};

struct Watched<'x, 'a>(&'x Env<'a>);

impl Files for Watched<'_, '_> {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        self.0.read(path)
    }
    fn exists(&self, path: &Path) -> bool {
        self.0.host.kind(path).is_some()
    }
    fn variable(&self, name: &str) -> Option<String> {
        self.0.getenv(name)
    }
}

pub(crate) fn docker_compose<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let env = call.env();
    let env_file = args.path("env_file")?.filter(|p| *p != env.dir());
    let mut request = Request {
        name: args.text("project_name")?,
        profiles: args.strings("profiles")?,
        env_file,
        dir: env.dir(),
        ..Request::default()
    };
    let wait = args.optional_boolean("wait")?.unwrap_or(false);
    let mut dir = None;
    for item in args.one_or_many(args.get("configPaths").expect("it is required")) {
        if let Some(blob) = Blob::from_value(item) {
            request.files.push((blob_path(env, &blob.text), blob.text.to_string()));
            continue;
        }
        let path = args.path_of(item).map_err(|_| {
            Failure::new(format!(
                "expected blob | path (string). Actual type: {}",
                crate::call::go_type(item)
            ))
        })?;
        let text = env.read(&path).map_err(|e| Failure::new(crate::env::io_text("open", &path, &e)))?;
        dir = dir.or_else(|| path.parent().map(Path::to_owned));
        request.files.push((path, text));
    }
    if request.files.is_empty() {
        fail!("Nothing to compose");
    }
    request.dir = dir.unwrap_or(request.dir);
    let known = known_project(env, &request)?;
    // another call for the same project: its files override the earlier ones
    if let Some(index) = known {
        let mut merged = env.reg().compose[index].request.clone();
        merged.files.extend(request.files);
        merged.profiles.extend(request.profiles);
        merged.env_file = request.env_file.or(merged.env_file);
        request = merged;
    }
    let project = compose::load(&Watched(env), &request).map_err(Failure::new)?;
    let of_environment = env.getenv("COMPOSE_PROFILES").filter(|p| !p.is_empty());
    if let Some(profiles) = of_environment.filter(|_| args.get("profiles").is_none()) {
        let project = go_quote(&project.name);
        env.say(
            Level::Info,
            &format!("Compose project {project} loading profiles from environment: {profiles}"),
        );
    }
    let definition = define(env, &request, project, wait)?;
    add(env, known, definition)?;
    call.none()
}

/// The project that an earlier call made, by its name.
fn known_project(env: &Env<'_>, request: &Request) -> Result<Option<usize>> {
    if env.reg().compose.is_empty() {
        return Ok(None);
    }
    let name = compose::name(&Watched(env), request).map_err(Failure::new)?;
    Ok(env.reg().compose.iter().position(|p| p.project.name == name))
}

/// Where the text of a blob stands when Compose runs.
fn blob_path(env: &Env<'_>, text: &str) -> PathBuf {
    let folder = env.getenv("TMPDIR").unwrap_or_else(|| "/tmp".to_owned());
    Path::new(&folder).join(format!("{}.yml", oci::Digest::of(text.as_bytes()).hex()))
}

fn define(
    env: &Env<'_>,
    request: &Request,
    project: compose::Project,
    wait: bool,
) -> Result<ComposeProjectDef> {
    let mut services = Vec::new();
    for (name, config) in project.services {
        services.push(service(env, &project.name, name, config)?);
    }
    Ok(ComposeProjectDef {
        project: ComposeProject {
            name: project.name,
            config_paths: request.files.iter().map(|(path, _)| path.clone()).collect(),
            dir: request.dir.clone(),
            env_file: request.env_file.clone(),
            profiles: project.profiles,
            wait,
        },
        request: request.clone(),
        services,
    })
}

fn service(env: &Env<'_>, project: &str, name: String, config: Json) -> Result<ComposeServiceDef> {
    let image = config.get("image").and_then(Json::as_str).map(str::to_owned);
    let reference = match &image {
        None => None,
        Some(text) => match ImageRef::parse(text) {
            Ok(reference) => Some(reference),
            Err(e) => fail!("Error parsing image name {text:?}: {e}"),
        },
    };
    let build = config.get("build").map(|b| build(project, &name, image, b));
    let (mut ignores, mut watched) = (Vec::new(), Vec::new());
    if let Some(build) = &build {
        let (found, read) = dockerignore(env, &build.context, build.dockerfile.as_deref());
        ignores.extend(found);
        watched.extend(read);
        ignores.extend(build.dockerfile.clone().map(|base| whole(base, "Dockerfile")));
    }
    ignores.extend(compose::bind_sources(&config).into_iter().map(|base| whole(base, "volume")));
    Ok(ComposeServiceDef {
        resource: name.clone(),
        service: name,
        config,
        reference,
        chosen_image: None,
        build,
        ignores,
        watched,
        ..ComposeServiceDef::default()
    })
}

fn whole(base: PathBuf, source: &str) -> Ignore {
    Ignore { base, source: source.to_owned(), patterns: Vec::new() }
}

fn build(project: &str, service: &str, image: Option<String>, config: &Json) -> ComposeBuild {
    let text = |field: &str| config.get(field).and_then(Json::as_str);
    let context = PathBuf::from(text("context").unwrap_or_default());
    // a repository is no directory of this machine
    let dockerfile = text("dockerfile")
        .filter(|_| context.is_absolute())
        .map(|file| crate::call::absolute(&context, file));
    ComposeBuild { image: image.unwrap_or_else(|| format!("{project}_{service}")), dockerfile, context }
}

/// Adds a project, or replaces it; what `dc_resource` said of its services stays.
fn add(env: &Env<'_>, known: Option<usize>, mut definition: ComposeProjectDef) -> Result<()> {
    let mut reg = env.reg_mut();
    if let Some(index) = known {
        let before = &reg.compose[index];
        for service in &mut definition.services {
            if let Some(old) = before.services.iter().find(|s| s.service == service.service) {
                service.take_options(old);
            }
        }
        definition.project.wait |= before.project.wait;
    }
    for service in &definition.services {
        let name = &service.resource;
        if reg.locals.iter().any(|l| l.name == *name) {
            fail!("local_resource named {name:?} already exists");
        }
        if reg.custom_deploys.iter().any(|d| d.name == *name) {
            fail!("k8s_resource named {name:?} already exists");
        }
        let others = reg.compose.iter().enumerate().filter(|(i, _)| Some(*i) != known);
        if others.flat_map(|(_, p)| &p.services).any(|s| s.resource == *name) {
            fail!("dc_resource named {name:?} already exists");
        }
    }
    match known {
        Some(index) => reg.compose[index] = definition,
        None => reg.compose.push(definition),
    }
    Ok(())
}

pub(crate) fn dc_resource<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let (name, project, new_name) = (args.text("name")?, args.text("project_name")?, args.text("new_name")?);
    let (trigger_mode, links, labels) = (trigger_mode_arg(&args)?, links(&args)?, args.labels("labels")?);
    let infer_links = args.optional_boolean("infer_links")?;
    let auto_init = args.optional_boolean("auto_init")?;
    args.sequence("resource_deps")?;
    if name.is_empty() {
        fail!("dc_resource: `name` must not be empty");
    }
    let image = match args.get("image") {
        None => None,
        Some(value) => Some(image_of(call, value)?),
    };
    let (project, index) = find(call.env(), &name, &project)?;
    if !new_name.is_empty() && new_name != name {
        call.env().reg().check_conflict(&new_name)?;
    }
    let resource_deps =
        args.strings_in_sequence("resource_deps", format_args!("dc_resource: resource_deps"))?;
    let mut reg = call.env().reg_mut();
    let service = &mut reg.compose[project].services[index];
    service.chosen_image = image.or(service.chosen_image.take());
    service.trigger_mode = trigger_mode.or(service.trigger_mode);
    service.infer_links = infer_links.or(service.infer_links);
    service.auto_init = auto_init.or(service.auto_init);
    service.links.extend(links);
    service.resource_deps.extend(resource_deps);
    for label in labels {
        if !service.labels.contains(&label) {
            service.labels.push(label);
        }
    }
    if !new_name.is_empty() {
        service.resource = new_name;
    }
    drop(reg);
    call.none()
}

/// The image that takes the place of the service's own: by name, or as `custom_build()` returned it.
fn image_of<'v>(call: &Call<'v, '_, '_, '_>, value: Value<'v>) -> Result<ImageRef> {
    if let Some(made) = CustomBuildValue::from_value(value) {
        return Ok(call.env().reg().images[made.index].reference.clone());
    }
    let Some(text) = value.unpack_str() else {
        fail!("image arg must be a string; got {}", crate::call::go_type(value));
    };
    ImageRef::parse(text).map_err(Failure::new)
}

/// Project and place of the service that a resource's name means.
fn find(env: &Env<'_>, name: &str, project: &str) -> Result<(usize, usize)> {
    let reg = env.reg();
    let mut found = Vec::new();
    let mut all = Vec::new();
    for (p, definition) in reg.compose.iter().enumerate() {
        if !project.is_empty() && definition.project.name != project {
            continue;
        }
        for (s, service) in definition.services.iter().enumerate() {
            if service.resource == name {
                found.push((p, s));
            }
            all.push(service.resource.clone());
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => fail!(
            "no Docker Compose service found with name {}. Found these instead:\n\t{}",
            go_quote(name),
            all.join("; ")
        ),
        _ => fail!(
            "found multiple resources named {}, please specify which one with project_name= argument",
            go_quote(name)
        ),
    }
}
