//! The daemon's own HTTP routes below `/coracle/v1`: build an image, write files into a container, tell the status.
//!
//! They are what the embedded cluster can do beyond plain Kubernetes; `session` uses them where it finds them.

use crate::settings::Settings;
use crate::steps;
use api::Api;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use builder::{BuildEvent, BuildRequest, Builder};
use futures::{StreamExt, TryStreamExt};
use images::Images;
use node::Node;
use runtime::Runtime;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

/// What a client learns first: that this is an embedded cluster, and what it offers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub name: String,
    pub version: String,
    pub pid: u32,
    pub registry: Option<String>,
    /// Host port, cluster port.
    pub ports: Vec<(u16, u16)>,
}

#[derive(Clone)]
pub(crate) struct Routes {
    pub(crate) settings: Arc<Settings>,
    pub(crate) builder: Builder,
    pub(crate) images: Images,
    pub(crate) api: Api,
    pub(crate) runtime: Runtime,
    pub(crate) node: Arc<Node>,
}

impl Routes {
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/v1/status", get(status))
            .route("/v1/build", post(build))
            .route("/v1/images/tag", post(tag))
            .route("/v1/namespaces/{namespace}/pods/{pod}/containers/{container}/files", put(files))
            .route("/v1/namespaces/{namespace}/pods/{pod}/containers/{container}/run", post(steps::run))
            .route(
                "/v1/namespaces/{namespace}/pods/{pod}/containers/{container}/restart",
                post(steps::restart),
            )
            .with_state(self)
    }
}

async fn status(State(routes): State<Routes>) -> Json<Status> {
    let settings = &routes.settings;
    Json(Status {
        name: settings.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        pid: std::process::id(),
        registry: settings.registry.as_ref().map(crate::settings::Registry::address),
        ports: settings.ports.iter().map(|p| (p.host_port, p.cluster_port)).collect(),
    })
}

/// Body: a [`BuildRequest`]. Answer: [`BuildEvent`]s, a JSON line each; the last is `built` or `failed`. A client
/// that goes away cancels its build.
async fn build(State(routes): State<Routes>, Json(request): Json<BuildRequest>) -> Response {
    let (events, mut received) = mpsc::channel::<BuildEvent>(256);
    let (lines, answer) = mpsc::channel::<Result<Vec<u8>, std::convert::Infallible>>(256);
    tokio::spawn(async move {
        let build = async {
            // The result is among the events: `built` or `failed`.
            let _ = routes.builder.build(request, events).await;
        };
        let pump = async {
            // a step may be silent for long: that the client is gone is not seen by sending alone
            while let Some(event) = tokio::select! {
                event = received.recv() => event,
                () = lines.closed() => None,
            } {
                let mut line = serde_json::to_vec(&event).expect("plain data");
                line.push(b'\n');
                if lines.send(Ok(line)).await.is_err() {
                    return;
                }
            }
        };
        // When the client is gone the pump ends first, and dropping the build cancels it.
        tokio::pin!(build, pump);
        tokio::select! {
            () = &mut pump => {}
            () = &mut build => pump.await,
        }
    });
    let stream = tokio_stream(answer);
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(stream)).into_response()
}

pub(crate) fn tokio_stream<T>(receiver: mpsc::Receiver<T>) -> impl futures::Stream<Item = T> {
    futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|item| (item, receiver))
    })
}

/// The first line of a files request.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct FilesHeader {
    /// Absolute paths in the container; folders go with all that is in them.
    pub deletes: Vec<String>,
}

/// Body: a [`FilesHeader`] as one JSON line, then a tar stream of what to write, with absolute paths' leading `/` left
/// out. Answer: what was done, or 409 with a reason if the container cannot take it.
async fn files(
    State(routes): State<Routes>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    body: Body,
) -> Response {
    let stream = body.into_data_stream().map_err(std::io::Error::other).boxed();
    let mut reader = BufReader::new(StreamReader::new(stream));
    let mut line = String::new();
    if let Err(error) = reader.read_line(&mut line).await {
        return refuse(StatusCode::BAD_REQUEST, &error.to_string());
    }
    let header: FilesHeader = match serde_json::from_str(&line) {
        Ok(header) => header,
        Err(error) => {
            return refuse(StatusCode::BAD_REQUEST, &format!("the first line is no files header: {error}"));
        }
    };
    match routes.node.sync(&namespace, &pod, &container, reader, header.deletes).await {
        Ok(report) => Json(json!({"written": report.written, "deleted": report.deleted})).into_response(),
        Err(error) => refuse(StatusCode::CONFLICT, &error_chain(&error)),
    }
}

#[derive(Debug, Deserialize)]
struct TagRequest {
    source: String,
    target: String,
}

/// Gives an image of the store another name.
async fn tag(State(routes): State<Routes>, Json(request): Json<TagRequest>) -> Response {
    match routes.images.tag(&request.source, &request.target) {
        Ok(()) => Json(json!({})).into_response(),
        Err(error) => refuse(StatusCode::CONFLICT, &error_chain(&error)),
    }
}

pub(crate) fn refuse(code: StatusCode, message: &str) -> Response {
    (code, Json(json!({"message": message}))).into_response()
}

pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
