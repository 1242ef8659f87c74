//! Uploads: in one piece, in chunks, or not at all because the blob is here already.

use crate::answer::{Refusal, Result};
use crate::names::parse_digest;
use crate::routes::{Registry, respond};
use axum::body::Body;
use axum::response::Response;
use futures::StreamExt as _;
use http::{HeaderValue, StatusCode};
use images::BlobWriter;
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Uploads that are open. A client that goes away leaves one behind; the oldest go when there are too many.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    open: Mutex<HashMap<String, Upload>>,
    count: AtomicU64,
}

type Upload = Arc<tokio::sync::Mutex<Option<BlobWriter>>>;

const MOST_OPEN: usize = 256;

impl Uploads {
    fn add(&self, writer: BlobWriter) -> String {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        // Ordered by age, and not to be guessed from another registry's: the process id makes them differ.
        let id = format!("{number:016x}-{:x}", std::process::id());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MOST_OPEN
            && let Some(oldest) = open.keys().min().cloned()
        {
            open.remove(&oldest);
        }
        open.insert(id.clone(), Arc::new(tokio::sync::Mutex::new(Some(writer))));
        id
    }

    fn get(&self, id: &str) -> Result<Upload> {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
            .ok_or_else(Refusal::no_upload)
    }

    fn remove(&self, id: &str) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(id).is_some()
    }
}

pub(crate) async fn start(
    registry: &Registry,
    repository: &str,
    query: &HashMap<String, String>,
    body: Body,
) -> Result<Response> {
    registry.candidates(repository, "latest")?;
    // A blob of another repository need not be sent: there is one store.
    if let Some(wanted) = query.get("mount") {
        let digest = parse_digest(wanted)?;
        if registry.images.has_blob(&digest) {
            return created(repository, digest.as_str());
        }
    }
    let writer = registry.images.writer()?;
    if let Some(wanted) = query.get("digest") {
        let expected = parse_digest(wanted)?;
        let (writer, _) = receive(writer, body).await?;
        let (digest, _) = writer.finish(Some(&expected))?;
        return created(repository, digest.as_str());
    }
    let id = registry.uploads.add(writer);
    progress(StatusCode::ACCEPTED, repository, &id, 0)
}

pub(crate) async fn patch(
    registry: &Registry,
    repository: &str,
    id: &str,
    range: Option<HeaderValue>,
    body: Body,
) -> Result<Response> {
    let upload = registry.uploads.get(id)?;
    let mut slot = upload.lock().await;
    let writer = slot.take().ok_or_else(Refusal::no_upload)?;
    let start = range
        .as_ref()
        .and_then(|range| range.to_str().ok())
        .and_then(|text| text.trim_start_matches("bytes ").split('-').next()?.trim().parse::<u64>().ok());
    let size = writer.size();
    if start.is_some_and(|start| start != size) {
        *slot = Some(writer);
        let message = format!("the next byte is {size}");
        return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", message));
    }
    let (writer, failed) = receive(writer, body).await?;
    let size = writer.size();
    *slot = Some(writer);
    match failed {
        Some(error) => Err(Refusal::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", error)),
        None => progress(StatusCode::ACCEPTED, repository, id, size),
    }
}

pub(crate) async fn finish(
    registry: &Registry,
    repository: &str,
    id: &str,
    query: &HashMap<String, String>,
    body: Body,
) -> Result<Response> {
    let expected = parse_digest(query.get("digest").map_or("", String::as_str))?;
    let upload = registry.uploads.get(id)?;
    let writer = upload.lock().await.take().ok_or_else(Refusal::no_upload)?;
    let (writer, failed) = receive(writer, body).await?;
    registry.uploads.remove(id);
    if let Some(error) = failed {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", error));
    }
    let finished = tokio::task::spawn_blocking(move || writer.finish(Some(&expected))).await;
    let (digest, _) = finished.map_err(|_| Refusal::no_upload())??;
    created(repository, digest.as_str())
}

pub(crate) async fn status(registry: &Registry, repository: &str, id: &str) -> Result<Response> {
    let upload = registry.uploads.get(id)?;
    let size = upload.lock().await.as_ref().map(BlobWriter::size).ok_or_else(Refusal::no_upload)?;
    progress(StatusCode::NO_CONTENT, repository, id, size)
}

pub(crate) fn cancel(registry: &Registry, id: &str) -> Result<Response> {
    if registry.uploads.remove(id) {
        respond(StatusCode::NO_CONTENT, &[], Body::empty())
    } else {
        Err(Refusal::no_upload())
    }
}

/// Writes what comes. What was received before a connection broke is kept, so that the client can go on.
async fn receive(mut writer: BlobWriter, body: Body) -> Result<(BlobWriter, Option<String>)> {
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        match chunk {
            // The page cache takes it; only `finish` waits for the disk.
            Ok(bytes) => writer.write_all(&bytes)?,
            Err(error) => return Ok((writer, Some(error.to_string()))),
        }
    }
    Ok((writer, None))
}

fn created(repository: &str, digest: &str) -> Result<Response> {
    let location = format!("/v2/{repository}/blobs/{digest}");
    let headers = [("location", location.as_str()), ("docker-content-digest", digest)];
    respond(StatusCode::CREATED, &headers, Body::empty())
}

fn progress(status: StatusCode, repository: &str, id: &str, size: u64) -> Result<Response> {
    let location = format!("/v2/{repository}/blobs/uploads/{id}");
    let range = format!("0-{}", size.saturating_sub(1));
    let headers = [
        ("location", location.as_str()),
        ("range", &range),
        ("docker-upload-uuid", id),
        ("content-length", "0"),
    ];
    respond(status, &headers, Body::empty())
}
