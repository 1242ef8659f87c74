//! The flagship: `make dev-k8s` on a copy of `examples/codex`, then everything that a developer does with it.

use anyhow::{Context, ensure};
use e2e::http::WebSocket;
use e2e::{Background, Run, World, files, http, process, wait};
use std::path::Path;
use std::time::Duration;

const CLUSTER: &str = "codex-dev";
const BACKEND: u16 = 8765;
const VITE: u16 = 5165;
const INGRESS: u16 = 8080;
/// Base images are made and packages are downloaded.
const FIRST: Duration = Duration::from_secs(1200);

pub fn run(world: &World) -> anyhow::Result<()> {
    world.use_cluster(CLUSTER);
    let repository = files::repository();
    files::copy(&repository.join("examples/codex"), &world.project())?;
    let variables = [
        format!("CORACLE={}", world.binary().display()),
        format!("EXAMPLE={}", world.project().display()),
        "UP=ci".to_string(),
    ];
    let arguments: Vec<&str> = ["dev-k8s"].into_iter().chain(variables.iter().map(String::as_str)).collect();
    let mut make = world.command("make", &arguments);
    make.current_dir(&repository);
    process::run(make, FIRST)?.ok()?.says(&["✓ ready"])?;

    let pods = pods(world)?;
    let mut up = world.up(&["--", "--ingress"])?;
    up.wait_for("✓ ready", 120)?;
    ensure!(pods == self::pods(world)?, "nothing rolls when nothing has changed");
    answers(world)?;
    notes()?;
    let result =
        backend_edits(world, &mut up).and_then(|()| frontend_edits(world)).and_then(|()| new_images(world));
    result.with_context(|| process::tail(&up.text()))?;

    up.interrupt()?;
    ensure!(up.wait(Duration::from_secs(15))?.success(), "Ctrl-C is a good end");
    let ingress_goes_on = || http::serves(INGRESS, "/api/notes", "through the ingress");
    wait::until("the ingress goes on without `up`", 20, ingress_goes_on)?;
    volume_is_kept(world)?;

    world.coracle(&["down", "--", "--ingress"])?.ok()?;
    world.kubectl(&["get", "deployment", "backend", "-n", "codex"])?.exits(1)?;
    world.coracle(&["cluster", "delete", CLUSTER])?.ok()?;
    world.nothing_left()
}

fn pods(world: &World) -> anyhow::Result<String> {
    let columns = "custom-columns=NAME:.metadata.name,RESTARTS:.status.containerStatuses[0].restartCount";
    Ok(world
        .kubectl(&["get", "pods", "-n", "codex", "--sort-by=.metadata.name", "-o", columns])?
        .ok()?
        .stdout)
}

/// The three addresses, and what the set-up script of other projects does by hand.
fn answers(world: &World) -> anyhow::Result<()> {
    wait::until("the backend", 10, || http::serves(BACKEND, "/health", "ok"))?;
    wait::until("the page", 10, || http::serves(VITE, "/", "<title>"))?;
    wait::until("the page through the ingress", 10, || http::serves(INGRESS, "/", "<title>"))?;
    let secret = world.object(&["secret", "codex-secrets", "-n", "codex"])?;
    ensure!(secret["data"]["SECRET_KEY"].is_string(), "a generated key: {secret}");
    world.kubectl(&["get", "ingress", "-n", "codex"])?.ok()?.says(&["codex-ingress", "nginx"])?;
    Ok(())
}

/// The application's own API, by the forward and by the ingress: one database behind both.
fn notes() -> anyhow::Result<()> {
    let body = r#"{"title": "through the ingress", "body": "a note"}"#;
    let created = http::request("POST", INGRESS, "/api/notes", body)?;
    ensure!(created.status / 100 == 2, "a note is created: {}", created.text);
    http::serves(BACKEND, "/api/notes", "through the ingress")?;
    http::serves(VITE, "/api/notes", "through the ingress")
}

fn backend_edits(world: &World, up: &mut Background) -> anyhow::Result<()> {
    let before = pods(world)?;
    let package = world.project().join("backend/codex");
    files::edit(&package.join("main.py"), r#"{"status": "ok"}"#, r#"{"status": "changed"}"#)?;
    wait::until("the saved .py is served", 20, || http::serves(BACKEND, "/health", "changed"))?;

    let exists = |name: &str| -> anyhow::Result<bool> {
        let path = format!("/app/codex/{name}");
        let arguments = ["exec", "-n", "codex", "deployment/backend", "--", "test", "-e", &path];
        Ok(world.kubectl(&arguments)?.code == Some(0))
    };
    let becomes = |name: &'static str, there: bool| {
        wait::until("files follow", 20, || {
            ensure!(exists(name)? == there, "{name} is {}", if there { "not there" } else { "still there" });
            Ok(())
        })
    };
    files::write(&package.join("extra.py"), "EXTRA = 1\n")?;
    becomes("extra.py", true)?;
    std::fs::rename(package.join("extra.py"), package.join("renamed.py"))?;
    becomes("renamed.py", true)?;
    becomes("extra.py", false)?;
    std::fs::remove_file(package.join("renamed.py"))?;
    becomes("renamed.py", false)?;

    let steps = up.text().matches("uv pip install").count();
    files::edit(&world.project().join("backend/pyproject.toml"), "A lab notebook", "A changed lab notebook")?;
    up.wait_for_count("uv pip install", steps + 1, 60)?;
    wait::until("the backend serves after its step", 60, || http::serves(BACKEND, "/health", "changed"))?;
    ensure!(pods(world)? == before, "live updates replace no pod:\n{before}\n{}", pods(world)?);
    Ok(())
}

/// Vite's hot reload, through the forward and the ingress.
fn frontend_edits(world: &World) -> anyhow::Result<()> {
    let client = http::get(VITE, "/@vite/client")?;
    let token = client
        .split_once("const wsToken = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .context("the client script has its token")?
        .0
        .to_string();
    let path = format!("/?token={token}");
    let mut forwarded = WebSocket::open(VITE, &path, "vite-hmr")?;
    let mut ingress = WebSocket::open(INGRESS, &path, "vite-hmr")?;
    forwarded.wait_for("\"connected\"", 10)?;
    ingress.wait_for("\"connected\"", 10)?;
    // Vite reloads what a page has asked for.
    http::get(VITE, "/src/main.ts")?;
    http::get(VITE, "/src/style.css")?;
    let style = world.project().join("frontend/src/style.css");
    files::edit(&style, "#f6f7f4", "#123456")?;
    wait::until("the saved style is served", 10, || http::serves(VITE, "/src/style.css", "#123456"))?;
    forwarded.wait_for("style.css", 10)?;
    ingress.wait_for("style.css", 10)?;
    let page = world.project().join("frontend/index.html");
    files::edit(&page, "<title>", "<title>Changed ")?;
    wait::until("the saved page is served", 10, || http::serves(VITE, "/", "<title>Changed "))
}

/// A changed Dockerfile is built and rolled out; forwards follow the new pod.
fn new_images(world: &World) -> anyhow::Result<()> {
    let before = pods(world)?;
    let file = world.project().join("backend/Dockerfile");
    append(&file, "LABEL changed=yes\n")?;
    wait::until("a new pod", 90, || {
        ensure!(pods(world)? != before, "still {before}");
        Ok(())
    })?;
    world.kubectl(&["rollout", "status", "deployment/backend", "-n", "codex", "--timeout=90s"])?.ok()?;
    wait::until("the forward leads to the new pod", 30, || http::serves(BACKEND, "/health", "changed"))?;
    wait::until("the notes are there", 10, || http::serves(BACKEND, "/api/notes", "through the ingress"))
}

fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    let whole = files::read(path)? + text;
    files::write(path, &whole)
}

fn volume_is_kept(world: &World) -> anyhow::Result<()> {
    world.coracle(&["cluster", "stop", CLUSTER]).and_then(Run::ok)?;
    world.coracle(&["cluster", "start", CLUSTER]).and_then(Run::ok)?;
    wait::until("the notes outlive the stop", 60, || {
        http::serves(INGRESS, "/api/notes", "through the ingress")
    })
}
