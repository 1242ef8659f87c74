//! A container's root folder before it is entered: finding and making things in it without ever leaving it.

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, statat, symlinkat,
};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

pub(crate) struct Root(OwnedFd);

/// Something below the root, held open.
pub(crate) struct Point(OwnedFd);

impl Point {
    /// A path that leads to exactly this, whatever happens to names meanwhile.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Root {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(crate) fn existing(&self, path: &Path) -> io::Result<Point> {
        let relative = relative(path);
        Ok(Point(openat2(
            &self.0,
            &relative,
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        )?))
    }

    /// The directory at the path, made with its parents where it is not there.
    pub(crate) fn directory(&self, path: &Path) -> io::Result<Point> {
        let mut done = PathBuf::new();
        let mut current = self.existing(Path::new("/"))?;
        for part in relative(path).components() {
            let Component::Normal(name) = part else { continue };
            done.push(name);
            current = match self.existing(&done) {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    match mkdirat(&current.0, name, Mode::from_raw_mode(0o755)) {
                        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                        Err(error) => return Err(named(error.into(), path)),
                    }
                    self.existing(&done).map_err(|e| named(e, path))?
                }
                Err(error) => return Err(named(error, path)),
            };
        }
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&current.0)?.st_mode);
        if kind != FileType::Directory {
            return Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                format!("{} is no directory", path.display()),
            ));
        }
        Ok(current)
    }

    /// The file at the path; an empty one is made where there is none.
    pub(crate) fn file(&self, path: &Path) -> io::Result<Point> {
        match self.existing(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let parent = self.directory(path.parent().unwrap_or(Path::new("/")))?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        // A dangling link stays what it is: the mount would go nowhere.
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        drop(openat(&parent.0, name, flags, Mode::from_raw_mode(0o644)).map_err(|e| named(e.into(), path))?);
        self.existing(path)
    }

    pub(crate) fn link(&self, path: &Path, target: &Path) -> io::Result<()> {
        let parent = self.directory(path.parent().unwrap_or(Path::new("/")))?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        if statat(&parent.0, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Ok(());
        }
        Ok(symlinkat(target, &parent.0, name)?)
    }
}

fn relative(path: &Path) -> PathBuf {
    let stripped = path.strip_prefix("/").unwrap_or(path);
    if stripped.as_os_str().is_empty() { PathBuf::from(".") } else { stripped.to_path_buf() }
}

fn named(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("making {} in the container: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_an_image_cannot_lead_out() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let outside = tempfile::tempdir().expect("a temporary folder");
        std::os::unix::fs::symlink(outside.path(), dir.path().join("evil")).expect("linked");
        std::os::unix::fs::symlink("/usr", dir.path().join("lib")).expect("linked");
        std::fs::create_dir(dir.path().join("usr")).expect("made");
        let root = Root::open(dir.path()).expect("opened");
        root.file(Path::new("/lib/new")).expect("made below /usr");
        assert!(dir.path().join("usr/new").exists());
        // The link names a path that is not in the root: it dangles there.
        assert!(root.file(Path::new("/evil/new")).is_err());
        assert_eq!(std::fs::read_dir(outside.path()).expect("readable").count(), 0);
        root.directory(Path::new("/a/b/../c")).expect("made");
    }
}
