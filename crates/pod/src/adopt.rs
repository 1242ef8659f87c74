//! Taking over pods that were started by a daemon that is no more.

use crate::backoff::Backoff;
use crate::container::{Container, ImageState, Phase, Running, Terminated};
use crate::event::Action;
use crate::probe::ProbeRun;
use crate::resize::Resize;
use crate::spec::{list, text};
use crate::state::{PodState, Stage};
use crate::status::{ID_SCHEME, read_terminated};
use crate::step::lose_sandbox;
use jiff::Timestamp;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// One instance of a container, as the runtime knows it.
#[derive(Debug, Clone)]
pub struct Found {
    pub container: String,
    pub id: String,
    pub attempt: u32,
    pub state: FoundState,
}

#[derive(Debug, Clone)]
pub enum FoundState {
    /// Made, never started.
    Created,
    Running {
        started_at: Timestamp,
    },
    Exited(Terminated),
}

/// The state of a pod from its object's status and from what the runtime has. `sandbox` is its address, if the
/// pod's sandbox lives.
pub fn adopt(
    pod: Arc<Value>,
    host_ip: Ipv4Addr,
    sandbox: Option<Option<Ipv4Addr>>,
    found: &[Found],
    now: Timestamp,
) -> (PodState, Vec<Action>) {
    let mut state = PodState::new(pod.clone(), host_ip, now);
    let mut out = Vec::new();
    state.resize = Resize::adopt(&pod);
    for container in &mut state.containers {
        let lists = ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"];
        let mut statuses = lists.into_iter().flat_map(|field| list(&pod["status"][field]));
        let status = statuses.find(|s| s["name"] == container.name.as_str());
        let newest = found.iter().filter(|f| f.container == container.name).max_by_key(|f| f.attempt);
        let allocated = state.resize.allocated(&container.name);
        restore(container, status.unwrap_or(&Value::Null), newest, allocated, now);
        if container.image_name.is_empty() {
            let spec = state.spec.container(&container.name);
            container.image_name = spec.map(|spec| spec.image.clone()).unwrap_or_default();
        }
    }
    state.deadline_exceeded = pod["status"]["reason"] == "DeadlineExceeded";
    let over = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    match sandbox {
        Some(ip) => {
            state.sandbox = Stage::Ready;
            state.ip = ip;
        }
        None if over => {
            state.sandbox = Stage::Released;
            state.ip = pod["status"]["podIP"].as_str().and_then(|ip| ip.parse().ok());
        }
        None if state.containers.iter().any(|c| !matches!(c.phase, Phase::Idle)) => {
            lose_sandbox(&mut state, now, &mut out);
        }
        None => {}
    }
    state.refresh_conditions(now);
    (state, out)
}

fn restore(
    container: &mut Container,
    status: &Value,
    found: Option<&Found>,
    allocated: Value,
    now: Timestamp,
) {
    let count = status["restartCount"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
    container.attempt = count;
    container.image_id = text(&status["imageID"]);
    container.image_name = text(&status["image"]);
    container.last = read_terminated(&status["lastState"]["terminated"]);
    container.backoff = Backoff::after_tries(count, now);
    let ended = read_terminated(&status["state"]["terminated"]);
    let Some(found) = found else {
        let running = status["state"]["running"]["startedAt"].as_str();
        if let Some(exit) = ended {
            container.phase = Phase::Exited(exit);
            container.used = true;
        } else if let Some(started) = running {
            let exit = Terminated::unknown(&text(&status["containerID"]), started.parse().ok(), now);
            container.phase = Phase::Exited(exit);
            container.used = true;
        } else if let Some(exit) =
            container.last.take_if(|_| status["state"]["waiting"]["reason"] == "CrashLoopBackOff")
        {
            container.phase = Phase::Exited(exit);
            container.used = true;
        }
        return;
    };
    if found.attempt > count
        && let Some(exit) = ended.clone()
    {
        container.last = Some(exit);
    }
    container.attempt = found.attempt;
    match &found.state {
        FoundState::Created => container.used = false,
        FoundState::Running { started_at } => {
            // One that was started before statuses told of resources has what is allocated.
            let told = status["resources"].is_object().then(|| status["resources"].clone());
            let mut running = Running::new(&found.id, *started_at, told.unwrap_or(allocated));
            let same = status["containerID"] == format!("{ID_SCHEME}{}", found.id);
            if same && status["started"] == true {
                running.startup = ProbeRun::known(true);
            }
            if same && status["ready"] == true {
                running.readiness = ProbeRun::known(true);
            }
            container.phase = Phase::Running(running);
            container.image = ImageState::Ready;
            container.used = true;
        }
        FoundState::Exited(exit) => {
            let told = [ended.as_ref(), container.last.as_ref()].into_iter().flatten();
            let known = told.into_iter().find(|told| told.container_id == exit.container_id).cloned();
            if container.last.as_ref().is_some_and(|last| last.container_id == exit.container_id) {
                container.last = None;
            }
            container.phase = Phase::Exited(known.unwrap_or_else(|| exit.clone()));
            container.used = true;
        }
    }
}
