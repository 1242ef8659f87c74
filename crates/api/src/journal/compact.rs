//! Rewriting the journal with only the objects that live.

use super::record;
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
    let mut put = |bytes: Vec<u8>| -> std::io::Result<()> {
        end += bytes.len() as u64;
        writer.write_all(&bytes)
    };
    put(record::of(version, None, None).0)?;
    for (key, object) in objects {
        let at = (key.resource.as_str(), &*key.namespace, &*key.name);
        // Objects carry their own versions; the record's is what the file as a whole has reached.
        put(record::of(version, Some(at), Some(object)).0)?;
    }
    let file = writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.sync_data()?;
    std::fs::rename(&temporary, path)?;
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok((file, end))
}
