//! Tables of commands with their whole output, for clients of several versions.
//!
//! `$ command` runs by `sh` in the project's folder; a line that begins with two blanks goes on with it. Below it:
//! `? 1.32 1.37` runs it with these clients only; `= N` is the exit code (0 otherwise); `> text` must be in the output,
//! `! text` must not; `~ N` repeats for up to N seconds until these hold. Lines `| text` are the whole output, with what
//! differs from run to run masked (see [`mask`](crate::mask)); `@ 1.20` begins the output of one client that says it
//! otherwise. A step without `>`, `!` and `|` must say nothing.
//!
//! With `UPDATE_EXPECT=1` the lines `|` are written anew into the file.

use crate::mask::Masks;
use crate::process::{Run, tail};
use crate::world::World;
use crate::{files, wait};
use anyhow::{bail, ensure};
use std::path::PathBuf;

/// One mistake makes many; the first ones tell the most.
const MOST_FAILURES: usize = 30;

/// Who runs a table.
#[derive(Debug, Clone)]
pub struct Client {
    /// As the lines `?` and `@` name it.
    pub label: String,
    /// Folders with its programs; they come first in the PATH.
    pub programs: Vec<PathBuf>,
    pub environment: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Step {
    line: usize,
    command: String,
    clients: Vec<String>,
    wanted: Vec<String>,
    unwanted: Vec<String>,
    code: i32,
    patience: u64,
    /// As written, to write it again.
    head: Vec<String>,
    outputs: Vec<Output>,
}

/// What is said: by all clients, or by one.
#[derive(Debug)]
struct Output {
    client: Option<String>,
    lines: Vec<String>,
}

enum Part {
    Text(String),
    Step(Step),
}

/// Runs the table `data/NAME` with each client in turn.
pub fn run(world: &World, name: &str, clients: &[Client]) -> anyhow::Result<()> {
    let path = files::repository().join("testing/e2e/data").join(name);
    let mut table = parse(&files::read(&path)?)?;
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let masks = Masks::new(&world.root().to_string_lossy());
    let mut failures = Vec::new();
    for (index, client) in clients.iter().enumerate() {
        for part in &mut table {
            let Part::Step(step) = part else { continue };
            if !step.clients.is_empty() && !step.clients.contains(&client.label) {
                continue;
            }
            let result = attempt(world, step, client).and_then(|run| {
                let lines = masks.apply(&run.text());
                if update {
                    step.learn(&client.label, lines, index == 0);
                    return Ok(());
                }
                step.compare(&client.label, &lines)
            });
            if let Err(error) = result {
                let about = format!("{name}:{}, by {}: {}", step.line, client.label, step.command);
                failures.push(format!("{about}\n  {error:#}"));
                ensure!(failures.len() < MOST_FAILURES, "{}", failures.join("\n"));
            }
        }
    }
    if update {
        files::write(&path, &render(&table))?;
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

fn attempt(world: &World, step: &Step, client: &Client) -> anyhow::Result<Run> {
    let try_once = || {
        let mut command = world.command("sh", &["-c", &step.command]);
        let own = client.programs.iter().cloned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = own.chain([world.root().join("bin")]).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(all)?);
        command.envs(client.environment.iter().map(|(name, value)| (name, value)));
        let run = world.run(command)?;
        step.judge(&run)?;
        Ok(run)
    };
    if step.patience == 0 {
        try_once()
    } else {
        wait::until("the command does as wanted", step.patience, try_once)
    }
}

impl Step {
    fn judge(&self, run: &Run) -> anyhow::Result<()> {
        let text = run.text();
        ensure!(
            run.code == Some(self.code),
            "exit code {:?} instead of {}:\n{}",
            run.code,
            self.code,
            tail(&text)
        );
        let flat = flat(&text);
        for wanted in &self.wanted {
            ensure!(flat.contains(wanted), "does not say {wanted:?}:\n{}", tail(&text));
        }
        for unwanted in &self.unwanted {
            ensure!(!flat.contains(unwanted), "says {unwanted:?}:\n{}", tail(&text));
        }
        Ok(())
    }

    /// Looked into only: the lines `>` and `!` are all that counts.
    fn is_loose(&self) -> bool {
        self.outputs.is_empty() && !(self.wanted.is_empty() && self.unwanted.is_empty())
    }

    fn output(&self, client: &str) -> Option<usize> {
        let own = self.outputs.iter().position(|output| output.client.as_deref() == Some(client));
        own.or_else(|| self.outputs.iter().position(|output| output.client.is_none()))
    }

    fn compare(&self, client: &str, lines: &[String]) -> anyhow::Result<()> {
        if self.is_loose() {
            return Ok(());
        }
        let expected = self.output(client).map_or(&[][..], |index| &self.outputs[index].lines);
        if expected != lines {
            bail!("{}", difference(expected, lines));
        }
        Ok(())
    }

    fn learn(&mut self, client: &str, lines: Vec<String>, first: bool) {
        if self.is_loose() || self.compare(client, &lines).is_ok() {
            return;
        }
        let known = self.output(client);
        match known {
            Some(index) if first || self.outputs[index].client.is_some() => self.outputs[index].lines = lines,
            // The one without a client comes first, or it would be read as another one's.
            None if first => self.outputs.insert(0, Output { client: None, lines }),
            _ => self.outputs.push(Output { client: Some(client.to_owned()), lines }),
        }
    }
}

fn difference(expected: &[String], lines: &[String]) -> String {
    let mut out = String::from("says something else (- expected, + said):\n");
    let same = expected.iter().zip(lines).take_while(|(a, b)| a == b).count();
    for line in expected[..same].iter().rev().take(3).rev() {
        out.push_str(&format!("      {line}\n"));
    }
    for (mark, rest) in [('-', &expected[same..]), ('+', &lines[same..])] {
        for line in rest.iter().take(25) {
            out.push_str(&format!("    {mark} {line}\n"));
        }
    }
    out
}

/// Runs of blanks and ends of lines are one blank.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parse(text: &str) -> anyhow::Result<Vec<Part>> {
    let mut table: Vec<Part> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (mark, rest) = line.split_at_checked(2).unwrap_or((line, ""));
        if mark == "$ " {
            let head = vec![line.to_owned()];
            table.push(Part::Step(Step { line: index + 1, command: rest.into(), head, ..Step::default() }));
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            table.push(Part::Text(line.to_owned()));
            continue;
        }
        let Some(Part::Step(step)) = table.last_mut() else {
            bail!("line {} belongs to no command", index + 1)
        };
        match mark {
            "@ " => step.outputs.push(Output { client: Some(rest.into()), lines: Vec::new() }),
            "| " | "|" => {
                if step.outputs.is_empty() {
                    step.outputs.push(Output { client: None, lines: Vec::new() });
                }
                step.outputs.last_mut().expect("one was just added").lines.push(rest.to_owned());
            }
            "? " => step.clients = rest.split_whitespace().map(str::to_owned).collect(),
            "> " => step.wanted.push(flat(rest)),
            "! " => step.unwanted.push(flat(rest)),
            "= " => step.code = rest.trim().parse()?,
            "~ " => step.patience = rest.trim().parse()?,
            "  " => step.command = format!("{}\n{rest}", step.command),
            _ => bail!("line {} begins with {mark:?}", index + 1),
        }
        if !matches!(mark, "@ " | "| " | "|") {
            step.head.push(line.to_owned());
        }
    }
    Ok(table)
}

fn render(table: &[Part]) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    for part in table {
        match part {
            Part::Text(text) => line(text),
            Part::Step(step) => {
                step.head.iter().for_each(|head| line(head));
                for output in &step.outputs {
                    if let Some(client) = &output.client {
                        line(&format!("@ {client}"));
                    }
                    output.lines.iter().for_each(|said| line(&format!("| {said}")));
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# about\n$ kubectl get pods\n? new old\n| NAME READY\n| a 1/1\n@ old\n| NAME\n\n$ false\n= 1\n> no\n";

    #[test]
    fn tables_are_read_and_written() {
        let table = parse(TABLE).expect("valid");
        assert_eq!(render(&table), TABLE);
        let steps: Vec<&Step> = table
            .iter()
            .filter_map(|part| match part {
                Part::Step(step) => Some(step),
                Part::Text(_) => None,
            })
            .collect();
        assert!(steps[0].compare("new", &["NAME READY".into(), "a 1/1".into()]).is_ok());
        assert!(steps[0].compare("old", &["NAME".into()]).is_ok());
        assert!(steps[0].compare("new", &["NAME".into()]).is_err());
        assert!(steps[1].is_loose());
        assert!(parse("> before").is_err());
    }

    #[test]
    fn what_one_client_says_otherwise_is_kept_beside() {
        let mut step = Step::default();
        step.learn("new", vec!["a".into()], true);
        step.learn("old", vec!["b".into()], false);
        step.learn("older", vec!["a".into()], false);
        let all: Vec<_> = step.outputs.iter().map(|o| (o.client.as_deref(), o.lines.join(""))).collect();
        assert_eq!(all, [(None, "a".to_owned()), (Some("old"), "b".to_owned())]);
    }
}
