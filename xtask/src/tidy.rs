//! Whether the tree keeps its own rules: layers, sizes, module docs, purity, names, and nothing of anyone's machine.
//!
//! Each check gives problems (they fail) and notes (they are told). A new exception goes into its list with a reason.

mod layers;
mod purity;
mod text;

use crate::root;
use anyhow::bail;
use std::io::Write;

/// What the checks found.
#[derive(Debug, Default)]
pub struct Findings {
    pub problems: Vec<String>,
    pub notes: Vec<String>,
}

impl Findings {
    fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    fn note(&mut self, text: String) {
        self.notes.push(text);
    }
}

/// A file of the project, read once.
pub struct File {
    pub path: String,
    pub text: String,
}

impl File {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The part before the tests inside the file.
    pub fn without_tests(&self) -> &str {
        let end = self.text.find("#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        &self.text[..end]
    }

    /// The crate below `crates/` that the file belongs to.
    pub fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// A whole file of tests, or an example.
    pub fn is_test(&self) -> bool {
        let folders = ["/tests/", "/examples/", "/benches/"];
        self.path.ends_with("tests.rs") || folders.iter().any(|folder| self.path.contains(folder))
    }
}

pub fn check() -> anyhow::Result<Findings> {
    let mut files = Vec::new();
    for path in root::files()? {
        // Files that are no text have no rules here.
        if let Ok(text) = std::fs::read_to_string(root::dir().join(&path)) {
            files.push(File { path, text });
        }
    }
    let mut findings = Findings::default();
    layers::check(&mut findings)?;
    purity::check(&files, &mut findings);
    text::check(&files, &mut findings);
    Ok(findings)
}

pub fn run() -> anyhow::Result<()> {
    let findings = check()?;
    let mut out = std::io::stdout();
    for note in &findings.notes {
        writeln!(out, "note: {note}")?;
    }
    for problem in &findings.problems {
        writeln!(out, "error: {problem}")?;
    }
    if !findings.problems.is_empty() {
        bail!("the tree is not tidy: {} problems", findings.problems.len());
    }
    writeln!(out, "tidy: nothing to do ({} notes)", findings.notes.len())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        let findings = super::check().expect("the checks can run");
        assert!(findings.problems.is_empty(), "\n{}", findings.problems.join("\n"));
    }
}
