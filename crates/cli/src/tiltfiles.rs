//! What concerns the Tiltfile alone: its meaning, its faults, its builtins.

use crate::args::{CheckArgs, CheckFormat, TiltfileCommand};
use crate::failure::{Done, Failure, INTERRUPTED, OURS, YOURS};
use crate::printer::Printer;
use crate::{clusters, up};
use session::{OsHost, Output};
use std::io::IsTerminal;
use std::sync::Arc;
use tiltfile::{Commands, KubeContext, Report, Severity};
use tokio_util::sync::CancellationToken;

pub fn run(command: &TiltfileCommand, printer: &Arc<Printer>) -> Done {
    match command {
        TiltfileCommand::Check(args) => check(args, printer),
        TiltfileCommand::Stubs => {
            printer.data(&tiltfile::catalog::stubs());
            Ok(())
        }
        TiltfileCommand::Result(args) => up::tiltfile_result(args, printer),
    }
}

/// The context that stands for the embedded cluster where no cluster is touched.
pub fn no_cluster() -> KubeContext {
    KubeContext { name: "coracle".into(), namespace: "default".into(), is_local: true }
}

fn check(args: &CheckArgs, printer: &Arc<Printer>) -> Done {
    let tiltfile = up::tiltfile_path(args.named_file.as_ref().unwrap_or(&args.file))?;
    let output = printer.clone();
    let settings = tiltfile::Settings {
        args: args.args.clone(),
        subcommand: "up".into(),
        web_host: "localhost".into(),
        web_port: 10350,
        commands: if args.run_commands { Commands::Run } else { Commands::Skip },
        ..tiltfile::Settings::default()
    };
    let verbose = args.format == CheckFormat::Text && args.run_commands;
    let report = clusters::block_on(async move {
        let interrupt = CancellationToken::new();
        tokio::spawn(up::wait_for_interrupt(interrupt.clone(), Arc::default()));
        let print = Arc::new(move |_: tiltfile::Level, text: &str| {
            if verbose {
                output.log("", session::LogSource::Tiltfile, &format!("{text}\n"));
            }
        });
        let host = OsHost::new(Some(no_cluster()), print, interrupt.clone());
        let report = session::check(host, tiltfile, settings).await;
        (!interrupt.is_cancelled()).then_some(report)
    })?;
    let Some(report) = report else { return Err(Failure::new(INTERRUPTED, "interrupted")) };
    let report = report.map_err(|problem| Failure::new(OURS, problem))?;
    match args.format {
        CheckFormat::Json => {
            let text = serde_json::to_string_pretty(&report).map_err(|e| Failure::of(OURS, &e))?;
            printer.data(&format!("{text}\n"));
        }
        CheckFormat::Text => printer.data(&human(&report, has_colour())),
    }
    verdict(&report, printer)
}

fn has_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// The findings with the lines that they are about.
fn human(report: &Report, colour: bool) -> String {
    let mut out = String::new();
    for finding in &report.diagnostics {
        let severity = match finding.severity {
            Severity::Error => diag::Severity::Error,
            Severity::Warning => diag::Severity::Warning,
        };
        let mut diagnostic = diag::Diagnostic::new(severity, finding.message.trim_end());
        if let Some(hint) = &finding.hint {
            diagnostic = diagnostic.hint(hint.clone());
        }
        let mut source = None;
        if let Some(position) = &finding.position {
            diagnostic = diagnostic
                .in_file(position.file.display().to_string())
                .at_position(diag::Position { line: position.line, column: position.column });
            source = std::fs::read_to_string(&position.file).ok();
        }
        out.push_str(diag::render(&diagnostic, source.as_deref(), colour).trim_end());
        out.push_str("\n\n");
    }
    out
}

fn verdict(report: &Report, printer: &Printer) -> Done {
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    if report.commands_skipped > 0 {
        printer.info(&format!(
            "{} of local() not run; --run-commands runs them",
            plural(report.commands_skipped, "command")
        ));
    }
    let found = format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
    if errors > 0 {
        return Err(Failure::new(YOURS, found));
    }
    printer.done("checked", &format!("{}: {found}", plural(report.files.len(), "file")), None);
    Ok(())
}
