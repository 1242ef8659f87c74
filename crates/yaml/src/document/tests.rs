//! What `kustomize` v5.5.0 prints of such texts, which it shows in some of its error messages.

use expect_test::{Expect, expect};

use super::Document;

fn check(text: &str, expected: Expect) {
    let document = Document::parse(text).expect("it parses");
    expected.assert_eq(&document.print());
}

#[test]
fn indentation_is_two_and_lists_have_none() {
    check(
        "a:\n    b:\n        - c:  1\n          d: 'x'\n        -   - \"y\"\n            - z\nempty: {}\nnone:\nflow: {a: [1,2],  b: 'c'}\n",
        expect![[r#"
            a:
              b:
              - c: 1
                d: 'x'
              - - "y"
                - z
            empty: {}
            none:
            flow: {a: [1, 2], b: 'c'}
        "#]],
    );
}

#[test]
fn comments_stay_where_they_belong() {
    check(
        r##"a: 1 # one
# above b
b: 2
c:
    # in c
    d: 1

    # more

    # still more
    e: 2
    # below e
f: # behind f
    - x
"##,
        expect![[r##"
            a: 1 # one
            # above b
            b: 2
            c:
              # in c
              d: 1
              # more

              # still more
              e: 2
              # below e
            f: # behind f
            - x
        "##]],
    );
}

#[test]
fn a_comment_set_apart_belongs_to_what_it_follows() {
    check(
        r##"a: 1
# below a

b: 2
l:
    - x
    # below x

    - y: 1 # k
      # above z
      z: 2
    # above w
    - w
# below l

m: 1
"##,
        expect![[r##"
            a: 1
            # below a

            b: 2
            l:
            - x
            # below x

            - y: 1 # k
              # above z
              z: 2
            # above w
            - w
            # below l

            m: 1
        "##]],
    );
}

#[test]
fn deep_comments() {
    check(
        r##"a:
  b:
    c: 1
  # goes deeper
d:
- # first
  e: 1
- - f
  # g
  - g
h:
- i: 1
  j: 2
# to the next

- k: 3
"##,
        expect![[r##"
            a:
              b:
                c: 1
                # goes deeper
            d:
            - # first
              e: 1
            - - f
              # g
              - g
            h:
            - i: 1
              j: 2
            - k: 3
              # to the next
        "##]],
    );
}

#[test]
fn styles_stay() {
    check(
        r##"a: 'it''s'
b: "esc \" \n"
c: several
  plain
  lines
d: |
    text
      more
e: >
    folded
    lines

    twice
f: >-
    x
     y
g: |+
    a

h: "\U0001F600 é"
i: yes
j: ~
k: 0x1F
l:
"m n": !foo 3
o: 'a	b'
"##,
        expect![[r##"
            a: 'it''s'
            b: "esc \" \n"
            c: several plain lines
            d: |
              text
                more
            e: >
              folded lines

              twice

            f: >-
              x

               y
            g: |+
              a

            h: "\U0001F600 é"
            i: yes
            j: ~
            k: 0x1F
            l:
            "m n": !foo 3
            o: "a\tb"
        "##]],
    );
}

#[test]
fn long_lines_are_not_folded() {
    check(
        r##"a: word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word
b: '# word # word # word # word # word # word # word # word # word # word # word # word # word # word # word # word # word # word # word # word'
c: [item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item]
"##,
        expect![[r##"
            a: word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word
            b: '# word # word # word # word # word # word # word # word # word # word # word # word # word # word # word # word # word # word # word # word'
            c: [item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item, item]
        "##]],
    );
}

#[test]
fn a_change_leaves_the_rest_alone() {
    let mut document =
        Document::parse("# top\na: 'x' # quoted\nb: 1\nc: text\nd: {e: [1, 2]}\n").expect("it parses");
    document.update(
        &serde_json::json!({"a": "it's", "b": 2, "c": "5", "d": {"e": [1, "y", true]}, "f": {"g": []}}),
    );
    expect![[r##"
        # top
        a: 'it''s' # quoted
        b: 2
        c: "5"
        d: {e: [1, y, true]}
        f:
          g: []
    "##]]
    .assert_eq(&document.print());
}

#[test]
fn anchors_stay_and_what_cannot_be_kept_does_not_parse() {
    check(
        "x: &a {b: c}\ny: *a\nz: &q\n  b: 1\nw:\n  <<: *q\n  c: &s text\n",
        expect![[r#"
            x: &a {b: c}
            y: *a
            z: &q
              b: 1
            w:
              <<: *q
              c: &s text
        "#]],
    );
    for text in ["a: {b: 1, # c\n c: 2}\n", "? [a]\n: b\n", "a:\n  # c\n  text\n", "a: *b\n"] {
        assert!(Document::parse(text).is_err(), "{text}");
    }
}
