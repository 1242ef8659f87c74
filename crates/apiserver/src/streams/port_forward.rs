//! `pods/portforward`: over SPDY a pair of streams a connection, over WebSocket channels a pair a port.

use super::channels::{self, Socket};
use super::{Upgrade, tunnel};
use crate::resources::Call;
use crate::respond::Answer;
use crate::spdy::{self, Incoming, Writer};
use api::{ApiError, NodeHandle, Result};
use axum::extract::ws::{Message, WebSocket};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::StreamExt;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
const SPDY_PROTOCOL: &str = "portforward.k8s.io";

/// Which pod, and who reaches it.
#[derive(Clone)]
struct Target {
    node: NodeHandle,
    namespace: String,
    pod: String,
}

pub(crate) async fn handle(mut call: Call) -> Result<Answer> {
    let node = super::node(&call)?;
    let pod = call.get()?;
    if pod["status"]["phase"] != "Running" {
        let phase = pod["status"]["phase"].as_str().unwrap_or("Unknown");
        let message = format!("unable to forward port because pod is not running. Current status={phase}");
        return Err(ApiError::bad_request(message));
    }
    let target = Target { node, namespace: call.target.namespace.clone(), pod: call.target.name.clone() };
    let closing = call.inner.closing.clone();
    match super::upgrade(&mut call).await? {
        Upgrade::Spdy(upgrade) => {
            let answer = super::switching(&call.parts.headers, &[SPDY_PROTOCOL])?;
            tokio::spawn(async move {
                if let Some(connection) = super::upgraded(upgrade).await {
                    over_spdy(connection, target, closing).await;
                }
            });
            Ok(answer)
        }
        Upgrade::WebSocket(upgrade) => {
            let protocols = [TUNNEL].into_iter().chain(channels::PROTOCOLS);
            let upgrade = upgrade.protocols(protocols);
            let tunnelled = upgrade.selected_protocol().is_some_and(|protocol| protocol == TUNNEL);
            let ports = ports(&call)?;
            if !tunnelled && ports.is_empty() {
                return Err(ApiError::bad_request("query parameter \"ports\" is required"));
            }
            Ok(upgrade
                .on_upgrade(move |socket| async move {
                    if tunnelled {
                        over_spdy(tunnel::open(socket), target, closing).await;
                    } else {
                        over_channels(socket, target, ports, closing).await;
                    }
                })
                .into_response())
        }
    }
}

/// `ports=80,81` or `ports=80&ports=81`.
fn ports(call: &Call) -> Result<Vec<u16>> {
    let given = call.query.all("ports");
    let ports = given.iter().flat_map(|list| list.split(','));
    ports
        .map(|port| {
            port.parse().map_err(|_| ApiError::bad_request(format!("unable to parse {port:?} as a port")))
        })
        .collect()
}

async fn over_spdy<S>(connection: S, target: Target, closing: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let mut session = spdy::start(connection);
    let mut waiting: HashMap<String, Incoming> = HashMap::new();
    let mut running = JoinSet::new();
    loop {
        let stream = tokio::select! {
            stream = session.accept() => stream,
            Some(_) = running.join_next() => continue,
            () = closing.cancelled() => break,
        };
        let Some(stream) = stream else { break };
        let id = stream.header("requestid").to_string();
        // Streams of a pair come in either order.
        let Some(other) = waiting.remove(&id) else {
            waiting.insert(id, stream);
            continue;
        };
        let (data, error) =
            if stream.header("streamtype") == "data" { (stream, other) } else { (other, stream) };
        running.spawn(forward(data, error, target.clone()));
    }
    running.shutdown().await;
    session.close().await;
}

/// One forwarded connection.
async fn forward(mut data: Incoming, error: Incoming, target: Target) {
    let connected = match data.header("port").parse::<u16>() {
        Ok(port) => target.node.port_forward(&target.namespace, &target.pod, port).await,
        Err(_) => Err(ApiError::bad_request(format!("{:?} is not a port", data.header("port")))),
    };
    match connected {
        Ok(connection) => {
            let (mut from_pod, mut to_pod) = tokio::io::split(connection);
            let writer = data.writer.clone();
            let outward = async {
                copy(&mut from_pod, &Sink::Stream(&writer)).await;
                writer.finish().await;
            };
            tokio::join!(feed(&mut data.data, &mut to_pod), outward);
        }
        Err(problem) => {
            let text = format!(
                "error forwarding port {} to pod {}: {}",
                data.header("port"),
                target.pod,
                problem.message
            );
            error.writer.data(text.as_bytes()).await;
            data.writer.finish().await;
        }
    }
    error.writer.finish().await;
}

/// Until the client's end, which the pod then sees.
async fn feed(from: &mut mpsc::Receiver<Bytes>, to: &mut (impl AsyncWrite + Unpin)) {
    while let Some(bytes) = from.recv().await {
        if to.write_all(&bytes).await.is_err() {
            // Keep the session's other streams going.
            while from.recv().await.is_some() {}
            return;
        }
    }
    if let Err(error) = to.shutdown().await {
        tracing::debug!(%error, "cannot close a forwarded connection");
    }
}

/// Where a pod's bytes go.
enum Sink<'a> {
    Stream(&'a Writer),
    Channel(&'a Socket, u8),
}

/// Until the pod's end or until the client takes no more.
async fn copy(from: &mut (impl AsyncRead + Unpin), to: &Sink<'_>) {
    let mut buffer = vec![0; 32 << 10];
    loop {
        let length = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        let taken = match to {
            Sink::Stream(writer) => writer.data(&buffer[..length]).await,
            Sink::Channel(socket, channel) => socket.send(*channel, &buffer[..length]).await,
        };
        if !taken {
            return;
        }
    }
}

/// Port number `i` of the query has channel `2i` for data and `2i + 1` for errors; each starts with its port.
async fn over_channels(socket: WebSocket, target: Target, ports: Vec<u16>, closing: CancellationToken) {
    let (sink, mut stream) = socket.split();
    let socket = Arc::new(Socket::new(sink));
    let mut inputs = Vec::new();
    let mut running = JoinSet::new();
    for (index, port) in ports.into_iter().enumerate() {
        let Ok(channel) = u8::try_from(index * 2) else { break };
        for channel in [channel, channel + 1] {
            socket.send(channel, &port.to_le_bytes()).await;
        }
        let (input, typed) = mpsc::channel(16);
        inputs.push(Some(input));
        running.spawn(channel_pair(socket.clone(), target.clone(), channel, port, typed));
    }
    loop {
        let message = tokio::select! {
            message = stream.next() => message,
            Some(_) = running.join_next() => {
                if running.is_empty() {
                    break;
                }
                continue;
            }
            () = closing.cancelled() => break,
        };
        let bytes = match message {
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            Some(Ok(_)) => continue,
        };
        let (Some(&channel), rest) = (bytes.first(), bytes.slice(1.min(bytes.len())..)) else { continue };
        // `v5`: a stream is closed by its number.
        if channel == 255 {
            if let Some(input) = rest.first().and_then(|closed| inputs.get_mut(usize::from(closed / 2))) {
                *input = None;
            }
            continue;
        }
        if channel % 2 == 0
            && let Some(Some(input)) = inputs.get(usize::from(channel / 2))
            && !rest.is_empty()
        {
            // A connection that has ended takes no more; its bytes are nobody's.
            let _ = input.send(rest).await;
        }
    }
    running.shutdown().await;
    socket.close().await;
}

async fn channel_pair(
    socket: Arc<Socket>,
    target: Target,
    channel: u8,
    port: u16,
    mut typed: mpsc::Receiver<Bytes>,
) {
    match target.node.port_forward(&target.namespace, &target.pod, port).await {
        Ok(connection) => {
            let (mut from_pod, mut to_pod) = tokio::io::split(connection);
            let inward = async {
                feed(&mut typed, &mut to_pod).await;
                // The pod may still have much to say.
                std::future::pending::<()>().await;
            };
            let sink = Sink::Channel(&socket, channel);
            tokio::select! {
                () = inward => {}
                () = copy(&mut from_pod, &sink) => {}
            }
        }
        Err(problem) => {
            let text = format!("error forwarding port {port} to pod {}: {}", target.pod, problem.message);
            socket.send(channel + 1, text.as_bytes()).await;
        }
    }
}
