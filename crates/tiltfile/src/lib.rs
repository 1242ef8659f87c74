//! Starlark becomes a plan: resources, images, live updates, settings.
//!
//! Enter at [`evaluate`]. Evaluation asks the world only through [`Host`], so the same Tiltfile and the same answers
//! always give the same plan. Nothing here knows a cluster, a builder or a terminal.

mod assemble;
mod base64;
mod builtins;
mod call;
pub mod catalog;
mod check;
mod compose;
mod config;
mod context;
mod dialect;
#[expect(
    unsafe_code,
    reason = "the interpreter's derive implements an unsafe marker trait; no unsafe code is written here"
)]
mod env;
mod eval;
mod ext;
#[expect(
    unsafe_code,
    reason = "the interpreter's derives implement unsafe marker traits; no unsafe code is written here"
)]
mod guard;
mod hints;
mod host;
pub mod ignore;
pub mod jsonpath;
mod limits;
mod manifest;
mod messages;
pub mod neutral;
pub mod plan;
mod text;
#[expect(
    unsafe_code,
    reason = "the interpreter's derives implement unsafe marker traits; no unsafe code is written here"
)]
mod values;
mod version;

pub use check::{Diagnostic, Report, Severity, check};
pub use context::kube_context;
pub use ext::{BUILTIN_EXTENSIONS, DEFAULT_REPO_URL};
pub use host::{
    DirEntry, FileKind, HelmRequest, Host, HostError, KubeContext, KustomizeRequest, Level, LocalCommand,
    LocalOutput, Rendered, RepoRequest,
};
pub use limits::{Limits, STACK_BYTES};
pub use manifest::parse_objects;
pub use plan::{Dependency, ImageBuild, Plan, Resource, ResourceKind};
pub use text::{ImageRef, go_duration, go_duration_ms};

use env::Env;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// What evaluation is told by the command line.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Positional arguments before `--`, then all after it: as a Tiltfile's `config` module reads them.
    pub args: Vec<String>,
    /// `up`, `ci`, `down`, …: `config.tilt_subcommand`.
    pub subcommand: String,
    /// A registry that the cluster brings along; it beats `default_registry`.
    pub cluster_registry: Option<plan::Registry>,
    /// `TILT_HOST` and `TILT_PORT` of commands.
    pub web_host: String,
    pub web_port: u16,
    /// Path of our own program: `sys.executable`.
    pub executable: String,
    pub limits: Limits,
    pub commands: Commands,
    /// How long `ci` may take if the Tiltfile does not say it; 0: for ever.
    pub ci_timeout_ms: Option<u64>,
}

/// What `local()` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Commands {
    #[default]
    Run,
    /// Nothing runs, and the output is empty: a look at the Tiltfile must change nothing.
    Skip,
}

/// What evaluation gives. With an `error`, `plan` is empty.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    pub plan: Plan,
    pub warnings: Vec<Warning>,
    pub error: Option<TiltfileError>,
    /// [`Host::interrupted`] ended it.
    pub interrupted: bool,
    /// How often [`Commands::Skip`] mattered.
    pub commands_skipped: usize,
    /// Files and directories (these with all below) whose change means that the Tiltfile must be evaluated again.
    pub files_read: BTreeSet<PathBuf>,
    /// All that was printed, a line each.
    pub output: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    pub message: String,
    pub position: Option<Position>,
}

/// A place in a Tiltfile; line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Why a Tiltfile could not be evaluated. `Display` gives the whole text, traceback included, as Tilt does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{traceback}{message}")]
pub struct TiltfileError {
    pub message: String,
    /// Empty, or `Traceback (most recent call last):` to `Error in f: `.
    pub traceback: String,
    pub position: Option<Position>,
    /// The line at `position` with a mark beneath, if there is such a line.
    pub excerpt: Option<String>,
    pub hint: Option<String>,
}

impl TiltfileError {
    /// All there is to say: traceback, message, excerpt and hint.
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        if let Some(excerpt) = &self.excerpt {
            text.push_str("\n\n");
            text.push_str(excerpt);
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\nhint: {hint}"));
        }
        text
    }
}

/// What to tell the user whose Tiltfile evaluates well and asks for nothing.
pub const NO_RESOURCES: &str =
    "No resources found. Check out https://docs.tilt.dev/tutorial.html to get started!";

/// Evaluates the Tiltfile at an absolute path. An empty plan is no error here: see [`NO_RESOURCES`].
pub fn evaluate(host: &dyn Host, tiltfile: &Path, settings: &Settings) -> Evaluation {
    let env = Env::new(host, tiltfile, settings);
    if let Some(timeout_ms) = settings.ci_timeout_ms {
        env.reg_mut().settings.ci.timeout_ms = timeout_ms;
    }
    let result = builtins::tiltignore(&env)
        .and_then(|()| eval::run_main(&env))
        .and_then(|main| assemble::assemble(&env, &main));
    let (plan, error) = match result {
        Ok(plan) => (plan, None),
        Err(failure) => (Plan::default(), Some(with_excerpt(host, eval::tiltfile_error(failure)))),
    };
    Evaluation {
        plan,
        interrupted: error.is_some() && host.interrupted(),
        error,
        commands_skipped: env.commands_skipped.get(),
        warnings: env.warnings.take(),
        files_read: env.files_read.take(),
        output: env.output.take(),
    }
}

/// The error with the line that it happened in.
fn with_excerpt(host: &dyn Host, error: TiltfileError) -> TiltfileError {
    let Some(at) = &error.position else { return error };
    let text = host.read_file(&at.file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let Some(line) = text.lines().nth(at.line.saturating_sub(1)) else {
        return hints::with_hint(error, &text);
    };
    let number = at.line.to_string();
    let before: String =
        line.chars().take(at.column.saturating_sub(1)).map(|c| if c == '\t' { c } else { ' ' }).collect();
    let gap = " ".repeat(number.len());
    let excerpt = format!("{gap}--> {at}\n{gap} |\n{number} | {line}\n{gap} | {before}^");
    hints::with_hint(TiltfileError { excerpt: Some(excerpt), ..error }, &text)
}
