//! Programs of a kustomize build.

use crate::process::{self, RunError, Until, exit_code};
use kustomize::{Output, OutsideError, Program};
use std::process::Command;
use tokio_util::sync::CancellationToken;

pub(super) fn run(program: &Program, interrupt: &CancellationToken) -> Result<Output, OutsideError> {
    let mut command = Command::new(&program.program);
    command.args(&program.args).envs(program.env.iter().map(|(name, value)| (name, value)));
    if let Some(dir) = &program.dir {
        command.current_dir(dir);
    }
    let until = Until { interrupt: interrupt.clone(), limit: program.timeout };
    let output = process::output(&mut command, Some(program.stdin.clone()), &until)
        .map_err(|error| told(program, &error))?;
    Ok(Output { code: exit_code(output.status), stdout: output.stdout, stderr: output.stderr })
}

fn told(program: &Program, error: &RunError) -> OutsideError {
    match error {
        RunError::Timeout(limit) => OutsideError::Timeout { command: program.command_line(), limit: *limit },
        error if error.is_missing() && !program.program.contains('/') => {
            OutsideError::NoProgram { program: program.program.clone() }
        }
        error => OutsideError::NotRun { command: program.command_line(), reason: error.to_string() },
    }
}
