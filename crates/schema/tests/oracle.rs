//! The table against what Kubernetes publishes: the Python package `kubernetes-validate` has the OpenAPI definitions of each
//! release (`pip install kubernetes-validate`, found by `PYTHONPATH` too). Skipped where it is not.

use serde_json::{Map, Value};
use std::process::Command;

const FILE: &str = "kubernetes-json-schema/v1.37.0-local/_definitions.json";

/// What of a definition or a field is compared.
const MARKS: [&str; 5] = [
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-patch-merge-key",
    "x-kubernetes-patch-strategy",
    "x-kubernetes-list-type",
];

fn published() -> Option<Map<String, Value>> {
    // Found, not imported: what the package itself needs is not needed here.
    let find =
        "import importlib.util as u; print(u.find_spec('kubernetes_validate').submodule_search_locations[0])";
    let found =
        Command::new("python3").args(["-c", find]).output().ok().filter(|output| output.status.success())?;
    let folder = String::from_utf8(found.stdout).ok()?;
    let text = std::fs::read_to_string(format!("{}/{FILE}", folder.trim())).ok()?;
    match serde_json::from_str(&text).expect("the definitions are JSON") {
        Value::Object(mut file) => {
            file.remove("$defs").and_then(|definitions| definitions.as_object().cloned())
        }
        _ => None,
    }
}

/// A type in words that both sides have.
fn shape(schema: &Value) -> String {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    if let Some(reference) = reference {
        return reference.rsplit('/').next().unwrap_or_default().to_string();
    }
    let ty = match &schema["type"] {
        // The package lets everything optional be null.
        Value::Array(types) => types.iter().find(|ty| **ty != "null").unwrap_or(&Value::Null),
        ty => ty,
    };
    match ty.as_str().unwrap_or_default() {
        "array" => format!("[{}]", shape(&schema["items"])),
        "object" if schema["additionalProperties"].is_object() => {
            format!("{{{}}}", shape(&schema["additionalProperties"]))
        }
        ty => format!("{ty} {}", schema["format"].as_str().unwrap_or_default()),
    }
}

fn marks(schema: &Value) -> Vec<String> {
    let mark = |name: &str| {
        let value = &schema[name];
        // A list that is marked atomic and one that is not marked merge alike.
        let said = !value.is_null() && (*value != "atomic" || name == "x-kubernetes-map-type");
        said.then(|| format!("{name}={value}"))
    };
    MARKS.into_iter().filter_map(mark).collect()
}

#[test]
fn the_table_is_what_kubernetes_publishes() {
    let Some(theirs) = published() else {
        eprintln!("oracle: skipped: no kubernetes-validate of 1.37 (pip install kubernetes-validate)");
        return;
    };
    let document = schema::openapi::v2(&[]);
    let ours = document["definitions"].as_object().expect("definitions");
    let (mut compared, mut differences) = (0, Vec::new());
    for (name, ours) in ours.iter().filter(|(_, definition)| definition["properties"].is_object()) {
        let Some(theirs) = theirs.get(name) else {
            differences.push(format!("{name}: not published"));
            continue;
        };
        if marks(ours) != marks(theirs) {
            differences.push(format!("{name}: {:?} is {:?}", marks(ours), marks(theirs)));
        }
        let (mine, published) = (&ours["properties"], &theirs["properties"]);
        let names =
            |properties: &Value| properties.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
        let mut all: Vec<String> = [mine, published].into_iter().filter_map(names).flatten().collect();
        all.sort();
        all.dedup();
        for field in all {
            let (one, other) = (&mine[field.as_str()], &published[field.as_str()]);
            let required = |definition: &Value| {
                definition["required"]
                    .as_array()
                    .is_some_and(|list| list.iter().any(|name| *name == field.as_str()))
            };
            if shape(one) != shape(other) || marks(one) != marks(other) || required(ours) != required(theirs)
            {
                differences.push(format!("{name}.{field}: {one} is {other}"));
            }
            compared += 1;
        }
    }
    assert_eq!(differences, Vec::<String>::new());
    assert!(compared > 2000, "{compared} fields were compared");
}

/// Published definitions that the table does not have are named in `oracle.txt`, by what they begin with and why.
#[test]
fn what_is_not_in_the_table_has_a_reason() {
    let Some(theirs) = published() else {
        eprintln!("oracle: skipped: no kubernetes-validate of 1.37 (pip install kubernetes-validate)");
        return;
    };
    let document = schema::openapi::v2(&[]);
    let ours = document["definitions"].as_object().expect("definitions");
    let reasons: Vec<(&str, &str)> = include_str!("oracle.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap_or_else(|| panic!("no reason in {line}")))
        .collect();
    let missing: Vec<&String> = theirs.keys().filter(|name| !ours.contains_key(*name)).collect();
    let unexplained: Vec<&&String> =
        missing.iter().filter(|name| !reasons.iter().any(|(start, _)| name.starts_with(start))).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    for (start, _) in reasons {
        assert!(
            missing.iter().any(|name| name.starts_with(start)),
            "nothing that is missing begins with {start}"
        );
    }
}
