//! The world as a Tiltfile sees it, for real: files, commands, kustomize in this process, helm where there is one.

use crate::extensions::ExtensionCache;
use crate::process;
use crate::reuse::{Fresh, Key, Renderings};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::SystemTime;
use tiltfile::{
    DirEntry, FileKind, HelmRequest, Host, HostError, KubeContext, KustomizeRequest, Level, LocalCommand,
    LocalOutput, Rendered, RepoRequest,
};
use tokio_util::sync::CancellationToken;

/// Gets what a Tiltfile prints, as it prints it.
pub type Print = Arc<dyn Fn(Level, &str) + Send + Sync>;

pub struct OsHost {
    pub context: Option<KubeContext>,
    pub print: Print,
    /// Ends the evaluation and what it runs.
    pub interrupt: CancellationToken,
    /// What earlier evaluations rendered.
    pub renderings: Renderings,
    pub extensions: ExtensionCache,
}

impl OsHost {
    /// One that remembers nothing of earlier evaluations.
    pub fn new(context: Option<KubeContext>, print: Print, interrupt: CancellationToken) -> Self {
        let (renderings, extensions) = (Renderings::default(), ExtensionCache::of_user());
        Self { context, print, interrupt, renderings, extensions }
    }
}

impl Host for OsHost {
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn kind(&self, path: &Path) -> Option<FileKind> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(if metadata.is_dir() { FileKind::Directory } else { FileKind::File })
    }

    fn list_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        std::fs::read_dir(path)?
            .map(|entry| {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                Ok(DirEntry { name, is_dir: entry.path().is_dir() })
            })
            .collect()
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path)
    }

    fn environ(&self) -> Vec<(String, String)> {
        // what is no text cannot be seen by a Tiltfile
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    fn local(&self, command: &LocalCommand) -> io::Result<LocalOutput> {
        let mut child = Command::new(&command.argv[0]);
        child.args(&command.argv[1..]).current_dir(&command.dir);
        for (name, value) in &command.env {
            match value {
                Some(value) => child.env(name, value),
                None => child.env_remove(name),
            };
        }
        let output = process::output(&mut child, command.stdin.clone(), &self.interrupt)?;
        Ok(LocalOutput { code: exit_code(output.status), stdout: output.stdout, stderr: output.stderr })
    }

    fn kustomize(&self, request: &KustomizeRequest) -> Result<Rendered, HostError> {
        if let Some(program) = &request.program {
            return kustomize_program(program, request, &self.interrupt);
        }
        let render = || {
            let mut warn = |warning: &str| self.print(Level::Warning, warning);
            crate::render::noting_use(&request.dir, &request.flags, &mut warn)
        };
        self.renderings.get(Key::Kustomize(request.clone()), SystemTime::now(), render)
    }

    fn helm(&self, request: &HelmRequest) -> Result<Rendered, HostError> {
        let render = || {
            let rendered = helm_program(request, &self.interrupt)?;
            Ok(Fresh { rendered, of_files_alone: true })
        };
        self.renderings.get(Key::helm(request, self.environ()), SystemTime::now(), render)
    }

    fn extension_repo(&self, request: &RepoRequest) -> Result<PathBuf, HostError> {
        let checkout = self.extensions.checkout(request, &self.interrupt)?;
        if let Some(problem) = checkout.stale {
            let text = format!("using the copy of {} of last time: {problem}", request.url);
            (self.print)(Level::Warning, &text);
        }
        Ok(checkout.directory)
    }

    fn current_context(&self) -> Option<KubeContext> {
        self.context.clone()
    }

    fn interrupted(&self) -> bool {
        self.interrupt.is_cancelled()
    }

    fn print(&self, level: Level, text: &str) {
        (self.print)(level, text);
    }
}

fn helm_program(request: &HelmRequest, interrupt: &CancellationToken) -> Result<Rendered, HostError> {
    let mut command = Command::new("helm");
    command.arg("template").arg(&request.name).arg(&request.chart);
    if let Some(namespace) = &request.namespace {
        command.args(["--namespace", namespace]);
    }
    for file in &request.values {
        command.arg("--values").arg(file);
    }
    for value in &request.set {
        command.args(["--set", value]);
    }
    if let Some(version) = &request.kube_version {
        command.args(["--kube-version", version]);
    }
    command.arg(if request.skip_crds { "--skip-crds" } else { "--include-crds" });
    let yaml = run(command, interrupt).map_err(|error| match error {
        RunError::Missing => HostError {
            message: "Unable to find Helm installation. Make sure `helm` is on your $PATH.".into(),
            hint: Some("install helm 3; Coracle's own chart engine is not built yet".into()),
        },
        RunError::Failed(message) => {
            HostError { message: format!("helm template failed: {message}"), hint: None }
        }
    })?;
    let mut files_read = request.values.clone();
    files_read.push(request.chart.clone());
    Ok(Rendered { yaml, files_read })
}

enum RunError {
    Missing,
    Failed(String),
}

fn run(mut command: Command, interrupt: &CancellationToken) -> Result<String, RunError> {
    let output = process::output(&mut command, None, interrupt).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => RunError::Missing,
        _ => RunError::Failed(error.to_string()),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(RunError::Failed(String::from_utf8_lossy(&output.stderr).trim().to_string()))
}

fn kustomize_program(
    program: &str,
    request: &KustomizeRequest,
    interrupt: &CancellationToken,
) -> Result<Rendered, HostError> {
    let mut command = Command::new(program);
    command.arg("build").args(&request.flags).arg(&request.dir);
    let yaml = run(command, interrupt).map_err(|error| match error {
        RunError::Missing => HostError { message: format!("the program {program} is not there"), hint: None },
        RunError::Failed(message) => HostError { message, hint: None },
    })?;
    // what a kustomization reads is the same, whichever program builds it
    let (_, files) = kustomize::build_noting_files(
        &kustomize::Disk,
        &request.dir.to_string_lossy(),
        &kustomize::Options::default(),
    );
    Ok(Rendered { yaml, files_read: files.into_iter().map(PathBuf::from).collect() })
}

/// As a shell tells it: 128 + the signal for a killed process.
pub(crate) fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
