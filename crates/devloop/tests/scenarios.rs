//! What happens, event by event.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use devloop::{ChangeKind, Event, ObjectRef, RuntimeStatus};
use expect_test::{Expect, expect};
use support::{World, docker_image, k8s, run_on, sync};
use tiltfile::plan::{Command, CustomDeploy, Dependency, Plan, PortForward, ResourceKind, TriggerMode};

const APP: &str = "reg:5111/app";

fn plan() -> Plan {
    let mut plan = Plan::default();
    plan.images.push(docker_image(
        APP,
        "/p/app",
        vec![sync("/p/app/src", "/app/src"), run_on("pip install", "/p/app/src/deps.toml")],
    ));
    plan.resources.push(k8s("app", &plan, APP, vec![]));
    plan
}

fn up() -> World {
    let mut world = World::new(
        plan(),
        &[("/p/app/src/a.py", "1"), ("/p/app/src/deps.toml", "1"), ("/p/app/Makefile", "1")],
    );
    world.settle();
    world.take_journal();
    world
}

fn check(world: &mut World, want: Expect) {
    world.settle();
    want.assert_eq(&world.take_journal());
}

#[test]
fn first_time() {
    let mut world = World::new(plan(), &[("/p/app/src/a.py", "1")]);
    check(
        &mut world,
        expect![[r#"
        build reg:5111/app: initial build
        apply app with a built image
    "#]],
    );
    assert!(world.state.is_settled());
}

#[test]
fn a_save() {
    let mut world = up();
    let change = world.write("/p/app/src/a.py", "2");
    world.changed(vec![change]);
    check(
        &mut world,
        expect![[r#"
        sync app-1 copy ["/app/src/a.py"] delete [] run []
    "#]],
    );
    let change = world.write("/p/app/src/deps.toml", "2");
    world.changed(vec![change]);
    check(
        &mut world,
        expect![[r#"
        sync app-1 copy ["/app/src/deps.toml"] delete [] run ["pip install"]
    "#]],
    );
    let change = world.write("/p/app/debug.log", "2");
    world.changed(vec![change]);
    check(&mut world, expect![[r#""#]]);
    let change = world.write("/p/app/Makefile", "2");
    world.changed(vec![change]);
    check(
        &mut world,
        expect![[r#"
        build reg:5111/app: changed /p/app/Makefile
        apply app with a built image
    "#]],
    );
}

#[test]
fn deletions_and_renames() {
    let mut world = up();
    let change = world.write("/p/app/src/sub/b.py", "1");
    world.changed(vec![change]);
    world.settle();
    world.take_journal();
    let changes = world.rename("/p/app/src/sub", "/p/app/src/sup");
    world.changed(changes);
    check(
        &mut world,
        expect![[r#"
        sync app-1 copy ["/app/src/sup", "/app/src/sup/b.py"] delete ["/app/src/sub"] run []
    "#]],
    );
    assert_eq!(world.pods[0].tree, world.expected(APP));
}

#[test]
fn changes_during_a_build_or_a_sync() {
    let mut world = up();
    let change = world.write("/p/app/Makefile", "2");
    world.changed(vec![change]);
    let change = world.write("/p/app/src/a.py", "2");
    world.changed(vec![change]);
    check(
        &mut world,
        expect![[r#"
        build reg:5111/app: changed /p/app/Makefile
        apply app with a built image
        sync app-2 copy ["/app/src/a.py"] delete [] run []
    "#]],
    );
    assert_eq!(world.pods[0].tree, world.expected(APP));
    for text in ["3", "4", "5"] {
        let change = world.write("/p/app/src/a.py", text);
        world.changed(vec![change]);
    }
    check(
        &mut world,
        expect![[r#"
        sync app-2 copy ["/app/src/a.py"] delete [] run []
        sync app-2 copy ["/app/src/a.py"] delete [] run []
    "#]],
    );
}

#[test]
fn a_failed_build_waits_for_the_next_change() {
    let mut world = up();
    world.fail_builds = true;
    let change = world.write("/p/app/Makefile", "2");
    world.changed(vec![change]);
    check(
        &mut world,
        expect![[r#"
        build reg:5111/app: changed /p/app/Makefile
    "#]],
    );
    world.tell_pods("app");
    check(&mut world, expect![[r#""#]]);
    world.fail_builds = false;
    let change = world.write("/p/app/src/a.py", "2");
    world.changed(vec![change]);
    check(
        &mut world,
        expect![[r#"
        build reg:5111/app: changed /p/app/src/a.py
        apply app with a built image
    "#]],
    );
    assert_eq!(world.pods[0].tree, world.expected(APP));
}

#[test]
fn a_failed_sync_builds() {
    let mut world = up();
    world.fail_syncs = true;
    let change = world.write("/p/app/src/a.py", "2");
    world.changed(vec![change]);
    check(
        &mut world,
        expect![[r#"
        sync app-1 copy ["/app/src/a.py"] delete [] run []
        build reg:5111/app: a live update failed
        apply app with a built image
    "#]],
    );
    assert_eq!(world.pods[0].tree, world.expected(APP));
}

#[test]
fn there_and_back_while_a_build_is_due() {
    let mut world = up();
    // synced to 2, then back to 1 together with a change that needs a build of the very first content
    let change = world.write("/p/app/src/a.py", "2");
    world.changed(vec![change]);
    world.settle();
    world.take_journal();
    let changes = vec![world.write("/p/app/src/a.py", "1"), world.write("/p/app/Makefile", "1")];
    world.changed(changes);
    check(
        &mut world,
        expect![[r#"
        build reg:5111/app: changed /p/app/Makefile
        sync app-1 copy ["/app/src/a.py"] delete [] run []
    "#]],
    );
    assert_eq!(world.pods[0].tree, world.expected(APP));
}

#[test]
fn a_restarted_container_is_brought_up_to_date() {
    let mut world = up();
    let change = world.write("/p/app/src/a.py", "2");
    world.changed(vec![change]);
    world.settle();
    world.take_journal();
    world.restart(0);
    check(
        &mut world,
        expect![[r#"
        sync app-1 copy ["/app/src/a.py"] delete [] run []
    "#]],
    );
    assert_eq!(world.pods[0].tree, world.expected(APP));
}

#[test]
fn dependencies() {
    let mut plan = plan();
    plan.images.push(docker_image("reg:5111/web", "/p/web", vec![]));
    let object = |name: &str, kind: Option<&str>| Dependency::Object {
        name: name.to_owned(),
        kind: kind.map(str::to_owned),
        namespace: Some("codex".to_owned()),
    };
    plan.resources.clear();
    plan.resources.push(k8s("app", &plan, APP, vec![object("secrets", None)]));
    plan.resources.push(k8s("web", &plan, "reg:5111/web", vec![Dependency::Resource("app".to_owned())]));
    let mut world = World::new(plan, &[("/p/app/src/a.py", "1"), ("/p/web/x", "1")]);
    check(
        &mut world,
        expect![[r#"
        build reg:5111/app: initial build
        build reg:5111/web: initial build
    "#]],
    );
    expect![[r#"Some(Dependencies { names: ["app"] })"#]]
        .assert_eq(&format!("{:?}", world.state.status("web").unwrap().hold));
    world.send(Event::ObjectSeen {
        object: ObjectRef {
            kind: "Secret".to_owned(),
            namespace: "codex".to_owned(),
            name: "secrets".to_owned(),
        },
    });
    check(
        &mut world,
        expect![[r#"
        apply app with a built image
        apply web with a built image
    "#]],
    );
}

#[test]
fn a_new_plan_does_only_what_differs() {
    let mut world = up();
    world.load();
    check(&mut world, expect![[r#""#]]);
    // a port: nothing is built or applied
    if let ResourceKind::K8s(k8s) = &mut world.plan.resources[0].kind {
        k8s.port_forwards.push(PortForward {
            local: 8000,
            container: 80,
            host: String::new(),
            name: String::new(),
            path: String::new(),
        });
    }
    world.load();
    check(
        &mut world,
        expect![[r#"
        forward 8000:80 to app-1
    "#]],
    );
    // the manifest
    if let ResourceKind::K8s(k8s) = &mut world.plan.resources[0].kind {
        k8s.objects[0]["spec"]["replicas"] = 2.into();
    }
    world.load();
    check(
        &mut world,
        expect![[r#"
        apply app with a built image
    "#]],
    );
    // the Dockerfile, without another content
    if let tiltfile::plan::ImageKind::Docker(docker) = &mut world.plan.images[0].kind {
        docker.dockerfile.contents = "FROM other".to_owned();
    }
    world.load();
    check(
        &mut world,
        expect![[r#"
        build reg:5111/app: its definition changed
    "#]],
    );
    world.plan.resources.clear();
    world.load();
    check(
        &mut world,
        expect![[r#"
        forward  to nothing
        delete Deployment/app
    "#]],
    );
}

#[test]
fn manual_resources_wait_for_a_trigger() {
    let mut plan = plan();
    plan.resources[0].trigger_mode = TriggerMode::Manual;
    let mut world = World::new(plan, &[("/p/app/src/a.py", "1")]);
    world.settle();
    world.take_journal();
    let change = world.write("/p/app/src/a.py", "2");
    world.changed(vec![change]);
    check(&mut world, expect![[r#""#]]);
    world.send(Event::Trigger { resource: "app".to_owned() });
    check(
        &mut world,
        expect![[r#"
        sync app-1 copy ["/app/src/a.py"] delete [] run []
    "#]],
    );
    let change = world.write("/p/app/Makefile", "2");
    world.changed(vec![change]);
    check(&mut world, expect![[r#""#]]);
    world.send(Event::Trigger { resource: "app".to_owned() });
    check(
        &mut world,
        expect![[r#"
        build reg:5111/app: changed /p/app/Makefile
        apply app with a built image
    "#]],
    );
}

#[test]
fn a_trigger_builds_and_applies() {
    let mut world = up();
    world.send(Event::Trigger { resource: "app".to_owned() });
    check(
        &mut world,
        expect![[r#"
        build reg:5111/app: it was triggered
        apply app with a built image
    "#]],
    );
}

#[test]
fn disabled_resources_are_taken_down() {
    let mut world = up();
    world.send(Event::EnabledChanged { resources: vec![] });
    check(
        &mut world,
        expect![[r#"
        delete Deployment/app
    "#]],
    );
    world.send(Event::EnabledChanged { resources: vec!["app".to_owned()] });
    check(
        &mut world,
        expect![[r#"
        apply app with a built image
    "#]],
    );
}

#[test]
fn an_unknown_directory_goes_and_comes_back() {
    let mut world = up();
    let change = world.remove("/p/app");
    assert_eq!(change.kind, ChangeKind::Removed);
    world.changed(vec![change]);
    let changes = vec![
        devloop::Change { path: "/p/app".into(), kind: ChangeKind::Written },
        world.write("/p/app/src/a.py", "9"),
    ];
    world.changed(changes);
    check(
        &mut world,
        expect![[r#"
        build reg:5111/app: changed /p/app
        build reg:5111/app: changed /p/app
        apply app with a built image
    "#]],
    );
    assert_eq!(world.pods[0].tree, world.expected(APP));
}

/// A resource that a command deploys.
fn by_command(apply: &str) -> Plan {
    let command = |words: &str| Command {
        argv: words.split(' ').map(str::to_owned).collect(),
        dir: "/p".into(),
        env: vec![],
    };
    let mut plan = Plan::default();
    let mut db = k8s("db", &plan, "", vec![]);
    if let ResourceKind::K8s(k8s) = &mut db.kind {
        k8s.objects.clear();
        k8s.custom_deploy = Some(CustomDeploy {
            apply: command(apply),
            delete: command("uninstall db"),
            deps: vec!["/p/values.yaml".into()],
            ignores: vec![],
        });
    }
    plan.resources.push(db);
    plan
}

#[test]
fn a_deploy_by_command() {
    let mut world = World::new(by_command("install db"), &[("/p/values.yaml", "1")]);
    // it says what it made: without pods, there is nothing to wait for
    check(
        &mut world,
        expect![[r#"
        apply db
    "#]],
    );
    assert_eq!(world.state.status("db").unwrap().runtime, RuntimeStatus::Ok);
    world.told = vec![support::deployment("db", "postgres")];
    let change = world.write("/p/values.yaml", "2");
    world.changed(vec![change]);
    world.pods.clear();
    check(
        &mut world,
        expect![[r#"
        apply db
    "#]],
    );
    world.send(Event::PodsChanged { resource: "db".to_owned(), pods: vec![] });
    let pending = RuntimeStatus::Pending { reason: "no pod yet".to_owned() };
    assert_eq!(world.state.status("db").unwrap().runtime, pending);
    world.start_pod("db", "postgres");
    world.tell_pods("db");
    assert_eq!(world.state.status("db").unwrap().runtime, RuntimeStatus::Ok);
    // the same plan again, and one with another command
    world.load();
    check(&mut world, expect![[r#""#]]);
    world.plan = by_command("install db --wait");
    world.load();
    check(
        &mut world,
        expect![[r#"
        apply db
    "#]],
    );
}

#[test]
fn what_a_command_deployed_is_taken_down_by_its_command() {
    let mut world = World::new(by_command("install db"), &[]);
    world.settle();
    world.take_journal();
    world.send(Event::EnabledChanged { resources: vec![] });
    // it comes back while the command runs: it waits
    world.send(Event::EnabledChanged { resources: vec!["db".to_owned()] });
    expect![[r#"
        take db down: uninstall db
    "#]]
    .assert_eq(&world.take_journal());
    check(
        &mut world,
        expect![[r#"
        apply db
    "#]],
    );
    // what failed halfway is taken down too
    world.fail_applies = true;
    world.plan = by_command("install db --broken");
    world.load();
    world.settle();
    world.plan.resources.clear();
    world.load();
    check(
        &mut world,
        expect![[r#"
        apply db
        take db down: uninstall db
    "#]],
    );
    // once is enough
    world.load();
    check(&mut world, expect![[r#""#]]);
    assert!(world.state.is_settled());
}

#[test]
fn a_failed_reload_keeps_the_last_good_plan() {
    let mut world = up();
    let files_read: std::collections::BTreeSet<_> = ["/p/Tiltfile".into()].into();
    world.send(Event::PlanFailed { message: "no".to_owned(), files_read: files_read.clone() });
    check(&mut world, expect![[r#""#]]);
    assert_eq!(world.state.tiltfile_error(), Some("no"));
    assert_eq!(world.pods.len(), 1, "what runs goes on");
    // and what it says still holds
    let change = world.write("/p/app/src/a.py", "2");
    world.changed(vec![change]);
    check(
        &mut world,
        expect![[r#"
        sync app-1 copy ["/app/src/a.py"] delete [] run []
    "#]],
    );
    // the file that failed is read again when it changes
    let change = world.write("/p/Tiltfile", "");
    world.changed(vec![change]);
    check(
        &mut world,
        expect![[r#"
        load Tiltfile: changed /p/Tiltfile
    "#]],
    );
    world.load();
    check(&mut world, expect![[r#""#]]);
    assert_eq!(world.state.tiltfile_error(), None);
}
