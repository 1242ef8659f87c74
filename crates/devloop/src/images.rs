//! When an image is to be built.

use crate::effect::Effect;
use crate::event::{Built, Change, ImageName};
use crate::log::{Entry, Seq};
use crate::state::{FailedBuild, GoodBuild, ImageState, Running, State};
use crate::status::{Line, Mark};
use std::path::Path;
use tiltfile::Plan;
use tiltfile::plan::{ImageBuild, ImageKind};

/// Why an image is built for the first time.
const INITIAL: &str = "initial build";

/// Sorts a change set into the logs of all images.
pub(crate) fn note_changes(state: &mut State, changes: &[Change]) {
    let seq = state.seq;
    for change in changes {
        state.log.add(change, seq);
        let touched: Vec<ImageName> = state
            .images
            .iter()
            .filter(|(_, i)| i.watched.touches(&change.path))
            .map(|(n, _)| n.clone())
            .collect();
        for (name, image) in &mut state.images {
            if touched.contains(name) || image.bases.iter().any(|b| touched.contains(b)) {
                image.changes.add(change, seq);
            }
        }
        for name in touched {
            if !is_covered(&state.images, &name, &change.path)
                && let Some(image) = state.images.get_mut(&name)
            {
                image.uncovered.insert(change.path.clone(), seq);
            }
        }
    }
}

/// Sorts the whole log again, for an image whose rules are new.
pub(crate) fn renote(state: &mut State, name: &str) {
    let entries: Vec<(std::path::PathBuf, Entry)> =
        state.log.iter().map(|(p, e)| (p.to_owned(), e)).collect();
    for (path, entry) in entries {
        let own = state.images.get(name).is_some_and(|i| i.watched.touches(&path));
        let base = state.images.get(name).is_some_and(|i| {
            i.bases.iter().any(|b| state.images.get(b).is_some_and(|b| b.watched.touches(&path)))
        });
        let covered = !own || is_covered(&state.images, name, &path);
        let Some(image) = state.images.get_mut(name) else { return };
        if own || base {
            image.changes.set(&path, entry);
        }
        if !covered && image.current.as_ref().is_none_or(|c| entry.last() > c.started) {
            image.uncovered.insert(path, entry.last());
        }
    }
}

/// A live update carries a change of this image: its own rules, or if only others are made from it, all of theirs.
fn is_covered(images: &std::collections::BTreeMap<ImageName, ImageState>, name: &str, path: &Path) -> bool {
    let covers = |image: &ImageState| image.sync.as_ref().is_some_and(|s| s.covers(path));
    let mut children = images.values().filter(|i| i.bases.iter().any(|b| b == name)).peekable();
    let own = images.get(name).is_some_and(|i| i.sync.is_some());
    if own || children.peek().is_none() {
        return images.get(name).is_some_and(covers);
    }
    children.all(covers)
}

/// Why the image must be built now, if it must. A build that failed is not tried again until something changed.
pub(crate) fn wants_build(state: &State, name: &str) -> Option<String> {
    let image = state.images.get(name)?;
    if image.is_live_update_only() {
        return None;
    }
    if let Some(reason) = &image.forced {
        return Some(reason.clone());
    }
    if let Some(failed) = &image.failed {
        let newer = image.changes.since(failed.started).next().map(|(p, _)| p.to_owned());
        return newer.map(|p| format!("changed {}", p.display()));
    }
    needs_build(state, image)
}

/// The image that is there is not what the source tree says.
pub(crate) fn needs_build(state: &State, image: &ImageState) -> Option<String> {
    let Some(current) = &image.current else { return Some(INITIAL.to_owned()) };
    if let Some(path) = image.uncovered.keys().next() {
        let more = image.uncovered.len() - 1;
        let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
        return Some(format!("changed {}{tail}", path.display()));
    }
    for (base, used) in &current.bases {
        let now = state.images.get(base).and_then(|b| b.current.as_ref());
        if now.is_some_and(|n| n.reference != *used) {
            return Some(format!("{base} was built anew"));
        }
    }
    None
}

/// No build of this image or of one that it is made from is due, under way, or failed.
pub(crate) fn is_steady(state: &State, name: &str) -> bool {
    let Some(image) = state.images.get(name) else { return false };
    let own = |image: &ImageState| {
        image.running.is_none()
            && image.forced.is_none()
            && (image.is_live_update_only()
                || (image.current.is_some() && needs_build(state, image).is_none()))
    };
    own(image) && image.bases.iter().all(|b| state.images.get(b).is_some_and(own))
}

/// Starts a build if all images that it is made from are there.
pub(crate) fn start(state: &mut State, name: &str, reason: String, now_ms: u64) -> Vec<Effect> {
    let build = begin(state, name, reason.clone(), now_ms);
    let again = (build.is_some() && reason != INITIAL).then(|| {
        let text = format!("building {name}: {reason}");
        Effect::Say(Line { resource: owner(state, name), mark: Mark::Info, text })
    });
    again.into_iter().chain(build).collect()
}

fn begin(state: &mut State, name: &str, reason: String, now_ms: u64) -> Option<Effect> {
    let direct: Vec<ImageName> = {
        let plan = state.plan.as_ref()?;
        let image = plan.images.iter().find(|i| i.reference == name)?;
        image.image_deps.iter().map(|d| plan.images[*d].reference.clone()).collect()
    };
    if !direct.iter().all(|b| is_steady(state, b)) {
        return None;
    }
    let bases: Vec<(ImageName, String)> = direct
        .into_iter()
        .filter_map(|b| {
            let reference = state.images.get(&b)?.current.as_ref()?.reference.clone();
            Some((b, reference))
        })
        .collect();
    let (round, started) = (state.next_round(), state.seq);
    let image = state.images.get_mut(name)?;
    image.running =
        Some(Running { round, started, since_ms: now_ms, bases: bases.clone(), reason: reason.clone() });
    image.forced = None;
    Some(Effect::BuildImage { image: name.to_owned(), round, reason, base_images: bases })
}

pub(crate) fn done(
    state: &mut State,
    name: &str,
    round: u64,
    result: Result<Built, String>,
    now_ms: u64,
) -> Vec<Effect> {
    let Some(image) = state.images.get_mut(name) else { return Vec::new() };
    let Some(running) = image.running.take_if(|r| r.round == round) else { return Vec::new() };
    let took = seconds(now_ms.saturating_sub(running.since_ms));
    let resource = owner(state, name);
    match result {
        Ok(built) => {
            let mut effects = Vec::new();
            if !built.cached || running.reason != INITIAL {
                let note = if built.cached { ", nothing to do" } else { "" };
                let text = format!("built {name} in {took}{note}");
                effects.push(Effect::Say(Line { resource, mark: Mark::Done, text }));
            } else {
                let text = format!("{name} is up to date");
                effects.push(Effect::Say(Line { resource, mark: Mark::Done, text }));
            }
            settle(state, name, &built.reference, running);
            effects
        }
        Err(message) => {
            let text = format!("building {name} failed after {took}: {message}");
            if let Some(image) = state.images.get_mut(name) {
                image.failed = Some(FailedBuild { started: running.started, message });
            }
            vec![Effect::Say(Line { resource, mark: Mark::Failed, text })]
        }
    }
}

fn settle(state: &mut State, name: &str, reference: &str, running: Running) {
    let Some(image) = state.images.get_mut(name) else { return };
    let started: Seq = running.started;
    image.failed = None;
    image.uncovered.retain(|_, seq| *seq > started);
    image.known.insert(reference.to_owned(), started);
    image.current = Some(GoodBuild { reference: reference.to_owned(), started, bases: running.bases });
}

/// The first resource that the image is for.
pub(crate) fn owner(state: &State, name: &str) -> String {
    let Some(plan) = &state.plan else { return String::new() };
    let uses = |r: &&tiltfile::Resource| {
        r.k8s().is_some_and(|k| k.images.iter().any(|i| plan.images[*i].reference == name))
    };
    plan.resources.iter().find(uses).map(|r| r.name.clone()).unwrap_or_default()
}

pub(crate) fn seconds(ms: u64) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{}.{} s", ms / 1000, ms % 1000 / 100) }
}

/// Takes the images of a new plan over.
pub(crate) fn load(state: &mut State, plan: &Plan) {
    let names: Vec<&str> = plan.images.iter().map(|i| i.reference.as_str()).collect();
    state.images.retain(|name, _| names.contains(&name.as_str()));
    for (index, definition) in plan.images.iter().enumerate() {
        let fresh = ImageState::new(plan, index);
        match state.images.get_mut(&definition.reference) {
            None => {
                state.images.insert(definition.reference.clone(), fresh);
            }
            Some(image) => {
                if !builds_alike(&image.definition, definition) {
                    image.forced = Some("its definition changed".to_owned());
                    image.failed = None;
                }
                image.definition = fresh.definition;
                image.watched = fresh.watched;
                image.sync = fresh.sync;
                image.bases = fresh.bases;
                image.changes = fresh.changes;
                image.uncovered.clear();
            }
        }
    }
    for name in names {
        renote(state, name);
    }
}

/// Both definitions give the same image from the same tree.
fn builds_alike(a: &ImageBuild, b: &ImageBuild) -> bool {
    match (&a.kind, &b.kind) {
        (ImageKind::Docker(a), ImageKind::Docker(b)) => {
            let mut a = a.clone();
            a.cache_from.clone_from(&b.cache_from);
            a.dockerfile.path.clone_from(&b.dockerfile.path);
            a == *b
        }
        (ImageKind::Custom(a), ImageKind::Custom(b)) => a == b,
        _ => false,
    }
}
