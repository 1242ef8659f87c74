//! One container of a pod: what it does now, how it ended last, what it waits for.

use crate::backoff::Backoff;
use crate::probe::{ProbeKind, ProbeRun};
use jiff::Timestamp;
use serde_json::Value;

/// How a container ended, as its status says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminated {
    pub exit_code: i32,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, …
    pub reason: String,
    pub message: String,
    pub started_at: Option<Timestamp>,
    pub finished_at: Timestamp,
    /// `coracle://…`, or empty.
    pub container_id: String,
}

impl Terminated {
    /// Of a container that has gone without a trace.
    pub(crate) fn unknown(id: &str, started_at: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            exit_code: 137,
            reason: "ContainerStatusUnknown".into(),
            message: "The container could not be located when the pod was terminated".into(),
            started_at,
            finished_at: now,
            container_id: id.into(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) phase: Phase,
    /// Restart count of the instance that runs, ran last, or will be the first.
    pub(crate) attempt: u32,
    /// Whether an instance with this attempt has been started.
    pub(crate) used: bool,
    /// How the last instance ended, while and after the next one exists.
    pub(crate) last: Option<Terminated>,
    pub(crate) image: ImageState,
    /// Image name that the running instance was started with.
    pub(crate) image_name: String,
    pub(crate) image_id: String,
    pub(crate) waiting: Option<(String, String)>,
    pub(crate) backoff: Backoff,
    pub(crate) pull_backoff: Backoff,
    /// Not before this time.
    pub(crate) retry_at: Option<Timestamp>,
    /// Failed for want of an object; a change of one clears the wait.
    pub(crate) wants_objects: bool,
    /// Restart after this end, whatever the policy says.
    pub(crate) forced: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Phase {
    /// Not started, or to be started again.
    Idle,
    Starting {
        id: String,
    },
    Running(Running),
    Exited(Terminated),
}

#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) id: String,
    pub(crate) started_at: Timestamp,
    pub(crate) hook_running: bool,
    pub(crate) stop: Option<Stop>,
    /// Limits and requests that it has.
    pub(crate) resources: Value,
    /// They are being changed.
    pub(crate) resizing: bool,
    /// When a change that failed is tried again.
    pub(crate) resize_at: Option<Timestamp>,
    pub(crate) startup: ProbeRun,
    pub(crate) readiness: ProbeRun,
    pub(crate) liveness: ProbeRun,
}

#[derive(Debug, Clone)]
pub(crate) struct Stop {
    pub(crate) stage: StopStage,
    pub(crate) deadline: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopStage {
    PreStop,
    Term,
    Kill,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ImageState {
    Unknown,
    Asked,
    Ready,
}

impl Container {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            phase: Phase::Idle,
            attempt: 0,
            used: false,
            last: None,
            image: ImageState::Unknown,
            image_name: String::new(),
            image_id: String::new(),
            waiting: None,
            backoff: Backoff::default(),
            pull_backoff: Backoff::default(),
            retry_at: None,
            wants_objects: false,
            forced: false,
        }
    }

    pub(crate) fn running(&self) -> Option<&Running> {
        match &self.phase {
            Phase::Running(running) => Some(running),
            _ => None,
        }
    }

    pub(crate) fn running_as(&mut self, id: &str) -> Option<&mut Running> {
        match &mut self.phase {
            Phase::Running(running) if running.id == id => Some(running),
            _ => None,
        }
    }

    /// Something of it is with the runtime and may run.
    pub(crate) fn alive(&self) -> bool {
        matches!(self.phase, Phase::Starting { .. } | Phase::Running(_))
    }

    pub(crate) fn exit(&self) -> Option<&Terminated> {
        match &self.phase {
            Phase::Exited(exit) => Some(exit),
            _ => None,
        }
    }

    /// As after the pod was made, but for the count of restarts.
    pub(crate) fn reset(&mut self) {
        if let Phase::Exited(exit) = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.last = Some(exit);
        }
        self.image = ImageState::Unknown;
        self.waiting = None;
        self.retry_at = None;
        self.wants_objects = false;
        self.forced = false;
        self.renew();
    }

    /// The next instance gets the next number.
    pub(crate) fn renew(&mut self) {
        if self.used {
            self.attempt += 1;
            self.used = false;
        }
    }
}

impl Running {
    pub(crate) fn new(id: &str, started_at: Timestamp, resources: Value) -> Self {
        Self {
            id: id.into(),
            started_at,
            hook_running: false,
            stop: None,
            resources,
            resizing: false,
            resize_at: None,
            startup: ProbeRun::default(),
            readiness: ProbeRun::default(),
            liveness: ProbeRun::default(),
        }
    }

    pub(crate) fn probe(&mut self, kind: ProbeKind) -> &mut ProbeRun {
        match kind {
            ProbeKind::Startup => &mut self.startup,
            ProbeKind::Readiness => &mut self.readiness,
            ProbeKind::Liveness => &mut self.liveness,
        }
    }
}
