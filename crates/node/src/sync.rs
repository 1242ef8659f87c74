//! Live update: files go through `/proc/<pid>/root`, so that watchers in the container see them.
//!
//! Never into an overlay's upper folder: processes in the container get no event from that.

use crate::beneath::Root;
use crate::{Error, Result, SyncReport};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Deletes, then writes everything of the archive. Blocking.
pub(crate) fn apply(root: &Path, archive: impl Read, deletes: &[String]) -> Result<SyncReport> {
    let root = Root::open(root).map_err(|source| Error::File { doing: "open", path: root.into(), source })?;
    let mut report = SyncReport::default();
    for path in deletes {
        let failed = |source| Error::File { doing: "remove", path: path.into(), source };
        report.deleted += usize::from(root.remove(Path::new(path)).map_err(failed)?);
    }
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(|source| Error::Archive { source })? {
        let mut entry = entry.map_err(|source| Error::Archive { source })?;
        let path = entry.path().map_err(|source| Error::Archive { source })?.into_owned();
        let path = Path::new("/").join(path.strip_prefix("/").unwrap_or(&path));
        let written = write(&root, &path, &mut entry);
        written.map_err(|source| Error::File { doing: "write", path: path.clone(), source })?;
        report.written += usize::from(!entry.header().entry_type().is_dir());
    }
    Ok(report)
}

fn write(root: &Root, path: &Path, entry: &mut tar::Entry<'_, impl Read>) -> io::Result<()> {
    let mode = entry.header().mode()?;
    let kind = entry.header().entry_type();
    match kind {
        tar::EntryType::Directory => root.make_folder(&trimmed(path), mode & 0o7777).map(drop),
        tar::EntryType::Symlink => {
            let target = entry.link_name()?.ok_or(io::ErrorKind::InvalidData)?.into_owned();
            root.write_symlink(path, &target)
        }
        tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
            root.write_file(path, mode, entry)
        }
        other => {
            let text = format!("entries of the kind {other:?} cannot be synced");
            Err(io::Error::new(io::ErrorKind::Unsupported, text))
        }
    }
}

/// Without the `/` that a folder's entry may end in.
fn trimmed(path: &Path) -> PathBuf {
    path.components().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_arrives_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("app/old/deep")).unwrap();
        std::fs::write(dir.path().join("app/gone.py"), "x").unwrap();
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(0);
        header.set_entry_type(tar::EntryType::Directory);
        builder.append_data(&mut header.clone(), "app/codex/", io::empty()).unwrap();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(5);
        builder.append_data(&mut header.clone(), "app/codex/main.py", "hello".as_bytes()).unwrap();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "app/codex/link.py", "main.py").unwrap();
        let archive = builder.into_inner().unwrap();
        let deletes = ["/app/old", "/app/gone.py", "/app/never"].map(String::from);
        let report = apply(dir.path(), archive.as_slice(), &deletes).unwrap();
        assert_eq!(report, SyncReport { written: 2, deleted: 2 });
        assert_eq!(std::fs::read_to_string(dir.path().join("app/codex/link.py")).unwrap(), "hello");
        assert!(!dir.path().join("app/old").exists());
    }
}
