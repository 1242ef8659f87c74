//! What is wrong with a text that is no JSON, in the words of Go's `encoding/json`.

use serde_json::Value;

/// The JSON type of a value, as Go's decoder names it.
pub(super) fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The first thing that is wrong; nothing if this is JSON.
pub(super) fn problem(bytes: &[u8]) -> Option<String> {
    let mut scan = Scan { bytes, at: 0 };
    match scan.document() {
        Ok(()) => None,
        Err(Wrong::Ends) => Some("unexpected end of JSON input".into()),
        Err(Wrong::Depth) => Some("exceeded max depth".into()),
        Err(Wrong::Character { byte, context }) => {
            Some(format!("invalid character {} {context}", quoted(byte)))
        }
    }
}

/// Go's limit.
const DEPTH: usize = 10_000;

enum Wrong {
    Ends,
    Depth,
    Character { byte: u8, context: String },
}

type Outcome = Result<(), Wrong>;

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A byte between single quotes, as Go prints it.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".into(),
        b'"' => "'\"'".into(),
        b'\\' => r"'\\'".into(),
        b'\n' => r"'\n'".into(),
        b'\r' => r"'\r'".into(),
        b'\t' => r"'\t'".into(),
        0x20..=0x7e => format!("'{}'", char::from(byte)),
        0xa1..=0xac | 0xae..=0xff => format!("'{}'", char::from(byte)),
        0x80.. => format!(r"'\u{byte:04x}'"),
        _ => format!(r"'\x{byte:02x}'"),
    }
}

impl Scan<'_> {
    fn peek(&mut self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, Wrong> {
        let byte = self.peek().ok_or(Wrong::Ends)?;
        self.at += 1;
        Ok(byte)
    }

    /// The next byte that is no blank.
    fn token(&mut self) -> Result<u8, Wrong> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
        self.next()
    }

    fn bad<T>(byte: u8, context: &str) -> Result<T, Wrong> {
        Err(Wrong::Character { byte, context: context.into() })
    }

    fn document(&mut self) -> Outcome {
        self.values()?;
        match self.token() {
            Err(_) => Ok(()),
            Ok(byte) => Self::bad(byte, "after top-level value"),
        }
    }

    /// A value with all that is in it, without recursion.
    fn values(&mut self) -> Outcome {
        let mut open: Vec<u8> = Vec::new();
        loop {
            let first = self.token()?;
            let mut complete = true;
            match first {
                b'{' | b'[' => {
                    if open.len() == DEPTH {
                        return Err(Wrong::Depth);
                    }
                    complete = self.begin(first)?;
                    if !complete {
                        open.push(first);
                    }
                }
                // `[]` is the only place of a closing bracket that begins nothing; `begin` has seen it.
                _ => self.scalar(first)?,
            }
            while complete {
                let Some(&container) = open.last() else { return Ok(()) };
                match (container, self.token()?) {
                    (b'{', b',') => {
                        self.key(false)?;
                        complete = false;
                    }
                    (b'[', b',') => complete = false,
                    (b'{', b'}') | (b'[', b']') => {
                        open.pop();
                    }
                    (b'{', byte) => return Self::bad(byte, "after object key:value pair"),
                    (_, byte) => return Self::bad(byte, "after array element"),
                }
            }
        }
    }

    /// Behind an opening bracket. Whether it is closed again at once.
    fn begin(&mut self, bracket: u8) -> Result<bool, Wrong> {
        if bracket == b'{' {
            return self.key(true);
        }
        let before = self.at;
        if self.token()? == b']' {
            return Ok(true);
        }
        self.at = before;
        Ok(false)
    }

    /// A key and its colon; at the beginning of an object a closing brace will do, which is what is told.
    fn key(&mut self, first: bool) -> Result<bool, Wrong> {
        match self.token()? {
            b'"' => self.string()?,
            b'}' if first => return Ok(true),
            byte => return Self::bad(byte, "looking for beginning of object key string"),
        }
        match self.token()? {
            b':' => Ok(false),
            byte => Self::bad(byte, "after object key"),
        }
    }

    fn scalar(&mut self, first: u8) -> Outcome {
        match first {
            b'"' => self.string(),
            b'-' => match self.next()? {
                digit @ b'0'..=b'9' => self.number(digit),
                byte => Self::bad(byte, "in numeric literal"),
            },
            b'0'..=b'9' => self.number(first),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            byte => Self::bad(byte, "looking for beginning of value"),
        }
    }

    fn word(&mut self, word: &str) -> Outcome {
        for wanted in word.bytes().skip(1) {
            let byte = self.next()?;
            if byte != wanted {
                return Self::bad(byte, &format!("in literal {word} (expecting {})", quoted(wanted)));
            }
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn number(&mut self, first: u8) -> Outcome {
        if first != b'0' {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            match self.next()? {
                b'0'..=b'9' => self.digits(),
                byte => return Self::bad(byte, "after decimal point in numeric literal"),
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            match self.next()? {
                b'0'..=b'9' => self.digits(),
                byte => return Self::bad(byte, "in exponent of numeric literal"),
            }
        }
        Ok(())
    }

    fn string(&mut self) -> Outcome {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let byte = self.next()?;
                            if !byte.is_ascii_hexdigit() {
                                return Self::bad(byte, r"in \u hexadecimal character escape");
                            }
                        }
                    }
                    byte => return Self::bad(byte, "in string escape code"),
                },
                byte @ ..0x20 => return Self::bad(byte, "in string literal"),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
#[test]
fn problems() {
    let mut told = Vec::new();
    for text in [
        "",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "[1",
        "[1,]",
        "{,}",
        "{\"a\" 1}",
        "{\"a\":1 2}",
        "[1 2]",
        "{} x",
        "tru",
        "trux",
        "-x",
        "1.x",
        "1e+",
        "1ex",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "'a'",
        "\u{e9}",
        "{\"a\":[{}, [], null, true, false, -0.5e-3, \"\\u00e9\\n\"]} \n",
    ] {
        told.push(format!("{text:?}: {}", problem(text.as_bytes()).unwrap_or_else(|| "fine".into())));
    }
    expect_test::expect![[r#"
        "": unexpected end of JSON input
        "{": unexpected end of JSON input
        "{\"a\"": unexpected end of JSON input
        "{\"a\":": unexpected end of JSON input
        "{\"a\":1": unexpected end of JSON input
        "{\"a\":1,": unexpected end of JSON input
        "[1": unexpected end of JSON input
        "[1,]": invalid character ']' looking for beginning of value
        "{,}": invalid character ',' looking for beginning of object key string
        "{\"a\" 1}": invalid character '1' after object key
        "{\"a\":1 2}": invalid character '2' after object key:value pair
        "[1 2]": invalid character '2' after array element
        "{} x": invalid character 'x' after top-level value
        "tru": unexpected end of JSON input
        "trux": invalid character 'x' in literal true (expecting 'e')
        "-x": invalid character 'x' in numeric literal
        "1.x": invalid character 'x' after decimal point in numeric literal
        "1e+": unexpected end of JSON input
        "1ex": invalid character 'x' in exponent of numeric literal
        "\"a": unexpected end of JSON input
        "\"\\x\"": invalid character 'x' in string escape code
        "\"\\u12g4\"": invalid character 'g' in \u hexadecimal character escape
        "\"a\nb\"": invalid character '\n' in string literal
        "'a'": invalid character '\'' looking for beginning of value
        "é": invalid character 'Ã' looking for beginning of value
        "{\"a\":[{}, [], null, true, false, -0.5e-3, \"\\u00e9\\n\"]} \n": fine
    "#]]
    .assert_eq(&(told.join("\n") + "\n"));
    let deep = "[".repeat(20_000);
    assert_eq!(problem(deep.as_bytes()).as_deref(), Some("exceeded max depth"));
}
