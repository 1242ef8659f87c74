//! Trees of files: written from a text, copied, compared.

use anyhow::{Context, ensure};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The workspace's folder.
pub fn repository() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("testing/e2e is two folders down").to_path_buf()
}

/// Writes a file with its folders.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

pub fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Replaces text that must be there.
pub fn edit(path: &Path, from: &str, to: &str) -> anyhow::Result<()> {
    let text = read(path)?;
    ensure!(text.contains(from), "{} has no {from:?}", path.display());
    write(path, &text.replace(from, to))
}

/// Writes many files: each begins with a line `==> path`.
pub fn write_tree(root: &Path, text: &str) -> anyhow::Result<()> {
    for part in text.split("==> ").skip(1) {
        let (path, body) = part.split_once('\n').context("a path line ends")?;
        write(&root.join(path.trim()), body)?;
    }
    Ok(())
}

/// Copies a folder, but for what a build or an editor leaves in it.
pub fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    const LEFT_OUT: &[&str] = &["node_modules", "__pycache__", ".venv", "data", "build"];
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                copy(&entry.path(), &target)?;
            }
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

pub fn mode(path: &Path) -> anyhow::Result<u32> {
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    Ok(metadata.permissions().mode() & 0o7777)
}

/// What a tree holds: for each path below it a description of its content. Folders count by what is in them.
pub fn contents(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    fn walk(root: &Path, folder: &Path, out: &mut BTreeMap<String, String>) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
            let metadata = std::fs::symlink_metadata(&path)?;
            if metadata.is_dir() {
                walk(root, &path, out)?;
            } else if metadata.is_symlink() {
                out.insert(name, format!("link to {}", std::fs::read_link(&path)?.display()));
            } else {
                let executable = metadata.permissions().mode() & 0o100 != 0;
                let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
                out.insert(name, format!("{}{text}", if executable { "executable: " } else { "" }));
            }
        }
        Ok(())
    }
    let mut out = BTreeMap::new();
    walk(root, root, &mut out).with_context(|| format!("cannot read the tree {}", root.display()))?;
    Ok(out)
}

/// How a tree differs from what it should be; empty if it does not.
pub fn differences(want: &BTreeMap<String, String>, have: &BTreeMap<String, String>) -> Vec<String> {
    let missing = want.keys().filter(|path| !have.contains_key(*path)).map(|path| format!("missing: {path}"));
    let extra = have.keys().filter(|path| !want.contains_key(*path)).map(|path| format!("too much: {path}"));
    let stale = want.iter().filter_map(|(path, content)| {
        let other = have.get(path).filter(|other| *other != content)?;
        Some(format!("stale: {path}: {other:?} instead of {content:?}"))
    });
    missing.chain(extra).chain(stale).collect()
}
