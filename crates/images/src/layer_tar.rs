//! A layer's tree becomes a tar: the same bytes for the same tree, always.
//!
//! Entries come in the order of their names, times in whole seconds, overlayfs' marks become whiteouts, and what the
//! kernel keeps for itself (`trusted.overlay.*`) is left out.

use crate::error::{Error, Result};
use oci::whiteout;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use tar::{EntryType, Header};

const BLOCK: usize = 512;

/// Writes the tree as a tar.
pub(crate) fn pack(tree: &Path, out: &mut impl Write) -> Result<()> {
    let mut packer = Packer { out: BufWriter::with_capacity(1 << 18, out), tree, links: HashMap::new() };
    packer.folder(tree, &mut Vec::new())?;
    let end = packer.out.write_all(&[0; 2 * BLOCK]).and_then(|()| packer.out.flush());
    end.map_err(Error::file("pack", tree))
}

struct Packer<'a, W: Write> {
    out: BufWriter<W>,
    tree: &'a Path,
    /// First name of each file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
}

impl<W: Write> Packer<'_, W> {
    /// Packs what is in a folder; `name` is the folder's own name in the tar, empty for the root.
    fn folder(&mut self, path: &Path, name: &mut Vec<u8>) -> Result<()> {
        if is_opaque(path) {
            let mark = joined(name, whiteout::OPAQUE);
            self.removal(&mark)?;
        }
        let mut entries: Vec<_> = fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>())
            .map_err(Error::file("read", path))?;
        entries.sort_by(|a: &std::ffi::OsString, b| a.as_bytes().cmp(b.as_bytes()));
        for entry in entries {
            let length = name.len();
            let whole = joined(name, entry.as_bytes());
            *name = whole;
            self.entry(&path.join(&entry), name)?;
            name.truncate(length);
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &mut Vec<u8>) -> Result<()> {
        let meta = fs::symlink_metadata(path).map_err(Error::file("read", path))?;
        let kind = meta.file_type();
        if kind.is_dir() {
            let mut folder_name = name.clone();
            folder_name.push(b'/');
            self.header(path, &folder_name, EntryType::Directory, &meta, b"", 0)?;
            return self.folder(path, name);
        }
        if kind.is_char_device() && meta.rdev() == 0 {
            let (folder, last) = split(name);
            let mark = joined(folder, &whiteout::removal(last));
            return self.removal(&mark);
        }
        if kind.is_socket() {
            // Sockets mean nothing without the process that made them; no layer can carry one.
            return Ok(());
        }
        if meta.nlink() > 1 {
            if let Some(first) = self.links.get(&(meta.dev(), meta.ino())).cloned() {
                return self.header(path, name, EntryType::Link, &meta, &first, 0);
            }
            self.links.insert((meta.dev(), meta.ino()), name.clone());
        }
        if kind.is_symlink() {
            let target = fs::read_link(path).map_err(Error::file("read", path))?;
            return self.header(path, name, EntryType::Symlink, &meta, target.as_os_str().as_bytes(), 0);
        }
        if kind.is_file() {
            return self.file(path, name, &meta);
        }
        let entry_type = if kind.is_char_device() {
            EntryType::Char
        } else if kind.is_block_device() {
            EntryType::Block
        } else if kind.is_fifo() {
            EntryType::Fifo
        } else {
            let layer = self.tree.display().to_string();
            return Err(Error::Kind { layer, entry: path.to_owned(), kind: "unknown" });
        };
        self.header(path, name, entry_type, &meta, b"", 0)
    }

    fn file(&mut self, path: &Path, name: &[u8], meta: &Metadata) -> Result<()> {
        self.header(path, name, EntryType::Regular, meta, b"", meta.size())?;
        let file = File::open(path).map_err(Error::file("read", path))?;
        let copied =
            io::copy(&mut file.take(meta.size()), &mut self.out).map_err(Error::file("pack", path))?;
        if copied != meta.size() {
            let source = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Err(Error::File {
                doing: "pack (it became shorter meanwhile)",
                path: path.to_owned(),
                source,
            });
        }
        self.pad(copied).map_err(Error::file("pack", path))
    }

    fn removal(&mut self, name: &[u8]) -> Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        header.set_mtime(0);
        self.write_header(header, name, b"", Vec::new()).map_err(Error::file("pack", self.tree))
    }

    fn header(
        &mut self,
        path: &Path,
        name: &[u8],
        kind: EntryType,
        meta: &Metadata,
        link: &[u8],
        size: u64,
    ) -> Result<()> {
        let mut header = Header::new_ustar();
        let mut records = Vec::new();
        header.set_entry_type(kind);
        header.set_mode(meta.mode() & 0o7777);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        numeric(&mut records, "uid", u64::from(meta.uid()), 0o7_777_777, |value| header.set_uid(value));
        numeric(&mut records, "gid", u64::from(meta.gid()), 0o7_777_777, |value| header.set_gid(value));
        numeric(&mut records, "size", size, 0o77_777_777_777, |value| header.set_size(value));
        header.set_mtime(u64::try_from(meta.mtime()).unwrap_or(0).min(0o77_777_777_777));
        if matches!(kind, EntryType::Char | EntryType::Block) {
            let device = meta.rdev();
            header
                .set_device_major(rustix::fs::major(device))
                .and_then(|()| header.set_device_minor(rustix::fs::minor(device)))
                .map_err(Error::file("pack", path))?;
        }
        if kind != EntryType::Link {
            attributes(path, &mut records)?;
        }
        self.write_header(header, name, link, records).map_err(Error::file("pack", path))
    }

    /// Writes a header, with a pax header before it for what it cannot hold.
    fn write_header(
        &mut self,
        mut header: Header,
        name: &[u8],
        link: &[u8],
        mut records: Vec<(String, Vec<u8>)>,
    ) -> io::Result<()> {
        {
            let raw = header.as_old_mut();
            put(&mut raw.name, name, "path", &mut records);
            put(&mut raw.linkname, link, "linkpath", &mut records);
        }
        if !records.is_empty() {
            let mut body = Vec::new();
            for (key, value) in &records {
                record(&mut body, key, value);
            }
            let mut extra = Header::new_ustar();
            extra.set_entry_type(EntryType::XHeader);
            extra.set_mode(0o644);
            extra.set_uid(0);
            extra.set_gid(0);
            extra.set_mtime(0);
            extra.set_size(body.len() as u64);
            extra.as_old_mut().name[..9].copy_from_slice(b"PaxHeader");
            extra.set_cksum();
            self.out.write_all(extra.as_bytes())?;
            self.out.write_all(&body)?;
            self.pad(body.len() as u64)?;
        }
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let rest = (size % BLOCK as u64) as usize;
        if rest == 0 { Ok(()) } else { self.out.write_all(&[0; BLOCK][rest..]) }
    }
}

/// Puts text into a header's field, or into a pax record when it is too long for it.
fn put(field: &mut [u8; 100], text: &[u8], key: &str, records: &mut Vec<(String, Vec<u8>)>) {
    let fitting = text.len().min(field.len());
    field[..fitting].copy_from_slice(&text[..fitting]);
    if text.len() > field.len() {
        records.push((key.to_owned(), text.to_owned()));
    }
}

fn numeric(records: &mut Vec<(String, Vec<u8>)>, key: &str, value: u64, most: u64, set: impl FnOnce(u64)) {
    if value <= most {
        set(value);
    } else {
        records.push((key.to_owned(), value.to_string().into_bytes()));
    }
}

/// `<length> <key>=<value>\n`, where the length counts itself.
fn record(body: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    body.extend_from_slice(format!("{length} {key}=").as_bytes());
    body.extend_from_slice(value);
    body.push(b'\n');
}

/// Extended attributes that belong to the file (capabilities, ACLs, user's own), not to overlayfs.
fn attributes(path: &Path, records: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let names = match xattr::list(path) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
        Err(source) => {
            return Err(Error::File { doing: "read attributes of", path: path.to_owned(), source });
        }
    };
    let mut found = Vec::new();
    for name in names {
        let text = name.to_string_lossy();
        if text == "trusted.overlay.redirect" || text == "trusted.overlay.metacopy" {
            // Such an entry's content is elsewhere; packing it would lose data.
            return Err(Error::Kind {
                layer: "from a container".into(),
                entry: path.to_owned(),
                kind: "overlayfs redirect",
            });
        }
        let kernels = text.starts_with("trusted.overlay.")
            || text.starts_with("user.overlay.")
            || text == "security.selinux";
        if kernels {
            continue;
        }
        if let Some(value) = xattr::get(path, &name).map_err(Error::file("read attributes of", path))? {
            found.push((format!("SCHILY.xattr.{text}"), value));
        }
    }
    found.sort();
    records.extend(found);
    Ok(())
}

pub(crate) fn is_opaque(folder: &Path) -> bool {
    let is_set =
        |name: &str| matches!(xattr::get(folder, OsStr::new(name)), Ok(Some(value)) if value == b"y");
    is_set("trusted.overlay.opaque") || is_set("user.overlay.opaque")
}

fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_owned() } else { [folder, b"/", name].concat() }
}

fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (b"", name),
    }
}

/// Length of the tar that [`pack`] would write is not needed before it is written; this is for tests.
#[cfg(test)]
pub(crate) fn packed(tree: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    pack(tree, &mut bytes).unwrap();
    bytes
}
