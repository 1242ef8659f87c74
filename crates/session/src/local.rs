//! Commands of local resources and custom builds.

use crate::host::exit_code;
use crate::output::{LogSource, Output};
use std::process::Stdio;
use std::sync::Arc;
use tiltfile::plan::Command;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;

/// Runs a command to its end, its output line by line to the log. Dropping the future kills the command.
pub(crate) async fn run(
    output: &Arc<dyn Output>,
    resource: &str,
    source: LogSource,
    command: &Command,
) -> Result<(), String> {
    let code = follow(output, resource, source, start(command)?).await?;
    if code == 0 { Ok(()) } else { Err(format!("`{}` failed with exit code {code}", command.argv.join(" "))) }
}

/// Runs a command of a resource for the command line.
pub async fn run_command(output: Arc<dyn Output>, resource: &str, command: &Command) -> Result<(), String> {
    run(&output, resource, LogSource::Local, command).await
}

/// Starts it in a process group of its own, so that its children end with it.
pub(crate) fn start(command: &Command) -> Result<Child, String> {
    let Some((program, args)) = command.argv.split_first() else { return Err("the command is empty".into()) };
    tokio::process::Command::new(program)
        .args(args)
        .current_dir(&command.dir)
        .envs(command.env.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("cannot start `{}` in {}: {e}", command.argv.join(" "), command.dir.display()))
}

/// Waits for the end; gives the exit code.
pub(crate) async fn follow(
    output: &Arc<dyn Output>,
    resource: &str,
    source: LogSource,
    mut child: Child,
) -> Result<i32, String> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let streams = async {
        tokio::join!(copy(output, resource, source, out), copy(output, resource, source, err));
    };
    let (status, ()) = tokio::join!(child.wait(), streams);
    status.map(exit_code).map_err(|e| e.to_string())
}

async fn copy(
    output: &Arc<dyn Output>,
    resource: &str,
    source: LogSource,
    stream: Option<impl AsyncRead + Unpin>,
) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        output.log(resource, source, &format!("{}\n", String::from_utf8_lossy(&line)));
    }
}
