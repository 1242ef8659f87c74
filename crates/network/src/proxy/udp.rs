//! UDP: one connected socket for each client, until it has been quiet for a while.

use super::Choice;
use crate::Endpoint;
use crate::network::Tasks;
use crate::router::Router;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const QUIET: Duration = Duration::from_secs(60);
/// When a listener has so many clients, datagrams of new ones are dropped.
const MOST_CLIENTS: usize = 1024;
const LARGEST: usize = 64 * 1024;

struct Flow {
    endpoint: Endpoint,
    upstream: Arc<UdpSocket>,
}

type Flows = Arc<Mutex<HashMap<SocketAddr, Flow>>>;

pub(super) async fn serve(socket: UdpSocket, choice: Choice, close: CancellationToken, tasks: Tasks) {
    let socket = Arc::new(socket);
    let flows = Flows::default();
    let mut buffer = vec![0; LARGEST];
    loop {
        let Some(received) = close.run_until_cancelled(socket.recv_from(&mut buffer)).await else { return };
        let Ok((count, client)) = received else { continue };
        let upstream = match current(&flows, &choice, client) {
            Some(upstream) => upstream,
            None => match open(&flows, &choice, client).await {
                Ok(Some(upstream)) => {
                    tasks.spawn(answers(
                        Arc::clone(&socket),
                        Arc::clone(&upstream),
                        client,
                        Arc::clone(&flows),
                    ));
                    upstream
                }
                // Nobody is ready, or there are too many: datagrams may get lost.
                Ok(None) => continue,
                Err(error) => {
                    tracing::debug!(%client, %error, "datagram not passed on");
                    continue;
                }
            },
        };
        if let Err(error) = upstream.send(&buffer[..count]).await {
            tracing::debug!(%client, %error, "endpoint does not take datagrams");
            flows.lock().remove(&client);
        }
    }
}

/// The client's flow, if its endpoint is still one.
fn current(flows: &Flows, choice: &Choice, client: SocketAddr) -> Option<Arc<UdpSocket>> {
    let mut flows = flows.lock();
    let flow = flows.get(&client)?;
    if choice.backends.borrow().endpoints.contains(&flow.endpoint) {
        return Some(Arc::clone(&flow.upstream));
    }
    flows.remove(&client);
    None
}

async fn open(flows: &Flows, choice: &Choice, client: SocketAddr) -> io::Result<Option<Arc<UdpSocket>>> {
    let Some(endpoint) = choice.order(client.ip()).first().copied() else { return Ok(None) };
    if flows.lock().len() >= MOST_CLIENTS {
        return Ok(None);
    }
    let upstream = Arc::new(connect(&choice.router, endpoint).await?);
    flows.lock().insert(client, Flow { endpoint, upstream: Arc::clone(&upstream) });
    Ok(Some(upstream))
}

async fn connect(router: &Router, endpoint: Endpoint) -> io::Result<UdpSocket> {
    match endpoint {
        Endpoint::Pod(address) => router.udp_to(address).await,
        Endpoint::Host(address) => {
            let socket = UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0)).await?;
            socket.connect(address).await?;
            Ok(socket)
        }
    }
}

/// Passes answers back, until there are none for a while or another flow has taken this one's place.
async fn answers(socket: Arc<UdpSocket>, upstream: Arc<UdpSocket>, client: SocketAddr, flows: Flows) {
    let mut buffer = vec![0; LARGEST];
    while let Ok(Ok(count)) = timeout(QUIET, upstream.recv(&mut buffer)).await {
        let is_current = flows.lock().get(&client).is_some_and(|flow| Arc::ptr_eq(&flow.upstream, &upstream));
        if !is_current || socket.send_to(&buffer[..count], client).await.is_err() {
            break;
        }
    }
    let mut flows = flows.lock();
    if flows.get(&client).is_some_and(|flow| Arc::ptr_eq(&flow.upstream, &upstream)) {
        flows.remove(&client);
    }
}
