//! The sandbox role: a process that does nothing but hold a pod's network, IPC and UTS namespaces.
//!
//! `coracle __sandbox DIR`; `DIR/spec.json` says what, `DIR/pid` is written when the namespaces are there. It has no
//! parent to die with: it ends when the runtime kills it.

use crate::process::ProcessId;
use crate::spec::SandboxSpec;
use crate::state::Dir;
use nix::sched::{CloneFlags, unshare};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(path: &Path) -> ExitCode {
    let dir = Dir(path.to_path_buf());
    let answer = match hold(&dir) {
        Ok(()) => "ok".to_string(),
        Err(error) => format!("error {error}"),
    };
    let failed = answer != "ok";
    let mut out = io::stdout();
    // Without a listener there is nobody to hold anything for.
    if writeln!(out, "{answer}").and_then(|()| out.flush()).is_err() || failed {
        return ExitCode::FAILURE;
    }
    detach();
    loop {
        nix::unistd::pause();
    }
}

fn hold(dir: &Dir) -> io::Result<()> {
    let spec: SandboxSpec = dir.read("spec.json").ok_or_else(|| io::Error::other("its spec.json cannot be read"))?;
    // Not a leader of its session when it was forked, so this works; and the terminal's signals are gone.
    let _ = nix::unistd::setsid();
    let mut flags = CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    if !spec.host_network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    unshare(flags)?;
    nix::unistd::sethostname(&spec.hostname)?;
    if !spec.host_network {
        loopback_up()?;
        for (name, value) in &spec.sysctls {
            let path = format!("/proc/sys/{}", name.replace('.', "/"));
            std::fs::write(&path, value).map_err(|e| io::Error::new(e.kind(), format!("sysctl {name}: {e}")))?;
        }
    }
    let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    dir.write("pid", &ProcessId::of(pid)?)
}

/// `ip link set lo up`.
fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: an all-zero ifreq is a valid value of this plain C struct.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the descriptor is open, and the kernel reads one ifreq behind the pointer.
    let result = unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&socket), libc::SIOCSIFFLAGS, &request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets go of everything of the daemon's: its pipe, its working directory, its log.
pub(crate) fn detach() {
    let _ = std::env::set_current_dir("/");
    if let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdin(&null);
        let _ = nix::unistd::dup2_stdout(&null);
        let _ = nix::unistd::dup2_stderr(&null);
    }
}
