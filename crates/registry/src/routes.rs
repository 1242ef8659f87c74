//! Which request is what. Repository names have slashes, so the path is read here and not by a router's patterns.

use crate::answer::{Refusal, Result};
use crate::uploads::Uploads;
use crate::{blobs, manifests, uploads};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use images::Images;
use std::collections::HashMap;
use std::sync::Arc;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) images: Images,
    pub(crate) names: Vec<String>,
    pub(crate) uploads: Uploads,
}

impl Registry {
    pub(crate) fn new(images: Images, names: Vec<String>) -> Registry {
        Registry { images, names, uploads: Uploads::default() }
    }
}

/// A request's path, read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    Base,
    Catalog,
    Tags { repository: &'a str },
    Manifest { repository: &'a str, reference: &'a str },
    Blob { repository: &'a str, digest: &'a str },
    Uploads { repository: &'a str },
    Upload { repository: &'a str, id: &'a str },
    Referrers { digest: &'a str },
}

pub(crate) fn router(registry: Registry) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(registry))
}

async fn answer(State(registry): State<Arc<Registry>>, request: Request) -> Response {
    let mut response = match route(registry, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    let version = HeaderValue::from_static("registry/2.0");
    response.headers_mut().insert("docker-distribution-api-version", version);
    response
}

async fn route(registry: Arc<Registry>, request: Request) -> Result<Response> {
    let path = request.uri().path().to_owned();
    let query = query(request.uri().query().unwrap_or_default());
    let target =
        target(&path).ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", path.clone()))?;
    let method = request.method().clone();
    match (&method, target) {
        (&Method::GET | &Method::HEAD, Target::Base) => Ok(axum::Json(serde_json::json!({})).into_response()),
        (&Method::GET, Target::Catalog) => manifests::catalog(&registry, &query),
        (&Method::GET, Target::Tags { repository }) => manifests::tags(&registry, repository, &query),
        (&Method::GET, Target::Referrers { digest }) => manifests::referrers(digest),
        (&Method::GET | &Method::HEAD, Target::Manifest { repository, reference }) => {
            manifests::get(&registry, repository, reference, method == Method::HEAD)
        }
        (&Method::PUT, Target::Manifest { repository, reference }) => {
            manifests::put(&registry, repository, reference, request.into_body()).await
        }
        (&Method::DELETE, Target::Manifest { repository, reference }) => {
            manifests::delete(&registry, repository, reference)
        }
        (&Method::GET | &Method::HEAD, Target::Blob { digest, .. }) => {
            let range = request.headers().get(header::RANGE).cloned();
            blobs::get(registry.clone(), digest, range, method == Method::HEAD).await
        }
        (&Method::DELETE, Target::Blob { digest, .. }) => blobs::delete(&registry, digest),
        (&Method::POST, Target::Uploads { repository }) => {
            uploads::start(&registry, repository, &query, request.into_body()).await
        }
        (&Method::PATCH, Target::Upload { repository, id }) => {
            let range = request.headers().get(header::CONTENT_RANGE).cloned();
            uploads::patch(&registry, repository, id, range, request.into_body()).await
        }
        (&Method::PUT, Target::Upload { repository, id }) => {
            uploads::finish(&registry, repository, id, &query, request.into_body()).await
        }
        (&Method::GET, Target::Upload { repository, id }) => uploads::status(&registry, repository, id).await,
        (&Method::DELETE, Target::Upload { id, .. }) => uploads::cancel(&registry, id),
        _ => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", format!("{method} {path}"))),
    }
}

pub(crate) fn target(path: &str) -> Option<Target<'_>> {
    let rest = path.strip_prefix("/v2")?;
    if rest.is_empty() || rest == "/" {
        return Some(Target::Base);
    }
    let rest = rest.strip_prefix('/')?;
    if rest == "_catalog" {
        return Some(Target::Catalog);
    }
    if let Some(repository) = rest.strip_suffix("/tags/list") {
        return Some(Target::Tags { repository });
    }
    if let Some(repository) =
        rest.strip_suffix("/blobs/uploads/").or_else(|| rest.strip_suffix("/blobs/uploads"))
    {
        return Some(Target::Uploads { repository });
    }
    let (before, last) = rest.rsplit_once('/')?;
    if let Some(repository) = before.strip_suffix("/blobs/uploads") {
        return Some(Target::Upload { repository, id: last });
    }
    if let Some(repository) = before.strip_suffix("/manifests") {
        return Some(Target::Manifest { repository, reference: last });
    }
    if before.ends_with("/referrers") {
        return Some(Target::Referrers { digest: last });
    }
    before.strip_suffix("/blobs").map(|repository| Target::Blob { repository, digest: last })
}

/// `a=b&c=d`; digests may come with their colon escaped.
fn query(text: &str) -> HashMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), unescape(value))).collect()
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let escaped = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A response with headers and no body, or one.
pub(crate) fn respond(status: StatusCode, headers: &[(&str, &str)], body: Body) -> Result<Response> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response
        .body(body)
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", error.to_string()))
}
