//! Evaluates a Tiltfile and prints the result in the neutral form: for comparisons without the whole program.
//!
//! `result -f TILTFILE [-- ARGS]`, with `KUBECONFIG` and the environment as they are. Exit code 5 if the Tiltfile fails.

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write as _;
use std::process::ExitCode;
use support::DiskHost;
use tiltfile::{Settings, evaluate, kube_context, neutral};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut tiltfile = "Tiltfile".to_owned();
    let mut args = Vec::new();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-f" => tiltfile = arguments.next().unwrap_or_default(),
            "--" => {
                args.extend(arguments);
                break;
            }
            other => args.push(other.to_owned()),
        }
    }
    let kubeconfig = std::env::var("KUBECONFIG").ok().and_then(|path| std::fs::read_to_string(path).ok());
    let host = DiskHost {
        env: std::env::vars().collect(),
        context: kubeconfig.and_then(|text| kube_context(&text, None)),
    };
    let settings = Settings { args, subcommand: "up".to_owned(), ..Settings::default() };
    let here = std::env::current_dir().unwrap_or_default();
    let evaluation = evaluate(&host, &here.join(tiltfile), &settings);
    let text = neutral::evaluation(&evaluation).to_string();
    let written = writeln!(std::io::stdout(), "{text}").is_ok();
    match (written, evaluation.error) {
        (false, _) => ExitCode::FAILURE,
        (true, None) => ExitCode::SUCCESS,
        (true, Some(_)) => ExitCode::from(5),
    }
}
