//! System calls without a safe form: all the `unsafe` of the workspace is in this file.

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::signal::SigSet;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::unistd::Pid;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Proof that this process has one thread: then a forked child may run any code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OneThread(());

impl OneThread {
    pub(crate) fn check() -> Option<Self> {
        (std::fs::read_dir("/proc/self/task").ok()?.count() == 1).then_some(Self(()))
    }
}

pub(crate) enum Forked {
    Child,
    Parent(Pid),
}

/// The roles make no threads, so the proof of their start holds for their life.
pub(crate) fn fork(_: OneThread) -> io::Result<Forked> {
    // SAFETY: there is one thread, so no lock can be held by a thread that the child does not have.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Child => Ok(Forked::Child),
        nix::unistd::ForkResult::Parent { child } => Ok(Forked::Parent(child)),
    }
}

/// Whether ended children vanish by themselves; else they are to be waited for.
pub(crate) fn forget_children(forget: bool) {
    let action = if forget { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: both actions run no code of ours.
    unsafe { libc::signal(libc::SIGCHLD, action) };
}

/// A Rust program ignores SIGPIPE; the container's program must not inherit that, nor anything else.
pub(crate) fn reset_signals() {
    // Four words of nothing: the default action, no flags, no mask. The C library would not let us at two of them.
    let default = [0u64; 4];
    for signal in 1..=64 {
        // SAFETY: the kernel reads one action, which runs no code of ours; where it refuses, nothing changes.
        unsafe {
            let no_old = std::ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), no_old, 8usize);
        }
    }
    let _ = SigSet::empty().thread_set_mask();
}

/// Closes every descriptor above the standard streams but one. Only for a child that owns none of them any more, and
/// that will become another program or end without dropping what its parent had.
pub(crate) fn close_all_but(kept: Option<RawFd>) {
    let close = |from: u32, to: u32| {
        if from <= to {
            // SAFETY: integer arguments; the caller's values that own these descriptors are never used again.
            unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) };
        }
    };
    match kept.and_then(|fd| u32::try_from(fd).ok()) {
        Some(kept) => {
            close(3, kept - 1);
            close(kept + 1, u32::MAX);
        }
        None => close(3, u32::MAX),
    }
}

/// The terminal at our standard input becomes our session's.
pub(crate) fn take_terminal() -> io::Result<()> {
    // SAFETY: an ioctl on an open descriptor with an integer argument.
    check(unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) })
}

/// Takes a capability out of the bounding set; `false` if the kernel knows no such capability.
pub(crate) fn drop_bounding(capability: u32) -> io::Result<bool> {
    // SAFETY: prctl with integer arguments; it touches no memory of ours.
    match check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), 0, 0, 0) }) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        other => other.map(|()| true),
    }
}

/// `ip link set lo up`.
pub(crate) fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)?;
    // SAFETY: an all-zero ifreq is a valid value of this plain C struct.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the descriptor is open, and the kernel reads one ifreq behind the pointer.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) })
}

pub(crate) const MOUNT_RDONLY: u64 = 0x1;
pub(crate) const MOUNT_NODEV: u64 = 0x4;

/// Adds flags to a mount, and to those below it; the flags that it has stay.
pub(crate) fn add_mount_flags(mount: BorrowedFd<'_>, flags: u64, recursive: bool) -> io::Result<()> {
    #[repr(C)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let attributes = Attributes { set: flags, clear: 0, propagation: 0, user_namespace: 0 };
    let how = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the descriptor is open, the path is an empty C string, and the kernel reads exactly the struct.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            how,
            &attributes,
            size_of::<Attributes>(),
        )
    };
    check(result as libc::c_int)
}

/// Any signal, real-time ones too, to the process that the handle is for.
pub(crate) fn send_signal(process: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: integer arguments and a null pointer, which the call allows.
    let result = unsafe {
        let no_info = std::ptr::null::<libc::siginfo_t>();
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, no_info, 0)
    };
    check(result as libc::c_int)
}

/// One `sendmsg`: some of the bytes, and with the first of them the descriptors.
pub(crate) fn send_some(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[][..] } else { &rights[..] };
    Ok(sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL, None)?)
}

/// One `recvmsg`; descriptors that come along are added to `fds`.
pub(crate) fn receive_some(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = cmsg_space!([RawFd; 8]);
    let mut slices = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            // SAFETY: the kernel has just made these descriptors for us, and nobody else knows them.
            fds.extend(received.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok(message.bytes)
}

/// Registers a descriptor with the reactor.
pub(crate) fn watched(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the AsyncFd owns the descriptor, which is open, and `OwnedFd` never changes its number.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(Into::into)
}

/// Puts `/dev/null` at the standard streams that are named.
pub(crate) fn silence(streams: &[RawFd]) {
    let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") else { return };
    replace(null.as_fd(), streams);
}

/// Puts one file at the standard streams that are named.
pub(crate) fn replace(file: BorrowedFd<'_>, streams: &[RawFd]) {
    for stream in streams {
        let _ = match stream {
            0 => nix::unistd::dup2_stdin(file),
            1 => nix::unistd::dup2_stdout(file),
            _ => nix::unistd::dup2_stderr(file),
        };
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(Errno::last().into()) } else { Ok(()) }
}
