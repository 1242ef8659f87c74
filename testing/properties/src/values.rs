//! JSON values from bytes: every sequence of bytes is a value, and small changes of bytes are small changes of values.

use serde_json::{Map, Number, Value};

const MAX_DEPTH: usize = 6;

/// Bytes as a source of decisions; all decisions are 0 once they are used up.
pub struct Bytes<'a>(pub &'a [u8]);

/// Pieces that scalars are made of: whatever means something to YAML, and what may not be written plainly.
const PIECES: [&str; 48] = [
    "a",
    "foo",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\t",
    "\r",
    ": ",
    ":",
    " #",
    "#",
    "- ",
    "-",
    "? ",
    "?",
    ",",
    "[",
    "]",
    "{",
    "}",
    "&a",
    "*a",
    "!t",
    "|",
    ">",
    "'",
    "\"",
    "%",
    "@",
    "`",
    "\\",
    "---",
    "...",
    "yes",
    "null",
    "~",
    "0x1F",
    "017",
    "1e3",
    "1:30",
    "2020-01-01",
    "<<",
    "=",
    "\u{1f600}",
    "\u{85}",
    "\u{feff}",
    "\u{7f}",
];

const KEYS: [&str; 20] = [
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "labels",
    "spec",
    "template",
    "containers",
    "image",
    "ports",
    "containerPort",
    "env",
    "$patch",
    "$retainKeys",
    "$setElementOrder/containers",
    "$deleteFromPrimitiveList/args",
    "args",
    "data",
    "finalizers",
];

impl Bytes<'_> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn pick<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices[usize::from(self.byte()) % choices.len()]
    }

    pub fn value(&mut self) -> Value {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: usize) -> Value {
        match self.byte() % 10 {
            0 => Value::Null,
            1 => Value::Bool(self.byte().is_multiple_of(2)),
            2 => self.number(),
            3 | 4 if depth < MAX_DEPTH => {
                (0..self.byte() % 5).map(|_| self.value_at(depth + 1)).collect::<Vec<_>>().into()
            }
            5..=7 if depth < MAX_DEPTH => {
                let count = self.byte() % 6;
                Value::Object(
                    (0..count).map(|_| (self.key(), self.value_at(depth + 1))).collect::<Map<_, _>>(),
                )
            }
            _ => Value::String(self.text()),
        }
    }

    fn number(&mut self) -> Value {
        let bits = (0..8).fold(0_u64, |bits, _| bits << 8 | u64::from(self.byte()));
        match self.byte() % 4 {
            0 => Number::from(bits).into(),
            1 => Number::from(bits.cast_signed()).into(),
            2 => Number::from(self.byte()).into(),
            _ => Number::from_f64(f64::from_bits(bits)).map_or(Value::Null, Value::from),
        }
    }

    fn key(&mut self) -> String {
        if self.byte().is_multiple_of(4) { self.text() } else { self.pick(&KEYS).to_string() }
    }

    pub fn text(&mut self) -> String {
        let count = match self.byte() {
            long @ 240.. => usize::from(long) - 200,
            short => usize::from(short) % 6,
        };
        (0..count).map(|_| self.pick(&PIECES)).collect()
    }
}
