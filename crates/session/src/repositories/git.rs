//! Git repositories, by the `git` program and with its credentials.

use super::Source;
use crate::process::{self, Until, exit_code};
use kustomize::OutsideError;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// For each command, unless the source says otherwise. A limit only for what hangs: large repositories take minutes.
const PATIENCE: Duration = Duration::from_secs(300);

/// A hook of git, which may have started this process, has variables that mean another repository
/// (`git rev-parse --local-env-vars`). Those that hold settings stay: credentials may be among them.
const FOREIGN: [&str; 12] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
];

/// Clones into an empty directory; gives the commit.
pub(crate) fn clone(
    source: &Source,
    dir: &Path,
    interrupt: &CancellationToken,
) -> Result<String, OutsideError> {
    let git = |args: &[&str]| run(source, Some(dir), args, interrupt);
    let (address, reference) = (source.address.as_str(), reference(source));
    git(&["init", "--quiet"])?;
    // submodules with relative addresses are looked for beside it
    git(&["remote", "add", "origin", address])?;
    git(&["fetch", "--quiet", "--depth=1", address, reference])?;
    git(&["checkout", "--quiet", "--detach", "FETCH_HEAD"])?;
    if source.submodules && dir.join(".gitmodules").exists() {
        git(&["submodule", "--quiet", "update", "--init", "--recursive"])?;
    }
    Ok(git(&["rev-parse", "HEAD"])?.trim().to_string())
}

/// What a ref points to at the remote, without fetching anything. `None` for what it does not list, such as a commit.
pub(super) fn remote_tip(
    source: &Source,
    interrupt: &CancellationToken,
) -> Result<Option<String>, OutsideError> {
    let reference = reference(source);
    let listed = run(source, None, &["ls-remote", "--quiet", &source.address, reference], interrupt)?;
    let tips: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once('\t')).collect();
    // in the order in which git fetch looks
    let names = [
        reference.to_string(),
        format!("refs/{reference}"),
        format!("refs/tags/{reference}"),
        format!("refs/heads/{reference}"),
    ];
    Ok(names
        .iter()
        .find_map(|name| tips.iter().find(|(_, listed)| listed == name))
        .map(|(tip, _)| (*tip).to_string()))
}

/// A whole object name means one commit for ever.
pub(super) fn is_commit(reference: &str) -> bool {
    [40, 64].contains(&reference.len()) && reference.bytes().all(|b| b.is_ascii_hexdigit())
}

fn reference(source: &Source) -> &str {
    if source.reference.is_empty() { "HEAD" } else { &source.reference }
}

/// Gives what the command prints.
fn run(
    source: &Source,
    dir: Option<&Path>,
    args: &[&str],
    interrupt: &CancellationToken,
) -> Result<String, OutsideError> {
    let mut command = Command::new("git");
    // a question for a password would wait until the limit, unseen
    command.args(args).env("GIT_TERMINAL_PROMPT", "0");
    for name in FOREIGN {
        command.env_remove(name);
    }
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let limit = source.timeout.unwrap_or(PATIENCE);
    let until = Until { interrupt: interrupt.clone(), limit: Some(limit) };
    let line = || format!("git {}", args.join(" "));
    let output = process::output(&mut command, None, &until).map_err(|error| match error {
        process::RunError::Timeout(limit) => OutsideError::Timeout { command: line(), limit },
        error if error.is_missing() => OutsideError::NoProgram { program: "git".into() },
        error => OutsideError::NotRun { command: line(), reason: error.to_string() },
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(OutsideError::Failed {
        command: line(),
        // ssh ends its lines for a terminal
        output: String::from_utf8_lossy(&output.stderr).replace('\r', "").trim().to_string(),
        code: exit_code(output.status),
    })
}
