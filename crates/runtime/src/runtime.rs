//! The runtime as the daemon uses it: starts roles, finds them again, ends them.

use crate::cgroups::{Cgroups, Group};
use crate::channel;
use crate::error::Error;
use crate::exec::{Exec, ask};
use crate::join;
use crate::pause;
use crate::process::ProcessId;
use crate::procfs;
use crate::refusal::Refusal;
use crate::spec::{
    ContainerSpec, ContainerState, ExecSpec, Exit, HostSupport, Resources, RuntimeConfig, Sandbox,
    SandboxSpec, Usage,
};
use crate::state::{Dir, Running, check_id, names, now};
use crate::supervisor::Ask;
use crate::zygote::{Role, Zygote};
use crate::{Result, sandbox, shim};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

const SIGTERM: i32 = libc::SIGTERM;
const SIGKILL: i32 = libc::SIGKILL;

/// The layers that containers of a runtime's folder stand on, whether its daemon lives or not: they must not go.
pub fn layers_in_use(root: &Path) -> Vec<PathBuf> {
    let containers = root.join("containers");
    let specs = names(&containers)
        .into_iter()
        .filter_map(|id| Dir(containers.join(id)).read::<ContainerSpec>("spec.json"));
    specs.flat_map(|spec| spec.layers).collect()
}

/// Clones are the same runtime. The state is in the folder alone.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    cgroups: Cgroups,
    support: HostSupport,
    zygote: Zygote,
}

impl Runtime {
    /// Opens the folder; what runs from an earlier daemon is found there.
    pub async fn start(config: RuntimeConfig) -> Result<Self> {
        if !may_make_namespaces() {
            return Err(Error::NeedsRoot);
        }
        for folder in ["sandboxes", "containers"] {
            let path = config.root.join(folder);
            std::fs::create_dir_all(&path).map_err(Error::io("make", path))?;
        }
        let (cgroups, support) = Cgroups::find(&config.cgroup);
        // The next daemon may be elsewhere in the cgroup tree; what is made here is to be found again.
        let root = Dir(config.root.clone());
        let mut known: Vec<PathBuf> = root.read("cgroups").unwrap_or_default();
        known.extend(cgroups.folders().cloned());
        known.sort();
        known.dedup();
        root.write("cgroups", &known).map_err(Error::io("write in", &root.0))?;
        let inner = Inner { root: config.root, cgroups, support, zygote: Zygote::default() };
        let runtime = Self { inner: Arc::new(inner) };
        // What has lost its shim while nobody looked is ended here.
        let _ = runtime.containers();
        Ok(runtime)
    }

    pub fn capabilities(&self) -> HostSupport {
        self.inner.support.clone()
    }

    fn sandbox_dir(&self, id: &str) -> Dir {
        Dir(self.inner.root.join("sandboxes").join(id))
    }

    fn container_dir(&self, id: &str) -> Dir {
        Dir(self.inner.root.join("containers").join(id))
    }

    /// The pod's namespaces; a living sandbox of this id is given back as it is.
    pub async fn create_sandbox(&self, spec: SandboxSpec) -> Result<Sandbox> {
        check_id(&spec.id)?;
        let dir = self.sandbox_dir(&spec.id);
        dir.settled().await;
        if let Some(sandbox) = self.sandbox(&spec.id) {
            return Ok(sandbox);
        }
        let id = spec.id.clone();
        let lock = dir.fresh(&spec)?;
        match self.begin("sandbox", Role::Sandbox, &id, sandbox::Request { dir, spec }, lock).await? {
            Ok(()) => self.sandbox(&id).ok_or(Error::NoSandbox { id }),
            Err(Refusal { code, message }) => Err(Error::Start { id, code, message }),
        }
    }

    pub fn sandbox(&self, id: &str) -> Option<Sandbox> {
        let process: ProcessId = self.sandbox_dir(id).read("pid")?;
        process.is_alive().then(|| Sandbox { id: id.to_string(), pid: process.pid })
    }

    /// The living ones.
    pub fn sandboxes(&self) -> Vec<Sandbox> {
        names(&self.inner.root.join("sandboxes")).iter().filter_map(|id| self.sandbox(id)).collect()
    }

    pub async fn remove_sandbox(&self, id: &str) -> Result<()> {
        check_id(id)?;
        let dir = self.sandbox_dir(id);
        dir.settled().await;
        if let Some(process) = dir.read::<ProcessId>("pid") {
            process.signal(SIGKILL).map_err(|source| Error::Signal { id: id.into(), source })?;
            process.gone().await;
        }
        dir.remove()
    }

    /// Comes back when the program runs, or with the reason why it does not; then the container is `Exited` with it.
    pub async fn start_container(&self, spec: ContainerSpec) -> Result<()> {
        check_id(&spec.id)?;
        let sandbox = match &spec.sandbox {
            None => None,
            Some(id) => Some(self.sandbox(id).ok_or_else(|| Error::NoSandbox { id: id.clone() })?.pid),
        };
        let shared = spec.sandbox.as_ref().and_then(|id| {
            let first = self.sandbox_dir(id).read::<ProcessId>(pause::FILE)?;
            Some((id, first))
        });
        let processes = match &spec.processes_of {
            None => match shared {
                None => None,
                Some((_, first)) if first.is_alive() => Some(first.pid),
                Some((id, _)) => return Err(Error::NoSandbox { id: id.clone() }),
            },
            Some(id) => match self.container(id) {
                Some(ContainerState::Running { pid, .. }) => Some(pid),
                _ => return Err(Error::NotRunning { id: id.clone() }),
            },
        };
        if matches!(self.container(&spec.id), Some(ContainerState::Created | ContainerState::Running { .. }))
        {
            return Err(Error::Exists { id: spec.id });
        }
        let id = spec.id.clone();
        let dir = self.container_dir(&id);
        let lock = dir.fresh(&spec)?;
        let request =
            shim::Request { dir, container: spec, sandbox, processes, cgroups: self.inner.cgroups.clone() };
        match self.begin("shim", Role::Shim, &id, request, lock).await? {
            Ok(()) => Ok(()),
            Err(Refusal { code, message }) => Err(Error::Start { id, code, message }),
        }
    }

    /// Forks a role, tells it what to do and hears whether it could. It gets the lock of its folder: whoever looks there
    /// meanwhile sees a role that starts, also when nobody waits here any more.
    async fn begin(
        &self,
        role: &'static str,
        kind: Role,
        id: &str,
        request: impl serde::Serialize,
        lock: File,
    ) -> Result<std::result::Result<(), Refusal>> {
        let failed = |source| Error::Spawn { role, id: id.to_string(), source };
        let channel = self.inner.zygote.fork(kind, &[lock.as_fd()]).map_err(failed)?;
        drop(lock);
        channel::send_from(&channel, &request, &[]).await.map_err(failed)?;
        let answer = channel::receive_from(&channel).await.map_err(failed)?;
        answer.map(|(answer, _)| answer).ok_or_else(|| failed(io::Error::other("it ended without an answer")))
    }

    pub fn container(&self, id: &str) -> Option<ContainerState> {
        let dir = self.container_dir(id);
        if !dir.exists() {
            return None;
        }
        if let Some(exit) = dir.exit() {
            return Some(ContainerState::Exited(exit));
        }
        // In this order: the lock is let go of after the pid or the end is written.
        let starting = dir.is_starting();
        match dir.running() {
            Some(running) if running.shim.is_alive() => {
                Some(ContainerState::Running { pid: running.init.pid, started_at: running.started_at })
            }
            None if starting => Some(ContainerState::Created),
            // The shim writes its last word before it ends: it may have ended in between.
            running => dir.exit().or_else(|| lost(&dir, running.as_ref())).map(ContainerState::Exited),
        }
    }

    pub fn containers(&self) -> Vec<(String, ContainerState)> {
        let all = names(&self.inner.root.join("containers"));
        all.into_iter().filter_map(|id| self.container(&id).map(|state| (id, state))).collect()
    }

    pub fn spec(&self, id: &str) -> Option<ContainerSpec> {
        self.container_dir(id).read("spec.json")
    }

    /// What the container has written, as overlayfs keeps it: an image build takes it when the container has ended.
    pub fn upper(&self, id: &str) -> PathBuf {
        self.container_dir(id).path("upper")
    }

    /// The container's end; at once if it has ended.
    pub async fn wait(&self, id: &str) -> Result<Exit> {
        let dir = self.container_dir(id);
        loop {
            match self.container(id) {
                None => return Err(Error::NoContainer { id: id.into() }),
                Some(ContainerState::Exited(exit)) => return Ok(exit),
                Some(ContainerState::Created) => dir.settled().await,
                Some(ContainerState::Running { .. }) => {
                    if let Some(running) = dir.running() {
                        running.shim.gone().await;
                    }
                }
            }
        }
    }

    pub async fn signal(&self, id: &str, signal: i32) -> Result<()> {
        let running = self.container_dir(id).running().ok_or_else(|| Error::NotRunning { id: id.into() })?;
        running.init.signal(signal).map_err(|source| Error::Signal { id: id.into(), source })
    }

    /// Kills the container if it runs, and removes everything of it but its log.
    pub async fn remove_container(&self, id: &str) -> Result<()> {
        check_id(id)?;
        let dir = self.container_dir(id);
        dir.settled().await;
        let running = dir.running();
        if let Some(running) = &running {
            running.init.signal(SIGKILL).map_err(|source| Error::Signal { id: id.into(), source })?;
            // The shim ends by itself now; one that hangs must not hold us.
            if tokio::time::timeout(Duration::from_secs(10), running.shim.gone()).await.is_err() {
                let _ = running.shim.signal(SIGKILL);
                running.shim.gone().await;
            }
            // Where the shim was lost, nobody has waited for the program.
            running.init.gone().await;
        }
        let groups = [running.map(|r| r.group), Some(self.inner.cgroups.group(id))];
        let removed = tokio::task::spawn_blocking(move || {
            groups.iter().flatten().for_each(Group::remove);
            dir.remove()
        });
        removed.await.unwrap_or(Ok(()))
    }

    /// Starts one more process in a running container. What the spec leaves empty (variables, folder, user) is as in
    /// the container itself; its variables are added to the container's.
    pub async fn exec(&self, spec: ExecSpec) -> Result<Exec> {
        let id = spec.container.clone();
        let running = self.running(&id)?;
        let container = self.spec(&id).ok_or_else(|| Error::NoContainer { id: id.clone() })?;
        let request = join::Request { spec, pid: running.init.pid, group: running.group, container };
        Exec::start(&self.inner.zygote, &request).await
    }

    /// The streams of the container's own program, from now on. `stdin` is there if the container was started with one.
    pub async fn attach(&self, id: &str) -> Result<Exec> {
        self.running(id)?;
        let (tell, exit) = watch::channel(None);
        let attached = Exec::attach(&self.container_dir(id), exit).await;
        let exec = attached.map_err(|source| Error::Attach { id: id.into(), source })?;
        let (runtime, id) = (self.clone(), id.to_string());
        tokio::spawn(async move {
            tokio::select! {
                exit = runtime.wait(&id) => drop(tell.send(Some(exit.map_or(255, |exit| exit.code)))),
                () = tell.closed() => {}
            }
        });
        Ok(exec)
    }

    /// The container's program sees the end of its standard input, as with `stdinOnce` after the first attachment.
    pub async fn close_stdin(&self, id: &str) -> Result<()> {
        self.running(id)?;
        let asked = ask(&self.container_dir(id), &Ask::CloseStdin, &[]).await;
        asked.map(drop).map_err(|source| Error::Attach { id: id.into(), source })
    }

    fn running(&self, id: &str) -> Result<Running> {
        let not_running = || Error::NotRunning { id: id.into() };
        let running = self.container_dir(id).running().ok_or_else(not_running)?;
        if running.init.is_alive() { Ok(running) } else { Err(not_running()) }
    }

    /// A path to the container's root, through its process: writes there are seen by inotify in the container.
    pub fn root(&self, id: &str) -> Result<PathBuf> {
        Ok(PathBuf::from(format!("/proc/{}/root", self.running(id)?.init.pid)))
    }

    pub fn pid(&self, id: &str) -> Option<i32> {
        self.running(id).ok().map(|r| r.init.pid)
    }

    /// Gives a running container other limits of memory and CPU.
    pub fn resize(&self, id: &str, resources: &Resources) -> Result<()> {
        let group = self.running(id)?.group;
        group.resize(resources).map_err(|source| Error::Resize { id: id.into(), source })
    }

    /// By its cgroups; what they do not tell, by its processes. With the time of its start.
    pub fn usage(&self, id: &str) -> Option<(Usage, String)> {
        let running = self.running(id).ok()?;
        let (memory, cpu) = (running.group.memory_bytes(), running.group.cpu_usec());
        let usage = match (memory, cpu) {
            (Some(memory_bytes), Some(cpu_usec)) => Usage { memory_bytes, cpu_usec },
            _ => {
                let counted = procfs::usage(running.init.pid)?;
                Usage {
                    memory_bytes: memory.unwrap_or(counted.memory_bytes),
                    cpu_usec: cpu.unwrap_or(counted.cpu_usec),
                }
            }
        };
        Some((usage, running.started_at))
    }

    /// Ends the runtime's own helper process. Containers and sandboxes go on.
    pub async fn shutdown(&self) {
        self.inner.zygote.end();
    }

    /// Asks every container to end, waits up to `grace`, then removes everything.
    pub async fn stop_all(&self, grace: Duration) -> Result<()> {
        let ids: Vec<String> = self.containers().into_iter().map(|(id, _)| id).collect();
        for id in &ids {
            // One that ended meanwhile is what we want.
            let _ = self.signal(id, SIGTERM).await;
        }
        let all_ended = async {
            for id in &ids {
                let _ = self.wait(id).await;
            }
        };
        let _ = tokio::time::timeout(grace, all_ended).await;
        self.remove_all().await
    }

    /// Kills and removes every container and sandbox of this folder, and our cgroups.
    pub async fn remove_all(&self) -> Result<()> {
        let mut containers = JoinSet::new();
        for id in names(&self.inner.root.join("containers")) {
            let runtime = self.clone();
            containers.spawn(async move { runtime.remove_container(&id).await });
        }
        finish(containers).await?;
        let mut sandboxes = JoinSet::new();
        for id in names(&self.inner.root.join("sandboxes")) {
            let runtime = self.clone();
            sandboxes.spawn(async move { runtime.remove_sandbox(&id).await });
        }
        finish(sandboxes).await?;
        let root = Dir(self.inner.root.clone());
        for folder in root.read::<Vec<PathBuf>>("cgroups").unwrap_or_default() {
            // A busy folder stays, and says that something still runs.
            let _ = std::fs::remove_dir(folder);
        }
        let _ = std::fs::remove_file(root.path("cgroups"));
        Ok(())
    }
}

/// All are tried; the first error is told.
async fn finish(mut tasks: JoinSet<Result<()>>) -> Result<()> {
    let mut all = Ok(());
    while let Some(ended) = tasks.join_next().await {
        all = all.and(ended.unwrap_or(Ok(())));
    }
    all
}

/// The effective capability SYS_ADMIN, which root has outside of containers.
fn may_make_namespaces() -> bool {
    const SYS_ADMIN: u32 = 21;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    effective.is_some_and(|set| set & (1 << SYS_ADMIN) != 0)
}

/// A container whose shim was killed, or that a restart of the machine has ended: the end that nobody could write.
fn lost(dir: &Dir, running: Option<&Running>) -> Option<Exit> {
    if let Some(running) = running {
        // The program dies with its shim, unless it has changed its user in between.
        let _ = running.init.signal(SIGKILL);
        running.group.kill();
    }
    let words = std::fs::read_to_string(dir.path("shim.log")).unwrap_or_default();
    let words =
        words.lines().find(|line| !line.is_empty()).map(|line| format!(" ({line})")).unwrap_or_default();
    let time = now();
    let error = match running {
        Some(_) => {
            format!("the container's shim is gone: it was killed, or the machine was restarted{words}")
        }
        None => format!("the container was not started: its start was cut off{words}"),
    };
    let exit = Exit {
        code: if running.is_some() { 137 } else { 128 },
        signal: running.map(|_| SIGKILL),
        oom_killed: false,
        started_at: running.map_or_else(|| time.clone(), |r| r.started_at.clone()),
        finished_at: time,
        error: Some(error),
    };
    // Written, so that it is the same for everybody who asks; if the folder was removed meanwhile there is no end.
    let _ = dir.write("exit", &exit);
    dir.exit()
}
