//! Runs scenarios one after another, each in its own world, and says how each ended.

use crate::world::World;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// What a scenario cannot do without.
#[derive(Debug, Clone, Copy)]
pub enum Need {
    Root,
    /// A program in the PATH.
    Program(&'static str),
    /// A file, relative to the repository.
    File(&'static str),
}

pub struct Scenario {
    pub name: &'static str,
    pub needs: &'static [Need],
    pub run: fn(&World) -> anyhow::Result<()>,
}

/// Runs the scenarios whose names contain one of the arguments (all, without arguments).
pub fn main(scenarios: &[Scenario]) -> ExitCode {
    let filters: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if std::env::args().any(|a| a == "--list") {
        scenarios.iter().for_each(|s| say(&format!("{}: test", s.name)));
        return ExitCode::SUCCESS;
    }
    let binary = match binary() {
        Ok(binary) => binary,
        Err(problem) => {
            say(&problem);
            return ExitCode::FAILURE;
        }
    };
    let (mut passed, mut skipped, mut failures) = (0, 0, Vec::new());
    for scenario in
        scenarios.iter().filter(|s| filters.is_empty() || filters.iter().any(|f| s.name.contains(f.as_str())))
    {
        write(&format!("test {} ... ", scenario.name));
        if let Some(reason) = missing(scenario.needs) {
            say(&format!("skipped ({reason})"));
            skipped += 1;
            continue;
        }
        let began = Instant::now();
        let result = attempt(scenario, &binary);
        let seconds = began.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                say(&format!("ok ({seconds:.1} s)"));
                passed += 1;
            }
            Err(report) => {
                say(&format!("FAILED ({seconds:.1} s)\n{report}"));
                failures.push(scenario.name);
            }
        }
    }
    if !failures.is_empty() {
        say(&format!("failed: {}", failures.join(", ")));
    }
    say(&format!("{passed} passed, {} failed, {skipped} skipped", failures.len()));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn attempt(scenario: &Scenario, binary: &Path) -> Result<(), String> {
    let chain = |error: anyhow::Error| {
        error.chain().map(ToString::to_string).collect::<Vec<_>>().join("\n  caused by: ")
    };
    let world = World::new(binary).map_err(chain)?;
    let result = catch_unwind(AssertUnwindSafe(|| (scenario.run)(&world)));
    let result = match result {
        Ok(result) => result.map_err(chain),
        Err(_) => Err("it panicked".into()),
    };
    let result = result.map_err(|report| format!("{report}\n{}", world.logs()));
    let finish = world.finish().map_err(chain);
    match (result, finish) {
        (Ok(()), finish) => finish,
        (Err(report), Ok(())) => Err(report),
        (Err(report), Err(more)) => Err(format!("{report}\nand at the end: {more}")),
    }
}

/// The binary under test: `CORACLE_BIN`, or the one that this build has made.
pub fn binary() -> Result<PathBuf, String> {
    let given = std::env::var_os("CORACLE_BIN").map(PathBuf::from);
    let built = || Some(std::env::current_exe().ok()?.ancestors().nth(2)?.join("coracle"));
    let path = given.or_else(built).ok_or("where is the coracle binary?")?;
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!(
            "error: no binary at {}\nhint: cargo build --package coracle, or set CORACLE_BIN",
            path.display()
        ))
    }
}

fn missing(needs: &[Need]) -> Option<String> {
    needs.iter().find_map(|need| match need {
        Need::Root => (!nix::unistd::geteuid().is_root()).then(|| "needs root".to_string()),
        Need::Program(name) => (!in_path(name)).then(|| format!("needs {name}")),
        Need::File(path) => {
            (!crate::files::repository().join(path).exists()).then(|| format!("needs {path}"))
        }
    })
}

fn in_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

fn write(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

pub fn say(text: &str) {
    write(&format!("{text}\n"));
}
