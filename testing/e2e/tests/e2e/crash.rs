//! `kill -9` of the daemon in the middle of many writes: what was acknowledged is there, versions never go back, and
//! watches go on or are told to list again. `E2E_ROUNDS` sets how often it is killed.

use anyhow::{Context, bail, ensure};
use e2e::api::{Client, Connection};
use e2e::random::Random;
use e2e::{World, wait};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ROUNDS: usize = 12;
const WRITERS: usize = 16;
const WATCHERS: usize = 8;
/// So many objects a writer, more or less.
const MOST: usize = 30;
const PATH: &str = "/api/v1/namespaces/crash/configmaps";

pub fn run(world: &World) -> anyhow::Result<()> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("E2E_SEED").unwrap_or(u64::from(std::process::id()));
    let rounds = number("E2E_ROUNDS").and_then(|n| usize::try_from(n).ok()).unwrap_or(ROUNDS);
    crash(world, seed, rounds).map_err(|error| error.context(format!("E2E_SEED={seed}")))
}

fn crash(world: &World, seed: u64, rounds: usize) -> anyhow::Result<()> {
    let cluster = world.create_cluster(&[])?;
    let kubeconfig = world.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"])?.ok()?.stdout;
    let client = Client::new(&serde_json::from_str(&kubeconfig)?)?;
    let namespace = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"crash"}}"#;
    client.connect()?.request("POST", "/api/v1/namespaces", namespace)?.expect(201)?;

    let mut random = Random::new(seed);
    let mut writers: Vec<Writer> = (0..WRITERS).map(|number| Writer::new(number, seed)).collect();
    let mut watchers: Vec<Watcher> = (0..WATCHERS).map(|_| Watcher::default()).collect();
    let newest = AtomicU64::new(0);
    for round in 0..rounds {
        let daemon = world.daemon(&cluster)?;
        let moment = Duration::from_millis(20 + random.number() % 300);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let mut parts = Vec::new();
            for writer in &mut writers {
                let (client, newest) = (&client, &newest);
                parts.push(scope.spawn(move || writer.write(client, newest)));
            }
            for watcher in &mut watchers {
                let (client, over) = (&client, &over);
                parts.push(scope.spawn(move || watcher.follow(client, over)));
            }
            std::thread::sleep(moment);
            let killed =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(daemon), nix::sys::signal::SIGKILL);
            over.store(true, Ordering::Release);
            for part in parts {
                part.join().map_err(|_| anyhow::anyhow!("a thread has panicked"))??;
            }
            killed.context("the daemon was not there")
        })?;
        world.coracle(&["cluster", "start", &cluster])?.ok()?;
        check(&client, &mut writers, &newest)
            .with_context(|| format!("round {round}, killed after {moment:?}"))?;
    }
    let writes: usize = writers.iter().map(|writer| writer.acknowledged).sum();
    ensure!(writes > rounds * 10, "only {writes} writes were acknowledged in {rounds} rounds");
    catch_up(&client, &mut watchers)
}

/// What the cluster has is what the writers were told.
fn check(client: &Client, writers: &mut [Writer], newest: &AtomicU64) -> anyhow::Result<()> {
    let (version, found) = list(client)?;
    let newest = newest.load(Ordering::Acquire);
    ensure!(version >= newest, "the version went back from {newest} to {version}");
    for writer in writers.iter_mut() {
        for (name, known) in &writer.known {
            let now = found.get(name);
            let unsure = writer.unsure.as_ref().filter(|(of, _)| of == name).map(|(_, value)| value);
            ensure!(
                now == known.as_ref() || unsure.is_some_and(|value| now == value.as_ref()),
                "{name} is {now:?}, acknowledged was {known:?}, under way was {unsure:?}"
            );
        }
        if let Some((name, _)) = writer.unsure.take() {
            let now = found.get(&name).cloned();
            writer.known.insert(name, now);
        }
    }
    let unknown = found.keys().find(|name| {
        name.starts_with("made-") && !writers.iter().any(|writer| writer.known.contains_key(*name))
    });
    ensure!(unknown.is_none(), "nobody has written {unknown:?}");
    Ok(())
}

/// Name → the value of the key `value`.
fn list(client: &Client) -> anyhow::Result<(u64, BTreeMap<String, String>)> {
    let list = client.connect()?.get(PATH)?.expect(200)?.json()?;
    let items = list["items"].as_array().context("items")?;
    Ok((
        version(&list)?,
        items.iter().map(|item| (text(&item["metadata"]["name"]), text(&item["data"]["value"]))).collect(),
    ))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn version(object: &Value) -> anyhow::Result<u64> {
    Ok(text(&object["metadata"]["resourceVersion"]).parse()?)
}

struct Writer {
    number: usize,
    next: usize,
    random: Random,
    acknowledged: usize,
    /// What was acknowledged: the value, or that it is gone.
    known: BTreeMap<String, Option<String>>,
    /// What was asked for when the daemon died.
    unsure: Option<(String, Option<String>)>,
}

impl Writer {
    fn new(number: usize, seed: u64) -> Self {
        let random = Random::new(seed.wrapping_add(number as u64 * 7919));
        Self { number, next: 0, random, acknowledged: 0, known: BTreeMap::new(), unsure: None }
    }

    /// Writes until the daemon dies.
    fn write(&mut self, client: &Client, newest: &AtomicU64) -> anyhow::Result<()> {
        let Ok(mut connection) = client.connect() else { return Ok(()) };
        loop {
            let (method, name, value) = self.choose();
            self.unsure = Some((name.clone(), value.clone()));
            let Ok(answer) = ask(&mut connection, method, &name, value.as_deref()) else { return Ok(()) };
            ensure!(
                matches!(answer.status, 200 | 201),
                "{method} {name}: {} {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
            if method != "DELETE" {
                newest.fetch_max(version(&answer.json()?)?, Ordering::AcqRel);
            }
            self.unsure = None;
            self.known.insert(name, value);
            self.acknowledged += 1;
        }
    }

    fn choose(&mut self) -> (&'static str, String, Option<String>) {
        let living: Vec<&String> =
            self.known.iter().filter(|(_, v)| v.is_some()).map(|(name, _)| name).collect();
        let some = self.random.choose(&living).map(|name| (*name).clone());
        match (self.random.below(10), some) {
            (0..=2, Some(name)) => ("PATCH", name, Some(self.random.number().to_string())),
            (3, Some(name)) => ("DELETE", name, None),
            // The number of objects does not grow with the rounds.
            (4..=6, Some(name)) if living.len() > MOST => ("DELETE", name, None),
            _ => {
                self.next += 1;
                let name = format!("made-{}-{}", self.number, self.next);
                ("POST", name, Some(self.random.number().to_string()))
            }
        }
    }
}

fn ask(
    connection: &mut Connection,
    method: &str,
    name: &str,
    value: Option<&str>,
) -> anyhow::Result<e2e::api::Answer> {
    let value = value.unwrap_or_default();
    match method {
        "POST" => {
            let filler = "x".repeat(200);
            let body = format!(
                r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{"value":"{value}","filler":"{filler}"}}}}"#
            );
            connection.request(method, PATH, &body)
        }
        "PATCH" => connection.request(
            method,
            &format!("{PATH}/{name}"),
            &format!(r#"{{"data":{{"value":"{value}"}}}}"#),
        ),
        _ => connection.request(method, &format!("{PATH}/{name}"), ""),
    }
}

/// A client with a copy of everything, kept up to date by a watch.
#[derive(Default)]
struct Watcher {
    /// None: it has to list.
    version: Option<u64>,
    copy: BTreeMap<String, String>,
}

impl Watcher {
    /// Follows until the daemon dies.
    fn follow(&mut self, client: &Client, over: &AtomicBool) -> anyhow::Result<()> {
        let since = match self.version {
            Some(version) => version,
            None => {
                let Ok((version, copy)) = list(client) else { return Ok(()) };
                (self.version, self.copy) = (Some(version), copy);
                version
            }
        };
        let Ok(connection) = client.connect() else { return Ok(()) };
        let path = format!("{PATH}?watch=true&resourceVersion={since}");
        let mut watch = match connection.watch(&path) {
            Ok(watch) => watch,
            Err(error) if format!("{error:#}").contains("410") => {
                self.version = None;
                return Ok(());
            }
            Err(_) => return Ok(()),
        };
        while !over.load(Ordering::Acquire) {
            let Ok(next) = watch.next(Instant::now() + Duration::from_millis(50)) else { return Ok(()) };
            if let Some(line) = next {
                self.take(&line)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let event: Value = serde_json::from_slice(line)?;
        let object = &event["object"];
        let name = text(&object["metadata"]["name"]);
        match event["type"].as_str() {
            Some("ADDED" | "MODIFIED") => {
                self.copy.insert(name, text(&object["data"]["value"]));
            }
            Some("DELETED") => {
                self.copy.remove(&name);
            }
            Some("ERROR") if object["code"] == 410 => {
                self.version = None;
                return Ok(());
            }
            _ => bail!("an event that should not be: {}", String::from_utf8_lossy(line)),
        }
        let (version, before) = (version(object)?, self.version.unwrap_or_default());
        ensure!(version > before, "the watch went back from {before} to {version}");
        self.version = Some(version);
        Ok(())
    }
}

/// In the end every watcher has the truth.
fn catch_up(client: &Client, watchers: &mut [Watcher]) -> anyhow::Result<()> {
    for watcher in watchers {
        wait::until("the watcher has caught up", 20, || {
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let following = scope.spawn(|| watcher.follow(client, &over));
                std::thread::sleep(Duration::from_millis(100));
                over.store(true, Ordering::Release);
                following.join().map_err(|_| anyhow::anyhow!("a watcher has panicked"))?
            })?;
            let (_, found) = list(client)?;
            ensure!(
                watcher.copy == found,
                "the watcher has {} objects of {}",
                watcher.copy.len(),
                found.len()
            );
            Ok(())
        })?;
    }
    Ok(())
}
