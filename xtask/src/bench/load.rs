//! The API under load: many writers, many watchers, large lists.

use super::cluster::pss;
use super::{Measured, percentile};
use anyhow::{Context, ensure};
use e2e::World;
use e2e::api::Client;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: usize = 16;
const NAMESPACES: usize = 100;
const CONFIG_MAPS: usize = 10_000;
const PODS: usize = 2_000;
/// The first and the last part of the creates are compared.
const PART: usize = 1_000;
const NODE: &str = "load";

/// 16 clients create 10,000 ConfigMaps and 2,000 Pods (bound to a node on which nothing runs) in 100 namespaces; each
/// namespace has a watcher that must see each of its objects once.
pub fn api(world: &World) -> anyhow::Result<Vec<Measured>> {
    let cluster = world.create_cluster(&[])?;
    let kubeconfig = world.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"])?.ok()?.stdout;
    let client = Client::new(&serde_json::from_str(&kubeconfig)?)?;
    prepare(&client)?;
    let daemon = world.daemon(&cluster)?;
    let idle = pss(daemon) / 1024.0;

    let stop = AtomicBool::new(false);
    let seen = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let watchers: Vec<_> = (0..NAMESPACES)
            .map(|number| {
                let (client, stop, seen) = (&client, &stop, &seen);
                scope.spawn(move || watch(client, number, stop, seen))
            })
            .collect();
        let measured = run(&client, &seen, daemon, idle);
        stop.store(true, Ordering::Release);
        for watcher in watchers {
            watcher.join().map_err(|_| anyhow::anyhow!("a watcher has panicked"))??;
        }
        measured
    })
}

fn run(client: &Client, seen: &AtomicUsize, daemon: i32, idle: f64) -> anyhow::Result<Vec<Measured>> {
    let maps = create(client, CONFIG_MAPS, &config_map)?;
    let last = maps.began + maps.took;
    while seen.load(Ordering::Acquire) < CONFIG_MAPS {
        ensure!(last.elapsed() < Duration::from_secs(20), "the watchers have seen {seen:?} of {CONFIG_MAPS}");
        std::thread::sleep(Duration::from_millis(1));
    }
    let behind = last.elapsed();
    let memory = pss(daemon) / 1024.0;
    let list = list(client)?;
    let pods = create(client, PODS, &pod)?;
    let growth = maps.slice(CONFIG_MAPS - PART..CONFIG_MAPS) / maps.slice(0..PART);
    Ok(vec![
        one("api_creates", "ConfigMaps created, 16 clients, 100 watchers", "/s", Some(5000.0), maps.rate()),
        one("api_p99", "the same: time of one create, p99", "ms", Some(20.0), percentile(&maps.times, 0.99)),
        one("api_growth", "the same: time of the last 1,000 creates / of the first", "×", Some(1.5), growth),
        one("api_behind", "the same: last watcher behind the last create", "ms", None, ms(behind)),
        one("api_memory", "memory of the daemon at 10,000 ConfigMaps", "MB", Some(100.0), memory),
        one("api_idle_memory", "memory of the same daemon before", "MB", None, idle),
        one("api_list", "list of 10,000 in parts of 500", "ms", None, ms(list)),
        one("api_pods", "Pods created on a node without a kubelet, 16 clients", "/s", None, pods.rate()),
        one("api_pods_p99", "the same: p99", "ms", None, percentile(&pods.times, 0.99)),
    ])
}

fn one(
    name: &'static str,
    about: &'static str,
    unit: &'static str,
    budget: Option<f64>,
    value: f64,
) -> Measured {
    Measured { name, about, unit, budget, value, samples: vec![value] }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn prepare(client: &Client) -> anyhow::Result<()> {
    let mut connection = client.connect()?;
    let node = format!(r#"{{"apiVersion":"v1","kind":"Node","metadata":{{"name":"{NODE}"}}}}"#);
    connection.request("POST", "/api/v1/nodes", &node)?.expect(201)?;
    for number in 0..NAMESPACES {
        let body =
            format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"load-{number}"}}}}"#);
        connection.request("POST", "/api/v1/namespaces", &body)?.expect(201)?;
    }
    // What each namespace gets by itself (a ServiceAccount, a ConfigMap) is not what is measured.
    std::thread::sleep(Duration::from_secs(2));
    Ok(())
}

fn config_map(number: usize) -> (String, String) {
    let namespace = number % NAMESPACES;
    let data = "v".repeat(400);
    (
        format!("/api/v1/namespaces/load-{namespace}/configmaps"),
        format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"made-{number}","labels":{{"app":"load"}}}},"data":{{"a":"{data}","b":"{number}"}}}}"#
        ),
    )
}

fn pod(number: usize) -> (String, String) {
    let namespace = number % NAMESPACES;
    (
        format!("/api/v1/namespaces/load-{namespace}/pods"),
        format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"made-{number}"}},"spec":{{"nodeName":"{NODE}","containers":[{{"name":"main","image":"busybox:1.36","env":[{{"name":"A","value":"b"}}]}}]}}}}"#
        ),
    )
}

struct Created {
    began: Instant,
    took: Duration,
    /// Milliseconds, in the order of the objects' numbers.
    times: Vec<f64>,
    /// When each was done.
    ends: Vec<Instant>,
}

impl Created {
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    fn rate(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64()
    }

    /// Seconds from the first to the last end of these.
    fn slice(&self, range: std::ops::Range<usize>) -> f64 {
        let mut ends = self.ends.clone();
        ends.sort();
        (ends[range.end - 1] - ends[range.start]).as_secs_f64()
    }
}

fn create(
    client: &Client,
    count: usize,
    object: &(dyn Fn(usize) -> (String, String) + Sync),
) -> anyhow::Result<Created> {
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    let parts = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let next = &next;
                scope.spawn(move || -> anyhow::Result<Vec<(f64, Instant)>> {
                    let mut connection = client.connect()?;
                    let mut times = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return Ok(times);
                        }
                        let (path, body) = object(number);
                        let began = Instant::now();
                        connection.request("POST", &path, &body)?.expect(201)?;
                        times.push((ms(began.elapsed()), Instant::now()));
                    }
                })
            })
            .collect();
        writers.into_iter().map(|w| w.join().map_err(|_| anyhow::anyhow!("a writer has panicked"))?).collect()
    });
    let took = began.elapsed();
    let parts: anyhow::Result<Vec<Vec<(f64, Instant)>>> = parts;
    let (times, ends) = parts?.into_iter().flatten().unzip();
    Ok(Created { began, took, times, ends })
}

/// Follows one namespace and counts the objects that the writers make.
fn watch(client: &Client, number: usize, stop: &AtomicBool, seen: &AtomicUsize) -> anyhow::Result<()> {
    let path = format!("/api/v1/namespaces/load-{number}/configmaps?watch=true&labelSelector=app%3Dload");
    let mut watch = client.connect()?.watch(&path)?;
    while !stop.load(Ordering::Acquire) {
        if let Some(line) = watch.next(Instant::now() + Duration::from_millis(500))? {
            ensure!(line.starts_with(br#"{"type":"ADDED""#), "{}", String::from_utf8_lossy(&line));
            seen.fetch_add(1, Ordering::AcqRel);
        }
    }
    Ok(())
}

fn list(client: &Client) -> anyhow::Result<Duration> {
    let mut connection = client.connect()?;
    let began = Instant::now();
    let (mut token, mut found) = (String::new(), 0);
    loop {
        let path = format!("/api/v1/configmaps?limit=500&labelSelector=app%3Dload&continue={token}");
        let answer = connection.get(&path)?.expect(200)?;
        let list = answer.json()?;
        token = list["metadata"]["continue"].as_str().unwrap_or_default().to_string();
        found += list["items"].as_array().context("items")?.len();
        if token.is_empty() {
            break;
        }
    }
    let took = began.elapsed();
    ensure!(found == CONFIG_MAPS, "the list has {found}");
    Ok(took)
}
