//! Requests through the ingress to servers in pods.

use crate::world::{Namespace, World};
use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use network::{Endpoint, Ingress, Route};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;

struct Front {
    world: World,
    ingress: Ingress,
    http: SocketAddr,
    https: SocketAddr,
}

async fn front() -> Option<Front> {
    let world = World::start().await?;
    let bind = || async { TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap() };
    let (http, https) = (bind().await, bind().await);
    let addresses = (http.local_addr().unwrap(), https.local_addr().unwrap());
    let ingress = Ingress::start(world.network.clone(), vec![http], vec![https]).await.unwrap();
    Some(Front { world, ingress, http: addresses.0, https: addresses.1 })
}

impl Front {
    async fn get(&self, host: &str, path: &str) -> (u16, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        self.send(request.as_bytes()).await
    }

    async fn send(&self, request: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, text)
    }

    async fn end(self) {
        self.ingress.shutdown().await;
        self.world.end().await;
    }
}

fn route(host: Option<&str>, path: &str, endpoints: Vec<Endpoint>) -> Route {
    Route {
        host: host.map(String::from),
        path: path.into(),
        exact: false,
        ingress: "codex/codex-ingress".into(),
        backend: "codex/backend:8000".into(),
        endpoints,
    }
}

fn listener_in(pod: &Namespace, port: u16) -> TcpListener {
    let listener = pod.inside(move || std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
    listener.set_nonblocking(true).unwrap();
    TcpListener::from_std(listener).unwrap()
}

/// Answers with its name, the request line, the headers and the body that it got.
fn serve_echo(listener: TcpListener, name: &'static str) {
    let answer = move |request: Request<Incoming>| async move {
        let mut text = format!("{name} {} {}\n", request.method(), request.uri());
        for (header, value) in request.headers() {
            text.push_str(&format!("{header}: {}\n", value.to_str().unwrap()));
        }
        let body = request.into_body().collect().await.unwrap().to_bytes();
        text.push_str(&format!("{} bytes", body.len()));
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serve = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(serve);
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_by_host_and_path_with_the_headers_of_nginx() {
    let Some(front) = front().await else { return };
    let (a, a_ip) = front.world.pod("a").await;
    serve_echo(listener_in(&a, 8000), "backend");
    serve_echo(listener_in(&a, 80), "frontend");
    let to = |port| vec![Endpoint::Pod((a_ip, port).into())];
    front.ingress.set_routes(vec![
        route(None, "/", to(80)),
        route(None, "/api", to(8000)),
        route(Some("empty.localhost"), "/", vec![]),
        route(Some("api.localhost"), "/api", to(8000)),
    ]);
    let (status, text) = front.get("localhost:8080", "/api/notes?q=1%202").await;
    assert_eq!(status, 200);
    assert!(text.contains("backend GET /api/notes?q=1%202\n"), "{text}");
    for header in
        ["host: localhost:8080", "x-real-ip: 127.0.0.1", "x-forwarded-proto: http", "x-request-id: "]
    {
        assert!(text.contains(header), "{header} in {text}");
    }
    assert!(front.get("localhost", "/").await.1.contains("frontend GET /\n"));

    let (status, text) = front.get("empty.localhost", "/").await;
    assert_eq!(status, 503);
    assert!(
        text.contains("ingress codex/codex-ingress: service codex/backend:8000 has no ready endpoint"),
        "{text}"
    );
    front.ingress.set_routes(vec![route(Some("api.localhost"), "/api", to(8000))]);
    let (status, text) = front.get("other.localhost", "/x").await;
    assert_eq!(status, 404);
    assert!(text.contains("default backend - 404") && text.contains("other.localhost/x"), "{text}");

    let mut post =
        b"POST /api HTTP/1.1\r\nHost: api.localhost\r\nContent-Length: 3000000\r\nConnection: close\r\n\r\n"
            .to_vec();
    post.resize(post.len() + 3_000_000, b'x');
    let (status, text) = front.send(&post).await;
    assert!(status == 200 && text.ends_with("3000000 bytes"), "{text}");
    front.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_connections_may_be_closed_and_refused_ones_are_tried_again() {
    let Some(front) = front().await else { return };
    let (a, a_ip) = front.world.pod("a").await;
    let listener = listener_in(&a, 8000);
    let server = tokio::spawn(async move {
        // Says that it keeps the connection, and closes it.
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
        }
    });
    front.ingress.set_routes(vec![route(None, "/", vec![Endpoint::Pod((a_ip, 8000).into())])]);
    for _ in 0..3 {
        assert_eq!(front.get("localhost", "/").await.0, 200);
    }
    server.await.unwrap();
    // The listener is gone, as in a reload; the new one gets the request that came meanwhile.
    let (answer, ()) = tokio::join!(front.get("localhost", "/"), async {
        serve_echo(listener_in(&a, 8000), "reloaded");
    });
    assert!(answer.0 == 200 && answer.1.contains("reloaded"), "{answer:?}");
    front.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn web_sockets_go_through() {
    let Some(front) = front().await else { return };
    let (a, a_ip) = front.world.pod("a").await;
    let listener = listener_in(&a, 5173);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(Message::text(format!("echo {message}"))).await.unwrap();
            }
        }
    });
    front.ingress.set_routes(vec![route(None, "/", vec![Endpoint::Pod((a_ip, 5173).into())])]);
    let stream = TcpStream::connect(front.http).await.unwrap();
    let (mut socket, response) =
        tokio_tungstenite::client_async("ws://localhost/hmr?token=x", stream).await.unwrap();
    assert_eq!(response.status(), 101);
    for text in ["one", "two"] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(format!("echo {text}")));
    }
    socket.close(None).await.unwrap();
    front.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_chooses_the_certificate_by_name_and_speaks_http2() {
    let Some(front) = front().await else { return };
    let (a, a_ip) = front.world.pod("a").await;
    serve_echo(listener_in(&a, 8000), "backend");
    front.ingress.set_routes(vec![route(None, "/", vec![Endpoint::Pod((a_ip, 8000).into())])]);
    let named = rcgen::generate_simple_self_signed(["codex.localhost".to_string()]).unwrap();
    let default = rcgen::generate_simple_self_signed(["anything.localhost".to_string()]).unwrap();
    front.ingress.set_certificates(vec![
        (Some("broken.localhost".into()), "nonsense".into(), "nonsense".into()),
        (Some("codex.localhost".into()), named.cert.pem(), named.signing_key.serialize_pem()),
        (None, default.cert.pem(), default.signing_key.serialize_pem()),
    ]);
    for (name, certificate) in [("codex.localhost", &named.cert), ("anything.localhost", &default.cert)] {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(front.https).await.unwrap();
        let server = rustls::pki_types::ServerName::try_from(name).unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(server, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get(format!("https://{name}/api")).body(Empty::<Bytes>::new()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&text);
        assert!(
            text.contains("x-forwarded-proto: https") && text.contains(&format!("host: {name}")),
            "{text}"
        );
    }
    front.end().await;
}
