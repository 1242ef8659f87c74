//! The container's mounts: overlay root, /proc, /sys, /dev, volumes. Runs in the container's own mount namespace.
//!
//! Mount points are made below the new root with `openat2(RESOLVE_IN_ROOT)`, so that a symlink in an image cannot
//! lead a mount, or a folder that is made for it, out of the root.

use crate::rootfs::Root;
use crate::spec::{ContainerSpec, Mount, MountKind};
use crate::sys;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount,
    mount_bind_recursive, mount_change, move_mount, open_tree,
};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// An error that says at which mount it happened.
fn at(what: impl std::fmt::Display) -> impl FnOnce(rustix::io::Errno) -> io::Error {
    move |errno| {
        let error = io::Error::from(errno);
        io::Error::new(error.kind(), format!("mounting {what}: {error}"))
    }
}

/// Cuts this mount namespace off from the host's: nothing that we mount is seen there.
pub(crate) fn make_private() -> io::Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(at("/ as private"))
}

/// Leaves this mount namespace with nothing but an empty folder that cannot be written to.
pub(crate) fn empty_root(folder: &Path) -> io::Result<()> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("tmpfs", folder, "tmpfs", flags, c"size=4k,mode=0755").map_err(at("an empty root"))?;
    std::env::set_current_dir(folder)?;
    leave_root()
}

/// The working directory over the old root, then the old one away: no second folder is needed for it.
pub(crate) fn leave_root() -> io::Result<()> {
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", rustix::mount::UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")
}

/// Mounts the layers (lowest first) with the writable folders of the container at `target`.
pub(crate) fn overlay(spec: &ContainerSpec, upper: &Path, work: &Path, target: &Path) -> io::Result<()> {
    let layers = &spec.layers;
    if layers.is_empty() {
        mount_bind_recursive(upper, target).map_err(at("the root"))?;
    } else {
        match overlay_by_handle(layers, upper, work, target) {
            // Kernels before 6.5 have no `lowerdir+`; their option string holds 4096 bytes.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                overlay_by_options(layers, upper, work, target)?;
            }
            other => other?,
        }
    }
    if spec.privileged {
        return Ok(());
    }
    // There is no device cgroup of ours: instead, a node that a container makes opens nothing.
    let root = open_source(target)?;
    sys::add_mount_flags(root.as_fd(), sys::MOUNT_NODEV, false)
}

fn overlay_by_handle(
    layers: &[std::path::PathBuf],
    upper: &Path,
    work: &Path,
    target: &Path,
) -> io::Result<()> {
    let name = |what: &'static str| at(format!("the overlay ({what})"));
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(name("open"))?;
    // The first one added is the uppermost.
    for layer in layers.iter().rev() {
        fsconfig_set_string(&context, "lowerdir+", layer).map_err(name("layer"))?;
    }
    fsconfig_set_string(&context, "upperdir", upper).map_err(name("upper"))?;
    fsconfig_set_string(&context, "workdir", work).map_err(name("work"))?;
    // What a container writes lives no longer than it: its end must not wait until all is on the disk.
    let _ = fsconfig_set_flag(&context, "volatile");
    // In a user namespace the trusted.* attributes cannot be used.
    if fsconfig_create(&context).is_err() {
        fsconfig_set_flag(&context, "userxattr").map_err(name("userxattr"))?;
        fsconfig_create(&context).map_err(name("create"))?;
    }
    let mounted =
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).map_err(name("mount"))?;
    move_mount(&mounted, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).map_err(name("attach"))
}

fn overlay_by_options(
    layers: &[std::path::PathBuf],
    upper: &Path,
    work: &Path,
    target: &Path,
) -> io::Result<()> {
    let lower: Vec<String> = layers.iter().rev().map(|l| l.display().to_string()).collect();
    let options =
        format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), upper.display(), work.display());
    let options = std::ffi::CString::new(options).map_err(io::Error::other)?;
    mount("overlay", target, "overlay", MountFlags::empty(), options.as_c_str()).map_err(at("the overlay"))
}

/// Everything below the new root, in the order in which it must be.
pub(crate) fn all(root: &Root, spec: &ContainerSpec, unified: bool) -> io::Result<()> {
    special(root, spec)?;
    // Not every host lets us; a program that wants to know its limits then sees the machine's.
    let _ = if unified { cgroup_v2(root) } else { cgroup_v1(root) };
    devices(root)?;
    if spec.privileged {
        host_devices(root, Path::new("/dev"));
    }
    for volume in &spec.mounts {
        one(root, volume, spec.privileged)?;
    }
    Ok(())
}

fn special(root: &Root, spec: &ContainerSpec) -> io::Result<()> {
    let safe = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    file_system(root, "/proc", "proc", safe, "")?;
    if file_system(root, "/sys", "sysfs", safe, "").is_err() {
        // With the host's network in a user namespace sysfs cannot be mounted anew: show the host's.
        let target = root.directory(Path::new("/sys"))?;
        mount_bind_recursive("/sys", target.path()).map_err(at("/sys"))?;
    }
    if !spec.privileged {
        // On the mount alone: the file system is one for all containers of the pod, and another may be privileged.
        sys::add_mount_flags(root.existing(Path::new("/sys"))?.fd(), sys::MOUNT_RDONLY, true)?;
    }
    file_system(root, "/dev", "tmpfs", MountFlags::NOSUID | MountFlags::STRICTATIME, "mode=755,size=65536k")?;
    file_system(
        root,
        "/dev/pts",
        "devpts",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        "newinstance,ptmxmode=0666,mode=0620",
    )?;
    file_system(root, "/dev/shm", "tmpfs", safe, "mode=1777,size=65536k")?;
    file_system(root, "/dev/mqueue", "mqueue", safe, "")
}

const CGROUPS: &str = "/sys/fs/cgroup";

/// The container's own group, from which programs learn their limits.
fn cgroup_v2(root: &Root) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    file_system(root, CGROUPS, "cgroup2", flags, "")
}

fn cgroup_v1(root: &Root) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let own = std::fs::read_to_string("/proc/self/cgroup")?;
    file_system(root, CGROUPS, "tmpfs", flags, "mode=755,size=64k")?;
    for hierarchy in own.lines().filter_map(|line| line.split(':').nth(1)) {
        let controllers: Vec<&str> = hierarchy.split(',').collect();
        if !controllers.iter().any(|c| matches!(*c, "memory" | "cpu" | "cpuacct" | "pids")) {
            continue;
        }
        let target = format!("{CGROUPS}/{hierarchy}");
        file_system(root, &target, "cgroup", flags | MountFlags::RDONLY, hierarchy)?;
        for controller in controllers.iter().filter(|c| **c != hierarchy) {
            root.link(&Path::new(CGROUPS).join(controller), Path::new(hierarchy))?;
        }
    }
    sys::add_mount_flags(root.existing(Path::new(CGROUPS))?.fd(), sys::MOUNT_RDONLY, false)
}

fn file_system(root: &Root, target: &str, kind: &str, flags: MountFlags, options: &str) -> io::Result<()> {
    let point = root.directory(Path::new(target))?;
    let options = std::ffi::CString::new(options).map_err(io::Error::other)?;
    mount(kind, point.path(), kind, flags, options.as_c_str()).map_err(at(target))
}

/// The device nodes that every container has: made where that is allowed, else the host's are shown.
fn devices(root: &Root) -> io::Result<()> {
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let point = root.file(Path::new("/dev").join(name).as_path())?;
        mount_bind_recursive(format!("/dev/{name}"), point.path()).map_err(at(format!("/dev/{name}")))?;
    }
    for (link, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        root.link(&Path::new("/dev").join(link), Path::new(target))?;
    }
    Ok(())
}

/// A privileged container has the machine's devices, too. What cannot be made is left out.
fn host_devices(root: &Root, folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Ok(about) = entry.metadata() else { continue };
        let kind = about.file_type();
        if kind.is_dir() && !["pts", "shm", "mqueue", "hugepages"].iter().any(|own| name == *own) {
            host_devices(root, &path);
        } else if kind.is_char_device() || kind.is_block_device() {
            let made = root.directory(folder).and_then(|parent| {
                let mode = (FileType::from_raw_mode(about.mode()), Mode::from_raw_mode(about.mode()));
                Ok(mknodat(parent.fd(), &name, mode.0, mode.1, about.rdev())?)
            });
            // The usual ones are there already.
            drop(made);
        }
    }
}

fn one(root: &Root, volume: &Mount, privileged: bool) -> io::Result<()> {
    let name = || format!("{} at {}", volume.source.display(), volume.target.display());
    match &volume.kind {
        MountKind::Tmpfs { size_bytes } => {
            let size = size_bytes.map(|s| format!(",size={s}")).unwrap_or_default();
            let target = volume.target.display().to_string();
            file_system(
                root,
                &target,
                "tmpfs",
                MountFlags::NOSUID | MountFlags::NODEV,
                &format!("mode=1777{size}"),
            )?;
            if volume.readonly {
                sys::add_mount_flags(root.existing(&volume.target)?.fd(), sys::MOUNT_RDONLY, false)?;
            }
            Ok(())
        }
        MountKind::Bind => {
            // The source is opened once: what it names cannot be changed between the check and the mount.
            let source = open_source(&volume.source)?;
            let is_dir = rustix::fs::fstat(&source).map(|s| s.st_mode & libc::S_IFMT == libc::S_IFDIR)?;
            let point = if is_dir { root.directory(&volume.target)? } else { root.file(&volume.target)? };
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_EMPTY_PATH
                | OpenTreeFlags::AT_RECURSIVE;
            let tree = open_tree(&source, "", flags).map_err(at(name()))?;
            if !privileged {
                sys::add_mount_flags(tree.as_fd(), sys::MOUNT_NODEV, true)?;
            }
            if volume.readonly {
                sys::add_mount_flags(tree.as_fd(), sys::MOUNT_RDONLY, false)?;
            }
            move_mount(
                &tree,
                "",
                point.fd(),
                "",
                MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
            )
            .map_err(at(name()))
        }
    }
}

fn open_source(path: &Path) -> io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(at(path.display()))
}

/// Hides what a container must not see and locks what it must not change, as the OCI defaults say.
/// Called after the root has been changed.
pub(crate) fn mask() {
    const HIDDEN: &[&str] = &[
        "/proc/acpi",
        "/proc/asound",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
        "/sys/devices/virtual/powercap",
    ];
    const LOCKED: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
    for path in HIDDEN.iter().map(Path::new).filter(|p| p.exists()) {
        // A path that this kernel does not let us hide is one that it does not show either.
        let _ = if path.is_dir() {
            mount("tmpfs", path, "tmpfs", MountFlags::RDONLY, c"size=0k")
        } else {
            mount_bind_recursive("/dev/null", path)
        };
    }
    for path in LOCKED.iter().map(Path::new).filter(|p| p.exists()) {
        if mount_bind_recursive(path, path).is_ok()
            && let Ok(locked) = open_source(path)
        {
            let _ = sys::add_mount_flags(locked.as_fd(), sys::MOUNT_RDONLY, true);
        }
    }
}

/// The root itself read-only, for `readOnlyRootFilesystem`.
pub(crate) fn lock_root() -> io::Result<()> {
    sys::add_mount_flags(open_source(Path::new("/"))?.as_fd(), sys::MOUNT_RDONLY, false)
}

/// The container's terminal under the name that system programs use.
pub(crate) fn console(terminal: &OwnedFd) -> io::Result<()> {
    std::fs::File::create("/dev/console")?;
    let source = format!("/proc/self/fd/{}", terminal.as_raw_fd());
    mount_bind_recursive(source, "/dev/console").map_err(at("/dev/console"))
}
