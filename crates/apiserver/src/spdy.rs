//! SPDY/3.1, the server's side, as far as Kubernetes' clients use it: streams with headers, data, half-close, ping.
//!
//! There is no flow control (the clients' library ignores it), so a stream whose reader is slow holds up the others of
//! its connection once its queue is full; nothing grows without bound.

mod dictionary;
mod frame;
mod headers;

use bytes::Bytes;
use frame::Frame;
use std::collections::HashMap;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Frames that wait for the reader of a stream.
const STREAM_QUEUE: usize = 32;
/// Frames that wait for the connection.
const WRITE_QUEUE: usize = 64;
/// How long a client may take to close a connection that is done with.
const LINGER: Duration = Duration::from_secs(3);

/// A connection. Its streams are opened by the client.
pub(crate) struct Session {
    incoming: mpsc::Receiver<Incoming>,
    frames: mpsc::Sender<Vec<u8>>,
    gone: CancellationToken,
    tasks: [JoinHandle<()>; 2],
}

/// A stream that the client has opened. It has been answered already.
pub(crate) struct Incoming {
    headers: HashMap<String, String>,
    /// Ends when the client has closed its half.
    pub(crate) data: mpsc::Receiver<Bytes>,
    pub(crate) writer: Writer,
}

impl Incoming {
    /// Empty if absent; names are lower case.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// Our half of a stream.
#[derive(Clone)]
pub(crate) struct Writer {
    id: u32,
    frames: mpsc::Sender<Vec<u8>>,
}

impl Writer {
    /// `false`: the connection has ended.
    pub(crate) async fn data(&self, bytes: &[u8]) -> bool {
        self.frames.send(frame::data(self.id, bytes, false)).await.is_ok()
    }

    /// Closes this half.
    pub(crate) async fn finish(&self) {
        // An ended connection has no halves.
        let _ = self.frames.send(frame::data(self.id, &[], true)).await;
    }
}

pub(crate) fn start<S>(connection: S) -> Session
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, write) = tokio::io::split(connection);
    let (frames, queued) = mpsc::channel(WRITE_QUEUE);
    let (accepted, incoming) = mpsc::channel(16);
    let gone = CancellationToken::new();
    let reader = Reader { frames: frames.clone(), accepted, streams: HashMap::new(), gone: gone.clone() };
    let tasks = [
        tokio::spawn(reader.run(BufReader::with_capacity(64 << 10, read))),
        tokio::spawn(write_frames(write, queued)),
    ];
    Session { incoming, frames, gone, tasks }
}

/// Reads a conversation to its end: for tests that send what no client sends.
pub async fn drain(bytes: &[u8]) {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let mut session = start(server);
    let talk = async {
        // The session may have hung up.
        let _ = client.write_all(bytes).await;
        let _ = client.shutdown().await;
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
    };
    let listen = async {
        let gone = session.gone();
        loop {
            let stream = tokio::select! {
                stream = session.accept() => stream,
                () = gone.cancelled() => None,
            };
            let Some(mut stream) = stream else { return };
            while let Ok(bytes) = stream.data.try_recv() {
                stream.writer.data(&bytes).await;
            }
        }
    };
    let both = async {
        tokio::select! { () = talk => {}, () = listen => {} }
    };
    assert!(tokio::time::timeout(LINGER, both).await.is_ok(), "the conversation does not end");
}

impl Session {
    /// The next stream; `None` when the connection has ended.
    pub(crate) async fn accept(&mut self) -> Option<Incoming> {
        self.incoming.recv().await
    }

    /// Cancelled when the connection has ended.
    pub(crate) fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }

    /// Says good-bye and lets the client read what is on its way before the connection goes.
    pub(crate) async fn close(self) {
        if self.frames.send(frame::go_away()).await.is_ok() {
            // A client that does not hang up is hung up on.
            let _ = tokio::time::timeout(LINGER, self.gone.cancelled()).await;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn write_frames<S: AsyncWrite>(mut to: WriteHalf<S>, mut frames: mpsc::Receiver<Vec<u8>>) {
    let mut batch = Vec::new();
    while frames.recv_many(&mut batch, WRITE_QUEUE).await > 0 {
        for frame in batch.drain(..) {
            if to.write_all(&frame).await.is_err() {
                return;
            }
        }
        if to.flush().await.is_err() {
            return;
        }
    }
}

struct Reader {
    frames: mpsc::Sender<Vec<u8>>,
    accepted: mpsc::Sender<Incoming>,
    streams: HashMap<u32, mpsc::Sender<Bytes>>,
    gone: CancellationToken,
}

impl Reader {
    async fn run<R: AsyncRead + Unpin>(mut self, mut from: R) {
        if let Err(error) = self.read(&mut from).await {
            tracing::debug!(%error, "a SPDY connection ended");
        }
        self.gone.cancel();
    }

    async fn read<R: AsyncRead + Unpin>(&mut self, from: &mut R) -> std::io::Result<()> {
        let mut inflate = headers::Inflate::new();
        let mut deflate = headers::Deflate::new();
        while let Some(frame) = frame::read(from).await? {
            match frame {
                Frame::SynStream { id, last, block } => {
                    let headers = inflate.headers(&block)?;
                    let reply = frame::syn_reply(id, &deflate.no_headers()?);
                    let (to_stream, data) = mpsc::channel(STREAM_QUEUE);
                    if !last {
                        self.streams.insert(id, to_stream);
                    }
                    let writer = Writer { id, frames: self.frames.clone() };
                    if self.frames.send(reply).await.is_err()
                        || self.accepted.send(Incoming { headers, data, writer }).await.is_err()
                    {
                        return Ok(());
                    }
                }
                Frame::Data { id, last, bytes } => {
                    if let Some(stream) = self.streams.get(&id)
                        && !bytes.is_empty()
                        && stream.send(bytes).await.is_err()
                    {
                        self.streams.remove(&id);
                    }
                    if last {
                        self.streams.remove(&id);
                    }
                }
                Frame::Reset { id } => drop(self.streams.remove(&id)),
                Frame::Ping { bytes } => {
                    if self.frames.send(frame::ping(&bytes)).await.is_err() {
                        return Ok(());
                    }
                }
                // Trailers of a stream: nobody sends them, but the compression state must follow.
                Frame::Headers { block } => drop(inflate.headers(&block)?),
                Frame::Other => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
