//! Containers: shim, sandbox, namespaces, mounts, cgroups. The only crate with `unsafe`.
//!
//! A [`Runtime`] re-executes this binary in small single-threaded roles ([`run_role`]): a *sandbox* holds a pod's
//! network, IPC and UTS namespaces, a *shim* runs one container and owns its log and exit status, an *exec* joins a
//! running container. Sandboxes and shims outlive the daemon; a new `Runtime` over the same folder adopts them.
//! All container mounts live in the container's own mount namespace: the host's mount table never changes.

mod capabilities;
mod cgroups;
mod error;
mod exec;
mod init;
mod log;
mod mounts;
mod process;
mod rootfs;
mod runtime;
mod sandbox;
mod shim;
mod spec;
mod state;
mod user;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

pub use error::Error;
pub use exec::Exec;
pub use runtime::Runtime;
pub use spec::{
    ContainerSpec, ContainerState, ExecSpec, Exit, HostSupport, LogTarget, Mount, MountKind, Resources, RuntimeConfig,
    Sandbox, SandboxSpec, Usage,
};

pub type Result<T> = std::result::Result<T, Error>;

/// The hidden roles of this binary. To be called first in `main`, before any thread: the roles fork.
pub fn run_role(args: &[OsString]) -> Option<ExitCode> {
    let argument = args.get(2).map(Path::new);
    match (args.get(1)?.to_str()?, argument) {
        ("__sandbox", Some(dir)) => Some(sandbox::run(dir)),
        ("__shim", Some(dir)) => Some(shim::run(dir)),
        ("__exec", Some(request)) => Some(exec::run(&request.to_string_lossy())),
        _ => None,
    }
}
