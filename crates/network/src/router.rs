//! The router namespace: its bridge, its routes, the pods' cables, and sockets made inside it.

use crate::namespace::{Inside, NamespaceThread};
use crate::netlink::{self, Message, Netlink, link, nft};
use crate::{Error, NetworkConfig, Protocol, Result};
use ipnet::Ipv4Net;
use parking_lot::Mutex;
use socket2::{Domain, Socket, Type};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpSocket, TcpStream};

const BRIDGE: &str = "br0";
/// Sockets made ahead: most connections through the router then need no word with its thread.
const STOCK: usize = 8;

pub(crate) struct Router {
    /// Makes sockets; its jobs take microseconds.
    sockets: NamespaceThread,
    /// Changes interfaces, which may wait for the kernel's lock.
    links: NamespaceThread,
    netlink: Arc<Netlink>,
    bridge: u32,
    mtu: u32,
    gateway: Ipv4Addr,
    pods: Ipv4Net,
    stock: Mutex<Vec<Socket>>,
}

impl Router {
    /// Sets up the namespace, or finds it as an earlier daemon left it.
    pub(crate) async fn start(config: &NetworkConfig) -> Result<Router> {
        let gateway =
            crate::address::gateway(config.pod_cidr).ok_or(Error::PoolTooSmall { cidr: config.pod_cidr })?;
        let sockets = NamespaceThread::start("router-sockets", &config.router)?;
        let links = NamespaceThread::start("router-links", &config.router)?;
        let mtu = host_mtu();
        let (pods, services) = (config.pod_cidr, config.service_cidr);
        let (netlink, bridge) = links.run(move |_| set_up(gateway, pods, services, mtu)).await??;
        Ok(Router {
            sockets,
            links,
            netlink: Arc::new(netlink),
            bridge,
            mtu,
            gateway,
            pods,
            stock: Mutex::default(),
        })
    }

    pub(crate) fn gateway(&self) -> Ipv4Addr {
        self.gateway
    }

    /// The address that `eth0` has in a namespace, if there is one.
    pub(crate) async fn address_in(&self, netns: Arc<File>) -> Result<Option<Ipv4Addr>> {
        let look = || -> io::Result<Option<Ipv4Addr>> {
            let netlink = Netlink::open(netlink::ROUTE)?;
            let Some(index) = link::index(&netlink, "eth0")? else { return Ok(None) };
            link::address(&netlink, index)
        };
        let found = self.links.run(move |inside| inside.within(&netns, look)).await?;
        found
            .and_then(|inner| inner)
            .map_err(|source| Error::Netlink { what: "look into the pod's network", source })
    }

    /// Lays a cable from the bridge to `eth0` in the pod's namespace and configures it.
    pub(crate) async fn connect(&self, netns: Arc<File>, ip: Ipv4Addr) -> Result<()> {
        let router = Arc::clone(&self.netlink);
        let (bridge, mtu, gateway) = (self.bridge, self.mtu, self.gateway);
        let network = Ipv4Net::new(ip, self.pods.prefix_len()).expect("the prefix is one of an IPv4 network");
        self.links
            .run(move |inside| {
                lay_cable(&router, bridge, ip, &netns, mtu)?;
                configure_pod(inside, &netns, network, gateway)
            })
            .await?
    }

    pub(crate) async fn disconnect(&self, ip: Ipv4Addr) -> Result<()> {
        let router = Arc::clone(&self.netlink);
        self.links
            .run(move |_| router.one(link::remove(&link::port_name(ip)))?.accept(&[libc::ENODEV]))
            .await?
            .map_err(|source| Error::Netlink { what: "remove the pod's interface", source })
    }

    /// Redirects the pods' connections to the outside to `port` of the router.
    pub(crate) async fn redirect(&self, inside: Vec<Ipv4Net>, port: u16) -> Result<()> {
        let gateway = self.gateway;
        let work = move || -> io::Result<()> {
            let netlink = Netlink::open(netlink::NETFILTER)?;
            let replies = netlink.request(nft::redirect_batch(gateway, &inside, port))?;
            replies.iter().try_for_each(|reply| reply.accept(&[]))
        };
        self.links.run(move |_| work()).await?.map_err(|source| Error::Netlink {
            what: "add the nftables redirect for the pods' way out",
            source,
        })
    }

    /// Connects from inside the router namespace.
    pub(crate) async fn dial(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let ready = self.stock.lock().pop();
        let socket = match ready {
            Some(socket) => socket,
            None => {
                let made = self.sockets.run(|_| tcp_sockets(STOCK)).await.map_err(io::Error::other)?;
                let mut made = made?;
                let socket = made.pop().ok_or(io::ErrorKind::OutOfMemory)?;
                self.stock.lock().append(&mut made);
                socket
            }
        };
        TcpSocket::from_std_stream(socket.into()).connect(to).await
    }

    /// Connects from inside any namespace.
    pub(crate) async fn dial_in(&self, netns: &Path, to: SocketAddr) -> io::Result<TcpStream> {
        let netns = File::open(netns)?;
        let domain = Domain::for_address(to);
        let made = self
            .sockets
            .run(move |inside| inside.within(&netns, || tcp_socket(domain)))
            .await
            .map_err(io::Error::other)?;
        TcpSocket::from_std_stream(made??.into()).connect(to).await
    }

    /// A listening (TCP) or bound (UDP) socket inside the router namespace.
    pub(crate) fn listen(&self, protocol: Protocol, address: SocketAddr) -> Result<Socket> {
        self.sockets
            .run_blocking(move |_| bind(protocol, address))?
            .map_err(|source| Error::Listen { address, source })
    }

    /// A UDP socket that is connected to an address inside the router namespace.
    pub(crate) async fn udp_to(&self, to: SocketAddr) -> io::Result<tokio::net::UdpSocket> {
        let make = move || -> io::Result<Socket> {
            let socket = Socket::new(Domain::for_address(to), Type::DGRAM, None)?;
            socket.set_nonblocking(true)?;
            socket.connect(&to.into())?;
            Ok(socket)
        };
        let made = self.sockets.run(move |_| make()).await.map_err(io::Error::other)?;
        tokio::net::UdpSocket::from_std(made?.into())
    }

    pub(crate) fn stop(&self) {
        self.sockets.stop();
        self.links.stop();
        self.stock.lock().clear();
    }
}

/// A listening or bound socket in the namespace of this thread.
pub(crate) fn bind(protocol: Protocol, address: SocketAddr) -> io::Result<Socket> {
    let kind = if protocol == Protocol::Tcp { Type::STREAM } else { Type::DGRAM };
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    socket.set_nonblocking(true)?;
    // A datagram socket of the host must not share its port with another program's.
    if protocol == Protocol::Tcp || !address.ip().is_loopback() {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    if protocol == Protocol::Tcp {
        socket.listen(4096)?;
    }
    Ok(socket)
}

fn tcp_socket(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn tcp_sockets(count: usize) -> io::Result<Vec<Socket>> {
    (0..count).map(|_| tcp_socket(Domain::IPV4)).collect()
}

fn set_up(gateway: Ipv4Addr, pods: Ipv4Net, services: Ipv4Net, mtu: u32) -> Result<(Netlink, u32)> {
    let failed = |what| move |source| Error::Netlink { what, source };
    // Nobody speaks IPv6 here; without this each new port would send neighbour and multicast messages.
    // A read-only /proc/sys only costs those messages.
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    let netlink = Netlink::open(netlink::ROUTE).map_err(failed("open a netlink socket in the router"))?;
    let all = |what, messages: Vec<Message>| {
        let replies = netlink.request(messages).map_err(failed(what))?;
        replies.iter().try_for_each(|reply| reply.accept(&[libc::EEXIST])).map_err(failed(what))
    };
    all("make the pods' bridge", vec![link::up(link::LOOPBACK), link::add_bridge(BRIDGE, gateway, mtu)])?;
    let bridge = link::index(&netlink, BRIDGE)
        .and_then(|index| index.ok_or(io::ErrorKind::NotFound.into()))
        .map_err(failed("find the pods' bridge"))?;
    let network = Ipv4Net::new(gateway, pods.prefix_len()).expect("the prefix is one of an IPv4 network");
    all(
        "set up the router's addresses and routes",
        vec![
            link::add_address(bridge, network),
            link::up(bridge),
            link::forwarding(bridge),
            link::add_local_route(services),
            link::refuse_the_rest(),
        ],
    )?;
    Ok((netlink, bridge))
}

fn lay_cable(router: &Netlink, bridge: u32, ip: Ipv4Addr, netns: &File, mtu: u32) -> Result<()> {
    let failed = |source| Error::Netlink { what: "connect the pod to the bridge", source };
    let add = || router.one(link::add_cable(bridge, ip, netns.as_fd(), mtu));
    let mut reply = add().map_err(failed)?;
    if reply.error == libc::EEXIST {
        // The cable of a dead pod that had this address; the kernel takes namespaces down with a delay.
        router.one(link::remove(&link::port_name(ip))).map_err(failed)?;
        reply = add().map_err(failed)?;
    }
    reply.accept(&[]).map_err(failed)
}

fn configure_pod(inside: &Inside, netns: &File, network: Ipv4Net, gateway: Ipv4Addr) -> Result<()> {
    let work = || -> io::Result<()> {
        let netlink = Netlink::open(netlink::ROUTE)?;
        let index = link::index(&netlink, "eth0")?.ok_or(io::ErrorKind::NotFound)?;
        let replies = netlink.request(vec![
            link::without_ipv6_address(index),
            link::up(link::LOOPBACK),
            link::add_address(index, network),
            link::up(index),
            link::add_default_route(gateway),
        ])?;
        // The first is a courtesy that a kernel without IPv6 refuses.
        replies.iter().skip(1).try_for_each(|reply| reply.accept(&[libc::EEXIST]))
    };
    inside
        .within(netns, work)
        .and_then(|inner| inner)
        .map_err(|source| Error::Netlink { what: "configure the pod's interface", source })
}

/// The MTU of the host's way out: what comes from a pod then fits there.
fn host_mtu() -> u32 {
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let device = default_device(&routes);
    let mtu = device.and_then(|device| std::fs::read_to_string(format!("/sys/class/net/{device}/mtu")).ok());
    mtu.and_then(|text| text.trim().parse().ok()).unwrap_or(1500).clamp(1280, 9000)
}

/// The device of the default route with the smallest metric, from the text of `/proc/net/route`.
fn default_device(routes: &str) -> Option<&str> {
    let defaults: BTreeMap<u32, &str> = routes
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_default = *fields.get(1)? == "00000000" && *fields.get(7)? == "00000000";
            is_default.then_some((fields.get(6)?.parse().ok()?, *fields.first()?))
        })
        .collect();
    defaults.into_values().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_with_the_least_metric_counts() {
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
            wlan0\t00000000\t010200C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(default_device(routes), Some("eth0"));
        assert_eq!(default_device("Iface\n"), None);
    }
}
