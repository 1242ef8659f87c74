//! The reader takes or refuses every text; what the emitter prints is read as what was printed.

use serde_json::Value;
use yaml::{Duplicates, Keys, Node, Options, Rules, Spanned};

use crate::values::Bytes;

/// Any text by all rules: read, or refused with a place that can be shown.
pub fn yaml_reader(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for rules in [Rules::Sigs, Rules::Kyaml] {
        for (duplicates, keys) in [(Duplicates::Refuse, Keys::Refuse), (Duplicates::LastWins, Keys::ToText)] {
            let options = Options { rules, duplicates, keys };
            match yaml::parse_spanned_with(text, &options) {
                Ok(documents) => documents.iter().for_each(|document| check_spans(text, document)),
                Err(error) => {
                    let shown = diag::render(&error.diagnostic, Some(text), false);
                    assert!(!shown.is_empty() && !error.upstream().is_empty());
                    assert!(error.diagnostic.position.is_some(), "an error has a place");
                }
            }
        }
    }
}

fn check_spans(text: &str, node: &Spanned) {
    let inside = |span: diag::Span| span.start <= span.end && text.get(span.start..span.end).is_some();
    assert!(inside(node.span), "{:?} is no range of the text", node.span);
    match &node.node {
        Node::Scalar(_) => {}
        Node::Sequence(items) => items.iter().for_each(|item| check_spans(text, item)),
        Node::Mapping(entries) => {
            for entry in entries {
                assert!(inside(entry.key_span), "{:?} is no range of the text", entry.key_span);
                check_spans(text, &entry.value);
            }
        }
    }
}

/// A value that is printed is read as the same value, and printed the same again.
pub fn yaml_emitter(bytes: &[u8]) {
    let value = Bytes(bytes).value();
    let text = yaml::to_string(&value);
    if value.is_null() || !survives(&value) {
        return;
    }
    for rules in [Rules::Sigs, Rules::Kyaml] {
        let options = Options { rules, ..Options::default() };
        let read = match yaml::parse_documents_with(&text, &options) {
            Ok(read) => read,
            Err(error) => panic!("{error} in what was printed:\n{text}"),
        };
        let [read] = read.as_slice() else { panic!("{} documents in\n{text}", read.len()) };
        assert!(same(&value, read), "{value}\nbecame\n{read}\nby\n{text}");
        assert_eq!(yaml::to_string(read), text);
    }
}

/// go-yaml, which the emitter follows, prints `<<` as a key plainly, and these separators as they are.
fn survives(value: &Value) -> bool {
    let text = |text: &str| !text.contains(['\u{2028}', '\u{2029}']);
    match value {
        Value::String(s) => text(s),
        Value::Array(items) => items.iter().all(survives),
        Value::Object(map) => map.iter().all(|(key, value)| key != "<<" && text(key) && survives(value)),
        _ => true,
    }
}

/// Numbers are compared by their amount: 1.0 is printed as 1.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}
