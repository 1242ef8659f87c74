//! Why a build failed, where in the Dockerfile, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}:{line}:{column}: {message}", file.display())]
    Syntax { file: PathBuf, line: usize, column: usize, message: String, hint: Option<String> },
    #[error("{source}")]
    Plan {
        #[from]
        source: dockerfile::PlanError,
    },
    #[error("the base image `{name}` cannot be had")]
    Base { line: usize, name: String, source: images::Error },
    #[error("platform {platform} is not that of this machine ({host})")]
    Platform { line: usize, platform: String, host: String },
    #[error("`{text}`")]
    Expand { line: usize, text: String, source: dockerfile::ExpandError },
    #[error("`{source_path}` is not there")]
    NoSource { line: usize, source_path: String, ignored: bool },
    #[error("cannot copy `{from}` to `{to}`: {reason}")]
    Copy { line: usize, from: String, to: String, reason: &'static str },
    #[error("`{from}` kept changing while it was copied")]
    Unstable { line: usize, from: String },
    #[error("`{url}`: ADD does not fetch from the network")]
    Url { line: usize, url: String },
    #[error("`{value}` is not valid for {option}: {reason}")]
    Option { line: usize, option: &'static str, value: String, reason: &'static str },
    #[error("{what} is not supported")]
    Unsupported { line: usize, what: String },
    #[error("the command `{command}` failed with exit code {code}{}", tail(output))]
    Step { line: usize, command: String, code: i32, output: Vec<String>, hint: Option<String> },
    #[error("the command `{command}` could not be started")]
    Start { line: usize, command: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the build context {} cannot be read", path.display())]
    Context { path: PathBuf, source: io::Error },
    #[error("{doing} {}", path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Images(#[from] images::Error),
    #[error("containers of an earlier build could not be removed")]
    Recover { source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the build was stopped")]
    Stopped,
}

/// The last lines of output, under the message.
fn tail(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  | {line}")).collect()
}

impl Error {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::File { doing, path, source }
    }

    /// Line in the Dockerfile, 1-based.
    pub fn line(&self) -> Option<usize> {
        match self {
            Error::Syntax { line, .. }
            | Error::Base { line, .. }
            | Error::Platform { line, .. }
            | Error::Expand { line, .. }
            | Error::NoSource { line, .. }
            | Error::Copy { line, .. }
            | Error::Unstable { line, .. }
            | Error::Url { line, .. }
            | Error::Option { line, .. }
            | Error::Unsupported { line, .. }
            | Error::Step { line, .. }
            | Error::Start { line, .. } => Some(*line),
            Error::Plan { source } => source.line(),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Syntax { hint, .. } | Error::Step { hint, .. } => hint.clone(),
            Error::Plan { source } => source.hint(),
            Error::Base { source, .. } => source.hint(),
            Error::Images(source) => source.hint(),
            Error::NoSource { ignored: true, .. } => Some("the .dockerignore file leaves it out".into()),
            Error::NoSource { .. } => {
                Some("sources are looked for in the build context, not beside the Dockerfile".into())
            }
            Error::Url { .. } => Some("fetch it in a step: RUN curl -fsSLO … (or wget, or python)".into()),
            _ => None,
        }
    }

    /// The message with its causes, for people.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            // A transparent error shows its cause's text itself.
            let cause = error.to_string();
            if !text.ends_with(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
            next = error.source();
        }
        text
    }
}
