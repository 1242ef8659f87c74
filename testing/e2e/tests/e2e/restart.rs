//! `cluster stop` and `start`: objects and volumes are kept, nothing runs in between.

use crate::project;
use anyhow::ensure;
use e2e::{World, wait};

pub fn run(world: &World) -> anyhow::Result<()> {
    let cluster = project::site(world)?;
    let cluster = cluster.as_str();
    world.kubectl(&["exec", "deployment/site", "--", "sh", "-c", "echo kept > /data/file"])?.ok()?;
    world.kubectl(&["create", "configmap", "kept", "--from-literal=a=b"])?.ok()?;
    let uid = world.object(&["deployment", "site"])?["metadata"]["uid"].clone();

    world.coracle(&["cluster", "stop", cluster])?.ok()?;
    wait::until("nothing runs", 10, || {
        let processes = world.processes();
        ensure!(processes.is_empty(), "still running: {processes:?}");
        Ok(())
    })?;
    world.coracle(&["cluster", "list"])?.ok()?.says(&[cluster, "0/1"])?;
    // A second stop is no mistake.
    world.coracle(&["cluster", "stop", cluster])?.ok()?;

    world.coracle(&["cluster", "start", cluster])?.ok()?;
    world.kubectl(&["rollout", "status", "deployment/site", "--timeout=60s"])?.ok()?;
    ensure!(world.object(&["deployment", "site"])?["metadata"]["uid"] == uid, "the same object");
    world.kubectl(&["get", "configmap", "kept"])?.ok()?;
    wait::until("the volume has its data", 30, || {
        world.kubectl(&["exec", "deployment/site", "--", "cat", "/data/file"])?.ok()?.says(&["kept"])
    })?;
    // A second start changes nothing.
    world.coracle(&["cluster", "start", cluster])?.ok()?;
    let nodes = world.kubectl(&["get", "nodes"])?.ok()?;
    nodes.says(&["Ready"])?;

    world.coracle(&["cluster", "delete", cluster])?.ok()?;
    world.nothing_left()
}
