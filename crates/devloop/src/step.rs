//! One event in, effects out.

use crate::effect::Effect;
use crate::event::{Change, Event};
use crate::images::seconds;
use crate::state::{ObjectKey, State};
use crate::status::{Line, Mark};
use crate::{forward, images, plans, readiness, schedule, sync};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use tiltfile::Plan;
use tiltfile::plan::UNCATEGORIZED;

/// Takes one event, gives what to do now. Time is in milliseconds from any beginning.
pub fn step(state: &mut State, event: Event, now_ms: u64) -> Vec<Effect> {
    let mut effects = take(state, event, now_ms);
    // one thing may make way for the next
    loop {
        let more = schedule::run(state, now_ms);
        let plan = state.plan.clone();
        let news = plan.is_some_and(|plan| readiness::note_ready(state, &plan));
        let quiet = more.is_empty();
        effects.extend(more);
        if quiet && !news {
            break;
        }
    }
    let Some(plan) = state.plan.clone() else { return effects };
    for resource in &plan.resources {
        effects.extend(forward::plan_forwards(state, resource));
    }
    for resource in &plan.resources {
        let status = readiness::status(state, &plan, resource);
        if let Some(entry) = state.resources.get_mut(&resource.name).filter(|r| r.status != status) {
            entry.status = status.clone();
            effects.push(Effect::Status { resource: resource.name.clone(), status });
        }
    }
    effects
}

fn take(state: &mut State, event: Event, now_ms: u64) -> Vec<Effect> {
    match event {
        Event::PlanLoaded { plan, files_read } => plan_loaded(state, plan, files_read),
        Event::PlanFailed { message, files_read } => {
            state.tiltfile.files.extend(files_read);
            state.tiltfile.loading = false;
            state.tiltfile.error = Some(message.clone());
            let mut effects = vec![say("", Mark::Failed, message)];
            effects.extend(reload_again(state));
            effects
        }
        Event::FilesChanged { changes } => files_changed(state, &changes),
        Event::BuildDone { image, round, result } => images::done(state, &image, round, result, now_ms),
        Event::ApplyDone { resource, round, result } => apply_done(state, &resource, round, result, now_ms),
        Event::DeleteDone { round, result } => {
            state.deleting.remove(&round);
            let resource = state.undeploying.remove(&round);
            match (result, resource) {
                (Ok(()), None) => Vec::new(),
                (Ok(()), Some(name)) => vec![say(&name, Mark::Done, format!("{name} taken down"))],
                (Err(message), None) => {
                    vec![say("", Mark::Failed, format!("deleting objects failed: {message}"))]
                }
                (Err(message), Some(name)) => {
                    vec![say(&name, Mark::Failed, format!("the delete command failed: {message}"))]
                }
            }
        }
        Event::SyncDone { container, round, result, .. } => {
            sync::done(state, &container, round, result, now_ms)
        }
        Event::PodsChanged { resource, pods } => {
            sync::note_pods(state, &resource, pods);
            Vec::new()
        }
        Event::ObjectSeen { object } => {
            state.objects.insert(object);
            Vec::new()
        }
        Event::ObjectGone { object } => {
            state.objects.remove(&object);
            Vec::new()
        }
        Event::LocalDone { resource, round, result } => local_done(state, &resource, round, result, now_ms),
        Event::ServeChanged { resource, serve } => {
            if let Some(entry) = state.resources.get_mut(&resource).filter(|r| r.local.serving) {
                entry.local.serve = Some(serve);
            }
            Vec::new()
        }
        Event::Trigger { resource } => trigger(state, &resource),
        Event::EnabledChanged { resources } => plans::enable(state, &resources),
        Event::Tick => Vec::new(),
    }
}

fn say(resource: &str, mark: Mark, text: String) -> Effect {
    Effect::Say(Line { resource: resource.to_owned(), mark, text })
}

fn plan_loaded(state: &mut State, plan: Arc<Plan>, files_read: BTreeSet<PathBuf>) -> Vec<Effect> {
    state.tiltfile.files = files_read;
    state.tiltfile.loading = false;
    state.tiltfile.error = None;
    let mut effects = plans::load(state, plan);
    effects.extend(reload_again(state));
    effects
}

fn reload_again(state: &mut State) -> Option<Effect> {
    if !std::mem::take(&mut state.tiltfile.again) {
        return None;
    }
    state.tiltfile.loading = true;
    Some(Effect::LoadTiltfile { reason: "it changed while it was being read".to_owned() })
}

fn files_changed(state: &mut State, changes: &[Change]) -> Vec<Effect> {
    if changes.is_empty() {
        return Vec::new();
    }
    state.seq += 1;
    images::note_changes(state, changes);
    let ignores = state.plan.as_ref().map(|p| tiltfile::ignore::IgnoreSet::new(&p.settings.watch_ignores));
    let hit = changes.iter().map(|c| &c.path).find(|path| {
        // a directory that was read means all that is below it
        let read = state.tiltfile.files.iter().any(|f| path.starts_with(f) || f.starts_with(path));
        read && !ignores.as_ref().is_some_and(|i| i.is_ignored(path))
    });
    let Some(path) = hit else { return Vec::new() };
    if state.tiltfile.loading {
        state.tiltfile.again = true;
        return Vec::new();
    }
    if state.plan.is_none() && state.tiltfile.error.is_none() {
        return Vec::new();
    }
    state.tiltfile.loading = true;
    vec![Effect::LoadTiltfile { reason: format!("changed {}", path.display()) }]
}

fn apply_done(
    state: &mut State,
    resource: &str,
    round: u64,
    result: Result<Vec<Value>, String>,
    now_ms: u64,
) -> Vec<Effect> {
    let plan = state.plan.clone();
    let Some(entry) = state.resources.get_mut(resource) else { return Vec::new() };
    let Some(run) = entry.apply.running.take_if(|r| r.round == round) else { return Vec::new() };
    let took = seconds(now_ms.saturating_sub(run.since_ms));
    match result {
        Ok(told) => {
            entry.apply.failed = None;
            entry.step_error = None;
            if entry.apply.delete.is_some() {
                entry.apply.told = told;
            }
            let objects =
                plan.as_ref().and_then(|p| p.resource(resource)).and_then(|r| r.k8s()).map(|k| &k.objects);
            for object in objects.into_iter().flatten() {
                state.applied.insert(ObjectKey::of(object), (object.clone(), resource.to_owned()));
            }
            if let Some(entry) = state.resources.get_mut(resource) {
                entry.apply.done = Some(run.objects);
            }
            let what = if resource == UNCATEGORIZED { "objects" } else { resource };
            vec![say(resource, Mark::Done, format!("applied {what} in {took}"))]
        }
        Err(message) => {
            let text = format!("applying failed after {took}: {message}");
            entry.apply.failed = Some((run.objects, message));
            vec![say(resource, Mark::Failed, text)]
        }
    }
}

fn local_done(
    state: &mut State,
    name: &str,
    round: u64,
    result: Result<(), String>,
    now_ms: u64,
) -> Vec<Effect> {
    let plan = state.plan.clone();
    let Some(entry) = state.resources.get_mut(name) else { return Vec::new() };
    let Some((_, since)) = entry.local.running.take_if(|(r, _)| *r == round) else { return Vec::new() };
    let took = seconds(now_ms.saturating_sub(since));
    match result {
        Ok(()) => {
            entry.local.done = true;
            entry.local.failed = None;
            let mut effects = vec![say(name, Mark::Done, format!("{name} done in {took}"))];
            let resource = plan.as_ref().and_then(|p| p.resource(name));
            if let Some((resource, local)) = resource.and_then(|r| Some((r, r.local()?))) {
                effects.extend(schedule::serve(entry, resource, local));
            }
            effects
        }
        Err(message) => {
            let text = format!("{name} failed after {took}: {message}");
            entry.local.failed = Some(message);
            vec![say(name, Mark::Failed, text)]
        }
    }
}

fn trigger(state: &mut State, name: &str) -> Vec<Effect> {
    let Some(plan) = state.plan.clone() else { return Vec::new() };
    let Some(resource) = plan.resource(name) else { return Vec::new() };
    let Some(entry) = state.resources.get_mut(name).filter(|r| r.enabled) else { return Vec::new() };
    entry.triggered = true;
    entry.apply.failed = None;
    let first = !entry.started;
    let manual = resource.trigger_mode == tiltfile::plan::TriggerMode::Manual;
    for index in resource.k8s().iter().flat_map(|k| &k.images) {
        let Some(image) = state.images.get_mut(&plan.images[*index].reference) else { continue };
        if image.failed.take().is_some() || (!manual && !first && !image.is_live_update_only()) {
            image.forced = Some("it was triggered".to_owned());
        }
    }
    Vec::new()
}
