//! Port forwards: local listeners that stay while pods come and go.
//!
//! A connection that arrives while there is no pod waits for one; so a browser that reloads during a roll-out
//! gets the new page instead of an error.

use crate::cluster::Cluster;
use crate::output::Output;
use devloop::PodRef;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tiltfile::plan::PortForward;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a connection waits for a pod.
const PATIENCE: Duration = Duration::from_secs(60);
/// A port of a container whose program is not listening yet is tried again after this pause.
const RETRY: Duration = Duration::from_millis(100);

pub(crate) struct Forwards {
    cluster: Cluster,
    output: Arc<dyn Output>,
    listeners: HashMap<String, Vec<Listening>>,
    stop: CancellationToken,
}

struct Listening {
    address: SocketAddr,
    /// Where connections lead; both may change while it listens.
    target: watch::Sender<Target>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    /// `None`: connections wait for one.
    pod: Option<PodRef>,
    port: u16,
}

impl Forwards {
    pub(crate) fn new(cluster: Cluster, output: Arc<dyn Output>, stop: CancellationToken) -> Self {
        Self { cluster, output, listeners: HashMap::new(), stop }
    }

    /// Makes the resource's listeners be these, leading to this pod. Gives what could not be opened.
    pub(crate) async fn set(
        &mut self,
        resource: &str,
        forwards: &[PortForward],
        pod: Option<&PodRef>,
    ) -> Vec<String> {
        let mut old = self.listeners.remove(resource).unwrap_or_default();
        let mut now = Vec::new();
        let mut problems = Vec::new();
        let mut fresh = Vec::new();
        for forward in forwards {
            let target = Target { pod: pod.cloned(), port: forward.container };
            match old.iter().position(|l| l.address == address_of(forward)) {
                Some(index) => {
                    let listening = old.swap_remove(index);
                    listening.target.send_if_modified(|known| {
                        let changed = *known != target;
                        *known = target;
                        changed
                    });
                    now.push(listening);
                }
                None => fresh.push((forward, target)),
            }
        }
        // their ports may be wanted at another address
        for gone in old {
            gone.stop.cancel();
            let _ = gone.task.await;
        }
        for (forward, target) in fresh {
            match self.open(resource, forward, target).await {
                Ok(listening) => now.push(listening),
                Err(problem) => problems.push(problem),
            }
        }
        if !now.is_empty() {
            self.listeners.insert(resource.to_string(), now);
        }
        problems
    }

    async fn open(&self, resource: &str, forward: &PortForward, target: Target) -> Result<Listening, String> {
        let address = address_of(forward);
        let listener = TcpListener::bind(address).await.map_err(|e| {
            format!("cannot listen on {address}: {e}\nhint: something else uses the port (`ss -ltnp 'sport = :{}'`); Docker Compose of the same project?", forward.local)
        })?;
        let (sender, receiver) = watch::channel(target);
        let stop = self.stop.child_token();
        let task = tokio::spawn(accept(listener, self.cluster.clone(), receiver, stop.clone()));
        self.output.forwarding(resource, &url_of(forward));
        Ok(Listening { address, target: sender, stop, task })
    }
}

fn address_of(forward: &PortForward) -> SocketAddr {
    SocketAddr::from((host_of(forward), forward.local))
}

fn host_of(forward: &PortForward) -> IpAddr {
    match forward.host.as_str() {
        "" | "localhost" => Ipv4Addr::LOCALHOST.into(),
        host => host.parse().unwrap_or(Ipv4Addr::LOCALHOST.into()),
    }
}

fn url_of(forward: &PortForward) -> String {
    let host = if forward.host.is_empty() { "localhost" } else { &forward.host };
    format!("http://{host}:{}/{}", forward.local, forward.path.trim_start_matches('/'))
}

async fn accept(
    listener: TcpListener,
    cluster: Cluster,
    target: watch::Receiver<Target>,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((client, _)) = accepted else { continue };
        let (cluster, target, stop) = (cluster.clone(), target.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = serve(client, cluster, target) => {}
            }
        });
    }
}

/// One connection: to the present pod, or to the next one if that refuses before a byte has been answered.
async fn serve(mut client: TcpStream, cluster: Cluster, mut targets: watch::Receiver<Target>) {
    let _ = client.set_nodelay(true);
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let there = targets.wait_for(|target| target.pod.is_some());
        let Ok(Ok(found)) = tokio::time::timeout_at(until, there).await.map(|r| r.map(|t| t.clone())) else {
            return;
        };
        let (Some(target), port) = (found.pod, found.port) else { return };
        let api: Api<Pod> = Api::namespaced(cluster.client(), &target.namespace);
        match api.portforward(&target.name, &[port]).await {
            Ok(mut forwarder) => {
                let (Some(mut stream), error) = (forwarder.take_stream(port), forwarder.take_error(port))
                else {
                    return;
                };
                let refused = async {
                    match error {
                        Some(error) => error.await,
                        None => None,
                    }
                };
                tokio::pin!(refused);
                let mut first = [0u8; 1];
                // The other side speaks only after us: give its refusal a moment to arrive before bytes are spent.
                let refusal = tokio::select! {
                    refusal = &mut refused => refusal,
                    ready = client.peek(&mut first) => match ready {
                        Ok(0) | Err(_) => return,
                        Ok(_) => tokio::time::timeout(Duration::from_millis(5), &mut refused).await.ok().flatten(),
                    },
                };
                if refusal.is_none() {
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut stream).await;
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(pod = target.name, error = crate::error::chain(&error), "no forward")
            }
        }
        if tokio::time::Instant::now() > until {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}
