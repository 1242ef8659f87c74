//! What the runtime is asked for and what it answers: values only.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// State of sandboxes and containers: `sandboxes/<id>/`, `containers/<id>/{spec.json,pid,exit,upper,work}`.
    pub root: PathBuf,
    /// Below this name (in our own cgroup) the containers' cgroups are made: one folder a cluster.
    pub cgroup: String,
}

/// The namespaces that a pod's containers share (network, IPC, UTS), held by a process of ours.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SandboxSpec {
    pub id: String,
    pub hostname: String,
    /// Share the host's network namespace instead of making one.
    pub host_network: bool,
    /// `net.*` sysctls, set inside.
    pub sysctls: Vec<(String, String)>,
    /// All containers of the sandbox see each other's processes.
    #[serde(default)]
    pub share_processes: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContainerSpec {
    pub id: String,
    /// Join this sandbox's network, IPC and UTS namespaces. `None`: the host's network (image builds).
    pub sandbox: Option<String>,
    /// Join the PID namespace of this running container instead of making one: both see each other's processes.
    #[serde(default)]
    pub processes_of: Option<String>,
    /// Unpacked layers, lowest first. The writable layer is `containers/<id>/upper`.
    pub layers: Vec<PathBuf>,
    pub readonly_root: bool,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub cwd: String,
    /// As in an image's config or a securityContext: "", "app", "1000", "1000:1000". Names are looked up in the
    /// container's own /etc/passwd and /etc/group.
    pub user: String,
    pub groups: Vec<u32>,
    pub mounts: Vec<Mount>,
    pub privileged: bool,
    pub add_capabilities: Vec<String>,
    pub drop_capabilities: Vec<String>,
    pub no_new_privileges: bool,
    pub resources: Resources,
    pub tty: bool,
    /// Keep stdin open (`stdin: true`); otherwise it is /dev/null.
    pub stdin: bool,
    pub log: LogTarget,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mount {
    /// Host path for a bind mount (file or directory); ignored for tmpfs.
    pub source: PathBuf,
    pub target: PathBuf,
    pub readonly: bool,
    pub kind: MountKind,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum MountKind {
    Bind,
    Tmpfs { size_bytes: Option<u64> },
}

/// Limits; `None` is no limit. What the host's cgroups cannot do is left out and reported once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Resources {
    pub memory_bytes: Option<u64>,
    /// Thousandths of a core, as CFS quota over 100 ms.
    pub cpu_limit_millis: Option<u64>,
    /// Thousandths of a core, as cpu.shares / cpu.weight.
    pub cpu_request_millis: Option<u64>,
    pub pids: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum LogTarget {
    /// The shim appends lines in the CRI format (`2016-10-06T00:17:09.669794202Z stdout F text`).
    File(PathBuf),
    /// Raw bytes of both streams, appended in order (image builds).
    Raw(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ContainerState {
    Created,
    Running {
        /// Host pid of the container's first process.
        pid: i32,
        started_at: String,
    },
    Exited(Exit),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// 128 + signal when killed by one; 127/126/128 when the program could not be started.
    pub code: i32,
    pub signal: Option<i32>,
    pub oom_killed: bool,
    pub started_at: String,
    pub finished_at: String,
    /// Why the program could not be started, in words ("exec /app/x: no such file or directory").
    pub error: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExecSpec {
    pub container: String,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub cwd: String,
    pub user: String,
    pub tty: bool,
    pub stdin: bool,
}

/// A pod's shared namespaces, alive. The network namespace is `/proc/<pid>/ns/net`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    pub id: String,
    pub pid: i32,
}

/// What a container uses now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub memory_bytes: u64,
    pub cpu_usec: u64,
}

/// What the host's cgroups can do for us; `notes` say in words what they cannot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSupport {
    pub memory: bool,
    pub cpu: bool,
    pub pids: bool,
    pub notes: Vec<String>,
}
