//! Carries out the dev loop's effects: build, push, apply, sync, forward.
//!
//! `devloop` decides, this crate does. Enter at [`Session`]; it works on a [`Cluster`] (any that kubectl can reach)
//! and speaks through an [`Output`].

mod apply;
mod arguments;
mod bootstrap;
mod build;
mod cluster;
mod control;
mod deploy;
mod driver;
mod error;
mod evaluate;
mod extensions;
mod files;
mod forward;
mod helm;
mod host;
mod ignore;
mod kubeconfig;
mod logs;
mod objects;
mod output;
mod outside;
mod pods;
mod probe;
mod process;
mod programs;
mod render;
mod repositories;
mod requests;
mod reuse;
mod secrets;
mod serve;
mod sync;
#[cfg(test)]
mod testing;

pub use apply::{FIELD_MANAGER, apply as apply_objects, delete as delete_objects};
pub use arguments::SessionArgs;
pub use cluster::{Cluster, Embedded};
pub use control::{ButtonLine, Control, ControlError, Reply, Request, ResourceLine};
pub use driver::{Session, SessionConfig, activity};
pub use error::SessionError;
pub use evaluate::{check, evaluate, evaluate_aloud};
pub use extensions::ExtensionCache;
pub use host::OsHost;
pub use kubeconfig::KubeconfigFile;
pub use output::{LogSource, Output};
pub use outside::{Cache, Mode, World};
pub use programs::{Programs, shown};
pub use render::{kustomize, wants_managed_by_label};
pub use reuse::Renderings;
