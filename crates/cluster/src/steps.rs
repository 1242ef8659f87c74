//! Live update's steps in a running container: a command with what a build step is lent, and a restart.

use crate::routes::{Routes, error_chain, refuse, tokio_stream};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use runtime::{ContainerState, ExecSpec};
use serde::Deserialize;
use serde_json::{Value, json};
use std::os::fd::OwnedFd;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunRequest {
    argv: Vec<String>,
    /// Lend the host's CA bundle, proxies and registry settings, as builds get them.
    host_trust: bool,
}

/// Runs a command in the container, in its own environment and folder. Answer: `{"output": "…"}` lines as it prints,
/// then `{"code": N}`. A client that goes away ends the command.
pub(crate) async fn run(
    State(routes): State<Routes>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Json(request): Json<RunRequest>,
) -> Response {
    let id = match find(&routes, &namespace, &pod, &container) {
        Ok(id) => id,
        Err(response) => return *response,
    };
    let lent = if request.host_trust { builder::trust::lend() } else { builder::trust::Lent::default() };
    if let Err(message) = lend_files(&routes, &namespace, &pod, &container, &lent.files).await {
        return refuse(StatusCode::CONFLICT, &message);
    }
    let spec = ExecSpec {
        container: id,
        args: request.argv,
        env: lent.env,
        cwd: String::new(),
        user: String::new(),
        tty: false,
        stdin: false,
    };
    let mut exec = match routes.runtime.exec(spec).await {
        Ok(exec) => exec,
        Err(error) => return refuse(StatusCode::CONFLICT, &error_chain(&error)),
    };
    let (lines, answer) = mpsc::channel::<Result<Vec<u8>, std::convert::Infallible>>(64);
    tokio::spawn(async move {
        let streams = [exec.stdout.take(), exec.stderr.take()];
        let copies = streams.into_iter().flatten().map(|stream| copy(stream, lines.clone()));
        let end = async {
            futures::future::join_all(copies).await;
            exec.wait().await
        };
        tokio::select! {
            // Dropping the exec kills the command.
            () = lines.closed() => {}
            code = end => drop(lines.send(Ok(line(&json!({"code": code})))).await),
        }
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(tokio_stream(answer)))
        .into_response()
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

async fn copy(stream: OwnedFd, lines: mpsc::Sender<Result<Vec<u8>, std::convert::Infallible>>) {
    let Ok(mut stream) = tokio::net::unix::pipe::Receiver::from_owned_fd(stream) else { return };
    let mut buffer = vec![0u8; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let text = String::from_utf8_lossy(&buffer[..count]);
        if lines.send(Ok(line(&json!({"output": text})))).await.is_err() {
            return;
        }
    }
}

/// The files are small and stay: a later step finds them, and nothing else looks there.
async fn lend_files(
    routes: &Routes,
    namespace: &str,
    pod: &str,
    container: &str,
    files: &[(String, Vec<u8>)],
) -> Result<(), String> {
    if files.is_empty() {
        return Ok(());
    }
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        archive
            .append_data(&mut header, path.trim_start_matches('/'), content.as_slice())
            .map_err(|e| e.to_string())?;
    }
    let bytes = archive.into_inner().map_err(|e| e.to_string())?;
    let written = routes.node.sync(namespace, pod, container, std::io::Cursor::new(bytes), Vec::new()).await;
    written.map(drop).map_err(|e| error_chain(&e))
}

/// The runtime's name of the running container: `<pod uid>_<container>_<restart>`.
fn find(routes: &Routes, namespace: &str, pod: &str, container: &str) -> Result<String, Box<Response>> {
    let Ok(object) = routes.api.get("pods", namespace, pod) else {
        return Err(Box::new(refuse(StatusCode::NOT_FOUND, &format!("there is no pod {namespace}/{pod}"))));
    };
    let prefix = format!("{}_{container}_", controllers::str_at(&object, &["metadata", "uid"]));
    let running = |(id, state): (String, ContainerState)| {
        (id.starts_with(&prefix) && matches!(state, ContainerState::Running { .. })).then_some(id)
    };
    routes.runtime.containers().into_iter().find_map(running).ok_or_else(|| {
        let message = format!("the container {container} of {namespace}/{pod} is not running");
        Box::new(refuse(StatusCode::CONFLICT, &message))
    })
}

/// Ends the container's program; the node starts it again, with its files as they are.
pub(crate) async fn restart(
    State(routes): State<Routes>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
) -> Response {
    match routes.node.restart(&namespace, &pod, &container).await {
        Ok(()) => Json(json!({})).into_response(),
        Err(error) => refuse(StatusCode::CONFLICT, &error_chain(&error)),
    }
}
