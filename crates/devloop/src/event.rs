//! What the loop is told.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use tiltfile::Plan;

/// One thing that happened. Facts about pods and objects are levels: each replaces what was said before.
#[derive(Debug, Clone)]
pub enum Event {
    /// The Tiltfile was evaluated; the answer to [`crate::Effect::LoadTiltfile`], or the first event of all.
    PlanLoaded {
        plan: Arc<Plan>,
        files_read: BTreeSet<PathBuf>,
    },
    /// Its evaluation failed: the plan in force stays.
    PlanFailed {
        message: String,
        files_read: BTreeSet<PathBuf>,
    },
    /// One settled set of changes.
    FilesChanged {
        changes: Vec<Change>,
    },
    BuildDone {
        image: ImageName,
        round: u64,
        result: Result<Built, String>,
    },
    /// With the objects that are in the cluster now: of a deploy by command, those that it told.
    ApplyDone {
        resource: String,
        round: u64,
        result: Result<Vec<Value>, String>,
    },
    DeleteDone {
        round: u64,
        result: Result<(), String>,
    },
    SyncDone {
        resource: String,
        container: ContainerRef,
        round: u64,
        result: Result<(), SyncError>,
    },
    /// All pods that belong to the resource now, terminating ones too.
    PodsChanged {
        resource: String,
        pods: Vec<PodFact>,
    },
    ObjectSeen {
        object: ObjectRef,
    },
    ObjectGone {
        object: ObjectRef,
    },
    /// The command of a local resource ended.
    LocalDone {
        resource: String,
        round: u64,
        result: Result<(), String>,
    },
    /// What the serve process of a local resource does now.
    ServeChanged {
        resource: String,
        serve: ServeFact,
    },
    /// Somebody asks for an update: the trigger button, `coracle trigger`.
    Trigger {
        resource: String,
    },
    /// From now on these resources run, and no others.
    EnabledChanged {
        resources: Vec<String>,
    },
    /// Time passed. Only needed when [`crate::State::next_tick`] says so.
    Tick,
}

/// An image of the plan: its reference as written in the Tiltfile.
pub type ImageName = String;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub path: PathBuf,
    pub kind: ChangeKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Something is there: new, written, or renamed to this name.
    Written,
    /// Nothing is there any more; what was below it, if anything, is gone too.
    Removed,
    /// A directory that went away and came back: what was below is gone, what is below now is reported by itself.
    Replaced,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// What pods are to run: immutable, the same for the same content (see [`crate::deploy_reference`]).
    pub reference: String,
    /// Nothing had to be done.
    pub cached: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncError {
    /// Files could not be written, the container is gone, …: a full build must help.
    Transport { message: String },
    /// A `run` step failed with this exit code; files are in place. The next change is the cure.
    Step { argv: Vec<String>, code: i32, output: String },
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerRef {
    pub namespace: String,
    pub pod: String,
    pub container: String,
    /// The container's own identity (`containerID`): a restarted container is another.
    pub id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodFact {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    /// `metadata.creationTimestamp`, to tell the newest.
    pub created: String,
    pub phase: PodPhase,
    /// Condition Ready is True.
    pub ready: bool,
    /// It has a deletion timestamp.
    pub terminating: bool,
    /// An earlier session changed files in it: its content is not its image's.
    pub live_updated: bool,
    /// Ports that its containers expose.
    pub ports: Vec<u16>,
    /// Without init containers.
    pub containers: Vec<ContainerFact>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PodPhase {
    #[default]
    Pending,
    Running,
    Succeeded,
    Failed,
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerFact {
    pub name: String,
    /// As in the pod's spec.
    pub image: String,
    /// Empty until it was started.
    pub id: String,
    pub state: ContainerState,
    pub restarts: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    /// `reason`, or `reason: message`.
    Waiting {
        reason: String,
    },
    Running,
    Terminated {
        code: i32,
        reason: String,
    },
}

impl ContainerState {
    /// Waits for this reason, whatever its message.
    pub(crate) fn waits_with(&self, wanted: &str) -> bool {
        let ContainerState::Waiting { reason } = self else { return false };
        reason.split(':').next() == Some(wanted)
    }
}

impl Default for ContainerState {
    fn default() -> ContainerState {
        ContainerState::Waiting { reason: String::new() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServeFact {
    Starting,
    Ready,
    NotReady,
    Exited { code: i32 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_counts_with_and_without_its_message() {
        let waits =
            |reason: &str| ContainerState::Waiting { reason: reason.into() }.waits_with("CrashLoopBackOff");
        assert!(waits("CrashLoopBackOff"));
        assert!(waits("CrashLoopBackOff: back-off 20s restarting failed container"));
        assert!(!waits("CrashLoop") && !waits("ContainerCreating: x"));
        assert!(!ContainerState::Running.waits_with("CrashLoopBackOff"));
    }
}
