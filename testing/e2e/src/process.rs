//! Programs with a time limit, and programs in the background whose output can be waited for.

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Run {
    pub what: String,
    /// `None`: ended by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Run {
    /// Both outputs, for looking into.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    pub fn exits(self, code: i32) -> anyhow::Result<Self> {
        let got = self.code.map_or("a signal".to_string(), |code| code.to_string());
        ensure!(
            self.code == Some(code),
            "`{}` ended with {got}, not {code}:\n{}",
            self.what,
            tail(&self.text())
        );
        Ok(self)
    }

    pub fn ok(self) -> anyhow::Result<Self> {
        self.exits(0)
    }

    /// Has each of these in its output.
    pub fn says(self, parts: &[&str]) -> anyhow::Result<Self> {
        let text = self.text();
        for part in parts {
            ensure!(text.contains(part), "`{}` does not say {part:?}:\n{}", self.what, tail(&text));
        }
        Ok(self)
    }
}

/// The last part of a long output.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(60);
    lines[from..].iter().map(|line| format!("    {line}\n")).collect()
}

fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// Runs a program to its end, at most this long.
pub fn run(command: Command, limit: Duration) -> anyhow::Result<Run> {
    let mut background = Background::start(command)?;
    let began = Instant::now();
    let status = background.wait(limit)?;
    let took = began.elapsed();
    let (stdout, stderr) = background.rest()?;
    Ok(Run { what: background.what.clone(), code: status.code(), stdout, stderr, took })
}

type Text = Arc<Mutex<Vec<u8>>>;

/// A program that goes on; ended with its whole process group when dropped.
pub struct Background {
    pub what: String,
    child: Child,
    ended: Option<ExitStatus>,
    stdout: Text,
    stderr: Text,
    readers: Vec<JoinHandle<()>>,
}

impl Background {
    pub fn start(mut command: Command) -> anyhow::Result<Self> {
        let what = describe(&command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot run `{what}`"))?;
        let (stdout, stderr) = (Text::default(), Text::default());
        let readers = vec![
            read_all(child.stdout.take().expect("stdout is piped"), stdout.clone()),
            read_all(child.stderr.take().expect("stderr is piped"), stderr.clone()),
        ];
        Ok(Self { what, child, ended: None, stdout, stderr, readers })
    }

    /// What it has written so far: stdout, then stderr.
    pub fn text(&self) -> String {
        let read =
            |text: &Text| String::from_utf8_lossy(&text.lock().expect("no reader panics")).into_owned();
        read(&self.stdout) + &read(&self.stderr)
    }

    /// Waits until the output has this; an error if the program ends before.
    pub fn wait_for(&mut self, part: &str, seconds: u64) -> anyhow::Result<()> {
        self.wait_for_count(part, 1, seconds)
    }

    /// Waits until the output has this so many times.
    pub fn wait_for_count(&mut self, part: &str, count: usize, seconds: u64) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.text().matches(part).count() < count {
            if let Some(status) = self.poll()? {
                std::thread::sleep(Duration::from_millis(100));
                if self.text().matches(part).count() >= count {
                    return Ok(());
                }
                bail!("`{}` ended ({status}) before it said {part:?}:\n{}", self.what, tail(&self.text()));
            }
            if began.elapsed() > Duration::from_secs(seconds) {
                bail!("`{}` does not say {part:?} after {seconds} s:\n{}", self.what, tail(&self.text()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn poll(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Ctrl-C of a terminal: the whole process group gets it.
    pub fn interrupt(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGINT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let group = Pid::from_raw(i32::try_from(self.child.id())?);
        killpg(group, signal).with_context(|| format!("cannot signal `{}`", self.what))
    }

    pub fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.poll()? {
                return Ok(status);
            }
            if began.elapsed() > limit {
                let _ = self.signal(Signal::SIGKILL);
                let _ = self.child.wait();
                bail!("`{}` did not end in {:.0} s:\n{}", self.what, limit.as_secs_f64(), tail(&self.text()));
            }
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// The whole output of a program that has ended. One that left a process behind which holds the output open would
    /// make a shell pipe hang: that is an error.
    fn rest(&mut self) -> anyhow::Result<(String, String)> {
        let began = Instant::now();
        while !self.readers.iter().all(JoinHandle::is_finished) {
            ensure!(
                began.elapsed() < Duration::from_secs(5),
                "`{}` ended, and its output is still open",
                self.what
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        let take =
            |text: &Text| String::from_utf8_lossy(&text.lock().expect("no reader panics")).into_owned();
        Ok((take(&self.stdout), take(&self.stderr)))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.signal(Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

fn read_all(mut from: impl Read + Send + 'static, to: Text) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            to.lock().expect("no reader panics").extend_from_slice(&buffer[..length]);
        }
    })
}
