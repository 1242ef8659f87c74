//! Builds a directory and prints it: for comparisons with the original on one machine.

use std::io::Write as _;
use std::process::ExitCode;

use kustomize::{Disk, LoadRestrictor, Options, Reorder, build};

fn main() -> ExitCode {
    let mut options = Options::default();
    let mut dir = ".".to_string();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--reorder=none" => options.reorder = Reorder::None,
            "--reorder=legacy" => options.reorder = Reorder::Legacy,
            "--load-restrictor=LoadRestrictionsNone" => options.load_restrictor = LoadRestrictor::None,
            flag if flag.starts_with("--") => {}
            other => dir = other.to_string(),
        }
    }
    let built = build(&Disk, &dir, &options);
    let (text, code) = match &built {
        Ok(built) => (built.yaml.clone(), ExitCode::SUCCESS),
        Err(e) => {
            let shown = e.to_diagnostics().iter().map(|d| diag::render(d, None, false)).collect::<String>();
            let text = format!("Error: {}\n{shown}", e.chain());
            (text, ExitCode::FAILURE)
        }
    };
    let written = if built.is_ok() {
        std::io::stdout().write_all(text.as_bytes())
    } else {
        std::io::stderr().write_all(text.as_bytes())
    };
    if written.is_ok() { code } else { ExitCode::FAILURE }
}
