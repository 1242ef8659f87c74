//! The handle that the node and the cluster hold.

use crate::address::Addresses;
use crate::dns::Dns;
use crate::egress;
use crate::proxy::Proxies;
use crate::router::Router;
use crate::{Endpoint, Error, NetworkConfig, Result, Service};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The running network of a cluster. Clones are the same network.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    router: Arc<Router>,
    addresses: Mutex<Addresses>,
    /// Two attaches of one pod at a time would be in each other's way.
    attaching: tokio::sync::Mutex<()>,
    proxies: Proxies,
    dns: Arc<Dns>,
    tasks: Tasks,
}

/// Every task of the network, so that shutdown can end and await them.
#[derive(Clone, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Runs `work` until it ends or the network is shut down.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            // The order matters: after the stop nothing more is done.
            let _ = stop.run_until_cancelled(work).await;
        });
    }

    pub(crate) async fn finish(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Network {
    /// Sets up the router namespace, or adopts it as an earlier daemon left it.
    ///
    /// Without nftables in the kernel the network comes up all the same, but pods do not reach the outside; the
    /// log says so.
    pub async fn start(config: NetworkConfig) -> Result<Network> {
        let addresses = Addresses::load(config.pod_cidr, &config.state)?;
        let router = Arc::new(Router::start(&config).await?);
        let tasks = Tasks::default();
        let dns = Dns::start(&config, &router, &tasks)?;
        if let Err(error) = egress::start(&config, &router, &tasks).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "pods do not reach anything outside the cluster"
            );
        }
        let proxies = Proxies::new(Arc::clone(&router), tasks.clone(), config.dns);
        Ok(Network {
            shared: Arc::new(Shared {
                router,
                addresses: Mutex::new(addresses),
                attaching: tokio::sync::Mutex::default(),
                proxies,
                dns,
                tasks,
            }),
        })
    }

    /// Gives the namespace at `netns` an `eth0` with an address. The same pod gets the same address again, also
    /// after a restart of the daemon, and an interface that is there is left as it is.
    pub async fn attach(&self, pod_id: &str, netns: &Path) -> Result<Ipv4Addr> {
        let file = File::open(netns).map_err(|source| Error::Enter { path: netns.into(), source })?;
        let file = Arc::new(file);
        let _turn = self.shared.attaching.lock().await;
        let seen = self.shared.router.address_in(Arc::clone(&file)).await?;
        let ip = self.shared.addresses.lock().claim(pod_id, seen)?;
        if seen != Some(ip) {
            self.shared.router.connect(file, ip).await?;
        }
        Ok(ip)
    }

    /// Takes the pod's interface and address away; a pod without them is no error.
    pub async fn detach(&self, pod_id: &str) -> Result<()> {
        let _turn = self.shared.attaching.lock().await;
        let Some(ip) = self.address(pod_id) else { return Ok(()) };
        self.shared.router.disconnect(ip).await?;
        self.shared.addresses.lock().release(pod_id)?;
        Ok(())
    }

    pub fn address(&self, pod_id: &str) -> Option<Ipv4Addr> {
        self.shared.addresses.lock().get(pod_id)
    }

    /// Frees the addresses of all pods but these; their interfaces went with their namespaces.
    pub fn retain(&self, alive: &HashSet<String>) {
        if let Err(error) = self.shared.addresses.lock().retain(alive) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "freed pod addresses are not written down"
            );
        }
    }

    /// The whole table of Services. New connections follow it when this returns; existing ones go on.
    pub fn set_services(&self, services: Vec<Service>) {
        self.shared.proxies.set(&services);
        self.shared.dns.set_services(services);
    }

    /// Connects from inside the router namespace: to pods and Services.
    pub async fn dial(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.shared.router.dial(to).await
    }

    pub async fn dial_endpoint(&self, endpoint: Endpoint) -> io::Result<TcpStream> {
        dial_endpoint(&self.shared.router, endpoint).await
    }

    /// Connects from inside the namespace at `netns`, for example to `127.0.0.1` of a pod.
    pub async fn dial_in(&self, netns: &Path, to: SocketAddr) -> io::Result<TcpStream> {
        self.shared.router.dial_in(netns, to).await
    }

    /// The router's address in the pod network. For pods it is also the host: ports here are the host's loopback.
    pub fn gateway(&self) -> Ipv4Addr {
        self.shared.router.gateway()
    }

    /// Ends listeners, connections and threads. The namespace, the bridge and the pods' interfaces stay.
    pub async fn shutdown(&self) {
        self.shared.proxies.close();
        self.shared.tasks.finish().await;
        self.shared.router.stop();
    }
}

pub(crate) async fn dial_endpoint(router: &Router, endpoint: Endpoint) -> io::Result<TcpStream> {
    match endpoint {
        Endpoint::Pod(address) => router.dial(address).await,
        Endpoint::Host(address) => TcpStream::connect(address).await,
    }
}
