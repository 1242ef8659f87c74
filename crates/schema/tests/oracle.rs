//! The table against what Kubernetes publishes: the Python package `kubernetes-validate` has the OpenAPI definitions of each
//! release, the package `kubernetes` (the client) their paths (`pip install kubernetes-validate kubernetes`, found by
//! `PYTHONPATH` too). Skipped where they are not.

use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::PathBuf;
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

/// Where a Python package is. Found, not imported: what the package itself needs is not needed here.
fn package(name: &str) -> Option<PathBuf> {
    let find =
        format!("import importlib.util as u; print(u.find_spec('{name}').submodule_search_locations[0])");
    let found =
        Command::new("python3").args(["-c", &find]).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(found.stdout).ok()?.trim().into())
}

fn published() -> Option<Map<String, Value>> {
    let text = std::fs::read_to_string(package("kubernetes_validate")?.join(FILE)).ok()?;
    match serde_json::from_str(&text).expect("the definitions are JSON") {
        Value::Object(mut file) => {
            file.remove("$defs").and_then(|definitions| definitions.as_object().cloned())
        }
        _ => None,
    }
}

/// What the client of 1.37 can call, as `GROUP/VERSION PLURAL[/SUBRESOURCE] SCOPE`.
fn called() -> Option<BTreeSet<String>> {
    let package = package("kubernetes")?;
    let version = std::fs::read_to_string(package.join("__init__.py")).ok()?;
    version.contains("__version__ = \"37.").then_some(())?;
    let mut paths = BTreeSet::new();
    for file in std::fs::read_dir(package.join("client/api")).ok()? {
        let text = std::fs::read_to_string(file.ok()?.path()).ok()?;
        let of_lines = text.lines().filter_map(|line| line.trim().strip_prefix("resource_path='"));
        paths.extend(of_lines.filter_map(|path| resource(path.strip_suffix("',")?)));
    }
    Some(paths)
}

/// `None`: no path of a resource.
fn resource(path: &str) -> Option<String> {
    let (of, rest) = match path.strip_prefix("/api/v1/") {
        Some(rest) => ("v1".to_string(), rest),
        None => {
            let mut parts = path.strip_prefix("/apis/")?.splitn(3, '/');
            let (group, version, rest) = (parts.next()?, parts.next()?, parts.next()?);
            (format!("{group}/{version}"), rest)
        }
    };
    let (scope, rest) = match rest.strip_prefix("namespaces/{namespace}/") {
        Some(rest) => ("namespaced", rest),
        None => ("cluster", rest),
    };
    let parts: Vec<&str> = rest.split('/').filter(|part| *part != "{path}").collect();
    match parts[..] {
        ["", ..] | ["watch", ..] => None,
        [plural] | [plural, "{name}"] => Some(format!("{of} {plural} {scope}")),
        [plural, "{name}", sub] => Some(format!("{of} {plural}/{sub} {scope}")),
        _ => Some(format!("{of}: {path}")),
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

#[test]
fn scopes_and_subresources_are_what_clients_call() {
    let Some(theirs) = called() else {
        eprintln!("oracle: skipped: no client of 1.37 (pip install kubernetes==37.0.2)");
        return;
    };
    let mut ours = BTreeSet::new();
    for kind in schema::builtin_kinds() {
        let scope = if kind.namespaced { "namespaced" } else { "cluster" };
        for version in &kind.versions {
            let of =
                if kind.group.is_empty() { version.clone() } else { format!("{}/{version}", kind.group) };
            ours.insert(format!("{of} {} {scope}", kind.plural));
            ours.extend(kind.subresources.iter().map(|sub| format!("{of} {}/{sub} {scope}", kind.plural)));
            // A list of all namespaces.
            ours.insert(format!("{of} {} cluster", kind.plural));
        }
    }
    let of_groups: BTreeSet<&str> = ours.iter().filter_map(|line| line.split(' ').next()).collect();
    let served = |line: &str| line.split(' ').next().is_some_and(|of| of_groups.contains(of));
    let reasons = lines(include_str!("oracle_paths.txt"));
    let extra: Vec<&String> = ours.difference(&theirs).collect();
    assert_eq!(extra, Vec::<&String>::new(), "not called by clients");
    let missing: Vec<&str> =
        theirs.difference(&ours).map(String::as_str).filter(|line| served(line)).collect();
    let named: Vec<&str> = reasons.iter().map(|(line, _)| *line).collect();
    assert_eq!(missing, named, "oracle_paths.txt names what is not served, in order, with a reason");
    assert!(theirs.len() > 150, "{} paths were compared", theirs.len());
}

/// Lines of a name and a reason behind ` -- `.
fn lines(text: &str) -> Vec<(&str, &str)> {
    let of_text = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    of_text.map(|line| line.split_once(" -- ").unwrap_or_else(|| panic!("no reason in {line}"))).collect()
}
