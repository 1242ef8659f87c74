//! Pods of the cluster become facts of the dev loop: which pods a resource has, and how they are.

use crate::cluster::Cluster;
use crate::logs::Logs;
use crate::sync::LIVE_UPDATED;
use devloop::{ContainerFact, ContainerState, Event, PodFact, PodPhase};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::runtime::watcher;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tiltfile::Plan;
use tiltfile::plan::{DiscoveryStrategy, Resource};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What makes a pod belong to a resource.
#[derive(Debug, Clone, PartialEq)]
struct Rule {
    namespace: String,
    labels: BTreeMap<String, String>,
    /// `ReplicaSet`, `StatefulSet`, …: the kind of the pod's controller and how its name begins.
    owner: Option<(&'static str, String)>,
    /// A bare pod's own name.
    name: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rules(BTreeMap<String, Vec<Rule>>);

impl Rules {
    /// `deployed` is what deploys by command applied, by resource.
    pub(crate) fn of(plan: &Plan, cluster: &Cluster, deployed: &BTreeMap<String, Vec<Value>>) -> Self {
        let rules = |resource: &Resource| {
            let mut out = Vec::new();
            let Some(k8s) = resource.k8s() else { return out };
            let objects = match &k8s.custom_deploy {
                Some(_) => deployed.get(&resource.name).map(Vec::as_slice).unwrap_or_default(),
                None => &k8s.objects,
            };
            for object in objects {
                let namespace = cluster.namespace_of(object);
                for labels in &k8s.extra_pod_selectors {
                    out.push(Rule {
                        namespace: namespace.clone(),
                        labels: labels.clone(),
                        owner: None,
                        name: None,
                    });
                }
                if k8s.discovery_strategy == DiscoveryStrategy::Default {
                    out.extend(workload_rule(object, namespace));
                }
            }
            out
        };
        Self(plan.resources.iter().map(|r| (r.name.clone(), rules(r))).collect())
    }

    pub(crate) fn namespaces(&self) -> BTreeSet<String> {
        self.0.values().flatten().map(|rule| rule.namespace.clone()).collect()
    }

    /// The resource of this pod; the first that claims it.
    fn resource_of(&self, pod: &Pod) -> Option<&str> {
        self.0
            .iter()
            .find(|(_, rules)| rules.iter().any(|rule| rule.matches(pod)))
            .map(|(name, _)| name.as_str())
    }
}

fn workload_rule(object: &Value, namespace: String) -> Option<Rule> {
    let name = object["metadata"]["name"].as_str()?.to_string();
    let labels = |value: &Value| -> BTreeMap<String, String> {
        let pairs = value.as_object().into_iter().flatten();
        pairs.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_string()))).collect()
    };
    let selector = labels(&object["spec"]["selector"]["matchLabels"]);
    let owned = |kind, prefix: String| {
        Some(Rule {
            namespace: namespace.clone(),
            labels: selector.clone(),
            owner: Some((kind, prefix)),
            name: None,
        })
    };
    match object["kind"].as_str()? {
        "Deployment" => owned("ReplicaSet", format!("{name}-")),
        "ReplicaSet" => owned("ReplicaSet", name),
        "StatefulSet" => owned("StatefulSet", name),
        "DaemonSet" => owned("DaemonSet", name),
        "Job" => owned("Job", name),
        "CronJob" => owned("Job", format!("{name}-")),
        "Pod" => Some(Rule { namespace, labels: BTreeMap::new(), owner: None, name: Some(name) }),
        _ => None,
    }
}

impl Rule {
    fn matches(&self, pod: &Pod) -> bool {
        let metadata = &pod.metadata;
        if metadata.namespace.as_deref() != Some(&self.namespace) {
            return false;
        }
        if let Some(name) = &self.name {
            return metadata.name.as_ref() == Some(name);
        }
        let have = metadata.labels.clone().unwrap_or_default();
        let labelled = self.labels.iter().all(|(k, v)| have.get(k) == Some(v));
        let owned = self.owner.as_ref().is_none_or(|(kind, name)| {
            let owners = metadata.owner_references.as_deref().unwrap_or_default();
            owners.iter().any(|o| {
                o.kind == *kind
                    && if name.ends_with('-') { o.name.starts_with(name) } else { o.name == *name }
            })
        });
        labelled && owned
    }
}

/// Follows the pods of all namespaces that the rules name, until `stop`. New rules take effect at once.
pub(crate) async fn follow(
    cluster: Cluster,
    mut rules: watch::Receiver<Rules>,
    events: mpsc::Sender<Event>,
    logs: Arc<Logs>,
    stop: CancellationToken,
) {
    let (changes, mut received) = mpsc::channel(1024);
    let mut watched: BTreeMap<String, CancellationToken> = BTreeMap::new();
    let mut pods: BTreeMap<(String, String), Pod> = BTreeMap::new();
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
                take(&mut pods, change);
                while let Ok(change) = received.try_recv() {
                    take(&mut pods, change);
                }
            }
        }
    }
}

enum PodChange {
    Seen(Box<Pod>),
    Gone(Box<Pod>),
    /// The watch begins anew: forget this namespace's pods.
    Reset(String),
}

fn take(pods: &mut BTreeMap<(String, String), Pod>, change: PodChange) {
    let key = |pod: &Pod| {
        (pod.metadata.namespace.clone().unwrap_or_default(), pod.metadata.name.clone().unwrap_or_default())
    };
    match change {
        PodChange::Seen(pod) => drop(pods.insert(key(&pod), *pod)),
        PodChange::Gone(pod) => drop(pods.remove(&key(&pod))),
        PodChange::Reset(namespace) => pods.retain(|(ns, _), _| *ns != namespace),
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
                continue;
            }
            None => return,
        };
        if changes.send(change).await.is_err() {
            return;
        }
    }
}

fn facts_of(rules: &Rules, pods: &BTreeMap<(String, String), Pod>) -> BTreeMap<String, Vec<PodFact>> {
    let mut out: BTreeMap<String, Vec<PodFact>> = rules
        .0
        .iter()
        .filter(|(_, rules)| !rules.is_empty())
        .map(|(name, _)| (name.clone(), Vec::new()))
        .collect();
    for pod in pods.values() {
        if let Some(list) = rules.resource_of(pod).and_then(|name| out.get_mut(name)) {
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
