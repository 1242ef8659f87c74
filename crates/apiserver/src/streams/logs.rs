//! `pods/log`.

use crate::resources::Call;
use crate::respond::Answer;
use api::{ApiError, LogRequest, LogStream, Result};
use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Response, header};

pub(crate) async fn handle(call: Call) -> Result<Answer> {
    let node = super::node(&call)?;
    let pod = call.get()?;
    let query = &call.query;
    let text = |name: &str| Some(query.text(name).to_string()).filter(|text| !text.is_empty());
    let whole = |name: &str| -> Result<Option<i64>> { query.integer(name) };
    let wanted = Wanted {
        tail_lines: whole("tailLines")?,
        limit_bytes: whole("limitBytes")?,
        since_seconds: whole("sinceSeconds")?,
        since_time: text("sinceTime"),
        stream: text("stream"),
    };
    let causes = wanted.problems();
    if !causes.is_empty() {
        return Err(ApiError::invalid("podlogoptions", "PodLogOptions", &call.target.name, &causes));
    }
    let positive = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    let request = LogRequest {
        namespace: call.target.namespace.clone(),
        pod: call.target.name.clone(),
        container: super::container(&pod, query.text("container"))?,
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        tail_lines: positive(wanted.tail_lines),
        since_seconds: wanted.since_seconds,
        since_time: wanted.since_time,
        limit_bytes: positive(wanted.limit_bytes),
        stream: match wanted.stream.as_deref() {
            Some("Stdout") => LogStream::Stdout,
            Some("Stderr") => LogStream::Stderr,
            _ => LogStream::All,
        },
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

/// The options of a reader, as they were given.
#[derive(Debug, Default)]
struct Wanted {
    tail_lines: Option<i64>,
    limit_bytes: Option<i64>,
    since_seconds: Option<i64>,
    since_time: Option<String>,
    stream: Option<String>,
}

impl Wanted {
    /// Field, reason and text of what is wrong, in upstream's words.
    fn problems(&self) -> Vec<(String, String, String)> {
        let mut causes = Vec::new();
        let mut least = |field: &str, value: Option<i64>, least: i64, detail: &str| {
            if let Some(value) = value.filter(|value| *value < least) {
                let text = format!("Invalid value: {value}: {detail}");
                causes.push((field.to_string(), "FieldValueInvalid".to_string(), text));
            }
        };
        least("tailLines", self.tail_lines, 0, "must be greater than or equal to 0");
        least("limitBytes", self.limit_bytes, 1, "must be greater than 0");
        if self.since_time.is_none() {
            least("sinceSeconds", self.since_seconds, 1, "must be greater than 0");
        }
        let mut forbid = |detail: &str| {
            let text = format!("Forbidden: {detail}");
            causes.push((String::new(), "FieldValueForbidden".to_string(), text));
        };
        if self.since_time.is_some() && self.since_seconds.is_some() {
            forbid("at most one of `sinceTime` or `sinceSeconds` may be specified");
        }
        match self.stream.as_deref() {
            None | Some("All") => {}
            Some("Stdout" | "Stderr") => {
                if self.tail_lines.is_some() {
                    forbid("`tailLines` and specific `stream` are mutually exclusive for now");
                }
            }
            Some(other) => {
                let text = format!(
                    "Unsupported value: {other:?}: supported values: \"All\", \"Stderr\", \"Stdout\""
                );
                causes.push(("stream".into(), "FieldValueNotSupported".into(), text));
            }
        }
        causes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(wanted: &Wanted, expected: Expect) {
        let lines: Vec<String> =
            wanted.problems().into_iter().map(|(field, _, text)| format!("{field}: {text}")).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        let stream = |name: &str| Some(name.to_string());
        check(&Wanted { tail_lines: Some(0), limit_bytes: Some(1), ..Wanted::default() }, expect![[""]]);
        check(
            &Wanted {
                tail_lines: Some(-1),
                limit_bytes: Some(0),
                since_seconds: Some(0),
                ..Wanted::default()
            },
            expect![[r#"
                tailLines: Invalid value: -1: must be greater than or equal to 0
                limitBytes: Invalid value: 0: must be greater than 0
                sinceSeconds: Invalid value: 0: must be greater than 0"#]],
        );
        let since_time = Some("2026-01-01T00:00:00Z".to_string());
        check(
            &Wanted { since_seconds: Some(5), since_time, ..Wanted::default() },
            expect![": Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"],
        );
        check(&Wanted { stream: stream("Stderr"), ..Wanted::default() }, expect![[""]]);
        check(
            &Wanted { stream: stream("Stderr"), tail_lines: Some(3), ..Wanted::default() },
            expect![": Forbidden: `tailLines` and specific `stream` are mutually exclusive for now"],
        );
        check(&Wanted { stream: stream("All"), tail_lines: Some(3), ..Wanted::default() }, expect![[""]]);
        check(
            &Wanted { stream: stream("stdout"), ..Wanted::default() },
            expect![[r#"stream: Unsupported value: "stdout": supported values: "All", "Stderr", "Stdout""#]],
        );
    }
}
