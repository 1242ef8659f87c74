//! Files and commands: `local`, `read_file`, `listdir`, `kustomize`, `helm`, …

use crate::call::{Call, Failure, Result, absolute, fail, go_quote, go_type};
use crate::env::io_text;
use crate::host::{HelmRequest, HostError, KustomizeRequest, LocalCommand, LocalOutput};
use crate::limits::check_interrupted;
use crate::manifest;
use crate::values::{Blob, GitRepo};
use crate::{Commands, FileKind, Level};
use starlark::values::Value;
use starlark::values::list::AllocList;
use std::path::{Path, PathBuf};

pub(crate) fn local<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let env = call.env();
    let quiet = args.boolean("quiet", false)?;
    let echo_off = args.boolean("echo_off", false)?;
    env.check_context(true)?;
    let Some(command) = args.command("command", "dir", "env")? else {
        if !echo_off {
            env.say(Level::Info, "local: ");
        }
        fail!(
            "command \"\" failed.\nerror: empty cmd{}",
            if quiet { "\nstdout: \"\"\nstderr: \"\"" } else { "" }
        )
    };
    let stdin = match args.some("stdin") {
        None => None,
        Some(_) => Some(args.stringable("stdin")?.into_bytes()),
    };
    let mut variables: Vec<(String, Option<String>)> =
        env.environ.with(|v| v.changed.clone()).into_iter().collect();
    variables.push(("TILT_HOST".to_owned(), Some(env.settings.web_host.clone())));
    variables.push(("TILT_PORT".to_owned(), Some(env.settings.web_port.to_string())));
    // a command that calls `tilt` must not report its use anywhere
    variables.push(("TILT_DISABLE_ANALYTICS".to_owned(), Some("1".to_owned())));
    variables.extend(command.env.iter().map(|(k, v)| (k.clone(), Some(v.clone()))));
    let shown = shown_command(&command.argv);
    if !echo_off {
        env.say(Level::Info, &format!("local: {shown}"));
    }
    let request =
        LocalCommand { argv: command.argv, dir: command.dir, env: variables, stdin, quiet, echo_off };
    if env.settings.commands == Commands::Skip {
        env.commands_skipped.set(env.commands_skipped.get() + 1);
        return Ok(call.alloc(Blob { text: "".into(), source: format!("local: {shown}") }));
    }
    let output = env.host.local(&request);
    check_interrupted(env)?;
    let (output, problem) = match output {
        Ok(output) if output.code == 0 => (output, None),
        Ok(output) => {
            let problem = format!("exit status {}", output.code);
            (output, Some(problem))
        }
        Err(e) => (LocalOutput::default(), Some(e.to_string())),
    };
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !quiet {
        for line in stdout.lines().chain(stderr.lines()) {
            env.say(Level::Info, &format!(" → {line}"));
        }
    }
    if let Some(problem) = problem {
        let mut text = format!("command {} failed.\nerror: {problem}", go_quote(&shown));
        // what was printed is not said again
        if quiet {
            text.push_str(&format!("\nstdout: {}\nstderr: {}", go_quote(&stdout), go_quote(&stderr)));
        }
        return Err(Failure::new(text));
    }
    if !quiet && !echo_off && stdout.is_empty() && stderr.is_empty() {
        env.say(Level::Info, " → [no output]");
    }
    Ok(call.alloc(Blob { text: stdout.into(), source: format!("local: {shown}") }))
}

/// The command as the user wrote it.
pub(super) fn shown_command(argv: &[String]) -> String {
    match argv {
        [sh, c, script] if sh == "sh" && c == "-c" && !script.contains('\n') => script.clone(),
        _ => {
            let shown = |arg: &String| if arg.contains(' ') { go_quote(arg) } else { arg.clone() };
            argv.iter().map(shown).collect::<Vec<_>>().join(" ")
        }
    }
}

pub(crate) fn read_file<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let path = args.required_path("paths")?;
    let default = match args.some("default") {
        None => None,
        Some(v) => match v.unpack_str() {
            Some(text) => Some(text.to_owned()),
            None => {
                return Err(args
                    .wrong("default", format_args!("expected starlark.String or None, got {}", go_type(v))));
            }
        },
    };
    let text = match (call.env().read(&path), default) {
        (Ok(text), _) => text,
        (Err(e), Some(default)) if e.kind() == std::io::ErrorKind::NotFound => default,
        (Err(e), _) => return Err(Failure::new(io_text("open", &path, &e))),
    };
    Ok(call.alloc(Blob { text: text.into(), source: format!("file: {}", path.display()) }))
}

pub(crate) fn watch_file<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    for item in args.one_or_many(args.get("paths").expect("it is required")) {
        call.env().reads(args.path_of(item).map_err(|e| args.wrong("paths", e))?);
    }
    call.none()
}

pub(crate) fn listdir<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let dir = args.required_path("dir")?;
    let recursive = args.boolean("recursive", false)?;
    if recursive {
        call.env().reads(dir.clone());
    }
    let mut found = Vec::new();
    match list(call, &dir, recursive, &mut found) {
        Ok(()) => {}
        // as in Tilt: many Tiltfiles include what lies in a directory of the user's own, which may not exist
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => found.clear(),
        Err(e) => return Err(Failure::new(io_text("open", &dir, &e))),
    }
    found.sort();
    Ok(call.alloc(AllocList(found.into_iter().map(|p| p.to_string_lossy().into_owned()))))
}

fn list(
    call: &Call<'_, '_, '_, '_>,
    dir: &Path,
    recursive: bool,
    out: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    for entry in call.env().host.list_dir(dir)? {
        let path = dir.join(&entry.name);
        if !entry.is_dir {
            out.push(path);
        } else if recursive {
            list(call, &path, recursive, out)?;
        }
    }
    Ok(())
}

pub(crate) fn blob<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let source = "Tiltfile blob() call".to_owned();
    let value = args.get("input").expect("it is required");
    match value.unpack_str() {
        Some(text) => Ok(call.alloc(Blob { text: text.into(), source })),
        None => Err(args.wrong("input", format_args!("got {}, want string", value.get_type()))),
    }
}

pub(crate) fn local_git_repo<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let path = absolute(&args.dir, &args.text("paths")?);
    let env = call.env();
    if env.host.kind(&path).is_none() {
        let shown = path.display();
        fail!("Reading paths {shown}: stat {shown}: no such file or directory");
    }
    if env.host.kind(&path.join(".git")) != Some(FileKind::Directory) {
        fail!("{} isn't a valid git repo: it doesn't have a .git/ directory", path.display());
    }
    Ok(call.alloc(GitRepo { path }))
}

fn host_failure(e: HostError) -> Failure {
    Failure { hint: e.hint, ..Failure::new(e.message) }
}

pub(crate) fn kustomize<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let dir = args.required_path("paths")?;
    args.path("kustomize_bin")?;
    let program = args.text("kustomize_bin")?;
    let request = KustomizeRequest {
        dir: dir.clone(),
        flags: args.string_list("flags")?,
        program: (!program.is_empty()).then_some(program),
    };
    let env = call.env();
    let rendered = env.host.kustomize(&request);
    check_interrupted(env)?;
    let rendered = rendered.map_err(host_failure)?;
    for file in rendered.files_read {
        env.reads(file);
    }
    Ok(call.alloc(Blob { text: rendered.yaml.into(), source: format!("kustomize: {}", dir.display()) }))
}

pub(crate) fn helm<'v>(call: &mut Call<'v, '_, '_, '_>) -> Result<Value<'v>> {
    let args = call.args()?;
    let env = call.env();
    let chart = args.required_path("paths")?;
    let name = match args.text("name")? {
        name if name.is_empty() => "chart".to_owned(),
        name => name,
    };
    let namespace = args.text("namespace")?;
    let values = args.paths("values")?;
    let set = args.strings("set")?;
    let kube_version = args.text("kube_version")?;
    let skip_crds = args.boolean("skip_crds", false)?;
    let shown = go_quote(&chart.to_string_lossy());
    match env.host.kind(&chart) {
        None => fail!("Could not read Helm chart directory {shown}: does not exist"),
        Some(FileKind::Directory) if env.host.kind(&chart.join("Chart.yaml")).is_some() => {}
        Some(_) => fail!("helm() may only be called on directories with Chart.yaml: {shown}"),
    }
    env.reads(chart.clone());
    for file in &values {
        env.reads(file.clone());
    }
    let request = HelmRequest {
        chart: chart.clone(),
        name,
        namespace: (!namespace.is_empty()).then(|| namespace.clone()),
        values,
        set,
        kube_version: (!kube_version.is_empty()).then_some(kube_version),
        skip_crds,
    };
    let rendered = env.host.helm(&request);
    check_interrupted(env)?;
    let rendered = rendered.map_err(host_failure)?;
    let text = if namespace.is_empty() { rendered.yaml } else { with_namespace(&rendered.yaml, &namespace)? };
    Ok(call.alloc(Blob { text: text.into(), source: format!("helm: {}", chart.display()) }))
}

/// Charts often leave the namespace out of their objects.
fn with_namespace(text: &str, namespace: &str) -> Result<String> {
    let mut objects = manifest::parse_objects(text).map_err(Failure::new)?;
    for object in &mut objects {
        let id = manifest::Id::of(object);
        if id.namespace.is_empty()
            && !manifest::is_cluster_scoped(&id.kind)
            && let Some(metadata) = object.get_mut("metadata").and_then(|m| m.as_object_mut())
        {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
    }
    Ok(objects.iter().map(manifest::emit).collect::<Vec<_>>().join("---\n"))
}
