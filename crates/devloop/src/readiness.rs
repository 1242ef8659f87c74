//! How resources stand, from what is known of them.

use crate::event::{ContainerState, PodFact, PodPhase, ServeFact};
use crate::images::{self, needs_build};
use crate::schedule;
use crate::state::{ResourceState, State};
use crate::status::{Activity, ResourceStatus, RuntimeStatus, UpdateStatus};
use tiltfile::Plan;
use tiltfile::plan::{K8sResource, LocalResource, PodReadiness, Resource, ResourceKind};

/// Marks resources that became ready, so that what waits for them may start. True if there is a new one.
pub(crate) fn note_ready(state: &mut State, plan: &Plan) -> bool {
    let mut news = false;
    for resource in &plan.resources {
        let ready = runtime(state, plan, resource) == RuntimeStatus::Ok
            || matches!(&resource.kind, ResourceKind::Local(l) if l.serve_cmd.is_none()
                && state.resources.get(&resource.name).is_some_and(|r| r.local.done));
        if let Some(entry) = state.resources.get_mut(&resource.name).filter(|r| ready && !r.ever_ready) {
            entry.ever_ready = true;
            news = true;
        }
    }
    news
}

pub(crate) fn status(state: &State, plan: &Plan, resource: &Resource) -> ResourceStatus {
    let Some(entry) = state.resources.get(&resource.name).filter(|r| r.enabled) else {
        return ResourceStatus::default();
    };
    ResourceStatus {
        update: update(state, plan, resource, entry),
        runtime: runtime(state, plan, resource),
        hold: schedule::hold(state, plan, resource),
    }
}

fn update(state: &State, plan: &Plan, resource: &Resource, entry: &ResourceState) -> UpdateStatus {
    if entry.apply.running.is_some() {
        return UpdateStatus::InProgress { what: Activity::Applying };
    }
    if entry.local.running.is_some() {
        return UpdateStatus::InProgress { what: Activity::Running };
    }
    let names: Vec<&str> =
        resource.k8s().iter().flat_map(|k| &k.images).map(|i| plan.images[*i].reference.as_str()).collect();
    for name in &names {
        if state.images.get(*name).is_some_and(|i| i.running.is_some()) {
            return UpdateStatus::InProgress { what: Activity::Building { image: (*name).to_owned() } };
        }
    }
    if entry.pods.iter().any(|p| {
        state
            .containers
            .iter()
            .any(|(c, s)| c.pod == p.name && c.namespace == p.namespace && s.running.is_some())
    }) {
        return UpdateStatus::InProgress { what: Activity::Syncing };
    }
    for name in &names {
        if let Some(failed) = state.images.get(*name).and_then(|i| i.failed.as_ref()) {
            return UpdateStatus::Error { message: format!("building {name}: {}", failed.message) };
        }
    }
    if let Some((_, message)) = &entry.apply.failed {
        return UpdateStatus::Error { message: message.clone() };
    }
    if let Some(message) = entry.local.failed.as_ref().or(entry.step_error.as_ref()) {
        return UpdateStatus::Error { message: message.clone() };
    }
    if !entry.started && !resource.auto_init && !entry.triggered {
        return UpdateStatus::None;
    }
    let stale = names.iter().any(|n| {
        state.images.get(*n).is_some_and(|i| !i.is_live_update_only() && needs_build(state, i).is_some())
            || images::wants_build(state, n).is_some()
    });
    if !entry.started || stale { UpdateStatus::Pending } else { UpdateStatus::Ok }
}

fn runtime(state: &State, plan: &Plan, resource: &Resource) -> RuntimeStatus {
    let Some(entry) = state.resources.get(&resource.name).filter(|r| r.enabled) else {
        return RuntimeStatus::Unknown;
    };
    match &resource.kind {
        ResourceKind::Local(local) => local_runtime(entry, local),
        ResourceKind::K8s(k8s) | ResourceKind::Uncategorized(k8s) => k8s_runtime(state, plan, entry, k8s),
        // Services of Compose are refused before a session starts.
        ResourceKind::Compose(_) => RuntimeStatus::NotApplicable,
    }
}

fn local_runtime(entry: &ResourceState, local: &LocalResource) -> RuntimeStatus {
    if local.serve_cmd.is_none() {
        return RuntimeStatus::NotApplicable;
    }
    match &entry.local.serve {
        _ if !entry.local.serving => RuntimeStatus::Pending { reason: "not started".to_owned() },
        None | Some(ServeFact::Starting) if local.readiness_probe.is_some() => {
            RuntimeStatus::Pending { reason: "starting".to_owned() }
        }
        Some(ServeFact::NotReady) => RuntimeStatus::Pending { reason: "readiness probe fails".to_owned() },
        Some(ServeFact::Exited { code }) => {
            RuntimeStatus::Error { message: format!("Server exited with exit code {code}") }
        }
        None | Some(ServeFact::Starting | ServeFact::Ready) => RuntimeStatus::Ok,
    }
}

fn k8s_runtime(state: &State, plan: &Plan, entry: &ResourceState, k8s: &K8sResource) -> RuntimeStatus {
    let pending = |reason: &str| RuntimeStatus::Pending { reason: reason.to_owned() };
    if entry.apply.done.is_none() {
        return pending("not deployed");
    }
    if k8s.pod_readiness == PodReadiness::Ignore {
        return RuntimeStatus::Ok;
    }
    let makes_pods = !k8s.images.is_empty()
        || !k8s.extra_pod_selectors.is_empty()
        || !entry.pods.is_empty()
        || k8s.objects.iter().chain(&entry.apply.told).any(tiltfile::plan::makes_pods);
    if !makes_pods {
        return RuntimeStatus::Ok;
    }
    // a pod of the version before says nothing about this one
    let references: Vec<(&str, &str)> = k8s
        .images
        .iter()
        .filter_map(|i| {
            let image = state.images.get(&plan.images[*i].reference)?;
            Some((image.definition.reference.as_str(), image.current.as_ref()?.reference.as_str()))
        })
        .collect();
    let is_current = |pod: &&PodFact| {
        pod.containers.iter().all(|c| {
            references.iter().all(|(name, reference)| !same_name(&c.image, name) || c.image == *reference)
        })
    };
    let newest = entry
        .pods
        .iter()
        .filter(|p| !p.terminating)
        .filter(is_current)
        .max_by(|a, b| (&a.created, &a.name).cmp(&(&b.created, &b.name)));
    match newest {
        None => pending("no pod yet"),
        Some(pod) => pod_runtime(pod, k8s.pod_readiness),
    }
}

fn same_name(a: &str, b: &str) -> bool {
    matches!((tiltfile::ImageRef::parse(a), tiltfile::ImageRef::parse(b)), (Ok(a), Ok(b)) if a.name == b.name)
}

fn pod_runtime(pod: &PodFact, readiness: PodReadiness) -> RuntimeStatus {
    const ERRORS: [&str; 7] = [
        "CrashLoopBackOff",
        "ErrImagePull",
        "ImagePullBackOff",
        "RunContainerError",
        "StartError",
        "Error",
        "ErrImageNeverPull",
    ];
    for container in &pod.containers {
        if let ContainerState::Waiting { reason } = &container.state
            && ERRORS.iter().any(|error| container.state.waits_with(error))
        {
            return RuntimeStatus::Error { message: format!("{}: {reason}", container.name) };
        }
    }
    match pod.phase {
        PodPhase::Succeeded => RuntimeStatus::Ok,
        PodPhase::Failed => RuntimeStatus::Error { message: format!("pod {} failed", pod.name) },
        PodPhase::Running if readiness == PodReadiness::Succeeded => {
            RuntimeStatus::Pending { reason: "running".to_owned() }
        }
        PodPhase::Running if pod.ready => RuntimeStatus::Ok,
        PodPhase::Running => RuntimeStatus::Pending { reason: "not ready".to_owned() },
        PodPhase::Pending | PodPhase::Unknown => {
            let waiting = pod.containers.iter().find_map(|c| match &c.state {
                ContainerState::Waiting { reason } if !reason.is_empty() => Some(reason.clone()),
                _ => None,
            });
            RuntimeStatus::Pending { reason: waiting.unwrap_or_else(|| "starting".to_owned()) }
        }
    }
}
