//! Whole lives of pods, with a clock that stands still between the lines.

mod adoption;
mod ending;
mod ephemeral;
mod order;
mod probes;
mod resizing;
mod restarts;
mod waiting;

use crate::spec::Handler;
use crate::*;
use expect_test::{Expect, expect};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

const START: &str = "2026-01-01T00:00:00Z";

/// A pod, its clock, and a log of what it did.
struct Life {
    state: PodState,
    now: Timestamp,
    log: String,
}

fn pod_object(spec: Value) -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "default", "uid": "u"},
        "spec": spec,
        "status": {"qosClass": "Burstable"},
    })
}

fn container(extra: Value) -> Value {
    let mut out = json!({"name": "app", "image": "app:1"});
    for (field, value) in extra.as_object().into_iter().flatten() {
        out[field] = value.clone();
    }
    out
}

impl Life {
    fn new(spec: Value) -> Self {
        let now: Timestamp = START.parse().unwrap();
        let state = PodState::new(Arc::new(pod_object(spec)), [10, 0, 0, 1].into(), now);
        Self { state, now, log: String::new() }
    }

    fn of(container_fields: Value) -> Self {
        Self::new(json!({"containers": [container(container_fields)]}))
    }

    fn note(&mut self, text: &str) {
        let at = self.now.duration_since(START.parse().unwrap());
        self.log.push_str(&format!("{:<5}{text}\n", format!("{}s", at.as_secs())));
    }

    fn give(&mut self, event: Event) -> Vec<Action> {
        let actions = step(&mut self.state, event, self.now);
        for action in &actions {
            let text = tell(action);
            self.note(&text);
        }
        let again = step(&mut self.state, Event::Tick, self.now);
        assert!(
            again.is_empty() || actions.contains(&Action::FinalDelete),
            "asking twice gives nothing new: {again:?}"
        );
        actions
    }

    fn wait(&mut self, seconds: i64) {
        let end = self.now + SignedDuration::from_secs(seconds);
        while let Some(wake) = self.state.next_wake(self.now).filter(|wake| *wake <= end) {
            self.now = wake;
            self.give(Event::Tick);
        }
        self.now = end;
    }

    /// Sandbox and volumes come, and the first container's image.
    fn boot(&mut self) {
        self.give(Event::Tick);
        self.give(Event::VolumesReady);
        self.give(Event::SandboxReady { ip: Some([10, 42, 0, 5].into()) });
    }

    fn image(&mut self, name: &str) {
        self.give(Event::ImageReady {
            container: name.into(),
            image_id: format!("{name}@sha256:1"),
            pulled: None,
        });
    }

    fn started(&mut self, name: &str, attempt: u32) {
        self.give(Event::Started { container: name.into(), id: format!("u_{name}_{attempt}"), at: self.now });
    }

    fn exited(&mut self, name: &str, attempt: u32, code: i32) {
        self.note(&format!("({name} exits with {code})"));
        let reason = if code == 0 { "Completed" } else { "Error" };
        let exit = Terminated {
            exit_code: code,
            reason: reason.into(),
            message: String::new(),
            started_at: Some(self.now),
            finished_at: self.now,
            container_id: format!("coracle://u_{name}_{attempt}"),
        };
        self.give(Event::Exited { container: name.into(), id: format!("u_{name}_{attempt}"), exit });
    }

    /// Image there, running.
    fn run(&mut self, name: &str, attempt: u32) {
        self.image(name);
        self.started(name, attempt);
    }

    fn probed(&mut self, attempt: u32, kind: ProbeKind, good: bool) {
        let outcome = if good { Outcome::Success } else { Outcome::Failure { output: "no".into() } };
        self.give(Event::Probed { container: "app".into(), id: format!("u_app_{attempt}"), kind, outcome });
    }

    fn brief(&mut self) {
        let status = status(&self.state);
        let mut parts = vec![format!("= {}", status["phase"].as_str().unwrap())];
        for list in ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"] {
            for c in status[list].as_array().into_iter().flatten() {
                let (kind, detail) = c["state"].as_object().unwrap().iter().next().unwrap();
                let reason = detail["reason"].as_str().map(|r| format!(" {r}")).unwrap_or_default();
                let ready = if c["ready"] == true { " ready" } else { "" };
                parts.push(format!(
                    "{}: {kind}{reason}{ready} x{}",
                    c["name"].as_str().unwrap(),
                    c["restartCount"]
                ));
            }
        }
        let text = parts.join("; ");
        self.note(&text);
    }

    fn expect(self, expected: Expect) {
        expected.assert_eq(&self.log);
    }
}

fn tell(action: &Action) -> String {
    match action {
        Action::Record { kind, reason, message, container } => {
            let on = container.as_deref().map(|c| format!("[{c}] ")).unwrap_or_default();
            let mark = if *kind == EventKind::Warning { "! " } else { "" };
            format!("{mark}{on}{reason}: {message}")
        }
        Action::EnsureImage { image, policy, .. } => format!("-> image {image} {policy:?}"),
        Action::StartContainer { id, .. } => format!("-> start {id}"),
        Action::Signal { id, signal, .. } => {
            format!("-> signal {id} {}", signal.map_or("stop".into(), |s| s.to_string()))
        }
        Action::Probe { id, kind, .. } => format!("-> {kind:?} probe {id}"),
        Action::RunHook { id, kind, seconds, .. } => format!("-> {kind:?} hook {id} ({seconds}s)"),
        other => format!("-> {other:?}"),
    }
}

#[test]
fn a_plain_pod_starts_and_is_ready() {
    let mut life = Life::of(json!({}));
    life.brief();
    life.boot();
    life.brief();
    life.run("app", 0);
    life.brief();
    life.expect(expect![[r#"
        0s   = Pending; app: waiting ContainerCreating x0
        0s   -> PrepareVolumes
        0s   -> CreateSandbox
        0s   -> image app:1 IfNotPresent
        0s   = Pending; app: waiting ContainerCreating x0
        0s   [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        0s   -> start u_app_0
        0s   [app] Created: Container created
        0s   [app] Started: Container started
        0s   = Running; app: running ready x0
    "#]]);
}

fn deleted(spec: Value, now: Timestamp, grace: i64) -> Event {
    let mut pod = pod_object(spec);
    let at = now + SignedDuration::from_secs(grace);
    pod["metadata"]["deletionTimestamp"] = at.to_string().into();
    pod["metadata"]["deletionGracePeriodSeconds"] = grace.into();
    Event::Spec(Arc::new(pod))
}

#[test]
fn the_whole_status() {
    let mut life = Life::of(json!({"readinessProbe": {"tcpSocket": {"port": 80}}}));
    life.boot();
    life.wait(2);
    life.run("app", 0);
    let text = serde_json::to_string_pretty(&status(&life.state)).unwrap();
    expect![[r#"
        {
          "phase": "Running",
          "conditions": [
            {
              "type": "PodReadyToStartContainers",
              "status": "True",
              "lastProbeTime": null,
              "lastTransitionTime": "2026-01-01T00:00:00Z"
            },
            {
              "type": "Initialized",
              "status": "True",
              "lastProbeTime": null,
              "lastTransitionTime": "2026-01-01T00:00:00Z"
            },
            {
              "type": "Ready",
              "status": "False",
              "lastProbeTime": null,
              "lastTransitionTime": "2026-01-01T00:00:00Z",
              "reason": "ContainersNotReady",
              "message": "containers with unready status: [app]"
            },
            {
              "type": "ContainersReady",
              "status": "False",
              "lastProbeTime": null,
              "lastTransitionTime": "2026-01-01T00:00:00Z",
              "reason": "ContainersNotReady",
              "message": "containers with unready status: [app]"
            },
            {
              "type": "PodScheduled",
              "status": "True",
              "lastProbeTime": null,
              "lastTransitionTime": "2026-01-01T00:00:00Z"
            }
          ],
          "hostIP": "10.0.0.1",
          "hostIPs": [
            {
              "ip": "10.0.0.1"
            }
          ],
          "podIP": "10.42.0.5",
          "podIPs": [
            {
              "ip": "10.42.0.5"
            }
          ],
          "startTime": "2026-01-01T00:00:00Z",
          "containerStatuses": [
            {
              "name": "app",
              "state": {
                "running": {
                  "startedAt": "2026-01-01T00:00:02Z"
                }
              },
              "lastState": {},
              "ready": false,
              "restartCount": 0,
              "image": "app:1",
              "imageID": "app@sha256:1",
              "started": true,
              "containerID": "coracle://u_app_0",
              "resources": {}
            }
          ],
          "qosClass": "Burstable"
        }"#]]
    .assert_eq(&text);
}
