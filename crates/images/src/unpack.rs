//! A layer's tar becomes a tree in overlayfs form.
//!
//! The tar is not trusted: every name is resolved by the kernel with the tree as its root (`openat2` with
//! `RESOLVE_IN_ROOT`), so neither `..`, an absolute name nor a symlink planted by an earlier entry leads out of it.

use crate::error::{Error, Result};
use crate::view::View;
use oci::whiteout;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use tar::{Archive, Entry, EntryType};

/// Plain bytes of a stream that may be compressed with gzip or zstd.
pub(crate) fn decompress<'a>(mut from: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut start = [0; 4];
    let mut filled = 0;
    while filled < start.len() {
        match from.read(&mut start[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    let whole = io::Cursor::new(start[..filled].to_vec()).chain(from);
    if start.starts_with(&[0x1f, 0x8b]) {
        Ok(Box::new(io::BufReader::with_capacity(1 << 17, flate2::read::MultiGzDecoder::new(whole))))
    } else if start == [0x28, 0xb5, 0x2f, 0xfd] {
        Ok(Box::new(zstd::Decoder::new(whole)?))
    } else {
        Ok(Box::new(io::BufReader::with_capacity(1 << 17, whole)))
    }
}

/// Unpacks into `tree`, which must not exist yet.
pub(crate) fn unpack(layer: &str, from: impl Read, tree: &Path, below: &[PathBuf]) -> Result<()> {
    std::fs::create_dir_all(tree).map_err(Error::file("make folder", tree))?;
    let root = rustix::fs::open(tree, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| Error::File { doing: "open", path: tree.to_owned(), source: errno.into() })?;
    rustix::fs::chmod(tree, Mode::from_raw_mode(0o755)).map_err(|errno| Error::File {
        doing: "open",
        path: tree.to_owned(),
        source: errno.into(),
    })?;
    let mut unpacker =
        Unpacker { root, below: View::new(below.to_vec()), parent: None, times: HashMap::new() };
    let mut archive = Archive::new(from);
    let damaged = |source| Error::Archive { layer: layer.to_owned(), source };
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path_bytes().into_owned();
        unpacker.entry(&mut entry, &name).map_err(|source| Error::Entry {
            layer: layer.to_owned(),
            entry: String::from_utf8_lossy(&name).into_owned(),
            source,
        })?;
    }
    unpacker.set_folder_times();
    Ok(())
}

struct Unpacker {
    root: OwnedFd,
    below: View,
    /// The folder that was used last: archives come folder by folder.
    parent: Option<(Vec<u8>, OwnedFd)>,
    /// Times of folders are set at the end: making files in them changes them.
    times: HashMap<Vec<u8>, Timestamps>,
}

/// What an entry says about owner, rights and times.
struct Attributes {
    uid: u32,
    gid: u32,
    mode: u32,
    times: Timestamps,
    extended: Vec<(String, Vec<u8>)>,
}

impl Unpacker {
    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>, name: &[u8]) -> io::Result<()> {
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            return Ok(());
        }
        let parts = clean(name)?;
        let attributes = attributes(entry)?;
        let Some((last, folder)) = parts.split_last() else {
            // The root itself.
            return if kind.is_dir() { self.finish_root(&attributes) } else { Ok(()) };
        };
        let folder = folder.join(&b'/');
        let parent = self.open_folder(&folder)?;
        match whiteout::classify(last) {
            whiteout::Name::Bookkeeping => return self.keep(folder, parent),
            whiteout::Name::Opaque => {
                set_opaque(&parent)?;
                return self.keep(folder, parent);
            }
            whiteout::Name::Removed(gone) => {
                let gone = CString::new(gone)?;
                clear(&parent, &gone)?;
                rustix::fs::mknodat(&parent, &gone, FileType::CharacterDevice, Mode::empty(), 0)?;
                return self.keep(folder, parent);
            }
            whiteout::Name::Plain => {}
        }
        let file_name = CString::new(*last)?;
        self.place(entry, kind, &parent, &file_name, &attributes)?;
        if kind.is_dir() {
            self.times.insert(parts.join(&b'/'), attributes.times);
        }
        self.keep(folder, parent)
    }

    fn place<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        kind: EntryType,
        parent: &OwnedFd,
        name: &CString,
        attributes: &Attributes,
    ) -> io::Result<()> {
        if kind.is_dir() {
            return self.place_folder(parent, name, attributes);
        }
        clear(parent, name)?;
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut file =
                    File::from(rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))?);
                io::copy(entry, &mut file)?;
                file.flush()?;
                finish_file(&file, attributes)
            }
            EntryType::Symlink => {
                let target =
                    entry.link_name_bytes().ok_or_else(|| malformed("a symlink without a target"))?;
                rustix::fs::symlinkat(CString::new(target.into_owned())?, parent, name)?;
                finish_at(parent, name, attributes, false)
            }
            EntryType::Link => {
                let target =
                    entry.link_name_bytes().ok_or_else(|| malformed("a hard link without a target"))?;
                self.link(&target, parent, name)
            }
            EntryType::Fifo => {
                rustix::fs::mknodat(parent, name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
                finish_at(parent, name, attributes, true)
            }
            EntryType::Char | EntryType::Block => device(entry, kind, parent, name, attributes),
            other => Err(malformed(&format!("an entry of the unknown type {:#x}", other.as_byte()))),
        }
    }

    fn place_folder(&mut self, parent: &OwnedFd, name: &CString, attributes: &Attributes) -> io::Result<()> {
        match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                    clear(parent, name)?;
                    rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o700))?;
                }
            }
            Err(errno) => return Err(errno.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
        finish_file(&folder, attributes)
    }

    /// A hard link within the layer, or to a file of a layer below (which is copied up, as overlayfs would).
    fn link(&mut self, target: &[u8], parent: &OwnedFd, name: &CString) -> io::Result<()> {
        let parts = clean(target)?;
        let (last, folder) = parts.split_last().ok_or_else(|| malformed("a hard link to the root"))?;
        let inside = self.open_existing(&folder.join(&b'/')).and_then(|folder| {
            Ok(rustix::fs::linkat(&folder, CString::new(*last)?, parent, name, AtFlags::empty())?)
        });
        match inside {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = Path::new(OsStr::from_bytes(&parts.join(&b'/'))).to_owned();
                let node = self.below.get(&path).ok_or(error)?;
                copy_up(&node.path, parent, name)
            }
            other => other,
        }
    }

    fn finish_root(&mut self, attributes: &Attributes) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(&self.root, c".", flags, Mode::empty())?;
        finish_file(&root, attributes)?;
        self.times.insert(Vec::new(), attributes.times.clone());
        Ok(())
    }

    fn keep(&mut self, folder: Vec<u8>, fd: OwnedFd) -> io::Result<()> {
        self.parent = Some((folder, fd));
        Ok(())
    }

    fn open_existing(&self, folder: &[u8]) -> io::Result<OwnedFd> {
        let name = if folder.is_empty() { b".".to_vec() } else { folder.to_owned() };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(rustix::fs::openat2(&self.root, CString::new(name)?, flags, Mode::empty(), resolve)?)
    }

    /// Opens a folder, making what is missing of it with the attributes that it has in the layers below.
    fn open_folder(&mut self, folder: &[u8]) -> io::Result<OwnedFd> {
        if let Some((name, fd)) = self.parent.take()
            && name == folder
        {
            return Ok(fd);
        }
        match self.open_existing(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let (above, last) = match folder.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (&folder[..at], &folder[at + 1..]),
            None => (&b""[..], folder),
        };
        let parent = self.open_folder(above)?;
        let name = CString::new(last)?;
        match rustix::fs::mkdirat(&parent, &name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        // The archive gives it no time; that of its making would differ from machine to machine.
        let epoch = Timespec { tv_sec: 0, tv_nsec: 0 };
        self.times.insert(folder.to_owned(), Timestamps { last_access: epoch, last_modification: epoch });
        if let Some(node) = self.below.get(Path::new(OsStr::from_bytes(folder))) {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::openat(&parent, &name, flags, Mode::empty())?;
            own(&fd, node.uid, node.gid)?;
            rustix::fs::fchmod(&fd, Mode::from_raw_mode(node.mode))?;
        }
        self.open_existing(folder)
    }

    fn set_folder_times(&mut self) {
        let mut times: Vec<_> = std::mem::take(&mut self.times).into_iter().collect();
        // Deepest first: setting a time in a folder does not change the folder, but the order costs nothing.
        times.sort_by(|a, b| b.0.cmp(&a.0));
        for (folder, times) in times {
            // A folder that a later entry replaced has no time of its own to set.
            if let Ok(fd) = self.open_existing(&folder) {
                let _cosmetic = rustix::fs::utimensat(&fd, c".", &times, AtFlags::empty());
            }
        }
    }
}

/// The parts of a name, without the empty ones and `.`; `..` is refused.
fn clean(name: &[u8]) -> io::Result<Vec<&[u8]>> {
    let parts = name.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    parts
        .map(|part| if part == b".." { Err(malformed("its name leads upwards (`..`)")) } else { Ok(part) })
        .collect()
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn attributes<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Attributes> {
    let header = entry.header();
    let (mut uid, mut gid) = (header.uid().unwrap_or(0), header.gid().unwrap_or(0));
    let mode = header.mode().unwrap_or(0o644);
    let mut seconds = header.mtime().unwrap_or(0) as i64;
    let mut nanos = 0;
    let mut extended = Vec::new();
    if let Some(records) = entry.pax_extensions()? {
        for record in records {
            let record = record?;
            let Ok(key) = record.key() else { continue };
            let number = || record.value().ok().and_then(|text| text.parse::<u64>().ok());
            match key {
                "uid" => uid = number().unwrap_or(uid),
                "gid" => gid = number().unwrap_or(gid),
                "mtime" => {
                    let text = record.value().unwrap_or("0");
                    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
                    seconds = whole.parse().unwrap_or(seconds);
                    nanos = format!("{part:0<9}").get(..9).and_then(|text| text.parse().ok()).unwrap_or(0);
                }
                _ => {
                    if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                        extended.push((name.to_owned(), record.value_bytes().to_owned()));
                    }
                }
            }
        }
    }
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos };
    Ok(Attributes {
        uid: u32::try_from(uid).map_err(|_| malformed("an owner beyond 32 bits"))?,
        gid: u32::try_from(gid).map_err(|_| malformed("a group beyond 32 bits"))?,
        mode: mode & 0o7777,
        times: Timestamps { last_access: time, last_modification: time },
        extended,
    })
}

/// Gives ownership where we may; without root everything belongs to us.
fn own(fd: impl AsFd, uid: u32, gid: u32) -> io::Result<()> {
    match rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))) {
        Ok(()) | Err(Errno::PERM) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn finish_file(fd: impl AsFd, attributes: &Attributes) -> io::Result<()> {
    // The owner first: changing it takes set-uid bits and capabilities away.
    own(&fd, attributes.uid, attributes.gid)?;
    rustix::fs::fchmod(&fd, Mode::from_raw_mode(attributes.mode))?;
    for (name, value) in &attributes.extended {
        match rustix::fs::fsetxattr(&fd, name.as_str(), value, rustix::fs::XattrFlags::empty()) {
            Ok(()) | Err(Errno::PERM | Errno::NOTSUP) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    rustix::fs::futimens(&fd, &attributes.times)?;
    Ok(())
}

/// For what cannot be opened without side effects: symlinks, pipes, devices.
fn finish_at(parent: &OwnedFd, name: &CString, attributes: &Attributes, has_mode: bool) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
    match rustix::fs::chownat(parent, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(()) | Err(Errno::PERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    if has_mode {
        rustix::fs::chmodat(parent, name, Mode::from_raw_mode(attributes.mode), AtFlags::empty())?;
    }
    rustix::fs::utimensat(parent, name, &attributes.times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

fn device<R: Read>(
    entry: &Entry<'_, R>,
    kind: EntryType,
    parent: &OwnedFd,
    name: &CString,
    attributes: &Attributes,
) -> io::Result<()> {
    let major = entry.header().device_major()?.unwrap_or(0);
    let minor = entry.header().device_minor()?.unwrap_or(0);
    let file_type = if kind == EntryType::Char { FileType::CharacterDevice } else { FileType::BlockDevice };
    let device = rustix::fs::makedev(major, minor);
    match rustix::fs::mknodat(parent, name, file_type, Mode::from_raw_mode(0o600), device) {
        Ok(()) => finish_at(parent, name, attributes, true),
        // Containers get a /dev of their own; an image's device nodes are not needed to run it.
        Err(Errno::PERM) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn set_opaque(folder: &OwnedFd) -> io::Result<()> {
    let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
    match xattr::set_deref(&path, "trusted.overlay.opaque", b"y") {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            xattr::set_deref(&path, "user.overlay.opaque", b"y")
        }
        other => other,
    }
}

/// Makes way for a new entry: a later entry of the same name wins.
fn clear(parent: &OwnedFd, name: &CString) -> io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {
            let path = PathBuf::from(format!("/proc/self/fd/{}", parent.as_raw_fd()));
            std::fs::remove_dir_all(path.join(OsStr::from_bytes(name.as_bytes())))
        }
        Err(errno) => Err(errno.into()),
    }
}

fn copy_up(from: &Path, parent: &OwnedFd, name: &CString) -> io::Result<()> {
    let to = PathBuf::from(format!("/proc/self/fd/{}", parent.as_raw_fd()))
        .join(OsStr::from_bytes(name.as_bytes()));
    std::fs::copy(from, &to)?;
    let meta = std::fs::metadata(from)?;
    std::os::unix::fs::chown(
        &to,
        Some(std::os::unix::fs::MetadataExt::uid(&meta)),
        Some(std::os::unix::fs::MetadataExt::gid(&meta)),
    )?;
    std::fs::set_permissions(&to, meta.permissions())?;
    File::open(&to)?.set_modified(meta.modified()?)
}
