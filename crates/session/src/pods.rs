//! Pods of the cluster become facts of the dev loop: which pods a resource has, and how they are.

mod ancestry;
mod rules;

pub(crate) use rules::Rules;

use crate::cluster::Cluster;
use crate::logs::Logs;
use crate::output::Output;
use crate::sync::LIVE_UPDATED;
use ancestry::{Ancestor, Ancestry};
use devloop::{ContainerFact, ContainerState, Event, PodFact, PodPhase};
use devloop::{Line, Mark};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::runtime::watcher;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Follows the pods of all namespaces that the rules name, until `stop`. New rules take effect at once.
pub(crate) async fn follow(
    cluster: Cluster,
    mut rules: watch::Receiver<Rules>,
    events: mpsc::Sender<Event>,
    logs: Arc<Logs>,
    output: Arc<dyn Output>,
    stop: CancellationToken,
) {
    let mut connection =
        Connection { output, embedded: cluster.embedded().map(|it| it.name.clone()), lost: false };
    let (changes, mut received) = mpsc::channel(1024);
    let mut watched: BTreeMap<String, CancellationToken> = BTreeMap::new();
    let mut pods = Pods::new();
    let mut ancestry = Ancestry::new(cluster.clone());
    let mut told: HashMap<String, Vec<PodFact>> = HashMap::new();
    loop {
        let current = rules.borrow_and_update().clone();
        for namespace in current.namespaces() {
            watched.entry(namespace.clone()).or_insert_with(|| {
                let stop = stop.child_token();
                tokio::spawn(watch_namespace(cluster.clone(), namespace, changes.clone(), stop.clone()));
                stop
            });
        }
        ancestry.look_up(&current, &mut pods).await;
        for (name, facts) in facts_of(&current, &pods) {
            if told.get(&name) != Some(&facts) {
                logs.follow(&cluster, &name, &facts);
                told.insert(name.clone(), facts.clone());
                if events.send(Event::PodsChanged { resource: name, pods: facts }).await.is_err() {
                    return;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = rules.changed() => if changed.is_err() { return },
            change = received.recv() => {
                let Some(change) = change else { return };
                connection.note(&change);
                take(&mut pods, change);
                while let Ok(change) = received.try_recv() {
                    connection.note(&change);
                    take(&mut pods, change);
                }
            }
        }
    }
}

/// By namespace and name.
type Pods = BTreeMap<(String, String), Known>;

struct Known {
    pod: Pod,
    /// Who made it, and who made that; `None`: nobody has asked yet.
    ancestors: Option<Vec<Ancestor>>,
}

enum PodChange {
    Seen(Box<Pod>),
    Gone(Box<Pod>),
    /// The watch begins anew: forget this namespace's pods.
    Reset(String),
    /// The cluster cannot be asked, with the reason.
    Lost(String),
}

/// Tells once that the cluster has gone, and once that it is there again.
struct Connection {
    output: Arc<dyn Output>,
    embedded: Option<String>,
    lost: bool,
}

impl Connection {
    fn note(&mut self, change: &PodChange) {
        let (mark, text) = match change {
            PodChange::Lost(why) if !self.lost => {
                let hint =
                    self.embedded.as_ref().map(|name| format!("; `coracle cluster start {name}` starts it"));
                (Mark::Warning, format!("the cluster does not answer: {why}{}", hint.unwrap_or_default()))
            }
            PodChange::Seen(_) | PodChange::Gone(_) | PodChange::Reset(_) if self.lost => {
                (Mark::Info, "the cluster answers again".to_owned())
            }
            _ => return,
        };
        self.lost = !self.lost;
        self.output.line(&Line { resource: String::new(), mark, text });
    }
}

fn take(pods: &mut Pods, change: PodChange) {
    let key = |pod: &Pod| {
        (pod.metadata.namespace.clone().unwrap_or_default(), pod.metadata.name.clone().unwrap_or_default())
    };
    match change {
        PodChange::Seen(pod) => {
            // who made a pod does not change
            let before = pods.remove(&key(&pod)).filter(|known| known.pod.metadata.uid == pod.metadata.uid);
            let ancestors = before.and_then(|known| known.ancestors);
            pods.insert(key(&pod), Known { pod: *pod, ancestors });
        }
        PodChange::Gone(pod) => drop(pods.remove(&key(&pod))),
        PodChange::Reset(namespace) => pods.retain(|(ns, _), _| *ns != namespace),
        PodChange::Lost(_) => {}
    }
}

async fn watch_namespace(
    cluster: Cluster,
    namespace: String,
    changes: mpsc::Sender<PodChange>,
    stop: CancellationToken,
) {
    let api: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    let mut stream = Box::pin(watcher(api, watcher::Config::default()));
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = stream.next() => next,
        };
        let change = match next {
            Some(Ok(watcher::Event::Apply(pod) | watcher::Event::InitApply(pod))) => {
                PodChange::Seen(Box::new(pod))
            }
            Some(Ok(watcher::Event::Delete(pod))) => PodChange::Gone(Box::new(pod)),
            Some(Ok(watcher::Event::Init)) => PodChange::Reset(namespace.clone()),
            Some(Ok(watcher::Event::InitDone)) => continue,
            Some(Err(error)) => {
                tracing::debug!(
                    namespace,
                    error = crate::error::chain(&error),
                    "the watch of pods broke; it begins anew"
                );
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
                // A watch that was cut off goes on by itself; one that cannot begin has nobody to ask.
                match &error {
                    watcher::Error::InitialListFailed(cause) | watcher::Error::WatchStartFailed(cause) => {
                        PodChange::Lost(crate::error::chain(cause))
                    }
                    _ => continue,
                }
            }
            None => return,
        };
        if changes.send(change).await.is_err() {
            return;
        }
    }
}

fn facts_of(rules: &Rules, pods: &Pods) -> BTreeMap<String, Vec<PodFact>> {
    let mut out: BTreeMap<String, Vec<PodFact>> =
        rules.resources().map(|name| (name.to_owned(), Vec::new())).collect();
    for Known { pod, ancestors } in pods.values() {
        let owner = rules.resource_of(pod, ancestors.as_deref().unwrap_or_default());
        if let Some(list) = owner.and_then(|name| out.get_mut(name)) {
            list.push(fact(pod));
        }
    }
    out
}

fn fact(pod: &Pod) -> PodFact {
    let metadata = &pod.metadata;
    let status = pod.status.clone().unwrap_or_default();
    let spec = pod.spec.clone().unwrap_or_default();
    let statuses = status.container_statuses.unwrap_or_default();
    let containers = spec.containers.iter().map(|container| {
        let found = statuses.iter().find(|s| s.name == container.name);
        ContainerFact {
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
            id: found.and_then(|s| s.container_id.clone()).unwrap_or_default(),
            state: found.map(state).unwrap_or_default(),
            restarts: found.map_or(0, |s| u32::try_from(s.restart_count).unwrap_or(0)),
        }
    });
    let ports = spec.containers.iter().flat_map(|c| c.ports.iter().flatten());
    PodFact {
        name: metadata.name.clone().unwrap_or_default(),
        namespace: metadata.namespace.clone().unwrap_or_default(),
        uid: metadata.uid.clone().unwrap_or_default(),
        created: metadata.creation_timestamp.as_ref().map(|t| t.0.to_string()).unwrap_or_default(),
        phase: match status.phase.as_deref() {
            Some("Running") => PodPhase::Running,
            Some("Succeeded") => PodPhase::Succeeded,
            Some("Failed") => PodPhase::Failed,
            Some("Unknown") => PodPhase::Unknown,
            _ => PodPhase::Pending,
        },
        ready: status.conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True"),
        terminating: metadata.deletion_timestamp.is_some(),
        live_updated: metadata.annotations.as_ref().is_some_and(|a| a.contains_key(LIVE_UPDATED)),
        ports: ports.filter_map(|p| u16::try_from(p.container_port).ok()).collect(),
        containers: containers.collect(),
    }
}

fn state(status: &ContainerStatus) -> ContainerState {
    let Some(state) = &status.state else { return ContainerState::default() };
    if state.running.is_some() {
        return ContainerState::Running;
    }
    if let Some(end) = &state.terminated {
        return ContainerState::Terminated {
            code: end.exit_code,
            reason: end.reason.clone().unwrap_or_default(),
        };
    }
    let waiting = state.waiting.clone().unwrap_or_default();
    let reason = [waiting.reason, waiting.message].into_iter().flatten().collect::<Vec<_>>().join(": ");
    ContainerState::Waiting { reason }
}
