//! Each builtin at work, and each of its errors: the files in `tests/builtins`.
//!
//! A case begins with `=== TITLE`, then comes the Tiltfile and, after `-- PATH` lines, other files; after `--->` stands
//! what comes of it. `#! context NAME` makes that cluster the current one, and not one of this machine; `#! args …` are
//! arguments. `UPDATE_EXPECT=1` writes the results anew.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use expect_test::expect_file;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use support::MemoryHost;
use tiltfile::{Evaluation, KubeContext, Settings, catalog, evaluate, neutral};

/// Files that every case may use.
const COMMON: &str = "
-- Dockerfile
FROM scratch
-- web.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}}
-- map.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: map}
-- crd.yaml
apiVersion: example.com/v1
kind: Widget
metadata: {name: widget}
spec: {image: web}
";

struct Case {
    title: String,
    tiltfile: String,
    succeeded: bool,
}

fn evaluation(text: &str) -> Evaluation {
    let mut host = MemoryHost::new(&format!("{text}{COMMON}"));
    let mut args = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("#! context ") {
            host.context =
                Some(KubeContext { name: name.to_owned(), namespace: "team".to_owned(), is_local: false });
        }
        if let Some(line) = line.strip_prefix("#! args ") {
            args.extend(line.split_whitespace().map(str::to_owned));
        }
    }
    let settings = Settings {
        args,
        subcommand: "up".to_owned(),
        executable: "/bin/coracle".to_owned(),
        ..Settings::default()
    };
    evaluate(&host, Path::new("/p/Tiltfile"), &settings)
}

/// Without what is empty or false.
fn pruned(value: &Value) -> Option<Value> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::String(s) if s.is_empty() => None,
        Value::Array(items) => {
            let items: Vec<Value> = items.iter().filter_map(pruned).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(map) => {
            let map: Map<String, Value> =
                map.iter().filter_map(|(k, v)| Some((k.clone(), pruned(v)?))).collect();
            (!map.is_empty()).then_some(Value::Object(map))
        }
        other => Some(other.clone()),
    }
}

/// Settings that are not the usual ones.
fn changed(settings: &Value) -> Option<Value> {
    let usual = neutral::evaluation(&evaluation(""))["settings"].clone();
    let map = settings.as_object()?.iter().filter(|(k, v)| usual.get(*k) != Some(v));
    pruned(&Value::Object(map.map(|(k, v)| (k.clone(), v.clone())).collect()))
}

fn render(e: &Evaluation) -> String {
    let mut out = String::new();
    for line in e.output.lines() {
        writeln!(out, "| {line}").unwrap();
    }
    for warning in &e.warnings {
        writeln!(out, "warning: {}", warning.message).unwrap();
    }
    if let Some(error) = &e.error {
        writeln!(out, "{error}").unwrap();
        if let Some(hint) = &error.hint {
            writeln!(out, "hint: {hint}").unwrap();
        }
        return out;
    }
    let json = neutral::evaluation(e);
    for resource in json["resources"].as_array().into_iter().flatten() {
        writeln!(out, "{}", pruned(resource).unwrap_or_default()).unwrap();
    }
    if e.plan.enabled.len() != e.plan.resources.len() {
        writeln!(out, "enabled: {:?}", e.plan.enabled).unwrap();
    }
    for (what, value) in [("settings", changed(&json["settings"])), ("objects", pruned(&json["api_objects"]))]
    {
        if let Some(value) = value {
            writeln!(out, "{what}: {value}").unwrap();
        }
    }
    if !e.plan.settings.env.is_empty() {
        writeln!(out, "env: {:?}", e.plan.settings.env).unwrap();
    }
    out
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/builtins");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

/// The file with its results, and its cases.
fn run(text: &str) -> (String, Vec<Case>) {
    let (mut out, mut cases) = (String::new(), Vec::new());
    let mut parts = text.split("=== ");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (title, body) = part.split_once('\n').unwrap_or((part, ""));
        let tiltfile = body.split("--->\n").next().unwrap_or_default().trim_end();
        let e = evaluation(tiltfile);
        write!(out, "=== {title}\n{tiltfile}\n--->\n{}\n", render(&e)).unwrap();
        cases.push(Case {
            title: title.to_owned(),
            tiltfile: tiltfile.to_owned(),
            succeeded: e.error.is_none(),
        });
    }
    (format!("{}\n", out.trim_end()), cases)
}

#[test]
fn results() {
    let mut wrong = Vec::new();
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let (results, cases) = run(&text);
        for case in &cases {
            if case.title.starts_with("error: ") == case.succeeded {
                wrong.push(format!("{}: {}", file.display(), case.title));
            }
        }
        expect_file![file].assert_eq(&results);
    }
    assert_eq!(wrong, Vec::<String>::new(), "cases that should fail and do not, or the other way round");
}

/// Each builtin of the catalog is called in a case that succeeds, but for those that never do.
#[test]
fn every_builtin_is_called() {
    let mut good = String::new();
    for file in files() {
        let (_, cases) = run(&std::fs::read_to_string(&file).unwrap());
        cases.iter().filter(|c| c.succeeded).for_each(|c| good.push_str(&c.tiltfile));
    }
    let entries = catalog::SECTIONS.iter().flat_map(|s| s.entries);
    let missing: Vec<&str> =
        entries.map(|e| e.name).filter(|n| *n != "fail" && !good.contains(&format!("{n}("))).collect();
    assert_eq!(missing, Vec::<&str>::new(), "builtins without a case");
}
