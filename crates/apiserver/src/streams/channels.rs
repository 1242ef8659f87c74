//! The channel protocol on a WebSocket: the first byte of every message says which stream it is of.

use super::session::{self, Channel, Input, Output};
use api::ExecStreams;
use async_trait::async_trait;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

/// Newest first. `v5` can close a stream.
pub(super) const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

const STDIN: u8 = 0;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

pub(super) struct Socket(Mutex<SplitSink<WebSocket, Message>>);

impl Socket {
    pub(super) fn new(sink: SplitSink<WebSocket, Message>) -> Self {
        Self(Mutex::new(sink))
    }

    /// `false`: the client is gone.
    pub(super) async fn send(&self, channel: u8, bytes: &[u8]) -> bool {
        let mut message = Vec::with_capacity(bytes.len() + 1);
        message.push(channel);
        message.extend_from_slice(bytes);
        self.0.lock().await.send(Message::Binary(message.into())).await.is_ok()
    }

    pub(super) async fn close(&self) {
        // The client may have closed first.
        let _ = self.0.lock().await.send(normal_closure()).await;
    }
}

/// Clients take a close without a code for an error.
pub(super) fn normal_closure() -> Message {
    Message::Close(Some(CloseFrame { code: close_code::NORMAL, reason: "".into() }))
}

#[async_trait]
impl Output for Socket {
    async fn send(&self, channel: Channel, bytes: &[u8]) -> bool {
        let number = match channel {
            Channel::Stdout => 1,
            Channel::Stderr => 2,
            Channel::Error => 3,
        };
        Socket::send(self, number, bytes).await
    }
}

pub(super) async fn exec(socket: WebSocket, streams: ExecStreams, closing: CancellationToken) {
    let (sink, stream) = socket.split();
    let (stdin, typed) = mpsc::channel(16);
    let (resize, sizes) = mpsc::channel(4);
    let gone = CancellationToken::new();
    let reader = tokio::spawn(read(stream, stdin, resize, gone.clone()));
    let output = Socket::new(sink);
    session::run(streams, Input { stdin: typed, resize: sizes, gone: gone.clone() }, &output, closing).await;
    output.close().await;
    // The client answers the close; that it does not for long is its own affair.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), gone.cancelled()).await;
    reader.abort();
}

async fn read(
    mut stream: SplitStream<WebSocket>,
    stdin: mpsc::Sender<Bytes>,
    resize: mpsc::Sender<(u16, u16)>,
    gone: CancellationToken,
) {
    let mut stdin = Some(stdin);
    while let Some(Ok(message)) = stream.next().await {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Message::Close(_) => break,
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        match bytes.first() {
            Some(&STDIN) if bytes.len() > 1 => {
                if let Some(to) = &stdin
                    && to.send(bytes.slice(1..)).await.is_err()
                {
                    stdin = None;
                }
            }
            Some(&RESIZE) => {
                if let Some(size) = session::size(&bytes[1..]) {
                    // Only the last size counts; one that does not fit in the queue is followed by another.
                    let _ = resize.try_send(size);
                }
            }
            Some(&CLOSE) if bytes.get(1) == Some(&STDIN) => stdin = None,
            _ => {}
        }
    }
    gone.cancel();
}
