//! The part of JSONPath that names images: fields, indices, wildcards and `?(@.x=="y")` filters, as kubectl reads it.

use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub enum Segment {
    Field(String),
    Index(i64),
    All,
    /// Items whose field (a path) equals the text.
    Filter {
        path: Vec<String>,
        value: String,
        negated: bool,
    },
    Descendants(String),
}

/// `{.spec.containers[*].image}`; the braces may be missing.
pub fn parse(path: &str) -> Result<Vec<Segment>, String> {
    let inner = path.trim();
    let inner = match (inner.strip_prefix('{'), inner.ends_with('}')) {
        (Some(rest), true) => &rest[..rest.len() - 1],
        (None, false) => inner,
        _ => return Err("unclosed action".to_owned()),
    };
    let mut rest = inner.trim().trim_start_matches(['$', '@']);
    let mut segments = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("..") {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            segments.push(Segment::Descendants(after[..end].to_owned()));
            rest = &after[end..];
        } else if let Some(after) = rest.strip_prefix('.') {
            let (name, tail) = field_name(after);
            if name.is_empty() {
                return Err(format!("unexpected end of path at {rest:?}"));
            }
            segments.push(if name == "*" { Segment::All } else { Segment::Field(name) });
            rest = tail;
        } else if let Some(after) = rest.strip_prefix('[') {
            let end = closing(after).ok_or("unterminated array")?;
            segments.push(bracket(after[..end].trim())?);
            rest = &after[end + 1..];
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            return Err(format!("unrecognized identifier {}", &rest[..end]));
        }
    }
    if segments.is_empty() {
        return Err("empty path".to_owned());
    }
    Ok(segments)
}

/// A name up to the next `.` or `[`; `\.` stands for a dot.
fn field_name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, c)| c)),
            '.' | '[' => return (name, &text[i..]),
            c => name.push(c),
        }
    }
    (name, "")
}

fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, ']') => return Some(i),
            _ => {}
        }
    }
    None
}

fn bracket(text: &str) -> Result<Segment, String> {
    if text == "*" {
        return Ok(Segment::All);
    }
    if let Some(filter) = text.strip_prefix("?(").and_then(|t| t.strip_suffix(')')) {
        let (left, right, negated) = match (filter.split_once("=="), filter.split_once("!=")) {
            (Some((l, r)), _) => (l, r, false),
            (None, Some((l, r))) => (l, r, true),
            (None, None) => return Err(format!("filter {filter:?} has no == or !=")),
        };
        let path =
            left.trim().trim_start_matches('@').split('.').filter(|p| !p.is_empty()).map(str::to_owned);
        let value = right.trim().trim_matches(['"', '\'']).to_owned();
        return Ok(Segment::Filter { path: path.collect(), value, negated });
    }
    let unquoted = text.trim_matches(['"', '\'']);
    if unquoted.len() != text.len() {
        return Ok(Segment::Field(unquoted.to_owned()));
    }
    text.parse().map(Segment::Index).map_err(|_| format!("invalid array index {text}"))
}

/// Every place that the path names, for reading or writing.
pub fn select_mut<'o>(object: &'o mut Value, path: &[Segment], visit: &mut dyn FnMut(&mut Value)) {
    let Some((first, rest)) = path.split_first() else { return visit(object) };
    match (first, object) {
        (Segment::Field(name), Value::Object(map)) => {
            if let Some(child) = map.get_mut(name) {
                select_mut(child, rest, visit);
            }
        }
        (Segment::Index(i), Value::Array(items)) => {
            let index = if *i < 0 { items.len() as i64 + i } else { *i };
            if let Some(child) = usize::try_from(index).ok().and_then(|i| items.get_mut(i)) {
                select_mut(child, rest, visit);
            }
        }
        (Segment::All, Value::Array(items)) => items.iter_mut().for_each(|i| select_mut(i, rest, visit)),
        (Segment::All, Value::Object(map)) => map.values_mut().for_each(|v| select_mut(v, rest, visit)),
        (Segment::Filter { path, value, negated }, container) => {
            let fits = |item: &Value| {
                let field = path.iter().try_fold(item, |v, name| v.get(name));
                field.is_some_and(|f| match f.as_str() {
                    Some(text) => (text == value) != *negated,
                    None => (f.to_string().as_str() == value) != *negated,
                })
            };
            match container {
                Value::Array(items) => {
                    items.iter_mut().filter(|i| fits(i)).for_each(|i| select_mut(i, rest, visit))
                }
                Value::Object(map) => {
                    map.values_mut().filter(|v| fits(v)).for_each(|v| select_mut(v, rest, visit))
                }
                _ => {}
            }
        }
        (Segment::Descendants(name), object) => descend(object, name, rest, visit),
        _ => {}
    }
}

fn descend(object: &mut Value, name: &str, rest: &[Segment], visit: &mut dyn FnMut(&mut Value)) {
    match object {
        Value::Object(map) => {
            if let Some(child) = map.get_mut(name) {
                select_mut(child, rest, visit);
            }
            map.values_mut().for_each(|v| descend(v, name, rest, visit));
        }
        Value::Array(items) => items.iter_mut().for_each(|i| descend(i, name, rest, visit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths() {
        let object = json!({"spec": {"image": "a", "list": [{"name": "x", "image": "b"}, {"name": "y", "image": "c"}],
            "a.b": "d", "map": {"k": {"image": "e"}}}});
        for (path, want) in [
            ("{.spec.image}", vec!["a"]),
            (".spec.image", vec!["a"]),
            ("{.spec.list[*].image}", vec!["b", "c"]),
            ("{.spec.list[1].image}", vec!["c"]),
            ("{.spec.list[-1].image}", vec!["c"]),
            ("{.spec.list[?(@.name=='x')].image}", vec!["b"]),
            ("{.spec.list[?(@.name!=\"x\")].image}", vec!["c"]),
            ("{.spec['a.b']}", vec!["d"]),
            ("{.spec.map.*.image}", vec!["e"]),
            ("{.spec.none}", vec![]),
        ] {
            let mut found = Vec::new();
            let mut copy = object.clone();
            select_mut(&mut copy, &parse(path).unwrap(), &mut |v| found.push(v.as_str().unwrap().to_owned()));
            assert_eq!(found, want, "{path}");
        }
        assert!(parse("{foo()").is_err());
        assert!(parse("{foo()}").is_err());
    }
}
