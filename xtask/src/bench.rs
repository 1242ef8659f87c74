//! Measures the release binary against the budgets: a table on stdout, and JSON in `target/bench`. Never a test.
//!
//! Each measurement is a function that gives [`Measured`] values; the benchmarks use the worlds of the end-to-end tests.

mod cluster;
mod files;
mod kustomize;
mod load;
mod manifests;
mod project;

use crate::root;
use anyhow::{Context, ensure};
use e2e::World;
use serde_json::json;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One number with its budget.
pub struct Measured {
    /// As in the file name.
    pub name: &'static str,
    pub about: &'static str,
    pub unit: &'static str,
    pub budget: Option<f64>,
    pub value: f64,
    pub samples: Vec<f64>,
}

impl Measured {
    /// Of a rate the budget is the least, of all else the most.
    fn is_missed(&self) -> bool {
        let missed = |budget: f64| if self.unit == "/s" { self.value < budget } else { self.value > budget };
        self.budget.is_some_and(missed)
    }
}

type Bench = fn(&World) -> anyhow::Result<Vec<Measured>>;

const BENCHES: &[(&str, Bench)] = &[
    ("kustomize", kustomize::overlay),
    ("kustomize", kustomize::sizes),
    ("kustomize", kustomize::crds),
    ("tiltfile", files::tiltfile),
    ("api", cluster::api_ready),
    ("load", load::api),
    ("pods", cluster::pods),
    ("idle", cluster::idle),
    ("hello", project::hello),
    ("codex", project::codex),
];

pub fn run(names: &[&str]) -> anyhow::Result<()> {
    let binary = binary()?;
    let mut all = Vec::new();
    let chosen = BENCHES.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
    for (name, bench) in chosen {
        say(&format!("· {name}"));
        let result = World::new(&binary).and_then(|world| {
            let measured = bench(&world);
            let logs = if measured.is_err() { world.logs() } else { String::new() };
            let end = world.finish();
            let measured = measured.with_context(|| logs)?;
            end.map(|()| measured)
        });
        match result {
            Ok(measured) => {
                measured.iter().try_for_each(save)?;
                all.extend(measured);
            }
            // One that cannot run here (no network, say) does not hold up the others.
            Err(error) => say(&format!("✗ {name}: {error:#}")),
        }
    }
    ensure!(
        !all.is_empty(),
        "nothing was measured; the benchmarks are {}",
        BENCHES.iter().map(|b| b.0).collect::<Vec<_>>().join(", ")
    );
    say(&table(&all));
    Ok(())
}

/// `CORACLE_BIN`, or the release binary as the Makefile builds it, built now.
fn binary() -> anyhow::Result<PathBuf> {
    if let Some(given) = std::env::var_os("CORACLE_BIN") {
        return Ok(given.into());
    }
    let make =
        |target: &str| Command::new("make").args(["--silent", target]).current_dir(root::dir()).output();
    let built = make("build").context("cannot run make")?;
    ensure!(built.status.success(), "the binary does not build:\n{}", String::from_utf8_lossy(&built.stderr));
    let path = String::from_utf8(make("binary").context("cannot run make")?.stdout)?;
    Ok(path.trim().into())
}

fn save(measured: &Measured) -> anyhow::Result<()> {
    let folder = root::target_dir().join("bench");
    std::fs::create_dir_all(&folder)?;
    let document = json!({
        "name": measured.name,
        "about": measured.about,
        "unit": measured.unit,
        "budget": measured.budget,
        "value": measured.value,
        "samples": measured.samples,
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
    });
    let path = folder.join(format!("{}.json", measured.name));
    std::fs::write(&path, format!("{document:#}\n"))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn table(all: &[Measured]) -> String {
    let mut out = format!(
        "\n| {:<72} | {:>12} | {:>12} |\n| {:-<72} | {:->12} | {:->12} |\n",
        "what", "measured", "budget", "", ":", ":"
    );
    for measured in all {
        let number = |value: f64| format!("{} {}", rounded(value), measured.unit);
        let budget = measured.budget.map(number).unwrap_or_default();
        let mark = if measured.is_missed() { " ✗" } else { "" };
        out.push_str(&format!(
            "| {:<72} | {:>12} | {:>12} |{mark}\n",
            measured.about,
            number(measured.value),
            budget
        ));
    }
    out
}

fn rounded(value: f64) -> String {
    let digits = match value {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}")
}

/// The value below which this part of the samples is.
pub fn percentile(samples: &[f64], part: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "few samples"
    )]
    let index = (last as f64 * part).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// Median milliseconds of a whole process.
pub fn process_time(
    world: &World,
    program: &Path,
    arguments: &[&str],
    times: usize,
) -> anyhow::Result<Vec<f64>> {
    let mut samples = Vec::new();
    for _ in 0..times {
        let mut command = world.command(program, arguments);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let began = std::time::Instant::now();
        let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
        samples.push(began.elapsed().as_secs_f64() * 1e3);
        ensure!(status.success(), "{} {} failed", program.display(), arguments.join(" "));
    }
    Ok(samples)
}

/// The most megabytes that a process has in memory until it has written its output. It is asked while it writes: that
/// blocks once the pipe is full, and what is to be written is there by then.
pub fn resident_peak(world: &World, program: &Path, arguments: &[&str]) -> anyhow::Result<f64> {
    let mut command = world.command(program, arguments);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
    let status = format!("/proc/{}/status", child.id());
    let mut output = child.stdout.take().context("the output is a pipe")?;
    let mut chunk = vec![0; 1 << 20];
    let mut peak = 0.0_f64;
    while output.read(&mut chunk)? > 0 {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0.0) * 1024.0 / 1e6);
    }
    ensure!(child.wait()?.success(), "{} {} failed", program.display(), arguments.join(" "));
    Ok(peak)
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles() {
        let samples = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert!((percentile(&samples, 0.5) - 3.0).abs() < 1e-9);
        assert!((percentile(&samples, 1.0) - 5.0).abs() < 1e-9);
        assert!(percentile(&[], 0.5).is_nan());
    }
}
