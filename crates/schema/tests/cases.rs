//! The tables of `cases/`: a file a kind, with manifests and what is said of them.
//!
//! Cases are parted by `---`. A comment at the head of one names what it is about; `# old:` begins the object that it
//! replaces. What is expected stands in the lines `#= ` at the end, one a message; none, if the manifest is well.
//! `UPDATE_EXPECT=1 cargo test -p schema cases` writes them.

use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

fn object(resource: &str, text: &str, name: &str) -> Value {
    let mut documents = yaml::parse_documents(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
    let mut object = documents.pop().unwrap_or_else(|| panic!("{name}: no manifest in\n{text}"));
    let kind =
        schema::builtin_kinds().iter().find(|kind| kind.resource() == resource).expect("a built-in kind");
    let fields = object.as_object_mut().expect("a manifest is an object");
    fields.entry("apiVersion").or_insert_with(|| kind.api_version().into());
    fields.entry("kind").or_insert_with(|| kind.kind.clone().into());
    fields.entry("metadata").or_insert_with(|| serde_json::json!({ "name": "a" }));
    schema::defaults::apply(resource, &mut object);
    object
}

fn messages(resource: &str, case: &str, name: &str) -> Vec<String> {
    let manifest: String =
        case.lines().filter(|line| !line.starts_with("#=")).map(|line| format!("{line}\n")).collect();
    let (old, new) = match manifest.split_once("# new:\n") {
        Some((old, new)) => (Some(object(resource, old, name)), new),
        None => (None, manifest.as_str()),
    };
    let new = object(resource, new, name);
    schema::validate::check(resource, &new, old.as_ref())
        .into_iter()
        .map(|cause| format!("{}: {}", cause.field, cause.message).replace('\n', "\\n"))
        .collect()
}

/// The resource is the name of the file, with `.` for `/`.
fn resource_of(path: &Path) -> &'static str {
    let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_string();
    let kind = schema::builtin_kinds().iter().find(|kind| kind.resource().replace('/', "_") == name);
    kind.unwrap_or_else(|| panic!("{name} is no kind")).resource().leak()
}

fn tables() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn cases() {
    for path in tables() {
        let resource = resource_of(&path);
        let text = std::fs::read_to_string(&path).expect("a table");
        let mut written = Vec::new();
        for case in text.split("---\n") {
            let mut out: String =
                case.lines().filter(|line| !line.starts_with("#=")).map(|line| format!("{line}\n")).collect();
            for message in messages(resource, case, &path.display().to_string()) {
                writeln!(out, "#= {message}").expect("memory");
            }
            written.push(out);
        }
        expect_test::expect_file![&path].assert_eq(&written.join("---\n"));
    }
}

/// Every kind has its table, with bad manifests in it.
#[test]
fn every_kind_has_cases() {
    for kind in schema::builtin_kinds().iter().filter(|kind| kind.group != "apiextensions.k8s.io") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/cases")
            .join(format!("{}.yaml", kind.resource().replace('/', "_")));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let bad = text.split("---\n").filter(|case| case.contains("\n#= ")).count();
        assert!(bad >= 4, "{} has {bad} bad manifests", path.display());
    }
}
