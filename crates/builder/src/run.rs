//! RUN: a command in a container over the stage's layers.

use crate::BuildEvent;
use crate::build::{Build, blocking};
use crate::cache::{Key, Record};
use crate::copy::missing;
use crate::error::{Error, Result};
use crate::gather::{Place, Tree, digest, gather};
use crate::hints;
use crate::instruction::{in_shell, now};
use crate::output::Output;
use crate::owner::home;
use crate::place::{is_noise, lay_out};
use crate::runner::{Command, Ended, PREFIX};
use crate::state::{DEFAULT_PATH, State, absolute};
use dockerfile::{Ignore, Instruction, MountKind, PlannedStage, Run, RunMount};
use images::View;
use oci::Digest;
use runtime::{Mount, MountKind as HowMounted};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::sync::OwnedMutexGuard;

/// What the runtime mounts into every container.
const ALWAYS_MOUNTED: [&str; 3] = ["/proc", "/sys", "/dev"];
/// Files of the host that a step sees; what it writes there is not kept, as in Docker.
const HOST_FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
const SCRIPT: &str = "/run/coracle/script";

/// A mount with what is to be mounted.
struct Prepared {
    mount: RunMount,
    target: PathBuf,
    /// For a bind mount.
    trees: Vec<Tree>,
    content: Option<Digest>,
}

/// What a step holds while it runs.
struct Held {
    mounts: Vec<Mount>,
    _locks: Vec<OwnedMutexGuard<()>>,
    folder: TempDir,
}

impl Build {
    pub(crate) async fn run_step(
        &self,
        stage: &PlannedStage,
        state: &mut State,
        instruction: &Instruction,
        run: &Run,
    ) -> Result<bool> {
        let mounts = self.mounts(stage, state, instruction.line, run).await?;
        let (args, script) = command(state, run);
        let key = run_key(state, &args, script.as_deref(), &mounts);
        if let Some(record) = self.cached(&key) {
            state.apply(&record, &self.images, &instruction.text);
            return Ok(true);
        }
        self.has_worked();
        let held = self.hold(instruction.line, &mounts).await?;
        let stubs = stubs(&state.view(), &mounts);
        let ended = self.execute(state, instruction, args, script, &held).await?;
        let (images, view) = (self.images.clone(), state.view());
        let record = blocking(move || {
            clean(&ended.upper, &view, &stubs);
            if fs::read_dir(&ended.upper).is_ok_and(|mut entries| entries.next().is_none()) {
                return Ok(Record { layer: None, size: 0, created: now() });
            }
            let layer = images.adopt_layer(&ended.upper)?;
            drop(ended);
            Ok(Record { layer: Some(layer.diff_id), size: layer.size, created: now() })
        })
        .await?;
        self.remember(&key, &record)?;
        state.apply(&record, &self.images, &instruction.text);
        Ok(false)
    }

    /// Reads the mounts and gathers what bind mounts show.
    async fn mounts(
        &self,
        stage: &PlannedStage,
        state: &State,
        line: usize,
        run: &Run,
    ) -> Result<Vec<Prepared>> {
        let wanted = run
            .mounts(&|text| state.expand(text))
            .map_err(|reason| Error::Unsupported { line, what: format!("--mount: {reason}; this") })?;
        let mut prepared = Vec::new();
        for mount in wanted {
            if matches!(mount.kind, MountKind::Secret | MountKind::Ssh) {
                if mount.required {
                    let what = "a required secret or ssh mount (no secrets are given to builds)".to_owned();
                    return Err(Error::Unsupported { line, what });
                }
                // As in Docker: a secret that was not given is not mounted.
                continue;
            }
            let target = absolute(state.workdir(), &mount.target);
            let (mut trees, mut content) = (Vec::new(), None);
            if mount.kind == MountKind::Bind {
                let place = match &mount.from {
                    None => self.context.clone(),
                    Some(from) => {
                        let view = self.origin(stage, from, line).await?.view();
                        Place { view, ignore: Ignore::default(), keeps_owners: true }
                    }
                };
                let (source, memo) = (mount.source.clone(), self.memo.clone());
                (trees, content) = blocking(move || {
                    let fail = |found| missing(found, &source, line);
                    let trees = gather(&place, &source, &Ignore::default()).map_err(fail)?;
                    let content = digest(&trees, &place, &mut memo.lock()).map_err(fail)?;
                    Ok((trees, Some(content)))
                })
                .await?;
            } else if mount.from.is_some() {
                return Err(Error::Unsupported { line, what: "from= in a cache mount".into() });
            }
            prepared.push(Prepared { mount, target, trees, content });
        }
        Ok(prepared)
    }

    /// Makes what is mounted, and waits for caches that somebody else has to himself.
    async fn hold(&self, line: usize, prepared: &[Prepared]) -> Result<Held> {
        let mut held = Held { mounts: Vec::new(), _locks: Vec::new(), folder: self.images.scratch()? };
        for (number, wanted) in prepared.iter().enumerate() {
            let mount = &wanted.mount;
            let (source, kind) = match mount.kind {
                MountKind::Tmpfs => (PathBuf::new(), HowMounted::Tmpfs { size_bytes: mount.size }),
                MountKind::Cache => {
                    let (path, name) = self.cache_folder(wanted)?;
                    if mount.sharing != "shared" {
                        let lock = self.locks.lock().entry(name).or_default().clone();
                        held._locks.push(lock.lock_owned().await);
                    }
                    (path, HowMounted::Bind)
                }
                MountKind::Bind | MountKind::Secret | MountKind::Ssh => {
                    // A copy, so that a step can never write into the developer's files.
                    let (trees, folder) =
                        (wanted.trees.clone(), held.folder.path().join(format!("bind-{number}")));
                    (blocking(move || lay_out(&trees, &folder, line)).await?, HowMounted::Bind)
                }
            };
            held.mounts.push(Mount { source, target: wanted.target.clone(), readonly: mount.readonly, kind });
        }
        Ok(held)
    }

    /// A cache mount's folder, which outlives builds.
    fn cache_folder(&self, wanted: &Prepared) -> Result<(PathBuf, String)> {
        let mount = &wanted.mount;
        let id = mount.id.clone().unwrap_or_else(|| wanted.target.to_string_lossy().into_owned());
        let name = Key::new("cache mount").with(id).finish().short().to_owned();
        let path = self.root.join("mounts").join(&name);
        if !path.exists() {
            fs::create_dir_all(&path).map_err(Error::file("make folder", &path))?;
            let mode = fs::Permissions::from_mode(mount.mode.unwrap_or(0o755));
            fs::set_permissions(&path, mode).map_err(Error::file("make folder", &path))?;
            chown(&path, Some(mount.uid.unwrap_or(0)), Some(mount.gid.unwrap_or(0)))
                .map_err(Error::file("make folder", &path))?;
        }
        Ok((path, name))
    }

    async fn execute(
        &self,
        state: &State,
        instruction: &Instruction,
        args: Vec<String>,
        script: Option<String>,
        held: &Held,
    ) -> Result<Ended> {
        let (view, lent) = (state.view(), held.folder.path().join("lent"));
        let trust = self.trust.clone();
        let mut env = trust.as_ref().map(|trust| trust.env.clone()).unwrap_or_default();
        env.extend(environment(state, &self.args));
        let lent = blocking(move || {
            lend(&view, &lent, script.as_deref()).map_err(Error::file("write in", &lent))?;
            if let Some(trust) = trust {
                trust.layer(&view, &lent).map_err(Error::file("write in", &lent))?;
            }
            Ok(lent)
        })
        .await?;
        let log = held.folder.path().join("log");
        fs::write(&log, "").map_err(Error::file("write", &log))?;
        let command = Command {
            id: format!("{PREFIX}{}", held.folder.path().file_name().unwrap_or_default().to_string_lossy()),
            layers: state.paths.iter().cloned().chain([lent]).collect(),
            args,
            env: env.into_iter().collect(),
            cwd: state.workdir().to_string_lossy().into_owned(),
            user: state.config.config.user.clone(),
            mounts: held.mounts.clone(),
            log: log.clone(),
        };
        let mut output = Output::open(&log)?;
        let start =
            |source| Error::Start { line: instruction.line, command: instruction.text.clone(), source };
        let running = self.runner.run(command);
        tokio::pin!(running);
        let ended = loop {
            tokio::select! {
                ended = &mut running => break ended.map_err(start)?,
                () = tokio::time::sleep(Output::PAUSE) => self.pass_on(&mut output).await,
            }
        };
        self.pass_on(&mut output).await;
        if ended.exit.code == 0 {
            return Ok(ended);
        }
        let mut lines = output.last_lines();
        lines.extend(ended.exit.error.clone());
        Err(Error::Step {
            line: instruction.line,
            command: instruction.text.clone(),
            code: ended.exit.code,
            hint: hints::hint(ended.exit.code, ended.exit.oom_killed, &lines),
            output: lines,
        })
    }

    async fn pass_on(&self, output: &mut Output) {
        while let Some(text) = output.read() {
            self.tell(BuildEvent::Output { text }).await;
        }
    }
}

/// The words to run, and a script that goes with them.
fn command(state: &State, run: &Run) -> (Vec<String>, Option<String>) {
    match (run.script(), run.shell_text()) {
        (Some(script), _) if script.content.starts_with("#!") => {
            (vec![SCRIPT.to_owned()], Some(script.content.clone()))
        }
        (Some(script), _) => ([state.shell(), vec![script.content.clone()]].concat(), None),
        (None, Some(text)) => ([state.shell(), vec![text]].concat(), None),
        (None, None) => (in_shell(state, &run.command), None),
    }
}

fn run_key(state: &State, args: &[String], script: Option<&str>, mounts: &[Prepared]) -> Digest {
    let config = &state.config.config;
    let mut key = Key::new("run")
        .with(state.files.as_str())
        .list(args)
        .with(script.unwrap_or_default())
        .with(&config.user)
        .with(&config.working_dir)
        .list(&config.env)
        .list(state.args.iter().map(|(name, value)| format!("{name}={value}")));
    for prepared in mounts {
        key = key
            .with(format!("{:?}", prepared.mount))
            .with(prepared.content.as_ref().map_or("", |content| content.as_str()));
    }
    key.finish()
}

/// The step's environment: build arguments, then the image's own, which wins.
fn environment(state: &State, build_args: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::from([("PATH".to_owned(), DEFAULT_PATH.to_owned())]);
    env.insert("HOME".into(), home(&state.view(), &state.config.config.user));
    // Proxies may be passed as build arguments without an ARG.
    let proxies = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];
    let is_proxy = |name: &str| proxies.contains(&name.to_ascii_lowercase().as_str());
    env.extend(
        build_args
            .iter()
            .filter(|(name, _)| is_proxy(name))
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    env.extend(state.args.clone());
    env.extend(state.config.config.env.iter().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    }));
    env
}

/// Makes the layer of what the host lends to every step.
fn lend(view: &View, into: &Path, script: Option<&str>) -> std::io::Result<()> {
    fs::create_dir_all(into)?;
    fs::set_permissions(into, fs::Permissions::from_mode(0o755))?;
    for path in HOST_FILES {
        if let Ok(bytes) = fs::read(path) {
            crate::trust::write(view, into, path, &bytes)?;
        }
    }
    if let Some(script) = script {
        crate::trust::write(view, into, SCRIPT, script.as_bytes())?;
        fs::set_permissions(into.join(SCRIPT.trim_start_matches('/')), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Places that mounting makes in the layer though the image does not have them, deepest last.
fn stubs(view: &View, mounts: &[Prepared]) -> Vec<PathBuf> {
    let targets =
        mounts.iter().map(|prepared| prepared.target.as_path()).chain(ALWAYS_MOUNTED.map(Path::new));
    let mut stubs = Vec::new();
    for target in targets {
        let target = view.resolve(target).unwrap_or_else(|| target.to_owned());
        let mut paths: Vec<PathBuf> = target
            .ancestors()
            .filter(|path| !path.as_os_str().is_empty() && *path != Path::new("/"))
            .map(Path::to_owned)
            .collect();
        paths.reverse();
        stubs.extend(paths);
    }
    stubs
}

/// Takes what mounting and lending left behind out of a step's layer.
fn clean(upper: &Path, view: &View, stubs: &[PathBuf]) {
    let inside = |path: &Path| path.strip_prefix("/").unwrap_or(path).to_owned();
    for path in HOST_FILES {
        let reached = view.resolve(Path::new(path)).unwrap_or_else(|| PathBuf::from(path));
        let _not_written = fs::remove_file(upper.join(inside(&reached)));
    }
    let run = [PathBuf::from("run/coracle"), PathBuf::from("run"), PathBuf::from("etc")];
    for path in stubs.iter().rev().map(|path| inside(path)).chain(run) {
        let place = upper.join(&path);
        let Ok(meta) = fs::symlink_metadata(&place) else { continue };
        if view.get(&path).is_none() {
            // Only what is empty: a step may have made the same place itself and put something there.
            if meta.is_dir() {
                let _not_empty = fs::remove_dir(&place);
            } else if meta.is_file() && meta.len() == 0 {
                let _gone = fs::remove_file(&place);
            }
        } else if meta.is_dir() && is_noise(&place, view, &path) && !is_opaque(&place) {
            let _not_empty = fs::remove_dir(&place);
        }
    }
}

fn is_opaque(folder: &Path) -> bool {
    ["trusted.overlay.opaque", "user.overlay.opaque"]
        .iter()
        .any(|name| matches!(xattr::get(folder, name), Ok(Some(value)) if value == b"y"))
}
