//! Runs the shared conformance corpus, where that folder exists, and holds it against the list of known differences.
//!
//! Structural is the same data in other text, or an error in other words. `tests/corpus-known.txt` lists every case that
//! is not exact, as `LEVEL NAME # REASON`. A case that gets worse fails the test; after one gets better, `UPDATE_EXPECT=1 cargo test -p kustomize --test
//! corpus` writes the list anew and keeps the reasons.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kustomize::{Helm, LoadRestrictor, Memory, Options, Plugins, Reorder, build};
use serde_json::Value;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/kustomize/cases")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Fail,
    Structural,
    Exact,
}

/// A case that is known not to be exact.
struct Known<'a> {
    level: Level,
    reason: &'a str,
}

impl<'a> Known<'a> {
    fn read(line: &'a str) -> Option<(&'a str, Known<'a>)> {
        let (level, rest) = line.split_once(' ')?;
        let (name, reason) = rest.split_once(" # ").unwrap_or((rest, ""));
        let level = if level == "Fail" { Level::Fail } else { Level::Structural };
        Some((name, Known { level, reason }))
    }
}

fn memory(dir: &Path, at: &str, mut memory: Memory) -> Memory {
    for entry in std::fs::read_dir(dir).expect("the corpus is readable") {
        let entry = entry.expect("the corpus is readable");
        let name = format!("{at}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            memory = self::memory(&entry.path(), &name, memory);
        } else {
            memory = memory.with(&name, std::fs::read(entry.path()).expect("the corpus is readable"));
        }
    }
    memory
}

fn judge(dir: &Path) -> (Level, String) {
    let case: Value =
        serde_json::from_slice(&std::fs::read(dir.join("case.json")).expect("the corpus is readable"))
            .expect("case.json is JSON");
    let text = |value: &Value| value.as_str().unwrap_or("").to_string();
    let at = case["path_placeholder"]["text"].as_str().unwrap_or("/input");
    let files = memory(&dir.join("input"), at, Memory::new());
    let root = format!("{at}/{}", text(&case["root"]).trim_start_matches("input").trim_start_matches('/'));
    let options = Options {
        load_restrictor: match text(&case["options"]["load_restrictor"]).as_str() {
            "LoadRestrictionsNone" => LoadRestrictor::None,
            _ => LoadRestrictor::RootOnly,
        },
        reorder: match text(&case["options"]["reorder"]).as_str() {
            "none" => Reorder::None,
            "legacy" => Reorder::Legacy,
            _ => Reorder::Unspecified,
        },
        managed_by_label: case["options"]["add_managed_by_label"] == true,
        plugins: Plugins { enabled: case["options"]["enable_plugins"] == true, ..Plugins::default() },
        helm: Helm { enabled: case["options"]["enable_helm"] == true, ..Helm::default() },
        ..Options::default()
    };
    let result = build(&files, &root, &options);
    if case["expect"] == "error" {
        return match result {
            Ok(built) => (Level::Fail, format!("no error, but:\n{}", built.yaml)),
            Err(e) => {
                let chain = e.chain();
                let level = if says(&case, &chain, at) { Level::Exact } else { Level::Structural };
                (level, format!("{chain}\nwanted: {}", case["error_match"]))
            }
        };
    }
    let expected = std::fs::read_to_string(dir.join("expected.yaml"));
    match result {
        Err(e) => (Level::Fail, format!("error: {e}")),
        // only that it succeeds is demanded
        Ok(_) if expected.is_err() => (Level::Exact, String::new()),
        Ok(built) if versionless(&built.yaml) == versionless(expected.as_deref().unwrap_or("")) => {
            (Level::Exact, String::new())
        }
        Ok(built) => {
            let expected = expected.unwrap_or_default();
            let same = yaml::parse_documents(&expected).ok() == yaml::parse_documents(&built.yaml).ok();
            let level = if same { Level::Structural } else { Level::Fail };
            (level, format!("--- expected\n{expected}\n--- got\n{}", built.yaml))
        }
    }
}

/// Whether an error has the demanded words, wherever the case lies.
fn says(case: &Value, chain: &str, at: &str) -> bool {
    let here = chain.replace(at, "{INPUT}");
    let bare = |prefix: &str| here.replace(prefix, "");
    let mut variants = vec![chain.to_string(), bare("{INPUT}/"), bare("{INPUT}"), here.clone()];
    variants.extend(variants.clone().iter().map(|text| text.replace("\\\"", "\"")));
    case["error_match"].as_array().into_iter().flatten().all(|wanted| {
        let text = wanted["text"].as_str().unwrap_or("");
        match wanted["kind"].as_str() {
            Some("any") => true,
            Some("regex") => {
                let regex = regex::Regex::new(text).expect("the corpus has regular expressions");
                variants.iter().any(|variant| regex.is_match(variant))
            }
            _ => variants.iter().any(|variant| variant.contains(text.trim())),
        }
    })
}

fn versionless(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| match line.find("managed-by: kustomize-") {
            Some(at) => line[..at].to_string(),
            None => line.to_string(),
        })
        .collect();
    lines.join("\n")
}

#[test]
fn corpus_as_far_as_known() {
    let dir = corpus();
    if !dir.is_dir() {
        println!("skipped: no conformance corpus at {}", dir.display());
        return;
    }
    let only = std::env::var("CASE").ok();
    let mut results: BTreeMap<String, (Level, String)> = BTreeMap::new();
    for entry in std::fs::read_dir(&dir).expect("the corpus is readable") {
        let entry = entry.expect("the corpus is readable");
        let name = entry.file_name().to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let judged = std::panic::catch_unwind(|| judge(&entry.path()))
            .unwrap_or_else(|_| (Level::Fail, "panicked".to_string()));
        results.insert(name, judged);
    }
    let exact = results.values().filter(|(level, _)| *level == Level::Exact).count();
    println!("{exact} of {} cases exact", results.len());
    if only.is_some() {
        results.iter().for_each(|(name, (level, why))| println!("=== {level:?} {name}\n{why}"));
        return;
    }
    let known_path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus-known.txt");
    let known = std::fs::read_to_string(&known_path).unwrap_or_default();
    let known: BTreeMap<&str, Known<'_>> = known.lines().filter_map(Known::read).collect();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let reason = |name: &str| match known.get(name).map_or("", |known| known.reason) {
            "" => String::new(),
            reason => format!(" # {reason}"),
        };
        let list: String = results
            .iter()
            .filter(|(_, (level, _))| *level != Level::Exact)
            .map(|(name, (level, _))| format!("{level:?} {name}{}\n", reason(name)))
            .collect();
        std::fs::write(&known_path, list).expect("the list is writable");
        return;
    }
    let worse: Vec<String> = results
        .iter()
        .filter(|(name, (level, _))| {
            let before = known.get(name.as_str()).map_or(Level::Exact, |known| known.level);
            *level < before
        })
        .map(|(name, (level, why))| format!("{level:?} {name}: {why}"))
        .collect();
    let unexplained: Vec<&&str> =
        known.iter().filter(|(_, known)| known.reason.is_empty()).map(|(name, _)| name).collect();
    assert!(unexplained.is_empty(), "known differences without a reason: {unexplained:?}");
    assert!(worse.is_empty(), "{} cases got worse:\n{}", worse.len(), worse.join("\n"));
}
