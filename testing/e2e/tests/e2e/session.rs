//! A session that is spoken to: other arguments, triggers, buttons, broken Tiltfiles, deploys by command.

use anyhow::ensure;
use e2e::world::BUSYBOX;
use e2e::{Background, World, files, http, wait};
use std::time::Duration;

fn manifest() -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: db}}
spec:
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: db
        image: {BUSYBOX}
        command: [sh, -c, 'echo db is up; mkdir /www; echo rows > /www/index.html; exec httpd -f -p 8080 -h /www']
        ports: [{{containerPort: 8080}}]
"
    )
}

fn tiltfile(forward: u16, serve: u16) -> String {
    format!(
        "load('ext://uibutton', 'cmd_button', 'text_input')
config.define_string_list('to-run', args=True)
config.define_string('env')
cfg = config.parse()
print('for', cfg.get('env', 'dev'))
config.set_enabled_resources(cfg.get('to-run', []))
print('context', str(local('kubectl config current-context', quiet=True)).strip())
k8s_custom_deploy('db', deps=['db.yml'],
    apply_cmd='kubectl apply -f db.yml >&2 && kubectl get deployment db -o yaml',
    delete_cmd='kubectl delete --now -f db.yml')
k8s_resource('db', port_forwards='{forward}')
local_resource('seed', 'kubectl get deployment db -o name', resource_deps=['db'])
local_resource('web', serve_cmd='exec busybox httpd -f -p {serve} -h site',
    readiness_probe=probe(http_get=http_get_action({serve}, path='/ready')))
local_resource('after', 'echo after web', resource_deps=['web'])
local_resource('count', 'echo x >> count.txt; wc -l < count.txt', trigger_mode=TRIGGER_MODE_MANUAL, auto_init=False)
cmd_button('greet', resource='web', argv=['sh', '-c', 'echo hello $WHO'], inputs=[text_input('WHO', default='me')])
"
    )
}

pub fn run(world: &World) -> anyhow::Result<()> {
    let project = world.project();
    let (forward, serve) = (http::free_port()?, http::free_port()?);
    let cluster = world.write_config(&[], None)?;
    world.busybox_image()?;
    files::write(&project.join("db.yml"), &manifest())?;
    files::write(&project.join("site/index.html"), "site")?;
    let broken = format!("{}k8s_yaml('gone.yml')\n", tiltfile(forward, serve));
    files::write(&project.join("Tiltfile"), &broken)?;

    // the first evaluation fails: it waits for the file to be mended
    let mut up = world.up(&[])?;
    up.wait_for("gone.yml", 30)?;
    files::write(&project.join("Tiltfile"), &tiltfile(forward, serve))?;
    up.wait_for(&format!("context k3d-{cluster}"), 10)?;

    // what the command printed is followed: its log, its readiness, its port
    up.wait_for("db is up", 30)?;
    up.wait_for("deployment.apps/db\n", 30)?;
    wait::until("the port of the pod", 10, || http::serves(forward, "/", "rows"))?;
    // a probe that fails holds back what waits for it
    ensure!(!up.text().contains("after web"), "web is not ready yet:\n{}", up.text());
    files::write(&project.join("site/ready"), "yes")?;
    up.wait_for("after web", 15)?;
    up.wait_for("✓ ready", 10)?;

    spoken_to(world, &mut up)?;
    other_arguments(world, &mut up)?;

    // a broken Tiltfile changes nothing
    files::write(&project.join("Tiltfile"), &broken)?;
    up.wait_for_count("gone.yml", 2, 10)?;
    wait::until("the page still", 5, || http::serves(serve, "/", "site"))?;
    files::write(&project.join("Tiltfile"), &tiltfile(forward, serve))?;
    up.wait_for_count("Successfully loaded Tiltfile", 4, 10)?;

    let sessions = world.data().join("sessions");
    let kept = || Ok::<_, anyhow::Error>(std::fs::read_dir(&sessions)?.count());
    ensure!(kept()? == 3, "arguments, a socket and a kubeconfig in {}", sessions.display());
    for entry in std::fs::read_dir(&sessions)? {
        let path = entry?.path();
        let private = files::mode(&path)? & 0o077 == 0;
        ensure!(private || path.extension().is_some_and(|e| e == "json"), "{} is private", path.display());
    }
    up.interrupt()?;
    let status = up.wait(Duration::from_secs(10))?;
    ensure!(status.success(), "Ctrl-C is a good end: {status}\n{}", up.text());
    ensure!(http::get(serve, "/").is_err(), "serve commands end with `up`");
    ensure!(kept()? == 0, "nothing is left in {}", sessions.display());
    world
        .coracle(&["status"])?
        .exits(2)?
        .says(&["error: no session of ", "hint: `coracle up` starts one"])?;

    world.coracle(&["down"])?.ok()?.says(&["Running cmd: kubectl delete --now -f db.yml"])?;
    world.kubectl(&["get", "deployment", "db"])?.exits(1)?;
    Ok(())
}

/// Triggers, buttons, and what is said of names that do not exist.
fn spoken_to(world: &World, up: &mut Background) -> anyhow::Result<()> {
    world.coracle(&["status"])?.ok()?.says(&["db", "waits for `coracle trigger`"])?;
    world.coracle(&["trigger", "count"])?.ok()?;
    up.wait_for("count done", 10)?;
    world.coracle(&["trigger", "count"])?.ok()?;
    up.wait_for_count("count done", 2, 10)?;
    let count = files::read(&world.project().join("count.txt"))?;
    ensure!(count == "x\nx\n", "a trigger runs it once: {count:?}");
    world.coracle(&["trigger", "nobody"])?.exits(1)?.says(&["no resource \"nobody\"", "there are: db, "])?;
    world.coracle(&["button"])?.ok()?.says(&["greet", "WHO=me"])?;
    world.coracle(&["button", "greet", "WHO=you"])?.ok()?;
    up.wait_for("hello you", 5)?;
    world.coracle(&["up"])?.exits(2)?.says(&["is running already"])?;
    Ok(())
}

/// The session takes other arguments: for the Tiltfile, and which resources are to run.
fn other_arguments(world: &World, up: &mut Background) -> anyhow::Result<()> {
    world.coracle(&["args"])?.ok()?.says(&["has no arguments"])?;
    world.coracle(&["args", "--", "--env", "prod", "web"])?.ok()?;
    up.wait_for("Tiltfile args changed to: [--env prod web]", 10)?;
    up.wait_for("for prod", 10)?;
    world.coracle(&["args"])?.ok()?.says(&["--env\nprod\nweb\n"])?;
    // what is not asked for any more is taken down by its command
    up.wait_for("db taken down", 20)?;
    world.kubectl(&["get", "deployment", "db"])?.exits(1)?;
    world.coracle(&["status"])?.ok()?.says(&["disabled"])?;
    world.coracle(&["args", "--clear"])?.ok()?;
    up.wait_for_count("for dev", 2, 10)?;
    wait::until("it is deployed again", 20, || {
        world.kubectl(&["rollout", "status", "deployment/db", "--timeout=10s"])?.ok().map(drop)
    })
}
