//! The smallest project: up from nothing, live update, Ctrl-C, up again, down, delete.

use crate::project;
use anyhow::ensure;
use e2e::{World, files, http, wait};
use serde_json::Value;
use std::time::Duration;

/// A context that was there before and must be as it was.
const OTHER: &str = "apiVersion: v1
kind: Config
current-context: production
clusters:
- name: production
  cluster: {server: https://production.example}
contexts:
- name: production
  context: {cluster: production, user: me}
users:
- name: me
  user: {token: abc}
";

pub fn run(world: &World) -> anyhow::Result<()> {
    files::write(&world.kubeconfig(), OTHER)?;
    let hello = project::hello(world)?;
    let (cluster, port) = (hello.cluster.as_str(), hello.port);
    world.coracle(&["ci"])?.ok()?.says(&["✓ ready"])?;

    ensure!(files::mode(&world.kubeconfig())? == 0o600, "the kubeconfig is private");
    let context = format!("k3d-{cluster}");
    let current = world.kubectl(&["config", "current-context"])?.ok()?.stdout;
    ensure!(current.trim() == context, "the context is the current one: {current}");
    let before = pod(world)?;

    let mut up = world.up(&[])?;
    up.wait_for("✓ ready", 30)?;
    ensure!(up.text().contains(&format!("localhost:{port}")), "the address is told:\n{}", up.text());
    wait::until("the page", 10, || http::serves(port, "/", "Hello from the cluster"))?;
    ensure!(identity(&pod(world)?) == identity(&before), "nothing rolls when nothing has changed");

    live_update(world, port)?;
    ensure!(identity(&pod(world)?) == identity(&before), "a synced file rolls nothing");
    new_image(world, port, &before)?;

    up.interrupt()?;
    let status = up.wait(Duration::from_secs(10))?;
    ensure!(status.success(), "Ctrl-C is a good end: {status}\n{}", up.text());
    ensure!(http::get(port, "/").is_err(), "the forward ends with `up`");
    world.coracle(&["cluster", "list"])?.ok()?.says(&[cluster, "1/1"])?;
    let running = pod(world)?;
    ensure!(running["status"]["phase"] == "Running", "Ctrl-C leaves the pods running");

    let again = world.coracle(&["ci"])?.ok()?;
    ensure!(again.took < Duration::from_secs(15), "a second start is fast, not {:?}", again.took);
    ensure!(identity(&pod(world)?) == identity(&running), "the second start rolls nothing");

    world.coracle(&["down"])?.ok()?;
    wait::until("down removes the pods", 30, || {
        let pods = world.object(&["pods"])?;
        ensure!(pods["items"].as_array().is_some_and(Vec::is_empty), "pods are left: {pods}");
        Ok(())
    })?;
    world.kubectl(&["get", "deployment,service", "hello"])?.exits(1)?;

    world.coracle(&["cluster", "delete", cluster])?.ok()?;
    world.nothing_left()?;
    let text = files::read(&world.kubeconfig())?;
    ensure!(!text.contains(&context), "the kubeconfig entry is gone:\n{text}");
    ensure!(
        text.contains("https://production.example") && text.contains("abc"),
        "others are untouched:\n{text}"
    );
    ensure!(files::mode(&world.kubeconfig())? == 0o600, "the kubeconfig is still private");
    Ok(())
}

fn pod(world: &World) -> anyhow::Result<Value> {
    wait::until("one pod of hello", 30, || {
        let pods = world.object(&["pods", "-l", "app=hello"])?;
        let items: Vec<&Value> = pods["items"].as_array().into_iter().flatten().collect();
        let living: Vec<&&Value> =
            items.iter().filter(|p| p["metadata"]["deletionTimestamp"].is_null()).collect();
        ensure!(living.len() == 1, "{} pods", living.len());
        Ok((*living[0]).clone())
    })
}

/// A pod that is the same, with the same containers.
fn identity(pod: &Value) -> (Value, Value) {
    (pod["metadata"]["uid"].clone(), pod["status"]["containerStatuses"][0]["containerID"].clone())
}

fn live_update(world: &World, port: u16) -> anyhow::Result<()> {
    let page = world.project().join("www/index.html");
    files::edit(&page, "Hello from the cluster", "Changed and saved")?;
    wait::until("the changed page", 10, || http::serves(port, "/", "Changed and saved"))?;
    let other = world.project().join("www/notes/new.txt");
    files::write(&other, "a new file")?;
    wait::until("the new file", 10, || http::serves(port, "/notes/new.txt", "a new file"))?;
    std::fs::rename(&other, world.project().join("www/notes/renamed.txt"))?;
    wait::until("the renamed file", 10, || {
        http::serves(port, "/notes/renamed.txt", "a new file")?;
        ensure!(http::request("GET", port, "/notes/new.txt", "")?.status == 404, "the old name is gone");
        Ok(())
    })?;
    std::fs::remove_file(world.project().join("www/notes/renamed.txt"))?;
    wait::until("the deleted file", 10, || {
        ensure!(http::request("GET", port, "/notes/renamed.txt", "")?.status == 404, "the file is gone");
        Ok(())
    })
}

/// A change of the program is compiled, built and rolled out; the forward follows.
fn new_image(world: &World, port: u16, before: &Value) -> anyhow::Result<()> {
    files::edit(&world.project().join("server.rs"), "b\"ok\\n\"", "b\"better\\n\"")?;
    wait::until("the new program", 60, || http::serves(port, "/health", "better"))?;
    ensure!(pod(world)?["metadata"]["uid"] != before["metadata"]["uid"], "a new image is a new pod");
    http::serves(port, "/", "Changed and saved")
}
