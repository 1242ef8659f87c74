//! Ending a container: preStop hook, stop signal, grace, kill.

use crate::backoff::after;
use crate::container::{Running, Stop, StopStage};
use crate::event::{Action, EventKind, HookKind};
use crate::state::PodState;
use crate::step::record;
use jiff::Timestamp;

const SIGKILL: i32 = 9;

/// What a container gets after a preStop hook that took all the time there was.
const LEAST_GRACE: i64 = 2;

/// Starts to end a running container, or gives one that is ending less time.
pub(crate) fn begin(
    state: &mut PodState,
    at: usize,
    grace: i64,
    message: String,
    now: Timestamp,
    out: &mut Vec<Action>,
) {
    let pre_stop = state.spec.containers[at].pre_stop.clone();
    let name = state.spec.containers[at].name.clone();
    let deadline = after(now, grace.max(0));
    let crate::container::Phase::Running(running) = &mut state.containers[at].phase else { return };
    if let Some(stop) = &mut running.stop {
        if stop.stage != StopStage::Kill {
            stop.deadline = stop.deadline.min(deadline);
        }
        return;
    }
    record(out, EventKind::Normal, "Killing", message, Some(&name));
    let (container, id) = (name, running.id.clone());
    let stage = match pre_stop {
        _ if grace <= 0 => {
            out.push(Action::Signal { container, id, signal: Some(SIGKILL) });
            StopStage::Kill
        }
        Some(handler) => {
            out.push(Action::RunHook { container, id, kind: HookKind::PreStop, handler, seconds: grace });
            StopStage::PreStop
        }
        None => {
            out.push(Action::Signal { container, id, signal: None });
            StopStage::Term
        }
    };
    running.stop = Some(Stop { stage, deadline });
}

pub(crate) fn pre_stop_done(running: &mut Running, name: &str, now: Timestamp, out: &mut Vec<Action>) {
    let Some(stop) = running.stop.as_mut().filter(|stop| stop.stage == StopStage::PreStop) else { return };
    out.push(Action::Signal { container: name.into(), id: running.id.clone(), signal: None });
    stop.stage = StopStage::Term;
    stop.deadline = stop.deadline.max(after(now, LEAST_GRACE));
}

/// Goes on where a time has run out.
pub(crate) fn advance(state: &mut PodState, now: Timestamp, out: &mut Vec<Action>) {
    for container in &mut state.containers {
        let name = container.name.clone();
        let crate::container::Phase::Running(running) = &mut container.phase else { continue };
        let Some(stop) = running.stop.as_mut().filter(|stop| stop.deadline <= now) else { continue };
        let (signal, stage, deadline) = match stop.stage {
            StopStage::PreStop => (None, StopStage::Term, after(now, LEAST_GRACE)),
            StopStage::Term => (Some(SIGKILL), StopStage::Kill, after(now, 10)),
            // The kernel may be slow to let go of it; a second kill does no harm.
            StopStage::Kill => (Some(SIGKILL), StopStage::Kill, after(now, 60)),
        };
        out.push(Action::Signal { container: name, id: running.id.clone(), signal });
        *stop = Stop { stage, deadline };
    }
}
