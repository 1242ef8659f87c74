use super::compile;
use expect_test::expect;
use std::fmt::Write as _;

#[test]
fn what_matches_as_in_go() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        (r"^\d+$", &["12"], &["١٢", ""]),
        (r"^\w+\s\S\D\W$", &["a_1 bc-"], &["é bc-"]),
        (r"\bfoo\b", &["a foo b"], &["xfoo"]),
        (r"^[^[]+$", &["a]b"], &["a[b"]),
        (r"^[[\]]$", &["[", "]"], &["a"]),
        (r"^[]a]+$", &["]a"], &["b"]),
        (r"^[^]a]+$", &["b"], &["]"]),
        (r"^[a&&b]+$", &["&", "a", "ab"], &["c"]),
        (r"^[+--]+$", &["+,-"], &[".", "a"]),
        (r"^[a-z~~-]+$", &["~-"], &["A"]),
        (r"^[\d\-.]+$", &["1-2."], &["a"]),
        (r"^[\D]+$", &["ab"], &["1"]),
        (r"^[a\D]+$", &["ab"], &["1"]),
        (r"^[[:alpha:]_]+$", &["ab_"], &["1"]),
        (r"^[^[:space:]]+$", &["ab"], &["a b"]),
        (r"^{a}{,3}$", &["{a}{,3}"], &["a"]),
        (r"^a{2,3}$", &["aa"], &["a"]),
        (r"^\<b\>$", &["<b>"], &["b"]),
        (r"^\Qa.b\E+$", &["a.b", "a.bb"], &["axb"]),
        (r"^\/\-\_\@$", &["/-_@"], &["a"]),
        (r"^\x41\x{42}\103$", &["ABC"], &["abc"]),
        (r"(?i)^https?$", &["HTTP"], &["ftp"]),
        (r"^(?P<a>x)(?<1b>y)$", &["xy"], &["x"]),
        (r"^\p{L}\pN$", &["é1"], &["1é"]),
        (r"^(|a|)b$", &["b", "ab"], &["aab"]),
        (r"^a|b$", &["ax", "xb"], &["c"]),
        ("^x$", &["x"], &["x\n"]),
        (r"^#?[a-f ]+$", &["#a b"], &["#g"]),
        (r"^.{1,1000}$", &["é"], &["", "\n"]),
    ];
    for (pattern, yes, no) in cases {
        let regex = compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        yes.iter().for_each(|text| assert!(regex.is_match(text), "{pattern} {text:?}"));
        no.iter().for_each(|text| assert!(!regex.is_match(text), "{pattern} {text:?}"));
    }
}

#[test]
fn refusals_in_gos_words() {
    let mut table = String::new();
    for pattern in [
        "(a",
        "a)",
        "[a",
        "*a",
        "a|+",
        "(?=a)",
        "(?!a)",
        "(?<=a)b",
        r"(a)\1",
        r"\y",
        "[z-a]",
        "a{1001}",
        "a{3,2}",
        r"a\",
        "[[:foo:]]",
        r"[\d-z]",
        "(?",
        "(a{1000}){1000}",
        "a**",
        r"\P[",
        r"\p{Nothing}",
        r"[\pL\p{Greek}]",
        "a{2}{3}",
        "a*?b+?",
        "a+??",
    ] {
        let told = compile(pattern).map_or_else(|error| error.to_string(), |_| "fine".into());
        writeln!(table, "{pattern}  {told}").expect("a String takes everything");
    }
    expect![[r#"
        (a  error parsing regexp: missing closing ): `(a`
        a)  error parsing regexp: unexpected ): `a)`
        [a  error parsing regexp: missing closing ]: `[a`
        *a  error parsing regexp: missing argument to repetition operator: `*`
        a|+  error parsing regexp: missing argument to repetition operator: `+`
        (?=a)  error parsing regexp: invalid or unsupported Perl syntax: `(?=`
        (?!a)  error parsing regexp: invalid or unsupported Perl syntax: `(?!`
        (?<=a)b  error parsing regexp: invalid named capture: `(?<=a)b`
        (a)\1  error parsing regexp: invalid escape sequence: `\1`
        \y  error parsing regexp: invalid escape sequence: `\y`
        [z-a]  error parsing regexp: invalid character class range: `z-a`
        a{1001}  error parsing regexp: invalid repeat count: `{1001}`
        a{3,2}  error parsing regexp: invalid repeat count: `{3,2}`
        a\  error parsing regexp: trailing backslash at end of expression: ``
        [[:foo:]]  error parsing regexp: invalid character class range: `[:foo:]`
        [\d-z]  fine
        (?  error parsing regexp: missing argument to repetition operator: `?`
        (a{1000}){1000}  error parsing regexp: expression too large: `(a{1000}){1000}`
        a**  error parsing regexp: invalid nested repetition operator: `**`
        \P[  error parsing regexp: invalid character class range: `\P[`
        \p{Nothing}  error parsing regexp: invalid character class range: `\p{Nothing}`
        [\pL\p{Greek}]  fine
        a{2}{3}  error parsing regexp: invalid nested repetition operator: `{2}{3}`
        a*?b+?  fine
        a+??  error parsing regexp: invalid nested repetition operator: `+??`
    "#]]
    .assert_eq(&table);
}

proptest::proptest! {
    /// Whatever is taken here, the crate `regex` takes too; nothing panics.
    #[test]
    fn what_is_read_is_understood(pattern in r"[\\a-c0-9\[\](){}|*+?^$.,:&~<>PQEdwsbzx -]{0,14}") {
        if let Err(error) = compile(&pattern) {
            proptest::prop_assert!(!error.to_string().contains("Perl syntax: `") || pattern.contains("(?"), "{pattern} {error}");
        }
    }
}
