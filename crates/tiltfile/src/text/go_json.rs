//! JSON as Go's `encoding/json` takes it, with what Go says of text that is none.

use serde_json::Value;

/// The first value of a text, and what follows it: Go's `Decoder`.
pub(crate) fn decode(text: &str) -> Result<(Value, &str), String> {
    let end = match scan(text) {
        Ok(end) => end,
        Err(Problem::Here(e)) => return Err(e),
        Err(Problem::Ended) if text.chars().all(is_space) => return Err("EOF".to_owned()),
        Err(Problem::Ended) => return Err("unexpected EOF".to_owned()),
    };
    Ok((parse(&text[..end])?, &text[end..]))
}

/// A text that is one value: Go's `Unmarshal`.
pub(crate) fn whole(text: &str) -> Result<Value, String> {
    let end = match scan(text) {
        Ok(end) => end,
        Err(Problem::Here(e)) => return Err(e),
        Err(Problem::Ended) => return Err("unexpected end of JSON input".to_owned()),
    };
    match text[end..].chars().find(|c| !is_space(*c)) {
        Some(c) => Err(invalid(c, "after top-level value")),
        None => parse(&text[..end]),
    }
}

/// Numbers, surrogates and depth are left to the parser.
fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

/// What Go calls the type of a JSON value.
pub(crate) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

enum Problem {
    Here(String),
    /// The text ends before the value does.
    Ended,
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn invalid(c: char, context: &str) -> String {
    let shown = match c {
        '\'' => r"'\''".to_owned(),
        '"' => r#"'"'"#.to_owned(),
        c => {
            let quoted = crate::call::go_quote(&c.to_string());
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    };
    format!("invalid character {shown} {context}")
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// A value, or the end of an empty list.
    ValueOrEnd,
    Key,
    /// A key, or the end of an empty object.
    KeyOrEnd,
    Colon,
    /// A comma, or the end of what is open.
    Comma,
}

/// Where the first value ends.
fn scan(text: &str) -> Result<usize, Problem> {
    let mut chars = Chars { text, at: 0 };
    // what is open: an object or a list
    let mut open: Vec<char> = Vec::new();
    let mut next = Next::Value;
    loop {
        let Some(c) = chars.next_visible() else { return Err(Problem::Ended) };
        next = match (next, c) {
            (Next::ValueOrEnd, ']') => close(&mut open),
            (Next::KeyOrEnd, '}') => close(&mut open),
            (Next::Key | Next::KeyOrEnd, '"') => {
                chars.string()?;
                Next::Colon
            }
            (Next::Key | Next::KeyOrEnd, c) => {
                return Err(Problem::Here(invalid(c, "looking for beginning of object key string")));
            }
            (Next::Colon, ':') => Next::Value,
            (Next::Colon, c) => return Err(Problem::Here(invalid(c, "after object key"))),
            (Next::Comma, ',') if open.last() == Some(&'{') => Next::Key,
            (Next::Comma, ',') => Next::Value,
            (Next::Comma, '}') if open.last() == Some(&'{') => close(&mut open),
            (Next::Comma, ']') if open.last() == Some(&'[') => close(&mut open),
            (Next::Comma, c) => {
                let what = match open.last() {
                    Some('{') => "after object key:value pair",
                    _ => "after array element",
                };
                return Err(Problem::Here(invalid(c, what)));
            }
            (Next::Value | Next::ValueOrEnd, c) => match c {
                '{' => {
                    open.push(c);
                    Next::KeyOrEnd
                }
                '[' => {
                    open.push(c);
                    Next::ValueOrEnd
                }
                c => {
                    chars.scalar(c)?;
                    Next::Comma
                }
            },
        };
        if open.is_empty() && next == Next::Comma {
            return Ok(chars.at);
        }
    }
}

fn close(open: &mut Vec<char>) -> Next {
    open.pop();
    Next::Comma
}

struct Chars<'t> {
    text: &'t str,
    at: usize,
}

impl Chars<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn next_visible(&mut self) -> Option<char> {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        self.next()
    }

    /// A character that must be one of some; else it is said in which `context` it came.
    fn one_of(&mut self, fits: impl Fn(char) -> bool, context: &str) -> Result<char, Problem> {
        match self.next() {
            None => Err(Problem::Ended),
            Some(c) if fits(c) => Ok(c),
            Some(c) => Err(Problem::Here(invalid(c, context))),
        }
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
    }

    /// After the opening quote.
    fn string(&mut self) -> Result<(), Problem> {
        loop {
            match self.one_of(|c| c >= ' ', "in string literal")? {
                '"' => return Ok(()),
                '\\' => self.escape()?,
                _ => {}
            }
        }
    }

    /// After the backslash.
    fn escape(&mut self) -> Result<(), Problem> {
        let letter = self.one_of(|c| r#"bfnrt\/"u"#.contains(c), "in string escape code")?;
        let digits = if letter == 'u' { 4 } else { 0 };
        for _ in 0..digits {
            self.one_of(|c| c.is_ascii_hexdigit(), r"in \u hexadecimal character escape")?;
        }
        Ok(())
    }

    fn scalar(&mut self, first: char) -> Result<(), Problem> {
        let word = match first {
            '"' => return self.string(),
            '-' | '0'..='9' => return self.number(first),
            't' => "true",
            'f' => "false",
            'n' => "null",
            c => return Err(Problem::Here(invalid(c, "looking for beginning of value"))),
        };
        for expected in word.chars().skip(1) {
            self.one_of(|c| c == expected, &format!("in literal {word} (expecting '{expected}')"))?;
        }
        Ok(())
    }

    fn number(&mut self, first: char) -> Result<(), Problem> {
        let first = match first {
            '-' => self.one_of(|c| c.is_ascii_digit(), "in numeric literal")?,
            digit => digit,
        };
        if first != '0' {
            self.digits();
        }
        if self.peek() == Some('.') {
            self.at += 1;
            self.one_of(|c| c.is_ascii_digit(), "after decimal point in numeric literal")?;
            self.digits();
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.at += 1;
            if matches!(self.peek(), Some('+' | '-')) {
                self.at += 1;
            }
            self.one_of(|c| c.is_ascii_digit(), "in exponent of numeric literal")?;
            self.digits();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn values_and_errors() {
        let mut out = String::new();
        for text in [
            "",
            " \n",
            "{}",
            "[1, 2] x",
            "{",
            "[1",
            "\"a",
            "x",
            "{a: 1}",
            "{\"a\" 1}",
            "{\"a\": 1 2}",
            "[1 2]",
            "[1,]",
            "{\"a\": 1,}",
            "tru",
            "trux",
            "nil",
            "-x",
            "1.x",
            "1e",
            "1e+x",
            "01",
            "\"\\q\"",
            "\"\\u00g0\"",
            "\"\n\"",
            "'a'",
            "]",
            "1 2",
            "{\"a\": [true, false, null, -1.5e3, \"é\\u00e9\"]}",
        ] {
            let decoded = decode(text).map(|(v, rest)| format!("{v} then {rest:?}"));
            let whole = whole(text).map(|v| v.to_string());
            let text_of = |r: Result<String, String>| r.unwrap_or_else(|e| format!("error: {e}"));
            writeln!(out, "{text:?}\n  {}\n  {}", text_of(decoded), text_of(whole))
                .expect("a String takes all");
        }
        expect_test::expect![[r#"
            ""
              error: EOF
              error: unexpected end of JSON input
            " \n"
              error: EOF
              error: unexpected end of JSON input
            "{}"
              {} then ""
              {}
            "[1, 2] x"
              [1,2] then " x"
              error: invalid character 'x' after top-level value
            "{"
              error: unexpected EOF
              error: unexpected end of JSON input
            "[1"
              error: unexpected EOF
              error: unexpected end of JSON input
            "\"a"
              error: unexpected EOF
              error: unexpected end of JSON input
            "x"
              error: invalid character 'x' looking for beginning of value
              error: invalid character 'x' looking for beginning of value
            "{a: 1}"
              error: invalid character 'a' looking for beginning of object key string
              error: invalid character 'a' looking for beginning of object key string
            "{\"a\" 1}"
              error: invalid character '1' after object key
              error: invalid character '1' after object key
            "{\"a\": 1 2}"
              error: invalid character '2' after object key:value pair
              error: invalid character '2' after object key:value pair
            "[1 2]"
              error: invalid character '2' after array element
              error: invalid character '2' after array element
            "[1,]"
              error: invalid character ']' looking for beginning of value
              error: invalid character ']' looking for beginning of value
            "{\"a\": 1,}"
              error: invalid character '}' looking for beginning of object key string
              error: invalid character '}' looking for beginning of object key string
            "tru"
              error: unexpected EOF
              error: unexpected end of JSON input
            "trux"
              error: invalid character 'x' in literal true (expecting 'e')
              error: invalid character 'x' in literal true (expecting 'e')
            "nil"
              error: invalid character 'i' in literal null (expecting 'u')
              error: invalid character 'i' in literal null (expecting 'u')
            "-x"
              error: invalid character 'x' in numeric literal
              error: invalid character 'x' in numeric literal
            "1.x"
              error: invalid character 'x' after decimal point in numeric literal
              error: invalid character 'x' after decimal point in numeric literal
            "1e"
              error: unexpected EOF
              error: unexpected end of JSON input
            "1e+x"
              error: invalid character 'x' in exponent of numeric literal
              error: invalid character 'x' in exponent of numeric literal
            "01"
              0 then "1"
              error: invalid character '1' after top-level value
            "\"\\q\""
              error: invalid character 'q' in string escape code
              error: invalid character 'q' in string escape code
            "\"\\u00g0\""
              error: invalid character 'g' in \u hexadecimal character escape
              error: invalid character 'g' in \u hexadecimal character escape
            "\"\n\""
              error: invalid character '\n' in string literal
              error: invalid character '\n' in string literal
            "'a'"
              error: invalid character '\'' looking for beginning of value
              error: invalid character '\'' looking for beginning of value
            "]"
              error: invalid character ']' looking for beginning of value
              error: invalid character ']' looking for beginning of value
            "1 2"
              1 then " 2"
              error: invalid character '2' after top-level value
            "{\"a\": [true, false, null, -1.5e3, \"é\\u00e9\"]}"
              {"a":[true,false,null,-1.5e+3,"éé"]} then ""
              {"a":[true,false,null,-1.5e+3,"éé"]}
        "#]]
        .assert_eq(&out);
    }
}
