//! Tiltfiles: any text is evaluated or refused, within its limits.

use std::io;
use std::path::{Path, PathBuf};
use tiltfile::{
    DirEntry, FileKind, HelmRequest, Host, HostError, KubeContext, KustomizeRequest, Level, Limits,
    LocalCommand, LocalOutput, Rendered, Settings,
};

/// A world of a few files, where every command prints itself.
struct World<'t> {
    tiltfile: &'t str,
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {a: b}}\nspec: {containers: [{name: a, image: a}]}\n";
const FILES: [(&str, &str); 6] = [
    ("/p/Dockerfile", "FROM a AS b\nRUN c\nCOPY --from=b / /\n"),
    ("/p/pod.yaml", POD),
    ("/p/a.json", "{\"a\": [1, 2.5, null]}"),
    ("/p/lib", "x = 1\ndef f(a, *b, **c): return [a, b, c]\n"),
    ("/p/tilt_config.json", "{\"a\": \"b\"}"),
    ("/p/compose.yml", "services: {web: {image: a, ports: ['1:2'], depends_on: [db]}, db: {image: b}}\n"),
];

impl Host for World<'_> {
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path == Path::new("/p/Tiltfile") {
            return Ok(self.tiltfile.as_bytes().to_vec());
        }
        let found = FILES.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn kind(&self, path: &Path) -> Option<FileKind> {
        match path.to_str() {
            Some("/" | "/p") => Some(FileKind::Directory),
            _ => self.read_file(path).is_ok().then_some(FileKind::File),
        }
    }
    fn list_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        if path != Path::new("/p") {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names = FILES.iter().map(|(name, _)| name.trim_start_matches("/p/").to_owned());
        Ok(names.map(|name| DirEntry { name, is_dir: false }).collect())
    }
    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }
    fn environ(&self) -> Vec<(String, String)> {
        vec![("HOME".to_owned(), "/home".to_owned())]
    }
    fn local(&self, command: &LocalCommand) -> io::Result<LocalOutput> {
        Ok(LocalOutput { stdout: command.argv.join(" ").into_bytes(), ..LocalOutput::default() })
    }
    fn kustomize(&self, _: &KustomizeRequest) -> Result<Rendered, HostError> {
        Ok(Rendered { yaml: POD.to_owned(), files_read: Vec::new() })
    }
    fn helm(&self, _: &HelmRequest) -> Result<Rendered, HostError> {
        Ok(Rendered { yaml: POD.to_owned(), files_read: Vec::new() })
    }
    fn current_context(&self) -> Option<KubeContext> {
        Some(KubeContext { name: "c".to_owned(), namespace: "default".to_owned(), is_local: true })
    }
    fn print(&self, _: Level, _: &str) {}
}

/// Every text is checked and evaluated without a panic, in bounded time.
pub fn tiltfile(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let limits = Limits { steps: 20_000, heap_bytes: 64 << 20, call_depth: 200, ..Limits::default() };
    let settings = Settings { limits, subcommand: "up".to_owned(), ..Settings::default() };
    let run = || {
        let report = tiltfile::check(&World { tiltfile: &text }, Path::new("/p/Tiltfile"), &settings);
        for position in report.diagnostics.iter().filter_map(|d| d.position.as_ref()) {
            assert!(position.line >= 1 && position.column >= 1, "{position}");
        }
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(tiltfile::STACK_BYTES).spawn_scoped(scope, run);
        thread.expect("a thread starts").join().expect("no text makes it panic");
    });
}
