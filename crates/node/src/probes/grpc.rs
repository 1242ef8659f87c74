//! gRPC probes: one call of `grpc.health.v1.Health/Check` over HTTP/2 without TLS. The messages are small enough to be
//! written and read by hand.

use super::{Target, dial, place};
use crate::shared::Shared;
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pod::Outcome;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

const OK: u32 = 0;
const UNIMPLEMENTED: u32 = 12;

/// A service that says so.
const SERVING: u64 = 1;

/// Longer answers are none to this question.
const MOST: usize = 4096;

/// The names of gRPC's codes, in their order.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

pub(super) async fn probe(
    shared: &Shared,
    target: Target,
    port: u16,
    service: &str,
    limit: Duration,
) -> Outcome {
    let address = place(target, "", port);
    let began = tokio::time::Instant::now();
    let failure = |output: String| Outcome::Failure { output };
    let stream = match tokio::time::timeout(limit, dial(shared, target, "", port)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(why)) => {
            return failure(format!("error: failed to connect service at \"{address}\": {why}"));
        }
        Err(_) => {
            return failure(format!(
                "timeout: failed to connect service \"{address}\" within {limit:?}: context deadline exceeded"
            ));
        }
    };
    let left = limit.saturating_sub(began.elapsed());
    match tokio::time::timeout(left, check(stream, &address, service)).await {
        Ok(outcome) => outcome,
        Err(_) => failure(format!("timeout: health rpc did not complete within {limit:?}")),
    }
}

async fn check(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    address: &str,
    service: &str,
) -> Outcome {
    match call(stream, address, service).await {
        Ok(SERVING) => Outcome::Success,
        Ok(status) => {
            let name = match status {
                0 => "UNKNOWN".to_owned(),
                2 => "NOT_SERVING".to_owned(),
                3 => "SERVICE_UNKNOWN".to_owned(),
                other => other.to_string(),
            };
            Outcome::Failure { output: format!("service unhealthy (responded with \"{name}\")") }
        }
        Err(Refused::Code(UNIMPLEMENTED, message)) => Outcome::Failure {
            output: format!(
                "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {message}"
            ),
        },
        Err(Refused::Code(code, message)) => {
            let known = usize::try_from(code).ok().and_then(|code| CODES.get(code));
            let code = known.map_or_else(|| format!("Code({code})"), |name| (*name).to_owned());
            Outcome::Failure {
                output: format!("error: health rpc probe failed: rpc error: code = {code} desc = {message}"),
            }
        }
        Err(Refused::Broken(why)) => Outcome::Failure {
            output: format!("error: health rpc probe failed: rpc error: code = Unavailable desc = {why}"),
        },
    }
}

enum Refused {
    Code(u32, String),
    Broken(String),
}

/// The status that the service has.
async fn call(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    address: &str,
    service: &str,
) -> Result<u64, Refused> {
    let broken = |error: hyper::Error| Refused::Broken(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .map_err(broken)?;
    let driver = Driver(tokio::spawn(connection));
    let request = http::Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "kube-probe/1.37")
        .body(Full::new(question(service)))
        .map_err(|error| Refused::Broken(error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let (parts, body) = answer.into_parts();
    // An answer without a body has its status among the headers.
    refused(&parts.headers)?;
    if parts.status != http::StatusCode::OK {
        let why = format!("unexpected HTTP status code received from server: {}", parts.status);
        return Err(Refused::Code(if parts.status == 404 { UNIMPLEMENTED } else { 2 }, why));
    }
    let whole = http_body_util::Limited::new(body, MOST)
        .collect()
        .await
        .map_err(|error| Refused::Broken(error.to_string()))?;
    if let Some(trailers) = whole.trailers() {
        refused(trailers)?;
    }
    drop(driver);
    status(&whole.to_bytes()).ok_or_else(|| Refused::Broken("the answer is no health status".into()))
}

/// Ends the connection with the call.
struct Driver(tokio::task::JoinHandle<Result<(), hyper::Error>>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn refused(headers: &HeaderMap) -> Result<(), Refused> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status").map(|code| code.parse::<u32>().unwrap_or(2)) {
        None | Some(OK) => Ok(()),
        Some(code) => Err(Refused::Code(code, text("grpc-message").unwrap_or_default().to_owned())),
    }
}

/// One uncompressed message `HealthCheckRequest{service}`.
fn question(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        varint(service.len() as u64, &mut message);
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).expect("names of services are short");
    let mut out = vec![0];
    out.extend_from_slice(&length.to_be_bytes());
    out.extend(message);
    out.into()
}

fn varint(mut number: u64, to: &mut Vec<u8>) {
    while number >= 0x80 {
        to.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Field 1 of one uncompressed message `HealthCheckResponse`; a field that is left out is zero.
fn status(body: &[u8]) -> Option<u64> {
    let (head, message) = body.split_at_checked(5)?;
    let length = u32::from_be_bytes(head[1..].try_into().ok()?);
    if head[0] != 0 || usize::try_from(length).ok()? != message.len() {
        return None;
    }
    let (&key, mut rest) = match message.split_first() {
        None => return Some(0),
        Some(parts) => parts,
    };
    if key != 0x08 {
        return None;
    }
    let (mut out, mut shift) = (0u64, 0);
    while let Some((&byte, tail)) = rest.split_first() {
        out |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(out);
        }
        shift += 7;
        rest = tail;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use http::Response;
    use http_body_util::StreamBody;
    use hyper::body::{Frame, Incoming};
    use hyper::service::service_fn;
    use std::convert::Infallible;

    /// What a server with this body and these trailers makes of the probe, and what it was asked.
    async fn asked(
        service: &'static str,
        body: &'static [u8],
        code: &'static str,
        message: &'static str,
    ) -> String {
        let (near, far) = tokio::io::duplex(64 << 10);
        let (heard, question) = std::sync::mpsc::channel();
        let answer = service_fn(move |request: http::Request<Incoming>| {
            let heard = heard.clone();
            async move {
                let path = request.uri().path().to_owned();
                let bytes = request.into_body().collect().await.expect("a body").to_bytes();
                heard.send(format!("{path} {bytes:?}")).expect("the test listens");
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", code.parse().expect("a header"));
                trailers.insert("grpc-message", message.parse().expect("a header"));
                let frames: Vec<Result<Frame<Bytes>, Infallible>> =
                    vec![Ok(Frame::data(Bytes::from_static(body))), Ok(Frame::trailers(trailers))];
                Ok::<_, Infallible>(Response::new(StreamBody::new(futures::stream::iter(frames))))
            }
        });
        let server = tokio::spawn(async move {
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.serve_connection(TokioIo::new(far), answer).await
        });
        let outcome = check(near, "10.0.0.1:9000", service).await;
        server.abort();
        format!("{}\n{outcome:?}", question.try_recv().unwrap_or_default())
    }

    fn verify(got: &str, expected: Expect) {
        expected.assert_eq(got);
    }

    #[tokio::test]
    async fn answers() {
        let serving = b"\0\0\0\0\x02\x08\x01";
        verify(
            &asked("", serving, "0", "").await,
            expect![[r#"
                /grpc.health.v1.Health/Check b"\0\0\0\0\0"
                Success"#]],
        );
        verify(
            &asked("db", b"\0\0\0\0\x02\x08\x02", "0", "").await,
            expect![[r#"
                /grpc.health.v1.Health/Check b"\0\0\0\0\x04\n\x02db"
                Failure { output: "service unhealthy (responded with \"NOT_SERVING\")" }"#]],
        );
        verify(
            &asked("x", b"", "5", "unknown service").await,
            expect![[r#"
                /grpc.health.v1.Health/Check b"\0\0\0\0\x03\n\x01x"
                Failure { output: "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service" }"#]],
        );
        verify(
            &asked("", b"", "12", "unknown method").await,
            expect![[r#"
                /grpc.health.v1.Health/Check b"\0\0\0\0\0"
                Failure { output: "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown method" }"#]],
        );
    }

    #[test]
    fn messages_that_are_none() {
        for (body, expected) in [
            (&b"\0\0\0\0\0"[..], Some(0)),
            (b"\0\0\0\0\x02\x08\x01", Some(1)),
            (b"\x01\0\0\0\x02\x08\x01", None),
            (b"\0\0\0\0\x09\x08\x01", None),
            (b"\0\0\0\0\x01\x08", None),
            (b"\0\0\0\0\x0c\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"", None),
        ] {
            assert_eq!(status(body), expected, "{body:?}");
        }
    }
}
