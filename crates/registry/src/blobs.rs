//! Blobs: whole, or a range of one.

use crate::answer::{Refusal, Result};
use crate::names::parse_digest;
use crate::routes::{Registry, respond};
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use oci::Digest;
use std::io::SeekFrom;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

pub(crate) async fn get(
    registry: Arc<Registry>,
    digest: &str,
    range: Option<HeaderValue>,
    only_head: bool,
) -> Result<Response> {
    let parsed = parse_digest(digest)?;
    let size = registry.images.blob_size(&parsed).ok_or_else(|| Refusal::no_blob(digest))?;
    let range = range.as_ref().and_then(|range| range.to_str().ok()).map(|text| parse_range(text, size));
    let (start, end) = match range {
        None => (0, size),
        Some(Some(range)) => range,
        Some(None) => {
            let message = format!("the blob has {size} bytes");
            return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", message));
        }
    };
    let length = (end - start).to_string();
    let content_range = format!("bytes {start}-{}/{size}", end.saturating_sub(1));
    let mut headers = vec![
        ("content-type", "application/octet-stream"),
        ("content-length", length.as_str()),
        ("docker-content-digest", parsed.as_str()),
        ("accept-ranges", "bytes"),
    ];
    let status = if range.is_some() {
        headers.push(("content-range", &content_range));
        StatusCode::PARTIAL_CONTENT
    } else {
        StatusCode::OK
    };
    let body =
        if only_head { Body::empty() } else { stream(registry, parsed.clone(), start, end - start).await? };
    respond(status, &headers, body)
}

async fn stream(registry: Arc<Registry>, digest: Digest, start: u64, length: u64) -> Result<Body> {
    // A layer that was made here is packed now, if it was not before.
    let opened = tokio::task::spawn_blocking(move || registry.images.open_blob(&digest)).await;
    let file = opened.map_err(|_| Refusal::no_upload())??;
    let mut file = tokio::fs::File::from_std(file);
    file.seek(SeekFrom::Start(start)).await?;
    Ok(Body::from_stream(ReaderStream::with_capacity(file.take(length), 1 << 16)))
}

pub(crate) fn delete(registry: &Registry, digest: &str) -> Result<Response> {
    let parsed = parse_digest(digest)?;
    // Other repositories may use the blob; garbage collection takes it when nothing does.
    if registry.images.has_blob(&parsed) {
        respond(StatusCode::ACCEPTED, &[], Body::empty())
    } else {
        Err(Refusal::no_blob(digest))
    }
}

/// `bytes=0-99`, `bytes=100-`, `bytes=-100`: start and end (exclusive), or `None` if it is not in the blob.
fn parse_range(text: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(size)),
        (Ok(first), Err(_)) if last.is_empty() => (first, size),
        (Err(_), Ok(last)) if first.is_empty() => (size.saturating_sub(last), size),
        _ => return None,
    };
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::parse_range;

    #[test]
    fn ranges() {
        for (text, range) in [
            ("bytes=0-9", Some((0, 10))),
            ("bytes=90-", Some((90, 100))),
            ("bytes=-5", Some((95, 100))),
            ("bytes=50-500", Some((50, 100))),
            ("bytes=100-", None),
            ("bytes=9-3", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(parse_range(text, 100), range, "{text}");
        }
    }
}
