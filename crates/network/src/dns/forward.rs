//! Questions for others go to the host's resolvers, from the host's namespace.
//!
//! The resolvers of `/etc/resolv.conf` are asked as they stand there. A local stub (127.0.0.53) is right too: the
//! sockets are the host's, and the stub knows about VPNs and split DNS what its upstream list does not.

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// For the first resolver; the second round gives each one longer.
const PATIENCE: [Duration; 2] = [Duration::from_millis(1500), Duration::from_secs(3)];
const OUR_PAYLOAD: u16 = 1232;
const MOST_REMEMBERED: usize = 1024;
const LONGEST: Duration = Duration::from_secs(300);
/// A name that does not exist may be one that is being set up.
const LONGEST_NEGATIVE: Duration = Duration::from_secs(5);

type Key = (String, RecordType);

#[derive(Clone)]
struct Remembered {
    response: Arc<Message>,
    at: Instant,
    until: Instant,
}

pub(super) struct Forwarder {
    file: PathBuf,
    /// The resolvers as they were when the file was last changed.
    resolvers: Mutex<(Option<SystemTime>, Vec<SocketAddr>)>,
    cache: Mutex<HashMap<Key, Remembered>>,
}

impl Forwarder {
    pub(super) fn new(file: PathBuf) -> Forwarder {
        Forwarder { file, resolvers: Mutex::default(), cache: Mutex::default() }
    }

    /// Adds to `response` what the resolvers say.
    pub(super) async fn answer(&self, query: &Query, response: &mut Message) {
        let key = (super::plain(query.name()), query.query_type());
        if let Some(known) = self.recall(&key) {
            let age = known.at.elapsed().as_secs().try_into().unwrap_or(u32::MAX);
            return copy(&known.response, age, response);
        }
        match self.ask(query).await {
            Some(upstream) => {
                copy(&upstream, 0, response);
                self.remember(key, upstream);
            }
            None => response.metadata.response_code = ResponseCode::ServFail,
        }
    }

    async fn ask(&self, query: &Query) -> Option<Message> {
        let resolvers = self.resolvers();
        for patience in PATIENCE {
            for resolver in &resolvers {
                match timeout(patience, ask_one(*resolver, query)).await {
                    Ok(Ok(answer)) if answer.metadata.response_code != ResponseCode::ServFail => {
                        return Some(answer);
                    }
                    Ok(Ok(_)) => tracing::debug!(%resolver, name = %query.name(), "resolver failed"),
                    Ok(Err(error)) => {
                        tracing::debug!(%resolver, name = %query.name(), %error, "resolver not reached")
                    }
                    Err(_) => {
                        tracing::debug!(%resolver, name = %query.name(), "resolver does not answer in time")
                    }
                }
            }
        }
        None
    }

    fn resolvers(&self) -> Vec<SocketAddr> {
        let mut known = self.resolvers.lock();
        let changed = std::fs::metadata(&self.file).and_then(|m| m.modified()).ok();
        if known.0 != changed || known.1.is_empty() {
            let text = std::fs::read_to_string(&self.file).unwrap_or_default();
            *known = (changed, parse(&text));
            self.cache.lock().clear();
        }
        known.1.clone()
    }

    fn recall(&self, key: &Key) -> Option<Remembered> {
        let mut cache = self.cache.lock();
        let known = cache.get(key)?.clone();
        if known.until <= Instant::now() {
            cache.remove(key);
            return None;
        }
        Some(known)
    }

    fn remember(&self, key: Key, upstream: Message) {
        let Some(lifetime) = lifetime(&upstream) else { return };
        let at = Instant::now();
        let mut cache = self.cache.lock();
        if cache.len() >= MOST_REMEMBERED {
            cache.retain(|_, known| known.until > at);
        }
        if cache.len() >= MOST_REMEMBERED {
            cache.clear();
        }
        cache.insert(key, Remembered { response: Arc::new(upstream), at, until: at + lifetime });
    }
}

/// How long an answer may be remembered; `None`: not at all.
fn lifetime(answer: &Message) -> Option<Duration> {
    let seconds = |ttl: u32| Duration::from_secs(ttl.into());
    if answer.metadata.truncation {
        return None;
    }
    let shortest = answer.answers.iter().map(|record| record.ttl).min();
    let lifetime = match (answer.metadata.response_code, shortest) {
        (ResponseCode::NoError, Some(ttl)) => seconds(ttl).min(LONGEST),
        (ResponseCode::NoError | ResponseCode::NXDomain, _) => {
            let soa = answer.authorities.iter().find_map(|record| match &record.data {
                RData::SOA(soa) => Some(soa.minimum.min(record.ttl)),
                _ => None,
            });
            seconds(soa?).min(LONGEST_NEGATIVE)
        }
        _ => return None,
    };
    (!lifetime.is_zero()).then_some(lifetime)
}

fn copy(from: &Message, age: u32, to: &mut Message) {
    let aged = |record: &Record| {
        let mut record = record.clone();
        record.ttl = record.ttl.saturating_sub(age);
        record
    };
    to.metadata.response_code = from.metadata.response_code;
    to.add_answers(from.answers.iter().map(aged));
    to.add_authorities(from.authorities.iter().map(aged));
    to.add_additionals(from.additionals.iter().map(aged));
}

async fn ask_one(resolver: SocketAddr, query: &Query) -> io::Result<Message> {
    let mut request = Message::query();
    request.metadata.recursion_desired = true;
    request.add_query(query.clone());
    let mut edns = Edns::new();
    edns.set_max_payload(OUR_PAYLOAD);
    request.set_edns(edns);
    let wire = request.to_vec().map_err(io::Error::other)?;
    let answer = by_udp(resolver, &request, &wire).await?;
    if !answer.metadata.truncation {
        return Ok(answer);
    }
    // Part of an answer is better than none where TCP is blocked.
    Ok(by_tcp(resolver, &request, &wire).await.unwrap_or(answer))
}

async fn by_udp(resolver: SocketAddr, request: &Message, wire: &[u8]) -> io::Result<Message> {
    let any: IpAddr =
        if resolver.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(resolver).await?;
    socket.send(wire).await?;
    let mut buffer = vec![0; 4096];
    loop {
        let count = socket.recv(&mut buffer).await?;
        if let Some(answer) = answer_to(request, &buffer[..count]) {
            return Ok(answer);
        }
    }
}

async fn by_tcp(resolver: SocketAddr, request: &Message, wire: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(resolver).await?;
    let mut framed = (wire.len() as u16).to_be_bytes().to_vec();
    framed.extend(wire);
    stream.write_all(&framed).await?;
    let mut buffer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut buffer).await?;
    answer_to(request, &buffer).ok_or(io::ErrorKind::InvalidData.into())
}

/// Anything but the answer to this very question is ignored: it may be forged.
fn answer_to(request: &Message, datagram: &[u8]) -> Option<Message> {
    let answer = Message::from_vec(datagram).ok()?;
    let same = answer.metadata.id == request.metadata.id && answer.queries == request.queries;
    same.then_some(answer)
}

fn parse(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|rest| rest.split_whitespace().next()?.split('%').next()?.parse::<IpAddr>().ok())
        .map(|ip| SocketAddr::new(ip, 53))
        .take(3)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::Name;
    use hickory_proto::rr::rdata::A;

    #[test]
    fn resolvers_are_read_as_the_c_library_reads_them() {
        let text = "# comment\nsearch lan\nnameserver 127.0.0.53\n nameserver fe80::1%eth0\nnameserver nonsense\noptions edns0\n";
        let all: Vec<String> = parse(text).iter().map(ToString::to_string).collect();
        assert_eq!(all, ["127.0.0.53:53", "[fe80::1]:53"]);
    }

    #[test]
    fn only_answers_to_the_question_count() {
        let name = Name::from_ascii("example.com.").unwrap();
        let mut request = Message::query();
        request.add_query(Query::query(name.clone(), RecordType::A));
        let mut answer = super::super::response_to(&request);
        answer.add_answer(Record::from_rdata(name.clone(), 60, RData::A(A::new(192, 0, 2, 1))));
        assert!(answer_to(&request, &answer.to_vec().unwrap()).is_some());
        assert_eq!(lifetime(&answer), Some(Duration::from_secs(60)));
        let mut other = answer.clone();
        other.metadata.id ^= 1;
        assert!(answer_to(&request, &other.to_vec().unwrap()).is_none());
        let mut other = answer.clone();
        other.queries = vec![Query::query(name, RecordType::AAAA)];
        assert!(answer_to(&request, &other.to_vec().unwrap()).is_none());
    }

    /// A resolver that cuts answers by UDP and gives them whole by TCP.
    async fn resolver() -> SocketAddr {
        let tcp = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        let answer = |question: &[u8], whole: bool| {
            let request = Message::from_vec(question).unwrap();
            let name = request.queries[0].name().clone();
            let mut answer = super::super::response_to(&request);
            answer.metadata.truncation = !whole;
            let count = if whole { 50 } else { 1 };
            answer.add_answers(
                (0..count).map(|n| Record::from_rdata(name.clone(), 60, RData::A(A::new(192, 0, 2, n)))),
            );
            answer.to_vec().unwrap()
        };
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            let (count, client) = udp.recv_from(&mut buffer).await.unwrap();
            udp.send_to(b"not an answer", client).await.unwrap();
            udp.send_to(&answer(&buffer[..count], false), client).await.unwrap();
            let (mut stream, _) = tcp.accept().await.unwrap();
            let mut question = vec![0; stream.read_u16().await.unwrap().into()];
            stream.read_exact(&mut question).await.unwrap();
            let wire = answer(&question, true);
            stream.write_all(&[&(wire.len() as u16).to_be_bytes()[..], &wire].concat()).await.unwrap();
        });
        address
    }

    #[tokio::test]
    async fn a_cut_answer_is_fetched_by_tcp_and_remembered() {
        let address = resolver().await;
        let query = Query::query(Name::from_ascii("many.example.com.").unwrap(), RecordType::A);
        let answer = ask_one(address, &query).await.unwrap();
        assert!(answer.answers.len() == 50 && !answer.metadata.truncation);

        let forwarder = Forwarder::new("/nonexistent/resolv.conf".into());
        forwarder.remember(("many.example.com".into(), RecordType::A), answer);
        let mut response = Message::query();
        forwarder.answer(&query, &mut response).await;
        assert_eq!(response.answers.len(), 50, "from memory: there is no resolver");
        let mut response = Message::query();
        let other = Query::query(Name::from_ascii("other.example.com.").unwrap(), RecordType::A);
        forwarder.answer(&other, &mut response).await;
        assert_eq!(response.metadata.response_code, ResponseCode::ServFail);
    }
}
