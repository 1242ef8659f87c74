//! Reading: values, positions and refusals.

use crate::{Duplicates, Keys, Options, Rules, parse_documents, parse_documents_with, parse_spanned};
use expect_test::{Expect, expect};
use serde_json::Value;

fn check(text: &str, expected: Expect) {
    check_with(text, Options::default(), expected);
}

fn check_with(text: &str, options: Options, expected: Expect) {
    expected.assert_eq(&match parse_documents_with(text, &options) {
        Ok(documents) => documents.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"),
        Err(e) => diag::render(&e.diagnostic, Some(text), false),
    });
}

#[test]
fn documents() {
    check("", expect![[""]]);
    check(
        "# only a comment\n---\n\n---\na: 1\n---\n# nothing\n---\nb: 2\n...\n",
        expect![[r#"
        {"a":1}
        {"b":2}"#]],
    );
    check(r#"{"a": [1, true, null, "x"]}"#, expect![[r#"{"a":[1,true,null,"x"]}"#]]);
    check("a: |\n  x\n  ---\n  y\n", expect![[r#"{"a":"x\n---\ny\n"}"#]]);
    check("a: |\r\n  x\r\nb: 1\r\n", expect![[r#"{"a":"x\n","b":1}"#]]);
}

#[test]
fn scalars_by_the_rules_of_kubectl() {
    check(
        "a: yes\nb: off\nc: 0777\nd: '0777'\ne: 2020-01-01\nf: !!str 5\ng: !!int '5'\nh: !!binary aGk=\nn: ~\n",
        expect![[
            r#"{"a":true,"b":false,"c":511,"d":"0777","e":"2020-01-01","f":"5","g":5,"h":"hi","false":null}"#
        ]],
    );
    check("1: a\ntrue: b\n1.5: c\n", expect![[r#"{"1":"a","true":"b","1.5":"c"}"#]]);
}

#[test]
fn scalars_by_the_rules_of_kyaml() {
    let options = Options { rules: Rules::Kyaml, ..Options::default() };
    check_with(
        "a: yes\nb: 0777\nc: 2020-01-01\non: 1\n",
        options,
        expect![[r#"{"a":"yes","b":511,"c":"2020-01-01T00:00:00Z","on":1}"#]],
    );
}

#[test]
fn anchors_and_merge_keys() {
    check(
        "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\na:\n  <<: *b\n  x: 9\nc:\n  <<: [*b, *m]\nd: *b\n",
        expect![[
            r#"{"base":{"x":1,"true":2},"more":{"true":3,"z":4},"a":{"x":9,"true":2},"c":{"x":1,"true":2,"z":4},"d":{"x":1,"true":2}}"#
        ]],
    );
    check("'<<': 1\n", expect![[r#"{"<<":1}"#]]);
    check(
        "<<: 1\n",
        expect![[r#"
        error: map merge requires map or sequence of maps as the value
         --> 1:5
          |
        1 | <<: 1
          |     ^
    "#]],
    );
}

#[test]
fn refusals_say_where() {
    check(
        "a: 1\nb: 2\na: 3\n",
        expect![[r#"
        error: mapping key "a" already defined at line 1
         --> 3:1
          |
        3 | a: 3
          | ^
    "#]],
    );
    check(
        "a: *x\n",
        expect![[r#"
        error: unknown anchor 'x' referenced
         --> 1:4
          |
        1 | a: *x
          |    ^^
    "#]],
    );
    check(
        "a: &x [*x]\n",
        expect![[r#"
        error: an anchor's value contains itself
         --> 1:8
          |
        1 | a: &x [*x]
          |        ^^
    "#]],
    );
    check(
        "a: {{ name }}\n",
        expect![[r#"
        error: a mapping key must be a string, this is a map
         --> 1:5
          |
        1 | a: {{ name }}
          |     ^^^^^^^^
        hint: template braces need quotes: "{{ name }}"
    "#]],
    );
    check(
        "a: .inf\n",
        expect![[r#"
        error: .inf has no JSON form
         --> 1:4
          |
        1 | a: .inf
          |    ^^^^
        hint: quote it if it is meant as text
    "#]],
    );
    let options = Options { keys: Keys::Refuse, ..Options::default() };
    check_with(
        "a:\n  8080: x\n",
        options,
        expect![[r#"
        error: a mapping key must be a string, this is a number
         --> 2:3
          |
        2 |   8080: x
          |   ^^^^
        hint: put it in quotes
    "#]],
    );
}

#[test]
fn broken_syntax_has_a_place() {
    for text in ["a: b: c\n", "a: [1, 2\n", "a:\n\t- b\n", "a: 'x\n", "- a\nb: 1\n", "a: \"\\q\"\n"] {
        let error = parse_documents(text).unwrap_err();
        assert!(error.diagnostic.position.is_some(), "{text:?}");
        assert!(error.diagnostic.message.starts_with("invalid YAML: "), "{error}");
    }
}

#[test]
fn the_last_duplicate_wins_where_asked() {
    let options = Options { duplicates: Duplicates::LastWins, ..Options::default() };
    check_with("a: 1\na: 2\n", options, expect![[r#"{"a":2}"#]]);
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_string();
    for i in 1..12 {
        let refs = vec![format!("*a{}", i - 1); 10].join(", ");
        text.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
    }
    let error = parse_documents(&text).unwrap_err();
    assert_eq!(error.diagnostic.message, "document contains excessive aliasing");
}

#[test]
fn deep_nesting_is_refused() {
    assert!(parse_documents(&"[".repeat(100_000)).is_err());
    assert!(parse_documents(&"- ".repeat(100_000)).is_err());
}

#[test]
fn nodes_know_their_places() {
    let text = "spec:\n  list:\n  - name: ü\n    port: 80\n";
    let documents = parse_spanned(text).unwrap();
    let entry = documents[0].at(["spec", "list", "0"]).unwrap().entry("port").unwrap();
    assert_eq!(&text[entry.key_span.start..entry.key_span.end], "port");
    assert_eq!(&text[entry.value.span.start..entry.value.span.end], "80");
    let name = documents[0].at(["spec", "list", "0", "name"]).unwrap();
    assert_eq!(&text[name.span.start..name.span.end], "ü");
}
