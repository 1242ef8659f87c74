//! What differs from run to run: ages, times, addresses, generated names, versions.

use regex::Regex;

/// Letters of generated names: no vowels, so that they make no words.
const SAFE: &str = "[bcdfghjklmnpqrstvwxz2456789]";

pub struct Masks(Vec<(Regex, String)>);

impl Masks {
    /// `root`: the world's folder, which has a name of its own each time.
    pub fn new(root: &str) -> Self {
        let table = [
            (r"\x1b\[[0-9;]*m".into(), ""),
            (regex::escape(root), "ROOT"),
            (r"\be2e-\d+-\d+\b".into(), "CLUSTER"),
            (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)".into(), "TIME"),
            (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? [+-]\d{4}\b".into(), "TIME"),
            (r"/tmp/(LIVE|MERGED)-\d+".into(), "/tmp/$1"),
            (r"\b(\d+):3\d{4}/".into(), "$1:NODEPORT/"),
            (r"\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}".into(), "TIME"),
            (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b".into(), "UID"),
            (r"\bcoracle://[0-9a-f-]{36}_".into(), "coracle://UID_"),
            (r"\bsha256:[0-9a-f]{64}\b".into(), "DIGEST"),
            (r"\b127\.0\.0\.1:\d+".into(), "LOCAL:PORT"),
            (r"\b(\d{1,3}\.){3}\d{1,3}\b".into(), "IP"),
            (r#"(resourceVersion"?:\s*"?)\d+"#.into(), "${1}VERSION"),
            (r"(pod-template-hash(=|: |:))[0-9a-z]+".into(), "${1}HASH"),
            (format!(r"-{SAFE}{{8,10}}-{SAFE}{{5}}\b"), "-HASH-RAND"),
            (format!(r"-{SAFE}{{8,10}}\b"), "-HASH"),
            (format!(r"-{SAFE}{{5}}\b"), "-RAND"),
            (r"\b(\d+(\.\d+)?(ms|[smhd]))+\b".into(), "AGE"),
            (r"\s*\(AGE ago\)".into(), ""),
        ];
        let compile = |(pattern, with): (String, &str)| {
            (Regex::new(&pattern).expect("the patterns are ours"), with.to_owned())
        };
        Self(table.into_iter().map(compile).collect())
    }

    /// The lines of a text, masked; runs of blanks within them are one.
    pub fn apply(&self, text: &str) -> Vec<String> {
        text.lines().map(|line| self.line(line)).collect()
    }

    fn line(&self, line: &str) -> String {
        let mut out = line.trim_end().to_owned();
        for (pattern, with) in &self.0 {
            out = pattern.replace_all(&out, with.as_str()).into_owned();
        }
        let indent = out.len() - out.trim_start().len();
        let words: Vec<&str> = out.split_whitespace().collect();
        format!("{}{}", &out[..indent], words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_masked() {
        let masks = Masks::new("/tmp/world");
        for (line, expected) in [
            ("web-6d5fbbd597-x2lzq   1/1   Running   2 (3s ago)   4m5s", "web-HASH-RAND 1/1 Running 2 AGE"),
            ("  resourceVersion: \"812\"", "  resourceVersion: \"VERSION\""),
            ("at 2026-01-02T03:04:05.123Z from 127.0.0.1:4321", "at TIME from LOCAL:PORT"),
            ("pod/once-4kp2z on 10.42.0.9 in /tmp/world/project", "pod/once-RAND on IP in ROOT/project"),
            ("my-nginx is not generated", "my-nginx is not generated"),
        ] {
            assert_eq!(masks.apply(line), [expected], "{line}");
        }
    }
}
