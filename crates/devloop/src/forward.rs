//! Which pod a port leads to.

use crate::effect::{Effect, PodRef};
use crate::event::{PodFact, PodPhase};
use crate::state::State;
use tiltfile::plan::{PortForward, Resource};

pub(crate) fn plan_forwards(state: &mut State, resource: &Resource) -> Option<Effect> {
    let k8s = resource.k8s()?;
    let entry = state.resources.get_mut(&resource.name)?;
    if !entry.enabled || entry.apply.done.is_none() {
        return None;
    }
    let pod = best_pod(&entry.pods);
    let forwards: Vec<PortForward> = k8s.port_forwards.iter().map(|f| resolve(f, pod)).collect();
    if forwards.is_empty() && entry.forwarded.as_ref().is_none_or(|(f, _)| f.is_empty()) {
        return None;
    }
    let now = (forwards, pod.map(|p| p.uid.clone()));
    if entry.forwarded.as_ref() == Some(&now) {
        return None;
    }
    let pod =
        pod.map(|p| PodRef { namespace: p.namespace.clone(), name: p.name.clone(), uid: p.uid.clone() });
    let forwards = now.0.clone();
    entry.forwarded = Some(now);
    Some(Effect::ForwardPorts { resource: resource.name.clone(), forwards, pod })
}

/// A running pod; better one that stays, better a ready one, better a newer one.
fn best_pod(pods: &[PodFact]) -> Option<&PodFact> {
    pods.iter().filter(|p| p.phase == PodPhase::Running).max_by(|a, b| {
        (!a.terminating, a.ready, &a.created, &a.name).cmp(&(!b.terminating, b.ready, &b.created, &b.name))
    })
}

fn resolve(forward: &PortForward, pod: Option<&PodFact>) -> PortForward {
    let mut forward = forward.clone();
    if forward.container == 0 {
        let ports = pod.map(|p| p.ports.as_slice()).unwrap_or_default();
        let same = ports.iter().find(|p| **p == forward.local);
        forward.container = same.or(ports.first()).copied().unwrap_or(forward.local);
    }
    forward
}
