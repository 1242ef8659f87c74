//! Projects: how soon everything is ready, and how soon a saved file is served.

use super::{Measured, percentile};
use anyhow::ensure;
use e2e::{Background, World, files, http, process, wait};
use std::path::Path;
use std::time::{Duration, Instant};

/// Saves a file again and again, and looks until the new text is served: milliseconds.
fn save_to_served(
    port: u16,
    url: &str,
    file: &Path,
    times: usize,
    text: &dyn Fn(&str) -> String,
) -> anyhow::Result<Vec<f64>> {
    let mut samples = Vec::new();
    for number in 0..times {
        let word = format!("saved-{number}-");
        std::thread::sleep(Duration::from_millis(150));
        let began = Instant::now();
        std::fs::write(file, text(&word))?;
        loop {
            // A server that reloads refuses connections in between.
            if http::serves(port, url, &word).is_ok() {
                break;
            }
            ensure!(
                began.elapsed() < Duration::from_secs(20),
                "the file saved as number {number} is not served"
            );
            std::thread::sleep(Duration::from_micros(500));
        }
        samples.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(samples)
}

fn both(
    names: [&'static str; 2],
    about: [&'static str; 2],
    budgets: [Option<f64>; 2],
    samples: Vec<f64>,
) -> Vec<Measured> {
    let measured = |index: usize, part: f64| Measured {
        name: names[index],
        about: about[index],
        unit: "ms",
        budget: budgets[index],
        value: percentile(&samples, part),
        samples: samples.clone(),
    };
    vec![measured(0, 0.5), measured(1, 0.95)]
}

/// Seconds of `coracle ci`: with no cluster, and with a running cluster and nothing deployed.
fn up_times(world: &World, cluster: &str, arguments: &[&str]) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let all =
        |command: &'static str| [command].into_iter().chain(arguments.iter().copied()).collect::<Vec<_>>();
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        world.coracle(&all("down"))?.ok()?;
        // What is deployed once more must not meet pods that are just ending.
        wait::until("no pods", 40, || {
            let pods = world.kubectl(&["get", "pods", "-A", "-o", "name"])?.ok()?;
            ensure!(pods.stdout.trim().is_empty(), "pods are left: {}", pods.stdout);
            Ok(())
        })?;
        warm.push(world.coracle(&all("ci"))?.ok()?.took.as_secs_f64());
    }
    for _ in 0..3 {
        world.coracle(&["cluster", "delete", cluster])?.ok()?;
        cold.push(world.coracle(&all("ci"))?.ok()?.took.as_secs_f64());
    }
    Ok((cold, warm))
}

pub fn hello(world: &World) -> anyhow::Result<Vec<Measured>> {
    files::copy(&files::repository().join("examples/hello"), &world.project())?;
    let port = http::free_port()?;
    files::edit(&world.project().join("Tiltfile"), "8000:8000", &format!("{port}:8000"))?;
    let cluster = world.write_config(&[], None)?;
    world.coracle(&["ci"])?.ok()?;
    let (cold, warm) = up_times(world, &cluster, &[])?;
    let up = ready(world, &[])?;
    let page = world.project().join("www/index.html");
    let saves = save_to_served(port, "/", &page, 100, &|word| format!("<title>{word}</title>\n"))?;
    stop(up)?;
    let mut out = vec![
        Measured {
            name: "hello_up",
            about: "up of examples/hello, built before, running cluster, to Ready, p50",
            unit: "s",
            budget: None,
            value: percentile(&warm, 0.5),
            samples: warm,
        },
        Measured {
            name: "hello_up_cold",
            about: "  the same with no cluster yet",
            unit: "s",
            budget: None,
            value: percentile(&cold, 0.5),
            samples: cold,
        },
    ];
    out.extend(both(
        ["save_static_p50", "save_static_p95"],
        [
            "save a static file → served from the container, p50",
            "save a static file → served from the container, p95",
        ],
        [Some(20.0), Some(50.0)],
        saves,
    ));
    Ok(out)
}

pub fn codex(world: &World) -> anyhow::Result<Vec<Measured>> {
    const CLUSTER: &str = "codex-dev";
    world.use_cluster(CLUSTER);
    files::copy(&files::repository().join("examples/codex"), &world.project())?;
    let variables = [
        format!("CORACLE={}", world.binary().display()),
        format!("EXAMPLE={}", world.project().display()),
        "UP=ci".to_string(),
    ];
    let arguments: Vec<&str> = ["dev-k8s"].into_iter().chain(variables.iter().map(String::as_str)).collect();
    let mut make = world.command("make", &arguments);
    make.current_dir(files::repository());
    process::run(make, Duration::from_secs(1200))?.ok()?;

    let (cold, warm) = up_times(world, CLUSTER, &["--", "--ingress"])?;
    let up = ready(world, &["--", "--ingress"])?;
    wait::until("the backend answers", 20, || http::get(8765, "/health"))?;
    let main = world.project().join("backend/codex/main.py");
    let text = files::read(&main)?;
    let saves = save_to_served(8765, "/health", &main, 20, &|word| {
        text.replace(r#"{"status": "ok"}"#, &format!(r#"{{"status": "{word}"}}"#))
    })?;
    let flask = world.project().join("frontend/public/flask.svg");
    let statics =
        save_to_served(5165, "/flask.svg", &flask, 50, &|word| format!("<svg><!-- {word} --></svg>\n"))?;
    stop(up)?;
    let mut out = vec![
        Measured {
            name: "codex_up",
            about: "up of examples/codex, built before, running cluster, to all Ready, p50",
            unit: "s",
            budget: Some(1.5),
            value: percentile(&warm, 0.5),
            samples: warm,
        },
        Measured {
            name: "codex_up_cold",
            about: "  the same with no cluster yet",
            unit: "s",
            budget: None,
            value: percentile(&cold, 0.5),
            samples: cold,
        },
    ];
    out.extend(both(
        ["save_py_p50", "save_py_p95"],
        [
            "save a .py → served after uvicorn's reload, p50",
            "save a .py → served after uvicorn's reload, p95",
        ],
        [None, None],
        saves,
    ));
    out.extend(both(
        ["save_vite_p50", "save_vite_p95"],
        ["save a static file → served by Vite, p50", "save a static file → served by Vite, p95"],
        [Some(20.0), Some(50.0)],
        statics,
    ));
    Ok(out)
}

fn ready(world: &World, arguments: &[&str]) -> anyhow::Result<Background> {
    let mut up = world.up(arguments)?;
    up.wait_for("✓ ready", 120)?;
    Ok(up)
}

fn stop(mut up: Background) -> anyhow::Result<()> {
    up.interrupt()?;
    up.wait(Duration::from_secs(15))?;
    Ok(())
}
