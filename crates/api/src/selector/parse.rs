//! The text of a label selector, read as upstream reads it and refused in its words.

use super::Test;
use crate::link::{label_key_problems, label_value_problems};
use std::collections::BTreeSet;

/// What a text is made of: words, and symbols of one or two characters. The end is an empty word of its own kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Word(&'t str),
    Symbol(&'t str),
    End,
}

impl<'t> Token<'t> {
    fn text(self) -> &'t str {
        match self {
            Token::Word(text) | Token::Symbol(text) => text,
            Token::End => "",
        }
    }
}

fn is_symbol(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    // Upstream's reader takes this character for the end.
    let mut rest = text.split('\0').next().unwrap_or_default();
    let mut tokens = Vec::new();
    loop {
        rest = rest.trim_start_matches(is_space);
        let Some(first) = rest.chars().next() else { break };
        let length = if !is_symbol(first) {
            rest.find(|c| is_symbol(c) || is_space(c)).unwrap_or(rest.len())
        } else if rest.starts_with("==") || rest.starts_with("!=") {
            2
        } else {
            1
        };
        let (token, behind) = rest.split_at(length);
        tokens.push(if is_symbol(first) { Token::Symbol(token) } else { Token::Word(token) });
        rest = behind;
    }
    tokens.push(Token::End);
    tokens
}

pub(super) fn terms(text: &str) -> Result<Vec<(String, Test)>, String> {
    let mut parser = Parser { tokens: tokens(text), at: 0 };
    let mut terms = Vec::new();
    loop {
        match parser.next() {
            Token::Word(_) | Token::Symbol("!") => {}
            Token::End => break,
            other => {
                return Err(format!("found '{}', expected: !, identifier, or 'end of string'", other.text()));
            }
        }
        terms.push(parser.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?);
        match (parser.take(), parser.next()) {
            (Token::End, _) => break,
            (Token::Symbol(","), Token::Word(_) | Token::Symbol("!")) => {}
            (Token::Symbol(","), other) => {
                return Err(format!("found '{}', expected: identifier after ','", other.text()));
            }
            (other, _) => {
                return Err(format!("found '{}', expected: ',' or 'end of string'", other.text()));
            }
        }
    }
    Ok(terms)
}

struct Parser<'t> {
    tokens: Vec<Token<'t>>,
    at: usize,
}

impl<'t> Parser<'t> {
    fn next(&self) -> Token<'t> {
        self.tokens.get(self.at).copied().unwrap_or(Token::End)
    }

    fn take(&mut self) -> Token<'t> {
        let token = self.next();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<(String, Test), String> {
        let mut first = self.take();
        let negated = first == Token::Symbol("!");
        if negated {
            first = self.take();
        }
        let Token::Word(key) = first else {
            return Err(format!("found '{}', expected: identifier", first.text()));
        };
        let problems = label_key_problems(key);
        if !problems.is_empty() {
            return Err(format!("<nil>: Invalid value: {key:?}: {}", problems.join("; ")));
        }
        if negated {
            return Ok((key.to_string(), Test::Absent));
        }
        if matches!(self.next(), Token::End | Token::Symbol(",")) {
            return Ok((key.to_string(), Test::Exists));
        }
        let operator = self.take();
        let values = match operator {
            Token::Word("in" | "notin") => self.values()?,
            Token::Symbol("=" | "==" | "!=" | ">" | "<") => BTreeSet::from([self.value()?]),
            _ => {
                let expected = "in, notin, =, ==, !=, gt, lt";
                return Err(format!("found '{}', expected: {expected}", operator.text()));
            }
        };
        test(key, operator.text(), values.into_iter().collect()).map(|test| (key.to_string(), test))
    }

    /// `(a, b)`; an empty place is an empty value.
    fn values(&mut self) -> Result<BTreeSet<&'t str>, String> {
        let open = self.take();
        if open != Token::Symbol("(") {
            return Err(format!("found '{}' expected: '('", open.text()));
        }
        let first = self.next();
        match first {
            Token::Symbol(")") => {
                self.take();
                return Ok(BTreeSet::from([""]));
            }
            Token::Word(_) | Token::Symbol(",") => {}
            other => return Err(format!("found '{}', expected: ',', ')' or identifier", other.text())),
        }
        let mut values = BTreeSet::new();
        loop {
            match (self.take(), self.next()) {
                (Token::Word(value), Token::Symbol(",")) => {
                    values.insert(value);
                }
                (Token::Word(value), Token::Symbol(")")) => {
                    values.insert(value);
                    break;
                }
                (Token::Word(_), other) => {
                    return Err(format!("found '{}', expected: ',' or ')'", other.text()));
                }
                (Token::Symbol(","), behind) => {
                    if values.is_empty() || matches!(behind, Token::Symbol("," | ")")) {
                        values.insert("");
                    }
                    if behind == Token::Symbol(")") {
                        break;
                    }
                }
                (other, _) => return Err(format!("found '{}', expected: ',', or identifier", other.text())),
            }
        }
        self.take();
        Ok(values)
    }

    fn value(&mut self) -> Result<&'t str, String> {
        match self.next() {
            Token::End | Token::Symbol(",") => Ok(""),
            Token::Word(value) => {
                self.take();
                Ok(value)
            }
            other => Err(format!("found '{}', expected: identifier", other.text())),
        }
    }
}

fn test(key: &str, operator: &str, values: Vec<&str>) -> Result<Test, String> {
    let mut problems = Vec::new();
    if matches!(operator, ">" | "<") {
        for (index, value) in values.iter().enumerate().filter(|(_, value)| integer(value).is_none()) {
            let what = "for 'Gt', 'Lt' operators, the value must be an integer";
            problems.push(format!("values[{index}]: Invalid value: {value:?}: {what}"));
        }
    }
    for (index, value) in values.iter().enumerate() {
        let wrong = label_value_problems(value);
        if !wrong.is_empty() {
            problems.push(format!("values[{index}][{key}]: Invalid value: {value:?}: {}", wrong.join("; ")));
        }
    }
    match problems.as_slice() {
        [] => {}
        [one] => return Err(one.clone()),
        many => return Err(format!("[{}]", many.join(", "))),
    }
    let number = || values.first().and_then(|value| integer(value)).unwrap_or_default();
    let owned = || values.iter().map(ToString::to_string).collect();
    Ok(match operator {
        "notin" | "!=" => Test::NotIn(owned()),
        ">" => Test::Greater(number()),
        "<" => Test::Less(number()),
        _ => Test::In(owned()),
    })
}

fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}
