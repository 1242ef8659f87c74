//! What the loop wants done. Each effect with a `round` is answered by one event with the same round.

use crate::event::{ContainerRef, ImageName, ObjectRef};
use crate::status::{Line, ResourceStatus};
use serde_json::Value;
use std::path::PathBuf;
use tiltfile::plan::{Command, PortForward, Probe};

#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Evaluate the Tiltfile (again).
    LoadTiltfile {
        reason: String,
    },
    /// Build the image from the source tree as it is when the effect is carried out, or later.
    /// `base_images` are the built images that it depends on: (reference as written, reference to use).
    BuildImage {
        image: ImageName,
        round: u64,
        reason: String,
        base_images: Vec<(ImageName, String)>,
    },
    /// Apply the objects in this order; image references are in them. For a custom deploy `objects` is empty
    /// and `images` are its images in order.
    Apply {
        resource: String,
        round: u64,
        objects: Vec<Value>,
        images: Vec<(ImageName, String)>,
    },
    /// Delete objects that the plan has no more, in this order.
    Delete {
        round: u64,
        objects: Vec<Value>,
    },
    /// Take away what a deploy by command made; answered by `DeleteDone`.
    DeleteByCommand {
        resource: String,
        round: u64,
        command: Command,
    },
    /// Make the container's files equal to the source tree's.
    Sync(Sync),
    /// Run the command of a local resource.
    RunLocal {
        resource: String,
        round: u64,
        command: Command,
    },
    /// Start (or restart) the serve process of a local resource.
    Serve {
        resource: String,
        command: Command,
        probe: Option<Probe>,
    },
    StopServe {
        resource: String,
    },
    /// Tell with `ObjectSeen`/`ObjectGone` about these; the list replaces the one before. `kind` or `namespace`
    /// may be empty: any (for the kind at least ConfigMap, Secret, PersistentVolumeClaim, Service, ServiceAccount).
    WatchObjects {
        objects: Vec<ObjectRef>,
    },
    /// Listen on these ports, and send connections to the pod; `None`: let them wait. The listeners stay over
    /// pod changes. Container ports are resolved. An empty list ends the listening.
    ForwardPorts {
        resource: String,
        forwards: Vec<PortForward>,
        pod: Option<PodRef>,
    },
    /// Delete the pod so that its controller makes a fresh one.
    ReplacePod {
        resource: String,
        pod: PodRef,
        reason: String,
    },
    /// The status of a resource changed.
    Status {
        resource: String,
        status: ResourceStatus,
    },
    /// One line for the user.
    Say(Line),
}

/// One container's update. Deletions first, then files, then commands, then the restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    pub resource: String,
    pub image: ImageName,
    pub round: u64,
    pub container: ContainerRef,
    /// `rm -rf` in the container.
    pub deletes: Vec<String>,
    /// Copies. If the local path is gone when its turn comes, skip it: its removal is reported by itself. A directory
    /// means only itself, unless `recursive`. If the kind in the container differs, what is there is removed first.
    pub files: Vec<SyncFile>,
    pub then: Vec<RunStep>,
    pub restart: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncFile {
    pub local: PathBuf,
    pub container: String,
    /// The first sync of a container: everything below, but for what the image ignores.
    pub recursive: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStep {
    pub argv: Vec<String>,
    pub echo_off: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRef {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}
