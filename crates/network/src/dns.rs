//! The cluster's DNS server, on its address inside the service network, UDP and TCP.
//!
//! Names of the cluster come from the table of Services (`zone`), names of the host from its `/etc/hosts`
//! (`host`); everything else goes to the host's own resolvers, from the host's namespace (`forward`).

mod forward;
mod host;
mod serve;
mod zone;

use crate::network::Tasks;
use crate::router::Router;
use crate::{Error, NetworkConfig, Protocol, Result, Service};
use forward::Forwarder;
use hickory_proto::op::{Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use host::HostNames;
use parking_lot::RwLock;
use std::net::SocketAddr;
use std::sync::Arc;
use zone::{Found, Zone};

/// Seconds that a client may remember a name of the cluster.
const TTL: u32 = 5;
/// Aliases that lead to aliases end somewhere.
const MOST_ALIASES: usize = 8;

pub(crate) struct Dns {
    zone: RwLock<Arc<Zone>>,
    host: HostNames,
    forwarder: Forwarder,
}

impl Dns {
    pub(crate) fn start(config: &NetworkConfig, router: &Router, tasks: &Tasks) -> Result<Arc<Dns>> {
        let gateway = router.gateway();
        let zone = Zone::new(&config.domain, vec![config.service_cidr, config.pod_cidr], Vec::new());
        let dns = Arc::new(Dns {
            zone: RwLock::new(Arc::new(zone)),
            host: HostNames::new("/etc/hosts".into(), gateway),
            forwarder: Forwarder::new("/etc/resolv.conf".into()),
        });
        let address = SocketAddr::from((config.dns, 53));
        let failed = |source| Error::Listen { address, source };
        let udp = router.listen(Protocol::Udp, address)?;
        let tcp = router.listen(Protocol::Tcp, address)?;
        let udp = tokio::net::UdpSocket::from_std(udp.into()).map_err(failed)?;
        let tcp = tokio::net::TcpListener::from_std(tcp.into()).map_err(failed)?;
        tasks.spawn(serve::udp(Arc::clone(&dns), Arc::new(udp), tasks.clone()));
        tasks.spawn(serve::tcp(Arc::clone(&dns), tcp, tasks.clone()));
        Ok(dns)
    }

    pub(crate) fn set_services(&self, services: Vec<Service>) {
        let current = Arc::clone(&self.zone.read());
        if let Some(next) = current.with_services(services) {
            *self.zone.write() = Arc::new(next);
        }
    }

    /// The answer, if it can be given without asking anybody.
    fn answer_at_once(&self, request: &Message) -> Option<Message> {
        let mut response = response_to(request);
        if request.metadata.op_code != OpCode::Query {
            response.metadata.response_code = ResponseCode::NotImp;
            return Some(response);
        }
        let [query] = &request.queries[..] else {
            response.metadata.response_code = ResponseCode::FormErr;
            return Some(response);
        };
        match self.local(query)? {
            Found::Alias(_) => None,
            found => {
                fill(&mut response, query.name(), found, &self.zone.read());
                Some(response)
            }
        }
    }

    /// What the cluster and the host know; `None`: others have to be asked.
    fn local(&self, query: &Query) -> Option<Found> {
        let name = plain(query.name());
        let zone = Arc::clone(&self.zone.read());
        zone.find(&name, query.query_type()).or_else(|| self.host.find(&name, query.query_type()))
    }

    async fn answer(&self, request: &Message) -> Message {
        if let Some(response) = self.answer_at_once(request) {
            return response;
        }
        let mut response = response_to(request);
        let mut query = request.queries[0].clone();
        for _ in 0..MOST_ALIASES {
            match self.local(&query) {
                Some(Found::Alias(target)) => {
                    let owner = query.name().clone();
                    response.add_answer(Record::from_rdata(owner, TTL, RData::CNAME(cname(&target))));
                    if query.query_type() == RecordType::CNAME {
                        return response;
                    }
                    query.set_name(target);
                }
                Some(found) => {
                    fill(&mut response, query.name(), found, &self.zone.read());
                    return response;
                }
                None => {
                    self.forwarder.answer(&query, &mut response).await;
                    return response;
                }
            }
        }
        response.metadata.response_code = ResponseCode::ServFail;
        response
    }
}

fn cname(target: &Name) -> hickory_proto::rr::rdata::CNAME {
    hickory_proto::rr::rdata::CNAME(target.clone())
}

fn response_to(request: &Message) -> Message {
    let mut response = Message::new(request.metadata.id, MessageType::Response, request.metadata.op_code);
    response.metadata = Metadata::response_from_request(&request.metadata);
    response.metadata.recursion_available = true;
    response.add_queries(request.queries.iter().cloned());
    response
}

fn fill(response: &mut Message, owner: &Name, found: Found, zone: &Zone) {
    response.metadata.authoritative = true;
    match found {
        Found::Records { answers, additional } => {
            let own = |data| Record::from_rdata(owner.clone(), TTL, data);
            response.add_answers(answers.into_iter().map(own));
            response.add_additionals(
                additional.into_iter().map(|(name, data)| Record::from_rdata(name, TTL, data)),
            );
        }
        Found::Nothing => {
            response.add_authority(zone.authority());
        }
        Found::NoSuchName => {
            response.metadata.response_code = ResponseCode::NXDomain;
            response.add_authority(zone.authority());
        }
        Found::Alias(target) => {
            response.add_answer(Record::from_rdata(owner.clone(), TTL, RData::CNAME(cname(&target))));
        }
    }
}

/// Lower case, without the dot at the end.
fn plain(name: &Name) -> String {
    let mut text = name.to_ascii().to_ascii_lowercase();
    if text.ends_with('.') {
        text.pop();
    }
    text
}
