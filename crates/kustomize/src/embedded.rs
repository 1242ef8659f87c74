//! YAML and JSON in a text: a file in a ConfigMap, mostly. A field in it is changed, and the text written anew as
//! kustomize does since v5.8: JSON with sorted keys, compact or indented by two, YAML with its comments, order and quotes.

use serde_json::Value;
use yaml::{Document, Duplicates, Keys, Options};

use crate::error::{Error, Result};
use crate::fieldpath::wrong_kind;
use crate::hash::go_string;
use crate::load;

const EMBEDDED_YAML: Options =
    Options { duplicates: Duplicates::LastWins, keys: Keys::ToText, ..load::RESOURCE_YAML };

/// Whether a text can hold fields at all. Cheap: it is asked of every text that a path wants to go into.
pub(crate) fn may_be(text: &str) -> bool {
    text.contains([':', '[', '{']) || text.trim_start().starts_with("- ")
}

/// Changes the data that a text holds.
pub(crate) fn change(text: &mut String, edit: impl FnOnce(&mut Value) -> Result<()>) -> Result<()> {
    let (first, rest) = split_documents(text);
    let is_scalar = |text: &str| wrong_kind("MappingNode", &Value::String(text.to_string()));
    let Ok(documents) = yaml::parse_documents_with(first, &EMBEDDED_YAML) else {
        return Err(is_scalar(text));
    };
    let Some(mut value) = documents.into_iter().next().filter(|v| v.is_object() || v.is_array()) else {
        return Err(is_scalar(text));
    };
    edit(&mut value)?;
    let written = if first.trim_start().starts_with(['{', '[']) {
        let pretty = first.contains('\n') && first.contains("  ");
        go_json(&value, pretty.then_some(0))
    } else {
        print_yaml(first, &value)?
    };
    // upstream would lose what follows the first document
    *text = if rest.is_empty() { written } else { format!("{written}\n{rest}") };
    Ok(())
}

fn print_yaml(before: &str, value: &Value) -> Result<String> {
    let mut document = Document::parse(before).map_err(|e| {
        Error::from(e)
            .doing("writing to YAML in a text")
            .hint("take the comment out of the braces, or patch the text as a whole")
    })?;
    document.update(value);
    let written = document.print();
    let read = yaml::parse_documents_with(&written, &EMBEDDED_YAML)?;
    if read.first() != Some(value) {
        return Err(Error::new("the YAML in this text cannot be written anew without a change of its data")
            .hint("patch the text as a whole"));
    }
    Ok(written.trim().to_string())
}

/// The first document, and the others with the separator before them.
fn split_documents(text: &str) -> (&str, &str) {
    let is_separator = |line: &str| line == "---" || line.starts_with("--- ");
    let mut at = 0;
    let mut seen_content = false;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_end();
        if is_separator(trimmed) && seen_content {
            return text.split_at(at);
        }
        seen_content |= !trimmed.is_empty() && !trimmed.starts_with('#');
        at += line.len();
    }
    (text, "")
}

/// As Go's encoder writes it: sorted keys, `<`, `>` and `&` escaped; with a depth, on lines indented by two.
fn go_json(value: &Value, depth: Option<usize>) -> String {
    let line = |depth: usize| format!("\n{}", "  ".repeat(depth));
    let wrap = |open: char, close: char, items: Vec<String>| match depth {
        _ if items.is_empty() => format!("{open}{close}"),
        None => format!("{open}{}{close}", items.join(",")),
        Some(depth) => {
            let separator = format!(",{}", line(depth + 1));
            format!("{open}{}{}{}{close}", line(depth + 1), items.join(&separator), line(depth))
        }
    };
    let inner = depth.map(|depth| depth + 1);
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let colon = if depth.is_some() { ": " } else { ":" };
            let items =
                entries.into_iter().map(|(k, v)| format!("{}{colon}{}", go_string(k), go_json(v, inner)));
            wrap('{', '}', items.collect())
        }
        Value::Array(items) => wrap('[', ']', items.iter().map(|item| go_json(item, inner)).collect()),
        Value::String(text) => go_string(text),
        Value::Number(number) => yaml::json_number(number),
        other => other.to_string(),
    }
}
