//! TCP: accept, find an endpoint that answers, copy both ways.

use super::{Choice, HOLD, dial_endpoint};
use crate::network::Tasks;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

const BUFFER: usize = 64 * 1024;
/// A pod on the same bridge answers at once or is gone.
const CONNECT: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

pub(super) async fn serve(listener: TcpListener, choice: Choice, close: CancellationToken, tasks: Tasks) {
    loop {
        let Some(accepted) = close.run_until_cancelled(listener.accept()).await else { return };
        match accepted {
            Ok((client, from)) => tasks.spawn(connection(client, from.ip(), choice.clone())),
            Err(_) if close.is_cancelled() => return,
            Err(error) => accept_failed(&error).await,
        }
    }
}

/// Out of descriptors, most likely: some connection has to end first.
pub(crate) async fn accept_failed(error: &io::Error) {
    tracing::warn!(%error, "a connection was not accepted");
    sleep(Duration::from_millis(50)).await;
}

async fn connection(client: TcpStream, from: IpAddr, mut choice: Choice) {
    match connect(from, &mut choice).await {
        Some(server) => relay(client, server).await,
        None => {
            tracing::debug!(service = %choice.backends.borrow().service, "no endpoint in time, connection reset");
            reset(&client);
        }
    }
}

/// Closing then sends a reset, which clients take as an error and not as an empty answer.
pub(crate) fn reset(client: &TcpStream) {
    if let Err(error) = SockRef::from(client).set_linger(Some(Duration::ZERO)) {
        tracing::debug!(%error, "a connection ends without a reset");
    }
}

async fn connect(from: IpAddr, choice: &mut Choice) -> Option<TcpStream> {
    let deadline = Instant::now() + HOLD;
    let mut pause = FIRST_PAUSE;
    loop {
        let waiting = choice.backends.wait_for(|backends| !backends.endpoints.is_empty());
        timeout_at(deadline, waiting).await.ok()?.ok()?;
        for endpoint in choice.order(from) {
            let attempt = timeout_at(deadline, timeout(CONNECT, dial_endpoint(&choice.router, endpoint)));
            match attempt.await.ok()? {
                Ok(Ok(server)) => return Some(server),
                Ok(Err(error)) => tracing::debug!(?endpoint, %error, "endpoint does not answer"),
                Err(_) => tracing::debug!(?endpoint, "endpoint does not answer in time"),
            }
        }
        let changed = timeout(pause, choice.backends.changed());
        // A closed Service (the sender is gone) has no later endpoint.
        if let Ok(Err(_)) = timeout_at(deadline, changed).await.ok()? {
            return None;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Copies until both directions have ended; each end of stream is passed on by itself.
pub(crate) async fn relay(mut client: TcpStream, mut server: TcpStream) {
    for stream in [&client, &server] {
        let socket = SockRef::from(stream);
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60));
        let _ = socket.set_tcp_nodelay(true);
        let _ = socket.set_tcp_keepalive(&keepalive);
    }
    if let Err(error) =
        tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await
    {
        // One side was reset: the other must see that too.
        tracing::trace!(%error, "connection broken");
        reset(&client);
        reset(&server);
    }
}
