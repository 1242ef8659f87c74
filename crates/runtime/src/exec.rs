//! The exec role: joins a running container and starts one more process there.
//!
//! `coracle __exec REQUEST` (JSON). Its exit code is the process's. With a terminal the new terminal's master is
//! sent over the socket that is standard input; otherwise the standard streams are the process's own.

use crate::capabilities;
use crate::error::Error;
use crate::init::{self, Program, Refusal};
use crate::shim::{ShimSpec, use_terminal};
use crate::spec::ExecSpec;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{ExitCode, Stdio};

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Request {
    pub(crate) spec: ExecSpec,
    /// Host pid of the container's first process.
    pub(crate) pid: i32,
    pub(crate) cgroup: Vec<std::path::PathBuf>,
    pub(crate) container: ShimSpec,
}

/// A process started in a running container. With a terminal, `stdin` and `stdout` are its two directions and
/// `stderr` is `None`. Dropping it kills the process.
#[derive(Debug)]
pub struct Exec {
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
    child: tokio::process::Child,
}

impl Exec {
    pub(crate) fn start(request: &Request) -> Result<Self, Error> {
        let id = request.spec.container.clone();
        let failed = |source| Error::Spawn { role: "exec", id: id.clone(), source };
        let text = serde_json::to_string(request).map_err(|e| failed(io::Error::other(e)))?;
        let mut command = tokio::process::Command::new("/proc/self/exe");
        command.arg("__exec").arg(text).current_dir("/").kill_on_drop(true);
        if request.spec.tty {
            let (ours, theirs) = UnixStream::pair().map_err(failed)?;
            command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
            let child = command.spawn().map_err(failed)?;
            // The other end must be ours no more, or its end would not be seen.
            drop(command);
            let terminal = receive(&ours).map_err(failed)?;
            let copy = || terminal.try_clone().map_err(failed);
            return Ok(Self { stdin: Some(copy()?), stdout: Some(copy()?), stderr: None, terminal: Some(terminal), child });
        }
        let stdin = if request.spec.stdin { Stdio::piped() } else { Stdio::null() };
        let mut child =
            command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
        Ok(Self {
            stdin: child.stdin.take().map(|p| p.into_owned_fd()).transpose().map_err(failed)?,
            stdout: child.stdout.take().map(|p| p.into_owned_fd()).transpose().map_err(failed)?,
            stderr: child.stderr.take().map(|p| p.into_owned_fd()).transpose().map_err(failed)?,
            terminal: None,
            child,
        })
    }

    /// Sets the terminal's size; without one it does nothing.
    pub fn resize(&self, columns: u16, rows: u16) {
        if let Some(terminal) = &self.terminal {
            let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            let _ = rustix::termios::tcsetwinsize(terminal, size);
        }
    }

    /// The terminal, for a task that resizes while another waits.
    pub fn terminal(&self) -> Option<OwnedFd> {
        self.terminal.as_ref().and_then(|t| t.try_clone().ok())
    }

    /// The process's exit code; 128 + the signal if it was killed.
    pub async fn wait(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        match self.child.wait().await {
            Ok(status) => status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            Err(_) => 255,
        }
    }

    pub fn kill(&mut self) {
        // A process that has ended already needs no killing.
        let _ = self.child.start_kill();
    }
}

fn receive(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut byte = [0u8; 1];
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let mut slices = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control
            && let Some(fd) = fds.first()
        {
            // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
            return Ok(unsafe { OwnedFd::from_raw_fd(*fd) });
        }
    }
    Err(io::Error::other("the container gave no terminal"))
}

pub(crate) fn run(request: &str) -> ExitCode {
    let Ok(request) = serde_json::from_str::<Request>(request) else { return ExitCode::from(128) };
    match execute(&request) {
        Ok(code) => ExitCode::from(code),
        Err(refusal) => {
            let _ = writeln!(io::stderr(), "{}", refusal.message);
            ExitCode::from(u8::try_from(refusal.code).unwrap_or(128))
        }
    }
}

fn execute(request: &Request) -> Result<u8, Refusal> {
    // Ends with the daemon: its streams end there.
    init::die_with_parent().map_err(Refusal::setup("prctl"))?;
    let container = &request.container.container;
    let capabilities =
        capabilities::wanted(container.privileged, &container.add_capabilities, &container.drop_capabilities)
            .map_err(|message| Refusal::new(128, message))?;
    join(request).map_err(Refusal::setup("joining the container"))?;
    let terminal = if request.spec.tty { Some(open_terminal().map_err(Refusal::setup("a terminal"))?) } else { None };
    // SAFETY: this process has one thread (roles run before any is made), so the child may run any code.
    match unsafe { fork() }.map_err(|e| Refusal::setup("fork")(e.into()))? {
        ForkResult::Child => {
            let refusal = process(request, capabilities, terminal);
            let _ = writeln!(io::stderr(), "{}", refusal.message);
            std::process::exit(refusal.code);
        }
        ForkResult::Parent { child } => {
            drop(terminal);
            crate::sandbox::detach();
            loop {
                match waitpid(child, None) {
                    Ok(WaitStatus::Exited(_, code)) => return Ok(u8::try_from(code).unwrap_or(255)),
                    Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as u8),
                    Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                    Err(_) => return Ok(255),
                }
            }
        }
    }
}

fn join(request: &Request) -> io::Result<()> {
    for folder in request.cgroup.iter().filter(|f| f.exists()) {
        std::fs::write(folder.join("cgroup.procs"), std::process::id().to_string())?;
    }
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

/// A terminal of the container's own: its name is valid there. The master goes to the daemon.
fn open_terminal() -> io::Result<OwnedFd> {
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let master = rustix::fs::open("/dev/pts/ptmx", flags, rustix::fs::Mode::empty())?;
    rustix::pty::unlockpt(&master)?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    let slave = rustix::fs::open(name.as_c_str(), flags, rustix::fs::Mode::empty())?;
    let socket = io::stdin();
    let fds = [master.as_raw_fd()];
    sendmsg::<()>(
        socket.as_fd().as_raw_fd(),
        &[IoSlice::new(b"t")],
        &[ControlMessage::ScmRights(&fds)],
        MsgFlags::empty(),
        None,
    )?;
    Ok(slave)
}

fn process(request: &Request, capabilities: u64, terminal: Option<OwnedFd>) -> Refusal {
    let prepared = (|| {
        init::die_with_parent()?;
        nix::unistd::setsid()?;
        if let Some(slave) = terminal {
            nix::unistd::dup2_stdin(&slave)?;
            nix::unistd::dup2_stdout(&slave)?;
            nix::unistd::dup2_stderr(&slave)?;
            use_terminal()?;
        }
        Ok::<(), io::Error>(())
    })();
    if let Err(error) = prepared {
        return Refusal::setup("preparing the process")(error);
    }
    let container = &request.container.container;
    // What the exec does not say is as in the container itself.
    let own = |text: &str, container: &str| if text.is_empty() { container.to_string() } else { text.to_string() };
    let env = [container.env.clone(), request.spec.env.clone()].concat();
    init::become_program(&Program {
        args: &request.spec.args,
        env: &env,
        cwd: &own(&request.spec.cwd, &container.cwd),
        user: &own(&request.spec.user, &container.user),
        groups: &container.groups,
        capabilities,
        no_new_privileges: container.no_new_privileges,
    })
}
