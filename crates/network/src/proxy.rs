//! Services: a listener for each (address, port), and the choice of an endpoint for each connection.
//!
//! A connection to a Service without a ready endpoint is accepted and held until one is ready, for at most
//! [`HOLD`]; then it is reset. A connection whose endpoints all refuse is held in the same way. So what restarts
//! in the middle of development costs its clients a wait and no error. The price is that opening a connection to
//! a Service does not show that anybody is behind it, as it does in a cluster with a kernel proxy.
//!
//! Pods see the router's address as the client's.

pub(crate) mod tcp;
mod udp;

use crate::network::{Tasks, dial_endpoint};
use crate::router::{self, Router};
use crate::{Endpoint, Error, Protocol, Result, Service};
use parking_lot::Mutex;
use socket2::Socket;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a connection waits for an endpoint.
pub(crate) const HOLD: Duration = Duration::from_secs(5);

/// Where a listener is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    Router,
    /// Node ports: on the host's loopback.
    Host,
}

type Listen = (Place, Protocol, SocketAddr);

/// What is behind a listener.
#[derive(Debug, Clone, PartialEq, Default)]
struct Backends {
    /// For messages: `namespace/service:port`.
    service: String,
    endpoints: Vec<Endpoint>,
    /// The same client gets the same endpoint while the endpoints are the same.
    affinity: bool,
}

struct Open {
    backends: watch::Sender<Backends>,
    /// Ends the listener's task; connections go on.
    close: CancellationToken,
    /// The same TCP socket, so that it refuses before the task gets its turn. Not a datagram socket: after a
    /// shutdown it is ready for ever without anything to read, and tokio's receive would never return.
    listener: Option<Socket>,
}

impl Open {
    fn close(&self) {
        self.close.cancel();
        if let Some(Err(error)) = self.listener.as_ref().map(|listener| listener.shutdown(Shutdown::Both)) {
            tracing::debug!(%error, "a listener ends a little later");
        }
    }
}

pub(crate) struct Proxies {
    router: Arc<Router>,
    tasks: Tasks,
    /// Has its own listeners.
    dns: Ipv4Addr,
    runtime: tokio::runtime::Handle,
    open: Mutex<HashMap<Listen, Open>>,
}

impl Proxies {
    pub(crate) fn new(router: Arc<Router>, tasks: Tasks, dns: Ipv4Addr) -> Proxies {
        Proxies { router, tasks, dns, runtime: tokio::runtime::Handle::current(), open: Mutex::default() }
    }

    pub(crate) fn set(&self, services: &[Service]) {
        let _runtime = self.runtime.enter();
        let wanted = wanted(services, self.dns);
        let mut open = self.open.lock();
        open.retain(|listen, entry| {
            let keep = wanted.contains_key(listen);
            if !keep {
                entry.close();
            }
            keep
        });
        for (listen, backends) in wanted {
            if let Some(entry) = open.get(&listen) {
                entry.backends.send_if_modified(|current| {
                    let changed = *current != backends;
                    *current = backends;
                    changed
                });
                continue;
            }
            let service = backends.service.clone();
            match self.listen(listen, backends) {
                Ok(entry) => {
                    open.insert(listen, entry);
                }
                Err(error) => {
                    tracing::warn!(%service, error = &error as &dyn std::error::Error, "a port of a Service is not served");
                }
            }
        }
    }

    /// Ends all listeners.
    pub(crate) fn close(&self) {
        self.open.lock().drain().for_each(|(_, entry)| entry.close());
    }

    fn listen(&self, (place, protocol, address): Listen, backends: Backends) -> Result<Open> {
        let socket = match place {
            Place::Router => self.router.listen(protocol, address)?,
            Place::Host => {
                router::bind(protocol, address).map_err(|source| Error::Listen { address, source })?
            }
        };
        let close = CancellationToken::new();
        let (backends, watched) = watch::channel(backends);
        let choice = Choice { router: Arc::clone(&self.router), backends: watched, turn: Arc::default() };
        let failed = |source| Error::Listen { address, source };
        let is_tcp = protocol == Protocol::Tcp;
        let listener = is_tcp.then(|| socket.try_clone()).transpose().map_err(failed)?;
        self.serve(protocol, socket, choice, close.clone()).map_err(failed)?;
        Ok(Open { backends, close, listener })
    }

    fn serve(
        &self,
        protocol: Protocol,
        socket: Socket,
        choice: Choice,
        close: CancellationToken,
    ) -> std::io::Result<()> {
        match protocol {
            Protocol::Tcp => {
                let listener = tokio::net::TcpListener::from_std(socket.into())?;
                self.tasks.spawn(tcp::serve(listener, choice, close, self.tasks.clone()));
            }
            Protocol::Udp => {
                let socket = tokio::net::UdpSocket::from_std(socket.into())?;
                self.tasks.spawn(udp::serve(socket, choice, close, self.tasks.clone()));
            }
        }
        Ok(())
    }
}

fn wanted(services: &[Service], dns: Ipv4Addr) -> HashMap<Listen, Backends> {
    let mut out = HashMap::new();
    for service in services {
        for port in &service.ports {
            let backends = || Backends {
                service: format!("{}/{}:{}", service.namespace, service.name, port.port),
                endpoints: port.endpoints.clone(),
                affinity: service.session_affinity,
            };
            if let Some(ip) = service.cluster_ip.filter(|ip| *ip != dns) {
                out.insert((Place::Router, port.protocol, SocketAddr::from((ip, port.port))), backends());
            }
            if let Some(number) = port.node_port {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
                out.insert((Place::Host, port.protocol, address), backends());
            }
        }
    }
    out
}

/// Chooses endpoints for the clients of one listener.
#[derive(Clone)]
struct Choice {
    router: Arc<Router>,
    backends: watch::Receiver<Backends>,
    turn: Arc<AtomicUsize>,
}

impl Choice {
    /// The ready endpoints in the order in which this client should try them.
    fn order(&self, client: IpAddr) -> Vec<Endpoint> {
        let backends = self.backends.borrow();
        let mut endpoints = backends.endpoints.clone();
        if endpoints.is_empty() {
            return endpoints;
        }
        if backends.affinity {
            endpoints.sort_by_cached_key(|endpoint| weight(client, *endpoint));
        } else {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % endpoints.len();
            endpoints.rotate_left(turn);
        }
        endpoints
    }
}

/// Rendezvous hashing: each client has its own order of endpoints, and when one goes only its clients move.
fn weight(client: IpAddr, endpoint: Endpoint) -> u64 {
    let mut hasher = DefaultHasher::new();
    (client, endpoint).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServicePort;

    #[test]
    fn listeners_are_cluster_ips_and_node_ports_but_not_the_dns() {
        let dns = Ipv4Addr::new(10, 43, 0, 10);
        let port = |port, node_port, protocol| ServicePort {
            name: String::new(),
            protocol,
            port,
            node_port,
            endpoints: vec![],
        };
        let service = |cluster_ip, ports| Service {
            namespace: "default".into(),
            name: "web".into(),
            cluster_ip,
            external_name: None,
            ports,
            hosts: vec![],
            session_affinity: false,
        };
        let services = [
            service(Some(Ipv4Addr::new(10, 43, 0, 7)), vec![port(80, Some(30080), Protocol::Tcp)]),
            service(Some(dns), vec![port(53, None, Protocol::Udp)]),
            service(None, vec![port(80, None, Protocol::Tcp)]),
        ];
        let mut listens: Vec<String> = wanted(&services, dns).keys().map(|l| format!("{l:?}")).collect();
        listens.sort();
        assert_eq!(listens, ["(Host, Tcp, 127.0.0.1:30080)", "(Router, Tcp, 10.43.0.7:80)"]);
    }

    #[test]
    fn a_client_keeps_its_endpoint_when_another_one_goes() {
        let all: Vec<Endpoint> =
            (1..=5).map(|n| Endpoint::Pod(SocketAddr::from(([10, 42, 0, n], 80)))).collect();
        for n in 0..50 {
            let client = IpAddr::from([10, 42, 1, n]);
            let best = |of: &[Endpoint]| *of.iter().min_by_key(|e| weight(client, **e)).unwrap();
            let chosen = best(&all);
            let without: Vec<Endpoint> = all.iter().copied().filter(|e| *e != all[0]).collect();
            assert!(chosen == all[0] || best(&without) == chosen);
        }
    }
}
