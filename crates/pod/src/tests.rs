//! Whole lives of pods, with a clock that stands still between the lines.

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
        for list in ["initContainerStatuses", "containerStatuses"] {
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
        0s   [app] Pulled: Container image "app:1" already present on machine
        0s   -> start u_app_0
        0s   [app] Created: Created container: app
        0s   [app] Started: Started container app
        0s   = Running; app: running ready x0
    "#]]);
}

#[test]
fn crashes_are_backed_off_and_forgiven() {
    let mut life = Life::of(json!({}));
    life.boot();
    life.run("app", 0);
    life.log.clear();
    life.wait(5);
    life.exited("app", 0, 1);
    life.run("app", 1);
    life.wait(1);
    life.exited("app", 1, 1);
    life.brief();
    life.wait(10);
    life.run("app", 2);
    life.exited("app", 2, 0);
    life.brief();
    life.wait(20);
    life.run("app", 3);
    life.wait(700);
    life.note("after a long good run:");
    life.exited("app", 3, 1);
    life.expect(expect![[r#"
        5s   (app exits with 1)
        5s   -> image app:1 IfNotPresent
        5s   [app] Pulled: Container image "app:1" already present on machine
        5s   -> start u_app_1
        5s   [app] Created: Created container: app
        5s   [app] Started: Started container app
        6s   (app exits with 1)
        6s   ! [app] BackOff: Back-off restarting failed container app in pod web_default(u)
        6s   = Running; app: waiting CrashLoopBackOff x1
        16s  -> image app:1 IfNotPresent
        16s  [app] Pulled: Container image "app:1" already present on machine
        16s  -> start u_app_2
        16s  [app] Created: Created container: app
        16s  [app] Started: Started container app
        16s  (app exits with 0)
        16s  ! [app] BackOff: Back-off restarting failed container app in pod web_default(u)
        16s  = Running; app: waiting CrashLoopBackOff x2
        36s  -> image app:1 IfNotPresent
        36s  [app] Pulled: Container image "app:1" already present on machine
        36s  -> start u_app_3
        36s  [app] Created: Created container: app
        36s  [app] Started: Started container app
        736s after a long good run:
        736s (app exits with 1)
        736s -> image app:1 IfNotPresent
    "#]]);
}

#[test]
fn the_back_off_doubles_up_to_five_minutes() {
    let mut life = Life::of(json!({}));
    life.boot();
    life.run("app", 0);
    let mut waits = Vec::new();
    for attempt in 0..8 {
        life.exited("app", attempt, 1);
        let before = life.now;
        if let Some(wake) = life.state.next_wake(life.now) {
            life.now = wake;
            life.give(Event::Tick);
        }
        waits.push(life.now.duration_since(before).as_secs());
        life.run("app", attempt + 1);
    }
    assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
}

#[test]
fn readiness_counts_its_thresholds() {
    let probe = json!({"httpGet": {"port": "http", "path": "health"}, "initialDelaySeconds": 5, "periodSeconds": 3,
        "failureThreshold": 2, "successThreshold": 2});
    let mut life =
        Life::of(json!({"readinessProbe": probe, "ports": [{"name": "http", "containerPort": 8000}]}));
    let Some(Probe { handler: Handler::Http { port, path, .. }, .. }) =
        &life.state.spec().containers[0].readiness
    else {
        panic!("an HTTP probe");
    };
    assert_eq!((*port, path.as_str()), (8000, "/health"));
    life.boot();
    life.run("app", 0);
    life.log.clear();
    life.wait(5);
    life.probed(0, ProbeKind::Readiness, true);
    life.brief();
    life.wait(3);
    life.probed(0, ProbeKind::Readiness, true);
    life.brief();
    life.wait(3);
    life.probed(0, ProbeKind::Readiness, false);
    life.brief();
    life.wait(3);
    life.probed(0, ProbeKind::Readiness, false);
    life.brief();
    life.expect(expect![[r#"
        5s   -> Readiness probe u_app_0
        5s   = Running; app: running x0
        8s   -> Readiness probe u_app_0
        8s   = Running; app: running ready x0
        11s  -> Readiness probe u_app_0
        11s  ! [app] Unhealthy: Readiness probe failed: no
        11s  = Running; app: running ready x0
        14s  -> Readiness probe u_app_0
        14s  ! [app] Unhealthy: Readiness probe failed: no
        14s  = Running; app: running x0
    "#]]);
}

#[test]
fn a_good_container_is_known_at_once_and_a_bad_one_not_too_early() {
    let mut life = Life::of(json!({"readinessProbe": {"tcpSocket": {"port": 80}, "failureThreshold": 1}}));
    life.boot();
    life.run("app", 0);
    let began = life.now;
    let mut tries = Vec::new();
    while life.now.duration_since(began).as_secs() < 10 {
        life.probed(0, ProbeKind::Readiness, false);
        life.now = life.state.next_wake(life.now).unwrap();
        life.give(Event::Tick);
        tries.push(life.now.duration_since(began).as_millis());
    }
    life.log.clear();
    life.probed(0, ProbeKind::Readiness, false);
    life.note(&format!("{tries:?}"));
    life.expect(expect![[r#"
        10s  ! [app] Unhealthy: Readiness probe failed: no
        10s  [50, 150, 350, 750, 1550, 2550, 3550, 4550, 5550, 6550, 7550, 8550, 9550, 10000]
    "#]]);
}

#[test]
fn startup_holds_the_others_and_liveness_restarts() {
    let tcp = |extra: Value| {
        let mut probe = json!({"tcpSocket": {"port": 80}, "periodSeconds": 10, "failureThreshold": 1});
        probe.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        probe
    };
    let mut life = Life::of(json!({
        "startupProbe": tcp(json!({"periodSeconds": 1, "failureThreshold": 3})),
        "livenessProbe": tcp(json!({"terminationGracePeriodSeconds": 4})), "readinessProbe": tcp(json!({})),
    }));
    life.boot();
    life.run("app", 0);
    life.log.clear();
    life.wait(0);
    life.give(Event::Tick);
    life.probed(0, ProbeKind::Startup, false);
    life.wait(1);
    life.probed(0, ProbeKind::Startup, true);
    life.brief();
    life.probed(0, ProbeKind::Readiness, true);
    life.probed(0, ProbeKind::Liveness, true);
    life.brief();
    life.wait(10);
    life.probed(0, ProbeKind::Liveness, false);
    life.wait(4);
    life.exited("app", 0, 137);
    life.brief();
    life.expect(expect![[r#"
        0s   -> Startup probe u_app_0
        1s   -> Readiness probe u_app_0
        1s   -> Liveness probe u_app_0
        1s   = Running; app: running x0
        1s   = Running; app: running ready x0
        11s  -> Readiness probe u_app_0
        11s  -> Liveness probe u_app_0
        11s  ! [app] Unhealthy: Liveness probe failed: no
        11s  [app] Killing: Container app failed liveness probe, will be restarted
        11s  -> signal u_app_0 stop
        15s  -> signal u_app_0 9
        15s  (app exits with 137)
        15s  -> image app:1 IfNotPresent
        15s  = Running; app: terminated Error x1
    "#]]);
}

#[test]
fn init_containers_run_in_order_and_sidecars_stay() {
    let mut life = Life::new(json!({
        "initContainers": [
            {"name": "one", "image": "i"},
            {"name": "side", "image": "s", "restartPolicy": "Always"},
            {"name": "two", "image": "i"},
        ],
        "containers": [container(json!({}))], "restartPolicy": "Never",
    }));
    life.boot();
    life.run("one", 0);
    life.brief();
    life.exited("one", 0, 0);
    life.run("side", 0);
    life.run("two", 0);
    life.exited("two", 0, 0);
    life.brief();
    life.run("app", 0);
    life.brief();
    life.exited("app", 0, 0);
    life.exited("side", 0, 143);
    life.brief();
    life.expect(expect![[r#"
        0s   -> PrepareVolumes
        0s   -> CreateSandbox
        0s   -> image i Always
        0s   [one] Pulled: Container image "i" already present on machine
        0s   -> start u_one_0
        0s   [one] Created: Created container: one
        0s   [one] Started: Started container one
        0s   = Pending; one: running x0; side: waiting PodInitializing x0; two: waiting PodInitializing x0; app: waiting PodInitializing x0
        0s   (one exits with 0)
        0s   -> image s Always
        0s   [side] Pulled: Container image "s" already present on machine
        0s   -> start u_side_0
        0s   [side] Created: Created container: side
        0s   [side] Started: Started container side
        0s   -> image i Always
        0s   [two] Pulled: Container image "i" already present on machine
        0s   -> start u_two_0
        0s   [two] Created: Created container: two
        0s   [two] Started: Started container two
        0s   (two exits with 0)
        0s   -> image app:1 IfNotPresent
        0s   = Pending; one: terminated Completed ready x0; side: running ready x0; two: terminated Completed ready x0; app: waiting ContainerCreating x0
        0s   [app] Pulled: Container image "app:1" already present on machine
        0s   -> start u_app_0
        0s   [app] Created: Created container: app
        0s   [app] Started: Started container app
        0s   = Running; one: terminated Completed ready x0; side: running ready x0; two: terminated Completed ready x0; app: running ready x0
        0s   (app exits with 0)
        0s   [side] Killing: Stopping container side
        0s   -> signal u_side_0 stop
        0s   (side exits with 143)
        0s   -> RemoveSandbox
        0s   = Succeeded; one: terminated Completed ready x0; side: terminated Error x0; two: terminated Completed ready x0; app: terminated Completed x0
    "#]]);
}

#[test]
fn a_failing_init_container_fails_a_pod_that_never_restarts() {
    let mut life = Life::new(json!({
        "initContainers": [{"name": "one", "image": "i:1"}], "containers": [container(json!({}))], "restartPolicy": "Never",
    }));
    life.boot();
    life.run("one", 0);
    life.log.clear();
    life.exited("one", 0, 3);
    life.brief();
    life.expect(expect![[r#"
        0s   (one exits with 3)
        0s   -> RemoveSandbox
        0s   = Failed; one: terminated Error x0; app: waiting PodInitializing x0
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
fn deletion_goes_through_hook_term_and_kill() {
    let hook = json!({"lifecycle": {"preStop": {"exec": {"command": ["sync"]}}}});
    let spec = json!({"containers": [container(hook)]});
    let mut life = Life::new(spec.clone());
    life.boot();
    life.run("app", 0);
    life.log.clear();
    life.give(deleted(spec, life.now, 30));
    life.wait(10);
    life.note("(hook done)");
    let (container, id) = ("app".to_string(), "u_app_0".to_string());
    life.give(Event::HookDone { container, id, kind: HookKind::PreStop, failure: None });
    life.wait(20);
    life.exited("app", 0, 137);
    life.brief();
    life.give(Event::TornDown);
    life.expect(expect![[r#"
        0s   [app] Killing: Stopping container app
        0s   -> PreStop hook u_app_0 (30s)
        10s  (hook done)
        10s  -> signal u_app_0 stop
        30s  -> signal u_app_0 9
        30s  (app exits with 137)
        30s  -> TearDown
        30s  = Failed; app: terminated Error x0
        30s  -> FinalDelete
    "#]]);
}

#[test]
fn sidecars_end_after_the_others() {
    let spec = json!({"initContainers": [{"name": "side", "image": "s:1", "restartPolicy": "Always"}],
        "containers": [container(json!({}))]});
    let mut life = Life::new(spec.clone());
    life.boot();
    life.run("side", 0);
    life.run("app", 0);
    life.log.clear();
    life.give(deleted(spec, life.now, 30));
    life.exited("app", 0, 0);
    life.exited("side", 0, 0);
    life.expect(expect![[r#"
        0s   [app] Killing: Stopping container app
        0s   -> signal u_app_0 stop
        0s   (app exits with 0)
        0s   [side] Killing: Stopping container side
        0s   -> signal u_side_0 stop
        0s   (side exits with 0)
        0s   -> TearDown
    "#]]);
}

#[test]
fn what_is_missing_is_waited_for_by_watch() {
    let mut life = Life::of(json!({}));
    life.boot();
    life.image("app");
    life.log.clear();
    let message = "configmap \"conf\" not found".to_string();
    life.give(Event::StartFailed { container: "app".into(), failure: StartFailure::Config, message });
    life.brief();
    life.wait(1);
    life.note("(it appears)");
    life.give(Event::ObjectsChanged);
    life.started("app", 0);
    life.brief();
    life.expect(expect![[r#"
        0s   ! [app] Failed: Error: configmap "conf" not found
        0s   = Pending; app: waiting CreateContainerConfigError x0
        1s   (it appears)
        1s   -> start u_app_0
        1s   [app] Created: Created container: app
        1s   [app] Started: Started container app
        1s   = Running; app: running ready x0
    "#]]);
}

#[test]
fn images_that_cannot_be_pulled() {
    let mut life = Life::of(json!({}));
    life.boot();
    life.log.clear();
    let failed = || Event::ImageFailed {
        container: "app".into(),
        failure: ImageFailure::Pull,
        message: "no route".into(),
    };
    life.give(failed());
    life.brief();
    life.wait(10);
    life.brief();
    life.give(failed());
    life.note("(the image is corrected)");
    life.give(Event::Spec(Arc::new(pod_object(
        json!({"containers": [container(json!({"image": "app:2"}))]}),
    ))));
    life.expect(expect![[r#"
        0s   ! [app] Failed: Failed to pull image "app:1": no route
        0s   ! [app] Failed: Error: ErrImagePull
        0s   = Pending; app: waiting ErrImagePull x0
        2s   [app] BackOff: Back-off pulling image "app:1"
        2s   ! [app] Failed: Error: ImagePullBackOff
        10s  -> image app:1 IfNotPresent
        10s  = Pending; app: waiting ImagePullBackOff x0
        10s  ! [app] Failed: Failed to pull image "app:1": no route
        10s  ! [app] Failed: Error: ErrImagePull
        10s  (the image is corrected)
        10s  -> image app:2 IfNotPresent
    "#]]);
}

#[test]
fn another_image_restarts_the_container() {
    let mut life = Life::of(json!({}));
    life.boot();
    life.run("app", 0);
    life.log.clear();
    life.give(Event::Spec(Arc::new(pod_object(
        json!({"containers": [container(json!({"image": "app:2"}))]}),
    ))));
    life.exited("app", 0, 0);
    life.run("app", 1);
    life.brief();
    life.expect(expect![[r#"
        0s   [app] Killing: Container app definition changed, will be restarted
        0s   -> signal u_app_0 stop
        0s   (app exits with 0)
        0s   -> image app:2 IfNotPresent
        0s   [app] Pulled: Container image "app:2" already present on machine
        0s   -> start u_app_1
        0s   [app] Created: Created container: app
        0s   [app] Started: Started container app
        0s   = Running; app: running ready x1
    "#]]);
}

#[test]
fn a_wanted_restart_is_no_crash() {
    let mut life = Life::new(json!({"containers": [container(json!({}))], "restartPolicy": "Never"}));
    life.boot();
    life.run("app", 0);
    life.log.clear();
    for attempt in 0..2 {
        life.give(Event::Restart { container: "app".into() });
        life.exited("app", attempt, 143);
        life.run("app", attempt + 1);
    }
    life.brief();
    life.expect(expect![[r#"
        0s   [app] Killing: Container app is restarted
        0s   -> signal u_app_0 stop
        0s   (app exits with 143)
        0s   -> image app:1 IfNotPresent
        0s   [app] Pulled: Container image "app:1" already present on machine
        0s   -> start u_app_1
        0s   [app] Created: Created container: app
        0s   [app] Started: Started container app
        0s   [app] Killing: Container app is restarted
        0s   -> signal u_app_1 stop
        0s   (app exits with 143)
        0s   -> image app:1 IfNotPresent
        0s   [app] Pulled: Container image "app:1" already present on machine
        0s   -> start u_app_2
        0s   [app] Created: Created container: app
        0s   [app] Started: Started container app
        0s   = Running; app: running ready x2
    "#]]);
}

#[test]
fn a_program_that_cannot_be_started() {
    let failure = || Event::StartFailed {
        container: "app".into(),
        failure: StartFailure::Run,
        message: "exec /x: no such file or directory".into(),
    };
    for policy in ["Never", "Always"] {
        let mut life = Life::new(json!({"containers": [container(json!({}))], "restartPolicy": policy}));
        life.boot();
        life.image("app");
        life.log.clear();
        life.give(failure());
        life.brief();
        let expected = if policy == "Never" {
            expect![[r#"
            0s   ! [app] Failed: Error: exec /x: no such file or directory
            0s   -> RemoveSandbox
            0s   = Failed; app: terminated StartError x0
        "#]]
        } else {
            expect![[r#"
            0s   ! [app] Failed: Error: exec /x: no such file or directory
            0s   -> image app:1 IfNotPresent
            0s   = Running; app: terminated StartError x1
        "#]]
        };
        life.expect(expected);
    }
}

#[test]
fn a_failed_post_start_hook_ends_the_container() {
    let mut life = Life::new(json!({"containers": [
        container(json!({"lifecycle": {"postStart": {"exec": {"command": ["x"]}}}})), {"name": "b", "image": "b:1"}]}));
    life.boot();
    life.image("b");
    life.run("app", 0);
    life.brief();
    let (container, id) = ("app".to_string(), "u_app_0".to_string());
    let failure = Some("exit 1".to_string());
    life.give(Event::HookDone { container, id, kind: HookKind::PostStart, failure });
    life.expect(expect![[r#"
        0s   -> PrepareVolumes
        0s   -> CreateSandbox
        0s   -> image app:1 IfNotPresent
        0s   -> image b:1 IfNotPresent
        0s   [b] Pulled: Container image "b:1" already present on machine
        0s   -> start u_b_0
        0s   [app] Pulled: Container image "app:1" already present on machine
        0s   -> start u_app_0
        0s   [app] Created: Created container: app
        0s   [app] Started: Started container app
        0s   -> PostStart hook u_app_0 (86400s)
        0s   = Pending; app: running x0; b: waiting ContainerCreating x0
        0s   ! [app] FailedPostStartHook: PostStartHook failed: exit 1
        0s   [app] Killing: FailedPostStartHook
        0s   -> signal u_app_0 stop
    "#]]);
}

#[test]
fn an_active_deadline_fails_the_pod() {
    let mut life = Life::new(json!({"containers": [container(json!({}))], "activeDeadlineSeconds": 60}));
    life.boot();
    life.run("app", 0);
    life.log.clear();
    life.wait(61);
    life.exited("app", 0, 143);
    life.brief();
    life.expect(expect![[r#"
        60s  DeadlineExceeded: Pod was active on the node longer than the specified deadline
        60s  [app] Killing: Stopping container app
        60s  -> signal u_app_0 stop
        61s  (app exits with 143)
        61s  -> RemoveSandbox
        61s  = Failed; app: terminated Error x0
    "#]]);
}

fn with_status(life: &Life) -> Arc<Value> {
    let mut pod = (**life.state.object()).clone();
    pod["status"] = status(&life.state);
    Arc::new(pod)
}

#[test]
fn adoption_restarts_nothing() {
    let mut life = Life::of(json!({"readinessProbe": {"tcpSocket": {"port": 80}}}));
    life.boot();
    life.run("app", 0);
    life.wait(1);
    life.exited("app", 0, 1);
    life.run("app", 1);
    life.give(Event::Tick);
    life.probed(1, ProbeKind::Readiness, true);
    let before = status(&life.state);
    let started_at = life.now;
    life.wait(100);
    let found = |state| vec![Found { container: "app".into(), id: "u_app_1".into(), attempt: 1, state }];
    let address = Some(Some([10, 42, 0, 5].into()));
    let running = found(FoundState::Running { started_at });
    let (state, actions) = adopt(with_status(&life), [10, 0, 0, 1].into(), address, &running, life.now);
    assert!(actions.is_empty());
    assert_eq!(status(&state), before, "the same to the last field");

    life.log.clear();
    life.state = state;
    life.give(Event::Tick);
    life.note("or it has ended meanwhile:");
    let exit = Terminated {
        exit_code: 2,
        reason: "Error".into(),
        message: String::new(),
        started_at: Some(started_at),
        finished_at: life.now,
        container_id: "coracle://u_app_1".into(),
    };
    let ended = found(FoundState::Exited(exit));
    (life.state, _) = adopt(with_status(&life), [10, 0, 0, 1].into(), address, &ended, life.now);
    life.give(Event::Tick);
    life.brief();
    life.expect(expect![[r#"
         101s -> PrepareVolumes
         101s -> Readiness probe u_app_1
         101s or it has ended meanwhile:
         101s -> PrepareVolumes
         101s ! [app] BackOff: Back-off restarting failed container app in pod web_default(u)
         101s = Running; app: waiting CrashLoopBackOff x1
    "#]]);
}

#[test]
fn a_lost_sandbox_starts_the_pod_again() {
    let mut life = Life::new(
        json!({"initContainers": [{"name": "one", "image": "i:1"}], "containers": [container(json!({}))]}),
    );
    life.boot();
    life.run("one", 0);
    life.exited("one", 0, 0);
    life.run("app", 0);
    life.wait(50);
    life.log.clear();
    let actions;
    (life.state, actions) = adopt(with_status(&life), [10, 0, 0, 1].into(), None, &[], life.now);
    actions.iter().for_each(|action| life.note(&tell(action)));
    life.brief();
    life.boot();
    life.run("one", 1);
    life.exited("one", 1, 0);
    life.run("app", 1);
    life.brief();
    life.expect(expect![[r#"
        50s  SandboxChanged: Pod sandbox changed, it will be killed and re-created.
        50s  = Pending; one: waiting PodInitializing x1; app: waiting PodInitializing x1
        50s  -> PrepareVolumes
        50s  -> CreateSandbox
        50s  -> image i:1 IfNotPresent
        50s  [one] Pulled: Container image "i:1" already present on machine
        50s  -> start u_one_1
        50s  [one] Created: Created container: one
        50s  [one] Started: Started container one
        50s  (one exits with 0)
        50s  -> image app:1 IfNotPresent
        50s  [app] Pulled: Container image "app:1" already present on machine
        50s  -> start u_app_1
        50s  [app] Created: Created container: app
        50s  [app] Started: Started container app
        50s  = Running; one: terminated Completed ready x1; app: running ready x1
    "#]]);
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
              "containerID": "coracle://u_app_0"
            }
          ],
          "qosClass": "Burstable"
        }"#]]
    .assert_eq(&text);
}
