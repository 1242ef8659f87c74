//! The cases of `conformance/tiltfile`, where that folder exists: what Tilt 0.37.6 makes of each.
//!
//! `tests/conformance-known.txt` lists every case that differs, as `NAME: REASON`. A case that differs and is not in
//! the list fails the test, and so does one that is in it and agrees. `CASE=regex` shows single cases, and
//! `TILTFILE_CONFORMANCE=FOLDER` takes the cases from elsewhere.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use support::DiskHost;
use tiltfile::ignore::IgnoreSet;
use tiltfile::plan::{Ignore, ImageKind};
use tiltfile::{Evaluation, Plan, Resource, Settings, evaluate, kube_context, neutral};

/// Keys that must be printed, by the level that they are at.
const REQUIRED: [(&str, &[&str]); 3] = [
    ("", &["resources", "warnings", "enabled_resources", "config_files"]),
    (
        "resource",
        &["name", "kind", "labels", "resource_deps", "trigger_mode", "auto_init", "links", "image_targets"],
    ),
    ("image", &["ref", "build", "live_update"]),
];

fn folder() -> Option<PathBuf> {
    let folder = match std::env::var_os("TILTFILE_CONFORMANCE") {
        Some(folder) => PathBuf::from(folder).join("cases"),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/tiltfile/cases"),
    };
    folder.is_dir().then(|| folder.canonicalize().unwrap())
}

fn known() -> BTreeMap<String, String> {
    include_str!("conformance-known.txt")
        .lines()
        .filter(|l| !l.starts_with('#') && !l.trim().is_empty())
        .map(|l| l.split_once(": ").expect("NAME: REASON"))
        .map(|(name, reason)| (name.to_owned(), reason.to_owned()))
        .collect()
}

#[test]
fn cases() {
    let Some(folder) = folder() else {
        eprintln!("skipped: no conformance folder beside the project");
        return;
    };
    let wanted = std::env::var("CASE").ok().map(|c| regex::Regex::new(&c).unwrap());
    let mut names: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    let known = known();
    let (mut agree, mut surprises) = (0, Vec::new());
    for dir in names {
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        if wanted.as_ref().is_some_and(|w| !w.is_match(&name)) {
            continue;
        }
        match (run_case(&dir), known.get(&name)) {
            (Ok(()), None) => agree += 1,
            (Err(_), Some(_)) => {}
            (Ok(()), Some(reason)) if reason.starts_with("depends on the machine") => agree += 1,
            (Ok(()), Some(_)) => surprises.push(format!("{name}: agrees now; take it out of the list")),
            (Err(why), None) => surprises.push(format!("{name}: {why}")),
        }
    }
    eprintln!("{agree} agree, {} are known to differ", known.len());
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

fn run_case(dir: &Path) -> Result<(), String> {
    let case: Value = serde_json::from_str(&fs::read_to_string(dir.join("case.json")).unwrap()).unwrap();
    let want: Value = serde_json::from_str(&fs::read_to_string(dir.join("expected.json")).unwrap()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    // Compose names a project after its folder; where the expectations were made it was this
    let root = scratch.path().canonicalize().unwrap().join("root");
    lay_out(&case, dir, &root);
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mut env: Vec<(String, String)> = std::env::vars().filter(|(k, _)| k == "PATH").collect();
    env.push(("HOME".to_owned(), scratch.path().display().to_string()));
    env.push(("TMPDIR".to_owned(), "$TMP".to_owned()));
    for (key, value) in case["env"].as_object().into_iter().flatten() {
        env.push((key.clone(), text(value)));
    }
    let kubeconfig = fs::read_to_string(dir.join("kubeconfig")).unwrap_or_default();
    let host = DiskHost { env, context: kube_context(&kubeconfig, None) };
    let settings = Settings {
        args: case["args"].as_array().into_iter().flatten().map(text).collect(),
        subcommand: "up".to_owned(),
        ..Settings::default()
    };
    let tiltfile = root.join(case["tiltfile"].as_str().unwrap_or("Tiltfile"));
    let evaluation = evaluate(&host, &tiltfile, &settings);
    judge(&case, &want, &evaluation, &root.display().to_string())?;
    let mut checks = case["extra_checks"].as_array().into_iter().flatten();
    checks.try_for_each(|check| extra(check, &evaluation, &root).map_err(|e| format!("{check}: {e}")))
}

/// What `expected.json` cannot say.
fn extra(check: &Value, evaluation: &Evaluation, root: &Path) -> Result<(), String> {
    let plan = &evaluation.plan;
    let resource = || {
        let name = check["resource"].as_str().unwrap();
        plan.resource(name).ok_or_else(|| format!("no resource {name}"))
    };
    match check["kind"].as_str().unwrap() {
        "path_filter" => {
            let resource = resource()?;
            let path = root.join(check["path"].as_str().unwrap());
            let ignores = match check["filter"].as_str().unwrap() {
                "build_context" => context_ignores(plan, resource),
                _ => change_ignores(plan, resource),
            };
            let ignored = IgnoreSet::new(ignores).is_ignored(&path);
            if check["ignored"] == ignored { Ok(()) } else { Err(format!("ignored: {ignored}")) }
        }
        "published_ports" => {
            let compose = resource()?.compose().ok_or("no service of Compose")?;
            let ports = serde_json::to_value(&compose.published_ports).unwrap();
            if check["ports"] == ports { Ok(()) } else { Err(ports.to_string()) }
        }
        "config_files_on_error" => {
            let mut want: Vec<PathBuf> =
                check["paths"].as_array().unwrap().iter().map(|p| root.join(p.as_str().unwrap())).collect();
            want.sort();
            let got: Vec<PathBuf> = evaluation.files_read.iter().cloned().collect();
            if want == got { Ok(()) } else { Err(format!("{got:?}")) }
        }
        "go_value" => {
            let settings = &plan.settings;
            let first = plan.images.first().map(|i| &i.kind);
            let got = match check["path"].as_str().unwrap() {
                "result.CISettings.K8sGracePeriod.Duration" => {
                    Value::from(settings.ci.k8s_grace_period_ms * 1_000_000)
                }
                "result.UpdateSettings.K8sUpsertTimeout()" => {
                    Value::from(settings.k8s_upsert_timeout_secs * 1_000_000_000)
                }
                "result.UpdateSettings.MaxParallelUpdates()" => Value::from(settings.max_parallel_updates),
                _ => match first {
                    // SkipsPush
                    Some(ImageKind::Custom(c)) => Value::from(c.disable_push || c.skips_local_docker),
                    _ => Value::Null,
                },
            };
            let want = match check["op"].as_str().unwrap() {
                "True" => Value::from(true),
                "False" => Value::from(false),
                _ => check["value"].clone(),
            };
            if got == want { Ok(()) } else { Err(got.to_string()) }
        }
        // how names are rewritten for a registry is the dev loop's business
        _ => Ok(()),
    }
}

fn context_ignores<'p>(plan: &'p Plan, resource: &Resource) -> Vec<&'p Ignore> {
    let images = resource.images().iter().map(|i| &plan.images[*i].kind);
    let docker = images.filter_map(|kind| match kind {
        ImageKind::Docker(d) => Some(&d.context_ignores),
        ImageKind::Custom(_) => None,
    });
    docker.flatten().collect()
}

fn change_ignores<'p>(plan: &'p Plan, resource: &'p Resource) -> Vec<&'p Ignore> {
    let mut ignores: Vec<&Ignore> = resource.images().iter().flat_map(|i| &plan.images[*i].ignores).collect();
    ignores.extend(resource.local().iter().flat_map(|l| &l.ignores));
    ignores.extend(resource.compose().iter().flat_map(|c| &c.ignores));
    ignores.extend(&plan.settings.watch_ignores);
    ignores
}

fn lay_out(case: &Value, dir: &Path, root: &Path) {
    copy(&dir.join("files"), root);
    for made in case["mkdirs"].as_array().into_iter().flatten() {
        fs::create_dir_all(root.join(made.as_str().unwrap())).unwrap();
    }
    for (name, target) in case["symlinks"].as_object().into_iter().flatten() {
        std::os::unix::fs::symlink(target.as_str().unwrap(), root.join(name)).ok();
    }
    for file in case["executable"].as_array().into_iter().flatten() {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(root.join(file.as_str().unwrap()), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for file in case["root_templated"].as_array().into_iter().flatten() {
        let path = root.join(file.as_str().unwrap());
        let text = fs::read_to_string(&path).unwrap();
        let real = root.display().to_string();
        fs::write(&path, text.replace("/__ROOT__", &real).replace("$ROOT", &real)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let Ok(entries) = fs::read_dir(from) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn judge(case: &Value, want: &Value, evaluation: &Evaluation, root: &str) -> Result<(), String> {
    if case["expect"] == "error" {
        let Some(error) = &evaluation.error else {
            return Err("succeeded, an error was expected".to_owned());
        };
        let text = error.to_string().replace(root, "$ROOT");
        let whole = want["error"].as_str().unwrap_or_default().trim();
        return if text.trim() == whole { Ok(()) } else { Err(format!("\nwant {whole:?}\ngot  {text:?}")) };
    }
    if let Some(error) = &evaluation.error {
        return Err(format!("failed: {error}"));
    }
    said(want, evaluation, root)?;
    let got = neutral::evaluation(evaluation).to_string().replace(root, "$ROOT");
    let got: Value = serde_json::from_str(&got).unwrap();
    difference(want, &got, "")
}

/// What was printed, line by line.
fn said(want: &Value, evaluation: &Evaluation, root: &str) -> Result<(), String> {
    let got: Vec<String> = evaluation.output.lines().map(|l| l.replace(root, "$ROOT")).collect();
    let lines = |key: &str| want[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let warnings: Vec<&str> = lines("warnings").flat_map(str::lines).collect();
    // kustomizations are rendered in-process
    let want: Vec<&str> =
        lines("log").filter(|l| !warnings.contains(l) && !l.starts_with("Running: kustomize")).collect();
    if got == want { Ok(()) } else { Err(format!("\nsaid {got:?}\nwant {want:?}")) }
}

fn level(path: &str) -> &'static str {
    let nested = path.strip_prefix(".resources[").and_then(|p| p.split_once(']')).map(|(_, rest)| rest);
    match nested {
        None if path.is_empty() => "",
        Some("") => "resource",
        Some(rest)
            if rest.starts_with(".image_targets[")
                && rest.matches('.').count() == 1
                && rest.ends_with(']') =>
        {
            "image"
        }
        _ => "other",
    }
}

fn difference(want: &Value, got: &Value, path: &str) -> Result<(), String> {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            let (_, required) = REQUIRED.iter().find(|(l, _)| *l == level(path)).unwrap_or(&("", &[]));
            if let Some(missing) = required.iter().find(|k| !got.contains_key(**k)) {
                return Err(format!("{path}.{missing}: not printed"));
            }
            for (key, value) in got {
                if let Some(expected) = want.get(key) {
                    difference(expected, value, &format!("{path}.{key}"))?;
                }
            }
            Ok(())
        }
        (Value::Array(want), Value::Array(got)) => {
            let (mut want, mut got) = (want.clone(), got.clone());
            if path.ends_with("config_files") {
                want.sort_by_key(Value::to_string);
                got.sort_by_key(Value::to_string);
            }
            if want.len() != got.len() {
                return Err(format!("{path}: want {} got {}", Value::from(want), Value::from(got)));
            }
            want.iter()
                .zip(&got)
                .enumerate()
                .try_for_each(|(i, (w, g))| difference(w, g, &format!("{path}[{i}]")))
        }
        _ if want == got => Ok(()),
        _ => Err(format!("{path}: want {want} got {got}")),
    }
}
