//! Whatever functions are called with, they answer: with a value or a failure, and soon.

use super::{all, call};
use crate::value::{Opt, list, map, text};
use crate::{Budget, Failure, Program, Value};
use proptest::prelude::*;

fn values() -> impl Strategy<Value = Value> {
    const TEXTS: [&str; 32] = [
        "",
        "a",
        "ä€😀",
        "1Gi",
        "-5m",
        "1e400",
        "1e2147483647",
        "0.000000000000000000001",
        "99999999999999999999999",
        "10.0.0.1",
        "::1",
        "::ffff:1.2.3.4",
        "10.0.0.0/8",
        "10.0.0.0/99",
        "fe80::1%eth0",
        "https://a:80/b?c=d",
        "http://[::1",
        "1.2.3",
        "1.2.3-a+b",
        "99999999999999999999.0.0",
        "2026-01-02T03:04:05Z",
        "0001-01-01T00:00:00Z",
        "1h",
        "-9999999999h",
        "(",
        "(a*)*b",
        "%s %d %.3f %b",
        "%.999999999f",
        "%9$s",
        "YWJj",
        "a/b~c",
        "uuid",
    ];
    let numbers = prop_oneof![
        Just(i64::MIN),
        Just(i64::MAX),
        Just(-1),
        Just(0),
        Just(1),
        Just(64),
        Just(1 << 40),
        any::<i64>()
    ];
    let leaf = prop_oneof![
        (0..TEXTS.len()).prop_map(|at| text(TEXTS[at])),
        ".{0,12}".prop_map(text),
        numbers.prop_map(Value::Int),
        any::<u64>().prop_map(Value::UInt),
        any::<f64>().prop_map(Value::Float),
        any::<bool>().prop_map(Value::Bool),
        proptest::collection::vec(any::<u8>(), 0..8).prop_map(|bytes| Value::Bytes(bytes.into())),
        Just(Value::Null),
        Just(Opt::value(None)),
        (0..TEXTS.len()).prop_map(|at| {
            let made = ["quantity", "ip", "cidr", "url", "semver", "timestamp", "duration"]
                .map(|name| call(name, None, vec![text(TEXTS[at])], &Budget::new(10_000)).ok());
            made.into_iter().flatten().next().unwrap_or(Value::Null)
        }),
    ];
    leaf.prop_recursive(2, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(list),
            proptest::collection::vec((".{0,3}", inner.clone()), 0..3).prop_map(|entries| {
                map(entries.into_iter().map(|(key, value)| (key.as_str().into(), value)).collect::<Vec<_>>())
            }),
            inner.prop_map(|value| Opt::value(Some(value))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn functions_answer(
        at in 0..all().len(),
        target in proptest::option::of(values()),
        arguments in proptest::collection::vec(values(), 0..4),
    ) {
        let budget = Budget::new(10_000);
        let _ = call(&all()[at], target, arguments, &budget);
        prop_assert!(budget.spent() <= 10_000);
    }

    #[test]
    fn texts_are_read_or_refused(text in "[a-c0-9.?:!&|+*/%<>=,'\"(){}\\[\\]\\\\ \n`ru-]{0,40}") {
        if let Ok(program) = Program::compile(&text) {
            let names: &[(&str, Value)] = &[];
            let _ = program.run(&crate::Scope::Host(&names), &Budget::new(1000));
        }
    }
}

#[test]
fn nothing_grows_beyond_the_budget() {
    let names: &[(&str, Value)] = &[];
    for text in [
        "lists.range(1000000000000)",
        "cel.bind(a, lists.range(10000).map(i, 'xxxxxxxxxx').join(''), a.replace('x', a).size())",
        "cel.bind(a, lists.range(9000).map(i, 'xxxxxxxxxx'), a.join(a.join('')).size())",
        "lists.range(90000).distinct().size()",
    ] {
        let program = Program::compile(text).expect("an expression");
        let answer = program.run(&crate::Scope::Host(&names), &Budget::new(1_000_000));
        assert_eq!(answer, Err(Failure::Budget), "{text}");
    }
}
