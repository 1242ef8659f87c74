//! Manifests, tags and the catalog.

use crate::answer::{Refusal, Result};
use crate::names::page;
use crate::routes::{Registry, respond};
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use oci::{Digest, ManifestKind};
use serde_json::json;
use std::collections::HashMap;

/// Manifests are small; more than this is an attack or a mistake (the spec asks for 4 MiB at least).
const MOST: usize = 8 << 20;

pub(crate) fn get(
    registry: &Registry,
    repository: &str,
    reference: &str,
    only_head: bool,
) -> Result<Response> {
    let unknown = || Refusal::no_manifest(&format!("{repository}:{reference}"));
    let digest = registry.find(repository, reference)?.ok_or_else(unknown)?;
    let manifest = registry.images.manifest(digest.as_str())?.ok_or_else(unknown)?;
    let headers = [
        ("content-type", manifest.media_type.as_str()),
        ("content-length", &manifest.bytes.len().to_string()),
        ("docker-content-digest", manifest.digest.as_str()),
        ("etag", &format!("\"{}\"", manifest.digest)),
    ];
    let body = if only_head { Body::empty() } else { Body::from(manifest.bytes.clone()) };
    respond(StatusCode::OK, &headers, body)
}

pub(crate) async fn put(
    registry: &Registry,
    repository: &str,
    reference: &str,
    body: Body,
) -> Result<Response> {
    let bytes = axum::body::to_bytes(body, MOST).await.map_err(|_| {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID", "the manifest is larger than 8 MiB")
    })?;
    let kind = ManifestKind::parse(&bytes)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", error.to_string()))?;
    let missing = parts(&kind).into_iter().find(|digest| !registry.images.has_blob(digest));
    if let Some(missing) = missing {
        let message = format!("the manifest names {missing}, which is not here");
        return Err(Refusal::new(StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN", message));
    }
    let digest = match Digest::parse(reference) {
        Ok(expected) if expected != Digest::of(&bytes) => return Err(Refusal::digest(reference)),
        Ok(_) => registry.images.put_manifest(None, &bytes)?,
        Err(_) => {
            let names = registry.candidates(repository, reference)?;
            registry.images.put_manifest(names.first().map(String::as_str), &bytes)?
        }
    };
    let location = format!("/v2/{repository}/manifests/{digest}");
    let headers = [("location", location.as_str()), ("docker-content-digest", digest.as_str())];
    respond(StatusCode::CREATED, &headers, Body::empty())
}

/// A tag goes; by digest, all tags of the repository that stand for it go.
pub(crate) fn delete(registry: &Registry, repository: &str, reference: &str) -> Result<Response> {
    let wanted = Digest::parse(reference).ok();
    let mut is_gone = false;
    let names = registry.images.names()?;
    for tag in registry.tags(repository)?.unwrap_or_default() {
        for name in registry.candidates(repository, &tag)? {
            let is_meant = match &wanted {
                Some(digest) => names.get(&name).is_some_and(|text| text == digest.as_str()),
                None => tag == reference && names.contains_key(&name),
            };
            is_gone |= is_meant && registry.images.remove(&name)?;
        }
    }
    if is_gone {
        respond(StatusCode::ACCEPTED, &[], Body::empty())
    } else {
        Err(Refusal::no_manifest(&format!("{repository}:{reference}")))
    }
}

pub(crate) fn tags(
    registry: &Registry,
    repository: &str,
    query: &HashMap<String, String>,
) -> Result<Response> {
    let all = registry.tags(repository)?.ok_or_else(|| {
        Refusal::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", format!("there is no repository {repository}"))
    })?;
    let (tags, is_cut) = cut(all, query)?;
    let next = next(&format!("/v2/{repository}/tags/list"), &tags, is_cut, query);
    listed(&json!({"name": repository, "tags": tags}), next)
}

pub(crate) fn catalog(registry: &Registry, query: &HashMap<String, String>) -> Result<Response> {
    let (repositories, is_cut) = cut(registry.repositories()?, query)?;
    let next = next("/v2/_catalog", &repositories, is_cut, query);
    listed(&json!({ "repositories": repositories }), next)
}

/// Nothing here refers to anything else; clients then do not try the old way by tags.
pub(crate) fn referrers(digest: &str) -> Result<Response> {
    Digest::parse(digest).map_err(|_| Refusal::digest(digest))?;
    let body = json!({"schemaVersion": 2, "mediaType": oci::media::OCI_INDEX, "manifests": []});
    respond(StatusCode::OK, &[("content-type", oci::media::OCI_INDEX)], Body::from(body.to_string()))
}

/// What a manifest cannot do without. Layers that must not be distributed may be elsewhere.
fn parts(kind: &ManifestKind) -> Vec<Digest> {
    match kind {
        ManifestKind::Manifest(manifest) => {
            let layers = manifest.layers.iter().filter(|layer| !layer.extra.contains_key("urls"));
            layers.chain([&manifest.config]).map(|part| part.digest.clone()).collect()
        }
        ManifestKind::Index(_) => Vec::new(),
    }
}

fn cut(all: Vec<String>, query: &HashMap<String, String>) -> Result<(Vec<String>, bool)> {
    let count = query.get("n").map(|text| {
        text.parse::<usize>().map_err(|_| {
            Refusal::new(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", format!("n={text}"))
        })
    });
    Ok(page(all, query.get("last").map(String::as_str), count.transpose()?))
}

fn next(path: &str, names: &[String], is_cut: bool, query: &HashMap<String, String>) -> Option<String> {
    let last = names.last().filter(|_| is_cut)?;
    Some(format!("<{path}?n={}&last={last}>; rel=\"next\"", query.get("n").map_or("", String::as_str)))
}

fn listed(body: &serde_json::Value, next: Option<String>) -> Result<Response> {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(next.as_deref().map(|next| ("link", next)));
    respond(StatusCode::OK, &headers, Body::from(body.to_string()))
}
