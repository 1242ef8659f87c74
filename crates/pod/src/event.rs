//! What goes into the machine and what comes out.

use crate::container::Terminated;
use crate::probe::{Outcome, ProbeKind};
use crate::spec::{Handler, PullPolicy};
use jiff::Timestamp;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// A fact.
#[derive(Debug, Clone)]
pub enum Event {
    /// The pod's object has changed.
    Spec(Arc<Value>),
    /// The pod's object is gone without having waited for us (`--force --grace-period=0`).
    Gone,
    SandboxReady {
        ip: Option<Ipv4Addr>,
    },
    SandboxFailed {
        message: String,
    },
    /// The sandbox has died under us, and all containers with it.
    SandboxLost,
    VolumesReady,
    /// `mounting`: texts as in a FailedMount event.
    VolumesFailed {
        message: String,
    },
    ImageReady {
        container: String,
        image_id: String,
        pulled: Option<String>,
    },
    ImageFailed {
        container: String,
        failure: ImageFailure,
        message: String,
    },
    Started {
        container: String,
        id: String,
        at: Timestamp,
    },
    StartFailed {
        container: String,
        failure: StartFailure,
        message: String,
    },
    Exited {
        container: String,
        id: String,
        exit: Terminated,
    },
    HookDone {
        container: String,
        id: String,
        kind: HookKind,
        failure: Option<String>,
    },
    Probed {
        container: String,
        id: String,
        kind: ProbeKind,
        outcome: Outcome,
    },
    /// An object that the pod refers to (ConfigMap, Secret, claim) has changed: what waits for one tries again.
    ObjectsChanged,
    /// Somebody wants a running container to begin anew (after a live update).
    Restart {
        container: String,
    },
    /// Whether the node has room for the resources that the pod asks for now: `Infeasible` or `Deferred` and why not.
    ResizeJudged {
        refusal: Option<(String, String)>,
    },
    /// A running container has other resources now, or why it has not.
    Resized {
        container: String,
        id: String,
        resources: Value,
        failure: Option<String>,
    },
    /// Containers, sandbox and volumes are gone.
    TornDown,
    Tick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFailure {
    Pull,
    NeverPull,
    InvalidName,
}

/// Where the start of a container ended; the names are the kubelet's waiting reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFailure {
    /// Its environment or mounts name something that is not there.
    Config,
    Create,
    Run,
}

impl StartFailure {
    pub fn reason(self) -> &'static str {
        match self {
            Self::Config => "CreateContainerConfigError",
            Self::Create => "CreateContainerError",
            Self::Run => "RunContainerError",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookKind {
    PostStart,
    PreStop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    Normal,
    Warning,
}

/// What the driver shall do. Everything that takes time answers with an [`Event`].
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    CreateSandbox,
    PrepareVolumes,
    /// Make the image available: `ImageReady` or `ImageFailed`.
    EnsureImage {
        container: String,
        image: String,
        policy: PullPolicy,
    },
    /// Create and start: `Started` or `StartFailed`, later `Exited`. An older instance of it may be removed.
    StartContainer {
        container: String,
        id: String,
        attempt: u32,
    },
    /// A signal number, or `None` for the image's stop signal (SIGTERM if it has none).
    Signal {
        container: String,
        id: String,
        signal: Option<i32>,
    },
    /// Give a running container these resources: `Resized`.
    Resize {
        container: String,
        id: String,
        resources: Value,
    },
    RunHook {
        container: String,
        id: String,
        kind: HookKind,
        handler: Handler,
        seconds: i64,
    },
    Probe {
        container: String,
        id: String,
        kind: ProbeKind,
        handler: Handler,
        seconds: i64,
    },
    /// An Event about the pod, or about one of its containers.
    Record {
        kind: EventKind,
        reason: &'static str,
        message: String,
        container: Option<String>,
    },
    /// The pod is over: give its address and namespaces back, keep logs and status.
    RemoveSandbox,
    /// Remove containers, sandbox and volumes; answer `TornDown`.
    TearDown,
    /// Delete the object for good.
    FinalDelete,
}
