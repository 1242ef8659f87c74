//! Whole projects of the kinds that teams have, and the plans that their Tiltfiles make.
//!
//! `projects/NAME.project` holds the files of one (`-- path` lines start a file; the first lines may be `# args: …`,
//! `# env: A=b`, `# context: NAME` (one that may be production), `# subcommand: ci`), `projects/NAME.plan` the plan: the
//! neutral form without all that is empty or as in a project without a Tiltfile. `UPDATE_EXPECT=1` writes it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};
use support::DiskHost;
use tiltfile::{
    DirEntry, FileKind, HelmRequest, Host, HostError, KubeContext, KustomizeRequest, Level, LocalCommand,
    LocalOutput, Rendered, RepoRequest, Settings, evaluate, neutral,
};

/// Real files and commands, charts that are rendered already, and extension repositories that lie in the project.
struct ProjectHost {
    disk: DiskHost,
    root: PathBuf,
}

impl Host for ProjectHost {
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.read_file(path)
    }
    fn kind(&self, path: &Path) -> Option<FileKind> {
        self.disk.kind(path)
    }
    fn list_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.list_dir(path)
    }
    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.disk.canonical(path)
    }
    fn environ(&self) -> Vec<(String, String)> {
        self.disk.environ()
    }
    fn local(&self, command: &LocalCommand) -> io::Result<LocalOutput> {
        self.disk.local(command)
    }
    fn kustomize(&self, request: &KustomizeRequest) -> Result<Rendered, HostError> {
        self.disk.kustomize(request)
    }
    fn helm(&self, r: &HelmRequest) -> Result<Rendered, HostError> {
        let file = r.chart.join("rendered.yaml");
        let text = fs::read_to_string(&file).map_err(|e| HostError { message: e.to_string(), hint: None })?;
        let text = text
            .replace("RELEASE", &r.name)
            .replace("NAMESPACE", r.namespace.as_deref().unwrap_or("default"))
            .replace("SET", &r.set.join(" "));
        Ok(Rendered {
            yaml: text,
            files_read: [std::slice::from_ref(&r.chart), r.values.as_slice()].concat(),
        })
    }
    fn extension_repo(&self, request: &RepoRequest) -> Result<PathBuf, HostError> {
        let name = request.url.rsplit('/').next().unwrap_or_default();
        let version = request.reference.as_ref().map(|r| format!("@{r}")).unwrap_or_default();
        Ok(self.root.join(".repos").join(format!("{name}{version}")))
    }
    fn current_context(&self) -> Option<KubeContext> {
        self.disk.current_context()
    }
    fn print(&self, _: Level, _: &str) {}
}

/// The first lines of a project.
#[derive(Default)]
struct Header {
    args: Vec<String>,
    env: Vec<(String, String)>,
    context: Option<String>,
    subcommand: Option<String>,
}

fn write_files(text: &str, root: &Path) -> Header {
    let (mut header, mut file): (Header, Option<PathBuf>) = Default::default();
    let mut content = String::new();
    let save = |file: &Option<PathBuf>, content: &mut String| {
        let Some(path) = file else { return };
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, std::mem::take(content)).unwrap();
    };
    for line in text.lines() {
        match (line.strip_prefix("-- "), &file) {
            (Some(path), _) => {
                save(&file, &mut content);
                file = Some(root.join(path));
            }
            (None, None) => match line.strip_prefix("# ").and_then(|l| l.split_once(": ")) {
                Some(("args", args)) => header.args = args.split(' ').map(str::to_owned).collect(),
                Some(("env", pair)) => {
                    let (name, value) = pair.split_once('=').unwrap();
                    header.env.push((name.to_owned(), value.to_owned()));
                }
                Some(("context", name)) => header.context = Some(name.to_owned()),
                Some(("subcommand", name)) => header.subcommand = Some(name.to_owned()),
                _ => {}
            },
            (None, Some(_)) => {
                content.push_str(line);
                content.push('\n');
            }
        }
    }
    save(&file, &mut content);
    header
}

fn result(text: &str) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let header = write_files(text, &root);
    let path = std::env::var("PATH").unwrap_or_default();
    let mut env = vec![("PATH".to_owned(), path), ("HOME".to_owned(), "/home/me".to_owned())];
    env.extend(header.env);
    let context = KubeContext {
        is_local: header.context.is_none(),
        name: header.context.unwrap_or_else(|| "k3d-dev".to_owned()),
        namespace: "default".to_owned(),
    };
    let host = ProjectHost { disk: DiskHost { env, context: Some(context) }, root: root.clone() };
    let settings = Settings {
        args: header.args,
        subcommand: header.subcommand.unwrap_or_else(|| "up".to_owned()),
        executable: "/bin/coracle".to_owned(),
        ..Settings::default()
    };
    let e = evaluate(&host, &root.join("Tiltfile"), &settings);
    let text = neutral::evaluation(&e).to_string().replace(root.to_str().unwrap(), "$ROOT");
    (serde_json::from_str(&text).unwrap(), e.output.replace(root.to_str().unwrap(), "$ROOT"))
}

/// Without all that is empty, or as in `usual`.
fn told(value: &Value, usual: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map.iter().filter(|(key, value)| usual.get(key) != Some(value));
            let fields = fields.map(|(key, value)| (key.clone(), told(value, &usual[key])));
            Value::Object(fields.filter(|(_, value)| !is_empty(value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|i| told(i, &Value::Null)).collect()),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::String(s) => s.is_empty(),
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
        Value::Number(n) => n.as_i64() == Some(0),
    }
}

/// What fits into a line stands in one.
fn shown(key: &str, value: &Value, indent: usize, out: &mut String) {
    let space = "  ".repeat(indent);
    let one_line = value.to_string();
    match value {
        Value::String(text) if text.contains('\n') => {
            writeln!(out, "{space}{key}: |").unwrap();
            // scripts of extensions are long
            let count = text.lines().count();
            text.lines().take(16).for_each(|line| writeln!(out, "{space}  {line}").unwrap());
            if count > 16 {
                writeln!(out, "{space}  ({} lines more)", count - 16).unwrap();
            }
        }
        Value::String(text) => writeln!(out, "{space}{key}: {text}").unwrap(),
        Value::Object(map) if one_line.len() + space.len() > 100 => {
            writeln!(out, "{space}{key}:").unwrap();
            map.iter().for_each(|(k, v)| shown(k, v, indent + 1, out));
        }
        Value::Array(items) if one_line.len() + space.len() > 100 => {
            writeln!(out, "{space}{key}:").unwrap();
            items.iter().for_each(|i| shown("-", i, indent + 1, out));
        }
        _ => writeln!(out, "{space}{key}: {one_line}").unwrap(),
    }
}

fn plan(text: &str) -> String {
    let usual = result("-- Tiltfile\n").0;
    let (value, output) = result(text);
    let mut out = String::new();
    let enabled_resources = value.get("enabled_resources").cloned();
    let mut value = told(&value, &usual);
    let parts = value.as_object_mut().unwrap();
    parts.shift_remove("enabled_resources");
    let resources = parts.shift_remove("resources").unwrap_or_default();
    let names: Vec<&str> =
        resources.as_array().into_iter().flatten().filter_map(|r| r["name"].as_str()).collect();
    let enabled = enabled_resources;
    if let Some(enabled) = enabled
        && enabled.as_array().unwrap().iter().filter_map(Value::as_str).ne(names)
    {
        let text = if is_empty(&enabled) { "none".into() } else { enabled };
        parts.insert("enabled_resources".to_owned(), text);
    }
    parts.insert("output".to_owned(), Value::String(output));
    let files = parts.shift_remove("config_files").unwrap_or_default();
    let files = files.as_array().cloned().unwrap_or_default();
    let files: Vec<&str> =
        files.iter().filter_map(Value::as_str).map(|f| f.trim_start_matches("$ROOT/")).collect();
    parts.insert("config_files".to_owned(), Value::String(files.join(" ")));
    for (key, part) in parts.iter().filter(|(_, part)| !is_empty(part)) {
        shown(key, part, 0, &mut out);
    }
    for resource in resources.as_array().into_iter().flatten() {
        let mut fields: Map<String, Value> = resource.as_object().unwrap().clone();
        let name = fields.shift_remove("name").unwrap();
        writeln!(out, "\n{}", name.as_str().unwrap()).unwrap();
        // the text of Dockerfiles is long
        fields.iter().for_each(|(key, part)| shown(key, part, 1, &mut out));
    }
    out
}

#[test]
fn plans() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects");
    let wanted = std::env::var("PROJECT").ok();
    let mut projects: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    projects.retain(|p| p.extension().is_some_and(|e| e == "project"));
    projects.retain(|p| wanted.as_ref().is_none_or(|w| p.file_stem().unwrap() == w.as_str()));
    projects.sort();
    let mut count = 0;
    for project in projects {
        let text = plan(&fs::read_to_string(&project).unwrap());
        expect_test::expect_file![project.with_extension("plan")].assert_eq(&text);
        count += 1;
    }
    assert!(wanted.is_some() || count >= 20, "{count} projects");
}
