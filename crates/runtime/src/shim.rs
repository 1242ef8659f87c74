//! The shim role: runs one container, owns its log, its exit status and its cgroup.
//!
//! `coracle __shim DIR`. Joins the sandbox, forks the container's first process into new PID and mount namespaces,
//! answers `ok` (or the reason why not) on standard output when the program is running, then copies output until the
//! end. It survives the daemon. If the shim is killed, the container dies with it.

use crate::capabilities;
use crate::cgroups::{Cgroups, Group};
use crate::init::{self, Program, Refusal};
use crate::log::{Log, Stream};
use crate::mounts;
use crate::process::ProcessId;
use crate::rootfs::Root;
use crate::sandbox::detach;
use crate::spec::{ContainerSpec, Exit};
use crate::state::{Dir, Running, now};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe2};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the daemon adds to the container's own spec.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct ShimSpec {
    pub(crate) container: ContainerSpec,
    /// Host pid of the sandbox to join.
    pub(crate) sandbox: Option<i32>,
    pub(crate) cgroup: String,
}

pub(crate) fn run(path: &Path) -> ExitCode {
    let dir = Dir(path.to_path_buf());
    let _ = nix::unistd::setsid();
    match Container::start(&dir) {
        Ok(container) => {
            answer("ok");
            detach();
            container.supervise();
            ExitCode::SUCCESS
        }
        Err(refusal) => {
            let time = now();
            let exit = Exit {
                code: refusal.code,
                signal: None,
                oom_killed: false,
                started_at: time.clone(),
                finished_at: time,
                error: Some(refusal.message.clone()),
            };
            let _ = dir.write("exit", &exit);
            answer(&format!("error {} {}", refusal.code, refusal.message));
            ExitCode::FAILURE
        }
    }
}

fn answer(text: &str) {
    let mut out = io::stdout();
    // A daemon that went away finds the state in the folder.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

struct Container {
    dir: Dir,
    init: Pid,
    group: Group,
    log: Log,
    /// Both ends of a terminal, or the two pipes.
    output: Vec<(Stream, File)>,
    /// Held open, so that a program that reads its standard input waits instead of seeing the end.
    _stdin: Option<OwnedFd>,
    started_at: String,
}

/// What the container's process uses as its standard streams.
struct Streams {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Container {
    fn start(dir: &Dir) -> Result<Self, Refusal> {
        let spec: ShimSpec = dir.read("spec.json").ok_or_else(|| Refusal::new(128, "its spec.json cannot be read"))?;
        let container = &spec.container;
        let log = Log::open(&container.log).map_err(Refusal::setup("opening the log"))?;
        let (cgroups, _) = Cgroups::find(&spec.cgroup);
        let group =
            cgroups.create(&container.id, &container.resources).map_err(Refusal::setup("setting resource limits"))?;
        let capabilities =
            capabilities::wanted(container.privileged, &container.add_capabilities, &container.drop_capabilities)
                .map_err(|message| Refusal::new(128, message))?;
        join_namespaces(spec.sandbox).map_err(Refusal::setup("joining the pod's namespaces"))?;
        let (streams, output, stdin) = open_streams(container).map_err(Refusal::setup("opening the streams"))?;
        let (ready, go) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|e| Refusal::setup("a pipe")(e.into()))?;
        let (told, tell) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|e| Refusal::setup("a pipe")(e.into()))?;
        // SAFETY: this process has one thread (roles run before any is made), so the child may run any code.
        let init = match unsafe { fork() }.map_err(|e| Refusal::setup("fork")(e.into()))? {
            ForkResult::Child => {
                drop((go, told, output, stdin));
                let refusal = first_process(dir, container, capabilities, streams, ready);
                let _ = File::from(tell).write_all(format!("{} {}", refusal.code, refusal.message).as_bytes());
                std::process::exit(refusal.code);
            }
            ForkResult::Parent { child } => child,
        };
        drop((streams, ready, tell));
        let refuse = |refusal: Refusal| {
            let _ = nix::sys::signal::kill(init, nix::sys::signal::Signal::SIGKILL);
            let _ = waitpid(init, None);
            group.remove();
            refusal
        };
        group.add(init.as_raw()).map_err(Refusal::setup("entering the cgroup")).map_err(refuse)?;
        let started_at = now();
        let running = Running {
            shim: ProcessId::of(std::process::id() as i32).map_err(Refusal::setup("its own start")).map_err(refuse)?,
            init: ProcessId::of(init.as_raw()).map_err(Refusal::setup("the start of the program")).map_err(refuse)?,
            started_at: started_at.clone(),
        };
        dir.write("pid", &running).map_err(Refusal::setup("writing the pid")).map_err(refuse)?;
        File::from(go).write_all(b"g").map_err(Refusal::setup("starting the program")).map_err(refuse)?;
        // The other end closes by itself when the program has taken over.
        let mut reason = String::new();
        File::from(told).read_to_string(&mut reason).map_err(Refusal::setup("the program's start")).map_err(refuse)?;
        if let Some((code, message)) = reason.split_once(' ') {
            return Err(refuse(Refusal::new(code.parse().unwrap_or(128), message)));
        }
        Ok(Self { dir: dir.clone(), init, group, log, output, _stdin: stdin, started_at })
    }

    /// Copies output until both streams end, then waits for the program.
    fn supervise(mut self) {
        let mut buffer = vec![0u8; 64 * 1024];
        while !self.output.is_empty() {
            let ready: Vec<usize> = {
                let mut polled: Vec<PollFd> =
                    self.output.iter().map(|(_, f)| PollFd::new(f.as_fd(), PollFlags::POLLIN)).collect();
                match poll(&mut polled, PollTimeout::NONE) {
                    Ok(_) => {}
                    Err(nix::errno::Errno::EINTR) => continue,
                    Err(_) => break,
                }
                (0..polled.len()).filter(|i| polled[*i].any() != Some(false)).collect()
            };
            for index in ready.into_iter().rev() {
                let (stream, file) = &mut self.output[index];
                // A terminal whose other side is closed says EIO: that is its end.
                match file.read(&mut buffer) {
                    Ok(count @ 1..) => drop(self.log.write(*stream, &buffer[..count])),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(_) | Err(_) => {
                        let stream = *stream;
                        let _ = self.log.finish(stream);
                        self.output.remove(index);
                    }
                }
            }
        }
        let (code, signal) = loop {
            match waitpid(self.init, None) {
                Ok(WaitStatus::Exited(_, code)) => break (code, None),
                Ok(WaitStatus::Signaled(_, signal, _)) => break (128 + signal as i32, Some(signal as i32)),
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(_) => break (255, None),
            }
        };
        let exit = Exit {
            code,
            signal,
            oom_killed: self.group.was_oom_killed(),
            started_at: self.started_at.clone(),
            finished_at: now(),
            error: None,
        };
        self.group.remove();
        // The daemon looks for this when the shim is gone; a failure shows as a lost container.
        let _ = self.dir.write("exit", &exit);
    }
}

fn join_namespaces(sandbox: Option<i32>) -> io::Result<()> {
    match sandbox {
        Some(pid) => {
            for (name, flag) in
                [("net", CloneFlags::CLONE_NEWNET), ("ipc", CloneFlags::CLONE_NEWIPC), ("uts", CloneFlags::CLONE_NEWUTS)]
            {
                setns(File::open(format!("/proc/{pid}/ns/{name}"))?, flag)?;
            }
        }
        None => unshare(CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)?,
    }
    // The next fork is PID 1 of a new PID namespace; this process stays where it is.
    unshare(CloneFlags::CLONE_NEWPID)?;
    Ok(())
}

type Opened = (Streams, Vec<(Stream, File)>, Option<OwnedFd>);

fn open_streams(spec: &ContainerSpec) -> io::Result<Opened> {
    if spec.tty {
        let terminal = nix::pty::openpty(None, None)?;
        set_cloexec(&terminal.master)?;
        set_cloexec(&terminal.slave)?;
        let streams =
            Streams { stdin: terminal.slave.try_clone()?, stdout: terminal.slave.try_clone()?, stderr: terminal.slave };
        return Ok((streams, vec![(Stream::Stdout, terminal.master.into())], None));
    }
    let (out_read, out_write) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    // A raw log takes both streams in the order in which they were written: through one pipe.
    let raw = matches!(spec.log, crate::spec::LogTarget::Raw(_));
    let (errors, err_write) = if raw {
        (None, out_write.try_clone()?)
    } else {
        let (read, write) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        (Some((Stream::Stderr, File::from(read))), write)
    };
    let (stdin, keep) = if spec.stdin {
        let (read, write) = pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        (read, Some(write))
    } else {
        (File::open("/dev/null")?.into(), None)
    };
    let output = std::iter::once((Stream::Stdout, out_read.into())).chain(errors).collect();
    Ok((Streams { stdin, stdout: out_write, stderr: err_write }, output, keep))
}

fn set_cloexec(fd: &OwnedFd) -> io::Result<()> {
    Ok(rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?)
}

/// The container's PID 1, until it becomes the program.
fn first_process(dir: &Dir, spec: &ContainerSpec, capabilities: u64, streams: Streams, ready: OwnedFd) -> Refusal {
    match enter(dir, spec, &streams, ready) {
        Err(error) => Refusal::new(128, error.to_string()),
        Ok(()) => {
            drop(streams);
            init::become_program(&Program {
                args: &spec.args,
                env: &spec.env,
                cwd: &spec.cwd,
                user: &spec.user,
                groups: &spec.groups,
                capabilities,
                no_new_privileges: spec.no_new_privileges,
            })
        }
    }
}

fn enter(dir: &Dir, spec: &ContainerSpec, streams: &Streams, ready: OwnedFd) -> io::Result<()> {
    init::die_with_parent()?;
    let mut go = [0u8; 1];
    // No byte: the shim has given up.
    File::from(ready).read_exact(&mut go)?;
    nix::unistd::setsid()?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    // Of its own cgroup on, the container's view begins at its own group.
    let _ = unshare(CloneFlags::CLONE_NEWCGROUP);
    mounts::make_private()?;
    let merged = make_dir(dir, "merged")?;
    mounts::overlay(&spec.layers, &make_dir(dir, "upper")?, &make_dir(dir, "work")?, &merged)?;
    let root = Root::open(&merged)?;
    mounts::all(&root, spec)?;
    if spec.sandbox.is_none() {
        let name: String = spec.id.chars().take(63).collect();
        nix::unistd::sethostname(name)?;
    }
    change_root(&root)?;
    if !spec.privileged {
        mounts::mask();
    }
    if spec.readonly_root {
        mounts::lock_root()?;
    }
    use_streams(streams, spec.tty)
}

fn make_dir(dir: &Dir, name: &str) -> io::Result<PathBuf> {
    let path = dir.path(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

/// The new root over the old one, then the old one away: no second folder is needed for it.
fn change_root(root: &Root) -> io::Result<()> {
    rustix::process::fchdir(root.fd())?;
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", rustix::mount::UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")
}

pub(crate) fn use_terminal() -> io::Result<()> {
    // SAFETY: an ioctl on our standard input with an integer argument.
    if unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn use_streams(streams: &Streams, tty: bool) -> io::Result<()> {
    nix::unistd::dup2_stdin(&streams.stdin)?;
    nix::unistd::dup2_stdout(&streams.stdout)?;
    nix::unistd::dup2_stderr(&streams.stderr)?;
    if tty { use_terminal() } else { Ok(()) }
}
