//! What CI runs: format, tidy, lints, the tests of all crates, and the binary against real clients and containers.
//!
//! One profile and one selection of packages for all, so that dependencies are compiled twice only: checked for the
//! lints, and built for the tests.

use crate::{root, tidy};
use anyhow::{Context, bail};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

struct Phase {
    name: &'static str,
    took: Duration,
    passed: bool,
}

/// Tests that said how they ended.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Count {
    passed: usize,
    failed: usize,
}

pub fn run() -> anyhow::Result<()> {
    let mut phases = Vec::new();
    let mut count = Count::default();
    let mut phase = |name: &'static str, run: &mut dyn FnMut(&mut Count) -> anyhow::Result<bool>| {
        say(&format!("── {name}"));
        let began = Instant::now();
        let passed = run(&mut count)?;
        phases.push(Phase { name, took: began.elapsed(), passed });
        anyhow::Ok(passed)
    };
    phase("format", &mut |_| cargo(&["fmt", "--all", "--check"]))?;
    phase("tidy", &mut |_| tidied())?;
    phase("lints", &mut |_| {
        cargo(&["clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])
    })?;
    let built = phase("build", &mut |_| cargo(&["test", "--quiet", "--locked", "--workspace", "--no-run"]))?;
    if built {
        phase("tests", &mut |count| tests(&["test", "--locked", "--workspace", "--no-fail-fast"], count))?;
        phase("end to end", &mut |count| {
            tests(&["test", "--locked", "--workspace", "--test", "e2e"], count)
        })?;
    }
    say("");
    for phase in &phases {
        let mark = if phase.passed { "✓" } else { "✗" };
        say(&format!("{mark} {:<12} {:>7.1} s", phase.name, phase.took.as_secs_f64()));
    }
    let broken: Vec<&str> = phases.iter().filter(|p| !p.passed).map(|p| p.name).collect();
    // A phase without single tests counts as one.
    let is_check = |name: &str| !matches!(name, "tests" | "end to end");
    let checks = phases.iter().filter(|p| is_check(p.name));
    let failed_checks = checks.clone().filter(|p| !p.passed).count();
    let (passed, failed) = (count.passed + checks.count() - failed_checks, count.failed + failed_checks);
    say(&format!("{passed} passed, {failed} failed"));
    if !broken.is_empty() {
        bail!("failed: {}", broken.join(", "));
    }
    Ok(())
}

fn say(text: &str) {
    // A reader that went away is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn tidied() -> anyhow::Result<bool> {
    let findings = tidy::check()?;
    findings.notes.iter().for_each(|note| say(&format!("note: {note}")));
    findings.problems.iter().for_each(|problem| say(&format!("error: {problem}")));
    Ok(findings.problems.is_empty())
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    command.args(arguments).current_dir(root::dir());
    command
}

fn cargo(arguments: &[&str]) -> anyhow::Result<bool> {
    let status =
        command(arguments).status().with_context(|| format!("cannot run cargo {}", arguments.join(" ")))?;
    Ok(status.success())
}

/// Runs tests, passes their output on, and counts by their closing lines.
fn tests(arguments: &[&str], count: &mut Count) -> anyhow::Result<bool> {
    let mut child = command(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run cargo {}", arguments.join(" ")))?;
    let out = child.stdout.take().expect("stdout is piped");
    for line in BufReader::new(out).lines() {
        let line = line?;
        if let Some(more) = closing_line(&line) {
            count.passed += more.passed;
            count.failed += more.failed;
        }
        say(&line);
    }
    Ok(child.wait()?.success())
}

/// `test result: ok. 3 passed; 0 failed; …`, or `3 passed, 0 failed…` of a harness of our own.
fn closing_line(line: &str) -> Option<Count> {
    let counts = match line.strip_prefix("test result: ") {
        Some(rest) => rest.split_once(". ")?.1,
        None => line,
    };
    let mut words = counts.split([' ', ',', ';']).filter(|word| !word.is_empty());
    let passed = words.next()?.parse().ok()?;
    (words.next()? == "passed").then_some(())?;
    let failed = words.next()?.parse().ok()?;
    (words.next()? == "failed").then_some(Count { passed, failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_counted() {
        let cases = [
            ("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out", Some((12, 0))),
            ("test result: FAILED. 3 passed; 2 failed; 0 ignored", Some((3, 2))),
            ("7 passed, 1 failed, 2 skipped", Some((7, 1))),
            ("7 passed", None),
            ("running 3 tests", None),
        ];
        for (line, want) in cases {
            let want = want.map(|(passed, failed)| Count { passed, failed });
            assert_eq!(closing_line(line), want, "{line}");
        }
    }
}
