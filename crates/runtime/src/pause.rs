//! The first process of a PID namespace that all containers of a pod share.
//!
//! The sandbox forks it, and it dies with the sandbox; the kernel ends everything in its namespace then. Containers see it as
//! process 1: it stands in an empty root of its own, without capabilities or open files, so that nothing leads from it to the
//! host.

use crate::process::ProcessId;
use crate::state::Dir;
use crate::sys::{self, Forked, OneThread};
use crate::{init, mounts};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

/// The user of Kubernetes' own pause image.
const NOBODY: u32 = 65535;

/// The file of a sandbox's folder that names it.
pub(crate) const FILE: &str = "processes";

pub(crate) fn start(dir: &Dir) -> io::Result<()> {
    let alone = OneThread::check().ok_or_else(|| io::Error::other("a sandbox has one thread"))?;
    let root = dir.path("pause");
    std::fs::create_dir_all(&root)?;
    let (ready, tell) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    // The next fork is process 1; the sandbox stays where it is.
    unshare(CloneFlags::CLONE_NEWPID)?;
    match sys::fork(alone)? {
        Forked::Child => {
            let mut tell = File::from(tell);
            let begun = settle(&root).inspect(|()| {
                sys::silence(&[0, 1, 2]);
                sys::close_all_but(Some(tell.as_raw_fd()));
            });
            let told = begun.and_then(|()| tell.write_all(b"g"));
            if told.is_err() {
                std::process::exit(1);
            }
            sys::close_all_but(None);
            loop {
                nix::unistd::pause();
            }
        }
        Forked::Parent(pid) => {
            drop(tell);
            File::from(ready).read_exact(&mut [0]).map_err(|_| {
                io::Error::other("the first process of the shared namespace could not be set up")
            })?;
            dir.write(FILE, &ProcessId::of(pid.as_raw())?)
        }
    }
}

fn settle(root: &Path) -> io::Result<()> {
    init::hide_self()?;
    let _ = nix::sys::prctl::set_name(c"pause");
    // Orphans of all containers become its children.
    sys::forget_children(true);
    unshare(CloneFlags::CLONE_NEWNS)?;
    mounts::make_private()?;
    mounts::empty_root(root)?;
    // Nobody has no capabilities.
    let nobody = Gid::from_raw(NOBODY);
    setgroups(&[nobody])?;
    setgid(nobody)?;
    setuid(Uid::from_raw(NOBODY))?;
    init::hide_self()?;
    // The change of the user has cleared this.
    init::die_with_parent()
}
