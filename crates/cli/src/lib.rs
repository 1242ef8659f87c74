//! Arguments become settings; the printer; exit codes.

mod args;
mod ci;
mod clusters;
mod failure;
mod images;
mod kustomize;
mod printer;
mod sessions;
mod tiltfiles;
mod up;

use crate::args::{Cli, Command, NodeCommand, RegistryCommand};
use crate::failure::{Done, Failure, USAGE};
use crate::printer::Printer;
use clap::Parser;
use cluster::paths::DataDir;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// The whole program.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Before any thread: the runtime's helper processes are this binary too.
    if let Some(code) = runtime::run_role(&arguments) {
        return code;
    }
    // Once, before the first TLS connection: two providers in one program would make rustls panic.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if arguments.get(1).is_some_and(|a| a == "__daemon") {
        return daemon(&arguments[2..]);
    }
    let cli = match Cli::try_parse_from(by_name(arguments)) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    trace(cli.verbose);
    let printer = Arc::new(Printer::new(cli.quiet));
    match run(cli.command, &printer) {
        Ok(code) => code,
        Err(failure) => {
            printer.error(&failure.message, &failure.causes, failure.hint.as_deref());
            ExitCode::from(failure.exit)
        }
    }
}

/// Called as `kustomize`, the first word is that tool's command, as kubectl's plugin it is a directory; `tilt` and
/// `k3d` have our commands.
fn by_name(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let name =
        arguments.first().and_then(|a| Path::new(a).file_name()).map(|n| n.to_string_lossy().into_owned());
    let inserted: &[&str] = match name.as_deref() {
        Some("kustomize") => &["kustomize"],
        Some("kubectl-kustomize") => &["kustomize", "build"],
        _ => &[],
    };
    arguments.splice(1..1, inserted.iter().map(OsString::from));
    arguments
}

fn usage(error: &clap::Error) -> ExitCode {
    // Help and version are data and no failure.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

fn trace(verbose: u8) {
    let level = match verbose {
        // Requests that fail are told by who made them.
        0 => "error,kube_client=off",
        1 => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("CORACLE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

fn daemon(arguments: &[OsString]) -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CORACLE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .try_init();
    let (Some(data), Some(name)) = (arguments.first(), arguments.get(1).and_then(|n| n.to_str())) else {
        return ExitCode::from(USAGE);
    };
    cluster::daemon::run(&DataDir::at(data.into()).cluster(name))
}

fn run(command: Command, printer: &Arc<Printer>) -> Result<ExitCode, Failure> {
    let done = match command {
        Command::Up(args) => up::up(&args, false, printer),
        Command::Ci(args) => up::up(&args, true, printer),
        Command::Down(args) => up::down(&args, printer),
        Command::Cluster { command } => clusters::run(command, printer),
        Command::Kubeconfig { command } => clusters::kubeconfigs(command, printer),
        Command::Image { command } => images::run(command, printer),
        Command::Registry { command: RegistryCommand::List { no_headers } } => {
            clusters::registries(no_headers, printer)
        }
        Command::Node { command: NodeCommand::List { no_headers } } => clusters::nodes(no_headers, printer),
        // has exit codes and errors of its own
        Command::Kustomize { words } => return Ok(kustomize::run(&words, printer)),
        Command::Tiltfile { command } => tiltfiles::run(&command, printer),
        Command::TiltfileResult(args) => up::tiltfile_result(&args, printer),
        Command::Args(args) => sessions::arguments(&args, printer),
        Command::Status(args) => sessions::status(&args, printer),
        Command::Trigger(args) => sessions::trigger(args, printer),
        Command::Enable(args) => sessions::enable(args, printer),
        Command::Disable(args) => sessions::disable(args, printer),
        Command::Button(args) => sessions::button(args, printer),
        Command::Version => {
            printer.data(&format!(
                "coracle version v{}\nkubernetes version {}\n",
                env!("CARGO_PKG_VERSION"),
                cluster::settings::KUBERNETES_VERSION
            ));
            Ok(())
        }
        Command::Completion { shell } => completion(&shell, printer),
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn completion(shell: &str, printer: &Printer) -> Done {
    let Ok(shell) = shell.parse::<clap_complete::Shell>() else {
        return Err(Failure::new(
            USAGE,
            format!("no completions for {shell}: bash, elvish, fish, powershell and zsh have some"),
        ));
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut <Cli as clap::CommandFactory>::command(), "coracle", &mut script);
    printer.data(&String::from_utf8_lossy(&script));
    Ok(())
}
