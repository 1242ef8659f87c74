//! Services of Compose projects become resources.

use super::{Draft, images};
use crate::call::{Result, fail};
use crate::env::Env;
use crate::plan::{ComposeResource, Resource, ResourceKind, TriggerMode};
use std::collections::{HashMap, HashSet};

/// A resource with what it waits for, by name, and its image by index of the definition.
pub(super) struct Service {
    pub(super) resource: Resource,
    pub(super) resource_deps: Vec<String>,
    pub(super) image_def: Option<usize>,
}

pub(super) fn services(env: &Env<'_>, drafts: &[Draft], default_mode: TriggerMode) -> Result<Vec<Service>> {
    let reg = env.reg();
    if reg.compose.is_empty() {
        return Ok(Vec::new());
    }
    if reg.settings.default_registry.is_some() {
        fail!("default_registry is not supported with docker compose");
    }
    let drafts: HashSet<&str> = drafts.iter().map(|d| d.name.as_str()).collect();
    let mut out = Vec::new();
    for project in &reg.compose {
        let resources: HashMap<&str, &str> =
            project.services.iter().map(|s| (s.service.as_str(), s.resource.as_str())).collect();
        for service in &project.services {
            let name = &service.resource;
            if drafts.contains(name.as_str()) {
                fail!("dc_resource named {name:?} already exists");
            }
            let reference = service.chosen_image.as_ref().or(service.reference.as_ref());
            let image_def = reference.and_then(|r| images::definition_by_reference(&reg, r));
            if image_def.is_some_and(|i| reg.images[i].build.entrypoint.is_some()) {
                fail!("docker_build/custom_build.entrypoint not supported for Docker Compose resources");
            }
            let dependencies = crate::compose::dependencies(&service.config);
            let named = dependencies.iter().filter_map(|name| resources.get(name.as_str()));
            let mut resource_deps: Vec<String> = named.map(|name| (*name).to_owned()).collect();
            resource_deps.extend(service.resource_deps.iter().cloned());
            let build = service.build.clone().filter(|_| image_def.is_none());
            if build.is_some() {
                service.watched.iter().for_each(|file| env.reads(file));
            }
            let compose = ComposeResource {
                service: service.service.clone(),
                project: project.project.clone(),
                published_ports: crate::compose::published_ports(&service.config),
                config: service.config.clone(),
                images: Vec::new(),
                ignores: if build.is_some() { service.ignores.clone() } else { Vec::new() },
                build,
                infer_links: service.infer_links.unwrap_or(true),
            };
            let resource = Resource {
                name: name.clone(),
                kind: ResourceKind::Compose(Box::new(compose)),
                labels: service.labels.clone(),
                resource_deps: Vec::new(),
                links: service.links.clone(),
                auto_init: service.auto_init.unwrap_or(true),
                trigger_mode: service.trigger_mode.unwrap_or(default_mode),
            };
            out.push(Service { resource, resource_deps, image_def });
        }
    }
    Ok(out)
}
