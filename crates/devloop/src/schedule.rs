//! Which updates start now, and why others wait.

use crate::effect::Effect;
use crate::event::ObjectRef;
use crate::images::{self, is_steady, wants_build};
use crate::inject::{Built, inject};
use crate::log::Seq;
use crate::rules::Watched;
use crate::state::{ApplyRun, ObjectKey, ResourceState, State};
use crate::status::{Hold, Line, Mark};
use serde_json::Value;
use std::sync::Arc;
use tiltfile::Plan;
use tiltfile::plan::{
    Command, Dependency, ImageKind, K8sResource, LocalResource, Resource, ResourceKind, TriggerMode,
    UNCATEGORIZED,
};

/// Starts all that may start.
pub(crate) fn run(state: &mut State, now_ms: u64) -> Vec<Effect> {
    let mut effects = Vec::new();
    let Some(plan) = state.plan.clone() else { return effects };
    for resource in in_order(state, &plan) {
        if !state.resources.get(&resource.name).is_some_and(|r| r.enabled) {
            continue;
        }
        match &resource.kind {
            ResourceKind::K8s(k8s) | ResourceKind::Uncategorized(k8s) => {
                if !state.tiltfile.loading {
                    effects.extend(update_k8s(state, &plan, resource, k8s, now_ms));
                }
                effects.extend(crate::sync::plan_syncs(state, resource, now_ms));
            }
            ResourceKind::Local(local) => {
                if !state.tiltfile.loading {
                    effects.extend(update_local(state, &plan, resource, local, now_ms).into_iter().flatten());
                }
            }
            ResourceKind::Compose(_) => {}
        }
    }
    finish_triggers(state);
    effects
}

/// What was never updated goes first: local commands, loose objects, objects without images of ours.
fn in_order<'p>(state: &State, plan: &'p Plan) -> Vec<&'p Resource> {
    let mut resources: Vec<&Resource> = plan.resources.iter().collect();
    resources.sort_by_key(|r| {
        let started = state.resources.get(&r.name).is_some_and(|s| s.started);
        match &r.kind {
            _ if started => 4,
            ResourceKind::Local(_) => 0,
            ResourceKind::Uncategorized(_) => 1,
            ResourceKind::K8s(k) if k.images.is_empty() => 2,
            ResourceKind::K8s(_) | ResourceKind::Compose(_) => 3,
        }
    });
    resources
}

/// Updates under way.
fn busy(state: &State) -> usize {
    state.images.values().filter(|i| i.running.is_some()).count()
        + state.resources.values().filter(|r| r.apply.running.is_some() || r.local.running.is_some()).count()
}

fn has_slot(state: &State, plan: &Plan) -> bool {
    busy(state) < plan.settings.max_parallel_updates
}

/// Changes may start an update: it runs by itself, it was asked for, or it is the first time.
fn may_update(resource: &Resource, entry: &ResourceState) -> bool {
    entry.triggered
        || if entry.started { resource.trigger_mode == TriggerMode::Auto } else { resource.auto_init }
}

fn update_k8s(
    state: &mut State,
    plan: &Arc<Plan>,
    resource: &Resource,
    k8s: &K8sResource,
    now_ms: u64,
) -> Vec<Effect> {
    let mut effects = Vec::new();
    let Some(entry) = state.resources.get(&resource.name) else { return effects };
    if !may_update(resource, entry) {
        return effects;
    }
    let unmet = if entry.started { Vec::new() } else { unmet_dependencies(state, resource) };
    let local_alone = lonely_local(state, plan);
    let may_build = local_alone.is_none() && (unmet.is_empty() || may_build_early(state, plan, resource));
    let names: Vec<String> = k8s.images.iter().map(|i| plan.images[*i].reference.clone()).collect();
    for name in &names {
        let is_docker =
            state.images.get(name).is_some_and(|i| matches!(i.definition.kind, ImageKind::Docker(_)));
        if !may_build || (!unmet.is_empty() && !is_docker) || !has_slot(state, plan) {
            continue;
        }
        let idle = state.images.get(name).is_some_and(|i| i.running.is_none());
        if let Some(reason) = wants_build(state, name).filter(|_| idle) {
            effects.extend(images::start(state, name, reason, now_ms));
        }
    }
    if !unmet.is_empty() || local_alone.is_some() || waits_for_uncategorized(state, resource) {
        return effects;
    }
    effects.extend(apply(state, plan, resource, k8s, &names, now_ms).into_iter().flatten());
    effects
}

/// Applies if all images are there and what is in the cluster is something else.
fn apply(
    state: &mut State,
    plan: &Plan,
    resource: &Resource,
    k8s: &K8sResource,
    names: &[String],
    now_ms: u64,
) -> Option<Vec<Effect>> {
    let usable = |name: &String| {
        is_steady(state, name) || state.images.get(name).is_some_and(|i| i.is_live_update_only())
    };
    if !names.iter().all(usable) || !has_slot(state, plan) {
        return None;
    }
    let references: Vec<(String, String)> = names
        .iter()
        .filter_map(|n| Some((n.clone(), state.images.get(n)?.current.as_ref()?.reference.clone())))
        .collect();
    let objects = desired(state, k8s, &references);
    let command_changed = k8s.custom_deploy.as_ref().and_then(|deploy| {
        let watched = Watched::new(&deploy.deps, &deploy.ignores, &plan.settings.watch_ignores);
        let since = state.resources.get(&resource.name).map_or(0, |r| r.apply.started);
        changed_since(state, since, &watched)
    });
    let command_is_due = command_changed.is_some();
    let identity = match &k8s.custom_deploy {
        Some(deploy) => command_identity(&deploy.apply, &references),
        None => objects.clone(),
    };
    let entry = state.resources.get(&resource.name)?;
    let done = entry.apply.done.as_ref() == Some(&identity) && !command_is_due;
    let failed = entry.apply.failed.as_ref().is_some_and(|(tried, _)| *tried == identity) && !command_is_due;
    if entry.apply.running.is_some() || ((done || failed) && !entry.triggered) {
        return None;
    }
    let going = |object: &Value| {
        let key = ObjectKey::of(object);
        state.deleting.values().flatten().any(|d| *d == key)
    };
    if k8s.objects.iter().any(going) || state.undeploying.values().any(|name| *name == resource.name) {
        return None;
    }
    let only_files_were_meant = entry.triggered && done && resource.trigger_mode == TriggerMode::Manual;
    if only_files_were_meant {
        return None;
    }
    let (round, seq) = (state.next_round(), state.seq);
    let entry = state.resources.get_mut(&resource.name)?;
    entry.apply.running = Some(ApplyRun { round, objects: identity, since_ms: now_ms });
    entry.apply.started = seq;
    entry.apply.delete = k8s.custom_deploy.as_ref().map(|deploy| deploy.delete.clone());
    let again = std::mem::replace(&mut entry.started, true);
    let say = command_changed.filter(|_| again).map(|why| say_again(resource, "deploying again", &why));
    let apply = Effect::Apply { resource: resource.name.clone(), round, objects, images: references };
    Some(say.into_iter().chain([apply]).collect())
}

/// What a deploy by command depends on: its words and its images.
fn command_identity(command: &Command, references: &[(String, String)]) -> Vec<Value> {
    let words = command.argv.iter().map(|word| Value::from(word.as_str()));
    let place = std::iter::once(Value::from(command.dir.to_string_lossy()));
    let pairs = command.env.iter().map(|(name, value)| Value::from(format!("{name}={value}")));
    let images = references.iter().map(|(_, reference)| Value::from(reference.as_str()));
    words.chain(place).chain(pairs).chain(images).collect()
}

/// The objects with the images that were built.
fn desired(state: &State, k8s: &K8sResource, references: &[(String, String)]) -> Vec<Value> {
    let built: Vec<Built<'_>> = references
        .iter()
        .filter_map(|(name, reference)| Some(Built { image: &state.images.get(name)?.definition, reference }))
        .collect();
    inject(&k8s.objects, &k8s.image_locators, &built)
}

fn update_local(
    state: &mut State,
    plan: &Plan,
    resource: &Resource,
    local: &LocalResource,
    now_ms: u64,
) -> Option<Vec<Effect>> {
    let entry = state.resources.get(&resource.name)?;
    if entry.local.running.is_some() || !may_update(resource, entry) {
        return None;
    }
    let watched = Watched::new(&local.deps, &local.ignores, &plan.settings.watch_ignores);
    let again = match (entry.started, entry.triggered) {
        (false, _) => None,
        (true, true) => Some("it was triggered".to_owned()),
        (true, false) => Some(changed_since(state, entry.local.started, &watched)?),
    };
    if !entry.started && !unmet_dependencies(state, resource).is_empty() {
        return None;
    }
    let alone = !local.allow_parallel && local.cmd.is_some();
    if lonely_local(state, plan).is_some() || (alone && busy(state) > 0) || !has_slot(state, plan) {
        return None;
    }
    let (round, seq) = (state.next_round(), state.seq);
    let entry = state.resources.get_mut(&resource.name)?;
    entry.started = true;
    entry.triggered = false;
    entry.local.started = seq;
    match &local.cmd {
        Some(command) => {
            entry.local.running = Some((round, now_ms));
            let run = Effect::RunLocal { resource: resource.name.clone(), round, command: command.clone() };
            let say = again.map(|why| say_again(resource, "running again", &why));
            Some(say.into_iter().chain([run]).collect())
        }
        None => {
            entry.local.done = true;
            Some(serve(entry, resource, local).into_iter().collect())
        }
    }
}

/// The first of the changes that count, if there is one.
fn changed_since(state: &State, mark: Seq, watched: &Watched) -> Option<String> {
    let mut changes = state.log.since(mark).filter(|(path, _)| watched.touches(path));
    let first = changes.next()?.0.display().to_string();
    let more = match changes.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("changed {first}{more}"))
}

fn say_again(resource: &Resource, what: &str, why: &str) -> Effect {
    let text = format!("{what}: {why}");
    Effect::Say(Line { resource: resource.name.clone(), mark: Mark::Info, text })
}

/// Starts the serve process anew.
pub(crate) fn serve(entry: &mut ResourceState, resource: &Resource, local: &LocalResource) -> Option<Effect> {
    let command = local.serve_cmd.clone()?;
    entry.local.serving = true;
    entry.local.serve = None;
    Some(Effect::Serve { resource: resource.name.clone(), command, probe: local.readiness_probe.clone() })
}

/// A local command under way that wants to be alone.
fn lonely_local(state: &State, plan: &Plan) -> Option<String> {
    plan.resources
        .iter()
        .filter(|r| r.local().is_some_and(|l| !l.allow_parallel))
        .find(|r| state.resources.get(&r.name).is_some_and(|s| s.local.running.is_some()))
        .map(|r| r.name.clone())
}

/// Objects that belong to no resource go first, once.
fn waits_for_uncategorized(state: &State, resource: &Resource) -> bool {
    if resource.name == UNCATEGORIZED {
        return false;
    }
    state.resources.get(UNCATEGORIZED).is_some_and(|r| {
        r.enabled && (r.apply.running.is_some() || (r.apply.done.is_none() && r.apply.failed.is_none()))
    })
}

/// Dependencies that were never ready, or objects that are not there.
pub(crate) fn unmet_dependencies(state: &State, resource: &Resource) -> Vec<String> {
    resource
        .resource_deps
        .iter()
        .filter_map(|dep| match dep {
            Dependency::Resource(name) => {
                let other = state.resources.get(name);
                other.is_none_or(|r| r.enabled && !r.ever_ready).then(|| name.clone())
            }
            Dependency::Object { name, kind, namespace } => {
                let there =
                    state.objects.iter().any(|o| object_fits(o, name, kind.as_deref(), namespace.as_deref()));
                (!there).then(|| match kind {
                    Some(kind) => format!("{}/{name}", kind.to_lowercase()),
                    None => name.clone(),
                })
            }
        })
        .collect()
}

fn object_fits(object: &ObjectRef, name: &str, kind: Option<&str>, namespace: Option<&str>) -> bool {
    object.name == name
        && kind.is_none_or(|k| k.eq_ignore_ascii_case(&object.kind))
        && namespace.is_none_or(|n| object.namespace == n || object.namespace.is_empty())
}

/// An image may be built while its resource waits, unless a local command that it waits for may make its files.
fn may_build_early(state: &State, plan: &Plan, resource: &Resource) -> bool {
    let mut pending = vec![resource];
    let mut seen: Vec<&str> = Vec::new();
    while let Some(current) = pending.pop() {
        for dep in &current.resource_deps {
            let Dependency::Resource(name) = dep else { continue };
            if seen.contains(&name.as_str()) || state.resources.get(name).is_some_and(|r| r.ever_ready) {
                continue;
            }
            seen.push(name);
            let Some(other) = plan.resource(name) else { continue };
            if other.local().is_some() || other.k8s().is_some_and(|k| k.custom_deploy.is_some()) {
                return false;
            }
            pending.push(other);
        }
    }
    true
}

/// A trigger is spent when nothing that it asked for is left.
fn finish_triggers(state: &mut State) {
    let Some(plan) = state.plan.clone() else { return };
    for resource in &plan.resources {
        let Some(k8s) = resource.k8s() else { continue };
        let steady = k8s.images.iter().all(|i| is_steady(state, &plan.images[*i].reference));
        let Some(entry) = state.resources.get_mut(&resource.name) else { continue };
        if entry.triggered
            && steady
            && (entry.apply.running.is_some() || resource.trigger_mode == TriggerMode::Manual)
        {
            entry.triggered = false;
        }
    }
}

/// Why a resource that has something to do does not do it.
pub(crate) fn hold(state: &State, plan: &Plan, resource: &Resource) -> Option<Hold> {
    let entry = state.resources.get(&resource.name)?;
    if !entry.enabled || entry.apply.running.is_some() || entry.local.running.is_some() {
        return None;
    }
    let names: Vec<&str> =
        resource.k8s().iter().flat_map(|k| &k.images).map(|i| plan.images[*i].reference.as_str()).collect();
    let building = names.iter().any(|n| state.images.get(*n).is_some_and(|i| i.running.is_some()));
    let wants = !entry.started || names.iter().any(|n| wants_build(state, n).is_some());
    if building || !wants {
        return None;
    }
    if state.tiltfile.loading {
        return Some(Hold::TiltfileReload);
    }
    if !may_update(resource, entry) {
        return Some(Hold::Manual);
    }
    if !entry.started {
        let unmet = unmet_dependencies(state, resource);
        if !unmet.is_empty() {
            return Some(Hold::Dependencies { names: unmet });
        }
    }
    if let Some(name) = lonely_local(state, plan) {
        return Some(Hold::Local { name });
    }
    if resource.k8s().is_some() && waits_for_uncategorized(state, resource) {
        return Some(Hold::Uncategorized);
    }
    (!has_slot(state, plan)).then_some(Hold::Parallelism)
}
