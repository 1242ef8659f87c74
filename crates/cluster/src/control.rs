//! A cluster from outside: create, start, stop, delete, list. What `coracle cluster …` and `coracle up` call.

use crate::daemon::{self, DaemonFile, runtime_config};
use crate::files;
use crate::kubeconfig;
use crate::paths::{ClusterDir, DataDir};
use crate::pki::Pki;
use crate::progress::BootLine;
use crate::settings::Settings;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::Runtime;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("there is no cluster \"{name}\"")]
    NotFound { name: String },
    #[error("the cluster \"{name}\" exists already")]
    Exists { name: String },
    #[error("cannot use {path}")]
    Io { path: std::path::PathBuf, source: std::io::Error },
    #[error(transparent)]
    Settings(#[from] crate::settings::SettingsError),
    #[error("cannot start the daemon of \"{name}\"")]
    Spawn { name: String, source: std::io::Error },
    /// The daemon told why, in its own words.
    #[error("{error}")]
    Boot { error: String, causes: Vec<String>, hint: Option<String> },
    #[error("the daemon of \"{name}\" ended before it was ready; its log is {log}")]
    Died { name: String, log: String },
    #[error("the daemon of \"{name}\" (pid {pid}) does not stop")]
    Stuck { name: String, pid: i32 },
    #[error("cannot remove what runs in the cluster \"{name}\"")]
    Runtime { name: String, source: runtime::Error },
    #[error(transparent)]
    Kubeconfig(#[from] kubeconfig::KubeconfigError),
    #[error(transparent)]
    Pki(#[from] crate::pki::PkiError),
}

/// A cluster as `cluster list` shows it.
#[derive(Debug, Clone)]
pub struct Listed {
    pub settings: Settings,
    pub running: bool,
}

/// A running cluster and how to reach it.
#[derive(Debug, Clone)]
pub struct Running {
    pub settings: Settings,
    pub dir: ClusterDir,
    pub server: String,
    pub pid: i32,
    /// Whether this call started the daemon.
    pub started: bool,
}

pub fn exists(data: &DataDir, name: &str) -> bool {
    data.cluster(name).settings().exists()
}

pub fn list(data: &DataDir) -> Result<Vec<Listed>, ControlError> {
    let load = |name: &String| {
        let dir = data.cluster(name);
        Ok(Listed { settings: Settings::load(&dir.settings())?, running: daemon::living(&dir).is_some() })
    };
    data.cluster_names().iter().map(load).collect()
}

/// Writes a new cluster's settings; a registry without a port gets a free one.
pub fn create(data: &DataDir, mut settings: Settings) -> Result<ClusterDir, ControlError> {
    let dir = data.cluster(&settings.name);
    if dir.settings().exists() {
        return Err(ControlError::Exists { name: settings.name });
    }
    files::private_dir(dir.root()).map_err(|source| ControlError::Io { path: dir.root().into(), source })?;
    if let Some(registry) = settings.registry.as_mut().filter(|r| r.port == 0) {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
        registry.port = free.map_err(|source| ControlError::Io { path: dir.root().into(), source })?.port();
    }
    settings.save(&dir.settings())?;
    Ok(dir)
}

/// The running cluster; starts its daemon if none lives. `tell` gets each boot phase as it is done.
pub fn start(data: &DataDir, name: &str, tell: &mut dyn FnMut(&BootLine)) -> Result<Running, ControlError> {
    let dir = data.cluster(name);
    if !dir.settings().exists() {
        return Err(ControlError::NotFound { name: name.into() });
    }
    if let Some(found) = wait_for_living(&dir) {
        return running(&dir, found, false);
    }
    spawn(&dir, name, tell)?;
    match daemon::living(&dir) {
        Some(found) => running(&dir, found, true),
        None => Err(ControlError::Died { name: name.into(), log: dir.log().display().to_string() }),
    }
}

fn running(dir: &ClusterDir, found: DaemonFile, started: bool) -> Result<Running, ControlError> {
    let settings = Settings::load(&dir.settings())?;
    Ok(Running { settings, dir: dir.clone(), server: found.server, pid: found.pid, started })
}

/// The daemon that holds the lock, once it answers. One that is just starting has not written its file yet; one that
/// was killed a moment ago may still hold the lock, and is waited for until it is gone.
fn wait_for_living(dir: &ClusterDir) -> Option<DaemonFile> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let locked = dir.lock().exists() && matches!(files::try_lock(&dir.lock()), Ok(None));
        if !locked || Instant::now() > until {
            return None;
        }
        if let Some(found) = daemon::living(dir).filter(answers) {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether the process is there and its API takes connections.
fn answers(found: &DaemonFile) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", found.pid)).unwrap_or_default();
    let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).chars().next();
    let address = found.server.strip_prefix("https://").and_then(|a| a.parse().ok());
    let connects =
        |address| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok();
    !matches!(state, None | Some('Z' | 'X')) && address.is_some_and(connects)
}

fn spawn(dir: &ClusterDir, name: &str, tell: &mut dyn FnMut(&BootLine)) -> Result<(), ControlError> {
    let failed = |source| ControlError::Spawn { name: name.into(), source };
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.log()).map_err(failed)?;
    let mut child = Command::new("/proc/self/exe")
        .arg("__daemon")
        .arg(dir.data().path())
        .arg(name)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(failed)?;
    let out = child.stdout.take().expect("stdout is piped");
    for line in BufReader::new(out).lines() {
        let Ok(line) = line else { break };
        match serde_json::from_str::<BootLine>(&line) {
            Ok(BootLine::Ready) => return Ok(()),
            Ok(BootLine::Failed { error, causes, hint }) => {
                // It ends by itself now; it must not stay behind as a zombie of ours.
                let _ = child.wait();
                return Err(ControlError::Boot { error, causes, hint });
            }
            Ok(line) => tell(&line),
            Err(_) => {}
        }
    }
    let _ = child.wait();
    Err(ControlError::Died { name: name.into(), log: dir.log().display().to_string() })
}

/// Stops the containers and the daemon; objects and volumes stay.
pub async fn stop(data: &DataDir, name: &str) -> Result<(), ControlError> {
    end(data, name, Signal::SIGUSR1).await
}

async fn end(data: &DataDir, name: &str, signal: Signal) -> Result<(), ControlError> {
    let dir = data.cluster(name);
    if !dir.settings().exists() {
        return Err(ControlError::NotFound { name: name.into() });
    }
    if let Some(found) = daemon::living(&dir) {
        let _ = kill(Pid::from_raw(found.pid), signal);
        wait_for_end(&dir, name, found.pid)?;
    }
    // Containers that outlived a killed daemon.
    sweep(&dir, name).await
}

fn wait_for_end(dir: &ClusterDir, name: &str, pid: i32) -> Result<(), ControlError> {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        if matches!(files::try_lock(&dir.lock()), Ok(Some(_))) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(ControlError::Stuck { name: name.into(), pid })
}

async fn sweep(dir: &ClusterDir, name: &str) -> Result<(), ControlError> {
    if !dir.runtime().exists() {
        return Ok(());
    }
    let failed = |source| ControlError::Runtime { name: name.into(), source };
    let runtime = Runtime::start(runtime_config(dir)).await.map_err(failed)?;
    runtime.remove_all().await.map_err(failed)?;
    runtime.shutdown().await;
    Ok(())
}

/// Removes the cluster with all its objects and volumes, and its kubeconfig entries. Images stay: they are shared.
pub async fn delete(data: &DataDir, name: &str, kubeconfig: Option<&Path>) -> Result<(), ControlError> {
    let dir = data.cluster(name);
    if !dir.root().exists() {
        return Err(ControlError::NotFound { name: name.into() });
    }
    if dir.settings().exists() {
        end(data, name, Signal::SIGUSR2).await?;
    } else {
        sweep(&dir, name).await?;
    }
    if let Some(path) = kubeconfig {
        kubeconfig::remove(path, name)?;
    }
    // Volumes of the kind `emptyDir: {medium: Memory}` are outside the cluster's folder.
    let memory = node::memory_dir(&format!("k3d-{name}-server-0"));
    match std::fs::remove_dir_all(&memory) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(ControlError::Io { path: memory, source });
        }
        _ => {}
    }
    // The settings go first: a half-removed cluster is no cluster, and a second delete finishes the work.
    let _ = std::fs::remove_file(dir.settings());
    std::fs::remove_dir_all(dir.root()).map_err(|source| ControlError::Io { path: dir.root().into(), source })
}

/// The unpacked layers that containers of any cluster stand on.
pub fn layers_in_use(data: &DataDir) -> Vec<std::path::PathBuf> {
    data.cluster_names()
        .iter()
        .flat_map(|name| runtime::layers_in_use(&data.cluster(name).runtime()))
        .collect()
}

/// The certificates of a cluster that exists.
pub fn pki(dir: &ClusterDir, settings: &Settings) -> Result<Pki, ControlError> {
    Ok(Pki::open(&dir.pki(), &settings.node_name())?)
}
