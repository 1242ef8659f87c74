//! Image names, read and written as Docker does.

use crate::Digest;
use std::fmt;

/// An image name with everything that a short name leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// `docker.io`, `localhost:5000`, `codex-registry.localhost:5111`.
    pub registry: String,
    /// `library/nginx`.
    pub repository: String,
    /// `latest` when neither tag nor digest was given.
    pub tag: Option<String>,
    pub digest: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error("the image name is empty")]
    Empty,
    #[error("invalid image name `{name}`: the repository must be lower case")]
    UpperCase { name: String },
    #[error("invalid image name `{name}`: {part} `{text}` has a character that it must not have")]
    Character { name: String, part: &'static str, text: String },
    #[error("invalid image name `{name}`: the tag is longer than 128 characters")]
    LongTag { name: String },
    #[error("invalid image name `{name}`: `{text}` is not a digest (sha256: and 64 hex digits)")]
    Digest { name: String, text: String },
}

impl Reference {
    pub fn parse(name: &str) -> Result<Reference, ReferenceError> {
        if name.is_empty() {
            return Err(ReferenceError::Empty);
        }
        let (rest, digest) = match name.split_once('@') {
            None => (name, None),
            Some((rest, text)) => {
                let digest = Digest::parse(text)
                    .map_err(|_| ReferenceError::Digest { name: name.to_owned(), text: text.to_owned() })?;
                (rest, Some(digest))
            }
        };
        let (registry, path) = split_registry(rest);
        let (path, tag) = match path.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (path, None),
        };
        check_repository(name, path)?;
        check_registry(name, registry)?;
        if let Some(tag) = tag {
            check_tag(name, tag)?;
        }
        let repository = if registry == "docker.io" && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        let tag = match (tag, &digest) {
            (None, None) => Some("latest".to_owned()),
            (tag, _) => tag.map(str::to_owned),
        };
        Ok(Reference { registry: registry.to_owned(), repository, tag, digest })
    }

    /// `docker.io/library/nginx`: without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same repository under another tag.
    pub fn with_tag(&self, tag: &str) -> Reference {
        Reference { tag: Some(tag.to_owned()), digest: None, ..self.clone() }
    }

    /// As people write it: `nginx:1.22` for `docker.io/library/nginx:1.22`.
    pub fn familiar(&self) -> String {
        let whole = self.to_string();
        let short = whole.strip_prefix("docker.io/").unwrap_or(&whole);
        short.strip_prefix("library/").unwrap_or(short).to_owned()
    }

    /// Is the registry on this machine (and so spoken to without TLS)?
    pub fn is_local(&self) -> bool {
        let host = self.registry.rsplit_once(':').map_or(self.registry.as_str(), |(host, _)| host);
        host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") || host == "[::1]"
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// The first part names a registry when it could not be a Docker Hub user: it has a dot, a port or capitals, or is `localhost`.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            let registry = match first {
                "index.docker.io" | "registry-1.docker.io" => "docker.io",
                other => other,
            };
            (registry, rest)
        }
        _ => ("docker.io", name),
    }
}

fn check_registry(name: &str, registry: &str) -> Result<(), ReferenceError> {
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) if !registry.ends_with(']') => (host, Some(port)),
        _ => (registry, None),
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good_host = match inner {
        Some(address) => address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        }),
    };
    let good_port = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    if good_host && good_port {
        Ok(())
    } else {
        Err(ReferenceError::Character { name: name.to_owned(), part: "registry", text: registry.to_owned() })
    }
}

fn check_repository(name: &str, path: &str) -> Result<(), ReferenceError> {
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(ReferenceError::UpperCase { name: name.to_owned() });
    }
    for part in path.split('/') {
        let edges = part.starts_with(['.', '_', '-']) || part.ends_with(['.', '_', '-']);
        let inside = part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
        if part.is_empty() || edges || !inside || part.contains("..") || part.contains("___") {
            return Err(ReferenceError::Character {
                name: name.to_owned(),
                part: "repository",
                text: path.to_owned(),
            });
        }
    }
    Ok(())
}

fn check_tag(name: &str, tag: &str) -> Result<(), ReferenceError> {
    if tag.len() > 128 {
        return Err(ReferenceError::LongTag { name: name.to_owned() });
    }
    let good = !tag.is_empty()
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if good {
        Ok(())
    } else {
        Err(ReferenceError::Character { name: name.to_owned(), part: "tag", text: tag.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(names: &[&str], expect: Expect) {
        let lines: Vec<String> = names
            .iter()
            .map(|name| match Reference::parse(name) {
                Ok(reference) => {
                    let local = if reference.is_local() { " local" } else { "" };
                    format!("{reference} | {}{local}\n", reference.familiar())
                }
                Err(error) => format!("error: {error}\n"),
            })
            .collect();
        expect.assert_eq(&lines.concat());
    }

    #[test]
    fn names_are_completed_as_docker_does() {
        let digest = format!("nginx@{}", Digest::of(b""));
        let both = format!("nginx:1@{}", Digest::of(b""));
        check(
            &[
                "nginx",
                "nginx:1.22",
                "python:3.11-slim",
                "grafana/grafana:9",
                "docker.io/nginx",
                "index.docker.io/library/nginx",
                "ghcr.io/OWNER/codex",
                "ghcr.io/owner/codex:dev",
                "localhost/a",
                "localhost:5000/a/b:c",
                "codex-registry.localhost:5111/codex-backend:tilt-0123",
                "registry:2",
                "[::1]:5000/a",
                &digest,
                &both,
            ],
            expect![[r#"
                docker.io/library/nginx:latest | nginx:latest
                docker.io/library/nginx:1.22 | nginx:1.22
                docker.io/library/python:3.11-slim | python:3.11-slim
                docker.io/grafana/grafana:9 | grafana/grafana:9
                docker.io/library/nginx:latest | nginx:latest
                docker.io/library/nginx:latest | nginx:latest
                error: invalid image name `ghcr.io/OWNER/codex`: the repository must be lower case
                ghcr.io/owner/codex:dev | ghcr.io/owner/codex:dev
                localhost/a:latest | localhost/a:latest local
                localhost:5000/a/b:c | localhost:5000/a/b:c local
                codex-registry.localhost:5111/codex-backend:tilt-0123 | codex-registry.localhost:5111/codex-backend:tilt-0123 local
                docker.io/library/registry:2 | registry:2
                [::1]:5000/a:latest | [::1]:5000/a:latest local
                docker.io/library/nginx@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 | nginx@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
                docker.io/library/nginx:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 | nginx:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
            "#]],
        );
    }

    #[test]
    fn bad_names_are_refused() {
        check(
            &[
                "",
                "a//b",
                "../x",
                "a:",
                "a:b/c",
                "a b",
                "host.:5/a",
                "a.b:x/y",
                "nginx@sha256:12",
                "-a",
                "a:.x",
            ],
            expect![[r#"
                error: the image name is empty
                error: invalid image name `a//b`: repository `a//b` has a character that it must not have
                error: invalid image name `../x`: registry `..` has a character that it must not have
                error: invalid image name `a:`: tag `` has a character that it must not have
                error: invalid image name `a:b/c`: registry `a:b` has a character that it must not have
                error: invalid image name `a b`: repository `a b` has a character that it must not have
                error: invalid image name `host.:5/a`: registry `host.:5` has a character that it must not have
                error: invalid image name `a.b:x/y`: registry `a.b:x` has a character that it must not have
                error: invalid image name `nginx@sha256:12`: `sha256:12` is not a digest (sha256: and 64 hex digits)
                error: invalid image name `-a`: repository `-a` has a character that it must not have
                error: invalid image name `a:.x`: tag `.x` has a character that it must not have
            "#]],
        );
    }
}
