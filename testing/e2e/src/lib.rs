//! The real binary against real clients and real containers: what scenarios and benchmarks are made of.
//!
//! A [`World`] is a private home with a copy of the binary; when it ends, nothing of it may be left on the machine
//! ([`snapshot`]). The scenarios are in `tests/e2e`.

pub mod api;
pub mod files;
pub mod flows;
pub mod http;
pub mod mask;
pub mod process;
pub mod random;
pub mod runner;
pub mod script;
pub mod snapshot;
pub mod wait;
pub mod world;

pub use process::{Background, Run};
pub use world::World;
