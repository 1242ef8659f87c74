//! Errors as the distribution spec writes them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

/// A refusal: a status, and the code that clients know.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

pub(crate) type Result<T, E = Refusal> = std::result::Result<T, E>;

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, code, message: message.into() }
    }

    pub(crate) fn no_blob(digest: &str) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", format!("blob {digest} is not here"))
    }

    pub(crate) fn no_manifest(name: &str) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", format!("manifest {name} is not here"))
    }

    pub(crate) fn no_upload() -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")
    }

    pub(crate) fn digest(text: &str) -> Refusal {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "DIGEST_INVALID",
            format!("`{text}` is not the digest of the content"),
        )
    }
}

impl From<images::Error> for Refusal {
    fn from(error: images::Error) -> Refusal {
        let (status, code) = match &error {
            images::Error::NoBlob { .. } => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
            images::Error::NoImage { .. } => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
            images::Error::Reference(_) => (StatusCode::BAD_REQUEST, "NAME_INVALID"),
            images::Error::Damaged { .. } => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
            images::Error::Document { .. } => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
        };
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Refusal::new(status, code, format!("{error}{cause}"))
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"errors": [{"code": self.code, "message": self.message, "detail": null}]});
        (self.status, Json(body)).into_response()
    }
}
