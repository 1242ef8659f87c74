//! Drives the controllers: changes in, keys to reconcile, writes out.
//!
//! One task for all of them. The queue holds each (controller, key) once; a reconcile reads a fresh snapshot, so
//! a missed or doubled change does no harm. A write that failed is tried again later, with growing pauses.

mod carry;

use crate::tokens::Tokens;
use api::{Api, Changes, Selector, Snapshot};
use carry::Carrier;
use controllers::{Controller, Measured, Outcome, Scale, Server};
use futures::FutureExt as _;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Change, ChangeKind, Key, Mark, Object, Since, Term, View};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// What controllers are told that is not an object.
#[derive(Clone)]
pub struct Facts {
    pub ca_certificate: String,
    pub storage_path: String,
    pub tokens: Arc<Tokens>,
}

/// Runs until `stop`; returns only then.
pub async fn run(api: Api, facts: Facts, stop: CancellationToken) {
    let mut driver = Driver::new(api, facts);
    let mut changes = driver.load();
    loop {
        driver.work();
        let wake = driver.next_wake();
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep_until(wake) => driver.release_due(Instant::now()),
            Some(done) = driver.carrying.join_next() => driver.finished(done),
            change = changes.next() => match change {
                Ok(change) => {
                    driver.note(&change);
                    // Let a burst of writes through before looking at it.
                    while let Ok(Some(change)) = changes.try_next() {
                        driver.note(&change);
                    }
                }
                // We fell too far behind: look at everything once.
                Err(_) => changes = driver.load(),
            },
        }
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

type Item = (usize, Key);

struct Driver {
    api: Api,
    facts: Arc<Facts>,
    controllers: Vec<Box<dyn Controller>>,
    queue: VecDeque<Item>,
    queued: HashSet<Item>,
    later: BTreeMap<(Instant, u64), Item>,
    later_of: HashMap<Item, (Instant, u64)>,
    failures: HashMap<Item, u32>,
    counter: u64,
    carrying: JoinSet<(Item, bool, Option<Duration>)>,
    /// Whose writes are being carried out.
    busy: HashSet<Item>,
    /// What of it is to be looked at again afterwards.
    meanwhile: HashSet<Item>,
}

impl Driver {
    fn new(api: Api, facts: Facts) -> Self {
        Self {
            api,
            facts: Arc::new(facts),
            controllers: controllers::all(),
            queue: VecDeque::new(),
            queued: HashSet::new(),
            later: BTreeMap::new(),
            later_of: HashMap::new(),
            failures: HashMap::new(),
            counter: 0,
            carrying: JoinSet::new(),
            busy: HashSet::new(),
            meanwhile: HashSet::new(),
        }
    }

    /// Queues everything that exists, and follows from there.
    fn load(&mut self) -> Changes {
        let version = self.api.version();
        let changes = self.api.changes(version);
        let world = self.world();
        for kind in self.api.kinds().all() {
            let resource = kind.resource();
            for object in world.snapshot.list(&resource, "") {
                let key = controllers::key_of(&resource, &object);
                let change = Change {
                    version,
                    kind: ChangeKind::Added,
                    key,
                    object,
                    previous: None,
                    text: Default::default(),
                };
                self.note_in(&world, &change);
            }
        }
        changes
    }

    fn world(&self) -> World {
        World::now(&self.api, &self.facts)
    }

    fn note(&mut self, change: &Change) {
        let world = self.world();
        self.note_in(&world, change);
    }

    fn note_in(&mut self, world: &World, change: &Change) {
        let mut wanted = Vec::new();
        for (index, controller) in self.controllers.iter().enumerate() {
            wanted.extend(controller.concerns(world, change).into_iter().map(|key| (index, key)));
        }
        wanted.into_iter().for_each(|item| self.push(item));
    }

    fn push(&mut self, item: Item) {
        // What it has decided must be there before it decides again.
        if self.busy.contains(&item) {
            self.meanwhile.insert(item);
            return;
        }
        if self.queued.insert(item.clone()) {
            self.queue.push_back(item);
        }
    }

    /// Reconciles what is queued now. What the writes cause comes back through `changes`.
    fn work(&mut self) {
        for _ in 0..self.queue.len() {
            let Some(item) = self.queue.pop_front() else { return };
            self.queued.remove(&item);
            let outcome = self.controllers[item.0].reconcile(&self.world(), &item.1, Timestamp::now());
            self.carry_out(item, outcome);
        }
    }

    fn carry_out(&mut self, item: Item, outcome: Outcome) {
        for (key, pause) in outcome.later {
            self.delay((item.0, key), Instant::now() + pause);
        }
        let carrier = Carrier {
            api: self.api.clone(),
            component: self.controllers[item.0].name(),
            key: item.1.clone(),
            facts: self.facts.clone(),
        };
        let again_after = outcome.again_after;
        let mut carrying = Box::pin(carrier.all(outcome.writes));
        match (&mut carrying).now_or_never() {
            Some(failed) => self.carried_out(item, failed.is_some(), again_after),
            None => {
                self.busy.insert(item.clone());
                self.carrying.spawn(async move { (item, carrying.await.is_some(), again_after) });
            }
        }
    }

    fn carried_out(&mut self, item: Item, failed: bool, again_after: Option<Duration>) {
        let pause = if failed {
            let count = self.failures.entry(item.clone()).or_default();
            *count += 1;
            Some((FIRST_RETRY * 2u32.saturating_pow((*count - 1).min(12))).min(LAST_RETRY))
        } else {
            self.failures.remove(&item);
            again_after
        };
        if let Some(pause) = pause {
            self.delay(item, Instant::now() + pause);
        }
    }

    /// What has come of writes that webhooks were asked about.
    fn finished(&mut self, done: Result<(Item, bool, Option<Duration>), tokio::task::JoinError>) {
        match done {
            Ok((item, failed, again_after)) => {
                self.busy.remove(&item);
                if self.meanwhile.remove(&item) {
                    self.push(item.clone());
                }
                self.carried_out(item, failed, again_after);
            }
            Err(error) => tracing::error!(%error, "the writes of a reconcile have ended badly"),
        }
    }

    fn delay(&mut self, item: Item, at: Instant) {
        if let Some(old) = self.later_of.get(&item) {
            if old.0 <= at {
                return;
            }
            self.later.remove(old);
        }
        self.counter += 1;
        self.later.insert((at, self.counter), item.clone());
        self.later_of.insert(item, (at, self.counter));
    }

    fn next_wake(&self) -> Option<Instant> {
        if !self.queue.is_empty() {
            return Some(Instant::now());
        }
        self.later.keys().next().map(|(at, _)| *at)
    }

    fn release_due(&mut self, now: Instant) {
        while let Some(entry) = self.later.first_entry().filter(|e| e.key().0 <= now) {
            let item = entry.remove();
            self.later_of.remove(&item);
            self.push(item);
        }
    }
}

/// A snapshot with the facts around it.
struct World {
    api: Api,
    snapshot: Snapshot,
    kinds: Arc<api::Kinds>,
    facts: Arc<Facts>,
}

impl World {
    fn now(api: &Api, facts: &Arc<Facts>) -> Self {
        Self { api: api.clone(), snapshot: api.view(), kinds: api.kinds(), facts: facts.clone() }
    }
}

impl View for World {
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Object> {
        self.snapshot.get(resource, namespace, name)
    }

    fn list(&self, resource: &str, namespace: &str) -> Vec<Object> {
        self.snapshot.list(resource, namespace)
    }

    fn owned_by(&self, uid: &str) -> Vec<(Key, Object)> {
        self.snapshot.owned_by(uid)
    }

    fn since(&self, resource: &str, mark: &Mark) -> Since {
        self.snapshot.since(resource, mark)
    }

    fn since_in(&self, resource: &str, namespace: &str, mark: &Mark) -> Since {
        self.snapshot.since_in(resource, namespace, mark)
    }

    fn select(&self, resource: &str, namespace: &str, terms: &[Term<'_>]) -> Vec<Object> {
        self.snapshot.select(resource, namespace, terms)
    }
}

impl Server for World {
    fn resource_of(&self, api_version: &str, kind: &str) -> Option<String> {
        self.kinds.by_gvk(api_version, kind).map(|k| k.resource())
    }

    fn is_namespaced(&self, resource: &str) -> bool {
        self.kinds.by_resource(resource).is_some_and(|kind| kind.namespaced)
    }

    fn namespaced_resources(&self) -> Vec<String> {
        self.kinds.all().iter().filter(|k| k.namespaced).map(|k| k.resource()).collect()
    }

    fn ca_certificate(&self) -> &str {
        &self.facts.ca_certificate
    }

    fn storage_path(&self) -> &str {
        &self.facts.storage_path
    }

    fn secret_token(&self, namespace: &str, account: &str, uid: &str, secret: &str) -> String {
        self.facts.tokens.issue_for_secret(namespace, account, uid, secret)
    }

    fn scale(&self, key: &Key) -> Result<Scale, String> {
        let scale = self.api.scale(key).map_err(|error| error.message)?;
        let replicas = controllers::int_at(&scale, &["spec", "replicas"]).unwrap_or(0);
        Ok(Scale { replicas, selector: controllers::str_at(&scale, &["status", "selector"]).into() })
    }

    fn pods_of(&self, namespace: &str, selector: &str) -> Result<Vec<Object>, String> {
        let parsed = Selector::parse(selector).map_err(|error| error.message)?;
        // Pairs are answered by the index; what else a selector may say is looked at then.
        let pairs = selector.split(',').filter(|part| !part.contains(['!', '(', ')', ' ', '<', '>']));
        let pairs = pairs.filter_map(|part| part.split_once('=').filter(|(_, value)| !value.contains('=')));
        let terms: Vec<Term<'_>> = pairs.map(|(key, value)| Term::Label(key, value)).collect();
        let mut pods = self.snapshot.select("pods", namespace, &terms);
        pods.retain(|pod| parsed.matches(&pod["metadata"]["labels"]));
        Ok(pods)
    }

    fn measured(&self) -> Arc<Measured> {
        self.api.measured()
    }
}

#[cfg(test)]
mod tests;
