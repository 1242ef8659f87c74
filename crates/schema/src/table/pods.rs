//! Pods: the status is the most telling reason that the pod and its containers give.

use super::format::{has_condition, list, number, or_none, text};
use super::{age_of, name_of};
use crate::time;
use serde_json::Value;

pub(super) fn row(pod: &Value, now: i64) -> Vec<Value> {
    let summary = Summary::of(pod);
    let mut restarts = summary.restarts.to_string();
    if let Some(last) = summary.last_restart.filter(|_| summary.restarts != 0) {
        restarts = format!("{restarts} ({} ago)", time::human(now - last));
    }
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let address = list(&status["podIPs"]).first().map_or(text(&status["podIP"]), |ip| text(&ip["ip"]));
    vec![
        name_of(pod),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.reason.into(),
        restarts.into(),
        age_of(pod, now),
        or_none(address).into(),
        or_none(text(&spec["nodeName"])).into(),
        or_none(text(&status["nominatedNodeName"])).into(),
        gates(pod).into(),
    ]
}

fn gates(pod: &Value) -> String {
    let gates = list(&pod["spec"]["readinessGates"]);
    if gates.is_empty() {
        return or_none("").into();
    }
    let open = gates.iter().filter(|gate| has_condition(pod, text(&gate["conditionType"]))).count();
    format!("{open}/{}", gates.len())
}

#[derive(Default)]
struct Summary {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<i64>,
}

impl Summary {
    fn of(pod: &Value) -> Self {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let phase = text(&status["phase"]);
        let mut summary = Self { total: list(&spec["containers"]).len(), ..Self::default() };
        summary.reason =
            [text(&status["reason"]), phase].into_iter().find(|text| !text.is_empty()).unwrap_or("").into();
        let gated = |condition: &&Value| {
            condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated"
        };
        if list(&status["conditions"]).iter().any(|condition| gated(&condition)) {
            summary.reason = "SchedulingGated".into();
        }
        summary.total += list(&spec["initContainers"]).iter().filter(|init| is_sidecar(init)).count();
        let initializing = summary.init_containers(pod);
        if !initializing || has_condition(pod, "Initialized") {
            summary.containers(pod);
        }
        if pod["metadata"]["deletionTimestamp"].is_string() {
            if status["reason"] == "NodeLost" {
                summary.reason = "Unknown".into();
            } else if !matches!(phase, "Succeeded" | "Failed") {
                summary.reason = "Terminating".into();
            }
        }
        summary
    }

    /// Whether one of them still has to finish.
    fn init_containers(&mut self, pod: &Value) -> bool {
        let specs = list(&pod["spec"]["initContainers"]);
        let sidecar = |name: &Value| specs.iter().any(|spec| spec["name"] == *name && is_sidecar(spec));
        let mut sidecars = (0, None);
        for (index, status) in list(&pod["status"]["initContainerStatuses"]).iter().enumerate() {
            self.count_restarts(status);
            let is_sidecar = sidecar(&status["name"]);
            if is_sidecar {
                sidecars.0 += number(&status["restartCount"]);
                sidecars.1 = sidecars.1.max(last_end(status));
            }
            let (terminated, waiting) =
                (&status["state"]["terminated"], text(&status["state"]["waiting"]["reason"]));
            if terminated.is_object() && number(&terminated["exitCode"]) == 0 {
                continue;
            }
            if is_sidecar && status["started"] == true {
                self.ready += usize::from(status["ready"] == true);
                continue;
            }
            self.reason = if terminated.is_object() {
                format!("Init:{}", end(terminated))
            } else if !waiting.is_empty() && waiting != "PodInitializing" {
                format!("Init:{waiting}")
            } else {
                format!("Init:{index}/{}", specs.len())
            };
            return true;
        }
        // Those that have finished count no more.
        (self.restarts, self.last_restart) = sidecars;
        false
    }

    fn containers(&mut self, pod: &Value) {
        let mut running = false;
        for status in list(&pod["status"]["containerStatuses"]).iter().rev() {
            self.count_restarts(status);
            let state = &status["state"];
            let waiting = text(&state["waiting"]["reason"]);
            if !waiting.is_empty() {
                self.reason = waiting.into();
            } else if state["terminated"].is_object() {
                self.reason = end(&state["terminated"]);
            } else if status["ready"] == true && state["running"].is_object() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            self.reason = if has_condition(pod, "Ready") { "Running" } else { "NotReady" }.into();
        }
    }

    fn count_restarts(&mut self, status: &Value) {
        self.restarts += number(&status["restartCount"]);
        self.last_restart = self.last_restart.max(last_end(status));
    }
}

fn is_sidecar(init: &Value) -> bool {
    init["restartPolicy"] == "Always"
}

fn last_end(status: &Value) -> Option<i64> {
    time::parse(text(&status["lastState"]["terminated"]["finishedAt"]))
}

/// Why a container has ended.
fn end(terminated: &Value) -> String {
    let (reason, signal) = (text(&terminated["reason"]), number(&terminated["signal"]));
    match (reason, signal) {
        ("", 0) => format!("ExitCode:{}", number(&terminated["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.into(),
    }
}
