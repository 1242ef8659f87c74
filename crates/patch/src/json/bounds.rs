//! What keeps a JSON patch from growing a document without end.

use serde_json::Value;

use super::{Op, Operation, Text};
use crate::error::{Error, Result};

/// Deeper than any text that is read here, and no danger to a stack.
const DEEPEST: usize = 256;

pub(super) struct Bounds {
    /// The bytes that copies have added so far, and may add.
    copied: u64,
    copies: u64,
    /// The document is at most so deep.
    depth: usize,
}

impl Bounds {
    pub(super) fn new(document: &Value, copies: u64) -> Self {
        Self { copied: 0, copies, depth: depth(document) }
    }

    pub(super) fn copy(&mut self, value: Option<&Value>) -> Result<()> {
        // Go keeps a null as nothing, which has no size.
        let size = value.filter(|value| !value.is_null()).map_or(0, json_size);
        self.copied = self.copied.saturating_add(size);
        if self.copied > self.copies {
            return Err(Error::CopiesTooLarge { size: self.copied, limit: self.copies });
        }
        Ok(())
    }

    /// Takes note of an operation that has been carried out. The document is measured only when it may have become too
    /// deep, so a move costs nothing.
    pub(super) fn deepen(&mut self, document: &Value, operation: &Operation) -> Result<()> {
        let below = match operation.op {
            Op::Add | Op::Replace => depth(&operation.value),
            Op::Move | Op::Copy => self.depth.saturating_sub(segments(&operation.from)),
            Op::Remove | Op::Test | Op::Other(_) => return Ok(()),
        };
        self.depth = self.depth.max(segments(&operation.path) + below);
        if self.depth > DEEPEST {
            self.depth = depth(document);
        }
        if self.depth > DEEPEST { Err(Error::TooDeep) } else { Ok(()) }
    }
}

fn segments(path: &Text) -> usize {
    match path {
        Text::Given(path) => path.matches('/').count(),
        Text::Missing | Text::Other(_) => 0,
    }
}

/// A scalar has none.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The length of a value's JSON as Go writes it: three characters of HTML are escaped.
fn json_size(value: &Value) -> u64 {
    struct Counter(u64);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let escaped = bytes.iter().filter(|byte| matches!(byte, b'<' | b'>' | b'&')).count();
            self.0 += (bytes.len() + 5 * escaped) as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, value).expect("values are JSON, and counting does not fail");
    counter.0
}
