//! The runtime as the daemon uses it: starts roles, finds them again, ends them.

use crate::cgroups::Cgroups;
use crate::error::Error;
use crate::exec::{Exec, Request};
use crate::process::ProcessId;
use crate::shim::ShimSpec;
use crate::spec::{
    ContainerSpec, ContainerState, ExecSpec, Exit, HostSupport, RuntimeConfig, Sandbox, SandboxSpec, Usage,
};
use crate::state::{Dir, check_id, names, now};
use crate::Result;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt, BufReader};

const SIGTERM: i32 = libc::SIGTERM;
const SIGKILL: i32 = libc::SIGKILL;

/// Clones are the same runtime. The state is in the folder alone.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    cgroup: String,
    cgroups: Cgroups,
    support: HostSupport,
}

impl Runtime {
    /// Opens the folder; what runs from an earlier daemon is found there.
    pub async fn start(config: RuntimeConfig) -> Result<Self> {
        for folder in ["sandboxes", "containers"] {
            let path = config.root.join(folder);
            std::fs::create_dir_all(&path).map_err(Error::io("make", path))?;
        }
        let (cgroups, support) = Cgroups::find(&config.cgroup);
        let inner = Inner { root: config.root, cgroup: config.cgroup, cgroups, support };
        Ok(Self { inner: Arc::new(inner) })
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
        if let Some(sandbox) = self.sandbox(&spec.id) {
            return Ok(sandbox);
        }
        let dir = self.sandbox_dir(&spec.id);
        fresh(&dir, &spec)?;
        let answer = role("sandbox", "__sandbox", &spec.id, &dir.0).await?;
        if let Some(message) = answer.strip_prefix("error ") {
            let message = format!("cannot make the namespaces of {}: {message}", spec.id);
            return Err(Error::Start { id: spec.id, code: 128, message });
        }
        self.sandbox(&spec.id).ok_or(Error::NoSandbox { id: spec.id })
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
        if let Some(process) = dir.read::<ProcessId>("pid") {
            process.signal(SIGKILL).map_err(|source| Error::Signal { id: id.into(), source })?;
            gone(process).await;
        }
        remove_dir(&dir.0)
    }

    /// Comes back when the program runs, or with the reason why it does not; then the container is `Exited` with it.
    pub async fn start_container(&self, spec: ContainerSpec) -> Result<()> {
        check_id(&spec.id)?;
        let sandbox = match &spec.sandbox {
            None => None,
            Some(id) => Some(self.sandbox(id).ok_or_else(|| Error::NoSandbox { id: id.clone() })?.pid),
        };
        let id = spec.id.clone();
        let dir = self.container_dir(&id);
        fresh(&dir, &ShimSpec { container: spec, sandbox, cgroup: self.inner.cgroup.clone() })?;
        let answer = role("shim", "__shim", &id, &dir.0).await?;
        match answer.strip_prefix("error ").and_then(|rest| rest.split_once(' ')) {
            None => Ok(()),
            Some((code, message)) => {
                Err(Error::Start { id, code: code.parse().unwrap_or(128), message: message.to_string() })
            }
        }
    }

    pub fn container(&self, id: &str) -> Option<ContainerState> {
        let dir = self.container_dir(id);
        if !dir.path("spec.json").exists() {
            return None;
        }
        if let Some(exit) = dir.exit() {
            return Some(ContainerState::Exited(exit));
        }
        let Some(running) = dir.running() else { return Some(ContainerState::Created) };
        if running.shim.is_alive() {
            return Some(ContainerState::Running { pid: running.init.pid, started_at: running.started_at });
        }
        // The shim writes its last word before it ends: look again, it may have ended in between.
        Some(ContainerState::Exited(dir.exit().unwrap_or_else(|| lost(&running.started_at))))
    }

    pub fn containers(&self) -> Vec<(String, ContainerState)> {
        let all = names(&self.inner.root.join("containers"));
        all.into_iter().filter_map(|id| self.container(&id).map(|state| (id, state))).collect()
    }

    pub fn spec(&self, id: &str) -> Option<ContainerSpec> {
        self.shim_spec(id).map(|s| s.container)
    }

    /// What the container has written, as overlayfs keeps it: an image build takes it when the container has ended.
    pub fn upper(&self, id: &str) -> PathBuf {
        self.container_dir(id).path("upper")
    }

    fn shim_spec(&self, id: &str) -> Option<ShimSpec> {
        self.container_dir(id).read("spec.json")
    }

    /// The container's end; at once if it has ended.
    pub async fn wait(&self, id: &str) -> Result<Exit> {
        loop {
            match self.container(id) {
                None => return Err(Error::NoContainer { id: id.into() }),
                Some(ContainerState::Exited(exit)) => return Ok(exit),
                Some(ContainerState::Created) => tokio::time::sleep(Duration::from_millis(10)).await,
                Some(ContainerState::Running { .. }) => {
                    if let Some(running) = self.container_dir(id).running() {
                        gone(running.shim).await;
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
        if let Some(running) = dir.running() {
            running.init.signal(SIGKILL).map_err(|source| Error::Signal { id: id.into(), source })?;
            // The shim ends by itself now; one that hangs must not hold us.
            if tokio::time::timeout(Duration::from_secs(10), gone(running.shim)).await.is_err() {
                let _ = running.shim.signal(SIGKILL);
                gone(running.shim).await;
            }
        }
        let group = self.inner.cgroups.group(id);
        let removed = tokio::task::spawn_blocking(move || {
            group.remove();
            remove_dir(&dir.0)
        });
        removed.await.unwrap_or(Ok(()))
    }

    /// Starts one more process in a running container.
    pub async fn exec(&self, spec: ExecSpec) -> Result<Exec> {
        let id = spec.container.clone();
        let running = self.running(&id)?;
        let container = self.shim_spec(&id).ok_or_else(|| Error::NoContainer { id: id.clone() })?;
        let cgroup = self.inner.cgroups.group(&id).into_dirs();
        Exec::start(&Request { spec, pid: running.init.pid, cgroup, container })
    }

    /// The streams of the container's own program.
    pub async fn attach(&self, id: &str) -> Result<Exec> {
        self.running(id)?;
        Err(Error::NotBuilt { what: "attaching to a container's own process" })
    }

    fn running(&self, id: &str) -> Result<crate::state::Running> {
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

    pub fn usage(&self, id: &str) -> Option<Usage> {
        self.inner.cgroups.group(id).usage()
    }

    /// Nothing of the runtime itself runs but sandboxes and shims, and these go on.
    pub async fn shutdown(&self) {}

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
        for id in names(&self.inner.root.join("containers")) {
            self.remove_container(&id).await?;
        }
        for id in names(&self.inner.root.join("sandboxes")) {
            self.remove_sandbox(&id).await?;
        }
        self.inner.cgroups.remove();
        Ok(())
    }
}

/// A new folder with the spec in it; what an earlier one of that name left is gone.
fn fresh(dir: &Dir, spec: &impl serde::Serialize) -> Result<()> {
    remove_dir(&dir.0)?;
    std::fs::create_dir_all(&dir.0).map_err(Error::io("make", &dir.0))?;
    dir.write("spec.json", spec).map_err(Error::io("write the spec in", &dir.0))
}

fn remove_dir(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Starts a role of this binary and gives its answer, one line. The role lives on by itself.
async fn role(role: &'static str, word: &str, id: &str, dir: &Path) -> Result<String> {
    let failed = |source| Error::Spawn { role, id: id.to_string(), source };
    let mut child = tokio::process::Command::new("/proc/self/exe")
        .arg(word)
        .arg(dir)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(false)
        .spawn()
        .map_err(failed)?;
    let out = child.stdout.take().ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
    let line = BufReader::new(out).lines().next_line().await.map_err(failed)?;
    // Reaped when it ends, whenever that is; if we end first, it belongs to init.
    tokio::spawn(async move { child.wait().await });
    line.ok_or_else(|| failed(io::Error::other("it ended without an answer")))
}

/// Waits until the process has ended, without polling.
async fn gone(process: ProcessId) {
    while let Ok(Some(fd)) = process.open() {
        // SAFETY: the descriptor is owned by the AsyncFd from here on: it stays open while it is registered.
        let registered = unsafe { AsyncFd::register_with_interest(fd, tokio::io::Interest::READABLE) };
        let Ok(fd) = registered else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Readable: the process has ended.
        let _ = fd.readable().await;
    }
}

/// A container whose shim was killed, or that a reboot has ended.
fn lost(started_at: &str) -> Exit {
    Exit {
        code: 137,
        signal: Some(SIGKILL),
        oom_killed: false,
        started_at: started_at.to_string(),
        finished_at: now(),
        error: Some("the container's shim is gone: it was killed, or the machine was restarted".into()),
    }
}
