//! How a layer's tar says that something below is gone (OCI image-spec, layer.md, "Whiteouts").

/// What the last part of a path in a layer's tar means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'a> {
    /// A file of the layer.
    Plain,
    /// `.wh.<name>`: the sibling `<name>` of lower layers is gone.
    Removed(&'a [u8]),
    /// `.wh..wh..opq`: everything that lower layers have in this directory is gone.
    Opaque,
    /// Book-keeping of old union file systems (`.wh..wh.plnk`, …); skipped.
    Bookkeeping,
}

pub const PREFIX: &[u8] = b".wh.";
pub const OPAQUE: &[u8] = b".wh..wh..opq";

pub fn classify(file_name: &[u8]) -> Name<'_> {
    if file_name == OPAQUE {
        return Name::Opaque;
    }
    match file_name.strip_prefix(PREFIX) {
        None => Name::Plain,
        Some(rest) if rest.starts_with(PREFIX) => Name::Bookkeeping,
        // `.wh.`, `.wh...` and `.wh..` name nothing that could be removed.
        Some(b"" | b"." | b"..") => Name::Bookkeeping,
        Some(rest) => Name::Removed(rest),
    }
}

/// The tar name that removes `name`.
pub fn removal(name: &[u8]) -> Vec<u8> {
    [PREFIX, name].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, meaning) in [
            (&b"a"[..], Name::Plain),
            (b".wha", Name::Plain),
            (b".wh.a", Name::Removed(b"a")),
            (b".wh..a", Name::Removed(b".a")),
            (b".wh..wh..opq", Name::Opaque),
            (b".wh..wh.plnk", Name::Bookkeeping),
            (b".wh...", Name::Bookkeeping),
            (b".wh.", Name::Bookkeeping),
        ] {
            assert_eq!(classify(name), meaning, "{}", String::from_utf8_lossy(name));
        }
        assert_eq!(removal(b"x"), b".wh.x");
    }
}
