//! Programs, run to their end with a limit of time.

use kustomize::{Output, OutsideError, Program};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::host::exit_code;

pub(super) fn run(program: &Program) -> Result<Output, OutsideError> {
    run_without(program, &[])
}

/// Without some of this process's variables.
pub(super) fn run_without(program: &Program, variables: &[&str]) -> Result<Output, OutsideError> {
    super::wait(async {
        let mut command = Command::new(&program.program);
        command.args(&program.args).envs(program.env.iter().map(|(name, value)| (name, value)));
        for name in variables {
            command.env_remove(name);
        }
        if let Some(dir) = &program.dir {
            command.current_dir(dir);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let child = command.spawn().map_err(|e| not_started(program, &e))?;
        let limit = program.timeout;
        let ended = async { finish(child, &program.stdin).await.map_err(|e| not_run(program, &e)) };
        match limit {
            None => ended.await,
            Some(limit) => tokio::time::timeout(limit, ended)
                .await
                .map_err(|_| OutsideError::Timeout { command: program.command_line(), limit })?,
        }
    })
    .map_err(|e| not_run(program, &e))?
}

/// Feeds it and reads it at once, so that neither side waits for a full pipe.
async fn finish(mut child: Child, input: &[u8]) -> std::io::Result<Output> {
    let pipe = child.stdin.take();
    let feed = async {
        if let Some(mut pipe) = pipe {
            // a program that reads nothing closes the pipe: its choice
            drop(pipe.write_all(input).await);
        }
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output?;
    Ok(Output { code: exit_code(output.status), stdout: output.stdout, stderr: output.stderr })
}

fn not_run(program: &Program, error: &std::io::Error) -> OutsideError {
    OutsideError::NotRun { command: program.command_line(), reason: error.to_string() }
}

fn not_started(program: &Program, error: &std::io::Error) -> OutsideError {
    let by_name = !program.program.contains('/');
    if by_name && error.kind() == std::io::ErrorKind::NotFound {
        return OutsideError::NoProgram { program: program.program.clone() };
    }
    not_run(program, error)
}
