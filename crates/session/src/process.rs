//! Programs that run to their end while the Tiltfile waits, and can be interrupted.

use std::io::{self, Write};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often an interruption is looked for.
const POLL: Duration = Duration::from_millis(30);
/// What a program gets to clean up after an interruption.
const GRACE: Duration = Duration::from_secs(2);

/// Runs it with this input, output captured.
///
/// It stays in the terminal's process group: it may ask for a password there. So an interruption ends the processes
/// below it one by one.
pub(crate) fn output(
    command: &mut Command,
    input: Option<Vec<u8>>,
    interrupt: &CancellationToken,
) -> io::Result<Output> {
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let id = child.id();
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        // A command that reads nothing closes the pipe: its choice.
        std::thread::spawn(move || drop(pipe.write_all(&input)));
    }
    let (ended, end) = sync_channel(1);
    std::thread::spawn(move || drop(ended.send(child.wait_with_output())));
    let interrupted = || io::Error::new(io::ErrorKind::Interrupted, "interrupted");
    loop {
        match end.recv_timeout(POLL) {
            Ok(output) => return output,
            Err(RecvTimeoutError::Disconnected) => return Err(interrupted()),
            Err(RecvTimeoutError::Timeout) if interrupt.is_cancelled() => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    end_tree(id, rustix::process::Signal::TERM);
    if end.recv_timeout(GRACE).is_err() {
        end_tree(id, rustix::process::Signal::KILL);
    }
    Err(interrupted())
}

/// Signals a child of ours that was not waited for yet, and all processes below it.
fn end_tree(root: u32, signal: rustix::process::Signal) {
    let parents = parents();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(id, _)| *id));
        next += 1;
    }
    for id in tree {
        if let Some(pid) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

/// Every process and its parent.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // the name in parentheses may hold anything: `12 (a) b) S 1 …`
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((id, parent))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn input_and_output() {
        let token = CancellationToken::new();
        let mut cat = Command::new("cat");
        let got = output(&mut cat, Some(b"text".to_vec()), &token).expect("cat runs");
        assert_eq!((got.stdout.as_slice(), got.status.success()), (b"text".as_slice(), true));
        assert!(output(&mut Command::new("/no/such/program"), None, &token).is_err());
    }

    #[test]
    fn an_interruption_ends_the_whole_tree() {
        use std::os::fd::AsRawFd;
        let token = CancellationToken::new();
        let (mut end, theirs) = std::io::pipe().expect("a pipe");
        let stopper = token.clone();
        let watcher = std::thread::spawn(move || {
            end.read_exact(&mut [0]).expect("the grandchild has started");
            stopper.cancel();
            end.read_to_end(&mut Vec::new()).expect("nobody holds the pipe any more");
        });
        let pipe = format!("/proc/{}/fd/{}", std::process::id(), theirs.as_raw_fd());
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 9>{pipe}; (printf x >&9; sleep 1000; true) & wait; true")]);
        let error = output(&mut shell, None, &token).expect_err("it was interrupted");
        drop(theirs);
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        watcher.join().expect("the watcher saw the end");
    }
}
