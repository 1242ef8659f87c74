//! A WebSocket as a plain connection: its binary messages are the bytes, their borders mean nothing.

use axum::extract::ws::{Message, WebSocket};
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const BUFFER: usize = 64 << 10;

pub(super) fn open(socket: WebSocket) -> DuplexStream {
    let (near, far) = tokio::io::duplex(BUFFER);
    tokio::spawn(pump(socket, far));
    near
}

/// Ends when either side does; the other then sees its end.
async fn pump(socket: WebSocket, far: DuplexStream) {
    let (mut sink, mut stream) = socket.split();
    let (mut from, mut to) = tokio::io::split(far);
    let inward = async {
        while let Some(Ok(message)) = stream.next().await {
            match message {
                Message::Binary(bytes) => {
                    if to.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
                Message::Close(_) => break,
                Message::Text(_) | Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    };
    let outward = async {
        let mut buffer = vec![0; BUFFER];
        loop {
            match from.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(length) => {
                    let message = Message::Binary(buffer[..length].to_vec().into());
                    if sink.send(message).await.is_err() {
                        break;
                    }
                }
            }
        }
        // The client may have closed first.
        let _ = sink.send(super::channels::normal_closure()).await;
    };
    tokio::select! {
        () = inward => {}
        () = outward => {}
    }
}
