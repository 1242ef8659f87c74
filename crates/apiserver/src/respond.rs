//! Answers.

use api::{ApiError, Warnings};
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;
use std::collections::HashSet;

pub(crate) type Answer = Response<Body>;

pub(crate) fn json(code: StatusCode, value: &Value) -> Answer {
    bytes(code, serde_json::to_vec(value).expect("JSON values serialise").into())
}

pub(crate) fn bytes(code: StatusCode, bytes: Bytes) -> Answer {
    let mut answer = Response::new(Body::from(bytes));
    *answer.status_mut() = code;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    answer
}

pub(crate) fn text(code: StatusCode, text: impl Into<String>) -> Answer {
    let mut answer = Response::new(Body::from(text.into()));
    *answer.status_mut() = code;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

pub(crate) fn failure(error: &ApiError) -> Answer {
    let code = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = json(code, &error.status());
    let told = error.details["retryAfterSeconds"].as_u64();
    // Clients wait and ask again by themselves where they are told to. An eviction's refusal is for people to see.
    let otherwise = (matches!(error.code, 429 | 503) && error.details.is_null()).then_some(1);
    if let Some(seconds) = told.or(otherwise) {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

pub(crate) fn not_found() -> Answer {
    failure(&ApiError::new(404, "NotFound", "the server could not find the requested resource"))
}

/// `Warning: 299 - "…"`, which kubectl prints. Each once.
pub(crate) fn with_warnings(mut answer: Answer, warnings: &Warnings) -> Answer {
    let mut told = HashSet::new();
    for warning in warnings.take() {
        if !told.insert(warning.clone()) {
            continue;
        }
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"").replace(['\r', '\n'], " ");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            answer.headers_mut().append(header::WARNING, value);
        }
    }
    answer
}
