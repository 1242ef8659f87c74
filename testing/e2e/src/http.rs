//! As much of an HTTP client as scenarios need: one request, one answer, on the loopback address.

use anyhow::{Context, bail, ensure};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Head and body as they came, chunk sizes included.
    pub text: String,
}

fn connect(port: u16) -> anyhow::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, LIMIT)
        .with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

pub fn request(method: &str, port: u16, path: &str, body: &str) -> anyhow::Result<Answer> {
    let mut stream = connect(port)?;
    let kind = if body.is_empty() { String::new() } else { "Content-Type: application/json\r\n".into() };
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: */*\r\n{kind}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .with_context(|| format!("no whole answer to {method} {path} on port {port}"))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status =
        status.with_context(|| format!("no HTTP answer to {method} {path} on port {port}: {text:?}"))?;
    Ok(Answer { status, text })
}

/// The answer to GET if it is a good one.
pub fn get(port: u16, path: &str) -> anyhow::Result<String> {
    let answer = request("GET", port, path, "")?;
    ensure!(answer.status == 200, "GET {path} on port {port}: {}", answer.text);
    Ok(answer.text)
}

/// GET answers, with this in the answer.
pub fn serves(port: u16, path: &str, part: &str) -> anyhow::Result<()> {
    let text = get(port, path)?;
    ensure!(text.contains(part), "{path} on port {port} has no {part:?}: {text}");
    Ok(())
}

/// A WebSocket whose text is only looked at.
pub struct WebSocket {
    stream: TcpStream,
    text: Vec<u8>,
}

impl WebSocket {
    pub fn open(port: u16, path: &str, protocol: &str) -> anyhow::Result<Self> {
        let mut stream = connect(port)?;
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut socket = Self { stream, text: Vec::new() };
        socket.wait_for("\r\n\r\n", 10)?;
        let answer = String::from_utf8_lossy(&socket.text).into_owned();
        ensure!(answer.starts_with("HTTP/1.1 101"), "no WebSocket on port {port}: {answer}");
        Ok(socket)
    }

    /// Waits until what the server has sent contains this.
    pub fn wait_for(&mut self, part: &str, seconds: u64) -> anyhow::Result<()> {
        let began = Instant::now();
        self.stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        let mut buffer = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&self.text);
            if text.contains(part) {
                return Ok(());
            }
            if began.elapsed() > Duration::from_secs(seconds) {
                bail!("the WebSocket did not send {part:?} in {seconds} s: {text}");
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => bail!("the WebSocket was closed before {part:?}: {text}"),
                Ok(length) => self.text.extend_from_slice(&buffer[..length]),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A port of the loopback address that nobody uses now.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
