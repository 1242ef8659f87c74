//! Each block of `edit.txt` is a tree of files, commands, and what they say and leave. `UPDATE_EXPECT=1` writes it anew.

use std::path::Path;

use expect_test::expect_file;
use kustomize::edit::{Outcome, create, edit};
use kustomize::{Files, Memory};

#[test]
fn cases() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/edit.txt");
    let cases = std::fs::read_to_string(&path).expect("the cases are here");
    let mut out = String::new();
    let mut count = 0;
    for case in cases.split("\n=====").skip(1) {
        let (title, rest) = case.split_once('\n').expect("a title");
        let (fixture, rest) = rest.split_once("-----\n").expect("commands");
        let (commands, _) = rest.split_once("-----\n").expect("a result");
        let result = run(fixture, commands);
        out.push_str(&format!("\n====={title}\n{fixture}-----\n{commands}-----\n{result}"));
        count += 1;
    }
    let head = cases.split("\n=====").next().unwrap_or_default();
    expect_file![path].assert_eq(&format!("{head}{out}"));
    assert!(count > 50, "only {count} cases found");
}

fn run(fixture: &str, commands: &str) -> String {
    // files without a name are the kustomization
    let named = if fixture.starts_with("//- ") || fixture.is_empty() {
        fixture.to_string()
    } else {
        format!("//- kustomization.yaml\n{fixture}")
    };
    let mut files = Memory::from_fixture(&named.replace("//- ", "//- /app/"));
    let mut changed: Vec<String> = Vec::new();
    let mut said = String::new();
    for line in commands.lines() {
        let words = words(line);
        let outcome = match words[0].as_str() {
            "create" => create(&files, "/app", &words[1..]),
            _ => edit(&files, "/app", &words),
        };
        match outcome {
            Ok(outcome) => {
                said.push_str(&tell(&outcome));
                for (path, text) in outcome.writes {
                    files = files.with(&path, text);
                    changed.retain(|own| *own != path);
                    changed.push(path);
                }
            }
            Err(e) => {
                let hint = e.to_diagnostic().hint.map(|hint| format!("hint: {hint}\n"));
                said.push_str(&format!("error: {}\n{}", e.chain(), hint.unwrap_or_default()));
            }
        }
    }
    for path in &changed {
        let text = String::from_utf8(files.read(path).expect("written before")).expect("text");
        let name = path.strip_prefix("/app/").unwrap_or(path);
        if changed.len() > 1 || name != "kustomization.yaml" {
            said.push_str(&format!("//- {name}\n"));
        }
        said.push_str(&text);
    }
    if said.is_empty() {
        said.push_str("nothing changes\n");
    }
    said
}

fn tell(outcome: &Outcome) -> String {
    let prefixed = |prefix: &str, text: &str| {
        text.lines().map(|line| format!("{prefix}: {line}").trim_end().to_string() + "\n").collect::<String>()
    };
    // what a build says is tested elsewhere
    let is_own = |line: &&String| !line.starts_with("Warning: `kustomize build` fails");
    let log: Vec<String> = outcome.log.iter().filter(is_own).cloned().collect();
    let help = outcome.help.as_ref().map(|of| format!("help of {of}\n")).unwrap_or_default();
    format!("{help}{}{}", prefixed("out", &outcome.output), prefixed("log", &log.join("\n")))
}

/// Words as a shell takes them: blanks between, single quotes around.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.last_mut().expect("never empty").push_str(&part.replace("\\n", "\n"));
            continue;
        }
        for (blank, word) in part.split(' ').enumerate() {
            if blank > 0 {
                words.push(String::new());
            }
            words.last_mut().expect("never empty").push_str(word);
        }
    }
    words
}

#[test]
fn windows_line_ends_a_mark_and_a_missing_last_line_end_survive() {
    let edited = |text: &str, command: &str| {
        let files = Memory::new().with("/app/kustomization.yaml", text).with("/app/c.yaml", "");
        let outcome = edit(&files, "/app", &words(command)).unwrap_or_else(|e| panic!("{e}"));
        outcome.writes.into_iter().next().map(|(_, text)| text).unwrap_or_default()
    };
    let before = "\u{feff}resources:\r\n- a.yaml # one\r\nimages:\r\n- name: x\r\n  newTag: '1'";
    assert_eq!(edited(before, "add resource c.yaml"), before.replace("# one\r\n", "# one\r\n- c.yaml\r\n"));
    assert_eq!(edited(before, "set image x:2"), before.replace("'1'", "'2'"));
    assert_eq!(edited(before, "set namespace ns"), format!("{before}\r\nnamespace: ns"));
}
