//! How containers that ended or changed are started again.

use super::*;

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
        5s   [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        5s   -> start u_app_1
        5s   [app] Created: Container created
        5s   [app] Started: Container started
        6s   (app exits with 1)
        6s   ! [app] BackOff: Back-off restarting failed container app in pod web_default(u)
        6s   = Running; app: waiting CrashLoopBackOff x1
        16s  -> image app:1 IfNotPresent
        16s  [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        16s  -> start u_app_2
        16s  [app] Created: Container created
        16s  [app] Started: Container started
        16s  (app exits with 0)
        16s  ! [app] BackOff: Back-off restarting failed container app in pod web_default(u)
        16s  = Running; app: waiting CrashLoopBackOff x2
        36s  -> image app:1 IfNotPresent
        36s  [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        36s  -> start u_app_3
        36s  [app] Created: Container created
        36s  [app] Started: Container started
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
        0s   [app] Pulled: Container image "app:2" already present on machine and can be accessed by the pod
        0s   -> start u_app_1
        0s   [app] Created: Container created
        0s   [app] Started: Container started
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
        0s   [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        0s   -> start u_app_1
        0s   [app] Created: Container created
        0s   [app] Started: Container started
        0s   [app] Killing: Container app is restarted
        0s   -> signal u_app_1 stop
        0s   (app exits with 143)
        0s   -> image app:1 IfNotPresent
        0s   [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        0s   -> start u_app_2
        0s   [app] Created: Container created
        0s   [app] Started: Container started
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
