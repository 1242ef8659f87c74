//! Which resources a patch target or a replacement picks.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::regexp::{Anchored, anchored};
use crate::resource::Resource;
use crate::spec::Selector;

/// A selector with its regular expressions compiled.
#[derive(Debug)]
pub(crate) struct Matcher {
    group: Option<Anchored>,
    version: Option<Anchored>,
    kind: Option<Anchored>,
    name: Option<Anchored>,
    namespace: Option<Anchored>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

impl Matcher {
    pub(crate) fn new(selector: &Selector) -> Result<Matcher> {
        Ok(Matcher {
            group: anchored(&selector.gvk.group)?,
            version: anchored(&selector.gvk.version)?,
            kind: anchored(&selector.gvk.kind)?,
            name: anchored(&selector.name)?,
            namespace: anchored(&selector.namespace)?,
            labels: parse_requirements(&selector.label_selector)?,
            annotations: parse_requirements(&selector.annotation_selector)?,
        })
    }

    /// Name and namespace match the original or the present ones, the kind the present one.
    pub(crate) fn matches(&self, resource: &Resource) -> bool {
        let (id, original) = (resource.id(), resource.original_id());
        let fits = |pattern: &Option<Anchored>, text: &str| pattern.as_ref().is_none_or(|r| r.is_match(text));
        fits(&self.group, &id.gvk.group)
            && fits(&self.version, &id.gvk.version)
            && fits(&self.kind, &id.gvk.kind)
            && (fits(&self.name, &original.name) || fits(&self.name, &id.name))
            && (fits(&self.namespace, original.effective_namespace())
                || fits(&self.namespace, id.effective_namespace()))
            && self.matches_metadata(resource)
    }

    pub(crate) fn matches_metadata(&self, resource: &Resource) -> bool {
        let all = |requirements: &[Requirement], field: &str| {
            requirements.is_empty() || {
                let empty = Map::new();
                let pairs = resource.meta_map(field).unwrap_or(&empty);
                requirements.iter().all(|requirement| requirement.holds(pairs))
            }
        };
        all(&self.labels, "labels") && all(&self.annotations, "annotations")
    }

    /// Group, version, kind, name and namespace of one id.
    pub(crate) fn matches_id(&self, id: &crate::id::ResId) -> bool {
        let fits = |pattern: &Option<Anchored>, text: &str| pattern.as_ref().is_none_or(|r| r.is_match(text));
        fits(&self.group, &id.gvk.group)
            && fits(&self.version, &id.gvk.version)
            && fits(&self.kind, &id.gvk.kind)
            && fits(&self.name, &id.name)
            && fits(&self.namespace, &id.namespace)
    }
}

/// One requirement of a label selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Requirement {
    Exists(String),
    Missing(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Greater(String, i64),
    Less(String, i64),
}

impl Requirement {
    fn holds(&self, pairs: &Map<String, Value>) -> bool {
        let text =
            |key: &str| pairs.get(key).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_string));
        let number = |key: &str| text(key).and_then(|t| t.parse::<i64>().ok());
        match self {
            Requirement::Exists(key) => pairs.contains_key(key),
            Requirement::Missing(key) => !pairs.contains_key(key),
            Requirement::In(key, values) => text(key).is_some_and(|t| values.contains(&t)),
            Requirement::NotIn(key, values) => text(key).is_none_or(|t| !values.contains(&t)),
            Requirement::Greater(key, n) => number(key).is_some_and(|v| v > *n),
            Requirement::Less(key, n) => number(key).is_some_and(|v| v < *n),
        }
    }
}

/// The grammar of `kubectl -l`: `a`, `!a`, `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a>1`, `a<1`.
pub(crate) fn parse_requirements(text: &str) -> Result<Vec<Requirement>> {
    split_outside_brackets(text).iter().map(|part| parse_requirement(part.trim(), text)).collect()
}

fn split_outside_brackets(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn parse_requirement(part: &str, whole: &str) -> Result<Requirement> {
    let bad = || Error::new(format!("unable to parse requirement: \"{part}\" in selector \"{whole}\""));
    let key = |text: &str| -> Result<String> {
        let text = text.trim();
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if text.is_empty() || !text.chars().all(fits) { Err(bad()) } else { Ok(text.to_string()) }
    };
    if let Some(rest) = part.strip_prefix('!') {
        return Ok(Requirement::Missing(key(rest)?));
    }
    for (word, negative) in [(" notin ", true), (" in ", false), (" notin(", true), (" in(", false)] {
        if let Some((left, right)) = part.split_once(word) {
            let list = right.trim().trim_start_matches('(').strip_suffix(')').ok_or_else(bad)?;
            let values = list.split(',').map(|v| v.trim().to_string()).collect();
            let name = key(left)?;
            return Ok(if negative {
                Requirement::NotIn(name, values)
            } else {
                Requirement::In(name, values)
            });
        }
    }
    for (operator, negative) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((left, right)) = part.split_once(operator) {
            if right.contains(['=', '!', '(', ')', ' ']) && right.trim().contains(['=', '!', '(', ')', ' ']) {
                return Err(bad());
            }
            let values = vec![right.trim().to_string()];
            let name = key(left)?;
            return Ok(if negative {
                Requirement::NotIn(name, values)
            } else {
                Requirement::In(name, values)
            });
        }
    }
    if let Some((left, right)) = part.split_once('>') {
        return Ok(Requirement::Greater(key(left)?, right.trim().parse().map_err(|_| bad())?));
    }
    if let Some((left, right)) = part.split_once('<') {
        return Ok(Requirement::Less(key(left)?, right.trim().parse().map_err(|_| bad())?));
    }
    Ok(Requirement::Exists(key(part)?))
}

#[cfg(test)]
mod tests {
    use super::{Requirement, parse_requirements};

    #[test]
    fn selectors() {
        let parsed = parse_requirements("a=b, c in (x, y),!d,e,f!=g,h notin (i),j>3").unwrap();
        let text = |s: &str| s.to_string();
        assert_eq!(
            parsed,
            [
                Requirement::In(text("a"), vec![text("b")]),
                Requirement::In(text("c"), vec![text("x"), text("y")]),
                Requirement::Missing(text("d")),
                Requirement::Exists(text("e")),
                Requirement::NotIn(text("f"), vec![text("g")]),
                Requirement::NotIn(text("h"), vec![text("i")]),
                Requirement::Greater(text("j"), 3),
            ]
        );
        assert!(parse_requirements("a b c").is_err());
    }
}
