//! Programs that run to their end while somebody waits: with an interruption and a limit of time.
//!
//! The one way to do so in this crate; programs of resources, which run beside the loop, are in `programs`.

use std::io::{self, Write};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often an interruption is looked for.
const POLL: Duration = Duration::from_millis(30);
/// What a program gets to clean up after an interruption.
const GRACE: Duration = Duration::from_secs(2);

/// How long a program may run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Until {
    pub(crate) interrupt: CancellationToken,
    pub(crate) limit: Option<Duration>,
}

impl Until {
    pub(crate) fn interrupted(interrupt: &CancellationToken) -> Self {
        Self { interrupt: interrupt.clone(), limit: None }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("interrupted")]
    Interrupted,
    #[error("it did not end in {0:?}")]
    Timeout(Duration),
}

impl RunError {
    /// There is no such program.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl From<RunError> for io::Error {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Io(error) => error,
            RunError::Interrupted => io::Error::new(io::ErrorKind::Interrupted, "interrupted"),
            RunError::Timeout(_) => io::Error::new(io::ErrorKind::TimedOut, error.to_string()),
        }
    }
}

/// Runs it with this input, output captured.
///
/// It stays in the terminal's process group: it may ask for a password there. So an interruption ends the processes
/// below it one by one.
pub(crate) fn output(
    command: &mut Command,
    input: Option<Vec<u8>>,
    until: &Until,
) -> Result<Output, RunError> {
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (id, began) = (child.id(), Instant::now());
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        // A command that reads nothing closes the pipe: its choice.
        std::thread::spawn(move || drop(pipe.write_all(&input)));
    }
    let (ended, end) = sync_channel(1);
    std::thread::spawn(move || drop(ended.send(child.wait_with_output())));
    let why = loop {
        let left = until.limit.map(|limit| limit.saturating_sub(began.elapsed()));
        match end.recv_timeout(left.map_or(POLL, |left| left.min(POLL))) {
            Ok(output) => return Ok(output?),
            Err(RecvTimeoutError::Disconnected) => return Err(RunError::Interrupted),
            Err(RecvTimeoutError::Timeout) if until.interrupt.is_cancelled() => break RunError::Interrupted,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(limit) = until.limit.filter(|limit| began.elapsed() >= *limit) {
            break RunError::Timeout(limit);
        }
    };
    end_tree(id, rustix::process::Signal::TERM);
    if end.recv_timeout(GRACE).is_err() {
        end_tree(id, rustix::process::Signal::KILL);
    }
    Err(why)
}

/// As a shell tells it: 128 + the signal for a killed process.
pub(crate) fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Signals a child of ours that was not waited for yet, and all processes below it.
fn end_tree(root: u32, signal: rustix::process::Signal) {
    let table = table();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(table.iter().filter(|entry| entry.parent == parent).map(|entry| entry.id));
        next += 1;
    }
    for id in tree {
        if let Some(pid) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// Some process of the group still runs; one that has ended and that nobody waited for does not.
pub(crate) fn is_group_alive(group: i32) -> bool {
    table().iter().any(|entry| entry.group == group && !entry.has_ended)
}

struct Entry {
    id: u32,
    parent: u32,
    group: i32,
    has_ended: bool,
}

/// Every process.
fn table() -> Vec<Entry> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // the name in parentheses may hold anything: `12 (a) b) S 1 12 …`
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
            let has_ended = matches!(fields.next()?, "Z" | "X");
            let (parent, group) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            Some(Entry { id, parent, group, has_ended })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn input_and_output() {
        let until = Until::default();
        let mut cat = Command::new("cat");
        let got = output(&mut cat, Some(b"text".to_vec()), &until).expect("cat runs");
        assert_eq!((got.stdout.as_slice(), got.status.success()), (b"text".as_slice(), true));
        let missing = output(&mut Command::new("/no/such/program"), None, &until);
        assert!(missing.is_err_and(|error| error.is_missing()));
    }

    /// Starts a tree of processes that hold a pipe, does something once they run, and waits until none of them does.
    fn endless(then: impl FnOnce() + Send + 'static, until: &Until) -> RunError {
        use std::os::fd::AsRawFd;
        let (mut end, theirs) = std::io::pipe().expect("a pipe");
        let watcher = std::thread::spawn(move || {
            end.read_exact(&mut [0]).expect("the grandchild has started");
            then();
            end.read_to_end(&mut Vec::new()).expect("nobody holds the pipe any more");
        });
        let pipe = format!("/proc/{}/fd/{}", std::process::id(), theirs.as_raw_fd());
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 9>{pipe}; (printf x >&9; sleep 1000; true) & wait; true")]);
        let error = output(&mut shell, None, until).expect_err("it does not end by itself");
        drop(theirs);
        watcher.join().expect("the watcher saw the end");
        error
    }

    #[test]
    fn an_interruption_ends_the_whole_tree() {
        let until = Until::default();
        let stopper = until.interrupt.clone();
        let error = endless(move || stopper.cancel(), &until);
        assert!(matches!(error, RunError::Interrupted), "{error}");
    }

    #[test]
    fn a_limit_ends_the_whole_tree() {
        let limit = Duration::from_millis(300);
        let error = endless(|| (), &Until { limit: Some(limit), ..Until::default() });
        assert!(matches!(error, RunError::Timeout(after) if after == limit), "{error}");
    }
}
