//! `hostPath` volumes: what their type promises.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

pub(super) fn check(path: &Path, kind: &str) -> Result<(), String> {
    let make = |made: std::io::Result<()>| made.map_err(|e| format!("cannot make {}: {e}", path.display()));
    if !path.is_absolute() {
        return Err(format!("hostPath {} is not absolute", path.display()));
    }
    let found = std::fs::metadata(path).ok();
    let is = |what: &str, good: fn(&std::fs::FileType) -> bool| {
        let good = found.as_ref().is_some_and(|meta| good(&meta.file_type()));
        if good {
            Ok(())
        } else {
            Err(format!("hostPath type check failed: {} is not a {what}", path.display()))
        }
    };
    match kind {
        // Without a type a missing folder is made, as container runtimes do.
        "" if found.is_some() => Ok(()),
        "" => make(std::fs::create_dir_all(path)),
        "DirectoryOrCreate" => {
            if found.is_none() {
                let mode = std::fs::Permissions::from_mode(0o755);
                make(std::fs::create_dir_all(path).and_then(|()| std::fs::set_permissions(path, mode)))?;
                return Ok(());
            }
            is("directory", |t| t.is_dir())
        }
        "FileOrCreate" => {
            if found.is_none() {
                return make(std::fs::File::create_new(path).map(drop));
            }
            is("file", |t| t.is_file())
        }
        "Directory" => is("directory", |t| t.is_dir()),
        "File" => is("file", |t| t.is_file()),
        "Socket" => is("socket file", |t| t.is_socket()),
        "CharDevice" => is("character device", |t| t.is_char_device()),
        "BlockDevice" => is("block device", |t| t.is_block_device()),
        other => Err(format!("unknown hostPath type {other:?}")),
    }
}
