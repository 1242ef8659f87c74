//! The shim role: runs one container, owns its log, its exit status and its cgroup.
//!
//! Joins the sandbox, forks the container's first process into new PID and mount namespaces, and answers when the
//! program is running, or why it is not; then [`Supervisor`] takes over. It survives the daemon. If the shim is killed,
//! the container dies with it.

use crate::capabilities;
use crate::cgroups::{Cgroups, Group};
use crate::channel;
use crate::init::{self, Program};
use crate::log::{Log, Stream};
use crate::mounts;
use crate::process::ProcessId;
use crate::refusal::Refusal;
use crate::rootfs::Root;
use crate::spec::{ContainerSpec, Exit, LogTarget};
use crate::state::{Dir, Running, now};
use crate::supervisor::{Attachments, Input, Supervisor};
use crate::sys::{self, Forked, OneThread};
use crate::terminal;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pipe2};
use rustix::process::{PidfdFlags, pidfd_open};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Request {
    pub(crate) dir: Dir,
    pub(crate) container: ContainerSpec,
    /// Host pid of the sandbox to join.
    pub(crate) sandbox: Option<i32>,
    /// Host pid of a process in the PID namespace to join.
    pub(crate) processes: Option<i32>,
    pub(crate) cgroups: Cgroups,
}

/// What the container's first process says before it becomes the program. Then its end of the channel closes.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
enum Word {
    /// The terminal's master comes with it.
    Terminal,
    Refused(Refusal),
}

/// `lock` tells others that the container is at its start.
pub(crate) fn run(channel: UnixStream, lock: Vec<OwnedFd>, alone: OneThread) -> ExitCode {
    let _ = nix::sys::prctl::set_name(c"coracle-shim");
    let Ok(Some((request, _))) = channel::receive::<Request>(&channel) else { return ExitCode::FAILURE };
    let dir = request.dir.clone();
    sys::silence(&[0, 1, 2]);
    match start(request, alone) {
        Ok(supervisor) => {
            // A daemon that went away finds the state in the folder.
            let _ = channel::send(&channel, &Ok::<(), Refusal>(()), &[]);
            drop((channel, lock));
            supervisor.run();
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
            let _ = channel::send(&channel, &Err::<(), Refusal>(refusal), &[]);
            ExitCode::FAILURE
        }
    }
}

/// What the container's process has as its standard streams; with a terminal it opens that itself.
struct Streams {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// Our ends of the streams.
type Ours = (Vec<(Stream, File)>, Input);

fn start(request: Request, alone: OneThread) -> Result<Supervisor, Refusal> {
    let Request { dir, container, sandbox, processes, cgroups } = request;
    // What a panic of ours says is kept.
    if let Ok(file) = File::create(dir.path("shim.log")) {
        sys::replace(file.as_fd(), &[2]);
    }
    let log = Log::open(&container.log).map_err(Refusal::setup("opening the log"))?;
    let attachments = Attachments::listen(&dir).map_err(Refusal::setup("the socket for attaching"))?;
    let capabilities =
        capabilities::wanted(container.privileged, &container.add_capabilities, &container.drop_capabilities)
            .map_err(|message| Refusal::new(128, message))?;
    let group = cgroups
        .create(&container.id, &container.resources)
        .map_err(Refusal::setup("setting resource limits"))?;
    let begun = join_namespaces(sandbox, processes)
        .map_err(Refusal::setup("joining the pod's namespaces"))
        .and_then(|()| First::fork(&dir, &container, capabilities, &group, alone));
    let first = begun.inspect_err(|_| group.remove())?;
    let pid = first.pid;
    match first.go(&dir, &group) {
        Ok(Begun { running, handle, outputs, input }) => {
            Ok(Supervisor { dir, running, handle, log, outputs, input, attachments, sinks: Vec::new() })
        }
        Err(refusal) => {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            let _ = waitpid(pid, None);
            group.remove();
            Err(refusal)
        }
    }
}

fn join_namespaces(sandbox: Option<i32>, processes: Option<i32>) -> io::Result<()> {
    match sandbox {
        Some(pid) => {
            for (name, flag) in [
                ("net", CloneFlags::CLONE_NEWNET),
                ("ipc", CloneFlags::CLONE_NEWIPC),
                ("uts", CloneFlags::CLONE_NEWUTS),
            ] {
                setns(File::open(format!("/proc/{pid}/ns/{name}"))?, flag)?;
            }
        }
        None => unshare(CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)?,
    }
    // The next fork is in the other container's PID namespace, or PID 1 of a new one; this process stays where it is.
    match processes {
        Some(pid) => setns(File::open(format!("/proc/{pid}/ns/pid"))?, CloneFlags::CLONE_NEWPID)?,
        None => unshare(CloneFlags::CLONE_NEWPID)?,
    }
    Ok(())
}

/// The container's first process, forked and waiting to go on.
struct First {
    pid: Pid,
    go: OwnedFd,
    words: OwnedFd,
    ours: Ours,
}

/// The program runs.
struct Begun {
    running: Running,
    handle: OwnedFd,
    outputs: Vec<(Stream, File)>,
    input: Input,
}

impl First {
    fn fork(
        dir: &Dir,
        container: &ContainerSpec,
        capabilities: u64,
        group: &Group,
        alone: OneThread,
    ) -> Result<Self, Refusal> {
        let (streams, ours) = open_streams(container).map_err(Refusal::setup("opening the streams"))?;
        let (ready, go) =
            pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|e| Refusal::setup("a pipe")(e.into()))?;
        let (words, tell) = UnixStream::pair().map_err(Refusal::setup("a channel"))?;
        let unified = group.is_unified();
        match sys::fork(alone).map_err(Refusal::setup("fork"))? {
            Forked::Child => {
                drop((go, words, ours));
                let refusal = first_process(dir, container, capabilities, unified, streams, ready, &tell);
                let code = refusal.code;
                let _ = channel::send(&tell, &Word::Refused(refusal), &[]);
                std::process::exit(code);
            }
            Forked::Parent(pid) => Ok(Self { pid, go, words: words.into(), ours }),
        }
    }

    /// Lets it become the program, and waits until it is.
    fn go(self, dir: &Dir, group: &Group) -> Result<Begun, Refusal> {
        group.add(self.pid.as_raw()).map_err(Refusal::setup("entering the cgroup"))?;
        let own = i32::try_from(std::process::id()).expect("pids are small");
        let running = Running {
            shim: ProcessId::of(own).map_err(Refusal::setup("the shim's own start"))?,
            init: ProcessId::of(self.pid.as_raw()).map_err(Refusal::setup("the start of the program"))?,
            started_at: now(),
            group: group.clone(),
        };
        let handle = pidfd_open(
            rustix::process::Pid::from_raw(running.init.pid).expect("a child"),
            PidfdFlags::empty(),
        )
        .map_err(|e| Refusal::setup("a handle on the program")(e.into()))?;
        dir.write("pid", &running).map_err(Refusal::setup("writing the pid"))?;
        rustix::io::write(&self.go, b"g").map_err(|e| Refusal::setup("starting the program")(e.into()))?;
        let (mut outputs, mut input) = self.ours;
        // The other end closes by itself when the program has taken over.
        loop {
            match channel::receive::<Word>(&self.words).map_err(Refusal::setup("the start of the program"))? {
                None => return Ok(Begun { running, handle, outputs, input }),
                Some((Word::Refused(refusal), _)) => return Err(refusal),
                Some((Word::Terminal, mut fds)) => {
                    let master = fds.pop().ok_or_else(|| Refusal::new(128, "the terminal was lost"))?;
                    let copy = master.try_clone().map_err(Refusal::setup("the terminal"))?;
                    outputs.push((Stream::Stdout, File::from(copy)));
                    input = Input::Terminal(master);
                }
            }
        }
    }
}

fn open_streams(spec: &ContainerSpec) -> io::Result<(Streams, Ours)> {
    let null =
        || Ok::<_, io::Error>(OwnedFd::from(File::options().read(true).write(true).open("/dev/null")?));
    if spec.tty {
        return Ok((Streams { stdin: null()?, stdout: null()?, stderr: null()? }, Ours::default()));
    }
    let pipe = || pipe2(nix::fcntl::OFlag::O_CLOEXEC);
    let (out_read, stdout) = pipe()?;
    let mut outputs = vec![(Stream::Stdout, File::from(out_read))];
    let stderr = if matches!(spec.log, LogTarget::Raw(_)) {
        // A raw log has both streams in the order in which they were written: through one pipe.
        stdout.try_clone()?
    } else {
        let (err_read, stderr) = pipe()?;
        outputs.push((Stream::Stderr, err_read.into()));
        stderr
    };
    let (stdin, input) = if spec.stdin {
        let (read, write) = pipe()?;
        (read, Input::Pipe(write))
    } else {
        (null()?, Input::None)
    };
    Ok((Streams { stdin, stdout, stderr }, (outputs, input)))
}

/// The container's PID 1, until it becomes the program.
fn first_process(
    dir: &Dir,
    spec: &ContainerSpec,
    capabilities: u64,
    unified: bool,
    streams: Streams,
    ready: OwnedFd,
    tell: &UnixStream,
) -> Refusal {
    if let Err(error) = enter(dir, spec, unified, streams, ready, tell) {
        return Refusal::setup("setting up the container")(error);
    }
    // Nothing of the host's may be open when the working directory and the program are looked up.
    sys::close_all_but(Some(tell.as_raw_fd()));
    init::become_program(&Program {
        args: &spec.args,
        env: &spec.env,
        cwd: &spec.cwd,
        user: &spec.user,
        groups: &spec.groups,
        capabilities,
        no_new_privileges: spec.no_new_privileges,
        tty: spec.tty,
    })
}

fn enter(
    dir: &Dir,
    spec: &ContainerSpec,
    unified: bool,
    streams: Streams,
    ready: OwnedFd,
    tell: &UnixStream,
) -> io::Result<()> {
    init::die_with_parent()?;
    init::hide_self()?;
    let mut go = [0u8; 1];
    // No byte: the shim has given up.
    File::from(ready).read_exact(&mut go)?;
    nix::unistd::setsid()?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    // It is in its own cgroup by now: that is where its view begins.
    let _ = unshare(CloneFlags::CLONE_NEWCGROUP);
    init::prefer_as_victim();
    mounts::make_private()?;
    let merged = make_dir(dir, "merged")?;
    mounts::overlay(spec, &make_dir(dir, "upper")?, &make_dir(dir, "work")?, &merged)?;
    let root = Root::open(&merged)?;
    mounts::all(&root, spec, unified)?;
    if spec.sandbox.is_none() {
        let name: String = spec.id.chars().take(63).collect();
        nix::unistd::sethostname(name)?;
    }
    change_root(&root)?;
    drop(root);
    if !spec.privileged {
        mounts::mask();
    }
    if spec.tty {
        let slave = terminal::open(|master| channel::send(tell, &Word::Terminal, &[master]))?;
        terminal::use_it(&slave)?;
        mounts::console(&slave)?;
    } else {
        sys::replace(streams.stdin.as_fd(), &[0]);
        sys::replace(streams.stdout.as_fd(), &[1]);
        sys::replace(streams.stderr.as_fd(), &[2]);
    }
    if spec.readonly_root {
        mounts::lock_root()?;
    }
    Ok(())
}

fn make_dir(dir: &Dir, name: &str) -> io::Result<PathBuf> {
    let path = dir.path(name);
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

fn change_root(root: &Root) -> io::Result<()> {
    rustix::process::fchdir(root.fd())?;
    mounts::leave_root()
}
