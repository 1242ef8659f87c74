//! A client of a cluster's API with connections that stay open: what load needs, and no more.

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Where the API is and who asks.
#[derive(Clone)]
pub struct Client {
    config: Arc<ClientConfig>,
    address: SocketAddr,
}

pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("no JSON in the answer: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The answer if its status is this.
    pub fn expect(self, status: u16) -> anyhow::Result<Self> {
        ensure!(
            self.status == status,
            "{} instead of {status}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        Ok(self)
    }
}

impl Client {
    /// From what `kubectl config view --raw --minify -o json` prints.
    pub fn new(kubeconfig: &Value) -> anyhow::Result<Self> {
        let (cluster, user) = (&kubeconfig["clusters"][0]["cluster"], &kubeconfig["users"][0]["user"]);
        let pem = |value: &Value| -> anyhow::Result<Vec<u8>> {
            let text = value.as_str().context("the kubeconfig has no certificate data")?;
            Ok(base64::engine::general_purpose::STANDARD.decode(text)?)
        };
        let mut roots = rustls::RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(&pem(&cluster["certificate-authority-data"])?) {
            roots.add(authority?)?;
        }
        let chain = CertificateDer::pem_slice_iter(&pem(&user["client-certificate-data"])?)
            .collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&pem(&user["client-key-data"])?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        let server = cluster["server"].as_str().context("the kubeconfig has no server")?;
        let (_, port) = server.rsplit_once(':').context("the server has no port")?;
        let address = SocketAddr::from(([127, 0, 0, 1], port.trim_end_matches('/').parse()?));
        Ok(Self { config: Arc::new(config), address })
    }

    pub fn connect(&self) -> anyhow::Result<Connection> {
        let socket = TcpStream::connect_timeout(&self.address, LIMIT)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(LIMIT))?;
        socket.set_write_timeout(Some(LIMIT))?;
        let name = ServerName::try_from("127.0.0.1")?;
        let session = ClientConnection::new(self.config.clone(), name)?;
        Ok(Connection { stream: StreamOwned::new(session, socket), buffer: Vec::new() })
    }
}

/// One connection; requests follow each other on it.
pub struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    /// What has come and is not read yet.
    buffer: Vec<u8>,
}

impl Connection {
    pub fn request(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
        self.send(method, path, body)?;
        let (status, head) = self.head()?;
        let mut answer = Answer { status, body: Vec::new() };
        match header(&head, "content-length") {
            Some(length) => {
                let length: usize = length.parse()?;
                while self.buffer.len() < length {
                    self.more()?;
                }
                answer.body.extend(self.buffer.drain(..length));
            }
            None => {
                while let Some(chunk) = self.chunk()? {
                    answer.body.extend(chunk);
                }
            }
        }
        Ok(answer)
    }

    pub fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.request("GET", path, "")
    }

    /// Begins a watch on this connection. An answer that is no stream (410, say) is the error's text.
    pub fn watch(mut self, path: &str) -> anyhow::Result<Watch> {
        self.send("GET", path, "")?;
        let (status, _) = self.head()?;
        ensure!(status == 200, "the watch is answered with {status}");
        Ok(Watch { connection: self, text: Vec::new() })
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<()> {
        let kind = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: load\r\nAccept: application/json\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes())?;
        Ok(self.stream.flush()?)
    }

    fn more(&mut self) -> anyhow::Result<()> {
        let mut part = [0; 16384];
        let length = self.stream.read(&mut part)?;
        if length == 0 {
            bail!(std::io::Error::from(ErrorKind::UnexpectedEof));
        }
        self.buffer.extend_from_slice(&part[..length]);
        Ok(())
    }

    /// Takes everything up to and with this from what comes.
    fn until(&mut self, end: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut from = 0;
        loop {
            if let Some(at) = self.buffer[from..].windows(end.len()).position(|window| window == end) {
                return Ok(self.buffer.drain(..from + at + end.len()).collect());
            }
            from = self.buffer.len().saturating_sub(end.len());
            self.more()?;
        }
    }

    fn head(&mut self) -> anyhow::Result<(u16, String)> {
        let head = String::from_utf8(self.until(b"\r\n\r\n")?)?.to_lowercase();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Ok((status.with_context(|| format!("no HTTP answer: {head}"))?, head))
    }

    fn chunk(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let line = self.until(b"\r\n")?;
        let length = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16)?;
        while self.buffer.len() < length + 2 {
            self.more()?;
        }
        let chunk: Vec<u8> = self.buffer.drain(..length + 2).take(length).collect();
        Ok((length > 0).then_some(chunk))
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(given, _)| *given == name)
        .map(|(_, v)| v.trim())
}

/// A stream of events.
pub struct Watch {
    connection: Connection,
    text: Vec<u8>,
}

impl Watch {
    /// The next event, as the line that it is; `None` when the stream is over or nothing has come until `deadline`.
    pub fn next(&mut self, deadline: Instant) -> anyhow::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.text.drain(..=end).collect()));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.connection.stream.sock.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match self.connection.chunk() {
                Ok(Some(chunk)) => self.text.extend(chunk),
                Ok(None) => return Ok(None),
                Err(error) if is_timeout(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_timeout(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}
