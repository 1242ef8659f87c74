//! The two lower layers take values and give values: no runtime, files, environment or clock.

use super::{File, Findings};

const PURE: &[&str] = &[
    "diag",
    "yaml",
    "patch",
    "schema",
    "oci",
    "kustomize",
    "tiltfile",
    "dockerfile",
    "store",
    "controllers",
    "pod",
    "devloop",
];

const BANNED: &[&str] = &[
    "tokio",
    "std::fs",
    "std::env",
    "std::process",
    "std::net::Tcp",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "File::open",
];

/// File, word, why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "crates/kustomize/src/disk.rs",
    "std::fs",
    "the plain implementation of its file trait; the engine takes the trait",
)];

fn is_pure(file: &File) -> bool {
    file.crate_name().is_some_and(|name| PURE.contains(&name))
}

pub fn check(files: &[File], findings: &mut Findings) {
    let mut used = Vec::new();
    for file in files.iter().filter(|f| f.is_rust() && !f.is_test() && is_pure(f)) {
        for (number, line) in file.without_tests().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in BANNED.iter().filter(|word| code.contains(*word)) {
                match EXCEPTIONS.iter().find(|e| e.0 == file.path && e.1 == *word) {
                    Some(exception) => used.push(exception),
                    None => findings.problem(format!("{}:{}: {word} in a pure crate", file.path, number + 1)),
                }
            }
        }
    }
    for unused in EXCEPTIONS.iter().filter(|e| !used.contains(e)) {
        findings.problem(format!("tidy's exception for {} in {} is not needed any more", unused.1, unused.0));
    }
    for file in files.iter().filter(|f| f.path.ends_with("Cargo.toml") && is_pure(f)) {
        let dependencies = file.text.split("[dev-dependencies]").next().unwrap_or_default();
        for line in dependencies.lines().filter(|line| line.starts_with("tokio") || line.starts_with("kube"))
        {
            findings.problem(format!("{}: a pure crate depends on {line}", file.path));
        }
    }
}
