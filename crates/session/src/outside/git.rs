//! Git repositories, by the `git` program and with its credentials.

use kustomize::{Checkout, OutsideError, Program, Repository};
use std::path::Path;
use std::time::Duration;

use super::process;

/// For each command, unless the address says otherwise. A limit only for what hangs: large repositories take minutes.
const PATIENCE: Duration = Duration::from_secs(300);

/// Clones into an empty directory.
pub(super) fn clone(repository: &Repository, dir: &Path) -> Result<Checkout, OutsideError> {
    let git = |args: &[&str]| run(repository, Some(dir), args);
    let (spec, reference) = (repository.clone_spec(), reference(repository));
    git(&["init", "--quiet"])?;
    // submodules with relative addresses are looked for beside it
    git(&["remote", "add", "origin", &spec])?;
    git(&["fetch", "--quiet", "--depth=1", &spec, reference])?;
    git(&["checkout", "--quiet", "--detach", "FETCH_HEAD"])?;
    if repository.submodules && dir.join(".gitmodules").exists() {
        git(&["submodule", "--quiet", "update", "--init", "--recursive"])?;
    }
    let commit = git(&["rev-parse", "HEAD"])?.trim().to_string();
    Ok(Checkout { dir: dir.to_string_lossy().into_owned(), commit, warnings: Vec::new() })
}

/// What a ref points to at the remote, without fetching anything. `None` for what it does not list, such as a commit.
pub(super) fn remote_tip(repository: &Repository) -> Result<Option<String>, OutsideError> {
    let reference = reference(repository);
    let listed = run(repository, None, &["ls-remote", "--quiet", &repository.clone_spec(), reference])?;
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
pub(crate) fn is_commit(reference: &str) -> bool {
    [40, 64].contains(&reference.len()) && reference.bytes().all(|b| b.is_ascii_hexdigit())
}

fn reference(repository: &Repository) -> &str {
    if repository.reference.is_empty() { "HEAD" } else { &repository.reference }
}

/// Gives what the command prints.
fn run(repository: &Repository, dir: Option<&Path>, args: &[&str]) -> Result<String, OutsideError> {
    // a hook of git, which may have started this process, has variables that mean another repository
    const FOREIGN: [&str; 5] =
        ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"];
    let program = Program {
        program: "git".to_string(),
        args: args.iter().map(ToString::to_string).collect(),
        // a question for a password would wait until the limit, unseen
        env: vec![("GIT_TERMINAL_PROMPT".to_string(), "0".to_string())],
        dir: dir.map(|dir| dir.to_string_lossy().into_owned()),
        timeout: Some(repository.timeout.unwrap_or(PATIENCE)),
        ..Program::default()
    };
    let output = process::run_without(&program, &FOREIGN)?;
    if output.code == 0 {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(OutsideError::Failed {
        command: program.command_line(),
        // ssh ends its lines for a terminal
        output: String::from_utf8_lossy(&output.stderr).replace('\r', "").trim().to_string(),
        code: output.code,
    })
}
