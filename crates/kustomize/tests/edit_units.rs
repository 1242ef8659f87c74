//! Runs upstream's tables for edit commands, where the shared conformance folder exists. Files are compared by what they
//! say: their layout is ours.

use std::path::Path;

use kustomize::edit::edit;
use kustomize::{Files, Memory};
use serde_json::Value;

const FILE: &str = "/app/kustomization.yaml";

/// The rows of all tests of a table, each with the test's name. Nothing if there is no such folder.
fn rows(table: &str) -> Vec<(String, Value)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/kustomize/units");
    let Ok(text) = std::fs::read(dir.join(format!("kustomize_commands_edit_{table}.json"))) else {
        return Vec::new();
    };
    let tests: Vec<Value> = serde_json::from_slice(&text).expect("a table is JSON");
    let rows = tests.iter().flat_map(|test| {
        let name = test["test"].as_str().unwrap_or_default().to_string();
        test["rows"].as_array().into_iter().flatten().map(move |row| (name.clone(), row["row"].clone()))
    });
    rows.collect()
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_string)).collect()
}

/// What the file says after a command, or the error.
fn run(files: &Memory, words: &[String]) -> Result<Value, String> {
    let outcome = edit(files, "/app", words).map_err(|e| e.chain())?;
    let written = outcome.writes.into_iter().find(|(path, _)| path == FILE).map(|(_, text)| text);
    let text = match written {
        Some(text) => text,
        None => String::from_utf8(files.read(FILE).map_err(|e| e.to_string())?).expect("text"),
    };
    Ok(parse(&text))
}

fn parse(text: &str) -> Value {
    yaml::parse_documents(text).expect("YAML").pop().unwrap_or_else(|| Value::Object(Default::default()))
}

fn words(start: &str, rest: Vec<String>) -> Vec<String> {
    start.split(' ').map(str::to_string).chain(rest).collect()
}

/// Holds a result against a row: an error that contains a text, or a file that says the same.
fn judge(row: &Value, result: Result<Value, String>, error: &Value, file: &Value) {
    match (error.as_str().filter(|text| !text.is_empty()), result) {
        (Some(want), Err(got)) => assert!(got.contains(want), "{want}\n{got}\n{row}"),
        (Some(want), Ok(got)) => panic!("no error, but {got} instead of {want}\n{row}"),
        (None, Err(got)) => panic!("{got}\n{row}"),
        (None, Ok(got)) => {
            if let Some(want) = file.as_str() {
                assert_eq!(got, parse(want), "{row}");
            }
        }
    }
}

#[test]
fn fix() {
    for (_, row) in rows("fix") {
        let mut files = Memory::new().with(FILE, row["input"].as_str().expect("an input"));
        for (name, text) in row["files"].as_object().into_iter().flatten() {
            files = files.with(&format!("/app/{name}"), text.as_str().expect("text"));
        }
        judge(&row, run(&files, &words("fix", Vec::new())), &Value::Null, &row["expected"]);
    }
}

#[test]
fn remove() {
    for (test, row) in rows("remove") {
        let noun = test.trim_start_matches("TestRemove").to_lowercase();
        let Some(arguments) = texts(&row["args"]) else { continue };
        let files = Memory::new().with(FILE, row["input"].as_str().unwrap_or_default());
        let result = run(&files, &words(&format!("remove {noun}"), arguments));
        judge(&row, result, &row["expectedErr"], &row["expectedOutput"]);
    }
}

#[test]
fn set() {
    for (test, row) in rows("set") {
        let noun = match test.as_str() {
            "TestSetBuildMetadata" => "buildmetadata",
            test if test.ends_with("ConfigMap") => "configmap",
            _ => "secret",
        };
        let (content, arguments) = match noun {
            "buildmetadata" => (&row["input"], texts(&row["args"])),
            _ => (&row["KustomizationFileContent"], texts(&row["Args"])),
        };
        let Some(arguments) = arguments else { continue };
        let files = Memory::new().with(FILE, content.as_str().unwrap_or_default());
        let result = run(&files, &words(&format!("set {noun}"), arguments));
        if let Ok(value) = &result {
            let list = if noun == "secret" { "secretGenerator" } else { "configMapGenerator" };
            let item = &value[list][0];
            if let Some(mut want) = texts(&row["ExpectedLiterals"]) {
                let mut got = texts(&item["literals"]).expect("literals");
                want.sort();
                got.sort();
                assert_eq!(got, want, "{row}");
            }
            if let Some(want) = row["ExpectedNamespace"].as_str() {
                assert_eq!(item["namespace"], want, "{row}");
            }
        }
        let error = if noun == "buildmetadata" { &row["expectedErr"] } else { &row["ExpectedErrorMsg"] };
        judge(&row, result, error, &Value::Null);
    }
}

#[test]
fn add() {
    for (test, row) in rows("add") {
        let noun = match test.as_str() {
            "TestAddBuildMetadata" => "buildmetadata",
            "TestEditAddConfigMapNamespaced" => "configmap",
            "TestEditAddSecretNamespaced" => "secret",
            _ => continue,
        };
        if noun == "buildmetadata" {
            let Some(arguments) = texts(&row["args"]) else { continue };
            let files = Memory::new().with(FILE, row["input"].as_str().unwrap_or_default());
            let result = run(&files, &words("add buildmetadata", arguments));
            judge(&row, result, &row["expectedErr"], &Value::Null);
            continue;
        }
        let kind = if noun == "secret" { "secret" } else { "configMap" };
        let mut arguments = vec![row[format!("{kind}Name")].as_str().expect("a name").to_string()];
        let namespace = row[format!("{kind}Namespace")].as_str().unwrap_or_default();
        arguments.push(format!("--namespace={namespace}"));
        let literals = texts(&row["literalSources"]).expect("literals");
        arguments.extend(literals.iter().map(|literal| format!("--from-literal={literal}")));
        let files = Memory::new().with(FILE, row["initialArgs"].as_str().expect("a file"));
        let value = run(&files, &words(&format!("add {noun}"), arguments)).expect("no error");
        let items = value[format!("{kind}Generator")].as_array().expect("a list").clone();
        let wanted = row["expectedResult"].as_array().expect("a list");
        assert_eq!(items.len(), wanted.len(), "{row}");
        for (item, want) in items.iter().zip(wanted) {
            let want = &want["GeneratorArgs"];
            assert_eq!(item["name"], want["Name"], "{row}");
            assert_eq!(item["namespace"].as_str().unwrap_or_default(), want["Namespace"], "{row}");
            assert_eq!(item["literals"], want["KvPairSources"]["LiteralSources"], "{row}");
        }
    }
}
