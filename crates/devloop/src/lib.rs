//! Changes and cluster facts in; build, sync and apply out.
//!
//! One noun: what must happen next. [`step`] takes what happened and gives what to do; the driver (`session`) carries
//! it out and comes back with an event. No files, no clock, no cluster here.

mod effect;
mod event;
mod status;

pub use effect::{Effect, PodRef, RunStep, Sync, SyncFile};
pub use event::{
    Built, Change, ChangeKind, ContainerFact, ContainerRef, ContainerState, Event, ImageName, ObjectRef, PodFact,
    PodPhase, ServeFact, SyncError,
};
pub use status::{Activity, Hold, Line, Mark, ResourceStatus, RuntimeStatus, UpdateStatus};

/// All that the loop knows.
#[derive(Debug, Default)]
pub struct State {}

impl State {
    pub fn new() -> State {
        State::default()
    }
    /// How a resource stands.
    pub fn status(&self, resource: &str) -> Option<&ResourceStatus> {
        let _ = resource;
        None
    }
    /// Nothing is under way and nothing wants to start.
    pub fn is_settled(&self) -> bool {
        true
    }
    /// When the loop wants a [`Event::Tick`], if it does.
    pub fn next_tick(&self) -> Option<u64> {
        None
    }
}

/// Takes one event, gives what to do now.
pub fn step(state: &mut State, event: Event, now_ms: u64) -> Vec<Effect> {
    let _ = (state, event, now_ms);
    Vec::new()
}

/// The reference that a pod is to run: the image's name as written (or in the registry, if one is given), with a tag
/// made of the content's identity: `tilt-` and the first 16 hex digits of the image ID. Same content, same tag.
pub fn deploy_reference(
    name_as_written: &str,
    registry: Option<&tiltfile::plan::Registry>,
    image_id: &str,
) -> String {
    let _ = registry;
    let hex = image_id.rsplit(':').next().unwrap_or(image_id);
    format!("{name_as_written}:tilt-{}", &hex[..hex.len().min(16)])
}
