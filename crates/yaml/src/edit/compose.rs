//! New pieces of text, in the style of the document around them.

use serde_json::{Map, Value};

use crate::emit::to_string;
use crate::sort::compare_keys;

/// How a document indents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// Columns between a key and the dashes of its list.
    pub(super) dash: usize,
    /// Columns between a key and the keys of its mapping.
    pub(super) nested: usize,
}

impl Default for Style {
    fn default() -> Style {
        Style { dash: 0, nested: 2 }
    }
}

impl Style {
    /// Lines for an entry whose key stands at a column.
    pub(super) fn entry(self, key: &str, value: &Value, column: usize) -> String {
        format!(
            "{}{}{}\n",
            " ".repeat(column),
            scalar(&Value::from(key), column),
            self.after_colon(value, column)
        )
    }

    /// `: value`, or `:` and lines, without the last line end.
    pub(super) fn after_colon(self, value: &Value, column: usize) -> String {
        match value {
            Value::Array(items) if !items.is_empty() => {
                format!(":\n{}", self.items(items, column + self.dash, 1).trim_end_matches('\n'))
            }
            Value::Object(map) if !map.is_empty() => {
                let lines = self.entries(map, column + self.nested);
                format!(":\n{}", lines.trim_end_matches('\n'))
            }
            other => format!(": {}", scalar(other, column)),
        }
    }

    fn entries(self, map: &Map<String, Value>, column: usize) -> String {
        sorted(map).into_iter().map(|(key, value)| self.entry(key, value, column)).collect()
    }

    /// Lines for items whose dashes stand at a column, with a number of blanks behind each.
    pub(super) fn items(self, items: &[Value], column: usize, gap: usize) -> String {
        items.iter().map(|item| self.item(item, column, gap)).collect()
    }

    fn item(self, item: &Value, column: usize, gap: usize) -> String {
        let content = column + 1 + gap;
        let lines = match item {
            Value::Object(map) if !map.is_empty() => self.entries(map, content),
            Value::Array(items) if !items.is_empty() => self.items(items, content, 1),
            other => format!("{}\n", scalar(other, column)),
        };
        format!("{}-{}{}", " ".repeat(column), " ".repeat(gap), lines.trim_start_matches(' '))
    }
}

fn sorted(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by(|a, b| compare_keys(a.0, b.0));
    entries
}

/// A scalar (or an empty collection) in a block whose parent stands at a column.
pub(super) fn scalar(value: &Value, column: usize) -> String {
    let emitted = to_string(value);
    let emitted = emitted.strip_suffix('\n').unwrap_or(&emitted);
    let Value::String(text) = value else { return emitted.to_string() };
    match emitted.split_once('\n') {
        None => emitted.to_string(),
        // folded at 80 columns
        Some(_) if !text.contains('\n') => on_one_line(text, emitted),
        Some((header, lines)) if header.starts_with('|') => {
            let indented = lines.split('\n').map(|line| match line.strip_prefix("  ") {
                Some(content) => format!("{}{content}", " ".repeat(column + 2)),
                None => line.to_string(),
            });
            let lines: Vec<String> = indented.collect();
            format!("{header}\n{}", lines.join("\n"))
        }
        Some(_) => double_quoted(text),
    }
}

fn on_one_line(text: &str, emitted: &str) -> String {
    match emitted.chars().next() {
        Some('\'') => single_quoted(text),
        Some('"') => double_quoted(text),
        _ => text.to_string(),
    }
}

/// A value in a flow collection.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) => {
            let entries: Vec<String> =
                sorted(map).into_iter().map(|(key, value)| flow_entry(key, value)).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::String(text) => {
            let plain = scalar(value, 0);
            let is_plain = !plain.starts_with(['\'', '"', '|']);
            match is_plain && !text.contains([',', '[', ']', '{', '}']) {
                true => plain,
                false if text.contains('\n') => double_quoted(text),
                false if is_plain => single_quoted(text),
                false => plain,
            }
        }
        other => scalar(other, 0),
    }
}

pub(super) fn flow_entry(key: &str, value: &Value) -> String {
    format!("{}: {}", flow(&Value::from(key)), flow(value))
}

/// A scalar that replaces one, in its quotes where that is possible. `indent` is the column of the parent.
pub(super) fn in_style_of(old: &str, value: &Value, indent: usize, in_flow: bool) -> String {
    let composed = || if in_flow { flow(value) } else { scalar(value, indent) };
    let Value::String(text) = value else { return composed() };
    let quotable =
        !text.contains(|c: char| c.is_control() || c == '\u{feff}' || c == '\u{2028}' || c == '\u{2029}');
    match old.chars().next() {
        Some('\'') if quotable => single_quoted(text),
        Some('"') if quotable => double_quoted(text),
        _ => composed(),
    }
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn double_quoted(text: &str) -> String {
    Value::from(text).to_string()
}
