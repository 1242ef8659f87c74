//! All that is known of a pod while it lives.

use crate::backoff::after;
use crate::container::{Container, ImageState, Phase};
use crate::probe::ProbeKind;
use crate::resize::Resize;
use crate::spec::{ContainerKind, ContainerSpec, PodSpec, RestartPolicy};
use crate::status::Condition;
use jiff::Timestamp;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub struct PodState {
    pub(crate) spec: PodSpec,
    pub(crate) object: Arc<Value>,
    /// In the order of `spec.containers`.
    pub(crate) containers: Vec<Container>,
    pub(crate) sandbox: Stage,
    pub(crate) volumes: Stage,
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) host_ip: Ipv4Addr,
    pub(crate) start_time: Timestamp,
    pub(crate) conditions: Vec<Condition>,
    /// The object was removed without us.
    pub(crate) gone: bool,
    pub(crate) deadline_exceeded: bool,
    pub(crate) teardown: Teardown,
    pub(crate) resize: Resize,
}

/// How far something is that the whole pod needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    Todo,
    Asked,
    Ready,
    Failed {
        tries: u32,
        retry_at: Timestamp,
    },
    /// Given back, the pod being over.
    Released,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Teardown {
    No,
    Asked,
    Done,
}

impl PodState {
    /// A pod that has just been bound to this node.
    pub fn new(pod: Arc<Value>, host_ip: Ipv4Addr, now: Timestamp) -> Self {
        let spec = PodSpec::read(&pod);
        let start_time =
            pod["status"]["startTime"].as_str().and_then(|time| time.parse().ok()).unwrap_or(now);
        Self {
            containers: spec.containers.iter().map(|c| Container::new(&c.name)).collect(),
            conditions: Condition::read_all(&pod),
            resize: Resize::new(&pod),
            spec,
            object: pod,
            sandbox: Stage::Todo,
            volumes: Stage::Todo,
            ip: None,
            host_ip,
            start_time,
            gone: false,
            deadline_exceeded: false,
            teardown: Teardown::No,
        }
    }

    pub fn spec(&self) -> &PodSpec {
        &self.spec
    }

    /// The pod's object as last seen.
    pub fn object(&self) -> &Arc<Value> {
        &self.object
    }

    /// Nothing more will come of this pod.
    pub fn is_over(&self) -> bool {
        self.teardown == Teardown::Done
    }

    /// The id of the running instance of a container.
    pub fn running_id(&self, container: &str) -> Option<&str> {
        self.containers.iter().find(|c| c.name == container)?.running().map(|running| running.id.as_str())
    }

    /// When [`Event::Tick`](crate::Event::Tick) is wanted at the latest.
    pub fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let stages = [&self.sandbox, &self.volumes].into_iter().filter_map(|stage| match stage {
            Stage::Failed { retry_at, .. } => Some(*retry_at),
            _ => None,
        });
        let deadline = self.spec.active_deadline_seconds.map(|seconds| after(self.start_time, seconds));
        let containers =
            self.containers.iter().zip(&self.spec.containers).flat_map(|(c, spec)| wakes(self, c, spec));
        stages.chain(deadline).chain(containers).filter(|time| *time > now).min()
    }

    pub(crate) fn index(&self, container: &str) -> Option<usize> {
        self.containers.iter().position(|c| c.name == container)
    }

    pub(crate) fn of_kind(&self, kind: ContainerKind) -> impl Iterator<Item = (&Container, &ContainerSpec)> {
        self.containers.iter().zip(&self.spec.containers).filter(move |(_, spec)| spec.kind == kind)
    }

    pub(crate) fn ending(&self) -> bool {
        self.gone || self.spec.deletion.is_some()
    }

    /// A main container has been started in this sandbox: init containers are history.
    pub(crate) fn initialised(&self) -> bool {
        self.of_kind(ContainerKind::Main).any(|(c, _)| c.used || matches!(c.phase, Phase::Exited(_)))
            || self.init_pending().is_empty()
    }

    /// Init containers that are not through yet.
    pub(crate) fn init_pending(&self) -> Vec<&str> {
        let pending = self.containers.iter().zip(&self.spec.containers).filter(|(c, spec)| match spec.kind {
            ContainerKind::Init => c.exit().is_none_or(|exit| exit.exit_code != 0),
            ContainerKind::Sidecar => !self.started(c, spec),
            ContainerKind::Main | ContainerKind::Ephemeral => false,
        });
        pending.map(|(c, _)| c.name.as_str()).collect()
    }

    /// Running, its postStart hook done and its startup probe (if it has one) passed.
    pub(crate) fn started(&self, container: &Container, spec: &ContainerSpec) -> bool {
        container.running().is_some_and(|running| {
            !running.hook_running && (spec.startup.is_none() || running.startup.result == Some(true))
        })
    }

    pub(crate) fn ready(&self, container: &Container, spec: &ContainerSpec) -> bool {
        match spec.kind {
            ContainerKind::Init => container.exit().is_some_and(|exit| exit.exit_code == 0),
            ContainerKind::Ephemeral => false,
            ContainerKind::Sidecar | ContainerKind::Main => {
                let probed = |running: &crate::container::Running| {
                    spec.readiness.is_none() || running.readiness.result == Some(true)
                };
                self.started(container, spec) && container.running().is_some_and(probed)
            }
        }
    }

    /// Whether a container that has ended this way starts again.
    pub(crate) fn restarts(&self, spec: &ContainerSpec, exit_code: i32) -> bool {
        match (spec.kind, self.spec.restart_policy) {
            (ContainerKind::Sidecar, _) => true,
            (ContainerKind::Ephemeral, _) => false,
            (ContainerKind::Init, RestartPolicy::Never) => false,
            (ContainerKind::Init, _) => exit_code != 0,
            (ContainerKind::Main, RestartPolicy::Always) => true,
            (ContainerKind::Main, RestartPolicy::OnFailure) => exit_code != 0,
            (ContainerKind::Main, RestartPolicy::Never) => false,
        }
    }

    pub(crate) fn init_failed(&self) -> bool {
        self.of_kind(ContainerKind::Init).any(|(c, spec)| {
            c.exit().is_some_and(|e| e.exit_code != 0 && !c.forced && !self.restarts(spec, e.exit_code))
        })
    }

    /// Every main container has ended for good.
    pub(crate) fn completed(&self) -> bool {
        self.of_kind(ContainerKind::Main)
            .all(|(c, spec)| c.exit().is_some_and(|e| !c.forced && !self.restarts(spec, e.exit_code)))
    }

    pub(crate) fn any_alive(&self) -> bool {
        self.containers.iter().any(Container::alive)
    }
}

fn wakes(state: &PodState, container: &Container, spec: &ContainerSpec) -> Vec<Timestamp> {
    match &container.phase {
        Phase::Idle | Phase::Exited(_) => {
            let switch = container.retry_at.and_then(|_| container.switches_to_backoff());
            container.retry_at.into_iter().chain(switch).collect()
        }
        Phase::Starting { .. } => Vec::new(),
        Phase::Running(running) => {
            if let Some(stop) = &running.stop {
                return vec![stop.deadline];
            }
            if state.ending() {
                return Vec::new();
            }
            let started = state.started(container, spec);
            let due = |kind: ProbeKind| {
                let (probe, run) = match kind {
                    ProbeKind::Startup => (&spec.startup, &running.startup),
                    ProbeKind::Readiness => (&spec.readiness, &running.readiness),
                    ProbeKind::Liveness => (&spec.liveness, &running.liveness),
                };
                if (kind == ProbeKind::Startup) == started {
                    return None;
                }
                run.due(probe.as_ref()?, running.started_at)
            };
            ProbeKind::ALL.into_iter().filter_map(due).chain(running.resize_at).collect()
        }
    }
}

impl Container {
    /// When `ErrImagePull` becomes `ImagePullBackOff`: readers shall see the first for a moment.
    pub(crate) fn switches_to_backoff(&self) -> Option<Timestamp> {
        let (reason, _) = self.waiting.as_ref()?;
        let failed = self.pull_backoff.updated()?;
        (reason == "ErrImagePull" && self.image == ImageState::Unknown).then(|| after(failed, 2))
    }
}
