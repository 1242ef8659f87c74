//! Git repositories as kustomizations name them: `https://host/org/repo//path?ref=v1` and its relatives.
//!
//! The grammar is kustomize's own and older than any standard: what a text means here decides what is cloned, so it is
//! followed to the letter. Nothing here knows git; see [`crate::Outside::checkout`].

use std::time::Duration;

use regex::Regex;

use crate::path;

/// A repository, a commit of it and a directory in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// As it was written.
    pub raw: String,
    /// Scheme, user and host, with the separator behind them: `https://github.com/`, `git@host:`, `file://`.
    pub host: String,
    pub repo_path: String,
    /// The directory of the kustomization in the repository, as it was written.
    pub path: String,
    /// A branch, tag or commit; empty for the default branch.
    pub reference: String,
    pub submodules: bool,
    /// For each git command.
    pub timeout: Option<Duration>,
    /// It was written with the prefix `git::`, which kustomize strips with a warning.
    pub forced: bool,
}

/// Why a text names no repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRepository {
    #[error("uri looks like abs path: {raw}")]
    AbsolutePath { raw: String },
    #[error("failed to parse scheme")]
    Scheme,
    #[error("failed to parse host segment")]
    Host,
    #[error("failed to parse repo path segment")]
    RepoPath,
    #[error("url path exits repo: {path}")]
    ExitsRepository { path: String },
    #[error("the ref {reference:?} of a repository cannot begin with a dash")]
    Reference { reference: String },
}

const SCHEMES: [&str; 4] = ["ssh://", "https://", "http://", "file://"];
const FILE: &str = "file://";

impl Repository {
    pub fn parse(raw: &str) -> Result<Repository, NoRepository> {
        if raw.starts_with('/') {
            return Err(NoRepository::AbsolutePath { raw: raw.to_string() });
        }
        // a `?` begins the query wherever it stands
        let (address, query) = raw.split_once('?').unwrap_or((raw, ""));
        let query = Query::parse(query);
        let stripped = strip_prefix_ignoring_case(address, "git::");
        let (host, rest) = split_host(stripped.unwrap_or(address))?;
        let (repo_path, path) = split_path(rest, host == FILE)?;
        if query.reference.starts_with('-') {
            // git would take it for an option
            return Err(NoRepository::Reference { reference: query.reference });
        }
        Ok(Repository {
            raw: raw.to_string(),
            host,
            repo_path: repo_path.to_string(),
            path: path.to_string(),
            reference: query.reference,
            submodules: query.submodules,
            timeout: query.timeout,
            forced: stripped.is_some(),
        })
    }

    /// What git is to clone.
    pub fn clone_spec(&self) -> String {
        format!("{}{}", self.host, self.repo_path)
    }

    /// Whether the text can mean nothing but a repository: an http(s) address may also be that of a file.
    pub fn is_certain(&self) -> bool {
        if !self.host.starts_with("http") {
            return true;
        }
        let whole = self.raw.split('?').next().unwrap_or("");
        let after_scheme = whole.split_once("://").map_or("", |(_, rest)| rest);
        let is_file = is_file_name(whole);
        let marked =
            after_scheme.contains("//") || after_scheme.contains("/_git/") || whole.ends_with(".git");
        let served = ["archive", "blob", "raw", "releases"];
        let on_github = self.host == "https://github.com/"
            && !is_file
            && !served.contains(&self.path.split('/').next().unwrap_or(""));
        marked || on_github
    }
}

/// Whether an address looks like that of a file of resources.
pub(crate) fn is_file_name(address: &str) -> bool {
    let path = address.split('?').next().unwrap_or("");
    [".yaml", ".yml", ".json"].iter().any(|end| path.ends_with(end))
}

/// Scheme, user and host, and the rest.
fn split_host(address: &str) -> Result<(String, &str), NoRepository> {
    let scheme = SCHEMES.iter().find(|s| strip_prefix_ignoring_case(address, s).is_some()).copied();
    let after_scheme = scheme.map_or(address, |scheme| &address[scheme.len()..]);
    if scheme == Some(FILE) {
        // everything behind it is a path, even what looks like a user
        return Ok((FILE.to_string(), after_scheme));
    }
    let user = user_prefix(after_scheme);
    let rest = &after_scheme[user.len()..];
    let on_github =
        ["github.com/", "github.com:"].iter().any(|h| strip_prefix_ignoring_case(rest, h).is_some());
    // `user@host:path`, the way of scp; git would do without the user
    let scp = scheme.is_none() && (!user.is_empty() || on_github);
    if scheme.is_none() && !scp {
        return Err(NoRepository::Scheme);
    }
    let slash = rest.find('/');
    let colon = rest.find(':').filter(|at| scp && *at > 0);
    let end = match (slash, colon) {
        (Some(slash), Some(colon)) => Some(slash.min(colon)),
        (slash, colon) => slash.or(colon),
    };
    let (host, path) = end.map_or((rest, ""), |at| rest.split_at(at + 1));
    if on_github {
        let ssh = scheme == Some("ssh://") || !user.is_empty();
        let user = if user.is_empty() { "git@" } else { user };
        let host = if ssh { format!("{user}github.com:") } else { "https://github.com/".to_string() };
        return Ok((host, path));
    }
    if host.is_empty() {
        return Err(NoRepository::Host);
    }
    Ok((format!("{}{user}{host}", scheme.unwrap_or("")), path))
}

/// `name@`, or nothing.
fn user_prefix(text: &str) -> &str {
    let Some(at) = text.find('@') else { return "" };
    let name = &text[..at];
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_name { &text[..=at] } else { "" }
}

/// The repository and the directory in it.
fn split_path(text: &str, all_is_repository: bool) -> Result<(&str, &str), NoRepository> {
    let (repo, path) = if let Some(at) = text.find("_git/") {
        // one segment behind it names the repository
        let name = at + "_git/".len();
        let end = text[name..].find('/').map_or(text.len(), |slash| name + slash);
        (&text[..end], text[end..].strip_prefix('/').unwrap_or(""))
    } else if let Some(at) = text.find("//") {
        (&text[..at], &text[at + 2..])
    } else if let Some(at) = text.find(".git") {
        text.split_at(at + ".git".len())
    } else if all_is_repository {
        (text, "")
    } else {
        let first = text.find('/').ok_or(NoRepository::RepoPath)?;
        let end = text[first + 1..].find('/').map_or(text.len(), |slash| first + 1 + slash);
        (&text[..end], text[end..].strip_prefix('/').unwrap_or(""))
    };
    if repo.is_empty() {
        return Err(NoRepository::RepoPath);
    }
    let path = path.strip_prefix('/').unwrap_or(path);
    let cleaned = path::clean(path);
    if cleaned == ".." || cleaned.starts_with("../") {
        return Err(NoRepository::ExitsRepository { path: text.to_string() });
    }
    Ok((repo, path))
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

struct Query {
    reference: String,
    submodules: bool,
    timeout: Option<Duration>,
}

impl Query {
    /// A query that is no query says nothing.
    fn parse(text: &str) -> Query {
        let nothing = Query { reference: String::new(), submodules: true, timeout: None };
        let Some(pairs) = pairs(text) else { return nothing };
        let value = |name: &str| {
            let found = pairs.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        Query {
            reference: value("ref").or(value("version")).unwrap_or("").to_string(),
            submodules: value("submodules").and_then(go_bool).unwrap_or(true),
            timeout: value("timeout").and_then(go_duration),
        }
    }
}

/// The decoded pairs of a query; `None` where a `%` or `;` is wrong.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        if part.contains(';') {
            return None;
        }
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        pairs.push((decode(key)?, decode(value)?));
    }
    Some(pairs)
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digit = |b: Option<u8>| (b? as char).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                bytes.push(u8::try_from(high * 16 + low).expect("two digits are a byte"));
            }
            other => bytes.push(other),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Whole seconds, or as Go writes durations: `1h2m3.5s`. Nothing for zero and below.
fn go_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return (seconds > 0).then(|| Duration::from_secs(seconds));
    }
    let unit =
        Regex::new(r"^\+?((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+$").expect("it is a pattern");
    if !unit.is_match(text) {
        return None;
    }
    let part = Regex::new(r"([0-9.]+)(ns|us|µs|μs|ms|s|m|h)").expect("it is a pattern");
    let seconds: f64 = part
        .captures_iter(text)
        .map(|part| {
            let number: f64 = part[1].parse().unwrap_or(0.0);
            number
                * match &part[2] {
                    "h" => 3600.0,
                    "m" => 60.0,
                    "s" => 1.0,
                    "ms" => 1e-3,
                    "ns" => 1e-9,
                    _ => 1e-6,
                }
        })
        .sum();
    Duration::try_from_secs_f64(seconds).ok().filter(|d| !d.is_zero())
}

#[cfg(test)]
mod tests;
