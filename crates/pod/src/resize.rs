//! Resources of containers that change while they run.
//!
//! What the pod asks for is allocated when the node has room for it; the driver says whether it has. What is allocated is then
//! written to each running container, or the container starts anew with it, as its `resizePolicy` says.

use crate::container::Phase;
use crate::event::Action;
use crate::spec::{list, text};
use crate::state::PodState;
use crate::{backoff, stop};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How long to wait after a change that failed.
const PAUSE_SECONDS: i64 = 10;

#[derive(Debug, Clone, Default)]
pub(crate) struct Resize {
    /// The resources of each container that the node has accepted.
    allocated: BTreeMap<String, Value>,
    /// Why it has not accepted what the pod asks for now: `Infeasible` or `Deferred`, and in words.
    refused: Option<(String, String)>,
    /// What went wrong when accepted resources were written.
    failed: Option<String>,
    /// When each of the two conditions began.
    since: BTreeMap<&'static str, Timestamp>,
}

pub(crate) const PENDING: &str = "PodResizePending";
pub(crate) const IN_PROGRESS: &str = "PodResizeInProgress";

/// The resources of each container as the object asks for them.
fn asked(pod: &Value) -> BTreeMap<String, Value> {
    let lists = ["initContainers", "containers"].into_iter();
    let all = lists.flat_map(|field| list(&pod["spec"][field]));
    all.map(|container| (text(&container["name"]), resources(container))).collect()
}

/// Limits and requests alone.
fn resources(container: &Value) -> Value {
    let mut out = json!({});
    for field in ["limits", "requests"] {
        if container["resources"][field].as_object().is_some_and(|amounts| !amounts.is_empty()) {
            out[field] = container["resources"][field].clone();
        }
    }
    out
}

impl Resize {
    pub(crate) fn new(pod: &Value) -> Self {
        Self { allocated: asked(pod), ..Self::default() }
    }

    /// What an earlier daemon had accepted: of a pod whose wish is not granted, what its containers have.
    pub(crate) fn adopt(pod: &Value) -> Self {
        let mut new = Self::new(pod);
        let waits = list(&pod["status"]["conditions"]).any(|c| c["type"] == PENDING && c["status"] == "True");
        let lists = ["initContainerStatuses", "containerStatuses"].into_iter();
        for status in lists.flat_map(|field| list(&pod["status"][field])).filter(|_| waits) {
            if status["resources"].is_object() {
                new.allocated.insert(text(&status["name"]), resources(status));
            }
        }
        new
    }

    pub(crate) fn allocated(&self, container: &str) -> Value {
        self.allocated.get(container).cloned().unwrap_or_else(|| json!({}))
    }
}

impl PodState {
    /// Whether the pod asks for other resources than the node has given it: the driver answers with
    /// [`Event::ResizeJudged`](crate::Event::ResizeJudged).
    pub fn wants_resize(&self) -> bool {
        !self.ending() && asked(&self.object) != self.resize.allocated
    }

    /// The pod's object with the resources that its containers are to have now.
    pub fn allocated_object(&self) -> Value {
        let mut pod = (*self.object).clone();
        for field in ["initContainers", "containers"] {
            for container in pod["spec"][field].as_array_mut().into_iter().flatten() {
                let allocated = self.resize.allocated(&text(&container["name"]));
                let had = container.get("resources").is_some();
                if had || allocated != json!({}) {
                    container["resources"] = allocated;
                }
            }
        }
        pod
    }

    /// The two conditions, if they hold.
    pub(crate) fn resize_conditions(&self) -> Vec<Value> {
        let of = |kind: &'static str, reason: &str, message: &str| {
            let since = self.resize.since.get(kind).map(|at| crate::status::time(*at));
            let mut out = json!({
                "type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": since,
            });
            for (field, value) in [("reason", reason), ("message", message)] {
                if !value.is_empty() {
                    out[field] = value.into();
                }
            }
            out
        };
        let pending = self.resize.refused.as_ref().map(|(reason, message)| of(PENDING, reason, message));
        let failed = self.resize.failed.as_ref().map(|message| of(IN_PROGRESS, "Error", message));
        pending.into_iter().chain(failed).collect()
    }
}

/// The pod's object has changed: a wish that was taken back is no more refused, new containers have what they ask for.
pub(crate) fn new_spec(state: &mut PodState) {
    let asked = asked(&state.object);
    state.resize.allocated.retain(|name, _| asked.contains_key(name));
    for (name, resources) in &asked {
        state.resize.allocated.entry(name.clone()).or_insert_with(|| resources.clone());
    }
    if asked == state.resize.allocated {
        state.resize.refused = None;
        state.resize.since.remove(PENDING);
    }
}

pub(crate) fn judged(
    state: &mut PodState,
    refusal: Option<(String, String)>,
    now: Timestamp,
    out: &mut Vec<Action>,
) {
    if refusal.is_none() {
        state.resize.allocated = asked(&state.object);
    }
    state.resize.refused = refusal;
    begin(state, PENDING, state.resize.refused.is_some(), now);
    actuate(state, now, out);
}

/// The time of a condition is that of its beginning.
fn begin(state: &mut PodState, kind: &'static str, holds: bool, now: Timestamp) {
    if holds {
        state.resize.since.entry(kind).or_insert(now);
    } else {
        state.resize.since.remove(kind);
    }
}

/// Brings running containers to what is allocated.
pub(crate) fn actuate(state: &mut PodState, now: Timestamp, out: &mut Vec<Action>) {
    if state.ending() {
        return;
    }
    for index in 0..state.containers.len() {
        let container = &mut state.containers[index];
        let allocated = state.resize.allocated(&container.name);
        let Phase::Running(running) = &mut container.phase else { continue };
        let due = running.resize_at.is_none_or(|at| at <= now);
        if running.resources == allocated || running.resizing || running.stop.is_some() || !due {
            continue;
        }
        if restarts(&state.object, &container.name, &running.resources, &allocated) {
            container.forced = true;
            let message = format!("Container {} resize requires restart", container.name);
            let grace = state.spec.grace_seconds;
            stop::begin(state, index, grace, message, now, out);
            continue;
        }
        running.resizing = true;
        running.resize_at = None;
        out.push(Action::Resize {
            container: container.name.clone(),
            id: running.id.clone(),
            resources: allocated,
        });
    }
}

/// Whether a resource that changes wants the container to start anew.
fn restarts(pod: &Value, name: &str, before: &Value, after: &Value) -> bool {
    let lists = ["initContainers", "containers"].into_iter();
    let found = lists.flat_map(|field| list(&pod["spec"][field])).find(|c| c["name"] == name);
    let Some(container) = found else { return false };
    let changes = |resource: &str| {
        ["limits", "requests"].iter().any(|field| before[*field][resource] != after[*field][resource])
    };
    list(&container["resizePolicy"]).any(|policy| {
        policy["restartPolicy"] == "RestartContainer" && policy["resourceName"].as_str().is_some_and(changes)
    })
}

/// Resources were written to a container, or could not be.
pub(crate) fn done(
    state: &mut PodState,
    (name, id): (&str, &str),
    resources: Value,
    failure: Option<String>,
    now: Timestamp,
    out: &mut Vec<Action>,
) {
    let Some(index) = state.index(name) else { return };
    let Some(running) = state.containers[index].running_as(id) else { return };
    running.resizing = false;
    match &failure {
        None => running.resources = resources,
        Some(_) => running.resize_at = Some(backoff::after(now, PAUSE_SECONDS)),
    }
    state.resize.failed = failure;
    begin(state, IN_PROGRESS, state.resize.failed.is_some(), now);
    actuate(state, now, out);
}
