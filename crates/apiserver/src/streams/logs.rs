//! `pods/log`.

use crate::resources::Call;
use crate::respond::Answer;
use api::{LogRequest, Result};
use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Response, header};

pub(crate) async fn handle(call: Call) -> Result<Answer> {
    let node = super::node(&call)?;
    let pod = call.get()?;
    let query = &call.query;
    let text = |name: &str| Some(query.text(name).to_string()).filter(|text| !text.is_empty());
    let request = LogRequest {
        namespace: call.target.namespace.clone(),
        pod: call.target.name.clone(),
        container: super::container(&pod, query.text("container"))?,
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        tail_lines: query.number("tailLines")?,
        since_seconds: query.number("sinceSeconds")?,
        since_time: text("sinceTime"),
        limit_bytes: query.number("limitBytes")?,
    };
    let lines = node.logs(request).await?;
    let closing = call.inner.closing.clone();
    let body = stream::unfold((lines, closing), |(mut lines, closing)| async move {
        let bytes = tokio::select! {
            bytes = lines.recv() => bytes,
            () = closing.cancelled() => None,
        }?;
        Some((Ok::<Bytes, std::convert::Infallible>(bytes), (lines, closing)))
    });
    let mut answer = Response::new(Body::from_stream(body));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(answer)
}
