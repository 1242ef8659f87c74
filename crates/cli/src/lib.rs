//! Arguments become settings; the printer; exit codes.

mod args;
mod clusters;
mod failure;
mod images;
mod printer;
mod up;

use crate::args::{Cli, Command, KustomizeCommand, NodeCommand, RegistryCommand};
use crate::failure::{Done, Failure, USAGE, YOURS};
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
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer.error(&failure.message, &failure.causes, failure.hint.as_deref());
            ExitCode::from(failure.exit)
        }
    }
}

/// Called as `kustomize`, the first word is that tool's command; `tilt` and `k3d` have ours.
fn by_name(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let name =
        arguments.first().and_then(|a| Path::new(a).file_name()).map(|n| n.to_string_lossy().into_owned());
    if name.as_deref() == Some("kustomize") {
        arguments.insert(1, "kustomize".into());
    }
    arguments
}

fn usage(error: &clap::Error) -> ExitCode {
    // Help and version are data and no failure.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

fn trace(verbose: u8) {
    let level = match verbose {
        0 => "error",
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

fn run(command: Command, printer: &Arc<Printer>) -> Done {
    match command {
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
        Command::Kustomize { command: KustomizeCommand::Build { dir, output } } => {
            kustomize(&dir, output.as_deref(), printer)
        }
        Command::TiltfileResult(args) => up::tiltfile_result(&args, printer),
        Command::Version => {
            printer.data(&format!(
                "coracle version v{}\nkubernetes version {}\n",
                env!("CARGO_PKG_VERSION"),
                cluster::settings::KUBERNETES_VERSION
            ));
            Ok(())
        }
        Command::Completion { shell } => completion(&shell, printer),
    }
}

fn kustomize(dir: &Path, output: Option<&Path>, printer: &Printer) -> Done {
    let rendered = session::kustomize(dir, &[])
        .map_err(|e| Failure { hint: e.hint, ..Failure::new(YOURS, e.message) })?;
    match output {
        None => printer.data(&rendered.yaml),
        Some(path) => std::fs::write(path, rendered.yaml).map_err(|e| Failure {
            causes: vec![e.to_string()],
            ..Failure::new(USAGE, format!("cannot write {}", path.display()))
        })?,
    }
    Ok(())
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
