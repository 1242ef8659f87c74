//! The cases of `conformance/tiltfile`, where that folder exists: what Tilt 0.37.6 makes of each.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use support::DiskHost;
use tiltfile::plan::{self, Dependency, ImageKind, ResourceKind, Step, TriggerMode};
use tiltfile::{Evaluation, KubeContext, Settings, evaluate};

/// Cases that agree today. Raise it with what is built; it must never fall.
const AGREE_AT_LEAST: usize = 372;

fn folder() -> Option<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = manifest.join("../../../shared/conformance/tiltfile/cases");
    folder.is_dir().then(|| folder.canonicalize().unwrap())
}

#[test]
fn cases() {
    let Some(folder) = folder() else {
        eprintln!("skipped: no conformance folder beside the project");
        return;
    };
    let mut names: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    let (mut agree, mut differ) = (0, BTreeMap::new());
    for dir in names {
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        match run_case(&dir) {
            Ok(()) => agree += 1,
            Err(why) => {
                differ.insert(name, why);
            }
        }
    }
    if std::env::var_os("CORACLE_CONFORMANCE").is_some() {
        for (name, why) in &differ {
            eprintln!("{name}: {why}");
        }
    }
    eprintln!("{agree} agree, {} differ", differ.len());
    assert!(agree >= AGREE_AT_LEAST, "only {agree} cases agree, {AGREE_AT_LEAST} did before");
}

fn run_case(dir: &Path) -> Result<(), String> {
    let case: Value = serde_json::from_str(&fs::read_to_string(dir.join("case.json")).unwrap()).unwrap();
    let want: Value = serde_json::from_str(&fs::read_to_string(dir.join("expected.json")).unwrap()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().canonicalize().unwrap().join("p");
    lay_out(&case, dir, &root);
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mut env: Vec<(String, String)> = std::env::vars().filter(|(k, _)| k == "PATH").collect();
    env.push(("HOME".to_owned(), scratch.path().display().to_string()));
    for (key, value) in case["env"].as_object().into_iter().flatten() {
        env.push((key.clone(), text(value)));
    }
    let cluster = text(&case["kube"]["cluster"]);
    const LOCAL: [&str; 6] = ["docker-desktop", "kind", "k3d-", "minikube", "microk8s", "rancher-desktop"];
    let host = DiskHost {
        env,
        context: Some(KubeContext {
            name: text(&case["kube"]["context"]),
            namespace: text(&case["kube"]["namespace"]),
            is_local: LOCAL.iter().any(|l| cluster.starts_with(l)),
        }),
    };
    let settings = Settings {
        args: case["args"].as_array().into_iter().flatten().map(text).collect(),
        subcommand: "up".to_owned(),
        ..Settings::default()
    };
    let tiltfile = root.join(case["tiltfile"].as_str().unwrap_or("Tiltfile"));
    let evaluation = evaluate(&host, &tiltfile, &settings);
    judge(&case, &want, &evaluation, &root.display().to_string())
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
        let mut needed: Vec<String> = case["error_contains"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|n| n.as_str().unwrap().replace("/__ROOT__", "$ROOT"))
            .collect();
        if needed.is_empty() {
            let whole = want["error"].as_str().unwrap_or_default().trim();
            needed.push(whole.lines().last().unwrap_or_default().to_owned());
        }
        return match needed.iter().find(|n| !text.contains(n.as_str())) {
            Some(missing) => Err(format!("error lacks {missing:?}: {text:?}")),
            None => Ok(()),
        };
    }
    if let Some(error) = &evaluation.error {
        return Err(format!("failed: {error}"));
    }
    let got: Value = serde_json::from_str(&neutral(evaluation).to_string().replace(root, "$ROOT")).unwrap();
    difference(want, &got, "")
}

fn difference(want: &Value, got: &Value, path: &str) -> Result<(), String> {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
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

// ---- the neutral form ----

fn neutral(e: &Evaluation) -> Value {
    json!({
        "warnings": e.warnings.iter().map(|w| w.message.clone()).collect::<Vec<_>>(),
        "resources": e.plan.resources.iter().map(|r| resource(e, r)).collect::<Vec<_>>(),
        "enabled_resources": e.plan.enabled,
        "config_files": e.files_read,
        "settings": settings(&e.plan.settings),
    })
}

fn resource(e: &Evaluation, r: &tiltfile::Resource) -> Value {
    let deps: Vec<&str> = r
        .resource_deps
        .iter()
        .filter_map(|d| match d {
            Dependency::Resource(name) => Some(name.as_str()),
            Dependency::Object { .. } => None,
        })
        .collect();
    let mut out = json!({
        "name": r.name,
        "labels": r.labels,
        "resource_deps": deps,
        "trigger_mode": if r.trigger_mode == TriggerMode::Auto { "auto" } else { "manual" },
        "auto_init": r.auto_init,
        "links": r.links.iter().map(|l| json!({"url": l.url, "name": l.name})).collect::<Vec<_>>(),
        "image_targets": [],
    });
    match &r.kind {
        ResourceKind::K8s(k) | ResourceKind::Uncategorized(k) => {
            out["kind"] = json!("k8s");
            out["image_targets"] = k.images.iter().map(|i| image(e, &e.plan.images[*i])).collect();
            out["k8s"] = json!({
                "objects": k.objects.iter().map(|o| json!({
                    "api_version": o["apiVersion"], "kind": o["kind"], "name": o["metadata"]["name"],
                    "namespace": o["metadata"].get("namespace").cloned().unwrap_or(json!("")),
                })).collect::<Vec<_>>(),
                "pod_readiness": k.pod_readiness,
                "port_forwards": k.port_forwards.iter().map(|f| json!({"local_port": f.local, "container_port": f.container,
                    "host": if f.host.is_empty() { "localhost" } else { &f.host }, "name": f.name, "path": f.path})).collect::<Vec<_>>(),
                "extra_pod_selectors": k.extra_pod_selectors.iter().map(|s| json!({"match_labels": s})).collect::<Vec<_>>(),
                "discovery_strategy": k.discovery_strategy,
            });
        }
        ResourceKind::Local(l) => {
            out["kind"] = json!("local");
            out["local"] = json!({
                "update_cmd": l.cmd.as_ref().map(command),
                "serve_cmd": l.serve_cmd.as_ref().map(command),
                "deps": l.deps,
                "allow_parallel": l.allow_parallel,
            });
        }
    }
    out
}

fn command(c: &plan::Command) -> Value {
    json!({"args": c.argv, "dir": c.dir, "env": c.env.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>()})
}

fn image(e: &Evaluation, i: &plan::ImageBuild) -> Value {
    let reference = tiltfile::ImageRef::parse(&i.reference).unwrap().familiar();
    let mut out = json!({
        "ref": reference,
        "match_exact": i.match_exact,
        "match_in_env_vars": i.match_in_env_vars,
        "entrypoint": i.entrypoint,
        "container_args": i.container_args,
        "image_deps": i.image_deps.iter().map(|d| e.plan.images[*d].reference.replace('/', "_")).collect::<Vec<_>>(),
        "live_update": i.live_update.as_ref().map(live_update),
    });
    match &i.kind {
        ImageKind::Docker(d) => {
            out["build"] = json!("docker");
            out["docker"] = json!({
                "context": d.context, "dockerfile_contents": d.dockerfile.contents,
                "build_args": d.build_args.iter().map(|(k, v)| match v {
                    Some(v) => format!("{k}={v}"),
                    None => k.clone(),
                }).collect::<Vec<_>>(),
                "target": d.target, "network": d.network, "pull": d.pull, "cache_from": d.cache_from,
                "platform": d.platform, "extra_tags": d.extra_tags, "extra_hosts": d.extra_hosts, "ssh": d.ssh, "secret": d.secret,
            });
        }
        ImageKind::Custom(c) => {
            out["build"] = json!("custom");
            out["live_update_only"] = json!(c.live_update_only);
            out["custom"] = json!({"args": c.command.argv, "dir": c.command.dir,
                "env": c.command.env.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(),
                "deps": c.deps, "tag": c.tag});
        }
    }
    out
}

fn live_update(l: &plan::LiveUpdate) -> Value {
    let (mut syncs, mut execs, mut stops, mut initial) = (vec![], vec![], vec![], false);
    for step in &l.steps {
        match step {
            Step::InitialSync => initial = true,
            Step::FallBackOn(paths) => stops.extend(paths.iter().map(|p| json!(p))),
            Step::Sync { local, container, .. } => syncs.push((local.clone(), container.clone())),
            Step::Run { argv, echo_off, .. } => execs.push(json!({"args": argv, "echo_off": echo_off})),
            Step::RestartContainer => {}
        }
    }
    let _ = stops;
    json!({
        "syncs": syncs.iter().map(|(_, c)| json!({"container_path": c})).collect::<Vec<_>>(),
        "execs": execs,
        "initial_sync": initial,
    })
}

fn settings(s: &plan::PlanSettings) -> Value {
    let mut out = Map::new();
    out.insert("team_id".to_owned(), json!(s.team_id));
    out.insert(
        "update".to_owned(),
        json!({"suppress_unused_image_warnings": s.suppress_unused_image_warnings}),
    );
    out.insert("docker_prune".to_owned(), json!(s.docker_prune));
    out.insert("version".to_owned(), json!(s.version));
    Value::Object(out)
}
