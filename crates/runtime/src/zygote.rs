//! The zygote: this binary once more, with one thread and little memory, which forks the roles.
//!
//! The daemon has threads and must not fork; and a role that is forked shares its memory with the zygote, where one
//! that is executed anew would pay for the whole binary. The zygote ends when the daemon does: its socket says so.
//! What it has forked goes on.

use crate::sys::{self, Forked, OneThread};
use crate::{join, sandbox, shim};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Sandbox,
    Shim,
    Exec,
}

impl Role {
    fn letter(self) -> u8 {
        match self {
            Self::Sandbox => b's',
            Self::Shim => b'c',
            Self::Exec => b'e',
        }
    }
}

/// The daemon's hold on its zygote.
#[derive(Debug, Default)]
pub(crate) struct Zygote {
    socket: Mutex<Option<OwnedFd>>,
}

impl Zygote {
    /// Forks a role. Its end of the given descriptors is its own; the answer is the channel to it.
    pub(crate) fn fork(&self, role: Role, fds: &[BorrowedFd<'_>]) -> io::Result<tokio::net::UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let all: Vec<BorrowedFd<'_>> = std::iter::once(theirs.as_fd()).chain(fds.iter().copied()).collect();
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        for attempt in 0..2 {
            let open = match socket.take() {
                Some(open) => open,
                None => start()?,
            };
            match sys::send_some(open.as_fd(), &[role.letter()], &all) {
                Ok(_) => {
                    *socket = Some(open);
                    break;
                }
                // Somebody has killed it: the next one is as good.
                Err(_) if attempt == 0 => tracing::warn!("the container runtime's helper process was gone"),
                Err(error) => return Err(error),
            }
        }
        tokio::net::UnixStream::from_std(ours)
    }

    /// It ends; what it has forked goes on.
    pub(crate) fn end(&self) {
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn start() -> io::Result<OwnedFd> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    let mut child = tokio::process::Command::new("/proc/self/exe")
        .arg("__zygote")
        .current_dir("/")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .kill_on_drop(false)
        .spawn()?;
    // Reaped when it ends.
    tokio::spawn(async move { child.wait().await });
    Ok(ours)
}

/// The role itself: standard input is the daemon's socket.
pub(crate) fn run() -> ExitCode {
    let (Some(alone), Ok(socket)) = (OneThread::check(), rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3))
    else {
        return ExitCode::FAILURE;
    };
    sys::silence(&[0]);
    // Whatever the daemon was started with: a container that outlives it must not hold somebody's pipe open.
    sys::close_all_but(Some(socket.as_raw_fd()));
    // The terminal's signals are for the daemon, which decides about us.
    let _ = nix::unistd::setsid();
    let _ = nix::sys::prctl::set_name(c"coracle-zygote");
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    sys::forget_children(true);
    loop {
        let mut letter = [0u8];
        let mut fds = Vec::new();
        match sys::receive_some(socket.as_fd(), &mut letter, &mut fds) {
            Ok(0) => return ExitCode::SUCCESS,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return ExitCode::FAILURE,
        }
        // A fork that fails shows in the daemon: the channel closes without an answer.
        if let Ok(Forked::Child) = sys::fork(alone) {
            drop(socket);
            return become_role(letter[0], fds, alone);
        }
    }
}

fn become_role(letter: u8, mut fds: Vec<OwnedFd>, alone: OneThread) -> ExitCode {
    sys::forget_children(false);
    let _ = nix::unistd::setsid();
    if fds.is_empty() {
        return ExitCode::FAILURE;
    }
    let channel = UnixStream::from(fds.remove(0));
    match letter {
        b's' => sandbox::run(channel, fds),
        b'c' => shim::run(channel, fds, alone),
        b'e' => join::run(channel, fds, alone),
        _ => ExitCode::FAILURE,
    }
}
