//! The binary starts, and fails as it should: exit code, stdout, stderr. Its work is tested in `testing/e2e`.

use std::process::{Command, Output};

fn coracle(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coracle"));
    command.args(arguments).env("NO_COLOR", "1").output().expect("the binary was built for this test")
}

#[test]
fn version_is_data() {
    let output = coracle(&["version"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("coracle version v"));
    assert!(output.stderr.is_empty());
}

#[test]
fn wrong_usage_is_2_and_goes_to_stderr() {
    let output = coracle(&["fly"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("unrecognized subcommand 'fly'"));
}

#[test]
fn help_names_every_verb() {
    let output = coracle(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for verb in ["up", "ci", "down", "cluster", "kubeconfig", "image", "registry", "node", "kustomize"] {
        assert!(
            text.lines().any(|line| line.trim_start().starts_with(&format!("{verb} "))),
            "{verb}:\n{text}"
        );
    }
}
