//! Registrations become resources: workloads take their services, images find their users, the rest is uncategorized.

mod compose;
mod deps;
mod images;
mod locators;
mod objects;

use crate::Position;
use crate::builtins::git_ignores;
use crate::call::{Failure, Result, fail};
use crate::config;
use crate::env::{Env, K8sResourceOptions, LocalDef};
use crate::manifest::{self, Id};
use crate::plan::{
    Ignore, K8sResource, Link, Plan, PodReadiness, Resource, ResourceKind, TriggerMode, UNCATEGORIZED,
};
use crate::values::K8sObjectId;
use serde_json::Value;
use starlark::environment::FrozenModule;
use starlark::values::OwnedFrozenValue;
use std::collections::{BTreeMap, HashSet};

/// A resource in the making.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: String,
    /// The name before `new_name`.
    pub(crate) workload: Option<Id>,
    pub(crate) k8s: K8sResource,
    pub(crate) readiness: Option<PodReadiness>,
    pub(crate) manually_grouped: bool,
    pub(crate) labels: Vec<String>,
    pub(crate) resource_deps: Vec<String>,
    pub(crate) links: Vec<Link>,
    pub(crate) auto_init: Option<bool>,
    pub(crate) trigger_mode: Option<TriggerMode>,
    /// Images by index of their definition.
    pub(crate) image_defs: Vec<usize>,
}

/// The plan of all that was registered. `main` is the main Tiltfile, evaluated (not there if it called `exit()`).
pub(crate) fn assemble(env: &Env<'_>, main: &FrozenModule) -> Result<Plan> {
    let (mut drafts, mut rest) = objects::workloads(env, main)?;
    objects::apply_options(env, &mut drafts, &mut rest)?;
    objects::join_services(&mut drafts, &mut rest);
    custom_deploys(env, &mut drafts)?;
    let locals = local_resources(env, &drafts)?;
    let has_k8s = !drafts.is_empty() || !rest.is_empty();
    if has_k8s {
        env.check_context(false)?;
    }
    let uncategorized = (!rest.is_empty()).then(|| objects::uncategorized(rest));
    drafts.extend(uncategorized);
    let default_mode = env.reg().trigger_mode.as_ref().map_or(TriggerMode::Auto, |(mode, _)| *mode);
    let mut services = compose::services(env, &drafts, default_mode)?;
    let built = images::find(env, &mut drafts, &mut services)?;
    check_steps(env)?;
    let mut plan = Plan { images: built, ..Plan::default() };
    let mut names = Vec::new();
    for draft in drafts {
        names.push((draft.name.clone(), draft.resource_deps.clone()));
        plan.resources.push(finish(env, draft, default_mode));
    }
    for service in services {
        names.push((service.resource.name.clone(), service.resource_deps));
        plan.resources.push(service.resource);
    }
    for (resource, deps) in locals {
        names.push((resource.name.clone(), deps));
        plan.resources.push(resource);
    }
    if let Some(index) = plan.resources.iter().position(|r| r.name == UNCATEGORIZED) {
        // it is shown last, whatever its place in the order of updates
        let resource = plan.resources.remove(index);
        plan.resources.push(resource);
    }
    deps::resolve(env, &mut plan, &names)?;
    let cleared = env.reg().config.cleared;
    let requested = if cleared { Vec::new() } else { config::requested(env) };
    plan.enabled = deps::enabled(&plan, &requested, cleared)?;
    plan.api_objects.clone_from(&env.reg().api_objects);
    plan.extensions_not_loaded = crate::ext::not_loaded(env);
    plan.settings = env.reg().settings.clone();
    plan.settings.env = env.environ.with(|v| v.changed.clone());
    if let Some(registry) = &env.settings.cluster_registry {
        plan.settings.default_registry = Some(registry.clone());
    }
    Ok(plan)
}

/// Every live update step must be part of some image. Steps that one place makes count as one.
fn check_steps(env: &Env<'_>) -> Result<()> {
    let reg = env.reg();
    let used: HashSet<&Position> = reg.steps.iter().filter(|s| s.used).map(|s| &s.position).collect();
    let mut unused: BTreeMap<&Position, String> = BTreeMap::new();
    for step in reg.steps.iter().filter(|s| !used.contains(&s.position)) {
        let text = format!("{}: value '{}' of type '{}'", step.position, step.text, step.kind);
        unused.insert(&step.position, text);
    }
    if unused.is_empty() {
        return Ok(());
    }
    fail!(
        "found {} live_update steps that were created but not used in a live_update:\n{}",
        unused.len(),
        unused.into_values().collect::<Vec<_>>().join("\n\t")
    )
}

fn custom_deploys(env: &Env<'_>, drafts: &mut Vec<Draft>) -> Result<()> {
    let definitions = env.reg().custom_deploys.clone();
    let count = definitions.len();
    for definition in definitions {
        if drafts.iter().any(|d| d.name == definition.name) {
            fail!("k8s_resource named {:?} already exists", definition.name);
        }
        let mut draft = Draft { name: definition.name, ..Draft::default() };
        draft.k8s.custom_deploy = Some(definition.deploy);
        for dep in &definition.image_deps {
            match images::definition_of(env, dep) {
                Some(index) => draft.image_defs.push(index),
                None => fail!("resource {:?}: image build {dep:?} not found", draft.name),
            }
        }
        drafts.push(draft);
    }
    let options: Vec<K8sResourceOptions> = {
        let reg = env.reg();
        let names: Vec<&String> = reg.custom_deploys.iter().map(|d| &d.name).collect();
        reg.k8s_resources.iter().filter(|o| names.contains(&&o.workload)).cloned().collect()
    };
    for option in options {
        if let Some(draft) = drafts.iter_mut().find(|d| d.name == option.workload) {
            objects::add_options(draft, &option);
        }
    }
    // they are resources from their call on, workloads once all is read
    drafts.rotate_right(count);
    Ok(())
}

fn local_resources(env: &Env<'_>, drafts: &[Draft]) -> Result<Vec<(Resource, Vec<String>)>> {
    let definitions: Vec<LocalDef> = env.reg().locals.clone();
    let default_mode = env.reg().trigger_mode.as_ref().map_or(TriggerMode::Auto, |(mode, _)| *mode);
    definitions
        .into_iter()
        .map(|definition| {
            // the workload is the newcomer: it got its name only now
            if drafts.iter().any(|d| d.name == definition.name) {
                fail!("local_resource named {:?} already exists", definition.name);
            }
            let mut local = definition.local;
            let mut paths = local.deps.clone();
            paths.push(definition.dir.clone());
            local.ignores = git_ignores(env, &paths);
            if !definition.ignore.is_empty() {
                local.ignores.push(Ignore {
                    base: definition.dir.clone(),
                    source: "ignore=".to_owned(),
                    patterns: definition.ignore.clone(),
                });
            }
            let resource = Resource {
                name: definition.name,
                kind: ResourceKind::Local(Box::new(local)),
                labels: definition.labels,
                resource_deps: Vec::new(),
                links: definition.links,
                auto_init: definition.auto_init,
                trigger_mode: definition.trigger_mode.unwrap_or(default_mode),
            };
            Ok((resource, definition.resource_deps))
        })
        .collect()
}

fn finish(env: &Env<'_>, draft: Draft, default_mode: TriggerMode) -> Resource {
    let mut k8s = draft.k8s;
    k8s.objects.sort_by_key(|o| manifest::apply_order(manifest::text(o, "kind")));
    k8s.pod_readiness =
        readiness(env, &k8s, draft.readiness, draft.manually_grouped, draft.workload.as_ref());
    let is_rest = draft.name == UNCATEGORIZED && draft.workload.is_none() && !draft.manually_grouped;
    if is_rest {
        k8s.pod_readiness = PodReadiness::Ignore;
    }
    Resource {
        name: draft.name,
        kind: if is_rest { ResourceKind::Uncategorized(k8s) } else { ResourceKind::K8s(k8s) },
        labels: draft.labels,
        resource_deps: Vec::new(),
        links: draft.links,
        auto_init: draft.auto_init.unwrap_or(true),
        trigger_mode: draft.trigger_mode.unwrap_or(default_mode),
    }
}

fn readiness(
    env: &Env<'_>,
    k8s: &K8sResource,
    explicit: Option<PodReadiness>,
    manually_grouped: bool,
    workload: Option<&Id>,
) -> PodReadiness {
    if let Some(mode) = explicit {
        return mode;
    }
    let reg = env.reg();
    for object in &k8s.objects {
        let mode = reg.kinds.iter().filter(|k| k.selector.matches(object)).find_map(|k| k.pod_readiness);
        if let Some(mode) = mode {
            return mode;
        }
        match manifest::text(object, "kind") {
            "Job" => return PodReadiness::Succeeded,
            "CronJob" => return PodReadiness::Ignore,
            _ => {}
        }
    }
    if manually_grouped && workload.is_none() && k8s.extra_pod_selectors.is_empty() && k8s.images.is_empty() {
        return PodReadiness::Ignore;
    }
    PodReadiness::Wait
}

/// The name that the Tiltfile's own function gives a workload.
pub(crate) fn call_name_function(
    env: &Env<'_>,
    main: &FrozenModule,
    objects: &[&Value],
) -> Result<Option<Vec<String>>> {
    let Some((file, position)) = env.reg().workload_to_resource.clone() else { return Ok(None) };
    let module = match env.loaded.borrow().get(&file) {
        Some(crate::env::Loaded::Done(module)) => module.clone(),
        _ => main.clone(),
    };
    let failed =
        |e: String| Failure::new(format!("{position}: error applying workload_to_resource_function: {e}"));
    let (function, _) = module
        .get_any_visibility(crate::builtins::WORKLOAD_FUNCTION)
        .map_err(|_| failed("the function is gone".to_owned()))?;
    let mut names: Vec<String> = Vec::new();
    for object in objects {
        let id = Id::of(object);
        let name = name_by_function(env, &function, &id).map_err(|e| {
            failed(format!("error determining resource name for '{}': {}", object_id(&id), e.message))
        })?;
        if let Some(other) = names.iter().position(|n| *n == name) {
            fail!(
                "{position}: error applying workload_to_resource_function: both '{}' and '{}' mapped to resource name '{name}'",
                object_id(&id),
                object_id(&Id::of(objects[other]))
            );
        }
        names.push(name);
    }
    Ok(Some(names))
}

/// What the function gets to see of an object; errors show it too.
fn object_id(id: &Id) -> K8sObjectId {
    K8sObjectId {
        name: id.name.clone(),
        kind: id.kind.clone(),
        namespace: if id.namespace.is_empty() { "default".to_owned() } else { id.namespace.clone() },
        group: id.group.clone(),
    }
}

fn name_by_function(env: &Env<'_>, function: &OwnedFrozenValue, id: &Id) -> Result<String> {
    starlark::environment::Module::with_temp_heap(|scratch| {
        let mut eval = starlark::eval::Evaluator::new(&scratch);
        eval.extra = Some(env);
        crate::limits::set(&mut eval, env);
        let heap = scratch.heap();
        let argument = heap.alloc(object_id(id));
        let function = heap.access_owned_frozen_value(function);
        let result = eval
            .eval_function(function, &[argument], &[])
            .map_err(|e| crate::limits::in_our_words(Failure::from(e), env))?;
        match result.unpack_str() {
            Some(text) => Ok(text.to_owned()),
            None => fail!(
                "{}: invalid return value. wanted: string. got: {}",
                function.to_str().rsplit('.').next().unwrap_or_default(),
                crate::call::go_type(result)
            ),
        }
    })
}
