//! Any tree of files builds or fails; what is built is YAML.

use kustomize::{Memory, Options, build};

/// `text` as a fixture: files that begin with a line `//- path`. Every directory with a kustomization is built.
pub fn kustomize_build(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let files = Memory::from_fixture(text);
    for part in text.split("//- ").skip(1).take(8) {
        let name = part.lines().next().unwrap_or("").trim();
        let Some(directory) = name.strip_suffix("/kustomization.yaml") else { continue };
        match build(&files, directory, &Options::default()) {
            Ok(built) => check(&built),
            Err(error) => {
                let shown = diag::render(&error.to_diagnostic(), Some(text), false);
                assert!(!shown.is_empty());
            }
        }
    }
}

fn check(built: &kustomize::Built) {
    // as kustomize prints them, these do not survive being read again
    if built.yaml.contains(['\u{2028}', '\u{2029}']) || built.yaml.contains("<<") {
        return;
    }
    match yaml::parse_documents(&built.yaml) {
        Ok(documents) => assert_eq!(yaml::to_string_documents(&documents), built.yaml),
        Err(error) => panic!("{error} in what was built:\n{}", built.yaml),
    }
}
