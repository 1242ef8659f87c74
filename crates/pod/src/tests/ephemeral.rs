//! Ephemeral containers: added to a pod that runs, never started again, and nothing waits for them.

use super::*;

fn with_debugger(extra: Value) -> Value {
    let mut debugger = json!({"name": "look", "image": "busybox:1"});
    for (field, value) in extra.as_object().into_iter().flatten() {
        debugger[field] = value.clone();
    }
    json!({"containers": [container(json!({}))], "restartPolicy": "Never", "ephemeralContainers": [debugger]})
}

#[test]
fn it_is_added_ends_and_stays_ended() {
    let mut life = Life::new(json!({"containers": [container(json!({}))], "restartPolicy": "Never"}));
    life.boot();
    life.run("app", 0);
    life.log.clear();
    life.give(Event::Spec(Arc::new(pod_object(with_debugger(json!({}))))));
    life.run("look", 0);
    life.brief();
    life.exited("look", 0, 3);
    life.wait(600);
    life.brief();
    life.expect(expect![[r#"
        0s   -> image busybox:1 IfNotPresent
        0s   [look] Pulled: Container image "busybox:1" already present on machine and can be accessed by the pod
        0s   -> start u_look_0
        0s   [look] Created: Container created
        0s   [look] Started: Container started
        0s   = Running; app: running ready x0; look: running x0
        0s   (look exits with 3)
        600s = Running; app: running ready x0; look: terminated Error x0
    "#]]);
}

#[test]
fn it_waits_for_its_target_alone() {
    let mut life = Life::new(with_debugger(json!({"targetContainerName": "app"})));
    life.boot();
    life.image("app");
    life.brief();
    life.started("app", 0);
    life.run("look", 0);
    life.brief();
    // The pod's work decides how the pod ends.
    life.exited("app", 0, 0);
    life.exited("look", 0, 137);
    life.brief();
    life.expect(expect![[r#"
        0s   -> PrepareVolumes
        0s   -> CreateSandbox
        0s   -> image app:1 IfNotPresent
        0s   [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        0s   -> start u_app_0
        0s   = Pending; app: waiting ContainerCreating x0; look: waiting ContainerCreating x0
        0s   [app] Created: Container created
        0s   [app] Started: Container started
        0s   -> image busybox:1 IfNotPresent
        0s   [look] Pulled: Container image "busybox:1" already present on machine and can be accessed by the pod
        0s   -> start u_look_0
        0s   [look] Created: Container created
        0s   [look] Started: Container started
        0s   = Running; app: running ready x0; look: running x0
        0s   (app exits with 0)
        0s   [look] Killing: Stopping container look
        0s   -> signal u_look_0 stop
        0s   (look exits with 137)
        0s   -> RemoveSandbox
        0s   = Succeeded; app: terminated Completed x0; look: terminated Error x0
    "#]]);
}

#[test]
fn it_does_not_wait_for_init_containers() {
    let mut spec = with_debugger(json!({}));
    spec["initContainers"] = json!([{"name": "slow", "image": "i:1"}]);
    let mut life = Life::new(spec);
    life.boot();
    life.run("slow", 0);
    life.run("look", 0);
    life.brief();
    life.expect(expect![[r#"
        0s   -> PrepareVolumes
        0s   -> CreateSandbox
        0s   -> image busybox:1 IfNotPresent
        0s   -> image i:1 IfNotPresent
        0s   [slow] Pulled: Container image "i:1" already present on machine and can be accessed by the pod
        0s   -> start u_slow_0
        0s   [slow] Created: Container created
        0s   [slow] Started: Container started
        0s   [look] Pulled: Container image "busybox:1" already present on machine and can be accessed by the pod
        0s   -> start u_look_0
        0s   [look] Created: Container created
        0s   [look] Started: Container started
        0s   = Pending; slow: running x0; app: waiting PodInitializing x0; look: running x0
    "#]]);
}
