//! Which rule a request falls under. Pure.
//!
//! As in nginx, the host chooses a group of rules and the path a rule of that group; a path that the group does
//! not have is not looked for in other groups. Only the default backend of an Ingress also serves its own hosts.

use crate::Route;
use std::collections::HashMap;

#[derive(Default)]
pub(super) struct Table {
    /// By host in lower case; wildcards as they are written; `""` for rules without a host.
    groups: HashMap<String, Vec<Route>>,
}

impl Table {
    pub(super) fn new(routes: Vec<Route>) -> Table {
        let mut groups: HashMap<String, Vec<Route>> = HashMap::new();
        for route in routes {
            let host = route.host.as_deref().unwrap_or_default().to_ascii_lowercase();
            groups.entry(host).or_default().push(route);
        }
        for group in groups.values_mut() {
            // Longest first, exact before prefix; of two equal rules the earlier one, since the sort is stable.
            group.sort_by_key(|route| (std::cmp::Reverse(prefix(&route.path).len()), !route.exact));
        }
        Table { groups }
    }

    /// `host` may have a port, `path` is as the client sent it.
    pub(super) fn find(&self, host: &str, path: &str) -> Option<&Route> {
        let host = without_port(host).trim_end_matches('.').to_ascii_lowercase();
        let path = normal(path);
        let wildcard = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let keys = [Some(host), wildcard];
        let named = keys.iter().flatten().filter(|key| !key.is_empty()).find_map(|key| self.groups.get(key));
        let unnamed = self.groups.get("");
        let Some(group) = named else { return unnamed?.iter().find(|route| matches(route, &path)) };
        let default = |route: &&Route| {
            route.path == "/" && !route.exact && group.iter().any(|own| own.ingress == route.ingress)
        };
        let found = group.iter().find(|route| matches(route, &path));
        found.or_else(|| unnamed?.iter().find(default))
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = &Route> {
        self.groups.values().flatten()
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn prefix(path: &str) -> &str {
    path.trim_end_matches('/')
}

fn matches(route: &Route, path: &str) -> bool {
    if route.exact {
        return route.path == path;
    }
    let rest = path.strip_prefix(prefix(&route.path));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path that counts for the choice of a rule: decoded, without `.`, `..` and doubled slashes, so that no
/// spelling of a path slips past the rule for it.
fn normal(path: &str) -> String {
    let decoded = decode(path);
    let mut out: Vec<&str> = Vec::new();
    for element in decoded.split('/') {
        match element {
            "" | "." => {}
            ".." => {
                out.pop();
            }
            element => out.push(element),
        }
    }
    let slash = if decoded.ends_with('/') && !out.is_empty() { "/" } else { "" };
    format!("/{}{slash}", out.join("/"))
}

fn decode(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = path.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    /// Rules are `host path backend`, with `=` before an exact path and `-` for no host.
    fn check(rules: &str, requests: &str, expected: Expect) {
        let route = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Route {
                host: (words[0] != "-").then(|| words[0].to_string()),
                path: words[1].trim_start_matches('=').to_string(),
                exact: words[1].starts_with('='),
                ingress: words.get(3).unwrap_or(&"default/web").to_string(),
                backend: words[2].to_string(),
                endpoints: vec![],
            }
        };
        let lines = rules.lines().map(str::trim).filter(|line| !line.is_empty());
        let table = Table::new(lines.map(route).collect());
        let mut out = String::new();
        for request in requests.split_whitespace() {
            let (host, path) = request.split_at(request.find('/').unwrap());
            out.push_str(&format!("{request}: {}\n", table.find(host, path).map_or("404", |r| &r.backend)));
        }
        expected.assert_eq(&out);
    }

    #[test]
    fn prefixes_match_by_element_and_the_longest_wins() {
        check(
            "- / front
             - /api back
             - /api/v2/ new
             - =/api/v2 exact",
            "h/ h/api h/api/ h/api/x h/apix h/api/v2 h/api/v2/ h/api/v2/y h/api/v2x",
            expect![[r#"
                h/: front
                h/api: back
                h/api/: back
                h/api/x: back
                h/apix: front
                h/api/v2: exact
                h/api/v2/: new
                h/api/v2/y: new
                h/api/v2x: back
            "#]],
        );
    }

    #[test]
    fn hosts_come_before_wildcards_before_none() {
        check(
            "- / any
             *.example.com / wild
             a.example.com /api named",
            "a.example.com/api A.Example.COM:8080/api a.example.com/other b.example.com/ c.b.example.com/ example.com/ other/",
            expect![[r#"
                a.example.com/api: named
                A.Example.COM:8080/api: named
                a.example.com/other: any
                b.example.com/: wild
                c.b.example.com/: any
                example.com/: any
                other/: any
            "#]],
        );
        check(
            "- / any default/other
             a.example.com /api named",
            "a.example.com/other",
            expect![[r#"
                a.example.com/other: 404
            "#]],
        );
    }

    #[test]
    fn no_spelling_of_a_path_gets_past_its_rule() {
        check(
            "- / front
             - /admin admin",
            "h/%61dmin h//admin h/x/../admin h/./admin/. h/admin%2f..%2f..%2fx h/%zz h/admin?/",
            expect![[r#"
                h/%61dmin: admin
                h//admin: admin
                h/x/../admin: admin
                h/./admin/.: admin
                h/admin%2f..%2f..%2fx: front
                h/%zz: front
                h/admin?/: front
            "#]],
        );
    }
}
