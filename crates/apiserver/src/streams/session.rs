//! One exec or attach, whatever the wire form: pumps between the client's channels and the process.

use api::{ExecExit, ExecStreams};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// After the process has ended, output that a child of it still holds open is awaited while it keeps coming.
const DRAIN: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Stdout,
    Stderr,
    /// How it ended, as a Status.
    Error,
}

/// Where output goes. `false`: the client is gone.
#[async_trait]
pub(super) trait Output: Send + Sync {
    async fn send(&self, channel: Channel, bytes: &[u8]) -> bool;
}

/// What comes from the client.
pub(super) struct Input {
    pub(super) stdin: mpsc::Receiver<Bytes>,
    pub(super) resize: mpsc::Receiver<(u16, u16)>,
    /// Cancelled when the connection has ended.
    pub(super) gone: CancellationToken,
}

pub(super) async fn run(streams: ExecStreams, input: Input, output: &dyn Output, closing: CancellationToken) {
    let ExecStreams { stdin, stdout, stderr, resize, mut exit } = streams;
    let Input { stdin: typed, resize: sizes, gone } = input;
    let moved = AtomicU64::new(0);
    let outputs = async {
        tokio::join!(
            pump_out(stdout, Channel::Stdout, output, &moved, &gone),
            pump_out(stderr, Channel::Stderr, output, &moved, &gone),
        );
    };
    let inputs = async { tokio::join!(pump_in(stdin, typed), pump_sizes(resize, sizes)) };
    tokio::pin!(outputs, inputs);
    let (mut drained, mut typed_all) = (false, false);
    let ended = loop {
        tokio::select! {
            ended = &mut exit => break ended,
            () = &mut outputs, if !drained => drained = true,
            _ = &mut inputs, if !typed_all => typed_all = true,
            () = gone.cancelled() => return,
            () = closing.cancelled() => return,
        }
    };
    while !drained {
        let before = moved.load(Ordering::Relaxed);
        tokio::select! {
            () = &mut outputs => drained = true,
            () = gone.cancelled() => return,
            () = tokio::time::sleep(DRAIN) => drained = moved.load(Ordering::Relaxed) == before,
        }
    }
    let ended = ended.unwrap_or_else(|_| ExecExit::Failed("the node gave no exit status".into()));
    output.send(Channel::Error, status(&ended).to_string().as_bytes()).await;
}

async fn pump_out(
    from: Option<Pin<Box<dyn AsyncRead + Send>>>,
    channel: Channel,
    output: &dyn Output,
    moved: &AtomicU64,
    gone: &CancellationToken,
) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; 32 << 10];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) => return,
            // A pty's other end reports its closing as an error.
            Err(error) => return tracing::debug!(%error, "an exec's output ended"),
            Ok(length) => {
                moved.fetch_add(length as u64, Ordering::Relaxed);
                if !output.send(channel, &buffer[..length]).await {
                    return gone.cancel();
                }
            }
        }
    }
}

async fn pump_in(to: Option<Pin<Box<dyn AsyncWrite + Send>>>, mut typed: mpsc::Receiver<Bytes>) {
    let Some(mut to) = to else {
        // Nobody reads it, but the connection must not stall on it.
        while typed.recv().await.is_some() {}
        return;
    };
    while let Some(bytes) = typed.recv().await {
        if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
            while typed.recv().await.is_some() {}
            return;
        }
    }
    if let Err(error) = to.shutdown().await {
        tracing::debug!(%error, "cannot close an exec's stdin");
    }
}

async fn pump_sizes(to: Option<mpsc::Sender<(u16, u16)>>, mut sizes: mpsc::Receiver<(u16, u16)>) {
    while let Some(size) = sizes.recv().await {
        if let Some(to) = &to
            && to.send(size).await.is_err()
        {
            return;
        }
    }
}

fn status(exit: &ExecExit) -> Value {
    match exit {
        ExecExit::Code(0) => json!({ "metadata": {}, "status": "Success" }),
        ExecExit::Code(code) => json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
        }),
        ExecExit::Failed(why) => json!({
            "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
            "message": format!("Internal error occurred: {why}"),
        }),
    }
}

/// `{"Width":80,"Height":24}`.
pub(super) fn size(bytes: &[u8]) -> Option<(u16, u16)> {
    let size: Value = serde_json::from_slice(bytes).ok()?;
    let number = |field: &str| size[field].as_u64().and_then(|n| u16::try_from(n).ok());
    Some((number("Width")?, number("Height")?))
}
