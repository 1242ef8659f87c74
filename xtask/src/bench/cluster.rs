//! A cluster by itself: how soon the API answers, how soon a pod runs, what it costs to leave it running.

use super::{Measured, percentile};
use anyhow::{Context, ensure};
use e2e::world::BUSYBOX;
use e2e::{Background, World, http, wait};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub fn api_ready(world: &World) -> anyhow::Result<Vec<Measured>> {
    let mut samples = Vec::new();
    let mut whole = Vec::new();
    let name = world.cluster_name();
    for _ in 0..5 {
        let port = http::free_port()?;
        let address = port.to_string();
        let began = Instant::now();
        let mut create = Background::start(
            world.command(world.binary(), &["cluster", "create", &name, "--api-port", &address]),
        )?;
        let url = format!("https://127.0.0.1:{port}/readyz");
        wait::until("the API's port is open", 20, || Ok(std::net::TcpStream::connect(("127.0.0.1", port))?))?;
        wait::until("the API answers", 20, || {
            world.run(world.command("curl", &["-sk", &url]))?.ok()?.says(&["ok"])
        })?;
        samples.push(began.elapsed().as_secs_f64() * 1e3);
        ensure!(create.wait(Duration::from_secs(20))?.success(), "the cluster starts:\n{}", create.text());
        whole.push(began.elapsed().as_secs_f64() * 1e3);
        world.coracle(&["cluster", "delete", &name])?.ok()?;
    }
    Ok(vec![
        Measured {
            name: "api_ready",
            about: "embedded API answering, from nothing, p50",
            unit: "ms",
            budget: Some(150.0),
            value: percentile(&samples, 0.5),
            samples,
        },
        Measured {
            name: "cluster_ready",
            about: "cluster with node ready, from nothing, p50",
            unit: "ms",
            budget: None,
            value: percentile(&whole, 0.5),
            samples: whole,
        },
    ])
}

/// `kubectl proxy`: plain HTTP to the API, so that only the API is measured and not a client's start.
struct Proxy {
    _process: Background,
    port: u16,
}

impl Proxy {
    fn start(world: &World) -> anyhow::Result<Self> {
        let port = http::free_port()?;
        let mut process =
            Background::start(world.command("kubectl", &["proxy", "--port", &port.to_string()]))?;
        process.wait_for("Starting to serve", 10)?;
        Ok(Self { _process: process, port })
    }

    fn pod(&self, name: &str) -> anyhow::Result<Value> {
        let answer = http::get(self.port, &format!("/api/v1/namespaces/default/pods/{name}"))?;
        let body = answer.find('{').zip(answer.rfind('}')).context("an object")?;
        Ok(serde_json::from_str(&answer[body.0..=body.1])?)
    }
}

pub fn pods(world: &World) -> anyhow::Result<Vec<Measured>> {
    world.create_cluster(&[])?;
    world.busybox_image()?;
    let proxy = Proxy::start(world)?;
    let mut samples = Vec::new();
    for number in 0..20 {
        let name = format!("pod-{number}");
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "main", "image": BUSYBOX, "command": ["sleep", "1000"]}],
            },
        });
        let began = Instant::now();
        let created = http::request("POST", proxy.port, "/api/v1/namespaces/default/pods", &pod.to_string())?;
        ensure!(created.status == 201, "the pod is created: {}", created.text);
        while proxy.pod(&name)?["status"]["containerStatuses"][0]["state"]["running"].is_null() {
            ensure!(began.elapsed() < Duration::from_secs(20), "the pod runs");
            std::thread::sleep(Duration::from_millis(1));
        }
        samples.push(began.elapsed().as_secs_f64() * 1e3);
        let path = format!("/api/v1/namespaces/default/pods/{name}");
        http::request("DELETE", proxy.port, &path, "")?;
    }
    Ok(vec![Measured {
        name: "pod_running",
        about: "pod create → process running (image present), p50",
        unit: "ms",
        budget: Some(60.0),
        value: percentile(&samples, 0.5),
        samples,
    }])
}

/// Memory and processor time of all processes of ours in a cluster that has one pod and nothing to do.
pub fn idle(world: &World) -> anyhow::Result<Vec<Measured>> {
    let registry = http::free_port()?.to_string();
    world.create_cluster(&["--registry-create", &format!("e2e-registry.localhost:{registry}")])?;
    world.busybox_image()?;
    world.kubectl(&["create", "deployment", "idle", "--image", BUSYBOX, "--", "sleep", "100000"])?.ok()?;
    world.kubectl(&["wait", "--for=condition=available", "deployment/idle", "--timeout=30s"])?.ok()?;
    std::thread::sleep(Duration::from_secs(5));
    let ours = || world.processes().into_iter().filter(|p| p.is_coracle).collect::<Vec<_>>();
    let ticks = || ours().iter().map(|p| cpu_ticks(p.pid)).sum::<u64>();
    let (before, began) = (ticks(), Instant::now());
    std::thread::sleep(Duration::from_secs(30));
    #[expect(clippy::cast_precision_loss, reason = "few ticks")]
    let used = (ticks() - before) as f64 / 100.0;
    let share = used / began.elapsed().as_secs_f64() * 100.0;
    let each: Vec<f64> = ours().iter().map(|p| pss(p.pid) / 1024.0).collect();
    Ok(vec![
        Measured {
            name: "idle_memory",
            about: "control plane + node + registry, idle memory (PSS, all processes)",
            unit: "MB",
            budget: Some(60.0),
            value: each.iter().sum(),
            samples: each,
        },
        Measured {
            name: "idle_cpu",
            about: "idle CPU of everything, over 30 s",
            unit: "%",
            budget: Some(0.5),
            value: share,
            samples: vec![share],
        },
    ])
}

/// Kilobytes.
pub fn pss(pid: i32) -> f64 {
    let text =
        std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/smaps_rollup"))).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn cpu_ticks(pid: i32) -> u64 {
    let text = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).unwrap_or_default();
    let fields = text
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>())
        .unwrap_or_default();
    let field = |index: usize| fields.get(index).and_then(|f| f.parse::<u64>().ok()).unwrap_or_default();
    field(11) + field(12)
}
