//! Bringing containers up to date with the source tree.

use crate::effect::{Effect, PodRef, RunStep, Sync, SyncFile};
use crate::event::{ContainerFact, ContainerRef, ContainerState, PodFact, PodPhase, SyncError};
use crate::images::{is_steady, owner, seconds};
use crate::state::{ContainerSync, ImageState, State, SyncRun};
use crate::status::{Line, Mark};
use std::path::Path;
use tiltfile::ImageRef;
use tiltfile::plan::{LiveUpdateSelector, Resource, TriggerMode};

/// Takes new facts about pods: containers that are gone are forgotten, new ones get their mark.
pub(crate) fn note_pods(state: &mut State, resource: &str, pods: Vec<PodFact>) {
    let Some(entry) = state.resources.get_mut(resource) else { return };
    entry.pods = pods;
    let alive: Vec<ContainerRef> = state
        .resources
        .values()
        .flat_map(|r| &r.pods)
        .flat_map(refs)
        .map(|(reference, _)| reference)
        .collect();
    state.containers.retain(|c, _| alive.contains(c));
}

fn refs(pod: &PodFact) -> impl Iterator<Item = (ContainerRef, &ContainerFact)> {
    pod.containers.iter().filter(|c| !c.id.is_empty()).map(|c| {
        let reference = ContainerRef {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            container: c.name.clone(),
            id: c.id.clone(),
        };
        (reference, c)
    })
}

/// The container runs the image, as far as we can tell from its reference.
fn runs_image(container: &ContainerFact, image: &ImageState) -> bool {
    let live_update = image.definition.live_update.as_ref();
    if let Some(LiveUpdateSelector::ContainerName(name)) = live_update.map(|l| &l.selector) {
        return container.name == *name;
    }
    if image.is_live_update_only() {
        let name = |text: &str| ImageRef::parse(text).map(|r| r.name).unwrap_or_default();
        return name(&container.image) == name(&image.definition.reference);
    }
    image.current.as_ref().is_some_and(|c| same_reference(&c.reference, &container.image))
}

fn same_reference(a: &str, b: &str) -> bool {
    a == b || matches!((ImageRef::parse(a), ImageRef::parse(b)), (Ok(a), Ok(b)) if a == b)
}

/// All that can be done for the containers of a resource now.
pub(crate) fn plan_syncs(state: &mut State, resource: &Resource, now_ms: u64) -> Vec<Effect> {
    let mut effects = Vec::new();
    let Some(k8s) = resource.k8s() else { return effects };
    let Some(plan) = state.plan.clone() else { return effects };
    let names: Vec<String> = k8s.images.iter().map(|i| plan.images[*i].reference.clone()).collect();
    let pods = state.resources.get(&resource.name).map(|r| r.pods.clone()).unwrap_or_default();
    for name in names {
        let syncs = state.images.get(&name).is_some_and(|i| i.sync.is_some());
        if !syncs || !is_steady(state, &name) {
            continue;
        }
        for pod in pods.iter().filter(|p| !p.terminating) {
            if matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed) {
                continue;
            }
            effects.extend(for_pod(state, resource, &name, pod, now_ms));
        }
    }
    effects
}

fn for_pod(state: &mut State, resource: &Resource, name: &str, pod: &PodFact, now_ms: u64) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut containers: Vec<(ContainerRef, &ContainerFact)> = refs(pod).collect();
    containers.retain(|(_, c)| state.images.get(name).is_some_and(|i| runs_image(c, i)));
    if containers.is_empty() {
        return effects;
    }
    let ours = containers.iter().any(|(r, _)| state.containers.contains_key(r));
    if pod.live_updated && !ours {
        if state.replaced_pods.insert(pod.uid.clone()) {
            effects.push(replace(resource, pod, "an earlier session changed files in it"));
        }
        return effects;
    }
    if state.replaced_pods.contains(&pod.uid) {
        return effects;
    }
    for (reference, fact) in containers {
        note_container(state, name, &reference);
        if state.containers.get(&reference).is_some_and(|c| c.broken) {
            if state.replaced_pods.insert(pod.uid.clone()) {
                effects.push(replace(resource, pod, "a live update failed in it"));
            }
            return effects;
        }
        match &fact.state {
            ContainerState::Running => {
                effects.extend(for_container(state, resource, name, &reference, now_ms))
            }
            waiting if waiting.waits_with("CrashLoopBackOff") => {
                force_if_pending(state, name, &reference, "the container keeps crashing");
            }
            ContainerState::Waiting { .. } | ContainerState::Terminated { .. } => {}
        }
    }
    effects
}

fn replace(resource: &Resource, pod: &PodFact, reason: &str) -> Effect {
    Effect::ReplacePod {
        resource: resource.name.clone(),
        pod: PodRef { namespace: pod.namespace.clone(), name: pod.name.clone(), uid: pod.uid.clone() },
        reason: reason.to_owned(),
    }
}

/// At first sight a container holds what its image was built from, no more.
fn note_container(state: &mut State, name: &str, reference: &ContainerRef) {
    if state.containers.contains_key(reference) {
        return;
    }
    let Some(image) = state.images.get(name) else { return };
    let mark = match &image.current {
        Some(current) => image.known.get(&current.reference).copied().unwrap_or(current.started),
        None => 0,
    };
    let initial = image.sync.as_ref().is_some_and(|s| s.initial);
    let entry = ContainerSync { image: name.to_owned(), mark, initial, running: None, broken: false };
    state.containers.insert(reference.clone(), entry);
}

/// A container that cannot be updated but should be: the image must be built.
fn force_if_pending(state: &mut State, name: &str, reference: &ContainerRef, why: &str) {
    let Some(mark) = state.containers.get(reference).map(|c| c.mark) else { return };
    let Some(image) = state.images.get_mut(name) else { return };
    let pending = image.changes.since(mark).any(|(p, _)| image.sync.as_ref().is_some_and(|s| s.covers(p)));
    let failed_since = image.failed.as_ref().is_some_and(|f| image.changes.since(f.started).next().is_none());
    if pending && !failed_since && !image.is_live_update_only() {
        image.forced = Some(format!("{why}, so its files cannot be updated"));
    }
}

fn for_container(
    state: &mut State,
    resource: &Resource,
    name: &str,
    reference: &ContainerRef,
    now_ms: u64,
) -> Option<Effect> {
    let upto = state.seq;
    let manual = resource.trigger_mode == TriggerMode::Manual
        && state.resources.get(&resource.name).is_some_and(|r| !r.triggered);
    let container = state.containers.get(reference)?;
    if container.running.is_some() || manual {
        return None;
    }
    let image = state.images.get(name)?;
    let rules = image.sync.as_ref()?;
    let mut sync = Sync {
        resource: resource.name.clone(),
        image: name.to_owned(),
        round: 0,
        container: reference.clone(),
        deletes: Vec::new(),
        files: Vec::new(),
        then: Vec::new(),
        restart: rules.restart,
    };
    let mut paths: Vec<&Path> = Vec::new();
    if container.initial {
        for (local, target) in rules.sources() {
            sync.files.push(SyncFile {
                local: local.to_owned(),
                container: target.to_owned(),
                recursive: true,
            });
        }
    }
    for (path, entry) in image.changes.since(container.mark) {
        let Some(target) = rules.target(path) else { continue };
        paths.push(path);
        if entry.removed > container.mark {
            // what is below a deleted directory goes with it
            let inside = sync.deletes.last().is_some_and(|d| target.starts_with(&format!("{d}/")));
            if !inside {
                sync.deletes.push(target.clone());
            }
        }
        if entry.exists() {
            sync.files.push(SyncFile { local: path.to_owned(), container: target, recursive: false });
        }
    }
    if sync.files.is_empty() && sync.deletes.is_empty() {
        return None;
    }
    let runs: Vec<RunStep> = if container.initial {
        rules.runs.iter().map(|r| RunStep { argv: r.argv.clone(), echo_off: r.echo_off }).collect()
    } else {
        rules.runs_for(&paths).map(|r| RunStep { argv: r.argv.clone(), echo_off: r.echo_off }).collect()
    };
    sync.then = runs;
    let count = sync.files.len() + sync.deletes.len();
    let round = state.next_round();
    sync.round = round;
    let container = state.containers.get_mut(reference)?;
    container.running = Some(SyncRun { round, upto, since_ms: now_ms, count });
    Some(Effect::Sync(sync))
}

pub(crate) fn done(
    state: &mut State,
    reference: &ContainerRef,
    round: u64,
    result: Result<(), SyncError>,
    now_ms: u64,
) -> Vec<Effect> {
    let Some(container) = state.containers.get_mut(reference) else { return Vec::new() };
    let Some(run) = container.running.take_if(|r| r.round == round) else { return Vec::new() };
    let image = container.image.clone();
    let took = seconds(now_ms.saturating_sub(run.since_ms));
    let name = format!("{}/{}", reference.pod, reference.container);
    let resource = state
        .resources
        .iter()
        .find(|(_, r)| r.pods.iter().any(|p| p.name == reference.pod && p.namespace == reference.namespace))
        .map(|(n, _)| n.clone())
        .unwrap_or_else(|| owner(state, &image));
    let Some(container) = state.containers.get_mut(reference) else { return Vec::new() };
    let mut step_error = None;
    let line = match result {
        Ok(()) => {
            container.mark = run.upto;
            container.initial = false;
            let text = format!(
                "updated {} file{} in {name} in {took}",
                run.count,
                if run.count == 1 { "" } else { "s" }
            );
            Line { resource: resource.clone(), mark: Mark::Done, text }
        }
        Err(SyncError::Step { argv, code, output }) => {
            container.mark = run.upto;
            container.initial = false;
            let command = argv.join(" ");
            let text = format!("{command:?} failed in {name} with exit code {code}{}", exit_hint(code));
            step_error = Some(text.clone());
            let text = if output.is_empty() { text } else { format!("{text}\n{output}") };
            Line { resource: resource.clone(), mark: Mark::Failed, text }
        }
        Err(SyncError::Transport { message }) => {
            container.broken = true;
            if let Some(image) = state.images.get_mut(&image).filter(|i| !i.is_live_update_only()) {
                image.forced = Some("a live update failed".to_owned());
            }
            let text = format!("live update of {name} failed: {message}; building the image instead");
            Line { resource: resource.clone(), mark: Mark::Warning, text }
        }
    };
    if let Some(entry) = state.resources.get_mut(&resource) {
        entry.step_error = step_error;
    }
    vec![Effect::Say(line)]
}

fn exit_hint(code: i32) -> &'static str {
    match code {
        137 => " (killed by container runtime)",
        126 | 127 => " (not found in PATH or not executable)",
        _ => "",
    }
}
