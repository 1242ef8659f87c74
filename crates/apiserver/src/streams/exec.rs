//! `pods/exec` and `pods/attach`.

use super::session::{self, Channel, Input, Output};
use super::{Upgrade, channels};
use crate::resources::Call;
use crate::respond::Answer;
use crate::spdy::{self, Writer};
use api::{ApiError, ExecRequest, ExecStreams, Result};
use async_trait::async_trait;
use axum::response::IntoResponse;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long a client may take to open its streams.
const OPENING: Duration = Duration::from_secs(30);

/// Newest first; `v5` does not exist on SPDY.
const SPDY_PROTOCOLS: [&str; 4] =
    ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];

pub(crate) async fn handle(mut call: Call) -> Result<Answer> {
    let node = super::node(&call)?;
    let pod = call.get()?;
    let request = request(&call, &pod)?;
    let upgrade = super::upgrade(&mut call).await?;
    let closing = call.inner.closing.clone();
    let attach = call.target.subresource == "attach";
    let start = request.clone();
    let streams = async move { if attach { node.attach(start).await } else { node.exec(start).await } };
    match upgrade {
        Upgrade::WebSocket(upgrade) => {
            let streams = streams.await?;
            let upgrade = upgrade.protocols(channels::PROTOCOLS);
            Ok(upgrade.on_upgrade(move |socket| channels::exec(socket, streams, closing)).into_response())
        }
        Upgrade::Spdy(upgrade) => {
            let answer = super::switching(&call.parts.headers, &SPDY_PROTOCOLS)?;
            let streams = streams.await?;
            tokio::spawn(async move {
                if let Some(connection) = super::upgraded(upgrade).await {
                    over_spdy(connection, request, streams, closing).await;
                }
            });
            Ok(answer)
        }
    }
}

fn request(call: &Call, pod: &serde_json::Value) -> Result<ExecRequest> {
    let query = &call.query;
    let command: Vec<String> = query.all("command").into_iter().map(str::to_string).collect();
    let exec = call.target.subresource == "exec";
    if exec && command.is_empty() {
        return Err(ApiError::bad_request("you must specify at least 1 command for the container"));
    }
    let tty = query.flag("tty");
    let request = ExecRequest {
        namespace: call.target.namespace.clone(),
        pod: call.target.name.clone(),
        container: super::container(pod, query.text("container"))?,
        command,
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        // A terminal has one output.
        stderr: query.flag("stderr") && !tty,
        tty,
    };
    if !(request.stdin || request.stdout || request.stderr) {
        return Err(ApiError::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    Ok(request)
}

struct Streams {
    stdout: Option<Writer>,
    stderr: Option<Writer>,
    error: Writer,
}

#[async_trait]
impl Output for Streams {
    async fn send(&self, channel: Channel, bytes: &[u8]) -> bool {
        let writer = match channel {
            Channel::Stdout => self.stdout.as_ref(),
            Channel::Stderr => self.stderr.as_ref(),
            Channel::Error => Some(&self.error),
        };
        match writer {
            Some(writer) => writer.data(bytes).await,
            None => true,
        }
    }
}

async fn over_spdy<S>(connection: S, request: ExecRequest, streams: ExecStreams, closing: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let mut session = spdy::start(connection);
    let Ok(Some((input, output))) = tokio::time::timeout(OPENING, open(&mut session, &request)).await else {
        return tracing::debug!("an exec client did not open its streams");
    };
    session::run(streams, input, &output, closing).await;
    for writer in output.stdout.iter().chain(&output.stderr).chain([&output.error]) {
        writer.finish().await;
    }
    session.close().await;
}

/// Waits for the streams that the request announces.
async fn open(session: &mut spdy::Session, request: &ExecRequest) -> Option<(Input, Streams)> {
    let mut wanted =
        1 + usize::from(request.stdin) + usize::from(request.stdout) + usize::from(request.stderr);
    wanted += usize::from(request.tty);
    let (mut stdin, mut stdout, mut stderr, mut error, mut resize) = (None, None, None, None, None);
    while wanted > 0 {
        let stream = session.accept().await?;
        wanted -= 1;
        match stream.header("streamtype") {
            "stdin" => stdin = Some(stream.data),
            "stdout" => stdout = Some(stream.writer),
            "stderr" => stderr = Some(stream.writer),
            "error" => error = Some(stream.writer),
            "resize" => resize = Some(stream.data),
            other => tracing::debug!(other, "an exec stream of an unknown type"),
        }
    }
    let (sizes, sized) = mpsc::channel(4);
    if let Some(mut resize) = resize {
        tokio::spawn(async move {
            while let Some(bytes) = resize.recv().await {
                if let Some(size) = session::size(&bytes)
                    && sizes.send(size).await.is_err()
                {
                    return;
                }
            }
        });
    }
    let stdin = stdin.unwrap_or_else(|| mpsc::channel(1).1);
    let input = Input { stdin, resize: sized, gone: session.gone() };
    Some((input, Streams { stdout, stderr, error: error? }))
}
