//! Terminals of the container's own: opened in its `/dev/pts`, so that their names are valid there.

use crate::sys;
use rustix::fs::{Mode, OFlags, open as open_file};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Called with the container's root as ours. The master goes out of the container by `hand_over`; the answer is the
/// side that the program gets.
pub(crate) fn open(hand_over: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = open_file("/dev/pts/ptmx", flags, Mode::empty())?;
    rustix::pty::unlockpt(&master)?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    let slave = open_file(name.as_c_str(), flags, Mode::empty())?;
    hand_over(master.as_fd())?;
    Ok(slave)
}

/// The terminal becomes our standard streams and our session's terminal.
pub(crate) fn use_it(slave: &OwnedFd) -> io::Result<()> {
    sys::replace(slave.as_fd(), &[0, 1, 2]);
    sys::take_terminal()
}
