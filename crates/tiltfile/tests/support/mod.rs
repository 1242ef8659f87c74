//! A host over a map of files, or over a real directory.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use tiltfile::{
    DirEntry, FileKind, HelmRequest, Host, HostError, KubeContext, KustomizeRequest, Level, LocalCommand,
    LocalOutput, Rendered,
};

/// Files of a fixture: `-- path` lines start a file.
pub fn fixture(text: &str) -> BTreeMap<PathBuf, String> {
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut current = PathBuf::from("/p/Tiltfile");
    for line in text.lines() {
        match line.strip_prefix("-- ") {
            Some(path) => current = PathBuf::from("/p").join(path),
            None => {
                let file = files.entry(current.clone()).or_default();
                file.push_str(line);
                file.push('\n');
            }
        }
    }
    files
}

pub struct MemoryHost {
    pub files: BTreeMap<PathBuf, String>,
    pub env: Vec<(String, String)>,
    pub context: Option<KubeContext>,
    pub commands: RefCell<Vec<LocalCommand>>,
}

impl MemoryHost {
    pub fn new(text: &str) -> MemoryHost {
        MemoryHost {
            files: fixture(text),
            env: vec![("HOME".to_owned(), "/home/me".to_owned())],
            context: Some(KubeContext {
                name: "k3d-codex-dev".to_owned(),
                namespace: "default".to_owned(),
                is_local: true,
            }),
            commands: RefCell::default(),
        }
    }
}

impl Host for MemoryHost {
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }
    fn kind(&self, path: &Path) -> Option<FileKind> {
        if self.files.contains_key(path) {
            return Some(FileKind::File);
        }
        self.files.keys().any(|f| f.starts_with(path)).then_some(FileKind::Directory)
    }
    fn list_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = BTreeMap::new();
        for file in self.files.keys() {
            if let Ok(rest) = file.strip_prefix(path) {
                let mut parts = rest.components();
                if let Some(first) = parts.next() {
                    entries.insert(first.as_os_str().to_string_lossy().into_owned(), parts.next().is_some());
                }
            }
        }
        if entries.is_empty() {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        Ok(entries.into_iter().map(|(name, is_dir)| DirEntry { name, is_dir }).collect())
    }
    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }
    fn environ(&self) -> Vec<(String, String)> {
        self.env.clone()
    }
    fn local(&self, command: &LocalCommand) -> io::Result<LocalOutput> {
        self.commands.borrow_mut().push(command.clone());
        let text = command.argv.last().cloned().unwrap_or_default();
        match text.strip_prefix("exit ") {
            Some("empty") => Ok(LocalOutput::default()),
            Some("none") => Err(io::Error::other("no such program")),
            Some(code) => Ok(LocalOutput {
                code: code.parse().unwrap_or(1),
                stdout: b"out\n".to_vec(),
                stderr: b"it failed\nbadly\n".to_vec(),
            }),
            None => Ok(LocalOutput { stdout: format!("{text}\n").into_bytes(), ..LocalOutput::default() }),
        }
    }
    fn kustomize(&self, request: &KustomizeRequest) -> Result<Rendered, HostError> {
        let file = request.dir.join("rendered.yaml");
        match self.files.get(&file) {
            Some(yaml) => {
                Ok(Rendered { yaml: yaml.clone(), files_read: vec![request.dir.join("kustomization.yml")] })
            }
            None => Err(HostError {
                message: format!("no kustomization in {}", request.dir.display()),
                hint: None,
            }),
        }
    }
    fn helm(&self, request: &HelmRequest) -> Result<Rendered, HostError> {
        match self.files.get(&request.chart.join("rendered.yaml")) {
            Some(yaml) => Ok(Rendered { yaml: yaml.clone(), files_read: vec![request.chart.clone()] }),
            None => Err(HostError { message: "no chart".to_owned(), hint: None }),
        }
    }
    fn current_context(&self) -> Option<KubeContext> {
        self.context.clone()
    }
    fn print(&self, _level: Level, _text: &str) {}
}

/// The real file system and real commands.
pub struct DiskHost {
    pub env: Vec<(String, String)>,
    pub context: Option<KubeContext>,
}

impl Host for DiskHost {
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
    fn kind(&self, path: &Path) -> Option<FileKind> {
        let meta = std::fs::metadata(path).ok()?;
        Some(if meta.is_dir() { FileKind::Directory } else { FileKind::File })
    }
    fn list_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        std::fs::read_dir(path)?
            .map(|e| {
                let e = e?;
                Ok(DirEntry {
                    name: e.file_name().to_string_lossy().into_owned(),
                    is_dir: e.file_type()?.is_dir(),
                })
            })
            .collect()
    }
    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        std::fs::canonicalize(path)
    }
    fn environ(&self) -> Vec<(String, String)> {
        self.env.clone()
    }
    fn local(&self, command: &LocalCommand) -> io::Result<LocalOutput> {
        use std::process::Stdio;
        let mut process = std::process::Command::new(&command.argv[0]);
        process.args(&command.argv[1..]).current_dir(&command.dir);
        for (key, value) in &command.env {
            match value {
                Some(value) => process.env(key, value),
                None => process.env_remove(key),
            };
        }
        let mut child =
            process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            io::Write::write_all(&mut pipe, command.stdin.as_deref().unwrap_or_default()).ok();
        }
        let output = child.wait_with_output()?;
        Ok(LocalOutput {
            stdout: output.stdout,
            stderr: output.stderr,
            code: output.status.code().unwrap_or(128),
        })
    }
    fn kustomize(&self, request: &KustomizeRequest) -> Result<Rendered, HostError> {
        if let Some(program) = &request.program {
            let command = std::process::Command::new(program)
                .arg("build")
                .args(&request.flags)
                .arg(&request.dir)
                .output()
                .map_err(|e| HostError { message: e.to_string(), hint: None })?;
            let yaml = String::from_utf8_lossy(&command.stdout).into_owned();
            let dir = request.dir.to_string_lossy();
            let (_, files) =
                kustomize::build_noting_files(&kustomize::Disk, &dir, &kustomize::Options::default());
            return Ok(Rendered { yaml, files_read: files.iter().map(PathBuf::from).collect() });
        }
        let dir = request.dir.to_string_lossy();
        let (built, files) =
            kustomize::build_noting_files(&kustomize::Disk, &dir, &kustomize::Options::default());
        let built = built.map_err(|e| HostError { message: e.to_diagnostic().to_string(), hint: None })?;
        Ok(Rendered { yaml: built.yaml, files_read: files.iter().map(PathBuf::from).collect() })
    }
    fn helm(&self, _request: &HelmRequest) -> Result<Rendered, HostError> {
        let message = "Unable to find Helm installation. Make sure `helm` is on your $PATH.".to_owned();
        Err(HostError { message, hint: None })
    }
    fn current_context(&self) -> Option<KubeContext> {
        self.context.clone()
    }
    fn print(&self, _level: Level, text: &str) {
        io::Write::write_fmt(&mut io::stderr(), format_args!("{text}\n")).ok();
    }
}
