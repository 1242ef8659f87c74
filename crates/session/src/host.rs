//! The world as a Tiltfile sees it, for real: files, commands, kustomize in this process, helm where there is one.

use crate::extensions::ExtensionCache;
use crate::process::{self, RunError, Until, exit_code};
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
    /// For what it runs, beside this process's own environment.
    pub environment: Vec<(String, String)>,
}

impl OsHost {
    /// One that remembers nothing of earlier evaluations.
    pub fn new(context: Option<KubeContext>, print: Print, interrupt: CancellationToken) -> Self {
        let (renderings, extensions) = (Renderings::default(), ExtensionCache::of_user());
        Self { context, print, interrupt, renderings, extensions, environment: Vec::new() }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment.iter().cloned());
        command
    }

    fn until(&self) -> Until {
        Until::interrupted(&self.interrupt)
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
        let mut child = self.command(&command.argv[0]);
        child.args(&command.argv[1..]).current_dir(&command.dir);
        for (name, value) in &command.env {
            match value {
                Some(value) => child.env(name, value),
                None => child.env_remove(name),
            };
        }
        let output = process::output(&mut child, command.stdin.clone(), &self.until())?;
        Ok(LocalOutput { code: exit_code(output.status), stdout: output.stdout, stderr: output.stderr })
    }

    fn kustomize(&self, request: &KustomizeRequest) -> Result<Rendered, HostError> {
        if let Some(program) = &request.program {
            return kustomize_program(self.command(program), request, &self.until());
        }
        let render = || {
            let mut warn = |warning: &str| self.print(Level::Warning, warning);
            crate::render::noting_use(&request.dir, &request.flags, &self.interrupt, &mut warn)
        };
        self.renderings.get(Key::Kustomize(request.clone()), SystemTime::now(), render)
    }

    fn helm(&self, request: &HelmRequest) -> Result<Rendered, HostError> {
        let render = || {
            let rendered = crate::helm::template(|| self.command("helm"), request, &self.until())?;
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

    fn memory(&self) -> Option<u64> {
        // where there is no such file, as on macOS, the limit of the interpreter's heap alone holds
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes * 1024)
    }

    fn print(&self, level: Level, text: &str) {
        (self.print)(level, text);
    }
}

fn kustomize_program(
    mut command: Command,
    request: &KustomizeRequest,
    until: &Until,
) -> Result<Rendered, HostError> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.arg("build").args(&request.flags).arg(&request.dir);
    let yaml = stdout_of(command, until).map_err(|error| match error {
        ProgramError::Missing => {
            HostError { message: format!("the program {program} is not there"), hint: None }
        }
        ProgramError::Failed(message) => HostError { message, hint: None },
    })?;
    // what a kustomization reads is the same, whichever program builds it
    let (_, files) = kustomize::build_noting_files(
        &kustomize::Disk,
        &request.dir.to_string_lossy(),
        &kustomize::Options::default(),
    );
    Ok(Rendered { yaml, files_read: files.into_iter().map(PathBuf::from).collect() })
}

pub(crate) enum ProgramError {
    Missing,
    Failed(String),
}

/// What a program prints, if it ends well.
pub(crate) fn stdout_of(mut command: Command, until: &Until) -> Result<String, ProgramError> {
    let output = process::output(&mut command, None, until).map_err(|error: RunError| {
        if error.is_missing() { ProgramError::Missing } else { ProgramError::Failed(error.to_string()) }
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(ProgramError::Failed(String::from_utf8_lossy(&output.stderr).trim().to_string()))
}
