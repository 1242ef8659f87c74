//! Images find the objects that use them.

use super::Draft;
use super::compose::Service;
use super::locators::located_images;
use crate::builtins::check_paths;
use crate::call::{Failure, Result, distance, fail};
use crate::env::{Env, ImageDef, Registry};
use crate::manifest;
use crate::plan::{ImageBuild, ImageKind, ResourceKind, Step, UNCATEGORIZED};
use crate::text::ImageRef;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

/// The definition of an image by a reference as written.
pub(super) fn definition_of(env: &Env<'_>, written: &str) -> Option<usize> {
    let reference = ImageRef::parse(written).ok()?;
    definition_by_reference(&env.reg(), &reference)
}

pub(super) fn definition_by_reference(reg: &Registry, reference: &ImageRef) -> Option<usize> {
    reg.images.iter().position(|d| matches(d, reference))
}

/// Definitions by the name of their image, for many look-ups.
struct Index<'r> {
    reg: &'r Registry,
    by_name: HashMap<&'r str, Vec<usize>>,
}

impl<'r> Index<'r> {
    fn of(reg: &'r Registry) -> Index<'r> {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (i, definition) in reg.images.iter().enumerate() {
            by_name.entry(&definition.reference.name).or_default().push(i);
        }
        Index { reg, by_name }
    }

    fn find(&self, reference: &ImageRef) -> Option<usize> {
        let named = self.by_name.get(reference.name.as_str())?;
        named.iter().copied().find(|i| matches(&self.reg.images[*i], reference))
    }
}

/// The image that this definition builds is what the reference means.
fn matches(definition: &ImageDef, reference: &ImageRef) -> bool {
    if definition.build.match_exact {
        let tag = |r: &ImageRef| r.tag.clone().unwrap_or_else(|| "latest".to_owned());
        return definition.reference.name == reference.name && tag(&definition.reference) == tag(reference);
    }
    definition.reference.name == reference.name
}

/// Sets the images of all drafts, and gives those that are used, in the order of definition.
pub(super) fn find(env: &Env<'_>, drafts: &mut [Draft], services: &mut [Service]) -> Result<Vec<ImageBuild>> {
    let reg = env.reg();
    let index = Index::of(&reg);
    let bases = base_images(&index)?;
    let mut seen_references = Vec::new();
    for draft in drafts.iter_mut() {
        let found = named_images(&index, draft, &mut seen_references)?;
        draft.image_defs.clear();
        draft.k8s.deployed_images.clear();
        for index in found {
            if !draft.k8s.deployed_images.contains(&index) {
                draft.k8s.deployed_images.push(index);
            }
            add_with_bases(index, &bases, &mut draft.image_defs, &mut Vec::new(), &reg)
                .map_err(|e| of_resource(&draft.name, e))?;
        }
    }
    let mut of_services: Vec<Vec<usize>> = Vec::new();
    for service in services.iter() {
        let mut all = Vec::new();
        if let Some(index) = service.image_def {
            add_with_bases(index, &bases, &mut all, &mut Vec::new(), &reg)
                .map_err(|e| of_resource(&service.resource.name, e))?;
        }
        of_services.push(all);
    }
    let lists = drafts.iter().map(|d| &d.image_defs).chain(&of_services);
    let used: BTreeSet<usize> = lists.flatten().copied().collect();
    let used: Vec<usize> = used.into_iter().collect();
    let places: HashMap<usize, usize> = used.iter().enumerate().map(|(place, i)| (*i, place)).collect();
    let place = |definition: &usize| *places.get(definition).expect("a used image is in the list");
    for draft in drafts.iter_mut() {
        draft.k8s.images = draft.image_defs.iter().map(place).collect();
        draft.k8s.deployed_images = draft.k8s.deployed_images.iter().map(place).collect();
    }
    for (service, all) in services.iter_mut().zip(&of_services) {
        if let ResourceKind::Compose(compose) = &mut service.resource.kind {
            compose.images = all.iter().map(place).collect();
        }
    }
    check_live_updates(&reg, &used, &bases, drafts)?;
    for file in used.iter().flat_map(|i| &reg.images[*i].watched) {
        env.reads(file);
    }
    let builds = used
        .iter()
        .map(|i| {
            let mut build = reg.images[*i].build.clone();
            build.image_deps = bases[*i].iter().map(place).collect();
            build
        })
        .collect();
    let is_rest = |draft: &Draft| draft.name == UNCATEGORIZED;
    let deploys = match (&*drafts, reg.compose.is_empty()) {
        ([], true) => Deploys::Nothing,
        ([rest], _) if is_rest(rest) => Deploys::OnlyUncategorized,
        (_, false) => Deploys::Compose,
        (_, true) => Deploys::Kubernetes,
    };
    seen_references.extend(reg.compose.iter().flat_map(|p| &p.services).filter_map(|s| s.reference.clone()));
    let unused = unused_warning(&reg, &used, &seen_references, deploys);
    drop(reg);
    if let Some((text, position)) = unused {
        env.warn(text, position);
    }
    Ok(builds)
}

/// Definitions that a resource's objects name; all that they name goes to `seen`.
fn named_images(known: &Index<'_>, draft: &mut Draft, seen: &mut Vec<ImageRef>) -> Result<Vec<usize>> {
    let reg = known.reg;
    let mut found = draft.image_defs.clone();
    for object in &draft.k8s.objects {
        for locator in reg.locators.iter().filter(|l| l.selector.matches(object)) {
            if !draft.k8s.image_locators.contains(&locator.locator()) {
                draft.k8s.image_locators.push(locator.locator());
            }
        }
        for text in manifest::container_images(object) {
            let reference = match ImageRef::parse(text) {
                Ok(reference) => reference,
                Err(e) => fail!(
                    "finding image in {}/{}: parsing {text}: {e}",
                    manifest::text(object, "kind"),
                    manifest::Id::of(object).name
                ),
            };
            found.extend(known.find(&reference));
            seen.push(reference);
        }
        for reference in located_images(reg, object)? {
            found.extend(known.find(&reference));
            seen.push(reference);
        }
        for value in manifest::env_values(object) {
            let Ok(reference) = ImageRef::parse(value) else { continue };
            found.extend(known.find(&reference).filter(|i| reg.images[*i].build.match_in_env_vars));
        }
    }
    Ok(found)
}

/// For each definition, those that it is built from.
fn base_images(known: &Index<'_>) -> Result<Vec<Vec<usize>>> {
    let mut all = Vec::new();
    for definition in &known.reg.images {
        let mut own = Vec::new();
        for (reference, required) in &definition.bases {
            match known.find(reference) {
                Some(index) if !own.contains(&index) => own.push(index),
                Some(_) => {}
                None if *required => fail!(
                    "image {:?}: image dep {:?} not found",
                    definition.reference.familiar(),
                    reference.familiar()
                ),
                None => {}
            }
        }
        all.push(own);
    }
    Ok(all)
}

fn of_resource(name: &str, e: Failure) -> Failure {
    Failure::new(format!("getting image build info for {name}: {}", e.message))
}

/// Bases first.
fn add_with_bases(
    index: usize,
    bases: &[Vec<usize>],
    out: &mut Vec<usize>,
    path: &mut Vec<usize>,
    reg: &Registry,
) -> Result<()> {
    if path.contains(&index) {
        fail!("Image dependency cycle: {}", reg.images[index].reference);
    }
    if out.contains(&index) {
        return Ok(());
    }
    path.push(index);
    for base in &bases[index] {
        add_with_bases(*base, bases, out, path, reg)?;
    }
    path.pop();
    out.push(index);
    Ok(())
}

/// Live updates of what is deployed must be possible.
fn check_live_updates(reg: &Registry, used: &[usize], bases: &[Vec<usize>], drafts: &[Draft]) -> Result<()> {
    let restarts = |index: &usize| {
        let mut steps = reg.images[*index].build.live_update.iter().flat_map(|l| &l.steps);
        steps.any(|s| *s == Step::RestartContainer)
    };
    // a container of a pod cannot be restarted from outside without losing what was synced
    let names: Vec<&str> =
        drafts.iter().filter(|d| d.image_defs.iter().any(restarts)).map(|d| d.name.as_str()).collect();
    if !names.is_empty() {
        fail!(
            "Found `restart_container()` LiveUpdate step in resource(s): [{}]. `restart_container()`  has been deprecated for k8s resources. We recommend the restart_process extension: https://github.com/tilt-dev/tilt-extensions/tree/master/restart_process. For more information, see https://docs.tilt.dev/live_update_reference.html#restarting-your-process",
            names.join(", ")
        );
    }
    for index in used {
        let Some(live_update) = &reg.images[*index].build.live_update else { continue };
        let mut sources = Vec::new();
        add_with_bases(*index, bases, &mut sources, &mut Vec::new(), reg)?;
        let mut watched: Vec<PathBuf> = Vec::new();
        for source in sources.iter().rev() {
            match &reg.images[*source].build.kind {
                ImageKind::Docker(docker) => watched.push(docker.context.clone()),
                ImageKind::Custom(custom) => watched.extend(custom.deps.iter().cloned()),
            }
        }
        check_paths(&live_update.steps, &watched)?;
    }
    Ok(())
}

/// What a Tiltfile deploys with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deploys {
    Kubernetes,
    /// Objects, but no resource.
    OnlyUncategorized,
    Compose,
    Nothing,
}

/// The first image that nothing uses, and how it may have been meant.
fn unused_warning(
    reg: &Registry,
    used: &[usize],
    seen: &[ImageRef],
    deploys: Deploys,
) -> Option<(String, Option<crate::Position>)> {
    let suppressed = &reg.settings.suppress_unused_image_warnings;
    let is_base =
        |i: usize| reg.images.iter().any(|d| d.bases.iter().any(|(r, _)| matches(&reg.images[i], r)));
    let (_, definition) = reg.images.iter().enumerate().find(|(i, d)| {
        !used.contains(i)
            && !is_base(*i)
            && !suppressed
                .iter()
                .any(|s| s == "*" || *s == d.written || ImageRef::parse(s).is_ok_and(|r| r == d.reference))
            && !matches!(&d.build.kind, ImageKind::Custom(c) if c.live_update_only)
    })?;
    if deploys == Deploys::Nothing {
        let text = "We could not find any deployment instructions, e.g. `k8s_yaml` or `docker_compose`.\nSkipping all image builds until we know how to deploy them.";
        return Some((text.to_owned(), None));
    }
    if deploys == Deploys::OnlyUncategorized {
        let text = "No Kubernetes configs with images found.\nIf you are using CRDs, add k8s_kind() to tell Tilt how to find images.\nhttps://docs.tilt.dev/api.html#api.k8s_kind";
        return Some((text.to_owned(), None));
    }
    let written = &definition.reference.familiar();
    let own = definition.reference.familiar_name();
    let mut near: Vec<(usize, String)> = seen
        .iter()
        .map(|r| (distance(own, r.familiar_name()), r.familiar_name().to_owned()))
        .filter(|(d, name)| *d <= own.len().max(name.len()) / 2 + 2)
        .collect();
    near.sort();
    near.dedup();
    let kind = if deploys == Deploys::Compose { "Docker Compose" } else { "Kubernetes" };
    let mut text = format!("Image not used in any {kind} config:\n    ✕ {written}\n");
    if !near.is_empty() {
        text.push_str("Did you mean…\n");
        for (_, name) in near.iter().take(3) {
            text.push_str(&format!("    - {name}\n"));
        }
    }
    text.push_str(&format!(
        "Skipping this image build\nIf this is deliberate, suppress this warning with: update_settings(suppress_unused_image_warnings=[{written:?}])"
    ));
    Some((text, Some(definition.position.clone())))
}
