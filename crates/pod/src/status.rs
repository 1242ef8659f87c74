//! The PodStatus as the kubelet writes it.

use crate::backoff::after;
use crate::container::{Container, Phase, Terminated};
use crate::resize;
use crate::spec::{ContainerKind, ContainerSpec, list, text};
use crate::state::{PodState, Stage, Teardown};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Before the id in `containerID`.
pub(crate) const ID_SCHEME: &str = "coracle://";

const OWN: [&str; 5] =
    ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/// Whether the node alone writes conditions of this type.
pub fn is_own(kind: &str) -> bool {
    OWN.contains(&kind) || matches!(kind, resize::PENDING | resize::IN_PROGRESS)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) kind: String,
    pub(crate) status: bool,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) since: String,
}

impl Condition {
    /// Those of the five that an object has already.
    pub(crate) fn read_all(pod: &Value) -> Vec<Self> {
        list(&pod["status"]["conditions"])
            .filter(|c| c["type"].as_str().is_some_and(|kind| OWN.contains(&kind)))
            .map(|c| Self {
                kind: text(&c["type"]),
                status: c["status"] == "True",
                reason: text(&c["reason"]),
                message: text(&c["message"]),
                since: text(&c["lastTransitionTime"]),
            })
            .collect()
    }

    fn json(&self) -> Value {
        let status = if self.status { "True" } else { "False" };
        let mut out = json!({ "type": self.kind, "status": status, "lastProbeTime": null, "lastTransitionTime": self.since });
        for (field, value) in [("reason", &self.reason), ("message", &self.message)] {
            if !value.is_empty() {
                out[field] = value.as_str().into();
            }
        }
        out
    }
}

/// The whole `status` of the pod's object.
pub fn status(state: &PodState) -> Value {
    let mut conditions: Vec<Value> = state.conditions.iter().map(Condition::json).collect();
    let foreign = list(&state.object["status"]["conditions"]);
    conditions.extend(foreign.filter(|c| c["type"].as_str().is_none_or(|kind| !is_own(kind))).cloned());
    conditions.extend(state.resize_conditions());
    let mut out = json!({ "phase": phase(state), "conditions": conditions });
    if state.deadline_exceeded {
        out["reason"] = "DeadlineExceeded".into();
        out["message"] = "Pod was active on the node longer than the specified deadline".into();
    }
    out["hostIP"] = state.host_ip.to_string().into();
    out["hostIPs"] = json!([{ "ip": state.host_ip.to_string() }]);
    if let Some(ip) = state.ip {
        out["podIP"] = ip.to_string().into();
        out["podIPs"] = json!([{ "ip": ip.to_string() }]);
    }
    out["startTime"] = time(state.start_time).into();
    let (mut init, mut main, mut ephemeral) = (Vec::new(), Vec::new(), Vec::new());
    for (container, spec) in state.containers.iter().zip(&state.spec.containers) {
        let target = match spec.kind {
            ContainerKind::Main => &mut main,
            ContainerKind::Ephemeral => &mut ephemeral,
            ContainerKind::Init | ContainerKind::Sidecar => &mut init,
        };
        target.push(container_status(state, container, spec));
    }
    main.sort_by_key(|status| text(&status["name"]));
    if !init.is_empty() {
        out["initContainerStatuses"] = init.into();
    }
    out["containerStatuses"] = main.into();
    if !ephemeral.is_empty() {
        out["ephemeralContainerStatuses"] = ephemeral.into();
    }
    if let Some(class) = state.object["status"].get("qosClass") {
        out["qosClass"] = class.clone();
    }
    out
}

/// Whole seconds, as all times in objects.
pub(crate) fn time(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

fn container_status(state: &PodState, container: &Container, spec: &ContainerSpec) -> Value {
    let (current, last) = states(state, container);
    let started = state.started(container, spec) && spec.kind != ContainerKind::Init;
    let image = if container.image_name.is_empty() { &spec.image } else { &container.image_name };
    let mut out = json!({
        "name": container.name,
        "state": current,
        "lastState": last.map_or_else(|| json!({}), |exit| json!({ "terminated": terminated(exit) })),
        "ready": state.ready(container, spec),
        "restartCount": container.attempt,
        "image": image,
        "imageID": container.image_id,
        "started": started,
    });
    let id = match &container.phase {
        Phase::Running(running) => format!("{ID_SCHEME}{}", running.id),
        Phase::Exited(exit) => exit.container_id.clone(),
        Phase::Idle | Phase::Starting { .. } => {
            container.last.as_ref().map(|exit| exit.container_id.clone()).unwrap_or_default()
        }
    };
    if !id.is_empty() {
        out["containerID"] = id.into();
    }
    if spec.kind != ContainerKind::Ephemeral
        && let Phase::Running(running) = &container.phase
    {
        let allocated = state.resize.allocated(&container.name);
        if allocated["requests"].is_object() {
            out["allocatedResources"] = allocated["requests"].clone();
        }
        out["resources"] = running.resources.clone();
    }
    if spec.kind == ContainerKind::Ephemeral
        && let Some(fields) = out.as_object_mut()
    {
        fields.shift_remove("started");
    }
    out
}

/// `state`, and what `lastState` tells.
fn states<'a>(state: &PodState, container: &'a Container) -> (Value, Option<&'a Terminated>) {
    let last = container.last.as_ref();
    match &container.phase {
        Phase::Running(running) => (json!({ "running": { "startedAt": time(running.started_at) } }), last),
        Phase::Exited(exit) => match &container.waiting {
            Some((reason, message)) if starts_again(state, container, exit) => {
                (waiting(reason, message), Some(exit))
            }
            _ => (json!({ "terminated": terminated(exit) }), last),
        },
        Phase::Idle | Phase::Starting { .. } => match (&container.waiting, last) {
            (Some((reason, message)), _) => (waiting(reason, message), last),
            // Between two instances: the last one's end is still what there is to tell.
            (None, Some(exit)) if state.sandbox == Stage::Ready => {
                (json!({ "terminated": terminated(exit) }), None)
            }
            (None, _) if state.initialised() => (waiting("ContainerCreating", ""), last),
            (None, _) => (waiting("PodInitializing", ""), last),
        },
    }
}

fn starts_again(state: &PodState, container: &Container, exit: &Terminated) -> bool {
    let spec = state.spec.container(&container.name);
    !state.ending() && (container.forced || spec.is_some_and(|spec| state.restarts(spec, exit.exit_code)))
}

fn waiting(reason: &str, message: &str) -> Value {
    if message.is_empty() {
        json!({ "waiting": { "reason": reason } })
    } else {
        json!({ "waiting": { "reason": reason, "message": message } })
    }
}

fn terminated(exit: &Terminated) -> Value {
    let mut out = json!({ "exitCode": exit.exit_code, "reason": exit.reason });
    if !exit.message.is_empty() {
        out["message"] = exit.message.as_str().into();
    }
    out["startedAt"] = exit.started_at.map_or(Value::Null, |at| time(at).into());
    out["finishedAt"] = time(exit.finished_at).into();
    if !exit.container_id.is_empty() {
        out["containerID"] = exit.container_id.as_str().into();
    }
    out
}

pub(crate) fn phase(state: &PodState) -> &'static str {
    if state.deadline_exceeded && !state.any_alive() {
        return "Failed";
    }
    if state.init_failed() && !state.any_alive() {
        return "Failed";
    }
    let mains: Vec<&Container> = state.of_kind(ContainerKind::Main).map(|(c, _)| c).collect();
    let failed = mains.iter().any(|c| c.exit().is_some_and(|exit| exit.exit_code != 0));
    let all_ended = mains.iter().all(|c| c.exit().is_some());
    if all_ended && (state.completed() || state.ending()) {
        // Sidecars end after the others; the pod is not over before they are.
        return match (state.any_alive(), failed) {
            (true, _) => "Running",
            (false, true) => "Failed",
            (false, false) => "Succeeded",
        };
    }
    // Everything of a pod that goes is stopped: one that has never run has failed.
    if state.ending() && !matches!(state.teardown, Teardown::No) && !state.any_alive() {
        return "Failed";
    }
    let never_ran =
        |c: &&Container| !matches!(c.phase, Phase::Running(_) | Phase::Exited(_)) && c.last.is_none();
    if !state.initialised() || mains.iter().any(never_ran) { "Pending" } else { "Running" }
}

impl PodState {
    /// Recomputes the conditions; the time of one moves only when its status does.
    pub(crate) fn refresh_conditions(&mut self, now: Timestamp) {
        let fresh = conditions(self);
        let old = std::mem::take(&mut self.conditions);
        self.conditions = OWN
            .iter()
            .zip(fresh)
            .map(|(kind, (status, reason, message))| {
                let since = old.iter().find(|c| c.kind == *kind && c.status == status && !c.since.is_empty());
                let since = since.map_or_else(|| time(now), |c| c.since.clone());
                Condition { kind: (*kind).into(), status, reason: reason.into(), message, since }
            })
            .collect();
    }
}

type Fresh = (bool, &'static str, String);

/// In the order of `OWN`.
fn conditions(state: &PodState) -> [Fresh; 5] {
    let good: Fresh = (true, "", String::new());
    let phase = phase(state);
    let sandbox = (state.sandbox == Stage::Ready, "", String::new());
    let pending = state.init_pending();
    let initialized = if state.initialised() {
        good.clone()
    } else {
        (
            false,
            "ContainersNotInitialized",
            format!("containers with incomplete status: [{}]", pending.join(" ")),
        )
    };
    let unready: Vec<&str> = state
        .containers
        .iter()
        .zip(&state.spec.containers)
        .filter(|(c, spec)| {
            matches!(spec.kind, ContainerKind::Sidecar | ContainerKind::Main) && !state.ready(c, spec)
        })
        .map(|(c, _)| c.name.as_str())
        .collect();
    let containers_ready = match phase {
        "Succeeded" => (false, "PodCompleted", String::new()),
        "Failed" => (false, "PodFailed", String::new()),
        _ if unready.is_empty() => good.clone(),
        _ => {
            (false, "ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" ")))
        }
    };
    let initialized = if phase == "Succeeded" { (true, "PodCompleted", String::new()) } else { initialized };
    let ready = if containers_ready.0 { gates(state) } else { containers_ready.clone() };
    [sandbox, initialized, ready, containers_ready, good]
}

fn gates(state: &PodState) -> Fresh {
    let open = |gate: &String| {
        list(&state.object["status"]["conditions"])
            .any(|c| c["type"] == gate.as_str() && c["status"] == "True")
    };
    let closed: Vec<String> = state
        .spec
        .readiness_gates
        .iter()
        .filter(|gate| !open(gate))
        .map(|gate| format!("corresponding condition of pod readiness gate \"{gate}\" does not exist."))
        .collect();
    match closed.is_empty() {
        true => (true, "", String::new()),
        false => (false, "ReadinessGatesNotReady", closed.join(", ")),
    }
}

/// Reads back what [`status`] wrote of a container's end.
pub(crate) fn read_terminated(value: &Value) -> Option<Terminated> {
    if !value.is_object() {
        return None;
    }
    let at = |field: &str| value[field].as_str().and_then(|time| time.parse::<Timestamp>().ok());
    Some(Terminated {
        exit_code: value["exitCode"].as_i64().and_then(|code| i32::try_from(code).ok()).unwrap_or_default(),
        reason: text(&value["reason"]),
        message: text(&value["message"]),
        started_at: at("startedAt"),
        finished_at: at("finishedAt").unwrap_or(after(Timestamp::UNIX_EPOCH, 0)),
        container_id: text(&value["containerID"]),
    })
}
