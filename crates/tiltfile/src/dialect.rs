//! Starlark as Tilt reads it, written as the interpreter reads it.
//!
//! Tilt's interpreter has `while` loops and takes `assert`, `async` and `await` as names; the one here has neither.
//! A loop becomes an endless `for` that begins with a test:
//!
//! ```text
//! while a < 3:          for __while__item in __guard_loop_range(2147483647):
//!     a += 1       =>       if __while__ and not (a < 3): break
//!                           a += 1
//! ```
//!
//! One line more, so positions are taken back by [`original`] wherever they are shown. The names keep their length.

use std::borrow::Cow;

/// True in every file's scope: it tells the lines that are added from those of the user.
pub(crate) const MARK: &str = "__while__";
/// More rounds than any evaluation has time for.
const HEADER: &str = "for __while__item in __guard_loop_range(2147483647):";
/// How the line that is added begins.
const TEST: &str = "if __while__ and not (";
/// How it begins if it is the body of a loop that stands in one line; its column in the Tiltfile follows.
const BODY: &str = "__while__; ";

/// Names in Tilt's dialect that are reserved here, and what they are called instead.
const RESERVED: [(&str, &str); 3] = [("assert", "asserT"), ("async", "asynC"), ("await", "awaiT")];

/// The name that the Tiltfile has for what the interpreter calls `name`.
pub(crate) fn original_name(name: &str) -> &str {
    RESERVED.iter().find(|(_, ours)| *ours == name).map_or(name, |(theirs, _)| theirs)
}

/// The source for the interpreter.
pub(crate) fn translate(source: String) -> String {
    let may_need = source.contains("while") || RESERVED.iter().any(|(theirs, _)| source.contains(theirs));
    if !may_need {
        return source;
    }
    let mut out = String::with_capacity(source.len() + 64);
    let mut scan = Scan { text: &source, at: 0, depth: 0 };
    let mut line_start = true;
    let mut indent = 0;
    while let Some(token) = scan.next() {
        match token {
            Token::Newline => {
                out.push('\n');
                (line_start, indent) = (scan.depth == 0, 0);
            }
            Token::Space(text) => {
                if line_start {
                    indent += text.len();
                }
                out.push_str(text);
            }
            Token::Word("while") if scan.depth == 0 && line_start => {
                line_start = false;
                match scan.condition() {
                    Some((condition, body)) => write_loop(&mut out, indent, condition, body),
                    None => out.push_str("while"),
                }
            }
            Token::Word(word) => {
                out.push_str(&renamed(word));
                line_start = false;
            }
            Token::Text(text) if text.contains('\n') && scan.depth == 0 && text.starts_with('\\') => {
                out.push_str(text);
            }
            Token::Text(text) => {
                out.push_str(&renamed_symbol(text));
                // after a semicolon a loop cannot stand
                line_start = line_start && text.starts_with('#');
            }
        }
    }
    out
}

fn renamed(word: &str) -> Cow<'_, str> {
    match RESERVED.iter().find(|(theirs, _)| *theirs == word) {
        Some((_, ours)) => Cow::Borrowed(ours),
        None => Cow::Borrowed(word),
    }
}

/// A string that is the name of a symbol: `load('x', 'assert')`.
fn renamed_symbol(text: &str) -> Cow<'_, str> {
    let inner = text.strip_prefix(['"', '\'']).and_then(|t| t.strip_suffix(['"', '\'']));
    match inner.and_then(|name| RESERVED.iter().find(|(theirs, _)| *theirs == name)) {
        Some((theirs, ours)) => Cow::Owned(text.replace(theirs, ours)),
        None => Cow::Borrowed(text),
    }
}

/// `body`: its column and text, if the loop stands in one line.
fn write_loop(out: &mut String, indent: usize, condition: &str, body: Option<(usize, &str)>) {
    let inner = " ".repeat(indent + 1);
    let condition: String = translate(condition.to_owned());
    out.push_str(HEADER);
    match body {
        // the block's own indentation decides: the line that is added must have the same
        None => out.push_str(&format!("\n\u{0}{TEST}{condition}): break")),
        Some((column, body)) => {
            let body = translate(body.to_owned());
            out.push_str(&format!("\n{inner}{TEST}{condition}): break\n{inner}{BODY}{column}; {body}"));
        }
    }
}

/// Puts the indentation of each loop's block before the line that was added to it.
pub(crate) fn translated(source: String) -> String {
    let text = translate(source);
    if !text.contains('\u{0}') {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text.as_str();
    while let Some(mark) = rest.find('\u{0}') {
        let (before, after) = (&rest[..mark], &rest[mark + 1..]);
        out.push_str(before);
        out.push_str(block_indent(after));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The indentation of the first line with code that follows the added one, which may have several lines.
fn block_indent(added: &str) -> &str {
    let end = added.find("): break").map_or(0, |i| i + "): break".len());
    let code = added[end..].lines().skip(1).find(|l| {
        let trimmed = l.trim_start_matches(['\u{0}', ' ']);
        !trimmed.is_empty() && !trimmed.starts_with('#')
    });
    let line = code.unwrap_or(" pass");
    &line[..line.len() - line.trim_start_matches(' ').len()]
}

/// Line and column (from 0) of the Tiltfile for those of the translated source.
pub(crate) fn original(translated: &str, line: usize, column: usize) -> (usize, usize) {
    if !translated.contains(TEST) {
        return (line, column);
    }
    let (mut added, mut here) = (0, None);
    for (number, text) in translated.lines().enumerate().take(line + 1) {
        let code = text.trim_start();
        if code.starts_with(TEST) || code.starts_with(BODY) {
            added += 1;
            here = (number == line).then_some(text);
        }
    }
    (line.saturating_sub(added), here.map_or(column, |text| original_column(translated, line, text, column)))
}

/// The column for one in a line that was added.
fn original_column(translated: &str, line: usize, text: &str, column: usize) -> usize {
    let code = text.trim_start();
    let indent = text.len() - code.len();
    if code.starts_with(TEST) {
        return column.saturating_sub(indent + TEST.len()) + header_indent(translated, line) + "while ".len();
    }
    let after = &code[BODY.len()..];
    let digits = after.find(';').unwrap_or(0);
    let start: usize = after[..digits].parse().unwrap_or(0);
    column.saturating_sub(indent + BODY.len() + digits + "; ".len()) + start
}

/// The indentation of the loop that an added line belongs to.
fn header_indent(translated: &str, line: usize) -> usize {
    let before: Vec<&str> = translated.lines().take(line).collect();
    let header = before.iter().rev().find(|l| l.trim_start().starts_with(HEADER));
    header.map_or(0, |l| l.len() - l.trim_start().len())
}

enum Token<'s> {
    Newline,
    Space(&'s str),
    Word(&'s str),
    /// Strings, comments, numbers, operators.
    Text(&'s str),
}

struct Scan<'s> {
    text: &'s str,
    at: usize,
    /// Open brackets.
    depth: usize,
}

impl<'s> Scan<'s> {
    fn next(&mut self) -> Option<Token<'s>> {
        let rest = &self.text[self.at..];
        let first = rest.chars().next()?;
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let run = |test: &dyn Fn(char) -> bool| rest.find(|c| !test(c)).unwrap_or(rest.len());
        let length = match first {
            '\n' => {
                self.at += 1;
                return Some(Token::Newline);
            }
            ' ' | '\r' => {
                let length = run(&|c| c == ' ' || c == '\r');
                self.at += length;
                return Some(Token::Space(&rest[..length]));
            }
            '#' => run(&|c| c != '\n'),
            '"' | '\'' => string_length(rest),
            c if is_word(c) => {
                let length = run(&is_word);
                let prefix = &rest[..length];
                match rest[length..].chars().next() {
                    Some('"' | '\'') if matches!(prefix, "r" | "b" | "rb" | "br") => {
                        length + string_length(&rest[length..])
                    }
                    _ => {
                        self.at += length;
                        return Some(Token::Word(prefix));
                    }
                }
            }
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            c => {
                match c {
                    '(' | '[' | '{' => self.depth += 1,
                    ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                c.len_utf8()
            }
        };
        self.at += length;
        Some(Token::Text(&rest[..length]))
    }

    /// After `while`: the condition, and the body if it stands in the same line. `None`: this is no loop.
    fn condition(&mut self) -> Option<(&'s str, Option<(usize, &'s str)>)> {
        let (before, depth) = (self.at, self.depth);
        let mut lambdas = 0;
        while let Some(token) = self.next() {
            match token {
                Token::Newline if self.depth == depth => break,
                Token::Word("lambda") => lambdas += 1,
                Token::Text(":") if self.depth == depth && lambdas > 0 => lambdas -= 1,
                Token::Text(":") if self.depth == depth => {
                    let condition = self.text[before..self.at - 1].trim();
                    let rest = self.text[self.at..].split('\n').next().unwrap_or_default();
                    let code = rest.trim();
                    if code.is_empty() || code.starts_with('#') {
                        return Some((condition, None));
                    }
                    let start = self.at + rest.len() - rest.trim_start().len();
                    let column = self.text[..start].rsplit('\n').next().map_or(0, |l| l.chars().count());
                    self.at += rest.len();
                    return Some((condition, Some((column, code))));
                }
                _ => {}
            }
        }
        self.at = before;
        None
    }
}

/// Length of the string literal at the start; a prefix such as `r` does not matter here.
pub(crate) fn string_length(rest: &str) -> usize {
    let quote = &rest[..1];
    let triple = quote.repeat(3);
    let (close, mut at) = if rest.starts_with(&triple) { (triple.as_str(), 3) } else { (quote, 1) };
    while at < rest.len() {
        let tail = &rest[at..];
        if tail.starts_with(close) {
            return at + close.len();
        }
        if close.len() == 1 && tail.starts_with('\n') {
            return at;
        }
        let mut chars = tail.chars();
        at += match chars.next() {
            Some('\\') => 1 + chars.next().map_or(0, char::len_utf8),
            Some(c) => c.len_utf8(),
            None => 1,
        };
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn loops() {
        let source = "def f():\n    while a(\n      1):  # why\n        # x\n        b()\n        while c: d()\nx = 'while'\n\
            while lambda: 1:\n  break\nassert.equals('while x:', \"assert\")\nload('a', 'assert')\n";
        let text = translated(source.to_owned());
        expect![[r#"
            def f():
                for __while__item in __guard_loop_range(2147483647):
                    if __while__ and not (a(
                  1)): break  # why
                    # x
                    b()
                    for __while__item in __guard_loop_range(2147483647):
                     if __while__ and not (c): break
                     __while__; 17; d()
            x = 'while'
            for __while__item in __guard_loop_range(2147483647):
              if __while__ and not (lambda: 1): break
              break
            asserT.equals('while x:', "asserT")
            load('a', 'asserT')
        "#]]
        .assert_eq(&text);
    }

    /// Each word of the translation lies where it lay in the source.
    #[test]
    fn positions() {
        let source = "a\nwhile bb:\n  cc\n  while dd: ee\n  ff\ngg\n";
        let text = translated(source.to_owned());
        for word in ["bb", "cc", "dd", "ee", "ff", "gg"] {
            let place = |text: &str| {
                text.lines().enumerate().find_map(|(i, l)| Some((i, l.find(word)?))).unwrap_or_default()
            };
            let (line, column) = place(&text);
            assert_eq!(original(&text, line, column), place(source), "{word}");
        }
    }

    #[test]
    fn what_is_no_loop_stays() {
        for source in ["while", "while x\n", "x.while_ = 1\n", "'while", "while (:\n", "# while a:\n"] {
            assert_eq!(translated(source.to_owned()), source);
        }
    }
}
