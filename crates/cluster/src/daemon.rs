//! The daemon: `coracle __daemon DIR`. Boot is the list of phases below; everything it starts it also ends.
//!
//! SIGTERM ends the daemon alone: containers go on and the next daemon adopts them. SIGUSR1 ends the cluster:
//! containers are asked to end, then killed. SIGUSR2 is the
//! same without asking, for a cluster that is being deleted. The API answers before the node is up.

use crate::accounts;
use crate::paths::ClusterDir;
use crate::pki::Pki;
use crate::progress::{BootLine, Reporter};
use crate::routes::{Routes, error_chain};
use crate::settings::{API_VIP, DNS_VIP, DOMAIN, KUBERNETES_VERSION, POD_CIDR, SERVICE_CIDR, Settings};
use crate::tokens::{ISSUER, Request, Tokens};
use crate::traffic::Traffic;
use crate::{bootstrap, drive, files};
use api::{Api, ApiConfig};
use apiserver::Server;
use builder::Builder;
use images::Images;
use jiff::Timestamp;
use network::{Ingress, Network, NetworkConfig};
use node::{Node, NodeConfig};
use runtime::{Runtime, RuntimeConfig, SandboxSpec};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// As k3d gives a node that is stopped.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// What `daemon.json` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DaemonFile {
    pub pid: i32,
    pub server: String,
}

/// An error that names its phase, with what to do about it.
#[derive(Debug)]
struct BootError {
    what: String,
    source: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
}

impl BootError {
    fn new(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what: what.into(), source: source.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

type Boot<T> = Result<T, BootError>;

/// Runs until told to stop. Everything that the user should know goes through standard output before `Ready`.
pub fn run(dir: &ClusterDir) -> std::process::ExitCode {
    // Out of the starter's session: its terminal's signals are not for us.
    let _ = nix::unistd::setsid();
    let mut reporter = Reporter::to_stdout();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&mut reporter, BootError::new("cannot start the daemon's runtime", error)),
    };
    runtime.block_on(async {
        match Daemon::boot(dir, &mut reporter).await {
            Ok(daemon) => {
                reporter.say(&BootLine::Ready);
                close_stdout();
                daemon.serve().await;
                std::process::ExitCode::SUCCESS
            }
            Err(error) => fail(&mut reporter, error),
        }
    })
}

fn fail(reporter: &mut Reporter, error: BootError) -> std::process::ExitCode {
    let mut causes = Vec::new();
    let mut source: Option<&dyn Error> = Some(&*error.source);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    tracing::error!(what = error.what, ?causes, "the daemon cannot start");
    reporter.say(&BootLine::Failed { error: error.what, causes, hint: error.hint });
    std::process::ExitCode::from(3)
}

/// The starter waits for the end of the pipe; later output would go to nobody.
fn close_stdout() {
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(&null);
    }
}

struct Daemon {
    dir: ClusterDir,
    _lock: std::fs::File,
    stop: CancellationToken,
    tasks: TaskTracker,
    runtime: Runtime,
    network: Network,
    node: Arc<Node>,
}

/// Times the phases and tells them.
struct Phases<'a> {
    reporter: &'a mut Reporter,
    since: Instant,
}

impl Phases<'_> {
    fn done(&mut self, name: &str, detail: impl Into<String>) {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(phase = name, millis, "phase done");
        self.reporter.say(&BootLine::Phase { name: name.into(), detail: detail.into(), millis });
        self.since = Instant::now();
    }

    fn warn(&mut self, text: impl Into<String>) {
        let text = text.into();
        tracing::warn!(text, "boot");
        self.reporter.say(&BootLine::Warning { text });
    }
}

impl Daemon {
    async fn boot(dir: &ClusterDir, reporter: &mut Reporter) -> Boot<Self> {
        let mut phases = Phases { reporter, since: Instant::now() };
        let lock = take_lock(dir)?;
        let mut settings = load_settings(dir)?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();

        let listener = listen_api(&mut settings, dir).await?;
        let address = listener.local_addr().map_err(|e| BootError::new("cannot tell the API's port", e))?;
        let pki = Pki::open(&dir.pki(), &settings.node_name())
            .map_err(|e| BootError::new("cannot set up the certificates", e))?;
        let tokens = Tokens::open(&dir.pki().join("service-account.key"))
            .map_err(|e| BootError::new("cannot set up the service account key", e))?;
        let tokens = Arc::new(tokens);
        let api = open_api(dir)?;
        bootstrap::objects(&api, address.port(), &pki.ca_pem)
            .map_err(|e| BootError::new("cannot create the cluster's own objects", e))?;
        let server = make_server(&api, &tokens);
        let images = Images::open(&dir.data().images())
            .map_err(|e| BootError::new("cannot open the image store", e))?;
        let routes = tokio::sync::watch::Sender::new(None);
        serve_api(listener, &pki, server.clone().with_extra(late_routes(routes.subscribe())), &stop, &tasks)?;
        write_daemon_file(dir, address)?;
        phases.done("API server", format!("https://{address}"));

        let facts = drive::Facts {
            ca_certificate: pki.ca_pem.clone(),
            storage_path: dir.storage().display().to_string(),
            tokens: tokens.clone(),
        };
        tasks.spawn(drive::run(api.clone(), facts, stop.clone()));
        phases.done("controllers", "");

        let (runtime, network) = start_network(dir, &mut phases).await?;
        phases.done("network", format!("pods {POD_CIDR}, services {SERVICE_CIDR}, DNS {DNS_VIP}"));

        let settings = Arc::new(settings);
        serve_registry(&settings, &images, &stop, &tasks).await?;
        if let Some(registry) = &settings.registry {
            phases.done("registry", registry.address());
        }
        serve_traffic(&settings, &api, &pki, address, &network, &stop, &tasks, &mut phases).await?;

        let config = node_config(dir, &settings, &pki, &tokens, &api);
        let node = Node::start(config, api.clone(), runtime.clone(), network.clone(), images.clone())
            .await
            .map_err(|e| BootError::new("cannot start the node", e))?;
        server.set_node(node.clone());
        let builder = Builder::new(images.clone(), runtime.clone(), dir.data().builds());
        builder.recover().await.map_err(|e| BootError::new("cannot clean up after an earlier builder", e))?;
        let extra = Routes {
            settings: settings.clone(),
            builder,
            images,
            api: api.clone(),
            runtime: runtime.clone(),
            node: node.clone(),
        };
        routes.send_replace(Some(extra.router()));
        phases.done("node", settings.node_name());
        Ok(Self { dir: dir.clone(), _lock: lock, stop, tasks, runtime, network, node })
    }

    /// Waits for the word to stop, and stops.
    async fn serve(self) {
        let mut terminate = signal(SignalKind::terminate()).expect("signals can be caught");
        let mut interrupt = signal(SignalKind::interrupt()).expect("signals can be caught");
        let mut whole = signal(SignalKind::user_defined1()).expect("signals can be caught");
        let mut at_once = signal(SignalKind::user_defined2()).expect("signals can be caught");
        // How long containers may take to end; `None`: they go on.
        let grace = tokio::select! {
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            _ = whole.recv() => Some(STOP_GRACE),
            _ = at_once.recv() => Some(Duration::ZERO),
        };
        tracing::info!(?grace, "stopping");
        self.node.shutdown().await;
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await;
        self.network.shutdown().await;
        if let Some(grace) = grace
            && let Err(error) = self.runtime.stop_all(grace).await
        {
            tracing::error!(error = error_chain(&error), "cannot stop all containers");
        }
        self.runtime.shutdown().await;
        let _ = std::fs::remove_file(self.dir.daemon());
    }
}

fn take_lock(dir: &ClusterDir) -> Boot<std::fs::File> {
    files::private_dir(dir.root())
        .map_err(|e| BootError::new(format!("cannot use {}", dir.root().display()), e))?;
    let path = dir.lock();
    match files::try_lock(&path) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => {
            Err(BootError::new("another daemon runs this cluster", format!("{} is locked", path.display())))
        }
        Err(error) => Err(BootError::new(format!("cannot lock {}", path.display()), error)),
    }
}

fn load_settings(dir: &ClusterDir) -> Boot<Settings> {
    Settings::load(&dir.settings()).map_err(|e| {
        BootError::new("cannot start the cluster", e).hint("`coracle cluster create NAME` makes one")
    })
}

/// The port of the first start is kept, so that kubeconfigs stay valid.
async fn listen_api(settings: &mut Settings, dir: &ClusterDir) -> Boot<TcpListener> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.api_port));
    let listener = TcpListener::bind(wanted).await.map_err(|e| {
        BootError::new(format!("cannot listen on {wanted} for the API"), e)
            .hint(format!("`ss -ltnp 'sport = :{}'` shows who uses the port", wanted.port()))
    })?;
    if settings.api_port == 0 {
        settings.api_port =
            listener.local_addr().map_err(|e| BootError::new("cannot tell the API's port", e))?.port();
        settings.save(&dir.settings()).map_err(|e| BootError::new("cannot keep the API's port", e))?;
    }
    Ok(listener)
}

fn open_api(dir: &ClusterDir) -> Boot<Api> {
    let config =
        ApiConfig { dir: dir.journal(), service_cidr: SERVICE_CIDR.into(), cluster_domain: DOMAIN.into() };
    Api::open(config).map_err(|e| BootError::new("cannot open the cluster's objects", e))
}

fn make_server(api: &Api, tokens: &Arc<Tokens>) -> Server {
    let (checker, issuer) = (tokens.clone(), tokens.clone());
    let (for_tokens, for_requests) = (api.clone(), api.clone());
    let whose_token = move |token: &str, audiences: &[String]| {
        let claims = checker.verify(token, audiences, Timestamp::now().as_second())?;
        Some((accounts::user(&for_tokens, token, &claims)?, claims.audiences))
    };
    let token_request = move |namespace: &str, name: &str, request: &Value| {
        accounts::issue(&issuer, &for_requests, namespace, name, request)
    };
    Server::new(
        api.clone(),
        apiserver::Options {
            whose_token: Some(Arc::new(whose_token)),
            token_request: Some(Arc::new(token_request)),
            token_keys: Some((ISSUER.into(), tokens.public_keys())),
            version: KUBERNETES_VERSION.into(),
        },
    )
}

/// The daemon's own routes answer 503 until the node is up.
fn late_routes(routes: tokio::sync::watch::Receiver<Option<axum::Router>>) -> axum::Router {
    axum::Router::new().fallback(move |request: axum::extract::Request| {
        let router = routes.borrow().clone();
        async move {
            use axum::response::IntoResponse;
            use tower::ServiceExt;
            match router {
                Some(router) => router.oneshot(request).await.into_response(),
                None => (axum::http::StatusCode::SERVICE_UNAVAILABLE, "the node is still starting")
                    .into_response(),
            }
        }
    })
}

fn serve_api(
    listener: TcpListener,
    pki: &Pki,
    server: Server,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> Boot<()> {
    let tls = pki.server_config().map_err(|e| BootError::new("cannot set up TLS for the API", e))?;
    tasks.spawn(apiserver::serve(listener, tls, server, stop.clone()));
    Ok(())
}

fn write_daemon_file(dir: &ClusterDir, address: SocketAddr) -> Boot<()> {
    let pid = i32::try_from(std::process::id()).expect("a pid fits");
    let file = DaemonFile { pid, server: format!("https://{address}") };
    let text = serde_json::to_vec(&file).expect("plain data");
    files::write_private(&dir.daemon(), &text)
        .map_err(|e| BootError::new(format!("cannot write {}", dir.daemon().display()), e))
}

pub(crate) fn runtime_config(dir: &ClusterDir) -> RuntimeConfig {
    let name = dir.root().file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    RuntimeConfig { root: dir.runtime(), cgroup: format!("coracle-{name}") }
}

async fn start_network(dir: &ClusterDir, phases: &mut Phases<'_>) -> Boot<(Runtime, Network)> {
    let runtime = Runtime::start(runtime_config(dir)).await.map_err(|e| {
        BootError::new("cannot start the container runtime", e)
            .hint("containers need root for now: run `coracle` with sudo")
    })?;
    for note in runtime.capabilities().notes {
        phases.warn(note);
    }
    let spec = SandboxSpec {
        id: "router".into(),
        hostname: "router".into(),
        host_network: false,
        sysctls: vec![("net.ipv4.ip_forward".into(), "1".into())],
        share_processes: false,
    };
    let router = runtime
        .create_sandbox(spec)
        .await
        .map_err(|e| BootError::new("cannot make the router's namespace", e))?;
    let config = NetworkConfig {
        router: format!("/proc/{}/ns/net", router.pid).into(),
        pod_cidr: POD_CIDR.parse().expect("a valid range"),
        service_cidr: SERVICE_CIDR.parse().expect("a valid range"),
        dns: DNS_VIP,
        domain: DOMAIN.into(),
        state: dir.network(),
    };
    let network = Network::start(config).await.map_err(|e| BootError::new("cannot set up the network", e))?;
    Ok((runtime, network))
}

async fn serve_registry(
    settings: &Settings,
    images: &Images,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> Boot<()> {
    let Some(registry) = &settings.registry else { return Ok(()) };
    let listener = bind_mapped(registry.port, "the registry").await?;
    let names = vec![
        registry.address(),
        format!("localhost:{}", registry.port),
        format!("127.0.0.1:{}", registry.port),
    ];
    let serving = registry::serve(listener, images.clone(), names, stop.clone());
    tasks.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the registry has stopped");
        }
    });
    Ok(())
}

async fn bind_mapped(port: u16, what: &str) -> Boot<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|e| {
        BootError::new(format!("cannot listen on {address} for {what}"), e).hint(format!(
            "something else uses port {port} (`ss -ltnp 'sport = :{port}'` shows it): Docker Compose, k3d or another cluster?"
        ))
    })
}

#[expect(clippy::too_many_arguments, reason = "one boot phase, called once")]
async fn serve_traffic(
    settings: &Settings,
    api: &Api,
    pki: &Pki,
    address: SocketAddr,
    network: &Network,
    stop: &CancellationToken,
    tasks: &TaskTracker,
    phases: &mut Phases<'_>,
) -> Boot<()> {
    let (mut http, mut https, mut other) = (Vec::new(), Vec::new(), Vec::new());
    for port in &settings.ports {
        let listener = bind_mapped(port.host_port, &format!("cluster port {}", port.cluster_port)).await?;
        match port.cluster_port {
            80 => http.push(listener),
            443 => https.push(listener),
            number => other.push((listener, number)),
        }
    }
    let ingress = Ingress::start(network.clone(), http, https)
        .await
        .map_err(|e| BootError::new("cannot start the ingress", e))?;
    let traffic = Traffic {
        api: api.clone(),
        api_address: address,
        network: network.clone(),
        ingress: Arc::new(ingress),
        ports: settings.ports.clone(),
        ingress_pem: (pki.ingress_cert_pem.clone(), pki.ingress_key_pem.clone()),
        targets: Arc::default(),
    };
    for (listener, number) in other {
        tasks.spawn(traffic.clone().serve_port(listener, number, stop.clone()));
    }
    tasks.spawn(traffic.run(stop.clone()));
    let ports: Vec<String> =
        settings.ports.iter().map(|p| format!("{}→{}", p.host_port, p.cluster_port)).collect();
    if !ports.is_empty() {
        phases.done("ingress", ports.join(", "));
    }
    Ok(())
}

fn node_config(
    dir: &ClusterDir,
    settings: &Settings,
    pki: &Pki,
    tokens: &Arc<Tokens>,
    api: &Api,
) -> NodeConfig {
    let (tokens, api, node) = (tokens.clone(), api.clone(), settings.node_name());
    let token =
        move |namespace: &str, account: &str, audience: &str, seconds: i64, pod: &str, pod_uid: &str| {
            let now = Timestamp::now().as_second();
            let uid = api
                .get("serviceaccounts", namespace, account)
                .map(|a| controllers::str_at(&a, &["metadata", "uid"]).to_string())
                .unwrap_or_default();
            let request = Request {
                namespace: namespace.into(),
                service_account: account.into(),
                service_account_uid: uid,
                pod: Some((pod.into(), pod_uid.into())),
                audiences: if audience.is_empty() { Vec::new() } else { vec![audience.into()] },
                expiry_seconds: seconds,
                node: accounts::reference_to(&api, "nodes", &node),
                secret: None,
            };
            (tokens.issue(&request, now), now + seconds)
        };
    NodeConfig {
        name: settings.node_name(),
        root: dir.node(),
        cluster_domain: DOMAIN.into(),
        dns: DNS_VIP,
        service_account_token: Arc::new(token),
        ca_pem: pki.ca_pem.clone(),
        api_host: API_VIP,
        storage: dir.storage(),
        version: KUBERNETES_VERSION.into(),
    }
}

/// The pid of the living daemon that wrote this file, if its lock is held.
pub(crate) fn living(dir: &ClusterDir) -> Option<DaemonFile> {
    if !dir.lock().exists() || matches!(files::try_lock(&dir.lock()), Ok(Some(_))) {
        return None;
    }
    read_daemon_file(&dir.daemon())
}

fn read_daemon_file(path: &Path) -> Option<DaemonFile> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
