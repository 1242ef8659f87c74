//! JSON for people: indented when asked for with `pretty`, or when curl, wget or a browser asks.

use crate::respond::Answer;
use axum::body::{Body, HttpBody};
use http::request::Parts;
use http::{HeaderValue, header};
use serde_json::Value;

/// Programs that somebody looks at.
const BY_HAND: [&str; 3] = ["curl", "Wget", "Mozilla/5.0"];

pub(crate) fn wanted(parts: &Parts) -> bool {
    let mut query = parts.uri.query().unwrap_or_default().split('&');
    if let Some(given) = query.find_map(|pair| pair.strip_prefix("pretty=")) {
        return matches!(given, "" | "1" | "t" | "T" | "true" | "TRUE" | "True");
    }
    let agent =
        parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    BY_HAND.iter().any(|program| agent.starts_with(program))
}

/// Watches, streams and what pods say stay as they are.
fn length(answer: &Answer) -> Option<u64> {
    let is = |name: header::HeaderName, value: &str| answer.headers().get(name).is_some_and(|v| v == value);
    let ours = is(header::CONTENT_TYPE, "application/json") && is(header::CACHE_CONTROL, "no-cache, private");
    answer.body().size_hint().exact().filter(|_| ours)
}

pub(crate) async fn indent(answer: Answer) -> Answer {
    let Some(length) = length(&answer) else { return answer };
    let (mut parts, body) = answer.into_parts();
    let limit = usize::try_from(length).unwrap_or(usize::MAX);
    let bytes = match axum::body::to_bytes(body, limit).await {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::debug!(%error, "an answer could not be read");
            return Answer::from_parts(parts, Body::empty());
        }
    };
    let text =
        serde_json::from_slice::<Value>(&bytes).ok().and_then(|value| serde_json::to_vec_pretty(&value).ok());
    let bytes = text.map_or(bytes, Into::into);
    if parts.headers.contains_key(header::CONTENT_LENGTH) {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    Answer::from_parts(parts, Body::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::respond;
    use http::{Request, StatusCode};
    use serde_json::json;

    #[test]
    fn who_wants_it() {
        for (uri, agent, expected) in [
            ("/api", "kubectl/v1.37.1", false),
            ("/api?pretty=true", "kubectl/v1.37.1", true),
            ("/api?limit=1&pretty", "kubectl/v1.37.1", false),
            ("/api", "curl/8.0", true),
            ("/api?pretty=false", "curl/8.0", false),
            ("/api", "Mozilla/5.0 (X11)", true),
        ] {
            let request = Request::get(uri).header(header::USER_AGENT, agent).body(()).expect("valid");
            assert_eq!(wanted(&request.into_parts().0), expected, "{uri} {agent}");
        }
    }

    #[tokio::test]
    async fn only_whole_answers_of_ours() {
        let answer = indent(respond::json(StatusCode::OK, &json!({ "b": 1, "a": [] }))).await;
        let text = axum::body::to_bytes(answer.into_body(), 1000).await.expect("read");
        assert_eq!(text, "{\n  \"b\": 1,\n  \"a\": []\n}");
        let answer = indent(respond::text(StatusCode::OK, "{\"a\":1}")).await;
        assert_eq!(axum::body::to_bytes(answer.into_body(), 1000).await.expect("read"), "{\"a\":1}");
    }
}
