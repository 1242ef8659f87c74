//! Each block of `cases.txt` is a text, operations on it, and the text after them; then odd layouts by the hundred.

use super::{Editor, Step};
use crate::{Duplicates, Options, Rules, parse_documents};
use expect_test::expect_file;
use serde_json::Value;

const OPTIONS: Options =
    Options { rules: Rules::Sigs, duplicates: Duplicates::Refuse, keys: crate::Keys::ToText };

fn path(text: &str) -> Vec<Step> {
    let step = |step: &str| step.parse::<usize>().map_or_else(|_| Step::from(step), Step::from);
    text.split('/').filter(|s| !s.is_empty()).map(|s| step(&s.replace('|', "/"))).collect()
}

/// `set PATH VALUE`, `append PATH [ITEMS]`, `remove PATH`, …
fn apply(editor: &mut Editor, line: &str) -> Result<(), crate::Error> {
    let (verb, rest) = line.split_once(' ').expect("a verb and a path");
    let (at, value) = rest.split_once(' ').unwrap_or((rest, "~"));
    let value = parse_documents(value).expect("a value").pop().unwrap_or(Value::Null);
    let texts: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match verb {
        "set" => editor.set(&path(at), &value),
        "append" => editor.append(&path(at), value.as_array().expect("items")),
        "remove" => editor.remove(&path(at)),
        "remove-items" => {
            let indices = value.as_array().expect("indices").iter().map(|i| i.as_u64().unwrap() as usize);
            editor.remove_items(&path(at), &indices.collect::<Vec<_>>())
        }
        "rename" => editor.rename(&path(at), value.as_str().expect("a key")),
        "move" => editor.move_items(at, value.as_str().expect("a key")),
        "wrap" => editor.wrap_items(at, &texts),
        "nest" => editor.nest(at, texts[0], &[("also", Value::Bool(true))], texts[1]),
        other => panic!("unknown operation {other}"),
    }
}

/// What the operations of a case give, in the form of the case.
fn run(before: &str, operations: &str) -> String {
    let mut editor = Editor::new(before, &OPTIONS).expect("a document");
    for line in operations.lines() {
        if let Err(e) = apply(&mut editor, line) {
            assert_eq!(editor.text(), before, "a refused operation changes nothing");
            return format!("refused: {e}\n");
        }
    }
    editor.text().to_string()
}

#[test]
fn cases() {
    let cases = include_str!("cases.txt");
    let mut out = String::new();
    for case in cases.split("=====").skip(1) {
        let (title, rest) = case.split_once('\n').expect("a title");
        let (before, rest) = rest.split_once("-----\n").expect("operations");
        let (operations, _) = rest.split_once("-----\n").expect("a text after them");
        let after = run(before, operations);
        let blank = if after.is_empty() || after.ends_with('\n') { "" } else { "\n" };
        out.push_str(&format!("====={title}\n{before}-----\n{operations}-----\n{after}{blank}"));
    }
    expect_file!["cases.txt"].assert_eq(&out);
}

/// Ways to write the same kustomization.
fn layouts() -> Vec<String> {
    let lists = [
        "resources:\n- a.yaml\n- b.yaml\n",
        "resources:\n  - a.yaml # one\n  # two\n  - b.yaml\n\n  - \"c.yaml\" # three\n",
        "# about\nresources: # here\n    -   a.yaml\n    -\n        b.yaml\n    # end\n",
        "resources: [a.yaml, 'b.yaml']  # flow\n",
        "resources: [\n  a.yaml, # one\n  b.yaml # two\n] # end\n",
        "resources: [\n  a.yaml,\n  b.yaml,\n]\n",
        "resources: &r\n- &a a.yaml\n- !!str b.yaml\n",
        "\"resources\" :\n- 'a.yaml'\n- |\n  b.yaml\n# below\n",
        "resources:\n\n\n- a.yaml\n\n\n- >-\n  b.yaml\n\n",
        "resources:\n- a.yaml\n- |+\n  b.yaml\n\n\n",
    ];
    let images = [
        "images:\n- name: x\n  newTag: \"1\" # tag\n",
        "images:\n  # x\n  - newTag: '1'\n    name: x\n",
        "images: [{name: x, newTag: '1'}]\n",
        "images:\n-\n  name: x\n\n  newTag: \"1\"\n",
        "images:\n- {name: x, newTag: \"1\"} # flow\n",
        "images:\n- name: x\n  newTag: >-\n    1\n# last\n",
    ];
    let mut texts = Vec::new();
    for list in lists {
        for image in images {
            for (head, foot) in [
                ("", ""),
                ("---\n# head\n\nnamespace: n\n\n", "# foot\n"),
                ("kind: Kustomization\n", "---\nother: [1]\n"),
            ] {
                let text = format!("{head}{list}{image}{foot}");
                texts.push(text.replace('\n', "\r\n"));
                texts.push(text.strip_suffix('\n').unwrap_or(&text).to_string());
                texts.push(text);
                texts.push(format!("{head}{image}{list}{foot}"));
            }
        }
    }
    texts
}

fn comments(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split_once('#')).map(|(_, comment)| comment.trim()).collect()
}

#[test]
fn what_is_added_and_removed_again_leaves_no_trace() {
    for before in layouts() {
        let mut editor = Editor::new(before.as_str(), &OPTIONS).unwrap_or_else(|e| panic!("{e}\n{before}"));
        let count = editor.value()["resources"].as_array().unwrap().len();
        let check = |editor: &mut Editor, operations: &str| {
            for line in operations.lines() {
                apply(editor, line).unwrap_or_else(|e| panic!("{line}: {e}\n{before}"));
            }
            assert_eq!(editor.text(), before, "{operations}");
        };
        check(&mut editor, &format!("append resources [new.yaml]\nremove resources/{count}"));
        check(&mut editor, "append images [{name: new, newTag: '2'}]\nremove images/1");
        check(&mut editor, "set images/0/newName y\nremove images/0/newName");
        check(&mut editor, "set namePrefix x-\nremove namePrefix");
        check(&mut editor, "set labels [{pairs: {a: b}}]\nset labels/0/pairs/c d\nremove labels");
        if !before.contains(">-\n    1") && !before.contains(">-\r\n    1") {
            check(&mut editor, "set images/0/newTag '2'\nset images/0/newTag '1'");
        }
    }
}

#[test]
fn edits_keep_every_comment_that_is_not_the_items_own() {
    for before in layouts() {
        let mut editor = Editor::new(before.as_str(), &OPTIONS).unwrap();
        for line in ["append resources [x.yaml, y.yaml]", "set images/0/newTag 'v2'", "set namespace other"] {
            apply(&mut editor, line).unwrap_or_else(|e| panic!("{line}: {e}\n{before}"));
        }
        assert_eq!(comments(editor.text()), comments(&before), "{before}");
        assert_eq!(editor.text().contains("\r\n"), before.contains("\r\n"));
        assert_eq!(editor.text().replace("\r\n", "").contains('\n'), !before.contains("\r\n"));
        apply(&mut editor, "remove resources/0").unwrap_or_else(|e| panic!("{e}\n{before}"));
        apply(&mut editor, "remove resources").unwrap_or_else(|e| panic!("{e}\n{before}"));
        apply(&mut editor, "remove images").unwrap_or_else(|e| panic!("{e}\n{before}"));
    }
}

proptest::proptest! {
    /// Whatever the text: no panic, and what is not refused means what was asked for.
    #[test]
    fn any_text_can_be_tried(text in "([ab:#&*!|>'\",~é<%\\-\\[\\]{}?] ?|\\n *|\\r\\n|- |: |a: |b:\\n  - ){0,24}") {
        if let Ok(editor) = Editor::new(text, &OPTIONS) {
            for line in [
                "set a x", "set a/b [1]", "set b/0/a 'y z'", "append a [x]", "append b/0 [{a: b}]", "remove a",
                "remove b/0", "rename a b", "move a b", "wrap a [b, c]", "nest a [b, c]",
            ] {
                let mut editor = editor.clone();
                let before = editor.text().to_string();
                if apply(&mut editor, line).is_err() {
                    assert_eq!(editor.text(), before);
                }
            }
        }
    }
}
