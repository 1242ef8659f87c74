//! Containers: shim, sandbox, namespaces, mounts, cgroups. The only crate with `unsafe`.
//!
//! A [`Runtime`] keeps a *zygote*: this binary with one thread, which forks small roles ([`run_role`]). A *sandbox* holds
//! a pod's network, IPC and UTS namespaces, a *shim* runs one container and owns its log and exit status, an *exec* joins a
//! running container. Sandboxes and shims outlive the daemon; a new `Runtime` over the same folder adopts them.
//! All container mounts live in the container's own mount namespace: the host's mount table never changes.

mod capabilities;
mod cgroups;
mod channel;
mod error;
mod exec;
mod init;
mod join;
mod log;
mod mounts;
mod pause;
mod process;
mod procfs;
mod refusal;
mod rootfs;
mod runtime;
mod sandbox;
mod shim;
mod spec;
mod state;
mod supervisor;
mod sys;
mod terminal;
mod user;
mod zygote;

use std::ffi::OsString;
use std::process::ExitCode;

pub use error::Error;
pub use exec::Exec;
pub use runtime::{Runtime, layers_in_use};
pub use spec::{
    ContainerSpec, ContainerState, ExecSpec, Exit, HostSupport, LogTarget, Mount, MountKind, Resources,
    RuntimeConfig, Sandbox, SandboxSpec, Usage,
};

pub type Result<T> = std::result::Result<T, Error>;

/// The hidden role of this binary. To be called first in `main`, before any thread: it forks.
pub fn run_role(args: &[OsString]) -> Option<ExitCode> {
    (args.get(1)? == "__zygote").then(zygote::run)
}
