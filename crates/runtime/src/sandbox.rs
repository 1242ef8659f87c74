//! The sandbox role: a process that does nothing but hold a pod's network, IPC and UTS namespaces; with `pause` as its child
//! also a PID namespace that the pod's containers share.
//!
//! It has no parent to die with: it ends when the runtime kills it.

use crate::channel;
use crate::pause;
use crate::process::ProcessId;
use crate::refusal::Refusal;
use crate::spec::SandboxSpec;
use crate::state::Dir;
use crate::sys;
use nix::sched::{CloneFlags, unshare};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Request {
    pub(crate) dir: Dir,
    pub(crate) spec: SandboxSpec,
}

/// `lock` tells others that the sandbox is at its start.
pub(crate) fn run(channel: UnixStream, lock: Vec<OwnedFd>) -> ExitCode {
    let _ = nix::sys::prctl::set_name(c"coracle-pod");
    let Ok(Some((request, _))) = channel::receive::<Request>(&channel) else { return ExitCode::FAILURE };
    let answer = hold(&request).map_err(Refusal::setup("making the pod's namespaces"));
    // A daemon that went away finds the pid in the folder.
    let _ = channel::send(&channel, &answer, &[]);
    drop((channel, lock));
    if answer.is_err() {
        return ExitCode::FAILURE;
    }
    sys::silence(&[0, 1, 2]);
    loop {
        nix::unistd::pause();
    }
}

fn hold(request: &Request) -> io::Result<()> {
    let spec = &request.spec;
    let mut flags = CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    if !spec.host_network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    unshare(flags)?;
    nix::unistd::sethostname(&spec.hostname)?;
    if !spec.host_network {
        sys::loopback_up()?;
    }
    for (name, value) in &spec.sysctls {
        if !is_the_pods_own(name, spec.host_network) {
            return Err(io::Error::other(format!("sysctl {name} would change the host")));
        }
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        std::fs::write(&path, value).map_err(|e| io::Error::new(e.kind(), format!("sysctl {name}: {e}")))?;
    }
    if spec.share_processes {
        pause::start(&request.dir)?;
    }
    let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    request.dir.write("pid", &ProcessId::of(pid)?)
}

/// Those that a namespace of the pod has for itself.
fn is_the_pods_own(name: &str, host_network: bool) -> bool {
    let own = ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];
    name.starts_with("net.") && !host_network || own.iter().any(|prefix| name.starts_with(prefix))
}
