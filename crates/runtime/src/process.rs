//! Processes by pid and start time, so that a reused pid is never taken for ours.

use crate::sys;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::io::Interest;

/// A process, told apart from a later one with the same pid by the clock tick of its start, and from one before a
/// restart of the machine by that start's own number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pub(crate) pid: i32,
    pub(crate) start: u64,
    pub(crate) boot: u64,
}

impl ProcessId {
    /// The process that has this pid now.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        Ok(Self { pid, start: start_time(pid)?, boot: boot() })
    }

    pub(crate) fn is_alive(self) -> bool {
        self.boot == boot() && start_time(self.pid).is_ok_and(|start| start == self.start)
    }

    /// A handle on this very process; `None` if it is gone. The start is checked after the handle is open.
    pub(crate) fn open(self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(fd) if self.is_alive() => Ok(Some(fd)),
            Ok(_) | Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a signal; a process that is gone is no error.
    pub(crate) fn signal(self, signal: i32) -> io::Result<()> {
        let Some(fd) = self.open()? else { return Ok(()) };
        match sys::send_signal(fd.as_fd(), signal) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            other => other,
        }
    }

    /// Waits until the process has ended, without polling.
    pub(crate) async fn gone(self) {
        loop {
            match self.open().and_then(|fd| fd.map(|fd| sys::watched(fd, Interest::READABLE)).transpose()) {
                Ok(None) => return,
                // Readable: the process has ended.
                Ok(Some(fd)) => drop(fd.readable().await),
                // No descriptor is free, or the like: it may get better.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// A number of this start of the machine.
fn boot() -> u64 {
    static BOOT: OnceLock<u64> = OnceLock::new();
    *BOOT.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(12).collect();
        u64::from_str_radix(&digits, 16).unwrap_or(0)
    })
}

/// Field 22 of `/proc/<pid>/stat`. A zombie counts as gone.
fn start_time(pid: i32) -> io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name (field 2) is in parentheses and may hold anything, so count from its end.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = rest.split_whitespace();
    if matches!(fields.next(), None | Some("Z" | "X")) {
        return Err(io::ErrorKind::NotFound.into());
    }
    fields.nth(18).and_then(|f| f.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
