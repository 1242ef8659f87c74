//! Which paths count for nothing: patterns in the language of `.dockerignore`, and editors' own files.

use crate::plan::Ignore;
use std::path::{Path, PathBuf};

/// Several [`Ignore`]s, ready to match. A path is ignored if one of them says so.
#[derive(Debug, Clone, Default)]
pub struct IgnoreSet {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    base: PathBuf,
    /// Empty: everything below base, base too.
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    /// Starts with `!`: takes back.
    exception: bool,
    has_wildcards: bool,
}

impl IgnoreSet {
    pub fn new<'i>(ignores: impl IntoIterator<Item = &'i Ignore>) -> IgnoreSet {
        let mut entries = Vec::new();
        for ignore in ignores {
            let patterns: Vec<Pattern> = ignore.patterns.iter().filter_map(|p| Pattern::parse(p)).collect();
            if patterns.is_empty() && !ignore.patterns.is_empty() {
                continue;
            }
            entries.push(Entry { base: ignore.base.clone(), patterns });
        }
        IgnoreSet { entries }
    }

    /// Changes of this path count for nothing.
    pub fn is_ignored(&self, path: &Path) -> bool {
        is_ephemeral(path) || self.entries.iter().any(|e| e.matches(path))
    }

    /// Nothing at or below this directory can count: no need to look there.
    pub fn prunes(&self, dir: &Path) -> bool {
        self.entries.iter().any(|e| e.matches(dir) && !e.wants_below(dir))
    }
}

impl Entry {
    /// An exception may take back something below the directory.
    fn wants_below(&self, dir: &Path) -> bool {
        let Ok(relative) = dir.strip_prefix(&self.base) else { return true };
        let inside = format!("{}/", relative.to_string_lossy());
        self.patterns.iter().filter(|p| p.exception).any(|p| {
            let literal = p.text.split(['*', '?', '[', '\\']).next().unwrap_or_default();
            literal.starts_with(&inside) || (p.has_wildcards && inside.starts_with(literal))
        })
    }

    fn matches(&self, path: &Path) -> bool {
        let Ok(relative) = path.strip_prefix(&self.base) else { return false };
        if self.patterns.is_empty() {
            return true;
        }
        let relative = relative.to_string_lossy();
        if relative.is_empty() {
            return false;
        }
        let mut ignored = false;
        for pattern in &self.patterns {
            // a pattern that cannot change the outcome need not be tried
            if ignored == pattern.exception && pattern.matches_it_or_parent(&relative) {
                ignored = !pattern.exception;
            }
        }
        ignored
    }
}

impl Pattern {
    fn parse(line: &str) -> Option<Pattern> {
        let mut text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let exception = text.starts_with('!');
        if exception {
            text = text[1..].trim();
        }
        let cleaned = crate::call::clean(Path::new(text));
        let text = cleaned.to_string_lossy().trim_start_matches('/').to_owned();
        if text.is_empty() || text == "." {
            // the whole base: as a pattern this is everything
            return Some(Pattern { text: "**".to_owned(), exception, has_wildcards: true });
        }
        let has_wildcards = text.contains(['*', '?', '[', '\\']);
        Some(Pattern { text, exception, has_wildcards })
    }

    fn matches_it_or_parent(&self, path: &str) -> bool {
        if !self.has_wildcards {
            return path
                .strip_prefix(self.text.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        }
        if glob(self.text.as_bytes(), path.as_bytes()) {
            return true;
        }
        path.char_indices()
            .filter(|(_, c)| *c == '/')
            .any(|(i, _)| glob(self.text.as_bytes(), &path.as_bytes()[..i]))
    }
}

/// `*` and `?` do not cross a slash, `**` does, `[a-z]` is a class, `\` takes the next character as it is.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', b'/', rest @ ..] => {
            glob(rest, text) || text.iter().enumerate().any(|(i, c)| *c == b'/' && glob(rest, &text[i + 1..]))
        }
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|i| glob(rest, &text[i..])),
        [b'*', rest @ ..] => {
            let end = text.iter().position(|c| *c == b'/').unwrap_or(text.len());
            (0..=end).any(|i| glob(rest, &text[i..]))
        }
        [b'?', rest @ ..] => matches!(text, [c, tail @ ..] if *c != b'/' && glob(rest, tail)),
        [b'[', rest @ ..] => match (text, class(rest)) {
            ([c, tail @ ..], Some((class, rest))) if *c != b'/' => class.contains(*c) && glob(rest, tail),
            _ => false,
        },
        [b'\\', c, rest @ ..] | [c, rest @ ..] => {
            matches!(text, [t, tail @ ..] if t == c && glob(rest, tail))
        }
    }
}

struct Class<'p> {
    negated: bool,
    members: &'p [u8],
}

impl Class<'_> {
    fn contains(&self, c: u8) -> bool {
        let mut members = self.members;
        let mut found = false;
        while let [first, rest @ ..] = members {
            if let [b'-', last, tail @ ..] = rest {
                found |= (*first..=*last).contains(&c);
                members = tail;
            } else {
                found |= *first == c;
                members = rest;
            }
        }
        found != self.negated
    }
}

/// After the `[`: the class, and what follows it.
fn class(pattern: &[u8]) -> Option<(Class<'_>, &[u8])> {
    let negated = matches!(pattern.first(), Some(b'^' | b'!'));
    let pattern = if negated { &pattern[1..] } else { pattern };
    let end = pattern.iter().skip(1).position(|c| *c == b']')? + 1;
    Some((Class { negated, members: &pattern[..end] }, &pattern[end + 1..]))
}

/// Files that editors and tools make for a moment beside the one that is edited.
pub fn is_ephemeral(path: &Path) -> bool {
    if path.components().any(|c| c.as_os_str() == ".idea") {
        return true;
    }
    let Some(name) = path.file_name().map(|n| n.to_string_lossy()) else { return false };
    let vim_swap = name.starts_with('.')
        && name.rsplit_once('.').is_some_and(|(stem, ext)| {
            let mut letters = ext.chars();
            !stem.is_empty()
                && ext.len() == 3
                && letters.next() == Some('s')
                && letters.next() == Some('w')
                && matches!(letters.next(), Some('p' | 'x' | 'o' | 'n'))
        });
    name.ends_with("___jb_tmp___")
        || name.ends_with("___jb_old___")
        || name.ends_with("___jb_bak___")
        || name.starts_with(".#")
        || (name.starts_with('#') && name.ends_with('#'))
        || name.ends_with('~')
        || name == "4913"
        || vim_swap
        || (name.starts_with('.') && name.ends_with(".kate-swp"))
        || name.ends_with("-go-tmp-umask")
}

/// The patterns of a `.dockerignore` file, without `./`, slashes at the ends and the like.
pub fn read_patterns(text: &str) -> Vec<String> {
    text.lines()
        .map(|l| l.trim_start_matches('\u{feff}').trim())
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .map(|line| {
            let (mark, path) = match line.strip_prefix('!') {
                Some(path) => ("!", path.trim()),
                None => ("", line),
            };
            let path = crate::call::clean(Path::new(path)).to_string_lossy().into_owned();
            let inner = path.trim_start_matches('/');
            format!("{mark}{}", if inner.is_empty() { path.as_str() } else { inner })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(patterns: &[&str], path: &str) -> bool {
        let ignore = Ignore {
            base: PathBuf::from("/p"),
            source: String::new(),
            patterns: patterns.iter().map(|p| (*p).to_owned()).collect(),
        };
        IgnoreSet::new([&ignore]).is_ignored(Path::new(path))
    }

    #[test]
    fn patterns() {
        for (patterns, path, want) in [
            (&["node_modules"][..], "/p/node_modules/x/y.js", true),
            (&["node_modules"], "/p/src/node_modules/x", false),
            (&["**/node_modules"], "/p/src/node_modules/x", true),
            (&["**/node_modules"], "/p/node_modules", true),
            (&["*.md", "!README.md"], "/p/README.md", false),
            (&["*.md", "!README.md"], "/p/other.md", true),
            (&["*.md"], "/p/docs/other.md", false),
            (&["**/*.md"], "/p/docs/a/other.md", true),
            (&["**", "!src"], "/p/src/a.rs", false),
            (&["**", "!src"], "/p/lib/a.rs", true),
            (&["a?c"], "/p/abc", true),
            (&["a?c"], "/p/a/c", false),
            (&["[a-c]x"], "/p/bx", true),
            (&["[^a-c]x"], "/p/bx", false),
            (&["/build/"], "/p/build/out", true),
            (&["./build"], "/p/build/out", true),
            (&["# comment"], "/p/# comment", false),
            (&["foo/**"], "/p/foo/a/b", true),
            (&["foo/**"], "/p/foobar", false),
            (&[], "/p/anything", true),
            (&[], "/q/anything", false),
            (&["x"], "/p", false),
        ] {
            assert_eq!(ignored(patterns, path), want, "{patterns:?} {path}");
        }
    }

    #[test]
    fn directories_that_need_not_be_entered() {
        let ignore = Ignore {
            base: PathBuf::from("/p"),
            source: String::new(),
            patterns: ["node_modules", "dist", "!dist/keep", "gen", "!gen/**/*.md"]
                .map(str::to_owned)
                .to_vec(),
        };
        let set = IgnoreSet::new([&ignore]);
        for (dir, want) in
            [("node_modules", true), ("dist", false), ("dist/x", true), ("gen", false), ("src", false)]
        {
            assert_eq!(set.prunes(&Path::new("/p").join(dir)), want, "{dir}");
        }
    }

    #[test]
    fn editors() {
        for (name, want) in [
            ("/p/.main.py.swp", true),
            ("/p/main.py~", true),
            ("/p/#main.py#", true),
            ("/p/.#main.py", true),
            ("/p/4913", true),
            ("/p/main.py", false),
            ("/p/.swp", false),
            ("/p/.idea/workspace.xml", true),
        ] {
            assert_eq!(is_ephemeral(Path::new(name)), want, "{name}");
        }
    }
}
