//! Carrying out probes and hooks: HTTP, TCP, gRPC, exec, sleep.

mod grpc;
mod http;

use crate::fd_stream::FdStream;
use crate::shared::Shared;
use pod::{Handler, Outcome};
use runtime::ExecSpec;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// So much of a command's output is worth telling.
const MOST_OUTPUT: u64 = 10 * 1024;

/// Where a pod's own ports are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) ip: Ipv4Addr,
    pub(crate) host_network: bool,
}

pub(crate) async fn probe(
    shared: &Shared,
    id: &str,
    target: Option<Target>,
    handler: &Handler,
    seconds: i64,
) -> Outcome {
    let limit = Duration::from_secs(u64::try_from(seconds).unwrap_or(1).max(1));
    let Some(target) = target else {
        return Outcome::Error { message: "the pod has no address yet".into() };
    };
    match handler {
        Handler::Exec { command } => match tokio::time::timeout(limit, run(shared, id, command)).await {
            Ok(Ok((0, _))) => Outcome::Success,
            Ok(Ok((_, output))) => Outcome::Failure { output },
            Ok(Err(message)) => Outcome::Error { message },
            Err(_) => Outcome::Failure {
                output: format!("command timed out: {:?} timed out after {seconds}s", command.join(" ")),
            },
        },
        Handler::Http { scheme, host, port, path, headers } => {
            let request = http::Request { scheme: *scheme, host, port: *port, path, headers };
            http::probe(shared, target, &request, limit).await
        }
        Handler::Tcp { host, port } => {
            let dialled = tokio::time::timeout(limit, dial(shared, target, host, *port));
            match dialled.await {
                Ok(Ok(_)) => Outcome::Success,
                Ok(Err(why)) => Outcome::Failure { output: why },
                Err(_) => Outcome::Failure {
                    output: format!("dial tcp {}: i/o timeout", place(target, host, *port)),
                },
            }
        }
        Handler::Grpc { port, service } => grpc::probe(shared, target, *port, service, limit).await,
        Handler::Sleep { .. } => Outcome::Error { message: "a probe cannot sleep".into() },
        Handler::Unusable { why } => Outcome::Failure { output: why.clone() },
    }
}

/// Runs a hook; gives what went wrong.
pub(crate) async fn hook(
    shared: &Shared,
    id: &str,
    target: Option<Target>,
    handler: &Handler,
    seconds: i64,
) -> Option<String> {
    let limit = Duration::from_secs(u64::try_from(seconds).unwrap_or(1).max(1));
    let work = async {
        match (handler, target) {
            (Handler::Exec { command }, _) => match run(shared, id, command).await {
                Ok((0, _)) => None,
                Ok((code, output)) => {
                    Some(format!("command '{}' exited with {code}: {output}", command.join(" ")))
                }
                Err(message) => Some(message),
            },
            (Handler::Sleep { seconds }, _) => {
                tokio::time::sleep(Duration::from_secs(u64::try_from(*seconds).unwrap_or(0))).await;
                None
            }
            (Handler::Http { scheme, host, port, path, headers }, Some(target)) => {
                let request = http::Request { scheme: *scheme, host, port: *port, path, headers };
                match http::probe(shared, target, &request, limit).await {
                    Outcome::Success => None,
                    Outcome::Failure { output } => Some(output),
                    Outcome::Error { message } => Some(message),
                }
            }
            (Handler::Tcp { host, port }, Some(target)) => dial(shared, target, host, *port).await.err(),
            (Handler::Unusable { why }, _) => Some(why.clone()),
            (Handler::Grpc { .. }, _) => Some("a hook cannot be a gRPC call".into()),
            (_, None) => Some("the pod has no address".into()),
        }
    };
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_| Some(format!("it did not end within {seconds}s")))
}

/// Exit code and output of a command in a container.
pub(crate) async fn run(shared: &Shared, id: &str, command: &[String]) -> Result<(i32, String), String> {
    let spec = ExecSpec {
        container: id.into(),
        args: command.to_vec(),
        env: Vec::new(),
        cwd: String::new(),
        user: String::new(),
        tty: false,
        stdin: false,
    };
    let mut exec = shared.runtime.exec(spec).await.map_err(|e| crate::error::chain(&e))?;
    let mut output = Vec::new();
    let mut errors = Vec::new();
    let (stdout, stderr) = (exec.stdout.take(), exec.stderr.take());
    let read = async |fd: Option<std::os::fd::OwnedFd>, into: &mut Vec<u8>| {
        if let Some(Ok(stream)) = fd.map(FdStream::new) {
            let mut first = stream.take(MOST_OUTPUT);
            // What cannot be read is not told.
            let _ = first.read_to_end(into).await;
            let _ = tokio::io::copy(first.get_mut(), &mut tokio::io::sink()).await;
        }
    };
    let (code, (), ()) = tokio::join!(exec.wait(), read(stdout, &mut output), read(stderr, &mut errors));
    output.append(&mut errors);
    Ok((code, String::from_utf8_lossy(&output).into_owned()))
}

pub(super) fn place(target: Target, host: &str, port: u16) -> String {
    if host.is_empty() { format!("{}:{port}", target.ip) } else { format!("{host}:{port}") }
}

/// A connection to a port of the pod, or of the host that the probe names.
pub(super) async fn dial(
    shared: &Shared,
    target: Target,
    host: &str,
    port: u16,
) -> Result<TcpStream, String> {
    let place = place(target, host, port);
    let failed = |e: std::io::Error| format!("dial tcp {place}: connect: {}", reason(&e));
    let ip = if host.is_empty() { Some(IpAddr::V4(target.ip)) } else { host.parse().ok() };
    match ip {
        _ if target.host_network && host.is_empty() => {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)
        }
        Some(ip) if !target.host_network => {
            shared.network.dial(SocketAddr::new(ip, port)).await.map_err(failed)
        }
        _ => TcpStream::connect((host, port)).await.map_err(failed),
    }
}

/// In the words of Go's errors, which people know from events.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".into(),
        std::io::ErrorKind::HostUnreachable => "no route to host".into(),
        std::io::ErrorKind::TimedOut => "connection timed out".into(),
        std::io::ErrorKind::ConnectionReset => "connection reset by peer".into(),
        _ => error.to_string(),
    }
}
