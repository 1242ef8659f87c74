//! One pod's life as a pure state machine: spec and facts in, next actions and a status out.
//!
//! The driver (crate `node`) hands every fact to [`step`], carries out the [`Action`]s, and calls again with
//! [`Event::Tick`] when [`PodState::next_wake`] has come. Time is a parameter; nothing here waits, reads a file or
//! asks a container runtime. Rules, reasons and texts are those of the kubelet.

mod adopt;
mod backoff;
mod container;
mod decide;
mod event;
mod probe;
mod resize;
mod spec;
mod state;
mod status;
mod step;
mod stop;
#[cfg(test)]
mod tests;

pub use adopt::{Found, FoundState, adopt};
pub use container::Terminated;
pub use event::Event;
pub use event::{Action, EventKind, HookKind, ImageFailure, StartFailure};
pub use probe::{Outcome, ProbeKind};
pub use spec::{ContainerKind, ContainerSpec, Handler, PodSpec, Probe, PullPolicy, RestartPolicy, Scheme};
pub use state::PodState;
pub use status::{is_own, status};
pub use step::step;
