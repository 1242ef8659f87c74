//! Arrows between crates only go down, chains are short, and no crate of ours has the name of another's.

use super::Findings;
use crate::root;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Bottom up. A crate may use those of the layers below, and those before it in its own.
const LAYERS: &[(&str, &[&str])] = &[
    ("vocabulary", &["diag", "yaml", "patch", "cron", "schema", "oci"]),
    (
        "engines",
        &[
            "kustomize",
            "tiltfile",
            "dockerfile",
            "store",
            "access",
            "expression",
            "controllers",
            "pod",
            "devloop",
        ],
    ),
    ("edges", &["api", "apiserver", "runtime", "network", "images", "builder", "registry", "node", "watch"]),
    ("composition", &["session", "cluster", "cli", "coracle"]),
];

/// Crates, from the binary down to a leaf.
const LONGEST_CHAIN: usize = 8;

type Edges = BTreeMap<String, BTreeSet<String>>;

pub fn check(findings: &mut Findings) -> anyhow::Result<()> {
    let edges = edges()?;
    for problem in upward(&edges) {
        findings.problem(problem);
    }
    let chain = longest_chain(&edges);
    if chain.len() > LONGEST_CHAIN {
        findings.problem(format!(
            "the chain {} has {} crates; {LONGEST_CHAIN} is the limit",
            chain.join(" → "),
            chain.len()
        ));
    }
    let lock = std::fs::read_to_string(root::dir().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let foreign = foreign_names(&lock);
    for name in edges.keys().filter(|name| foreign.contains(name.as_str())) {
        findings.problem(format!("the crate {name} has the name of a foreign crate in Cargo.lock"));
    }
    Ok(())
}

/// Who uses whom among the crates below `crates/`; what only tests use does not count.
fn edges() -> anyhow::Result<Edges> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root::dir())
        .output()
        .context("cannot run cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let crates = root::dir().join("crates");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages: Vec<Value> = list(&metadata["packages"])
        .into_iter()
        .filter(|p| {
            p["manifest_path"].as_str().is_some_and(|path| std::path::Path::new(path).starts_with(&crates))
        })
        .collect();
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_string();
    let ours: BTreeSet<String> = packages.iter().map(name).collect();
    let uses = |package: &Value| {
        let dependencies = list(&package["dependencies"]);
        dependencies.iter().filter(|d| d["kind"] != "dev").map(name).filter(|n| ours.contains(n)).collect()
    };
    Ok(packages.iter().map(|p| (name(p), uses(p))).collect())
}

fn upward(edges: &Edges) -> Vec<String> {
    let place: BTreeMap<&str, (usize, usize)> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, (_, names))| {
            names.iter().enumerate().map(move |(index, name)| (*name, (layer, index)))
        })
        .collect();
    let mut problems = Vec::new();
    for (from, uses) in edges {
        let Some(have) = place.get(from.as_str()) else {
            problems.push(format!("the crate {from} has no place in the layers"));
            continue;
        };
        for to in uses {
            if place.get(to.as_str()).is_some_and(|other| other >= have) {
                problems.push(format!(
                    "{from} ({}) uses {to} ({}): arrows only go down",
                    LAYERS[have.0].0,
                    LAYERS[place[to.as_str()].0].0
                ));
            }
        }
    }
    problems
}

/// The chain with the most crates. Cargo allows no cycles.
fn longest_chain(edges: &Edges) -> Vec<String> {
    fn from<'a>(name: &'a str, edges: &'a Edges, known: &mut BTreeMap<&'a str, Vec<String>>) -> Vec<String> {
        if let Some(chain) = known.get(name) {
            return chain.clone();
        }
        let below =
            edges.get(name).into_iter().flatten().map(|to| from(to, edges, known)).max_by_key(Vec::len);
        let mut chain = vec![name.to_string()];
        chain.extend(below.unwrap_or_default());
        known.insert(name, chain.clone());
        chain
    }
    let mut known = BTreeMap::new();
    edges.keys().map(|name| from(name, edges, &mut known)).max_by_key(Vec::len).unwrap_or_default()
}

/// The names in a `Cargo.lock` that come from elsewhere.
fn foreign_names(lock: &str) -> BTreeSet<&str> {
    lock.split("[[package]]")
        .filter(|block| block.lines().any(|line| line.starts_with("source = ")))
        .filter_map(|block| block.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(text: &str) -> Edges {
        let mut edges = Edges::new();
        for line in text.lines() {
            let (from, to) = line.split_once(" -> ").expect("an arrow");
            edges.entry(from.into()).or_default().insert(to.into());
            edges.entry(to.into()).or_default();
        }
        edges
    }

    #[test]
    fn arrows_that_go_up_are_found() {
        assert!(upward(&graph("cli -> cluster\ncluster -> node\nnode -> api\nyaml -> diag")).is_empty());
        assert_eq!(upward(&graph("store -> api")), ["store (engines) uses api (edges): arrows only go down"]);
        assert_eq!(upward(&graph("api -> node")), ["api (edges) uses node (edges): arrows only go down"]);
        assert_eq!(upward(&graph("new -> diag")), ["the crate new has no place in the layers"]);
    }

    #[test]
    fn the_longest_chain_is_found() {
        let arrows = "cli -> session\nsession -> devloop\ndevloop -> tiltfile\ncli -> yaml\nyaml -> diag";
        assert_eq!(longest_chain(&graph(arrows)), ["cli", "session", "devloop", "tiltfile"]);
    }

    #[test]
    fn names_of_the_lock_file() {
        let lock = "[[package]]\nname = \"api\"\nversion = \"1\"\n\n[[package]]\nname = \"http\"\nsource = \"registry\"\n";
        assert_eq!(foreign_names(lock), BTreeSet::from(["http"]));
    }
}
