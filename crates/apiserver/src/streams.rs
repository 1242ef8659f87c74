//! Logs, exec, attach and port-forward, in the three wire forms that clients speak: WebSocket channels, SPDY/3.1, and
//! SPDY/3.1 inside a WebSocket.

pub(crate) mod channels;
pub(crate) mod exec;
mod kubelet;
pub(crate) mod logs;
pub(crate) mod port_forward;
pub(crate) mod proxy;
mod session;
mod tunnel;

use crate::resources::Call;
use api::{ApiError, NodeHandle, Result};
use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// Which way the client wants to upgrade the connection.
enum Upgrade {
    WebSocket(WebSocketUpgrade),
    Spdy(OnUpgrade),
}

fn node(call: &Call) -> Result<NodeHandle> {
    call.inner
        .node
        .get()
        .cloned()
        .ok_or_else(|| ApiError::unavailable("the node has not started yet: try again soon"))
}

async fn upgrade(call: &mut Call) -> Result<Upgrade> {
    let wanted =
        call.parts.headers.get(header::UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if wanted.eq_ignore_ascii_case("websocket") {
        return WebSocketUpgrade::from_request_parts(&mut call.parts, &())
            .await
            .map(Upgrade::WebSocket)
            .map_err(|error| ApiError::bad_request(error.to_string()));
    }
    if wanted.eq_ignore_ascii_case("SPDY/3.1") {
        let upgrade = call.parts.extensions.remove::<OnUpgrade>();
        return upgrade
            .map(Upgrade::Spdy)
            .ok_or_else(|| ApiError::bad_request("this connection cannot be upgraded: HTTP/1.1 is needed"));
    }
    Err(ApiError::bad_request("Upgrade request required"))
}

/// `101 Switching Protocols` for SPDY, with the subprotocol of the stream.
fn switching(headers: &HeaderMap, offered: &[&'static str]) -> Result<Response<axum::body::Body>> {
    let asked: Vec<&str> = headers
        .get_all("X-Stream-Protocol-Version")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(str::trim))
        .collect();
    let chosen = offered.iter().find(|protocol| asked.contains(protocol)).ok_or_else(|| {
        ApiError::new(
            403,
            "Forbidden",
            format!("no stream protocol in common: asked for {asked:?}, known are {offered:?}"),
        )
    })?;
    let mut answer = Response::new(axum::body::Body::empty());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("SPDY/3.1"));
    headers.insert("X-Stream-Protocol-Version", HeaderValue::from_static(chosen));
    Ok(answer)
}

/// The bare connection after the answer has been sent.
async fn upgraded(upgrade: OnUpgrade) -> Option<TokioIo<Upgraded>> {
    match upgrade.await {
        Ok(connection) => Some(TokioIo::new(connection)),
        Err(error) => {
            tracing::debug!(%error, "an upgrade failed");
            None
        }
    }
}

/// The container that a request means, as upstream finds it.
fn container(pod: &Value, given: &str) -> Result<String> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    let names = |list: &str| -> Vec<String> {
        let containers = pod["spec"][list].as_array().into_iter().flatten();
        containers.filter_map(|container| container["name"].as_str().map(str::to_string)).collect()
    };
    if given.is_empty() {
        let main = names("containers");
        return match main.as_slice() {
            [only] => Ok(only.clone()),
            many => {
                let marked =
                    pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
                match marked.filter(|marked| many.iter().any(|name| name == marked)) {
                    Some(marked) => Ok(marked.to_string()),
                    None => Err(ApiError::bad_request(format!(
                        "a container name must be specified for pod {name}, choose one of: [{}]",
                        many.join(" ")
                    ))),
                }
            }
        };
    }
    if lists.iter().any(|list| names(list).iter().any(|known| known == given)) {
        return Ok(given.to_string());
    }
    Err(ApiError::bad_request(format!("container {given} is not valid for pod {name}")))
}
