//! Text becomes a path.

use super::{JsonPath, Node, Slice};
use serde_json::Value;

/// `{.spec.containers[*].image}`. Braces may be missing around all of it, where Tilt would take a text.
pub fn parse(path: &str) -> Result<JsonPath, String> {
    if !path.contains('{') && path.starts_with(['.', '$']) {
        return parse(&format!("{{{path}}}"));
    }
    let mut parts = Vec::new();
    let mut rest = path;
    while let Some(open) = rest.find('{') {
        if open > 0 {
            parts.push(vec![text(&rest[..open])]);
        }
        let (nodes, after) = action(&rest[open + 1..])?;
        parts.push(nodes);
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(vec![text(rest)]);
    }
    Ok(JsonPath { parts })
}

fn text(text: &str) -> Node {
    Node::Literal(Value::from(text))
}

/// What stands in braces of its own: a part of a filter or a union.
fn whole_action(inner: &str) -> Result<Vec<Node>, String> {
    action(&format!("{inner}}}")).map(|(nodes, _)| nodes)
}

/// Up to the brace that closes, and what follows it.
fn action(input: &str) -> Result<(Vec<Node>, &str), String> {
    let mut nodes = Vec::new();
    let mut rest = input;
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((nodes, after));
        }
        if let Some(after) = rest.strip_prefix("[?(") {
            let (node, after) = filter(after)?;
            nodes.push(node);
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("..") {
            nodes.push(Node::Recursive);
            rest = after;
            if after.starts_with(is_word) {
                let (node, after) = field(after);
                nodes.push(node);
                rest = after;
            }
            continue;
        }
        let Some(c) = rest.chars().next().filter(|c| !matches!(c, '\r' | '\n')) else {
            return Err("unclosed action".to_owned());
        };
        rest = match c {
            ' ' | '@' | '$' => &rest[1..],
            '[' => array(&rest[1..], &mut nodes)?,
            '"' | '\'' => push(&mut nodes, quoted(&rest[1..], c)?),
            '.' => push(&mut nodes, field(&rest[1..])),
            '+' | '-' | '0'..='9' => push(&mut nodes, number(rest)?),
            c if is_word(c) => push(&mut nodes, identifier(rest)),
            c => return Err(format!("unrecognized character in action: U+{:04X} '{c}'", u32::from(c))),
        };
    }
}

fn push<'t>(nodes: &mut Vec<Node>, (node, rest): (Node, &'t str)) -> &'t str {
    nodes.push(node);
    rest
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// What ends a name.
fn is_terminator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}

/// A name; what follows a backslash belongs to it.
fn field(input: &str) -> (Node, &str) {
    let mut name = String::new();
    let mut chars = input.char_indices();
    let mut end = input.len();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            name.extend(chars.next().map(|(_, c)| c).filter(|c| *c != '\\'));
        } else if is_terminator(c) {
            end = at;
            break;
        } else {
            name.push(c);
        }
    }
    let node = if name == "*" { Node::Wildcard } else { Node::Field(name) };
    (node, &input[end..])
}

fn identifier(input: &str) -> (Node, &str) {
    let (name, rest) = input.split_at(input.find(is_terminator).unwrap_or(input.len()));
    let node = match name {
        "true" => Node::Literal(Value::Bool(true)),
        "false" => Node::Literal(Value::Bool(false)),
        name => Node::Identifier(name.to_owned()),
    };
    (node, rest)
}

fn number(input: &str) -> Result<(Node, &str), String> {
    let digits = input.trim_start_matches(['+', '-']);
    let sign = (input.len() - digits.len()).min(1);
    let end = input[sign..].find(|c: char| c != '.' && !c.is_ascii_digit()).map_or(input.len(), |e| sign + e);
    let (text, rest) = input.split_at(end);
    let whole = text.strip_prefix('+').unwrap_or(text);
    if let Ok(n) = whole.parse::<i64>() {
        return Ok((Node::Literal(Value::from(n)), rest));
    }
    match whole.parse::<f64>() {
        Ok(n) => Ok((Node::Literal(Value::from(n)), rest)),
        Err(_) => Err(format!("cannot parse number {text}")),
    }
}

fn quoted(input: &str, quote: char) -> Result<(Node, &str), String> {
    const UNTERMINATED: &str = "unterminated quoted string";
    let mut out = String::new();
    let mut chars = input.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\n' => break,
            c if c == quote => return Ok((text(&out), &input[at + 1..])),
            '\\' => match chars.next().ok_or(UNTERMINATED)?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                c => out.push(c),
            },
            c => out.push(c),
        }
    }
    Err(UNTERMINATED.to_owned())
}

/// After `[`: indices, a key, a range, or several of them.
fn array<'t>(input: &'t str, nodes: &mut Vec<Node>) -> Result<&'t str, String> {
    let end = input.find([']', '\n']).filter(|at| input[*at..].starts_with(']'));
    let Some(end) = end else { return Err("unterminated array".to_owned()) };
    let (inner, rest) = (&input[..end], &input[end + 1..]);
    let inner = if inner == "*" { ":" } else { inner };
    if inner.contains(',') {
        let parts: Result<Vec<Vec<Node>>, String> =
            inner.split(',').map(|part| whole_action(&format!("[{}]", part.trim_matches(' ')))).collect();
        nodes.push(Node::Union(parts?));
        return Ok(rest);
    }
    let key = inner.strip_prefix('\'').and_then(|k| k.strip_suffix('\'')).filter(|k| !k.contains('\''));
    match key {
        Some(key) => nodes.extend(whole_action(&format!(".{key}"))?),
        None => nodes.push(Node::Slice(slice(inner)?)),
    }
    Ok(rest)
}

fn slice(inner: &str) -> Result<Slice, String> {
    let parts: Vec<&str> = inner.split(':').collect();
    let is_number = |part: &&str| part.strip_prefix('-').unwrap_or(part).chars().all(|c| c.is_ascii_digit());
    if parts.len() > 3 || !parts.iter().all(is_number) {
        return Err(format!("invalid array index {inner}"));
    }
    let value = |index: usize| match parts.get(index).filter(|part| !part.is_empty()) {
        None => Ok(None),
        Some(part) => part.parse().map(Some).map_err(|_| format!("array index {part} is not a number")),
    };
    let (start, end, step): (Option<i64>, Option<i64>, Option<i64>) = (value(0)?, value(1)?, value(2)?);
    let is_index = parts.len() == 1;
    let end = if is_index { Some(start.unwrap_or(0).saturating_add(1)) } else { end };
    Ok(Slice { start, end, step, is_index })
}

/// After `[?(`, up to `)]`; a parenthesis between quotes does not count.
fn filter(input: &str) -> Result<(Node, &str), String> {
    let (mut pair, mut closed, mut before) = (None, false, ' ');
    let mut end = None;
    for (at, c) in input.char_indices() {
        match c {
            '\n' => break,
            '"' | '\'' => match pair {
                None => pair = Some(c),
                Some(pair) => closed |= pair == c && before != '\\',
            },
            ')' if pair.is_some() == closed => {
                end = Some(at);
                break;
            }
            _ => {}
        }
        before = c;
    }
    let Some(end) = end else { return Err("unterminated filter".to_owned()) };
    let Some(rest) = input[end + 1..].strip_prefix(']') else {
        return Err("unclosed array expect ]".to_owned());
    };
    let inner = &input[..end];
    let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
    let at = inner.find(is_operator).unwrap_or(inner.len());
    let (left, tail) = inner.split_at(at);
    let (operator, right) = tail.split_at(tail.find(|c| !is_operator(c)).unwrap_or(tail.len()));
    if left.is_empty() || operator.is_empty() || right.is_empty() {
        return Ok((Node::Filter { left: whole_action(inner)?, comparison: None }, rest));
    }
    let comparison = Some((operator.to_owned(), whole_action(right)?));
    Ok((Node::Filter { left: whole_action(left)?, comparison }, rest))
}
