//! The channel protocols as client libraries (kube-rs, Python, JavaScript) speak them, without kubectl.

use crate::bench::{self, Bench};
use api::WriteOptions;
use futures::{SinkExt, StreamExt};
use serde_json::json;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

type Socket = WebSocketStream<TlsStream<TcpStream>>;

async fn with_pod() -> (Bench, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("tempdir");
    let bench = bench::start(dir.path()).await;
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "namespace": "default" },
        "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    bench.api.create("pods", pod, &WriteOptions::default()).expect("create");
    let status = json!({ "status": { "phase": "Running" } });
    let key = api::Key::new("pods", "default", "p");
    bench.api.patch(&key, api::PatchKind::Merge, "status", &status, &WriteOptions::default()).expect("patch");
    (bench, dir)
}

async fn tls(bench: &Bench) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(bench.address).await.expect("connect");
    let name = "localhost".try_into().expect("a name");
    TlsConnector::from(Arc::clone(&bench.client)).connect(name, stream).await.expect("TLS")
}

async fn connect(bench: &Bench, path: &str, protocol: &str) -> Socket {
    let url = format!("wss://localhost/api/v1/namespaces/default/pods/p/{path}");
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().expect("a header"));
    let (socket, answer) = tokio_tungstenite::client_async(request, tls(bench).await).await.expect("upgrade");
    let chosen = answer.headers().get("Sec-WebSocket-Protocol").and_then(|value| value.to_str().ok());
    assert_eq!(chosen, protocol.split(", ").next());
    socket
}

/// The next binary message as channel and text.
async fn next(socket: &mut Socket) -> Option<(u8, Vec<u8>)> {
    loop {
        match socket.next().await?.ok()? {
            Message::Binary(bytes) => return Some((bytes[0], bytes[1..].to_vec())),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

fn on(channel: u8, text: &[u8]) -> Message {
    Message::Binary([&[channel], text].concat().into())
}

#[tokio::test(flavor = "multi_thread")]
async fn exec() {
    let (bench, _dir) = with_pod().await;
    let path = "exec?command=cat&stdin=true&stdout=true&container=c";
    let mut socket = connect(&bench, path, "v5.channel.k8s.io, v4.channel.k8s.io").await;
    socket.send(on(0, b"hello")).await.expect("send");
    assert_eq!(next(&mut socket).await, Some((1, b"hello".to_vec())));
    socket.send(on(255, &[0])).await.expect("close stdin");
    let (channel, status) = next(&mut socket).await.expect("a status");
    assert_eq!(channel, 3);
    assert_eq!(status, br#"{"metadata":{},"status":"Success"}"#);
    assert_eq!(next(&mut socket).await, None);
    bench.shutdown.cancel();
    bench.served.await.expect("served");
}

#[tokio::test(flavor = "multi_thread")]
async fn port_forward() {
    let (bench, _dir) = with_pod().await;
    let mut socket = connect(&bench, "portforward?ports=7,8", "v4.channel.k8s.io").await;
    let mut first = Vec::new();
    while first.len() < 5 {
        first.push(next(&mut socket).await.expect("a message"));
    }
    first.sort();
    let refused = b"error forwarding port 8 to pod p: Internal error occurred: connection refused: nothing listens on 8 of p";
    let expected =
        [(0, vec![7, 0]), (1, vec![7, 0]), (2, vec![8, 0]), (3, vec![8, 0]), (3, refused.to_vec())];
    assert_eq!(first, expected);
    socket.send(on(0, b"ping")).await.expect("send");
    assert_eq!(next(&mut socket).await, Some((0, b"ping".to_vec())));
    socket.close(None).await.expect("close");
    bench.shutdown.cancel();
    bench.served.await.expect("served");
}

/// Nobody known gets nothing but the open paths, over the network; the process itself may do everything.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused() {
    use http_body_util::BodyExt;
    let (bench, _dir) = with_pod().await;
    for (path, code) in
        [("/readyz", 200), ("/version", 200), ("/api/v1/pods", 403), ("/coracle/x", 403), ("/", 403)]
    {
        let stream = TcpStream::connect(bench.address).await.expect("connect");
        let name = "localhost".try_into().expect("a name");
        let stream =
            TlsConnector::from(Arc::clone(&bench.stranger)).connect(name, stream).await.expect("TLS");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
                .await
                .expect("handshake");
        let connection = tokio::spawn(connection);
        let request =
            http::Request::get(path).header("Host", "localhost").body(String::new()).expect("a request");
        let answer = sender.send_request(request).await.expect("an answer");
        assert_eq!(answer.status(), code, "{path}");
        answer.into_body().collect().await.expect("a body");
        connection.abort();
    }
    bench.shutdown.cancel();
    bench.served.await.expect("served");
}
