//! All that evaluation may ask of the world. `session` implements it; tests use a fake.

use std::io;
use std::path::{Path, PathBuf};

/// The world, as a Tiltfile may see it. Paths are absolute.
pub trait Host {
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// What is there, following symbolic links; `None` if nothing is.
    fn kind(&self, path: &Path) -> Option<FileKind>;
    /// Names in a directory, in any order.
    fn list_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// The path with every symbolic link resolved.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;
    /// The environment of the process. The Tiltfile's own `os.putenv` is kept by the evaluation, not here.
    fn environ(&self) -> Vec<(String, String)>;
    /// Runs a command to its end. `Err` only if it could not be started.
    fn local(&self, command: &LocalCommand) -> io::Result<LocalOutput>;
    /// `kustomize build DIR`.
    fn kustomize(&self, request: &KustomizeRequest) -> Result<Rendered, HostError>;
    /// `helm template`.
    fn helm(&self, request: &HelmRequest) -> Result<Rendered, HostError>;
    /// The Kubernetes context in force (for the embedded cluster: that cluster's own).
    fn current_context(&self) -> Option<KubeContext>;
    /// The files of an extension repository, fetched if they are not there yet.
    fn extension_repo(&self, request: &RepoRequest) -> Result<PathBuf, HostError> {
        let message = format!("{} cannot be fetched here", request.url);
        Err(HostError { message, hint: None })
    }
    /// The user wants no more of this evaluation. It is asked often; `local` is to end by itself.
    fn interrupted(&self) -> bool {
        false
    }
    /// Bytes that the process has in memory, if the host knows: an evaluation that makes it grow too much is ended.
    fn memory(&self) -> Option<u64> {
        None
    }
    /// One piece of narration, as it happens. The text has no newline at its end.
    fn print(&self, level: Level, text: &str);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    File,
    Directory,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    pub name: String,
    pub is_dir: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Info,
    Warning,
}

/// A command that runs while the Tiltfile is evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalCommand {
    pub argv: Vec<String>,
    pub dir: PathBuf,
    /// To be added to the process's environment; `None` takes a variable away.
    pub env: Vec<(String, Option<String>)>,
    pub stdin: Option<Vec<u8>>,
    /// Neither the output is shown …
    pub quiet: bool,
    /// … nor the command.
    pub echo_off: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalOutput {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Exit code; 128 + signal if killed.
    pub code: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KustomizeRequest {
    pub dir: PathBuf,
    /// Flags as the user wrote them.
    pub flags: Vec<String>,
    /// A kustomize program that the Tiltfile insists on.
    pub program: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HelmRequest {
    pub chart: PathBuf,
    pub name: String,
    pub namespace: Option<String>,
    pub values: Vec<PathBuf>,
    pub set: Vec<String>,
    pub kube_version: Option<String>,
    pub skip_crds: bool,
}

/// Manifests, and the files and directories that they were made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    pub yaml: String,
    pub files_read: Vec<PathBuf>,
}

/// A git repository of extensions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepoRequest {
    /// `https://…` or `http://…`
    pub url: String,
    /// A commit, tag or branch; `None`: the repository's own choice.
    pub reference: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeContext {
    pub name: String,
    pub namespace: String,
    /// A development cluster on this machine (k3d, kind, ours, …), which needs no `allow_k8s_contexts`.
    pub is_local: bool,
}

/// A request that the host could not fulfil.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}
