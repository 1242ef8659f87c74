//! The cluster's registry and real clients: what was built is served, what is pushed can run.

use crate::project;
use anyhow::{Context, ensure};
use e2e::world::BUSYBOX;
use e2e::{World, http};
use serde_json::Value;

pub fn run(world: &World) -> anyhow::Result<()> {
    let hello = project::hello(world)?;
    let port = http::free_port()?;
    world.write_config(&[], Some(port))?;
    world.coracle(&["ci"])?.ok()?;

    let deployment = world.object(&["deployment", "hello"])?;
    let image =
        deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().context("an image")?;
    let name = image.strip_prefix(&format!("e2e-registry.localhost:{port}/"));
    let name = name.with_context(|| format!("{image} is an image of the registry"))?;
    let config: Value = serde_json::from_str(&skopeo(
        world,
        &["inspect", "--config", "--tls-verify=false", &format!("docker://localhost:{port}/{name}")],
    )?)?;
    ensure!(config["config"]["Entrypoint"][0] == "/hello", "the image's configuration: {config}");
    ensure!(config["os"] == "linux", "the image's system: {config}");

    world.busybox_image()?;
    world.coracle(&["image", "export", BUSYBOX, "--output", "busybox.docker.tar"])?.ok()?;
    let pushed = format!("docker://localhost:{port}/tools/busybox:pushed");
    skopeo(world, &["copy", "--dest-tls-verify=false", "docker-archive:busybox.docker.tar", &pushed])?;
    // A second push finds everything there.
    skopeo(world, &["copy", "--dest-tls-verify=false", "docker-archive:busybox.docker.tar", &pushed])?;
    skopeo(world, &["copy", "--src-tls-verify=false", &pushed, "oci:pulled:latest"])?;
    let tags = skopeo(
        world,
        &["list-tags", "--tls-verify=false", &format!("docker://localhost:{port}/tools/busybox")],
    )?;
    ensure!(tags.contains("pushed"), "the tag is listed: {tags}");
    let digest = skopeo(world, &["inspect", "--format", "{{.Digest}}", "--tls-verify=false", &pushed])?;
    let by_digest = format!("docker://localhost:{port}/tools/busybox@{}", digest.trim());
    skopeo(world, &["inspect", "--tls-verify=false", &by_digest])?;

    let image = format!("e2e-registry.localhost:{port}/tools/busybox:pushed");
    let run = [
        "run",
        "pushed",
        "--image",
        &image,
        "--restart=Never",
        "--rm",
        "-i",
        "--quiet",
        "--",
        "echo",
        "it runs",
    ];
    world.kubectl(&run)?.ok()?.says(&["it runs"])?;
    world.coracle(&["registry", "list"])?.ok()?.says(&["e2e-registry.localhost"])?;
    world.coracle(&["cluster", "delete", &hello.cluster])?.ok()?;
    world.nothing_left()
}

fn skopeo(world: &World, arguments: &[&str]) -> anyhow::Result<String> {
    let arguments: Vec<&str> = ["--insecure-policy"].into_iter().chain(arguments.iter().copied()).collect();
    Ok(world.run(world.command("skopeo", &arguments))?.ok()?.stdout)
}
