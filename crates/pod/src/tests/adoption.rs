//! A daemon that finds pods of the one before.

use super::*;

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
        50s  [one] Pulled: Container image "i:1" already present on machine and can be accessed by the pod
        50s  -> start u_one_1
        50s  [one] Created: Container created
        50s  [one] Started: Container started
        50s  (one exits with 0)
        50s  -> image app:1 IfNotPresent
        50s  [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        50s  -> start u_app_1
        50s  [app] Created: Container created
        50s  [app] Started: Container started
        50s  = Running; one: terminated Completed ready x1; app: running ready x1
    "#]]);
}
