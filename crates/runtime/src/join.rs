//! The exec role: joins a running container, starts one more process there and waits for it.
//!
//! It stays outside of the container's PID namespace, tells the exit code over its channel, and kills the process when
//! the channel closes.

use crate::capabilities;
use crate::cgroups::Group;
use crate::channel;
use crate::init::{self, Program};
use crate::refusal::Refusal;
use crate::spec::{ContainerSpec, ExecSpec};
use crate::sys::{self, Forked, OneThread};
use crate::terminal;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Request {
    pub(crate) spec: ExecSpec,
    /// Host pid of the container's first process.
    pub(crate) pid: i32,
    pub(crate) group: Group,
    pub(crate) container: ContainerSpec,
}

/// What the role tells the daemon.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Word {
    /// The terminal's master comes with it.
    Terminal,
    /// There is no process.
    Refused(Refusal),
    Exited(i32),
}

/// `streams` are the three standard streams of the process; none with a terminal.
pub(crate) fn run(channel: UnixStream, streams: Vec<OwnedFd>, alone: OneThread) -> ExitCode {
    let _ = nix::sys::prctl::set_name(c"coracle-exec");
    let Ok(Some((request, _))) = channel::receive::<Request>(&channel) else { return ExitCode::FAILURE };
    sys::silence(&[0, 1, 2]);
    for (stream, file) in [0, 1, 2].into_iter().zip(&streams) {
        sys::replace(file.as_fd(), &[stream]);
    }
    drop(streams);
    let word = match start(&request, &channel, alone) {
        Ok(child) => {
            sys::silence(&[0, 1, 2]);
            Word::Exited(wait(child, &channel))
        }
        Err(refusal) => {
            let _ = writeln!(io::stderr(), "{}", refusal.message);
            Word::Refused(refusal)
        }
    };
    // Without a listener nobody wants to know.
    let _ = channel::send(&channel, &word, &[]);
    ExitCode::SUCCESS
}

fn start(request: &Request, channel: &UnixStream, alone: OneThread) -> Result<Pid, Refusal> {
    let container = &request.container;
    let capabilities =
        capabilities::wanted(container.privileged, &container.add_capabilities, &container.drop_capabilities)
            .map_err(|message| Refusal::new(128, message))?;
    init::hide_self().map_err(Refusal::setup("prctl"))?;
    init::prefer_as_victim();
    join(request).map_err(Refusal::setup("joining the container"))?;
    match sys::fork(alone).map_err(Refusal::setup("fork"))? {
        Forked::Parent(child) => Ok(child),
        Forked::Child => {
            let refusal = process(request, channel, capabilities);
            // Where the process's own errors go.
            let _ = writeln!(io::stderr(), "{}", refusal.message);
            std::process::exit(refusal.code);
        }
    }
}

fn wait(child: Pid, channel: &UnixStream) -> i32 {
    let handle =
        rustix::process::Pid::from_raw(child.as_raw()).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
    if let Some(Ok(handle)) = handle {
        loop {
            let mut polled = [
                PollFd::new(handle.as_fd(), PollFlags::POLLIN),
                PollFd::new(channel.as_fd(), PollFlags::POLLIN),
            ];
            if poll(&mut polled, PollTimeout::NONE).is_err() {
                continue;
            }
            if polled[1].any() != Some(false) {
                // Nothing is ever said to us: the daemon has closed. The process leads a group of its own.
                let _ = kill(Pid::from_raw(-child.as_raw()), Signal::SIGKILL);
                let _ = kill(child, Signal::SIGKILL);
            }
            break;
        }
    }
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return code,
            Ok(WaitStatus::Signaled(_, signal, _)) => return 128 + signal as i32,
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return 255,
        }
    }
}

fn join(request: &Request) -> io::Result<()> {
    request.group.add(i32::try_from(std::process::id()).expect("pids are small"))?;
    // All are opened before the first is entered: afterwards /proc is the container's.
    let open = |name: &str| File::open(format!("/proc/{}/ns/{name}", request.pid));
    let namespaces = [
        (open("ipc")?, CloneFlags::CLONE_NEWIPC),
        (open("uts")?, CloneFlags::CLONE_NEWUTS),
        (open("net")?, CloneFlags::CLONE_NEWNET),
        (open("pid")?, CloneFlags::CLONE_NEWPID),
        (open("cgroup")?, CloneFlags::CLONE_NEWCGROUP),
        (open("mnt")?, CloneFlags::CLONE_NEWNS),
    ];
    for (file, flag) in namespaces {
        setns(file, flag)?;
    }
    Ok(())
}

fn process(request: &Request, channel: &UnixStream, capabilities: u64) -> Refusal {
    let prepared = (|| {
        init::die_with_parent()?;
        nix::unistd::setsid()?;
        if request.spec.tty {
            let slave = terminal::open(|master| channel::send(channel, &Word::Terminal, &[master]))?;
            terminal::use_it(&slave)?;
        }
        Ok::<(), io::Error>(())
    })();
    if let Err(error) = prepared {
        return Refusal::setup("preparing the process")(error);
    }
    sys::close_all_but(None);
    let container = &request.container;
    // What the exec does not say is as in the container itself.
    let own =
        |text: &str, container: &str| if text.is_empty() { container.to_string() } else { text.to_string() };
    let env = [container.env.clone(), request.spec.env.clone()].concat();
    init::become_program(&Program {
        args: &request.spec.args,
        env: &env,
        cwd: &own(&request.spec.cwd, &container.cwd),
        user: &own(&request.spec.user, &container.user),
        groups: &container.groups,
        capabilities,
        no_new_privileges: container.no_new_privileges,
        tty: request.spec.tty,
    })
}
