//! Definitions of real operators, and their samples: a folder of YAML that `CORACLE_DEFINITIONS` names. Each definition must be
//! accepted, and each object of a kind that they define, strictly; what is wrong is printed with the time that it took.
//! An object whose file's name has `.bad.` in it must be refused.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, and prints what it has found"
)]

use api::{Api, ApiConfig, FieldValidation, WriteOptions};
use schema::openapi::{self, Custom};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const DEFINITION: &str = "apiextensions.k8s.io/customresourcedefinitions";
/// Nobody waits longer for a definition.
const LONGEST: Duration = Duration::from_secs(2);

/// Definitions of our own, and what they refuse.
#[test]
fn own_definitions_and_their_samples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/definitions");
    let found = look_at(&folder);
    assert_eq!(found.problems, Vec::<String>::new());
    expect_test::expect_file!["definitions/refusals.txt"].assert_eq(&found.refusals);
}

#[test]
fn real_definitions_and_their_samples() {
    let Some(folder) = std::env::var_os("CORACLE_DEFINITIONS") else {
        println!("skipped: CORACLE_DEFINITIONS names no folder of definitions and samples");
        return;
    };
    let found = look_at(Path::new(&folder));
    print!("{}", found.refusals);
    println!("{} definitions, {} samples", found.definitions, found.samples);
    assert!(found.problems.is_empty(), "{}", found.problems.join("\n"));
}

#[derive(Default)]
struct Found {
    definitions: usize,
    samples: usize,
    /// Of what is bad.
    refusals: String,
    problems: Vec<String>,
}

fn look_at(folder: &Path) -> Found {
    let dir = tempfile::tempdir().unwrap();
    let config = ApiConfig {
        dir: dir.path().to_path_buf(),
        service_cidr: "10.43.0.0/16".into(),
        cluster_domain: "cluster.local".into(),
    };
    let api = Api::open(config).unwrap();
    let documents: Vec<(PathBuf, Value)> = files(folder).iter().flat_map(|file| documents(file)).collect();
    let (definitions, others): (Vec<_>, Vec<_>) =
        documents.into_iter().partition(|(_, object)| object["kind"] == "CustomResourceDefinition");
    let mut found = Found::default();
    for (file, definition) in &definitions {
        define(&api, file, definition, &mut found);
    }
    let begin = Instant::now();
    publish(&api, &mut found);
    println!("published in {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
    for (file, object) in &others {
        sample(&api, file, object, &mut found);
    }
    found
}

/// Each kind is in the OpenAPI documents, in either version.
fn publish(api: &Api, found: &mut Found) {
    let definitions = api.list(DEFINITION, "");
    let word = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let served = definitions.iter().map(|definition| {
        let spec = &definition["spec"];
        let resource = format!("{}/{}", word(&spec["group"]), word(&spec["names"]["plural"]));
        (api.kinds().by_resource(&resource).expect("it is served"), &spec["versions"])
    });
    let served: Vec<_> = served.collect();
    let custom = served.iter().flat_map(|(kind, versions)| {
        versions.as_array().into_iter().flatten().map(move |version| Custom {
            kind,
            version: version["name"].as_str().unwrap_or_default(),
            schema: version["schema"].get("openAPIV3Schema"),
            is_read_only: false,
        })
    });
    let custom: Vec<Custom<'_>> = custom.collect();
    let mut look = |document: &Value, schemas: &str, wanted: &Custom<'_>| {
        let gvk =
            json!([{ "group": wanted.kind.group, "version": wanted.version, "kind": wanted.kind.kind }]);
        let schemas = document.pointer(schemas).and_then(Value::as_object).into_iter().flatten();
        if !schemas.into_iter().any(|(_, schema)| schema["x-kubernetes-group-version-kind"] == gvk) {
            found.problems.push(format!("{gvk} is not published"));
        }
    };
    let all = openapi::v2(&custom);
    for kind in &custom {
        let path = format!("apis/{}/{}", kind.kind.group, kind.version);
        look(&openapi::v3(&path, &custom).unwrap_or_default(), "/components/schemas", kind);
        look(&all, "/definitions", kind);
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn documents(file: &Path) -> Vec<(PathBuf, Value)> {
    let text = std::fs::read_to_string(file).unwrap();
    let read = yaml::parse_documents(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    read.into_iter().filter(Value::is_object).map(|object| (file.to_path_buf(), object)).collect()
}

fn name(file: &Path) -> std::borrow::Cow<'_, str> {
    file.file_name().unwrap_or_default().to_string_lossy()
}

fn define(api: &Api, file: &Path, definition: &Value, found: &mut Found) {
    found.definitions += 1;
    let begin = Instant::now();
    let options = WriteOptions::by("test");
    let mut result = api.create(DEFINITION, definition.clone(), &options);
    if result.as_ref().is_err_and(|error| error.code == 409) {
        result = api.update(DEFINITION, definition.clone(), &options);
    }
    let took = begin.elapsed();
    let size = definition.to_string().len();
    println!("{:>8} KB {:>8.1} ms  {}", size / 1024, took.as_secs_f64() * 1e3, name(file));
    match result {
        Err(error) => found.problems.push(format!("{}: {}", name(file), error.message)),
        Ok(_) if took > LONGEST => found.problems.push(format!("{}: it takes {took:?}", name(file))),
        Ok(_) => {}
    }
}

/// An object of a kind that has been defined.
fn sample(api: &Api, file: &Path, object: &Value, found: &mut Found) {
    let word = |field: &str| object[field].as_str().unwrap_or_default();
    let Some(kind) = api.kinds().by_gvk(word("apiVersion"), word("kind")) else { return };
    if !word("apiVersion").contains('.') {
        return;
    }
    found.samples += 1;
    let mut object = object.clone();
    if kind.namespaced {
        object["metadata"]["namespace"] = "default".into();
    }
    let options = WriteOptions { field_validation: FieldValidation::Strict, ..WriteOptions::by("test") };
    let is_bad = name(file).contains(".bad.");
    match api.create(&kind.resource(), object, &options) {
        Ok(made) if is_bad => {
            found.problems.push(format!("{}: {} is accepted", name(file), made["metadata"]["name"]));
        }
        Err(error) if is_bad => found.refusals.push_str(&format!("{}\n", error.message)),
        Err(error) if error.code != 409 => found.problems.push(format!("{}: {}", name(file), error.message)),
        _ => {}
    }
}
