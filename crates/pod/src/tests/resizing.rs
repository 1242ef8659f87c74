//! Pods whose containers get other resources while they run.

use super::*;

fn spec(cpu: &str, memory: &str) -> Value {
    let amounts = json!({ "cpu": cpu, "memory": memory });
    let policy = json!([
        { "resourceName": "cpu", "restartPolicy": "NotRequired" },
        { "resourceName": "memory", "restartPolicy": "RestartContainer" },
    ]);
    json!({ "containers": [container(json!({
        "resources": { "limits": amounts, "requests": amounts }, "resizePolicy": policy,
    }))] })
}

impl Life {
    fn asks(&mut self, cpu: &str, memory: &str) {
        self.give(Event::Spec(Arc::new(pod_object(spec(cpu, memory)))));
        let wants = self.state.wants_resize();
        self.note(&format!("(asks for {cpu}, {memory}: {wants})"));
    }

    fn judged(&mut self, refusal: Option<&str>) {
        let refusal = refusal.map(|reason| (reason.to_string(), "no room".to_string()));
        self.give(Event::ResizeJudged { refusal });
    }

    fn resized(&mut self, attempt: u32, cpu: &str, failure: Option<&str>) {
        let amounts = json!({ "cpu": cpu, "memory": "1Mi" });
        self.give(Event::Resized {
            container: "app".into(),
            id: format!("u_app_{attempt}"),
            resources: json!({ "limits": amounts, "requests": amounts }),
            failure: failure.map(String::from),
        });
    }

    /// What the status says of resources and of the two conditions.
    fn resources(&mut self) {
        let status = status(&self.state);
        let own = &status["containerStatuses"][0];
        let (allocated, actual) = (&own["allocatedResources"]["cpu"], &own["resources"]["limits"]["cpu"]);
        let conditions = status["conditions"].as_array().unwrap().iter();
        let told: Vec<String> = conditions
            .filter(|c| c["type"].as_str().unwrap().starts_with("PodResize"))
            .map(|c| format!("{} {} {} {}", c["type"], c["reason"], c["message"], c["lastTransitionTime"]))
            .collect();
        self.note(&format!("= {allocated} allocated, {actual} there {}", told.join("; ")));
    }
}

#[test]
fn a_processor_share_changes_in_place() {
    let mut life = Life::new(spec("1", "1Mi"));
    life.boot();
    life.run("app", 0);
    life.resources();
    life.asks("2", "1Mi");
    life.resources();
    life.judged(None);
    life.resources();
    life.resized(0, "2", None);
    life.resources();
    life.brief();
    life.expect(expect![[r#"
        0s   -> PrepareVolumes
        0s   -> CreateSandbox
        0s   -> image app:1 IfNotPresent
        0s   [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        0s   -> start u_app_0
        0s   [app] Created: Container created
        0s   [app] Started: Container started
        0s   = "1" allocated, "1" there 
        0s   (asks for 2, 1Mi: true)
        0s   = "1" allocated, "1" there 
        0s   -> Resize { container: "app", id: "u_app_0", resources: Object {"limits": Object {"cpu": String("2"), "memory": String("1Mi")}, "requests": Object {"cpu": String("2"), "memory": String("1Mi")}} }
        0s   = "2" allocated, "1" there 
        0s   = "2" allocated, "2" there 
        0s   = Running; app: running ready x0
    "#]]);
}

#[test]
fn memory_may_want_a_new_start() {
    let mut life = Life::new(spec("1", "1Mi"));
    life.boot();
    life.run("app", 0);
    life.asks("1", "2Mi");
    life.judged(None);
    life.exited("app", 0, 143);
    life.run("app", 1);
    life.resources();
    life.brief();
    life.expect(expect![[r#"
        0s   -> PrepareVolumes
        0s   -> CreateSandbox
        0s   -> image app:1 IfNotPresent
        0s   [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        0s   -> start u_app_0
        0s   [app] Created: Container created
        0s   [app] Started: Container started
        0s   (asks for 1, 2Mi: true)
        0s   [app] Killing: Container app resize requires restart
        0s   -> signal u_app_0 stop
        0s   (app exits with 143)
        0s   -> image app:1 IfNotPresent
        0s   [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        0s   -> start u_app_1
        0s   [app] Created: Container created
        0s   [app] Started: Container started
        0s   = "1" allocated, "1" there 
        0s   = Running; app: running ready x1
    "#]]);
}

#[test]
fn what_there_is_no_room_for_waits() {
    let mut life = Life::new(spec("1", "1Mi"));
    life.boot();
    life.run("app", 0);
    life.asks("9", "1Mi");
    life.judged(Some("Deferred"));
    life.resources();
    life.wait(60);
    // A container that starts meanwhile has what is allocated.
    let allocated =
        life.state.allocated_object()["spec"]["containers"][0]["resources"]["limits"]["cpu"].clone();
    life.note(&format!("(a new start has {allocated})"));
    life.judged(Some("Infeasible"));
    life.resources();
    life.asks("1", "1Mi");
    life.resources();
    life.expect(expect![[r#"
        0s   -> PrepareVolumes
        0s   -> CreateSandbox
        0s   -> image app:1 IfNotPresent
        0s   [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        0s   -> start u_app_0
        0s   [app] Created: Container created
        0s   [app] Started: Container started
        0s   (asks for 9, 1Mi: true)
        0s   = "1" allocated, "1" there "PodResizePending" "Deferred" "no room" "2026-01-01T00:00:00Z"
        60s  (a new start has "1")
        60s  = "1" allocated, "1" there "PodResizePending" "Infeasible" "no room" "2026-01-01T00:00:00Z"
        60s  (asks for 1, 1Mi: false)
        60s  = "1" allocated, "1" there 
    "#]]);
}

#[test]
fn what_fails_is_tried_again() {
    let mut life = Life::new(spec("1", "1Mi"));
    life.boot();
    life.run("app", 0);
    life.asks("2", "1Mi");
    life.judged(None);
    life.resized(0, "2", Some("the kernel refuses"));
    life.resources();
    life.wait(10);
    life.resized(0, "2", None);
    life.resources();
    life.expect(expect![[r#"
        0s   -> PrepareVolumes
        0s   -> CreateSandbox
        0s   -> image app:1 IfNotPresent
        0s   [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        0s   -> start u_app_0
        0s   [app] Created: Container created
        0s   [app] Started: Container started
        0s   (asks for 2, 1Mi: true)
        0s   -> Resize { container: "app", id: "u_app_0", resources: Object {"limits": Object {"cpu": String("2"), "memory": String("1Mi")}, "requests": Object {"cpu": String("2"), "memory": String("1Mi")}} }
        0s   = "2" allocated, "1" there "PodResizeInProgress" "Error" "the kernel refuses" "2026-01-01T00:00:00Z"
        10s  -> Resize { container: "app", id: "u_app_0", resources: Object {"limits": Object {"cpu": String("2"), "memory": String("1Mi")}, "requests": Object {"cpu": String("2"), "memory": String("1Mi")}} }
        10s  = "2" allocated, "2" there 
    "#]]);
}

#[test]
fn an_adopted_pod_goes_on() {
    let mut life = Life::new(spec("1", "1Mi"));
    life.boot();
    life.run("app", 0);
    life.asks("9", "1Mi");
    life.judged(Some("Infeasible"));
    let mut pod = pod_object(spec("9", "1Mi"));
    pod["status"] = status(&life.state);
    let found = Found {
        container: "app".into(),
        id: "u_app_0".into(),
        attempt: 0,
        state: FoundState::Running { started_at: life.now },
    };
    let (state, actions) = adopt(Arc::new(pod), [10, 0, 0, 1].into(), Some(None), &[found], life.now);
    assert!(actions.is_empty() && state.wants_resize());
    life.state = state;
    life.give(Event::Tick);
    life.resources();
    life.judged(Some("Infeasible"));
    life.resources();
    life.expect(expect![[r#"
        0s   -> PrepareVolumes
        0s   -> CreateSandbox
        0s   -> image app:1 IfNotPresent
        0s   [app] Pulled: Container image "app:1" already present on machine and can be accessed by the pod
        0s   -> start u_app_0
        0s   [app] Created: Container created
        0s   [app] Started: Container started
        0s   (asks for 9, 1Mi: true)
        0s   -> PrepareVolumes
        0s   = "1" allocated, "1" there 
        0s   = "1" allocated, "1" there "PodResizePending" "Infeasible" "no room" "2026-01-01T00:00:00Z"
    "#]]);
}
