//! `.dockerignore`: the last matching line decides, `!` takes back, and a pattern covers what is below it.

use crate::Glob;

#[derive(Debug, Clone, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    glob: Glob,
    /// `!pattern`: not ignored after all.
    keep: bool,
}

impl Ignore {
    pub fn parse(text: &str) -> Ignore {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Ignore { rules: text.lines().filter(|line| !line.starts_with('#')).filter_map(rule).collect() }
    }

    /// Patterns of `COPY --exclude`.
    pub fn excluding<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Ignore {
        Ignore { rules: patterns.into_iter().filter_map(rule).collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Is this path (relative to the context, with slashes) left out?
    pub fn ignores(&self, path: &str) -> bool {
        let mut ignored = false;
        for rule in &self.rules {
            if rule.keep == ignored && covers(&rule.glob, path) {
                ignored = !rule.keep;
            }
        }
        ignored
    }

    /// Need nothing below this folder be looked at: it is left out and no later line takes anything in it back?
    pub fn prunes(&self, folder: &str) -> bool {
        self.ignores(folder)
            && !self
                .rules
                .iter()
                .any(|rule| rule.keep && (rule.glob.may_match_below(folder) || covers(&rule.glob, folder)))
    }
}

/// Does a pattern match the path or a folder that it is in?
fn covers(glob: &Glob, path: &str) -> bool {
    if let Some(literal) = glob.literal() {
        return path.strip_prefix(literal).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    }
    glob.matches(path) || path.match_indices('/').any(|(at, _)| glob.matches(&path[..at]))
}

fn rule(line: &str) -> Option<Rule> {
    let line = line.trim();
    let (line, keep) = match line.strip_prefix('!') {
        Some(rest) => (rest.trim(), true),
        None => (line, false),
    };
    let pattern = clean(line);
    (!pattern.is_empty()).then(|| Rule { glob: Glob::deep(&pattern), keep })
}

/// As Go's `filepath.Clean`, without a slash in front; `.` means nothing here, for historical reasons.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if pattern.starts_with('/') => {}
            other => parts.push(other),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(ignore: &str, paths: &[&str], expect: Expect) {
        let ignore = Ignore::parse(ignore);
        let lines: Vec<String> = paths
            .iter()
            .map(|path| {
                let mark = match (ignore.ignores(path), ignore.prunes(path)) {
                    (true, true) => "pruned ",
                    (true, false) => "ignored",
                    (false, _) => "kept   ",
                };
                format!("{mark} {path}\n")
            })
            .collect();
        expect.assert_eq(&lines.concat());
    }

    #[test]
    fn the_last_match_wins() {
        check(
            "# comment\nnode_modules\n*.md\n!README.md\nREADME-secret.md\n",
            &[
                "node_modules",
                "node_modules/a",
                "x/node_modules",
                "a.md",
                "README.md",
                "README-secret.md",
                "x/a.md",
            ],
            expect![[r#"
                pruned  node_modules
                pruned  node_modules/a
                kept    x/node_modules
                pruned  a.md
                kept    README.md
                pruned  README-secret.md
                kept    x/a.md
            "#]],
        );
    }

    #[test]
    fn folders_are_entered_when_something_in_them_is_taken_back() {
        check(
            "*\n!src\n!a/b/*.py\n**/__pycache__\n/dist/\n./x/../y",
            &[
                "src",
                "src/m.py",
                "src/__pycache__/m.pyc",
                "a",
                "a/b",
                "a/c",
                "a/b/m.py",
                "a/b/m.txt",
                "dist",
                "y/z",
            ],
            expect![[r#"
                kept    src
                kept    src/m.py
                ignored src/__pycache__/m.pyc
                ignored a
                ignored a/b
                pruned  a/c
                kept    a/b/m.py
                pruned  a/b/m.txt
                pruned  dist
                pruned  y/z
            "#]],
        );
        check(
            "**\n!**/*.go",
            &["a", "a/b.go", "a/b.txt"],
            expect![[r#"
                ignored a
                kept    a/b.go
                ignored a/b.txt
            "#]],
        );
    }

    #[test]
    fn nothing_is_ignored_by_nothing() {
        check(
            "\n.\n  \n",
            &["a", "."],
            expect![[r#"
                kept    a
                kept    .
            "#]],
        );
    }
}
