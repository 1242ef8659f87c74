//! A real team's migration plan, its own files verbatim, beside a plain base and two trivial images.

use anyhow::{Context, ensure};
use e2e::world::BUSYBOX;
use e2e::{Background, Run, World, files, http, process, wait};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// Beside the checkout; not everybody has it.
pub const FILE: &str = "../shared/reference/migration-plan.md";
const CLUSTER: &str = "codex-dev";
const BACKEND: u16 = 8765;
const FRONTEND: u16 = 8065;

pub fn run(world: &World) -> anyhow::Result<()> {
    world.use_cluster(CLUSTER);
    write_project(world)?;
    world.link("k3d")?;
    world.link("tilt")?;
    world.busybox_image()?;

    // Without helm, the script says so; with one that fails, everything before its step is done.
    set_up(world)?.exits(1)?.says(&["Error: helm is required but not installed"])?;
    program(world, "helm", "echo the helm step is reached >&2; exit 9")?;
    set_up(world)?.exits(9)?.says(&["Creating k3d cluster", "condition met", "the helm step is reached"])?;
    world.kubectl(&["config", "current-context"])?.ok()?.says(&["k3d-codex-dev"])?;
    world.coracle(&["registry", "list"])?.ok()?.says(&["codex-registry.localhost"])?;

    // The checklist's `kubectl kustomize`, and ours beside it.
    let rendered = world.coracle(&["kustomize", "build", "k8s/overlays/dev"])?.ok()?;
    let rendered =
        rendered.says(&["codex-registry.localhost:5111/codex-backend:dev", "DEBUG: \"true\"", "1Gi"])?;
    ensure!(!rendered.stdout.contains("kind: Ingress"), "the Ingress is deleted by the overlay");

    // With a helm that has nothing to do, the Makefile's one command goes through.
    program(world, "helm", "echo nothing to install; exit 0")?;
    let mut dev = Background::start(world.command("make", &["dev-k8s"]))?;
    dev.wait_for("k3d cluster 'codex-dev' is ready!", 60)?;
    dev.wait_for("✓ ready", 120)?;
    wait::until("the backend answers", 10, || http::serves(BACKEND, "/codex/main.py", "first"))?;
    wait::until("the frontend answers", 10, || http::serves(FRONTEND, "/src/main.ts", "first"))?;
    let config = world.object(&["configmap", "codex-config", "-n", "codex"])?;
    ensure!(config["data"]["LOG_FORMAT"] == "colored", "the overlay's settings: {config}");
    let secret = world.object(&["secret", "codex-secrets", "-n", "codex"])?;
    ensure!(secret["data"]["OPENGRAPH_IO_API_KEY"].is_string(), "the script's own secret: {secret}");
    live_update(world, &mut dev)?;

    dev.interrupt()?;
    dev.wait(Duration::from_secs(15))?;
    make(world, "k3d-stop")?.ok()?;
    make(world, "k3d-start")?.ok()?;
    world.kubectl(&["rollout", "status", "deployment/backend", "-n", "codex", "--timeout=60s"])?.ok()?;
    set_up(world)?.ok()?.says(&["Cluster 'codex-dev' already exists."])?;
    make(world, "k3d-down")?.ok()?;
    world.nothing_left()
}

fn live_update(world: &World, dev: &mut Background) -> anyhow::Result<()> {
    let pods = || {
        world.kubectl(&["get", "pods", "-n", "codex", "-o", "name"]).and_then(Run::ok).map(|run| run.stdout)
    };
    let before = pods()?;
    let project = world.project();
    files::edit(&project.join("backend/codex/main.py"), "first", "second")?;
    wait::until("the saved .py", 10, || http::serves(BACKEND, "/codex/main.py", "second"))?;
    files::edit(&project.join("frontend/src/main.ts"), "first", "second")?;
    wait::until("the saved .ts", 10, || http::serves(FRONTEND, "/src/main.ts", "second"))?;
    ensure!(pods()? == before, "live updates replace no pod:\n{before}\n{}", process::tail(&dev.text()));
    // The plan triggers a step on a file that it does not sync: as with Tilt, that is a new image.
    files::edit(&project.join("backend/pyproject.toml"), "0.1.0", "0.2.0")?;
    wait::until("the new dependencies", 60, || http::serves(BACKEND, "/pyproject.toml", "0.2.0"))?;
    files::edit(
        &project.join("backend/Dockerfile"),
        "EXPOSE 8000",
        "EXPOSE 8000\nRUN echo rebuilt > /app/rebuilt.txt",
    )?;
    wait::until("the new image", 60, || http::serves(BACKEND, "/rebuilt.txt", "rebuilt"))?;
    ensure!(pods()? != before, "a new image is a new pod");
    Ok(())
}

fn make(world: &World, target: &str) -> anyhow::Result<Run> {
    world.run(world.command("make", &[target]))
}

fn set_up(world: &World) -> anyhow::Result<Run> {
    world.run(world.command("./scripts/setup-k3d.sh", &[]))
}

/// A program of this world, by the name of a real one.
fn program(world: &World, name: &str, body: &str) -> anyhow::Result<()> {
    let path = world.root().join("bin").join(name);
    files::write(&path, &format!("#!/bin/sh\n{body}\n"))?;
    executable(&path)
}

fn executable(path: &Path) -> anyhow::Result<()> {
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}

/// The plan's own files, and what it takes for granted.
fn write_project(world: &World) -> anyhow::Result<()> {
    let plan = files::read(&files::repository().join(FILE))?;
    let project = world.project();
    let verbatim = [
        ("### 1.1 ", "k3d-config.yaml"),
        ("### 2.1 ", "k8s/overlays/dev/kustomization.yml"),
        ("### 3.1 ", "Tiltfile"),
        ("### 4.1 ", "scripts/setup-k3d.sh"),
        ("### 4.2 ", "Makefile"),
    ];
    for (heading, path) in verbatim {
        files::write(&project.join(path), block(&plan, heading)?)?;
    }
    executable(&project.join("scripts/setup-k3d.sh"))?;
    let rest = include_str!("../../data/plan-base.txt").replace("BUSYBOX", BUSYBOX);
    files::write_tree(&project, &rest)
}

/// The first fenced block below a heading.
fn block<'a>(text: &'a str, heading: &str) -> anyhow::Result<&'a str> {
    let section = text.split_once(heading).with_context(|| format!("the plan has no {heading}"))?.1;
    let body =
        section.split_once("```").and_then(|(_, rest)| rest.split_once('\n')).context("a block begins")?.1;
    Ok(body.split_once("\n```").context("a block ends")?.0)
}
