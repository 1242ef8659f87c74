//! One request: find its rule, reach an endpoint, pass bodies and upgrades through.

use super::headers::{Origin, set_forwarded, set_upgrade, strip_hop};
use super::route::Table;
use crate::network::Tasks;
use crate::proxy::HOLD;
use crate::{Endpoint, Network, Route};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Request, Response, StatusCode, Uri, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use parking_lot::{Mutex, RwLock};
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

pub(super) type Body = BoxBody<Bytes, hyper::Error>;
type Sender = SendRequest<Incoming>;

const CONNECT: Duration = Duration::from_secs(1);
/// Connections to an endpoint that are kept for the next request.
const MOST_KEPT: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

pub(super) struct Forward {
    network: Network,
    tasks: Tasks,
    table: RwLock<Arc<Table>>,
    kept: Arc<Mutex<HashMap<Endpoint, Vec<Sender>>>>,
    turn: AtomicU64,
    random: RandomState,
}

impl Forward {
    pub(super) fn new(network: Network, tasks: Tasks) -> Forward {
        Forward {
            network,
            tasks,
            table: RwLock::default(),
            kept: Arc::default(),
            turn: AtomicU64::new(0),
            random: RandomState::new(),
        }
    }

    pub(super) fn set_routes(&self, routes: Vec<Route>) {
        let table = Table::new(routes);
        let endpoints: HashSet<Endpoint> =
            table.routes().flat_map(|route| route.endpoints.iter().copied()).collect();
        self.kept.lock().retain(|endpoint, _| endpoints.contains(endpoint));
        *self.table.write() = Arc::new(table);
    }

    pub(super) async fn handle(
        &self,
        request: Request<Incoming>,
        client: IpAddr,
        tls: bool,
    ) -> Response<Body> {
        let host = host_of(&request);
        let path = request.uri().path().to_string();
        let Some(route) = self.route(&host, &path) else {
            let text = format!("default backend - 404\n\nno Ingress has a rule for {host}{path}\n");
            return message(StatusCode::NOT_FOUND, text);
        };
        if route.endpoints.is_empty() {
            return message(StatusCode::SERVICE_UNAVAILABLE, no_endpoint(&route));
        }
        let request = match self.prepare(request, &host, client, tls) {
            Ok(request) => request,
            Err(error) => return message(StatusCode::BAD_REQUEST, format!("400 Bad Request\n\n{error}\n")),
        };
        self.pass(request, &host, &path, route).await
    }

    fn route(&self, host: &str, path: &str) -> Option<Route> {
        self.table.read().find(host, path).cloned()
    }

    /// The request as it goes to the endpoint.
    fn prepare(
        &self,
        request: Request<Incoming>,
        host: &str,
        client: IpAddr,
        tls: bool,
    ) -> Result<Request<Incoming>, http::Error> {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let uri = Uri::builder().path_and_query(target).build()?;
        let mut request = request;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_11;
        let request_id = self.request_id();
        let headers = request.headers_mut();
        let upgrade = strip_hop(headers);
        set_forwarded(headers, &Origin { host, client, tls, request_id: &request_id });
        if let Some(protocol) = upgrade {
            set_upgrade(headers, protocol);
        }
        Ok(request)
    }

    fn request_id(&self) -> String {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}{:016x}", self.random.hash_one((turn, 0)), self.random.hash_one((turn, 1)))
    }

    async fn pass(
        &self,
        mut request: Request<Incoming>,
        host: &str,
        path: &str,
        route: Route,
    ) -> Response<Body> {
        let deadline = Instant::now() + HOLD;
        let mut route = route;
        let mut pause = FIRST_PAUSE;
        let client_side =
            request.headers().contains_key(http::header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
        loop {
            for endpoint in self.in_turn(&route.endpoints) {
                request = match self.try_endpoint(endpoint, request).await {
                    Attempt::Answered(response) => return self.respond(response, client_side),
                    Attempt::Failed(error) => {
                        return message(StatusCode::BAD_GATEWAY, broken(&route, &error));
                    }
                    Attempt::NotSent(request) => *request,
                };
            }
            if Instant::now() + pause >= deadline {
                return message(StatusCode::BAD_GATEWAY, refused(&route));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            // Meanwhile there may be other endpoints.
            match self.route(host, path) {
                Some(now) if !now.endpoints.is_empty() => route = now,
                _ => return message(StatusCode::SERVICE_UNAVAILABLE, no_endpoint(&route)),
            }
        }
    }

    fn in_turn(&self, endpoints: &[Endpoint]) -> Vec<Endpoint> {
        let mut endpoints = endpoints.to_vec();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % endpoints.len().max(1) as u64;
        endpoints.rotate_left(turn as usize);
        endpoints
    }

    async fn try_endpoint(&self, endpoint: Endpoint, request: Request<Incoming>) -> Attempt {
        let mut request = request;
        while let Some(sender) = self.take_kept(endpoint) {
            request = match self.send(endpoint, sender, request).await {
                // The endpoint had closed this kept connection; nothing was sent.
                Attempt::NotSent(request) => *request,
                done => return done,
            };
        }
        match self.connect(endpoint).await {
            Some(sender) => self.send(endpoint, sender, request).await,
            None => Attempt::NotSent(Box::new(request)),
        }
    }

    async fn connect(&self, endpoint: Endpoint) -> Option<Sender> {
        let stream = match timeout(CONNECT, self.network.dial_endpoint(endpoint)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(?endpoint, %error, "endpoint does not answer");
                return None;
            }
            Err(_) => return None,
        };
        let _ = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        self.tasks.spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(?endpoint, %error, "connection to an endpoint ended badly");
            }
        });
        Some(sender)
    }

    async fn send(&self, endpoint: Endpoint, mut sender: Sender, request: Request<Incoming>) -> Attempt {
        match sender.try_send_request(request).await {
            Ok(response) => {
                if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    self.keep(endpoint, sender);
                }
                Attempt::Answered(response)
            }
            Err(mut error) => match error.take_message() {
                Some(request) => Attempt::NotSent(Box::new(request)),
                None => Attempt::Failed(error.into_error()),
            },
        }
    }

    fn take_kept(&self, endpoint: Endpoint) -> Option<Sender> {
        let mut kept = self.kept.lock();
        let senders = kept.get_mut(&endpoint)?;
        std::iter::from_fn(|| senders.pop()).find(Sender::is_ready)
    }

    /// Keeps the connection once the answer's body has gone through.
    fn keep(&self, endpoint: Endpoint, mut sender: Sender) {
        let kept = Arc::clone(&self.kept);
        self.tasks.spawn(async move {
            if sender.ready().await.is_ok() {
                let mut kept = kept.lock();
                let senders = kept.entry(endpoint).or_default();
                senders.retain(|sender| !sender.is_closed());
                if senders.len() < MOST_KEPT {
                    senders.push(sender);
                }
            }
        });
    }

    fn respond(
        &self,
        mut response: Response<Incoming>,
        client: Option<hyper::upgrade::OnUpgrade>,
    ) -> Response<Body> {
        let upgrade = strip_hop(response.headers_mut());
        if let (StatusCode::SWITCHING_PROTOCOLS, Some(protocol), Some(client)) =
            (response.status(), upgrade, client)
        {
            set_upgrade(response.headers_mut(), protocol);
            let endpoint = hyper::upgrade::on(&mut response);
            self.tasks.spawn(tunnel(client, endpoint));
        }
        response.map(BodyExt::boxed)
    }
}

enum Attempt {
    Answered(Response<Incoming>),
    /// Nothing of the request was used up; it may go elsewhere.
    NotSent(Box<Request<Incoming>>),
    Failed(hyper::Error),
}

async fn tunnel(client: hyper::upgrade::OnUpgrade, endpoint: hyper::upgrade::OnUpgrade) {
    match tokio::try_join!(client, endpoint) {
        Ok((client, endpoint)) => {
            let (mut client, mut endpoint) = (TokioIo::new(client), TokioIo::new(endpoint));
            if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut endpoint).await {
                tracing::trace!(%error, "upgraded connection broken");
            }
        }
        Err(error) => tracing::debug!(%error, "connection not upgraded"),
    }
}

fn host_of(request: &Request<Incoming>) -> String {
    let header = request.headers().get(http::header::HOST).and_then(|value| value.to_str().ok());
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    authority.or(header).unwrap_or_default().to_string()
}

fn no_endpoint(route: &Route) -> String {
    let (ingress, backend) = (&route.ingress, &route.backend);
    format!(
        "503 Service Temporarily Unavailable\n\ningress {ingress}: service {backend} has no ready endpoint\n{}",
        hint(backend)
    )
}

fn refused(route: &Route) -> String {
    let (ingress, backend) = (&route.ingress, &route.backend);
    let tried = route.endpoints.iter().map(|endpoint| match endpoint {
        Endpoint::Pod(address) | Endpoint::Host(address) => address.to_string(),
    });
    let tried = tried.collect::<Vec<_>>().join(", ");
    format!(
        "502 Bad Gateway\n\ningress {ingress}: no endpoint of service {backend} accepts connections ({tried})\n{}",
        hint(backend)
    )
}

fn broken(route: &Route, error: &hyper::Error) -> String {
    let (ingress, backend) = (&route.ingress, &route.backend);
    format!(
        "502 Bad Gateway\n\ningress {ingress}: service {backend} gave no valid answer: {error}\n{}",
        hint(backend)
    )
}

fn hint(backend: &str) -> String {
    let namespace = backend.split('/').next().unwrap_or_default();
    format!("hint: kubectl get pods,endpointslices -n {namespace}\n")
}

fn message(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
