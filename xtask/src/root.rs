//! Where the workspace is, and which files belong to it.

use anyhow::{Context, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's folder.
pub fn dir() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("xtask is a folder of the workspace").to_path_buf()
}

/// Where cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| dir().join("target"), PathBuf::from)
}

/// The project's own files, relative to its folder: tracked ones and new ones, without the ignored.
pub fn files() -> anyhow::Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(dir())
        .output()
        .context("cannot run git ls-files")?;
    ensure!(
        output.status.success(),
        "git ls-files failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let mut files: Vec<String> = String::from_utf8(output.stdout)?.lines().map(String::from).collect();
    // Deleted in the working tree, and not committed yet.
    files.retain(|file| dir().join(file).is_file());
    files.sort();
    files.dedup();
    Ok(files)
}
