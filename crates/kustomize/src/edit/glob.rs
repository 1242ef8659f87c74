//! Shell patterns, by the rules of Go's `filepath`: `*` and `?` stay within a segment, `[a-z]`, `[^a]`, `\` escapes.

use super::Context;
use crate::error::{Error, Result};
use crate::path;

/// The files that patterns name; a pattern that names none is logged and left out.
pub(super) fn matching(context: &mut Context<'_>, patterns: &[String]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for pattern in patterns {
        let files = files(context, pattern)?;
        if files.is_empty() {
            context.log(format!("{pattern} has no match"));
        }
        found.extend(files);
    }
    Ok(found)
}

/// The files and directories that patterns name; one that names none must be a remote resource.
pub(super) fn matching_or_remote(
    context: &Context<'_>,
    patterns: &[String],
    is_verified: bool,
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for pattern in patterns {
        if !is_verified {
            found.push(pattern.clone());
            continue;
        }
        let files = files(context, pattern)?;
        if files.is_empty() && !is_remote(pattern) {
            let dir = context.files.canonical(context.dir).unwrap_or_else(|_| context.dir.to_string());
            let absolute = path::join(&dir, pattern);
            return Err(Error::new(format!(
                "{pattern} has no match: must build at directory: not a valid directory: evalsymlink failure on \
                 '{absolute}' : lstat {absolute}: no such file or directory"
            ))
            .hint("name a file or directory that exists, or add --no-verify"));
        }
        if files.is_empty() {
            found.push(pattern.clone());
        }
        found.extend(files);
    }
    Ok(found)
}

/// Whether a path is the address of something elsewhere.
fn is_remote(path: &str) -> bool {
    const STARTS: [&str; 5] = ["git::", "git@", "github.com/", "github.com:", "org-"];
    path.contains("://")
        || STARTS.iter().any(|start| path.to_lowercase().starts_with(start))
        || path.contains(".git")
}

/// What a pattern matches on disk, each path as the pattern spells it, sorted.
fn files(context: &Context<'_>, pattern: &str) -> Result<Vec<String>> {
    if !has_pattern(pattern) {
        let found = context.files.exists(&context.path(pattern));
        return Ok(if found { vec![pattern.to_string()] } else { Vec::new() });
    }
    // also where there is nothing to match, a wrong pattern is one
    matches(pattern, "")?;
    let (dir, last) = match pattern.rsplit_once('/') {
        Some(("", last)) => ("/", last),
        Some((dir, last)) => (dir, last),
        None => (".", pattern),
    };
    let dirs = if has_pattern(dir) { files(context, dir)? } else { vec![dir.to_string()] };
    let mut found = Vec::new();
    for dir in dirs {
        let listed = context.path(&dir);
        if !context.files.is_dir(&listed) {
            continue;
        }
        let mut names = context.files.list(&listed)?;
        names.sort();
        for name in names {
            if matches(last, &name)? {
                found.push(path::join(&dir, &name));
            }
        }
    }
    Ok(found)
}

fn has_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '\\'])
}

/// Whether a whole path fits a pattern.
pub(super) fn matches(pattern: &str, path: &str) -> Result<bool> {
    let tokens =
        tokens(pattern).ok_or_else(|| Error::new("syntax error in pattern").hint("close the bracket"))?;
    let path: Vec<char> = path.chars().collect();
    // where the last star stands, and how much it takes
    let (mut token, mut at, mut star) = (0, 0, None);
    while at < path.len() {
        match tokens.get(token) {
            Some(Token::Star) => {
                star = Some((token, at));
                token += 1;
            }
            Some(other) if other.fits(path[at]) => (token, at) = (token + 1, at + 1),
            _ => match star {
                Some((starred, taken)) if path[taken] != '/' => {
                    star = Some((starred, taken + 1));
                    (token, at) = (starred + 1, taken + 1);
                }
                _ => return Ok(false),
            },
        }
    }
    Ok(tokens[token..].iter().all(|token| *token == Token::Star))
}

#[derive(Debug, PartialEq)]
enum Token {
    Star,
    Any,
    One(char),
    Range { negated: bool, ranges: Vec<(char, char)> },
}

impl Token {
    fn fits(&self, c: char) -> bool {
        match self {
            Token::Star => false,
            Token::Any => c != '/',
            Token::One(own) => *own == c,
            Token::Range { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

fn tokens(pattern: &str) -> Option<Vec<Token>> {
    let mut chars = pattern.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => Token::One(chars.next()?),
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while ranges.is_empty() || chars.peek() != Some(&']') {
                    let mut one = || match chars.next()? {
                        '\\' => chars.next(),
                        c => Some(c),
                    };
                    let low = one()?;
                    let high = if chars.next_if_eq(&'-').is_some() { chars.next()? } else { low };
                    ranges.push((low, high));
                }
                chars.next();
                Token::Range { negated, ranges }
            }
            c => Token::One(c),
        });
    }
    Some(tokens)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        let cases = [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "a/b.yaml", false),
            ("*/*.yaml", "a/b.yaml", true),
            ("a*b*c", "a123b4bc", true),
            ("a*b*c", "a123b4bd", false),
            ("?", "é", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("\\*", "*", true),
            ("", "", true),
            ("*", "", true),
            ("a", "", false),
        ];
        for (pattern, path, want) in cases {
            assert_eq!(matches(pattern, path).unwrap(), want, "{pattern} {path}");
        }
        assert!(matches("[a", "a").is_err());
    }
}
