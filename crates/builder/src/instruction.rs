//! Carrying out instructions that change only the config; those that change files are in `copy` and `run`.

use crate::build::{Build, blocking};
use crate::cache::{Key, Record};
use crate::error::{Error, Result};
use crate::owner::owner;
use crate::place::Placer;
use crate::state::{State, absolute};
use dockerfile::{Command, Instruction, Kind, PlannedStage};
use serde_json::{Map, Value, json};

impl Build {
    /// Carries an instruction out. True: its result was in the cache.
    pub(crate) async fn instruction(
        &self,
        stage: &PlannedStage,
        state: &mut State,
        instruction: &Instruction,
    ) -> Result<bool> {
        let line = instruction.line;
        match &instruction.kind {
            Kind::Run(run) => return self.run_step(stage, state, instruction, run).await,
            Kind::Copy(copy) => return self.copy_step(stage, state, instruction, copy).await,
            Kind::Workdir(path) => return self.workdir(state, instruction, path).await,
            Kind::Arg(args) => {
                for (name, default) in args {
                    self.arg(state, line, name, default.as_deref())?;
                }
            }
            kind => configure(state, line, kind)?,
        }
        state.noted(&instruction.text);
        Ok(false)
    }

    /// A build argument's value: what was passed, the default, or what the same ARG before the first FROM has.
    fn arg(&self, state: &mut State, line: usize, name: &str, default: Option<&str>) -> Result<()> {
        let default = default.map(|text| expand(state, line, text)).transpose()?;
        let value =
            self.args.get(name).cloned().or(default).or_else(|| self.graph.global_args.get(name).cloned());
        if let Some(value) = value {
            state.args.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// WORKDIR makes its folder, which belongs to the user that is set.
    async fn workdir(&self, state: &mut State, instruction: &Instruction, path: &str) -> Result<bool> {
        let line = instruction.line;
        let path = absolute(state.workdir(), &expand(state, line, path)?);
        state.config.config.working_dir = path.to_string_lossy().into_owned();
        let view = state.view();
        if view.follow(&path).is_some() || path.parent().is_none() {
            state.noted(&instruction.text);
            return Ok(false);
        }
        let user = state.config.config.user.clone();
        let who = owner(&view, &user).map_err(|reason| Error::Option {
            line,
            option: "USER",
            value: user,
            reason,
        })?;
        let key = Key::new("workdir")
            .with(state.files.as_str())
            .with(path.as_os_str().as_encoded_bytes())
            .with(format!("{}:{}", who.0, who.1))
            .finish();
        if let Some(record) = self.cached(&key) {
            state.apply(&record, &self.images, &instruction.text);
            return Ok(true);
        }
        let images = self.images.clone();
        let record = blocking(move || {
            let scratch = images.scratch()?;
            let mut placer = Placer::new(scratch.path().join("tree"), view)?;
            placer.make_folder(&path, who)?;
            let layer = images.adopt_layer(&placer.finish()?)?;
            Ok(Record { layer: Some(layer.diff_id), size: layer.size, created: now() })
        })
        .await?;
        self.remember(&key, &record)?;
        state.apply(&record, &self.images, &instruction.text);
        Ok(false)
    }

    /// A step's result from the cache, if the cache may be read.
    pub(crate) fn cached(&self, key: &oci::Digest) -> Option<Record> {
        if self.request.no_cache { None } else { self.cache.get(key, &self.images) }
    }

    pub(crate) fn remember(&self, key: &oci::Digest, record: &Record) -> Result<()> {
        self.has_worked();
        self.cache.put(key, record)
    }
}

pub(crate) fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

pub(crate) fn expand(state: &State, line: usize, text: &str) -> Result<String> {
    state.expand(text).map_err(|source| Error::Expand { line, text: text.to_owned(), source })
}

fn configure(state: &mut State, line: usize, kind: &Kind) -> Result<()> {
    match kind {
        Kind::Env(pairs) => {
            // All values see the environment as it was before the instruction.
            let values = expand_pairs(state, line, pairs)?;
            values.iter().for_each(|(name, value)| state.config.config.set_env(name, value));
        }
        Kind::Label(pairs) => {
            let labels = expand_pairs(state, line, pairs)?;
            state.config.config.labels.extend(labels);
        }
        Kind::User(user) => state.config.config.user = expand(state, line, user)?,
        Kind::Volume(paths) => {
            for path in paths {
                let path = expand(state, line, path)?;
                state.config.config.volumes.insert(path, json!({}));
            }
        }
        Kind::Expose(words) => expose(state, line, words)?,
        Kind::Entrypoint(command) => {
            state.config.config.entrypoint = in_shell(state, command);
            if !state.has_cmd {
                state.config.config.cmd.clear();
            }
        }
        Kind::Cmd(command) => {
            state.config.config.cmd = in_shell(state, command);
            state.has_cmd = true;
        }
        Kind::Shell(words) => state.set_extra("Shell", json!(words)),
        Kind::StopSignal(signal) => state.config.config.stop_signal = Some(expand(state, line, signal)?),
        Kind::Healthcheck { test, options } => {
            let mut check = Map::from_iter([("Test".to_owned(), json!(test))]);
            check.extend(options.iter().map(|(name, value)| (name.clone(), json!(value))));
            state.set_extra("Healthcheck", Value::Object(check));
        }
        Kind::OnBuild(trigger) => state.add_trigger(trigger),
        Kind::Maintainer(name) => state.config.author = Some(name.clone()),
        Kind::Run(_) | Kind::Copy(_) | Kind::Workdir(_) | Kind::Arg(_) => {}
    }
    Ok(())
}

fn expand_pairs(state: &State, line: usize, pairs: &[(String, String)]) -> Result<Vec<(String, String)>> {
    pairs.iter().map(|(name, value)| Ok((expand(state, line, name)?, expand(state, line, value)?))).collect()
}

/// Words in shell form are run by the stage's SHELL.
pub(crate) fn in_shell(state: &State, command: &Command) -> Vec<String> {
    match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(text) if text.is_empty() => Vec::new(),
        Command::Shell(text) => [state.shell(), vec![text.clone()]].concat(),
    }
}

/// `8000`, `53/udp`, `8000-8010/tcp`.
fn expose(state: &mut State, line: usize, words: &[String]) -> Result<()> {
    for word in words {
        for port in expand(state, line, word)?.split_whitespace() {
            let bad = |reason| Error::Option { line, option: "EXPOSE", value: port.to_owned(), reason };
            let (range, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
            let (low, high) = range.split_once('-').unwrap_or((range, range));
            let number = |text: &str| text.parse::<u16>().map_err(|_| bad("it is not a port"));
            let (low, high) = (number(low)?, number(high)?);
            if !matches!(protocol.to_ascii_lowercase().as_str(), "tcp" | "udp" | "sctp") {
                return Err(bad("its protocol is not tcp, udp or sctp"));
            }
            for port in low..=high {
                let key = format!("{port}/{}", protocol.to_ascii_lowercase());
                state.config.config.exposed_ports.insert(key, json!({}));
            }
        }
    }
    Ok(())
}
