//! Rewriting the journal with only the objects that live.

use super::record::{self, Entry};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use store::{Key, Object};

/// The new file, already in the old one's place and on disk, and its length.
pub(super) fn rewrite(path: &Path, version: u64, objects: &[(Key, Object)]) -> std::io::Result<(File, u64)> {
    let temporary = path.with_extension("new");
    // One that a crash has left behind is no use to anybody.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = super::private().read(true).open(&temporary)?;
    let mut end = 0;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    let mut put = |entry: &Entry| -> std::io::Result<()> {
        let bytes = record::encode(entry);
        end += bytes.len() as u64;
        writer.write_all(&bytes)
    };
    put(&Entry { version, at: None, object: None })?;
    for (key, object) in objects {
        let at = (key.resource.to_string(), key.namespace.to_string(), key.name.to_string());
        // Objects carry their own versions; the record's is what the file as a whole has reached.
        put(&Entry { version, at: Some(at), object: Some(object.clone()) })?;
    }
    let file = writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.sync_data()?;
    std::fs::rename(&temporary, path)?;
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok((file, end))
}
