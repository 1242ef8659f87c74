//! Each error and warning that a Tiltfile can meet has a case in `tests/builtins`, and each builtin one that succeeds.
//!
//! The list is `texts.txt`, after the inventory of what Tilt has. `[NAME …]` begins a section: the builtins that its
//! cases call, one of them at least. Below stands one text a line; `…` is whatever a line may hold, `\n` and `\t` are
//! what they are in Go. `~ TEXT -- REASON` is a text of Tilt that cannot come up here, `@ FILE TEXT` one that comes when
//! resources run: the file has its test.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use regex::Regex;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tiltfile::catalog;

struct Case {
    tiltfile: String,
    result: String,
    fails: bool,
}

struct Section {
    title: String,
    builtins: Vec<String>,
    texts: Vec<String>,
}

fn manifest() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(manifest().join("tests/builtins")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for part in text.split("\n=== ").skip(1) {
            let (title, body) = part.split_once('\n').unwrap_or((part, ""));
            let (tiltfile, result) = body.split_once("--->\n").unwrap_or((body, ""));
            cases.push(Case {
                tiltfile: tiltfile.to_owned(),
                result: result.to_owned(),
                fails: title.starts_with("error: "),
            });
        }
    }
    cases
}

fn sections() -> Vec<Section> {
    let text = fs::read_to_string(manifest().join("tests/texts.txt")).unwrap();
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(title) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            let names = title.rsplit(": ").next().unwrap_or(title);
            sections.push(Section {
                title: title.to_owned(),
                builtins: names.split_whitespace().map(str::to_owned).collect(),
                texts: Vec::new(),
            });
        } else {
            sections.last_mut().expect("a section begins before its texts").texts.push(line.to_owned());
        }
    }
    sections
}

fn pattern(text: &str) -> Regex {
    let text = text.replace("\\n", "\n").replace("\\t", "\t");
    let pieces: Vec<String> = text.split('…').map(regex::escape).collect();
    Regex::new(&pieces.join(".*")).unwrap()
}

/// Whether the text uses the builtin: not a longer name that holds its name.
fn calls(tiltfile: &str, name: &str) -> bool {
    let of_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = tiltfile;
    while let Some(at) = rest.find(name) {
        let before = &rest[..at];
        // `environ.get` is a method of the value `os.environ`
        let before = if name.starts_with("environ.") { before.trim_end_matches("os.") } else { before };
        rest = &rest[at + name.len()..];
        if !before.ends_with(|c: char| of_name(c) || c == '.') && !rest.starts_with(of_name) {
            return true;
        }
    }
    false
}

/// Why a line of the list is not so.
fn problem(section: &Section, line: &str, cases: &[Case]) -> Option<String> {
    if let Some(text) = line.strip_prefix("~ ") {
        return (!text.contains(" -- ")).then(|| format!("no reason: {text}"));
    }
    if let Some(rest) = line.strip_prefix("@ ") {
        let (file, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let file_text = fs::read_to_string(manifest().join("../..").join(file)).unwrap_or_default();
        return (!pattern(text).is_match(&file_text)).then(|| format!("{file} has not: {text}"));
    }
    let pattern = pattern(line);
    let found = cases.iter().any(|c| {
        pattern.is_match(&c.result)
            && (section.builtins.is_empty() || section.builtins.iter().any(|b| calls(&c.tiltfile, b)))
    });
    (!found).then(|| format!("[{}] {line}", section.title))
}

#[test]
fn every_text_has_a_case() {
    let cases = cases();
    let mut problems = Vec::new();
    for section in sections() {
        problems.extend(section.texts.iter().filter_map(|line| problem(&section, line, &cases)));
    }
    assert!(problems.is_empty(), "texts without a case:\n{}", problems.join("\n"));
}

#[test]
fn every_builtin_has_texts_and_a_case_that_succeeds() {
    let cases = cases();
    let listed: BTreeSet<String> = sections()
        .into_iter()
        .filter(|s| s.texts.iter().any(|t| !t.starts_with('~')))
        .flat_map(|s| s.builtins)
        .collect();
    let mut problems = Vec::new();
    for entry in catalog::SECTIONS.iter().flat_map(|s| s.entries) {
        if !listed.contains(entry.name) {
            problems.push(format!("{}: no section in texts.txt", entry.name));
        }
        let happy = cases.iter().any(|c| !c.fails && calls(&c.tiltfile, entry.name));
        if !happy && entry.name != "fail" {
            problems.push(format!("{}: no case that succeeds", entry.name));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The check itself finds what is missing.
#[test]
fn what_is_missing_is_found() {
    let case = Case {
        tiltfile: "xlink('a')\nlink('')".to_owned(),
        result: "Error in link: a (b)\n\tc".to_owned(),
        fails: true,
    };
    let section =
        |name: &str| Section { title: name.to_owned(), builtins: vec![name.to_owned()], texts: Vec::new() };
    let check = |name: &str, line: &str| problem(&section(name), line, std::slice::from_ref(&case)).is_none();
    assert!(check("link", "a (…)\\n\\tc"));
    assert!(!check("link", "a (…c"), "`…` stays in its line");
    assert!(!check("lin", "a (b)") && !check("ink", "a (b)"), "another builtin");
    assert!(!check("link", "~ a text"), "a reason is missing");
    assert!(!check("link", "@ Cargo.toml no such text"));
    assert!(Path::new(&manifest()).join("tests/texts.txt").is_file());
}
