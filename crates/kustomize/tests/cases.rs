//! Each file of `tests/cases` is a tree of files and what building `/app` gives, byte for byte; both as kustomize
//! v5.5.0 printed it when the case was written. Errors are the project's own words.

use std::path::Path;

use expect_test::expect_file;
use kustomize::{Memory, Options, build, build_noting_files};

#[test]
fn cases() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut count = 0;
    for entry in std::fs::read_dir(&dir).expect("the cases are here") {
        let path = entry.expect("a directory entry").path();
        if path.extension().is_none_or(|e| e != "input") {
            continue;
        }
        let fixture = std::fs::read_to_string(&path).expect("a case is text");
        let files = Memory::from_fixture(&fixture);
        let text = match build(&files, "/app", &Options::default()) {
            Ok(built) => built.yaml,
            Err(e) => {
                let shown =
                    e.to_diagnostics().iter().map(|d| diag::render(d, None, false)).collect::<String>();
                format!("Error: {}\n{shown}", e.chain())
            }
        };
        expect_file![path.with_extension("output")].assert_eq(&text);
        count += 1;
    }
    assert!(count >= 10, "only {count} cases found");
}

#[test]
fn files_are_named_for_watchers() {
    let files = Memory::from_fixture(
        "//- /p/base/kustomization.yaml\nresources: [cm.yaml]\n//- /p/base/cm.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n//- /p/dev/kustomization.yaml\nresources: [../base]\nconfigMapGenerator:\n- {name: g, files: [x.txt]}\n//- /p/dev/x.txt\nhello\n",
    );
    let built = build(&files, "/p/dev", &Options::default()).expect("it builds");
    assert_eq!(
        built.files,
        ["/p/base/cm.yaml", "/p/base/kustomization.yaml", "/p/dev/kustomization.yaml", "/p/dev/x.txt"]
    );
    assert_eq!(built.objects.len(), 2);
}

#[test]
fn a_failed_build_names_its_files_too() {
    let files = Memory::from_fixture("//- /p/kustomization.yaml\nresources: [cm.yaml]\n");
    let (built, read) = build_noting_files(&files, "/p", &Options::default());
    assert!(built.is_err());
    assert_eq!(read, ["/p/cm.yaml", "/p/kustomization.yaml"]);
}
