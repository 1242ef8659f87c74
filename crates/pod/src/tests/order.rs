//! Init containers and sidecars: which container waits for which.

use super::*;

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
        0s   [one] Pulled: Container image "i" already present on machine and can be accessed by the pod
        0s   -> start u_one_0
        0s   [one] Created: Container created
        0s   [one] Started: Container started
        0s   = Pending; one: running x0; side: waiting PodInitializing x0; two: waiting PodInitializing x0; app: waiting PodInitializing x0
        0s   (one exits with 0)
        0s   -> image s Always
        0s   [side] Pulled: Container image "s" already present on machine and can be accessed by the pod
        0s   -> start u_side_0
        0s   [side] Created: Container created
        0s   [side] Started: Container started
        0s   -> image i Always
        0s   [two] Pulled: Container image "i" already present on machine and can be accessed by the pod
        0s   -> start u_two_0
        0s   [two] Created: Container created
        0s   [two] Started: Container started
        0s   (two exits with 0)
        0s   -> image app:1 IfNotPresent
        0s   = Pending; one: terminated Completed ready x0; side: running ready x0; two: terminated Completed ready x0; app: waiting ContainerCreating x0
        0s   [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        0s   -> start u_app_0
        0s   [app] Created: Container created
        0s   [app] Started: Container started
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
