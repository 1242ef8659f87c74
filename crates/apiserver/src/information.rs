//! What the server says of itself: version, health, OpenAPI.

use crate::discovery;
use crate::gnostic;
use crate::link;
use crate::query::Query;
use crate::resources;
use crate::respond::{self, Answer};
use crate::server::Inner;
use api::Result;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

pub(crate) fn paths(inner: &Inner) -> Value {
    let mut paths = vec!["/api".to_string(), "/api/v1".into(), "/apis".into()];
    for (group, versions) in
        discovery::group_versions(inner).into_iter().filter(|(group, _)| !group.is_empty())
    {
        paths.push(format!("/apis/{group}"));
        paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
    }
    paths.extend(
        ["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
            .map(String::from),
    );
    json!({ "paths": paths })
}

pub(crate) fn version(inner: &Inner) -> Value {
    let version = match inner.options.version.as_str() {
        "" => link::VERSION,
        given => given,
    };
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    json!({
        "major": major, "minor": minor, "gitVersion": version, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("linux/{}", if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }),
    })
}

/// The API answers as soon as there is one, so every check passes.
pub(crate) fn health(endpoint: &str, rest: &[&str], query: &Query) -> Answer {
    if rest.is_empty() && query.all("verbose").is_empty() {
        return respond::text(StatusCode::OK, "ok");
    }
    match rest {
        [] => respond::text(StatusCode::OK, format!("[+]ping ok\n[+]log ok\n{endpoint} check passed\n")),
        ["ping" | "log" | "etcd"] => respond::text(StatusCode::OK, "ok"),
        _ => respond::not_found(),
    }
}

pub(crate) fn openapi_v3_index(inner: &Inner) -> Value {
    let mut paths = serde_json::Map::new();
    for path in link::openapi_v3_paths(&inner.api) {
        let hash = inner.openapi.hash(&inner.api, &path);
        paths.insert(path.clone(), json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}") }));
    }
    json!({ "paths": paths })
}

pub(crate) fn openapi_v3(inner: &Inner, path: &str) -> Result<Answer> {
    let document = inner.openapi.document(&inner.api, path).ok_or_else(resources::missing)?;
    Ok(respond::bytes(StatusCode::OK, document))
}

pub(crate) fn openapi_v2(inner: &Inner, headers: &HeaderMap) -> Result<Answer> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let protobuf = gnostic::ASKED.iter().any(|media| accept.contains(media));
    let document = inner.openapi.v2(&inner.api, protobuf).ok_or_else(resources::missing)?;
    let mut answer = respond::bytes(StatusCode::OK, document);
    if protobuf {
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(gnostic::MEDIA));
    }
    Ok(answer)
}

/// `/.well-known/openid-configuration`: who issues ServiceAccount tokens, for those who check them themselves.
pub(crate) fn token_issuer(inner: &Inner) -> Result<Answer> {
    let Some((issuer, _)) = &inner.options.token_keys else { return Err(resources::missing()) };
    let document = json!({
        "issuer": issuer, "jwks_uri": format!("{issuer}/openid/v1/jwks"),
        "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    Ok(respond::json(StatusCode::OK, &document))
}

/// `/openid/v1/jwks`.
pub(crate) fn token_keys(inner: &Inner) -> Result<Answer> {
    let Some((_, keys)) = &inner.options.token_keys else { return Err(resources::missing()) };
    Ok(respond::json(StatusCode::OK, keys))
}
