//! Module docs, sizes, and nothing of anyone's machine in any file.

use super::{File, Findings};
use crate::root;

const WARN_LINES: usize = 600;
const FAIL_LINES: usize = 1000;

/// Files that may be longer, and why.
const LONG: &[(&str, &str)] = &[];

/// In two pieces each, so that this file does not hold what it looks for.
const HOSTS: &[(&str, &str)] = &[
    ("py", "pi.org"),
    ("files.python", "hosted.org"),
    ("registry.np", "mjs.org"),
    ("registry.yarn", "pkg.com"),
    ("deb.deb", "ian.org"),
    ("snapshot.deb", "ian.org"),
];

pub fn check(files: &[File], findings: &mut Findings) {
    for file in files {
        if file.is_rust() && !file.path.contains("/tests/cases/") {
            module_doc(file, findings);
            if !file.is_test() {
                size(file, findings);
            }
        }
        machine(file, findings);
    }
}

fn module_doc(file: &File, findings: &mut Findings) {
    let first = file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    // The module that has the tests is described by the one that it tests.
    if !first.starts_with("//!") && !file.path.ends_with("/tests.rs") {
        findings.problem(format!("{}: no `//!` at the beginning", file.path));
    }
}

fn size(file: &File, findings: &mut Findings) {
    let lines = file.without_tests().lines().count();
    let allowed = LONG.iter().any(|(path, _)| *path == file.path);
    if lines > FAIL_LINES && !allowed {
        findings.problem(format!("{}: {lines} lines; {FAIL_LINES} is the limit", file.path));
    } else if lines > WARN_LINES && !allowed {
        findings.note(format!("{}: {lines} lines", file.path));
    }
}

/// Paths of this checkout, and hosts of package registries: users have their own mirrors.
fn machine(file: &File, findings: &mut Findings) {
    let here = root::dir();
    let mut words: Vec<String> = HOSTS.iter().map(|(a, b)| format!("{a}{b}")).collect();
    words.push(here.display().to_string());
    for (number, line) in file.text.lines().enumerate() {
        for word in words.iter().filter(|word| line.contains(word.as_str())) {
            findings.problem(format!("{}:{}: {word}", file.path, number + 1));
        }
    }
}
