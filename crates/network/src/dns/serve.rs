//! The wire: datagrams and TCP connections on port 53.

use super::{Dns, response_to};
use crate::network::Tasks;
use crate::proxy::tcp::accept_failed;
use hickory_proto::op::{Edns, Message, MessageType, ResponseCode};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// What a client takes in a datagram if it does not say more.
const PLAIN_PAYLOAD: u16 = 512;
/// Larger datagrams than this do not fit into one packet everywhere.
const OUR_PAYLOAD: u16 = 1232;
/// When so many questions wait for the host's resolvers, more are refused at once.
const MOST_WAITING: usize = 256;
const QUIET: Duration = Duration::from_secs(10);

pub(super) async fn udp(dns: Arc<Dns>, socket: Arc<UdpSocket>, tasks: Tasks) {
    let waiting = Arc::new(Semaphore::new(MOST_WAITING));
    let mut buffer = vec![0; 4096];
    loop {
        let Ok((count, client)) = socket.recv_from(&mut buffer).await else { continue };
        let Some(request) = read(&buffer[..count]) else { continue };
        if let Some(response) = dns.answer_at_once(&request) {
            send(&socket, client, &request, response).await;
            continue;
        }
        let Ok(permit) = Arc::clone(&waiting).try_acquire_owned() else {
            let mut busy = response_to(&request);
            busy.metadata.response_code = ResponseCode::ServFail;
            send(&socket, client, &request, busy).await;
            continue;
        };
        let (dns, socket) = (Arc::clone(&dns), Arc::clone(&socket));
        tasks.spawn(async move {
            let response = dns.answer(&request).await;
            send(&socket, client, &request, response).await;
            drop(permit);
        });
    }
}

/// What is no question gets no answer.
fn read(datagram: &[u8]) -> Option<Message> {
    let message = Message::from_vec(datagram).ok()?;
    (message.metadata.message_type == MessageType::Query).then_some(message)
}

async fn send(socket: &UdpSocket, client: SocketAddr, request: &Message, response: Message) {
    let payload =
        request.edns.as_ref().map_or(PLAIN_PAYLOAD, |e| e.max_payload().clamp(PLAIN_PAYLOAD, OUR_PAYLOAD));
    let Some(wire) = fit(request, response, payload.into()) else { return };
    if let Err(error) = socket.send_to(&wire, client).await {
        tracing::debug!(%client, %error, "DNS answer not sent");
    }
}

/// The answer in at most `limit` bytes: what does not fit is left out, and marked so that the client asks by TCP.
fn fit(request: &Message, mut response: Message, limit: usize) -> Option<Vec<u8>> {
    if request.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(OUR_PAYLOAD);
        response.set_edns(edns);
    }
    loop {
        let wire = response.to_vec().ok()?;
        if wire.len() <= limit {
            return Some(wire);
        }
        if response.additionals.pop().is_some() {
            continue;
        }
        response.metadata.truncation = true;
        if response.authorities.pop().is_none() && response.answers.pop().is_none() {
            return None;
        }
    }
}

pub(super) async fn tcp(dns: Arc<Dns>, listener: TcpListener, tasks: Tasks) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let dns = Arc::clone(&dns);
                tasks.spawn(async move {
                    // A client that breaks off is its own affair.
                    let _ = connection(&dns, client).await;
                });
            }
            Err(error) => accept_failed(&error).await,
        }
    }
}

async fn connection(dns: &Dns, mut client: TcpStream) -> io::Result<()> {
    loop {
        let Ok(length) = timeout(QUIET, client.read_u16()).await else { return Ok(()) };
        let mut buffer = vec![0; length?.into()];
        timeout(QUIET, client.read_exact(&mut buffer)).await??;
        let Some(request) = read(&buffer) else { return Ok(()) };
        let response = dns.answer(&request).await;
        let wire = fit(&request, response, u16::MAX.into()).ok_or(io::ErrorKind::InvalidData)?;
        let mut framed = (wire.len() as u16).to_be_bytes().to_vec();
        framed.extend(wire);
        client.write_all(&framed).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::Query;
    use hickory_proto::rr::rdata::A;
    use hickory_proto::rr::{Name, RData, Record, RecordType};

    #[test]
    fn answers_that_do_not_fit_are_cut_and_marked() {
        let name = Name::from_ascii("many.example.com.").unwrap();
        let mut request = Message::query();
        request.add_query(Query::query(name.clone(), RecordType::A));
        let mut response = response_to(&request);
        response.add_answers(
            (0..100).map(|n| Record::from_rdata(name.clone(), 5, RData::A(A::new(10, 0, 0, n)))),
        );
        let whole = Message::from_vec(&fit(&request, response.clone(), 65535).unwrap()).unwrap();
        assert!(whole.answers.len() == 100 && !whole.metadata.truncation);
        let cut = fit(&request, response, 512).unwrap();
        assert!(cut.len() <= 512);
        let cut = Message::from_vec(&cut).unwrap();
        assert!(cut.metadata.truncation && cut.answers.len() > 20);
        assert_eq!(cut.metadata.id, request.metadata.id);
    }
}
