//! Changes and cluster facts in; build, sync and apply out.
//!
//! One noun: what must happen next. [`step`] takes what happened and gives what to do; the driver (`session`) carries
//! it out and comes back with an event. No files, no clock, no cluster here.

mod effect;
mod event;
mod forward;
mod images;
mod inject;
mod log;
mod plans;
mod readiness;
mod rules;
mod schedule;
mod scope;
mod state;
mod status;
mod step;
mod sync;

pub use effect::{Effect, PodRef, RunStep, Sync, SyncFile};
pub use event::{
    Built, Change, ChangeKind, ContainerFact, ContainerRef, ContainerState, Event, ImageName, ObjectRef,
    PodFact, PodPhase, ServeFact, SyncError,
};
pub use scope::WatchScope;
pub use state::State;
pub use status::{Activity, Hold, Line, Mark, ResourceStatus, RuntimeStatus, UpdateStatus};
pub use step::step;

use tiltfile::ImageRef;
use tiltfile::plan::Registry;

/// The reference that a pod is to run: the image's name as written (or in the registry, if one is given), with a tag
/// made of the content's identity: `tilt-` and the first 16 hex digits of the image ID. The same content has the same
/// tag, so applying it again rolls nothing; other content has another, so a pod never runs what it was not made for.
pub fn deploy_reference(name_as_written: &str, registry: Option<&Registry>, image_id: &str) -> String {
    let hex = image_id.rsplit(':').next().unwrap_or(image_id);
    let tag = format!("tilt-{}", &hex[..hex.len().min(16)]);
    let name = match ImageRef::parse(name_as_written) {
        Ok(reference) => reference.familiar_name().to_owned(),
        Err(_) => name_as_written.to_owned(),
    };
    let Some(registry) = registry else { return format!("{name}:{tag}") };
    let host =
        if registry.host_from_cluster.is_empty() { &registry.host } else { &registry.host_from_cluster };
    if name.starts_with(&format!("{host}/")) || name.starts_with(&format!("{}/", registry.host)) {
        return format!("{name}:{tag}");
    }
    let escaped = name.replace(['/', ':', '@'], "_");
    if registry.single_name.is_empty() {
        return format!("{host}/{escaped}:{tag}");
    }
    format!("{host}/{}:{escaped}-{tag}", registry.single_name)
}
