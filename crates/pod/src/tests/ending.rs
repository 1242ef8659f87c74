//! Deletion, hooks and deadlines.

use super::*;

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
        0s   [b] Pulled: Container image "b:1" already present on machine and can be accessed by the pod
        0s   -> start u_b_0
        0s   [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        0s   -> start u_app_0
        0s   [app] Created: Container created
        0s   [app] Started: Container started
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
