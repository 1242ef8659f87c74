//! The daemon is killed: containers go on, the next daemon adopts them, and no acknowledged object is lost.

use crate::project;
use anyhow::ensure;
use e2e::{World, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const SERVER: &str = "httpd -f -v -p 8080";

pub fn run(world: &World) -> anyhow::Result<()> {
    let cluster = project::site(world)?;
    let before = world.container_process(SERVER)?;
    let pod = status(world)?;
    world.kubectl(&["exec", "deployment/site", "--", "sh", "-c", "echo kept > /data/file"])?.ok()?;
    world.kubectl(&["create", "configmap", "last", "--from-literal=word=acknowledged"])?.ok()?;

    kill_daemon(world, &cluster)?;
    ensure!(
        world.kubectl(&["get", "pods", "--request-timeout=2s"])?.code != Some(0),
        "the API is gone with the daemon"
    );
    let orphan = world.container_process(SERVER)?;
    ensure!(
        (orphan.pid, orphan.started) == (before.pid, before.started),
        "the container goes on without the daemon"
    );

    world.coracle(&["cluster", "start", &cluster])?.ok()?;
    wait::until("the node is ready", 30, || {
        world.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=5s"])?.ok()
    })?;
    let after = world.container_process(SERVER)?;
    ensure!(
        (after.pid, after.started) == (before.pid, before.started),
        "the same process: {before:?}, {after:?}"
    );
    wait::until("the pod is ready again", 30, || {
        let again = status(world)?;
        ensure!(again == pod, "the same pod with the same counts:\n{pod:#}\n{again:#}");
        Ok(())
    })?;
    let word = world.object(&["configmap", "last"])?;
    ensure!(word["data"]["word"] == "acknowledged", "the last object is there: {word}");

    // The adopted container is a whole one: exec, logs, Service, and its end.
    world.kubectl(&["exec", "deployment/site", "--", "cat", "/data/file"])?.ok()?.says(&["kept"])?;
    world.kubectl(&["logs", "deployment/site"])?.ok()?.says(&["started"])?;
    let from_inside = ["exec", "deployment/site", "--", "wget", "-qO-", "http://site/"];
    wait::until("the Service answers", 15, || world.kubectl(&from_inside)?.ok()?.says(&["home"]))?;

    // A container that ends while nobody looks is started again.
    kill_daemon(world, &cluster)?;
    kill(Pid::from_raw(after.pid), Signal::SIGKILL)?;
    world.coracle(&["cluster", "start", &cluster])?.ok()?;
    wait::until("the ended container is started again", 30, || {
        let restarts = &status(world)?["restarts"];
        ensure!(*restarts == 1, "restarts: {restarts}");
        let again = world.container_process(SERVER)?;
        ensure!(again.pid != after.pid, "a new process");
        Ok(())
    })?;
    Ok(())
}

fn kill_daemon(world: &World, cluster: &str) -> anyhow::Result<()> {
    let daemon = world.daemon(cluster)?;
    kill(Pid::from_raw(daemon), Signal::SIGKILL)?;
    wait::until("the daemon is gone", 5, || {
        ensure!(!world.processes().iter().any(|p| p.pid == daemon), "process {daemon} is there");
        Ok(())
    })
}

/// What must not change when a daemon is replaced.
fn status(world: &World) -> anyhow::Result<Value> {
    let pods = world.object(&["pods", "-l", "app=site"])?;
    ensure!(pods["items"].as_array().map(Vec::len) == Some(1), "one pod");
    let pod = &pods["items"][0];
    let container = &pod["status"]["containerStatuses"][0];
    Ok(serde_json::json!({
        "uid": pod["metadata"]["uid"],
        "ip": pod["status"]["podIP"],
        "container": container["containerID"],
        "restarts": container["restartCount"],
        "started": container["state"]["running"]["startedAt"],
        "ready": container["ready"],
    }))
}
