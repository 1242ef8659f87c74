//! What is to be done next, given all that is known. Asking twice gives nothing new.

use crate::backoff::after;
use crate::container::{ImageState, Phase};
use crate::event::{Action, EventKind};
use crate::probe::ProbeKind;
use crate::spec::ContainerKind;
use crate::state::{PodState, Stage, Teardown};
use crate::step::record;
use crate::stop;
use jiff::Timestamp;

pub(crate) fn decide(state: &mut PodState, now: Timestamp, out: &mut Vec<Action>) {
    match state.teardown {
        Teardown::Done => {
            if !state.gone {
                out.push(Action::FinalDelete);
            }
            return;
        }
        Teardown::Asked => return,
        Teardown::No => {}
    }
    stop::advance(state, now, out);
    if state.ending() {
        return end(state, now, out);
    }
    let deadline = state.spec.active_deadline_seconds.map(|seconds| after(state.start_time, seconds));
    if deadline.is_some_and(|deadline| deadline <= now) && !state.deadline_exceeded && !state.completed() {
        state.deadline_exceeded = true;
        let message = "Pod was active on the node longer than the specified deadline";
        record(out, EventKind::Normal, "DeadlineExceeded", message.into(), None);
    }
    if state.deadline_exceeded || state.init_failed() || state.completed() {
        return finish(state, now, out);
    }
    prepare(state, now, out);
    start_in_order(state, now, out);
    watch_running(state, now, out);
}

/// The pod is being deleted: everything ends, sidecars after the others, then everything is removed.
fn end(state: &mut PodState, now: Timestamp, out: &mut Vec<Action>) {
    let grace = match state.spec.deletion {
        _ if state.gone => 1,
        // Whole seconds in the object, so the last one counts.
        Some(deletion) => (deletion.duration_since(now).as_millis().max(0) as i64 + 999) / 1000,
        None => state.spec.grace_seconds,
    };
    stop_all(state, grace, now, out);
    if !state.any_alive() {
        state.teardown = Teardown::Asked;
        out.push(Action::TearDown);
    }
}

/// The pod has done its work, or failed: what still runs ends, and its address is given back.
fn finish(state: &mut PodState, now: Timestamp, out: &mut Vec<Action>) {
    let grace = state.spec.grace_seconds;
    stop_all(state, grace, now, out);
    if !state.any_alive() && matches!(state.sandbox, Stage::Ready) {
        state.sandbox = Stage::Released;
        out.push(Action::RemoveSandbox);
    }
}

fn stop_all(state: &mut PodState, grace: i64, now: Timestamp, out: &mut Vec<Action>) {
    let is_sidecar = |state: &PodState, at: usize| state.spec.containers[at].kind == ContainerKind::Sidecar;
    let alive: Vec<usize> = (0..state.containers.len()).filter(|at| state.containers[*at].alive()).collect();
    let mut targets: Vec<usize> = alive.iter().copied().filter(|at| !is_sidecar(state, *at)).collect();
    if targets.is_empty() {
        targets.extend(alive.last());
    }
    for at in targets {
        let message = format!("Stopping container {}", state.containers[at].name);
        stop::begin(state, at, grace, message, now, out);
    }
}

fn prepare(state: &mut PodState, now: Timestamp, out: &mut Vec<Action>) {
    let due = |stage: &Stage| match stage {
        Stage::Todo => true,
        Stage::Failed { retry_at, .. } => *retry_at <= now,
        _ => false,
    };
    if due(&state.volumes) {
        // The count of failed tries survives in the driver's answer to this one.
        mark_asked(&mut state.volumes);
        out.push(Action::PrepareVolumes);
    }
    if due(&state.sandbox) {
        mark_asked(&mut state.sandbox);
        out.push(Action::CreateSandbox);
    }
}

fn mark_asked(stage: &mut Stage) {
    *stage = match stage {
        Stage::Failed { tries, .. } => Stage::Failed { tries: *tries, retry_at: Timestamp::MAX },
        _ => Stage::Asked,
    };
}

fn start_in_order(state: &mut PodState, now: Timestamp, out: &mut Vec<Action>) {
    // Who looks into a pod that does not get on must not wait for it.
    for at in 0..state.containers.len() {
        let spec = &state.spec.containers[at];
        let target = spec.target.as_deref();
        if spec.kind == ContainerKind::Ephemeral && target.is_none_or(|name| state.running_id(name).is_some())
        {
            ensure(state, at, now, out);
        }
    }
    let initialised = state.initialised();
    for at in 0..state.containers.len() {
        let (container, spec) = (&state.containers[at], &state.spec.containers[at]);
        match spec.kind {
            ContainerKind::Init => {
                if initialised || container.exit().is_some_and(|exit| exit.exit_code == 0) {
                    continue;
                }
                return ensure(state, at, now, out);
            }
            ContainerKind::Sidecar => {
                ensure(state, at, now, out);
                if !initialised && !state.started(&state.containers[at], &state.spec.containers[at]) {
                    return;
                }
            }
            ContainerKind::Main => ensure(state, at, now, out),
            ContainerKind::Ephemeral => {}
        }
    }
}

/// Brings a container that should run one step nearer to it.
fn ensure(state: &mut PodState, at: usize, now: Timestamp, out: &mut Vec<Action>) {
    if let Phase::Exited(exit) = &state.containers[at].phase {
        let code = exit.exit_code;
        if !state.containers[at].forced && !state.restarts(&state.spec.containers[at], code) {
            return;
        }
        if !back_off(state, at, now, out) {
            return;
        }
    }
    let pod_ready = state.sandbox == Stage::Ready && state.volumes == Stage::Ready;
    let first_comes = (0..at).any(|other| match &state.containers[other].phase {
        Phase::Starting { .. } => true,
        Phase::Running(running) => running.hook_running,
        _ => false,
    });
    let spec = &state.spec.containers[at];
    let container = &mut state.containers[at];
    if !matches!(container.phase, Phase::Idle) {
        return;
    }
    if container.retry_at.is_some_and(|retry_at| retry_at > now) {
        if container.switches_to_backoff().is_some_and(|time| time <= now) {
            let before = container.waiting.as_ref().map_or("", |(_, message)| message).to_owned();
            let message = format!("Back-off pulling image \"{}\"", spec.image);
            record(out, EventKind::Normal, "BackOff", message.clone(), Some(&spec.name));
            record(out, EventKind::Warning, "Failed", "Error: ImagePullBackOff".into(), Some(&spec.name));
            container.waiting =
                Some(("ImagePullBackOff".into(), format!("{message}: ErrImagePull: {before}")));
        }
        return;
    }
    if container.image == ImageState::Unknown {
        container.image = ImageState::Asked;
        let (image, policy) = (spec.image.clone(), spec.pull_policy);
        out.push(Action::EnsureImage { container: spec.name.clone(), image, policy });
    }
    if container.image != ImageState::Ready || !pod_ready || first_comes {
        return;
    }
    let id = format!("{}_{}_{}", state.spec.uid, spec.name, container.attempt);
    container.phase = Phase::Starting { id: id.clone() };
    container.used = true;
    container.image_name = spec.image.clone();
    out.push(Action::StartContainer { container: spec.name.clone(), id, attempt: container.attempt });
}

/// An ended container may start again: true, and it is idle. Else it waits, and says so once.
fn back_off(state: &mut PodState, at: usize, now: Timestamp, out: &mut Vec<Action>) -> bool {
    let title = state.spec.title();
    let name = state.spec.containers[at].name.clone();
    let container = &mut state.containers[at];
    let Phase::Exited(exit) = &container.phase else { return true };
    let finished = exit.finished_at;
    let until = container.backoff.until(finished);
    if !container.forced && until > now {
        if container.retry_at != Some(until) {
            container.retry_at = Some(until);
            let wait = go_duration(container.backoff.seconds());
            let message = format!("back-off {wait} restarting failed container={name} pod={title}");
            container.waiting = Some(("CrashLoopBackOff".into(), message));
            let message = format!("Back-off restarting failed container {name} in pod {title}");
            record(out, EventKind::Warning, "BackOff", message, Some(&name));
        }
        return false;
    }
    if container.forced {
        container.backoff = Default::default();
    } else {
        container.backoff.next(finished, now);
    }
    if let Phase::Exited(exit) = std::mem::replace(&mut container.phase, Phase::Idle) {
        container.last = Some(exit);
    }
    container.retry_at = None;
    container.waiting = None;
    container.image = ImageState::Unknown;
    container.renew();
    true
}

/// Probes that are due, and containers whose definition has changed.
fn watch_running(state: &mut PodState, now: Timestamp, out: &mut Vec<Action>) {
    for at in 0..state.containers.len() {
        let spec = &state.spec.containers[at];
        let started = state.started(&state.containers[at], spec);
        let (name, grace) = (spec.name.clone(), state.spec.grace_seconds);
        let changed = spec.image != state.containers[at].image_name;
        let Phase::Running(running) = &mut state.containers[at].phase else { continue };
        if running.stop.is_some() {
            continue;
        }
        if changed {
            state.containers[at].forced = true;
            let message = format!("Container {name} definition changed, will be restarted");
            stop::begin(state, at, grace, message, now, out);
            continue;
        }
        for kind in ProbeKind::ALL {
            if (kind == ProbeKind::Startup) == started {
                continue;
            }
            let probe = match kind {
                ProbeKind::Startup => &spec.startup,
                ProbeKind::Readiness => &spec.readiness,
                ProbeKind::Liveness => &spec.liveness,
            };
            let Some(probe) = probe else { continue };
            let (id, started_at) = (running.id.clone(), running.started_at);
            let run = running.probe(kind);
            if run.due(probe, started_at).is_some_and(|due| due <= now) {
                run.begin(now);
                let (handler, seconds) = (probe.handler.clone(), probe.timeout);
                out.push(Action::Probe { container: name.clone(), id, kind, handler, seconds });
            }
        }
    }
}

/// `10s`, `1m20s`, `5m0s`.
fn go_duration(seconds: i64) -> String {
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}
