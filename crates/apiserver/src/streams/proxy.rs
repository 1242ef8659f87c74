//! `pods/proxy` and `services/proxy`: a request goes on to a port of a pod, and its answer comes back.

use super::{kubelet, node};
use crate::resources::Call;
use crate::respond::Answer;
use api::{ApiError, Result};
use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use store::{Term, View};

/// These are about one connection, not about what goes over it.
const OF_A_CONNECTION: [HeaderName; 6] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::PROXY_AUTHENTICATE,
];

/// A pod and its port.
#[derive(Debug, PartialEq, Eq)]
struct Backend {
    pod: String,
    port: u16,
}

pub(crate) async fn handle(mut call: Call, body: Body) -> Result<Answer> {
    if call.kind.plural == "nodes" {
        return kubelet::handle(&call);
    }
    let path = call.parts.uri.path().to_string();
    // `/api/v1/namespaces/NS/PLURAL/NAME/proxy/REST`, as the client has written it.
    let Some(rest) = path.splitn(9, '/').nth(8) else {
        return redirect(&call);
    };
    let prefix = path.strip_suffix(rest).unwrap_or(&path).trim_end_matches('/').to_string();
    let (scheme, name, port) = split(&call.target.name)?;
    if scheme == "https" {
        return Err(ApiError::new(501, "NotImplemented", "a proxy to a port with TLS is not built"));
    }
    let view = call.inner.api.view();
    let backend = match call.kind.plural.as_str() {
        "services" => of_service(&view, &call.target.namespace, name, port)?,
        _ => of_pod(&call, name, port)?,
    };
    let query = call.parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let uri = format!("/{rest}{query}");
    let connection = node(&call)?
        .port_forward(&call.target.namespace, &backend.pod, backend.port)
        .await
        .map_err(|error| unreachable(&error.message))?;
    let ours = call.parts.extensions.remove::<OnUpgrade>();
    let request = outgoing(&call, &uri, backend.port, body)?;
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(connection))
        .await
        .map_err(|error| unreachable(&error.to_string()))?;
    let closing = call.inner.closing.clone();
    tokio::spawn(async move {
        tokio::select! {
            ended = driver.with_upgrades() => tracing::debug!(?ended, "a proxied connection has ended"),
            () = closing.cancelled() => {}
        }
    });
    let mut answer = sender.send_request(request).await.map_err(|error| unreachable(&error.to_string()))?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(ours) = ours
    {
        let theirs = hyper::upgrade::on(&mut answer);
        tokio::spawn(bridge(ours, theirs));
        return Ok(answer.map(|_| Body::empty()));
    }
    Ok(incoming(answer, &prefix))
}

/// `…/proxy` is not the folder that relative links are of.
fn redirect(call: &Call) -> Result<Answer> {
    let query = call.parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{}/{query}", call.parts.uri.path());
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::MOVED_PERMANENTLY;
    let location = HeaderValue::from_str(&location).map_err(|e| ApiError::bad_request(e.to_string()))?;
    answer.headers_mut().insert(header::LOCATION, location);
    Ok(answer)
}

/// `name`, `name:port`, `scheme:name:port`.
fn split(text: &str) -> Result<(&str, &str, &str)> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [name] => Ok(("", name, "")),
        [name, port] => Ok(("", name, port)),
        [scheme @ ("http" | "https" | ""), name, port] => Ok((scheme, name, port)),
        _ => Err(ApiError::bad_request(format!("invalid service request {text:?}"))),
    }
}

fn of_pod(call: &Call, name: &str, port: &str) -> Result<Backend> {
    let pod = call.inner.api.get("pods", &call.target.namespace, name)?;
    let first = || {
        let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
        let mut ports = containers.flat_map(|c| c["ports"].as_array().into_iter().flatten());
        ports.find_map(|port| u16::try_from(port["containerPort"].as_u64()?).ok())
    };
    let port = if port.is_empty() { first().unwrap_or(80) } else { number(port)? };
    Ok(Backend { pod: name.to_string(), port })
}

fn number(text: &str) -> Result<u16> {
    text.parse().map_err(|_| ApiError::bad_request(format!("invalid port {text:?}")))
}

fn of_service(view: &dyn View, namespace: &str, name: &str, port: &str) -> Result<Backend> {
    let service =
        view.get("services", namespace, name).ok_or_else(|| ApiError::not_found("services", name))?;
    // A number is one of the Service's; what it is called leads to the endpoints' port.
    let port_name = match port.parse::<u64>() {
        Err(_) => port.to_string(),
        Ok(number) => {
            let mut ports = service["spec"]["ports"].as_array().into_iter().flatten();
            let found = ports.find(|known| known["port"].as_u64() == Some(number));
            let found = found.ok_or_else(|| {
                ApiError::unavailable(format!("no service port {number} found for service {name:?}"))
            })?;
            found["name"].as_str().unwrap_or_default().to_string()
        }
    };
    let of_service = [Term::Label("kubernetes.io/service-name", name)];
    let slices = view.select("discovery.k8s.io/endpointslices", namespace, &of_service);
    slices
        .iter()
        .filter_map(|slice| endpoint(slice, &port_name))
        .next()
        .ok_or_else(|| ApiError::unavailable(format!("no endpoints available for service {name:?}")))
}

/// A ready pod of a slice, with its port of this name.
fn endpoint(slice: &Value, port_name: &str) -> Option<Backend> {
    let mut ports = slice["ports"].as_array()?.iter();
    let port = ports.find(|port| port["name"].as_str().unwrap_or_default() == port_name)?;
    let port = u16::try_from(port["port"].as_u64()?).ok()?;
    let mut ready = slice["endpoints"].as_array()?.iter().filter(|e| e["conditions"]["ready"] != false);
    let pod = ready.find_map(|endpoint| endpoint["targetRef"]["name"].as_str())?;
    Some(Backend { pod: pod.to_string(), port })
}

fn unreachable(why: &str) -> ApiError {
    ApiError::unavailable(format!("error trying to reach service: {why}"))
}

fn outgoing(call: &Call, uri: &str, port: u16, body: Body) -> Result<Request<Body>> {
    let parts = &call.parts;
    let mut request = Request::new(body);
    *request.method_mut() = if parts.method == Method::CONNECT { Method::GET } else { parts.method.clone() };
    *request.uri_mut() = uri.parse::<Uri>().map_err(|e| ApiError::bad_request(e.to_string()))?;
    let upgrade = parts.headers.get(header::UPGRADE).cloned();
    let headers = request.headers_mut();
    *headers = passed_on(&parts.headers);
    // Who the caller is to us is nobody else's business.
    headers.remove(header::AUTHORIZATION);
    let host = call.parts.headers.get(header::HOST).cloned();
    let host = host.or_else(|| HeaderValue::from_str(&format!("localhost:{port}")).ok());
    if let Some(host) = host {
        headers.insert(header::HOST, host);
    }
    if let Some(upgrade) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, upgrade);
    }
    Ok(request)
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut out = headers.clone();
    for name in OF_A_CONNECTION {
        out.remove(name);
    }
    out
}

/// Redirects within the pod stay below the proxy's path.
fn incoming(answer: Response<hyper::body::Incoming>, prefix: &str) -> Answer {
    let (mut parts, body) = answer.into_parts();
    parts.headers = passed_on(&parts.headers);
    parts.version = http::Version::HTTP_11;
    let location = parts.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    if let Some(location) = location.filter(|to| to.starts_with('/') && !to.starts_with("//"))
        && let Ok(location) = HeaderValue::from_str(&format!("{prefix}{location}"))
    {
        parts.headers.insert(header::LOCATION, location);
    }
    Response::from_parts(parts, Body::new(body))
}

async fn bridge(ours: OnUpgrade, theirs: OnUpgrade) {
    let (Some(mut ours), Some(mut theirs)) = tokio::join!(super::upgraded(ours), super::upgraded(theirs))
    else {
        return;
    };
    let copied = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
    tracing::debug!(?copied, "a proxied upgrade has ended");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names() {
        for (text, expected) in [
            ("web", Some(("", "web", ""))),
            ("web:80", Some(("", "web", "80"))),
            ("https:web:443", Some(("https", "web", "443"))),
            (":web:http", Some(("", "web", "http"))),
            ("ftp:web:21", None),
            ("a:b:c:d", None),
        ] {
            assert_eq!(split(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn endpoints() {
        let slice = json!({
            "ports": [{ "name": "http", "port": 8080 }, { "name": "", "port": 9 }],
            "endpoints": [
                { "conditions": { "ready": false }, "targetRef": { "name": "a" } },
                { "conditions": { "ready": true }, "targetRef": { "name": "b" } },
            ],
        });
        let backend = |port| Some(Backend { pod: "b".into(), port });
        assert_eq!(endpoint(&slice, "http"), backend(8080));
        assert_eq!(endpoint(&slice, ""), backend(9));
        assert_eq!(endpoint(&slice, "other"), None);
    }
}
