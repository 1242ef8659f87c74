//! Startup, readiness and liveness.

use super::*;

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
