//! What a build needs from outside its directory: a trait, so that the engine itself reaches for nothing.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::repository::Repository;

/// The world outside. One value serves one build: its scratch files go with it.
pub trait Outside {
    /// The answer to a GET of an http(s) address, whatever its status.
    fn fetch(&self, url: &str) -> std::result::Result<Fetched, OutsideError>;
    /// A working tree of a repository, in a directory that [`crate::Files`] can read and nobody changes.
    fn checkout(&self, repository: &Repository) -> std::result::Result<Checkout, OutsideError>;
    /// Runs a program to its end, with the environment of this process.
    fn run(&self, program: &Program) -> std::result::Result<Output, OutsideError>;
    /// A directory of its own with one file in it, for programs that take files. Gives the file's path.
    fn scratch(&self, name: &str, content: &[u8]) -> std::result::Result<String, OutsideError>;
    /// A variable of this process's environment.
    fn variable(&self, name: &str) -> Option<String>;
    /// Whether the file at a path may be executed; nothing where there is none.
    fn is_executable(&self, path: &str) -> Option<bool>;
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fetched {
    pub status: u16,
    /// What the status means: `Not Found`.
    pub reason: String,
    pub body: Vec<u8>,
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checkout {
    pub dir: String,
    pub commit: String,
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    /// A name on the PATH, or a path.
    pub program: String,
    pub args: Vec<String>,
    /// Beside the environment of this process.
    pub env: Vec<(String, String)>,
    pub dir: Option<String>,
    pub stdin: Vec<u8>,
    pub timeout: Option<Duration>,
}

impl Program {
    pub fn command_line(&self) -> String {
        let words: Vec<&str> =
            [self.program.as_str()].into_iter().chain(self.args.iter().map(String::as_str)).collect();
        words.join(" ")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// As a shell tells it: 128 and the signal for a program that was killed.
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutsideError {
    #[error("Get \"{url}\": {reason}")]
    Unreachable { url: String, reason: String },
    #[error("no '{program}' program on path")]
    NoProgram { program: String },
    #[error("cannot run '{command}': {reason}")]
    NotRun { command: String, reason: String },
    #[error("hit {limit:?} timeout running '{command}'")]
    Timeout { command: String, limit: Duration },
    #[error("failed to run '{command}': {output}: exit status {code}")]
    Failed { command: String, output: String, code: i32 },
    #[error("{what} is not in the cache, and the cache is all that may be used")]
    NotCached { what: String },
    #[error("cannot write {path}: {reason}")]
    File { path: String, reason: String },
}

const NO_NETWORK: &str = "is the network there? A copy in the project, named by its path, needs none";

impl OutsideError {
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            OutsideError::Unreachable { .. } => Some(NO_NETWORK),
            OutsideError::Failed { output, .. } if output.contains("resolve host") => Some(NO_NETWORK),
            OutsideError::NoProgram { program } if program == "git" => {
                Some("bases in repositories are cloned by git: install it, or copy the base into the project")
            }
            OutsideError::NoProgram { .. } | OutsideError::NotRun { .. } | OutsideError::File { .. } => None,
            OutsideError::Timeout { .. } => {
                Some("give it more time: add timeout=300 (seconds) to the address's query")
            }
            OutsideError::Failed { .. } => Some(
                "git's own words are above; `git clone` of the same address shows whether it can be reached from here, with these credentials",
            ),
            OutsideError::NotCached { .. } => {
                Some("build once with CORACLE_KUSTOMIZE_CACHE unset while the network is there")
            }
        }
    }
}

impl From<OutsideError> for Error {
    fn from(error: OutsideError) -> Error {
        let hint = error.hint();
        let error = Error::new(error.to_string());
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// For a build that was given no outside.
pub(crate) fn needed<'o>(outside: Option<&'o dyn Outside>, what: &str) -> Result<&'o dyn Outside> {
    outside.ok_or_else(|| {
        Error::new(format!("{what} is outside of the files that this build may use"))
            .hint("`coracle kustomize build` and `kustomize()` in a Tiltfile reach it")
    })
}
