//! Any text is a Dockerfile, or is told what is wrong with it; any .dockerignore answers.

use std::collections::BTreeMap;

pub fn dockerfile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (file, diagnostics) = dockerfile::parse(text);
    for diagnostic in &diagnostics {
        assert!(diagnostic.line >= 1 && diagnostic.line <= text.lines().count() + 1, "a line of the text");
    }
    let _ = dockerfile::plan(&file, &BTreeMap::new(), None);
    let ignore = dockerfile::Ignore::parse(text);
    let _ = (ignore.ignores("src/main.rs"), ignore.prunes("src"));
}
