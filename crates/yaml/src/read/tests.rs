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
    check("1: a\ntrue: b\n1.5: c\n2.0: d\n", expect![[r#"{"1":"a","true":"b","1.5":"c","2":"d"}"#]]);
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
            hint: anchors hold within one document; text that begins with * must be in quotes
        "#]],
    );
    check(
        "a: &x [*x]\n",
        expect![[r#"
            error: anchor 'x' value contains itself
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
fn broken_syntax_in_the_words_of_go_yaml() {
    let said: String = [
        "a: b: c\n",
        "a: [1, 2\n",
        "a:\n\t- b\n",
        "a: 'x\n",
        "- a\nb: 1\n",
        "a: \"\\q\"\n",
        "a: 1\nb\nc: 2\n",
        "a:\n  b: 1\n c: 2\n",
        "a:\n- b\n c: 2\n",
        "a: {b: 1\nc: 2\n",
        "a: @b\n",
        "a:\n  b: - c\n",
        "a: &\n",
        "a: |x\n  b\n",
        "a: \u{1}\n",
        "a: !e!x b\n",
    ]
    .iter()
    .map(|text| {
        let error =
            parse_documents_with(text, &Options { rules: Rules::Kyaml, ..Options::default() }).unwrap_err();
        let (at, hint) =
            (error.diagnostic.position.unwrap(), error.diagnostic.hint.as_deref().unwrap_or("-"));
        format!("{text:?} {}:{} {}\n  {hint}\n", at.line, at.column, error.upstream())
    })
    .collect();
    expect![[r#"
        "a: b: c\n" 1:5 yaml: mapping values are not allowed in this context
          a colon with a blank after it begins a value: put text that holds `: ` in quotes, or check the indentation
        "a: [1, 2\n" 2:1 yaml: line 1: did not find expected ',' or ']'
          the list that is opened in line 1 is not closed
        "a:\n\t- b\n" 2:1 yaml: line 2: found character that cannot start any token
          indent with blanks: YAML takes no tabs there
        "a: 'x\n" 1:4 yaml: line 2: found unexpected end of stream
          the quote that is opened in line 1 is not closed
        "- a\nb: 1\n" 2:1 yaml: line 1: did not find expected '-' indicator
          the indentation does not fit the list that begins in line 1: its items begin with `- `
        "a: \"\\q\"\n" 1:5 yaml: found unknown escape character
          in double quotes a backslash begins an escape: write \\ for one, or use single quotes
        "a: 1\nb\nc: 2\n" 2:1 yaml: line 2: could not find expected ':'
          line 2 is no `key: value`: is a colon missing, or a quote?
        "a:\n  b: 1\n c: 2\n" 3:2 yaml: line 2: did not find expected key
          the indentation does not fit the map that begins in line 1, or a value needs quotes
        "a:\n- b\n c: 2\n" 3:3 yaml: line 3: mapping values are not allowed in this context
          a colon with a blank after it begins a value: put text that holds `: ` in quotes, or check the indentation
        "a: {b: 1\nc: 2\n" 2:2 yaml: line 1: did not find expected ',' or '}'
          the map that is opened in line 1 is not closed; template braces need quotes: "{{ name }}"
        "a: @b\n" 1:4 yaml: found character that cannot start any token
          text that begins with one of % @ ` must be in quotes
        "a:\n  b: - c\n" 2:6 yaml: line 2: block sequence entries are not allowed in this context
          a list begins on a line of its own
        "a: &\n" 1:5 yaml: did not find expected alphabetic or numeric character
          text that begins with & or * must be in quotes
        "a: |x\n  b\n" 1:5 yaml: did not find expected comment or line break
          -
        "a: \u{1}\n" 1:4 yaml: control characters are not allowed
          write it as an escape in double quotes, "\x1b" for example
        "a: !e!x b\n" 1:4 yaml: found undefined tag handle
          -
    "#]].assert_eq(&said);
}

#[test]
fn slashes_in_escapes() {
    check(r#"{"a": "text\/plain"}"#, expect![[r#"{"a":"text/plain"}"#]]);
}

#[test]
fn surrogate_pairs_in_escapes() {
    check(r#"{"a": "\ud83d\ude00 \u00e9"}"#, expect![[r#"{"a":"😀 é"}"#]]);
    assert!(parse_documents(r#""\ud83d""#).is_err());
    assert!(parse_documents(r#""\ud83d\u0041""#).is_err());
}

#[test]
fn flow_collections_as_kustomize_prints_them() {
    let options = Options { rules: Rules::Kyaml, ..Options::default() };
    check_with(
        "[2020-1-1 10:00:00, 2020-1-1]\n",
        options,
        expect![[r#"["2020-1-1 10:00:00","2020-01-01T00:00:00Z"]"#]],
    );
    check_with("a: {b, c: , d: ~}\n", options, expect![[r#"{"a":{"b":"","c":"","d":null}}"#]]);
    check("a: {b, c: , d: ~}\n", expect![[r#"{"a":{"b":null,"c":null,"d":null}}"#]]);
}

#[test]
fn values_of_all_styles() {
    let options = Options { rules: Rules::Kyaml, ..Options::default() };
    check_with(
        "a: one\n  two\n\n  three # c\nb: 'it''s\n  two\n\n\n  three '\nc: \"x\\\n   y\\tz\n  w\"\nd: >-\n  a\n  b\n\n  c\n   d\n  e\n\nf: |2+\n   x\n\n",
        options,
        expect![[
            r#"{"a":"one two\nthree","b":"it's two\n\nthree ","c":"xy\tz w","d":"a b\nc\n d\ne","f":" x\n\n"}"#
        ]],
    );
    check_with(
        "? a\n: - b\n  -\n  - c: d\n    e:\n    - f\n? g\n'h' : i\n",
        options,
        expect![[r#"{"a":["b",null,{"c":"d","e":["f"]}],"g":null,"h":"i"}"#]],
    );
    check_with(
        "[a: b, {c: d}, [? e, f:g], \"h\":i]\n",
        options,
        expect![[r#"[{"a":"b"},{"c":"d"},[{"e":""},"f:g"],{"h":"i"}]"#]],
    );
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

#[test]
fn compose_files() {
    let options = Options { rules: Rules::Compose, ..Options::default() };
    let text = "a: {b: , c: no, d: 'x', e: 010, f: 2020-01-01, g: [80:80], h: true}\non:\n";
    let got = parse_documents_with(text, &options).unwrap();
    let want = r#"{"a":{"b":null,"c":"no","d":"x","e":8,"f":"2020-01-01","g":["80:80"],"h":true},"on":null}"#;
    assert_eq!(got[0].to_string(), want);
}
