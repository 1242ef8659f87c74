//! GET, with the machine's trust and proxies.

use kustomize::{Fetched, OutsideError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server says about an answer, to be asked with the next time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Validators {
    pub(super) etag: String,
    pub(super) last_modified: String,
}

pub(super) enum Answer {
    Fetched {
        fetched: Fetched,
        validators: Validators,
    },
    /// What the validators belong to is still the content.
    Unchanged,
}

/// `known` are the validators of a copy that is here.
pub(super) fn get(
    url: &str,
    known: Option<&Validators>,
    interrupt: &CancellationToken,
) -> Result<Answer, OutsideError> {
    // The process may have set a provider itself, which is as good.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let unreachable = |reason: String| OutsideError::Unreachable { url: without_password(url), reason };
    let asked = async {
        let client = reqwest::Client::builder()
            .user_agent(concat!("coracle/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE)
            .build()?;
        let mut request = client.get(url);
        if let Some(known) = known {
            for (name, value) in [("if-none-match", &known.etag), ("if-modified-since", &known.last_modified)]
            {
                if !value.is_empty() {
                    request = request.header(name, value);
                }
            }
        }
        let response = request.send().await?;
        let status = response.status();
        if status == reqwest::StatusCode::NOT_MODIFIED && known.is_some() {
            return Ok(Answer::Unchanged);
        }
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or("").to_string()
        };
        let validators = Validators { etag: header("etag"), last_modified: header("last-modified") };
        let body = response.bytes().await?.to_vec();
        let reason = status.canonical_reason().unwrap_or("").to_string();
        Ok(Answer::Fetched {
            fetched: Fetched { status: status.as_u16(), reason, body, warnings: Vec::new() },
            validators,
        })
    };
    super::wait(interrupt.run_until_cancelled(asked))
        .map_err(|e| unreachable(e.to_string()))?
        .ok_or_else(|| unreachable("interrupted".into()))?
        .map_err(|e: reqwest::Error| unreachable(innermost(&e.without_url())))
}

/// What went wrong in the end: the causes above it only tell which layer it went through.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Addresses may carry credentials, which have no place in messages.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let host_end = rest.find('/').unwrap_or(rest.len());
    match rest[..host_end].rfind('@') {
        Some(at) => format!("{scheme}://***@{}", &rest[at + 1..]),
        None => url.to_string(),
    }
}
