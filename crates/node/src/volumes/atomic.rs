//! Folders of files that change all at once: `name -> ..data/name`, `..data -> ..2026_11_24…`, swapped by rename.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct File {
    pub(super) content: Vec<u8>,
    pub(super) mode: u32,
}

/// Relative path → file.
pub(super) type Files = BTreeMap<String, File>;

const DATA: &str = "..data";

/// Makes the folder show these files; does nothing if it does already.
pub(super) fn write(dir: &Path, files: &Files, group: Option<u32>) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let old = std::fs::read_link(dir.join(DATA)).ok();
    if old.is_some() && same(&dir.join(DATA), files) {
        return Ok(());
    }
    let fresh = fresh_name();
    fill(&dir.join(&fresh), files, group)?;
    let scratch = dir.join("..data_tmp");
    let _ = std::fs::remove_file(&scratch);
    symlink(&fresh, &scratch)?;
    std::fs::rename(&scratch, dir.join(DATA))?;
    link_names(dir, files)?;
    if let Some(old) = old {
        let _ = std::fs::remove_dir_all(dir.join(old));
    }
    Ok(())
}

fn fresh_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = jiff::Timestamp::now();
    let time = now.strftime("%Y_%m_%d_%H_%M_%S");
    format!("..{time}.{}{}", now.subsec_nanosecond(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Names only disappear from what is shown, so comparing what we want with what is there takes a walk.
fn same(data: &Path, files: &Files) -> bool {
    let mut there = BTreeSet::new();
    if walk(data, "", &mut there).is_err() || there.len() != files.len() {
        return false;
    }
    files.iter().all(|(path, file)| {
        there.contains(path) && std::fs::read(data.join(path)).is_ok_and(|content| content == file.content)
    })
}

fn walk(dir: &Path, prefix: &str, out: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{path}/"), out)?;
        } else {
            out.insert(path);
        }
    }
    Ok(())
}

fn fill(dir: &Path, files: &Files, group: Option<u32>) -> io::Result<()> {
    std::fs::create_dir(dir)?;
    let folder = |path: &Path| -> io::Result<()> {
        let mode = if group.is_some() { 0o2750 | 0o755 } else { 0o755 };
        if let Some(gid) = group {
            chown(path, None, Some(gid))?;
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
    };
    folder(dir)?;
    for (path, file) in files {
        let target = dir.join(path);
        let mut parent = dir.to_path_buf();
        for part in Path::new(path).parent().into_iter().flat_map(Path::components) {
            parent.push(part);
            if !parent.is_dir() {
                std::fs::create_dir(&parent)?;
                folder(&parent)?;
            }
        }
        let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&target)?;
        io::Write::write_all(&mut out, &file.content)?;
        let mut mode = file.mode & 0o777;
        if let Some(gid) = group {
            chown(&target, None, Some(gid))?;
            mode |= 0o440;
        }
        out.set_permissions(std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// The names that the container sees: links through `..data`, so that one rename changes all of them.
fn link_names(dir: &Path, files: &Files) -> io::Result<()> {
    let wanted: BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !wanted.contains(&*name) {
            std::fs::remove_file(dir.join(&*name))?;
        }
    }
    for name in wanted {
        let link = dir.join(name);
        if std::fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(name), &link)?;
        }
    }
    Ok(())
}
