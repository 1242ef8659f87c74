//! Values as go-yaml (v2, as `sigs.k8s.io/yaml` and kustomize use it) prints them, byte for byte.
//!
//! Sorted keys, two columns of indentation, lists in maps not indented, lines folded at 80 columns. The writer
//! follows libyaml's emitter, whose column and white space state decides where a line breaks.

mod scalar;
mod writer;

use serde_json::{Map, Value};

use crate::number::go_yaml;
use crate::resolve::needs_quotes;
use crate::sort::sort_keys;
use scalar::{Analysis, Style};
pub(crate) use scalar::{is_break, is_printable};
pub(crate) use writer::Writer;

/// One document, without a separator, with a final newline.
pub fn to_string(value: &Value) -> String {
    let mut text = String::new();
    document(value, &mut text);
    text
}

/// Documents with `---` between them, none before the first.
pub fn to_string_documents(values: &[Value]) -> String {
    let mut text = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            text.push_str("---\n");
        }
        document(value, &mut text);
    }
    text
}

fn document(value: &Value, text: &mut String) {
    let mut emitter = Emitter { out: Writer::new(text) };
    match value {
        Value::Object(map) if !map.is_empty() => emitter.mapping(map, 0),
        Value::Array(items) if !items.is_empty() => emitter.sequence(items, 0),
        other => emitter.leaf(other, ROOT_SCALAR),
    }
    emitter.out.end();
}

/// Continuation lines of a scalar that is a whole document.
const ROOT_SCALAR: usize = 2;

/// Longer keys, and those of several lines, are written as `? key`.
const MAX_SIMPLE_KEY: usize = 128;

struct Emitter<'t> {
    out: Writer<'t>,
}

impl Emitter<'_> {
    fn mapping(&mut self, map: &Map<String, Value>, indent: usize) {
        let mut entries: Vec<(&String, &Value)> = map.iter().collect();
        sort_keys(&mut entries, |(key, _)| key);
        for (key, value) in entries {
            self.out.write_indent(indent);
            if key.len() <= MAX_SIMPLE_KEY && !key.contains(scalar::is_break) {
                self.key(key, indent);
                self.out.write_indicator(":", false, false);
            } else {
                self.out.write_indicator("?", true, true);
                self.string(key, indent + 2, false);
                self.out.write_indent(indent);
                self.out.write_indicator(":", true, true);
            }
            self.value(value, indent);
        }
    }

    /// The value of a key: lists stand at the key's own indentation, unless the key was an explicit one.
    fn value(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(map) if !map.is_empty() => self.mapping(map, indent + 2),
            Value::Array(items) if !items.is_empty() => {
                let indent = if self.out.after_indicator() { indent + 2 } else { indent };
                self.sequence(items, indent);
            }
            other => self.leaf(other, indent + 2),
        }
    }

    fn sequence(&mut self, items: &[Value], indent: usize) {
        for item in items {
            self.out.write_indent(indent);
            self.out.write_indicator("-", true, true);
            match item {
                Value::Object(map) if !map.is_empty() => self.mapping(map, indent + 2),
                Value::Array(items) if !items.is_empty() => self.sequence(items, indent + 2),
                other => self.leaf(other, indent + 2),
            }
        }
    }

    fn leaf(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Null => self.out.write_plain("null", indent, true),
            Value::Bool(b) => self.out.write_plain(if *b { "true" } else { "false" }, indent, true),
            Value::Number(n) => self.out.write_plain(&number(n), indent, true),
            Value::String(text) => self.string(text, indent, false),
            Value::Array(_) => {
                self.out.write_indicator("[", true, false);
                self.out.write_indicator("]", false, false);
            }
            Value::Object(_) => {
                self.out.write_indicator("{", true, false);
                self.out.write_indicator("}", false, false);
            }
        }
    }

    fn key(&mut self, key: &str, indent: usize) {
        self.string(key, indent + 2, true);
    }

    fn string(&mut self, text: &str, indent: usize, simple_key: bool) {
        let analysis = Analysis::of(text);
        let wanted = if text.contains('\n') {
            Style::Literal
        } else if needs_quotes(text) {
            Style::Double
        } else {
            Style::Plain
        };
        let breaks = !simple_key;
        match analysis.style(wanted, simple_key, text.is_empty()) {
            Style::Plain => self.out.write_plain(text, indent, breaks),
            Style::Single => self.out.write_single(text, indent, breaks),
            Style::Double => self.out.write_double(text, indent, breaks),
            Style::Literal => self.out.write_literal(text, indent),
        }
    }
}

/// Integers as they are, floats as Go prints them: `1.0` is `1`.
fn number(number: &serde_json::Number) -> String {
    if let Some(i) = number.as_i64() {
        return i.to_string();
    }
    if let Some(u) = number.as_u64() {
        return u.to_string();
    }
    number.as_f64().map_or_else(|| number.to_string(), go_yaml)
}

#[cfg(test)]
mod tests;
