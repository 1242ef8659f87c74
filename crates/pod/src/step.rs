//! Taking in a fact.

use crate::backoff::after;
use crate::container::{Container, ImageState, Phase, Running, Terminated};
use crate::event::{Action, Event, EventKind, HookKind, ImageFailure, StartFailure};
use crate::probe::{Outcome, ProbeKind};
use crate::spec::{ContainerKind, PodSpec};
use crate::state::{PodState, Stage, Teardown};
use crate::{decide, resize, stop};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// Takes in a fact and says what to do next.
pub fn step(state: &mut PodState, event: Event, now: Timestamp) -> Vec<Action> {
    let mut out = Vec::new();
    take_in(state, event, now, &mut out);
    decide::decide(state, now, &mut out);
    state.refresh_conditions(now);
    out
}

fn take_in(state: &mut PodState, event: Event, now: Timestamp, out: &mut Vec<Action>) {
    match event {
        Event::Spec(pod) => new_spec(state, pod),
        Event::Gone => state.gone = true,
        Event::SandboxReady { ip } => {
            state.sandbox = Stage::Ready;
            state.ip = ip;
        }
        Event::SandboxFailed { message } => {
            let message = format!("Failed to create pod sandbox: {message}");
            record(out, EventKind::Warning, "FailedCreatePodSandBox", message, None);
            state.sandbox = failed(&state.sandbox, now);
        }
        Event::SandboxLost => lose_sandbox(state, now, out),
        Event::VolumesReady => state.volumes = Stage::Ready,
        Event::VolumesFailed { message } => {
            record(out, EventKind::Warning, "FailedMount", message, None);
            state.volumes = failed(&state.volumes, now);
        }
        Event::ObjectsChanged => objects_changed(state),
        Event::ResizeJudged { refusal } => resize::judged(state, refusal, now, out),
        Event::Resized { container, id, resources, failure } => {
            resize::done(state, (&container, &id), resources, failure, now, out);
        }
        Event::TornDown => state.teardown = Teardown::Done,
        Event::Tick => resize::actuate(state, now, out),
        Event::Restart { container } => {
            if let Some(at) = state.index(&container).filter(|at| state.containers[*at].running().is_some()) {
                state.containers[at].forced = true;
                let grace = state.spec.grace_seconds;
                stop::begin(state, at, grace, format!("Container {container} is restarted"), now, out);
            }
        }
        Event::ImageReady { container, image_id, pulled } => {
            image_ready(state, &container, image_id, pulled, out)
        }
        Event::ImageFailed { container, failure, message } => {
            image_failed(state, &container, failure, message, now, out);
        }
        Event::Started { container, id, at } => started(state, &container, &id, at, out),
        Event::StartFailed { container, failure, message } => {
            start_failed(state, &container, failure, message, now, out);
        }
        Event::Exited { container, id, exit } => exited(state, &container, &id, exit, out),
        Event::HookDone { container, id, kind, failure } => {
            hook_done(state, &container, &id, kind, failure, now, out);
        }
        Event::Probed { container, id, kind, outcome } => {
            probed(state, &container, &id, kind, outcome, now, out)
        }
    }
}

pub(crate) fn record(
    out: &mut Vec<Action>,
    kind: EventKind,
    reason: &'static str,
    message: String,
    container: Option<&str>,
) {
    out.push(Action::Record { kind, reason, message, container: container.map(str::to_owned) });
}

/// Half a second at first, doubling up to two minutes: these failures often pass by themselves.
fn failed(before: &Stage, now: Timestamp) -> Stage {
    let tries = match before {
        Stage::Failed { tries, .. } => tries + 1,
        _ => 1,
    };
    let wait = jiff::SignedDuration::from_millis(500 << tries.min(8));
    Stage::Failed { tries, retry_at: now.checked_add(wait).unwrap_or(Timestamp::MAX) }
}

fn new_spec(state: &mut PodState, pod: Arc<Value>) {
    let spec = PodSpec::read(&pod);
    state.containers.retain(|c| spec.container(&c.name).is_some());
    let mut old = std::mem::take(&mut state.containers);
    for container in &spec.containers {
        let mut known = match old.iter().position(|c| c.name == container.name) {
            Some(at) => old.swap_remove(at),
            None => Container::new(&container.name),
        };
        let asked_for = state.spec.container(&container.name).map(|c| &c.image);
        if asked_for.is_some_and(|image| *image != container.image) && known.running().is_none() {
            // A corrected image is tried at once.
            known.image = ImageState::Unknown;
            known.pull_backoff = Default::default();
            known.backoff = Default::default();
            known.retry_at = None;
            known.waiting = None;
        }
        state.containers.push(known);
    }
    state.spec = spec;
    state.object = pod;
    resize::new_spec(state);
}

pub(crate) fn lose_sandbox(state: &mut PodState, now: Timestamp, out: &mut Vec<Action>) {
    for container in &mut state.containers {
        if let Phase::Running(running) = &container.phase {
            let id = format!("{}{}", crate::status::ID_SCHEME, running.id);
            container.phase = Phase::Exited(Terminated::unknown(&id, Some(running.started_at), now));
        } else if container.alive() {
            container.phase = Phase::Idle;
        }
    }
    state.sandbox = Stage::Todo;
    state.volumes = Stage::Todo;
    state.ip = None;
    if state.ending() || state.init_failed() || state.completed() {
        return;
    }
    record(
        out,
        EventKind::Normal,
        "SandboxChanged",
        "Pod sandbox changed, it will be killed and re-created.".into(),
        None,
    );
    let again: Vec<bool> = state
        .containers
        .iter()
        .zip(&state.spec.containers)
        .map(|(c, spec)| {
            spec.kind == ContainerKind::Init || c.exit().is_none_or(|e| state.restarts(spec, e.exit_code))
        })
        .collect();
    for (container, again) in state.containers.iter_mut().zip(again) {
        if again {
            container.reset();
        }
    }
}

fn objects_changed(state: &mut PodState) {
    if matches!(state.volumes, Stage::Failed { .. }) {
        state.volumes = Stage::Todo;
    }
    for container in state.containers.iter_mut().filter(|c| c.wants_objects) {
        container.wants_objects = false;
        container.retry_at = None;
    }
}

fn image_ready(
    state: &mut PodState,
    name: &str,
    image_id: String,
    pulled: Option<String>,
    out: &mut Vec<Action>,
) {
    let Some(at) = state.index(name) else { return };
    let image = &state.spec.containers[at].image;
    let message = pulled.unwrap_or_else(|| {
        format!("Container image \"{image}\" already present on machine and can be accessed by the pod")
    });
    let container = &mut state.containers[at];
    if container.image != ImageState::Asked {
        return;
    }
    record(out, EventKind::Normal, "Pulled", message, Some(name));
    container.image = ImageState::Ready;
    container.image_id = image_id;
    container.pull_backoff = Default::default();
    container.retry_at = None;
    if container.waiting.as_ref().is_some_and(|(reason, _)| reason.contains("Image")) {
        container.waiting = None;
    }
}

fn image_failed(
    state: &mut PodState,
    name: &str,
    failure: ImageFailure,
    message: String,
    now: Timestamp,
    out: &mut Vec<Action>,
) {
    let Some(at) = state.index(name) else { return };
    let image = state.spec.containers[at].image.clone();
    let container = &mut state.containers[at];
    if container.image != ImageState::Asked {
        return;
    }
    let (reason, waiting) = match failure {
        ImageFailure::Pull => {
            let text = format!("Failed to pull image \"{image}\": {message}");
            record(out, EventKind::Warning, "Failed", text, Some(name));
            ("ErrImagePull", message)
        }
        ImageFailure::NeverPull => {
            let text = format!("Container image \"{image}\" is not present with pull policy of Never");
            record(out, EventKind::Warning, "ErrImageNeverPull", text.clone(), Some(name));
            ("ErrImageNeverPull", text)
        }
        ImageFailure::InvalidName => {
            let text = format!("Failed to apply default image tag \"{image}\": {message}");
            record(out, EventKind::Warning, "InspectFailed", text.clone(), Some(name));
            ("InvalidImageName", text)
        }
    };
    record(out, EventKind::Warning, "Failed", format!("Error: {reason}"), Some(name));
    container.waiting = Some((reason.into(), waiting));
    container.image = ImageState::Unknown;
    container.pull_backoff.next(now, now);
    container.retry_at = Some(after(now, container.pull_backoff.seconds()));
}

fn started(state: &mut PodState, name: &str, id: &str, at: Timestamp, out: &mut Vec<Action>) {
    let Some(index) = state.index(name) else { return };
    let spec = &state.spec.containers[index];
    let container = &mut state.containers[index];
    if !matches!(&container.phase, Phase::Starting { id: wanted } if wanted == id) {
        return;
    }
    record(out, EventKind::Normal, "Created", "Container created".to_owned(), Some(name));
    record(out, EventKind::Normal, "Started", "Container started".to_owned(), Some(name));
    let mut running = Running::new(id, at, state.resize.allocated(name));
    if let Some(handler) = &spec.post_start {
        running.hook_running = true;
        out.push(Action::RunHook {
            container: name.into(),
            id: id.into(),
            kind: HookKind::PostStart,
            handler: handler.clone(),
            seconds: 24 * 3600,
        });
    }
    container.phase = Phase::Running(running);
    container.waiting = None;
    container.retry_at = None;
    container.forced = false;
}

fn start_failed(
    state: &mut PodState,
    name: &str,
    failure: StartFailure,
    message: String,
    now: Timestamp,
    out: &mut Vec<Action>,
) {
    let Some(at) = state.index(name) else { return };
    let container = &mut state.containers[at];
    let Phase::Starting { id } = container.phase.clone() else { return };
    record(out, EventKind::Warning, "Failed", format!("Error: {message}"), Some(name));
    container.waiting = Some((failure.reason().into(), message.clone()));
    match failure {
        StartFailure::Config | StartFailure::Create => {
            container.phase = Phase::Idle;
            container.used = false;
            container.wants_objects = failure == StartFailure::Config;
            let seconds = if failure == StartFailure::Config { 60 } else { 10 };
            container.retry_at = Some(after(now, seconds));
        }
        StartFailure::Run => {
            container.phase = Phase::Exited(Terminated {
                exit_code: 128,
                reason: "StartError".into(),
                message,
                started_at: None,
                finished_at: now,
                container_id: format!("{}{id}", crate::status::ID_SCHEME),
            });
        }
    }
}

fn exited(state: &mut PodState, name: &str, id: &str, exit: Terminated, out: &mut Vec<Action>) {
    let Some(at) = state.index(name) else { return };
    let container = &mut state.containers[at];
    let current = match &container.phase {
        Phase::Running(running) => running.id == id,
        Phase::Starting { id: starting } => starting == id,
        _ => false,
    };
    if !current {
        return;
    }
    if matches!(exit.reason.as_str(), "StartError" | "ContainerCannotRun") {
        record(out, EventKind::Warning, "Failed", format!("Error: {}", exit.message), Some(name));
        container.waiting = Some(("RunContainerError".into(), exit.message.clone()));
    }
    container.phase = Phase::Exited(exit);
}

fn hook_done(
    state: &mut PodState,
    name: &str,
    id: &str,
    kind: HookKind,
    failure: Option<String>,
    now: Timestamp,
    out: &mut Vec<Action>,
) {
    let Some(at) = state.index(name) else { return };
    let grace = state.spec.grace_seconds;
    let Some(running) = state.containers[at].running_as(id) else { return };
    match kind {
        HookKind::PostStart => {
            running.hook_running = false;
            if let Some(message) = failure {
                record(
                    out,
                    EventKind::Warning,
                    "FailedPostStartHook",
                    format!("PostStartHook failed: {message}"),
                    Some(name),
                );
                stop::begin(state, at, grace, "FailedPostStartHook".into(), now, out);
            }
        }
        HookKind::PreStop => {
            if let Some(message) = failure {
                record(
                    out,
                    EventKind::Warning,
                    "FailedPreStopHook",
                    format!("PreStopHook failed: {message}"),
                    Some(name),
                );
            }
            stop::pre_stop_done(running, name, now, out);
        }
    }
}

fn probed(
    state: &mut PodState,
    name: &str,
    id: &str,
    kind: ProbeKind,
    outcome: Outcome,
    now: Timestamp,
    out: &mut Vec<Action>,
) {
    let Some(at) = state.index(name) else { return };
    let spec = &state.spec.containers[at];
    let probe = match kind {
        ProbeKind::Startup => spec.startup.clone(),
        ProbeKind::Readiness => spec.readiness.clone(),
        ProbeKind::Liveness => spec.liveness.clone(),
    };
    let pod_grace = state.spec.grace_seconds;
    let Some(running) = state.containers[at].running_as(id) else { return };
    running.probe(kind).running = false;
    let Some(probe) = probe else { return };
    let started_at = running.started_at;
    let failed = matches!(outcome, Outcome::Failure { .. });
    if running.probe(kind).is_early(&probe, started_at, !failed) {
        return;
    }
    let good = match outcome {
        Outcome::Success => true,
        Outcome::Failure { output } => {
            record(
                out,
                EventKind::Warning,
                "Unhealthy",
                format!("{} probe failed: {output}", kind.title()),
                Some(name),
            );
            false
        }
        Outcome::Error { message } => {
            record(
                out,
                EventKind::Warning,
                "Unhealthy",
                format!("{} probe errored: {message}", kind.title()),
                Some(name),
            );
            return;
        }
    };
    let changed = running.probe(kind).finish(&probe, good, kind);
    if !changed || good || kind == ProbeKind::Readiness || running.stop.is_some() {
        return;
    }
    let grace = probe.grace_seconds.unwrap_or(pod_grace);
    let message = format!("Container {name} failed {} probe, will be restarted", kind.title().to_lowercase());
    stop::begin(state, at, grace, message, now, out);
}
