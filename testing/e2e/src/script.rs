//! Commands and what they must say, as a text: the cases of a scenario are data.
//!
//! `$ command` runs by `sh` in the project's folder. The lines below it: `> text` must be in the output (runs of blanks
//! are one), `! text` must not, `= N` is the exit code (0 otherwise), `~ N` repeats for up to N seconds until all holds.

use crate::process::{Run, tail};
use crate::wait;
use crate::world::World;
use anyhow::{Context, bail, ensure};

#[derive(Debug, Default)]
struct Step {
    line: usize,
    command: String,
    wanted: Vec<String>,
    unwanted: Vec<String>,
    code: i32,
    patience: u64,
}

pub fn run(world: &World, script: &str) -> anyhow::Result<()> {
    for step in parse(script)? {
        let result = if step.patience == 0 {
            attempt(world, &step)
        } else {
            wait::until("the command does as wanted", step.patience, || attempt(world, &step))
        };
        result.with_context(|| format!("step of line {}: {}", step.line, step.command))?;
    }
    Ok(())
}

fn attempt(world: &World, step: &Step) -> anyhow::Result<()> {
    let run = world.shell(&step.command)?;
    judge(&run, step)
}

fn judge(run: &Run, step: &Step) -> anyhow::Result<()> {
    let text = run.text();
    let shown = || tail(&text);
    ensure!(run.code == Some(step.code), "exit code {:?} instead of {}:\n{}", run.code, step.code, shown());
    let flat = squeeze(&text);
    for wanted in &step.wanted {
        ensure!(flat.contains(wanted), "does not say {wanted:?}:\n{}", shown());
    }
    for unwanted in &step.unwanted {
        ensure!(!flat.contains(unwanted), "says {unwanted:?}:\n{}", shown());
    }
    Ok(())
}

/// Runs of blanks are one, and colours are none: some versions of some tools colour whatever reads them.
fn squeeze(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split("\x1b[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parse(script: &str) -> anyhow::Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    for (index, line) in script.lines().enumerate() {
        let Some((mark, rest)) = line.split_at_checked(2).filter(|_| !line.starts_with('#')) else {
            continue;
        };
        if mark == "$ " {
            steps.push(Step { line: index + 1, command: rest.to_string(), ..Step::default() });
            continue;
        }
        let step = steps.last_mut().with_context(|| format!("line {} is before any command", index + 1))?;
        match mark {
            "> " => step.wanted.push(squeeze(rest)),
            "! " => step.unwanted.push(squeeze(rest)),
            "= " => step.code = rest.trim().parse()?,
            "~ " => step.patience = rest.trim().parse()?,
            // A command may go on over several lines.
            "  " => step.command = format!("{}\n{rest}", step.command),
            _ => bail!("line {} begins with {mark:?}", index + 1),
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read() {
        let steps = parse("# about\n$ kubectl get pods\n> NAME   READY\n! Error\n~ 20\n\n$ false\n= 1\n")
            .expect("valid");
        assert_eq!(steps.len(), 2);
        assert_eq!((steps[0].wanted.join(""), steps[0].patience), ("NAME READY".into(), 20));
        assert_eq!((steps[1].command.as_str(), steps[1].code), ("false", 1));
        assert!(parse("> before").is_err());
        assert!(parse("$ x\n?? what").is_err());
    }
}
