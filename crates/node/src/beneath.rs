//! Files below a folder that somebody else controls: no symlink and no `..` leads out of it.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// A folder as the root of all paths: absolute ones and symlinks begin there, as after a `chroot`.
pub(crate) struct Root {
    fd: OwnedFd,
}

const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl Root {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { fd: rustix::fs::open(path, FOLDER, Mode::empty())? })
    }

    fn resolve(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let relative = path.strip_prefix("/").unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        loop {
            match openat2(&self.fd, relative, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                // A rename somewhere while the kernel was on its way; it asks to try again.
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
    }

    /// The folder at a path. What is missing is made, with `mode`; a file in the way is removed.
    pub(crate) fn make_folder(&self, path: &Path, mode: u32) -> io::Result<OwnedFd> {
        match self.resolve(path, FOLDER) {
            Ok(fd) => return Ok(fd),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => return Err(error.into()),
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let parent_fd = self.make_folder(parent, mode)?;
        let owner = rustix::fs::fstat(&parent_fd)?;
        loop {
            match rustix::fs::mkdirat(&parent_fd, name, Mode::from_raw_mode(mode)) {
                Ok(()) => {
                    let fd = rustix::fs::openat(
                        &parent_fd,
                        name,
                        OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                        Mode::empty(),
                    )?;
                    rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode))?;
                    own(&fd, owner.st_uid, owner.st_gid)?;
                    return Ok(fd);
                }
                Err(Errno::EXIST) => {
                    // A file, or a symlink that leads nowhere.
                    remove_at(&parent_fd, name)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Replaces what is at a path by a file, in one step for readers: never half a file.
    pub(crate) fn write_file(&self, path: &Path, mode: u32, content: &mut dyn io::Read) -> io::Result<()> {
        let (parent, name) = self.place(path)?;
        let scratch = scratch_name(name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&parent, &scratch, flags, Mode::from_raw_mode(0o600))?;
        let written = fill(&fd, &parent, name, mode, content);
        match written.and_then(|()| put_in_place(&parent, &scratch, name)) {
            Ok(()) => Ok(()),
            Err(error) => {
                let _ = rustix::fs::unlinkat(&parent, &scratch, AtFlags::empty());
                Err(error)
            }
        }
    }

    pub(crate) fn write_symlink(&self, path: &Path, target: &Path) -> io::Result<()> {
        let (parent, name) = self.place(path)?;
        let scratch = scratch_name(name);
        rustix::fs::symlinkat(target, &parent, &scratch)?;
        let placed = put_in_place(&parent, &scratch, name);
        if placed.is_err() {
            let _ = rustix::fs::unlinkat(&parent, &scratch, AtFlags::empty());
        }
        placed
    }

    /// Removes a file, or a folder with all that is in it. False if there was nothing.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<bool> {
        let path = lexical(path)?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the root itself cannot be removed"));
        };
        match self.resolve(parent, FOLDER) {
            Ok(parent) => remove_at(&parent, name),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn place<'a>(&self, path: &'a Path) -> io::Result<(OwnedFd, &'a OsStr)> {
        lexical(path)?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = self.make_folder(path.parent().unwrap_or(Path::new("/")), 0o755)?;
        Ok((parent, name))
    }
}

/// Paths with `..` are nobody's honest wish.
fn lexical(path: &Path) -> io::Result<&Path> {
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} contains `..`", path.display())));
    }
    Ok(path)
}

fn scratch_name(name: &OsStr) -> OsString {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut scratch = OsString::from(format!(".coracle-{}-{count}-", std::process::id()));
    // Within the 255 bytes that a name may have.
    scratch.push(OsStr::from_bytes(&name.as_bytes()[..name.len().min(200)]));
    scratch
}

fn fill(
    fd: &OwnedFd,
    parent: &OwnedFd,
    name: &OsStr,
    mode: u32,
    content: &mut dyn io::Read,
) -> io::Result<()> {
    let mut file = File::from(fd.try_clone()?);
    io::copy(content, &mut file)?;
    // An old file keeps its owner; a new one is its folder's.
    let owner = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => stat,
        _ => rustix::fs::fstat(parent)?,
    };
    own(fd, owner.st_uid, owner.st_gid)?;
    rustix::fs::fchmod(fd, Mode::from_raw_mode(mode & 0o7777))?;
    Ok(())
}

fn own(fd: &OwnedFd, uid: u32, gid: u32) -> io::Result<()> {
    let is = rustix::fs::fstat(fd)?;
    if (is.st_uid, is.st_gid) == (uid, gid) {
        return Ok(());
    }
    let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
    Ok(rustix::fs::fchown(fd, Some(uid), Some(gid))?)
}

fn put_in_place(parent: &OwnedFd, scratch: &OsStr, name: &OsStr) -> io::Result<()> {
    match rustix::fs::renameat(parent, scratch, parent, name) {
        Ok(()) => Ok(()),
        Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => {
            remove_at(parent, name)?;
            Ok(rustix::fs::renameat(parent, scratch, parent, name)?)
        }
        // A mount point (a file of a ConfigMap by subPath, /etc/hosts) cannot be replaced, only filled.
        Err(Errno::BUSY | Errno::XDEV) => {
            let from = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut source = File::from(rustix::fs::openat(parent, scratch, from, Mode::empty())?);
            let to = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut target = File::from(rustix::fs::openat(parent, name, to, Mode::empty())?);
            io::copy(&mut source, &mut target)?;
            rustix::fs::unlinkat(parent, scratch, AtFlags::empty())?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn remove_at(parent: impl AsFd, name: &OsStr) -> io::Result<bool> {
    match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
        Ok(()) => return Ok(true),
        Err(Errno::NOENT) => return Ok(false),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(&parent, name, flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let bytes = entry.file_name().to_bytes();
        if bytes != b"." && bytes != b".." {
            names.push(OsStr::from_bytes(bytes).to_owned());
        }
    }
    for entry in names {
        remove_at(&folder, &entry)?;
    }
    match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The real path of `sub` below `volume`; folders that are missing are made. Refused if a symlink leads out.
pub(crate) fn sub_path(volume: &Path, sub: &Path) -> io::Result<PathBuf> {
    let lexical = lexical(sub)?;
    if lexical.is_absolute() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "subPath must be relative"));
    }
    let base = rustix::fs::open(volume, FOLDER, Mode::empty())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let open = |flags| openat2(&base, lexical, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
    let fd = match open(OFlags::PATH) {
        Err(Errno::NOENT) => {
            let root = Root { fd: base.try_clone()? };
            root.make_folder(&Path::new("/").join(lexical), 0o755)?;
            open(OFlags::PATH)?
        }
        Err(Errno::XDEV) => {
            let text = format!("subPath {} leads out of its volume", sub.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        other => other?,
    };
    use std::os::fd::AsRawFd;
    std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn write(root: &Root, path: &str, text: &str) -> io::Result<()> {
        root.write_file(Path::new(path), 0o644, &mut text.as_bytes())
    }

    #[test]
    fn writes_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        std::fs::create_dir_all(inside.join("app")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        symlink(&outside, inside.join("abs")).unwrap();
        symlink("../../out", inside.join("app/up")).unwrap();
        let root = Root::open(&inside).unwrap();
        write(&root, "/app/new/deep/a.py", "one").unwrap();
        write(&root, "/app/new/deep/a.py", "two").unwrap();
        assert_eq!(std::fs::read_to_string(inside.join("app/new/deep/a.py")).unwrap(), "two");
        write(&root, "abs/x", "x").unwrap();
        write(&root, "app/up/y", "y").unwrap();
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "nothing has got out");
        assert!(write(&root, "app/../../out/z", "z").is_err());
        assert!(root.remove(Path::new("/")).is_err());
    }

    #[test]
    fn files_folders_and_links_replace_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        write(&root, "a/b/c", "file below").unwrap();
        write(&root, "a/b", "now a file").unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("a/b")).unwrap(), "now a file");
        write(&root, "a/b/c", "and back").unwrap();
        assert!(root.remove(Path::new("/a/b")).unwrap());
        assert!(!root.remove(Path::new("/a/b")).unwrap());
        root.write_symlink(Path::new("/a/l"), Path::new("/nowhere")).unwrap();
        write(&root, "a/l", "no link").unwrap();
        assert!(!dir.path().join("a/l").is_symlink());
        assert_eq!(std::fs::read_dir(dir.path().join("a")).unwrap().count(), 1, "no scratch file is left");
    }

    #[test]
    fn modes_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        root.write_file(Path::new("/run.sh"), 0o755, &mut "x".as_bytes()).unwrap();
        let mode = std::fs::metadata(dir.path().join("run.sh")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
    }

    #[test]
    fn a_sub_path_does_not_leave_its_volume() {
        let dir = tempfile::tempdir().unwrap();
        let volume = dir.path().join("v");
        std::fs::create_dir(&volume).unwrap();
        symlink("/etc", volume.join("evil")).unwrap();
        symlink("real", volume.join("good")).unwrap();
        std::fs::create_dir(volume.join("real")).unwrap();
        let volume = volume.canonicalize().unwrap();
        assert_eq!(sub_path(&volume, Path::new("new/deep")).unwrap(), volume.join("new/deep"));
        assert_eq!(sub_path(&volume, Path::new("good")).unwrap(), volume.join("real"));
        assert!(sub_path(&volume, Path::new("evil")).is_err());
        assert!(sub_path(&volume, Path::new("../v2")).is_err());
    }
}
