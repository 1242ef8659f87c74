//! Dockerfile text becomes a build graph.
//!
//! [`parse`] reads the whole file and reports everything that is wrong with it, with positions; [`plan()`] chooses the
//! stages that a target needs. Variables inside stages stay unexpanded, because their values depend on the base
//! image: whoever carries the plan out expands them with [`expand`].

mod glob;
mod heredoc;
mod ignore;
mod instruction;
mod lines;
mod mount;
mod parse;
mod plan;
mod words;

pub use glob::Glob;
pub use ignore::Ignore;
pub use instruction::{Command, Copy, Heredoc, Instruction, Kind, Run, Source};
pub use mount::{MountKind, RunMount};
pub use parse::{parse, parse_trigger};
pub use plan::{Graph, Origin, PlanError, PlannedStage, plan};
pub use words::{ExpandError, expand};

/// A Dockerfile as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Dockerfile {
    /// The escape character: `\`, or a backtick if the file says so.
    pub escape: char,
    /// ARG before the first FROM: name, unexpanded default.
    pub global_args: Vec<GlobalArg>,
    pub stages: Vec<Stage>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalArg {
    pub line: usize,
    pub name: String,
    pub default: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// 1-based line of its FROM.
    pub line: usize,
    /// `AS name`, in lower case.
    pub name: Option<String>,
    /// Unexpanded.
    pub base: String,
    pub platform: Option<String>,
    pub instructions: Vec<Instruction>,
}

/// Something wrong with a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    pub message: String,
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}
