//! The pods' way out: TCP to anything outside is redirected to a listener in the router, which asks the kernel
//! where it was meant to go and connects from the host's namespace.
//!
//! Connections to the gateway's address go to the host's own loopback, as with `host.docker.internal`. UDP other
//! than DNS has no way out: the router refuses it.

use crate::network::Tasks;
use crate::proxy::tcp::{accept_failed, relay, reset};
use crate::router::Router;
use crate::{Error, NetworkConfig, Protocol, Result};
use socket2::SockRef;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PORT: u16 = 15001;
const CONNECT: Duration = Duration::from_secs(30);

pub(crate) async fn start(config: &NetworkConfig, router: &Arc<Router>, tasks: &Tasks) -> Result<()> {
    let gateway = router.gateway();
    let address = SocketAddr::from((gateway, PORT));
    let socket = router.listen(Protocol::Tcp, address)?;
    router.redirect(vec![config.pod_cidr, config.service_cidr], PORT).await?;
    let listener =
        TcpListener::from_std(socket.into()).map_err(|source| Error::Listen { address, source })?;
    tasks.spawn(serve(listener, gateway, tasks.clone()));
    Ok(())
}

async fn serve(listener: TcpListener, gateway: Ipv4Addr, tasks: Tasks) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => tasks.spawn(connection(client, gateway)),
            Err(error) => accept_failed(&error).await,
        }
    }
}

async fn connection(client: TcpStream, gateway: Ipv4Addr) {
    match connect(&client, gateway).await {
        Ok(server) => relay(client, server).await,
        Err(error) => {
            tracing::debug!(%error, "a pod's connection to the outside failed");
            reset(&client);
        }
    }
}

async fn connect(client: &TcpStream, gateway: Ipv4Addr) -> io::Result<TcpStream> {
    let meant = SockRef::from(client).original_dst_v4()?.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    timeout(CONNECT, TcpStream::connect(&*targets(meant, gateway))).await?
}

/// Where a connection goes. On the host's loopback programs listen on either family.
fn targets(meant: SocketAddr, gateway: Ipv4Addr) -> Vec<SocketAddr> {
    if meant.ip() != gateway {
        return vec![meant];
    }
    let hosts = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    hosts.into_iter().map(|ip| SocketAddr::new(ip, meant.port())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_stands_for_the_hosts_loopback() {
        let gateway = Ipv4Addr::new(10, 42, 0, 1);
        let of = |text: &str| {
            targets(text.parse().unwrap(), gateway).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("10.42.0.1:5111"), ["127.0.0.1:5111", "[::1]:5111"]);
        assert_eq!(of("192.0.2.2:443"), ["192.0.2.2:443"]);
    }
}
