//! Instructions as values. Words are as written: whoever carries them out expands variables and takes quotes away.

use crate::RunMount;
use crate::mount::RawMount;
use crate::words::{ExpandError, expand_body};

#[derive(Debug, Clone, PartialEq)]
pub struct Instruction {
    /// 1-based line on which it begins.
    pub line: usize,
    /// As written, on one line: `RUN pip install .`.
    pub text: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Run(Run),
    /// COPY, and ADD with `add` set.
    Copy(Copy),
    Env(Vec<(String, String)>),
    Arg(Vec<(String, Option<String>)>),
    Label(Vec<(String, String)>),
    Workdir(String),
    User(String),
    Volume(Vec<String>),
    Expose(Vec<String>),
    Entrypoint(Command),
    Cmd(Command),
    Shell(Vec<String>),
    StopSignal(String),
    /// As the image config spells it: `["NONE"]`, `["CMD", …]`, `["CMD-SHELL", …]`, and options in nanoseconds.
    Healthcheck {
        test: Vec<String>,
        options: Vec<(String, u64)>,
    },
    /// The trigger's text; read with [`crate::parse_trigger`] when a child image is built.
    OnBuild(String),
    Maintainer(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// For the stage's SHELL.
    Shell(String),
    Exec(Vec<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub command: Command,
    pub(crate) mounts: Vec<RawMount>,
    pub heredocs: Vec<Heredoc>,
}

impl Run {
    /// The mounts, with variables expanded.
    pub fn mounts(
        &self,
        expand: &dyn Fn(&str) -> Result<String, ExpandError>,
    ) -> Result<Vec<RunMount>, String> {
        let parsed = self.mounts.iter().map(|raw| {
            let text = expand(&raw.0).map_err(|error| error.to_string())?;
            RunMount::parse(&text).map_err(|error| error.to_string())
        });
        parsed.collect()
    }

    /// The script that is the whole command: `RUN <<EOF`. It is run by the shell, or by its own `#!` interpreter.
    pub fn script(&self) -> Option<&Heredoc> {
        match (&self.command, self.heredocs.as_slice()) {
            (Command::Shell(text), [only]) => {
                let mark = text.trim().strip_prefix("<<")?.trim_start_matches('-').trim_matches(['"', '\'']);
                (mark == only.name).then_some(only)
            }
            _ => None,
        }
    }

    /// The command with its here-documents as a shell reads them.
    pub fn shell_text(&self) -> Option<String> {
        let Command::Shell(text) = &self.command else { return None };
        let mut whole = text.clone();
        for document in &self.heredocs {
            whole.push('\n');
            whole.push_str(&document.content);
            whole.push_str(&document.name);
        }
        Some(whole)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// Is it ADD: local archives are unpacked, sources may be addresses?
    pub add: bool,
    /// A stage's name or number, or an image.
    pub from: Option<String>,
    pub chown: Option<String>,
    pub chmod: Option<String>,
    pub link: bool,
    /// Keep the folders that the source's name has.
    pub parents: bool,
    pub excludes: Vec<String>,
    pub sources: Vec<Source>,
    pub dest: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Path(String),
    Heredoc(Heredoc),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    pub name: String,
    pub content: String,
    /// Are variables in the content expanded?
    pub expand: bool,
}

impl Heredoc {
    /// The content with variables expanded, if it wants that.
    pub fn body(&self, escape: char, get: &dyn Fn(&str) -> Option<String>) -> Result<String, ExpandError> {
        if self.expand { expand_body(&self.content, escape, get) } else { Ok(self.content.clone()) }
    }
}
