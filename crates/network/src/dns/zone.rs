//! The names of the cluster, as the Kubernetes DNS specification 1.1 and CoreDNS give them. Pure.

use crate::{Endpoint, Protocol, Service, ServicePort};
use hickory_proto::rr::rdata::{A, PTR, SOA, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use ipnet::Ipv4Net;
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

/// What is known about a name.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// Answers belong to the name that was asked for.
    Records {
        answers: Vec<RData>,
        additional: Vec<(Name, RData)>,
    },
    /// The name exists, without records of this type.
    Nothing,
    NoSuchName,
    Alias(Name),
}

pub(super) struct Zone {
    domain: String,
    /// Networks whose reverse names are the cluster's.
    networks: Vec<Ipv4Net>,
    services: Vec<Service>,
    /// (namespace, name) -> index
    by_name: HashMap<(String, String), usize>,
    namespaces: HashSet<String>,
    reverse: HashMap<Ipv4Addr, String>,
}

impl Zone {
    pub(super) fn new(domain: &str, networks: Vec<Ipv4Net>, services: Vec<Service>) -> Zone {
        let domain = domain.trim_matches('.').to_ascii_lowercase();
        let by_name =
            services.iter().enumerate().map(|(i, s)| ((s.namespace.clone(), s.name.clone()), i)).collect();
        let namespaces = services.iter().map(|s| s.namespace.clone()).collect();
        let mut reverse = HashMap::new();
        for service in &services {
            let name = format!("{}.{}.svc.{domain}", service.name, service.namespace);
            for (hostname, ip) in &service.hosts {
                let host = host_label(hostname.as_deref(), *ip);
                let entry = reverse.entry(*ip).or_insert_with(|| format!("{host}.{name}"));
                // A name that somebody chose is better than one made of the address.
                if hostname.is_some() {
                    *entry = format!("{host}.{name}");
                }
            }
            if let Some(ip) = service.cluster_ip {
                reverse.insert(ip, name);
            }
        }
        Zone { domain, networks, services, by_name, namespaces, reverse }
    }

    /// The zone with other Services, or `None` if they are the same.
    pub(super) fn with_services(&self, services: Vec<Service>) -> Option<Zone> {
        (services != self.services).then(|| Zone::new(&self.domain, self.networks.clone(), services))
    }

    /// For negative answers, so that clients may remember them.
    pub(super) fn authority(&self) -> Record {
        let server = self.name(&format!("ns.dns.{}", self.domain));
        let contact = self.name(&format!("hostmaster.{}", self.domain));
        let soa = SOA::new(server, contact, 1, 7200, 1800, 86400, super::TTL);
        Record::from_rdata(self.name(&self.domain), super::TTL, RData::SOA(soa))
    }

    /// `None`: not a name of the cluster.
    pub(super) fn find(&self, name: &str, kind: RecordType) -> Option<Found> {
        if let Some(reversed) = name.strip_suffix(".in-addr.arpa") {
            return self.find_reverse(reversed, kind);
        }
        let inside = match name.strip_suffix(&self.domain) {
            Some("") => return Some(Found::Nothing),
            Some(rest) => rest.strip_suffix('.')?,
            None => return None,
        };
        let labels: Vec<&str> = inside.split('.').collect();
        Some(match &labels[..] {
            ["svc" | "pod"] => Found::Nothing,
            [namespace, "svc" | "pod"] if self.namespaces.contains(*namespace) => Found::Nothing,
            [service, namespace, "svc"] => self.service(service, namespace, kind),
            [port, protocol, service, namespace, "svc"]
                if port.starts_with('_') && protocol.starts_with('_') =>
            {
                self.port(&port[1..], &protocol[1..], service, namespace, kind)
            }
            [protocol, service, namespace, "svc"] if protocol.starts_with('_') => {
                match self.get(service, namespace) {
                    Some(_) => Found::Nothing,
                    None => Found::NoSuchName,
                }
            }
            [host, service, namespace, "svc"] => self.host(host, service, namespace, kind),
            [address, _, "pod"] => match dashed(address) {
                Some(ip) => addresses(&[ip], kind),
                None => Found::NoSuchName,
            },
            _ => Found::NoSuchName,
        })
    }

    fn find_reverse(&self, reversed: &str, kind: RecordType) -> Option<Found> {
        let mut octets: Vec<&str> = reversed.split('.').collect();
        octets.reverse();
        let ip: Ipv4Addr = octets.join(".").parse().ok()?;
        if !self.networks.iter().any(|network| network.contains(&ip)) {
            return None;
        }
        Some(match self.reverse.get(&ip) {
            None => Found::NoSuchName,
            Some(name) if kind == RecordType::PTR || kind == RecordType::ANY => {
                Found::Records { answers: vec![RData::PTR(PTR(self.name(name)))], additional: vec![] }
            }
            Some(_) => Found::Nothing,
        })
    }

    fn get(&self, service: &str, namespace: &str) -> Option<&Service> {
        let index = self.by_name.get(&(namespace.to_string(), service.to_string()))?;
        self.services.get(*index)
    }

    fn service(&self, name: &str, namespace: &str, kind: RecordType) -> Found {
        let Some(service) = self.get(name, namespace) else { return Found::NoSuchName };
        if let Some(target) = &service.external_name {
            return Name::from_str_relaxed(target).map_or(Found::NoSuchName, |mut name| {
                name.set_fqdn(true);
                Found::Alias(name)
            });
        }
        if kind == RecordType::SRV {
            return self.srv(service, service.ports.iter());
        }
        let ips: Vec<Ipv4Addr> = match service.cluster_ip {
            Some(ip) => vec![ip],
            None => distinct(service.hosts.iter().map(|(_, ip)| *ip)),
        };
        addresses(&ips, kind)
    }

    fn host(&self, host: &str, service: &str, namespace: &str, kind: RecordType) -> Found {
        let Some(service) = self.get(service, namespace) else { return Found::NoSuchName };
        let ips = distinct(
            service.hosts.iter().filter(|(h, ip)| host_label(h.as_deref(), *ip) == host).map(|(_, ip)| *ip),
        );
        if ips.is_empty() { Found::NoSuchName } else { addresses(&ips, kind) }
    }

    fn port(&self, port: &str, protocol: &str, service: &str, namespace: &str, kind: RecordType) -> Found {
        let Some(service) = self.get(service, namespace) else { return Found::NoSuchName };
        let is_it = |p: &&ServicePort| p.name == port && protocol_label(p.protocol) == protocol;
        let ports: Vec<&ServicePort> = service.ports.iter().filter(is_it).collect();
        if ports.is_empty() || service.external_name.is_some() {
            return Found::NoSuchName;
        }
        if kind == RecordType::SRV { self.srv(service, ports.into_iter()) } else { Found::Nothing }
    }

    /// One target for a Service with an address, one for each host of a headless one.
    fn srv<'a>(&self, service: &Service, ports: impl Iterator<Item = &'a ServicePort>) -> Found {
        let base = format!("{}.{}.svc.{}", service.name, service.namespace, self.domain);
        let (mut answers, mut additional) = (Vec::new(), Vec::new());
        for port in ports {
            let targets: Vec<(String, Ipv4Addr, u16)> = match service.cluster_ip {
                Some(ip) => vec![(base.clone(), ip, port.port)],
                None => service
                    .hosts
                    .iter()
                    .map(|(hostname, ip)| {
                        let target = format!("{}.{base}", host_label(hostname.as_deref(), *ip));
                        (target, *ip, port_on(port, *ip))
                    })
                    .collect(),
            };
            for (target, ip, number) in targets {
                let name = self.name(&target);
                answers.push(RData::SRV(SRV::new(0, 100, number, name.clone())));
                let glue = (name, RData::A(A(ip)));
                if !additional.contains(&glue) {
                    additional.push(glue);
                }
            }
        }
        if answers.is_empty() { Found::Nothing } else { Found::Records { answers, additional } }
    }

    fn name(&self, text: &str) -> Name {
        let mut name = Name::from_str_relaxed(text).unwrap_or_else(|_| Name::root());
        name.set_fqdn(true);
        name
    }
}

/// A headless Service's port is the port of the pod itself.
fn port_on(port: &ServicePort, ip: Ipv4Addr) -> u16 {
    let own = port.endpoints.iter().find_map(|endpoint| match endpoint {
        Endpoint::Pod(address) if address.ip() == ip => Some(address.port()),
        _ => None,
    });
    own.unwrap_or(port.port)
}

fn protocol_label(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

fn host_label(hostname: Option<&str>, ip: Ipv4Addr) -> String {
    hostname.map_or_else(|| ip.to_string().replace('.', "-"), str::to_ascii_lowercase)
}

fn dashed(label: &str) -> Option<Ipv4Addr> {
    label.replace('-', ".").parse().ok()
}

fn distinct(ips: impl Iterator<Item = Ipv4Addr>) -> Vec<Ipv4Addr> {
    let mut seen = HashSet::new();
    ips.filter(|ip| seen.insert(*ip)).collect()
}

pub(super) fn addresses(ips: &[Ipv4Addr], kind: RecordType) -> Found {
    if ips.is_empty() || !matches!(kind, RecordType::A | RecordType::ANY) {
        return Found::Nothing;
    }
    Found::Records { answers: ips.iter().map(|ip| RData::A(A(*ip))).collect(), additional: vec![] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn service(namespace: &str, name: &str, cluster_ip: Option<[u8; 4]>) -> Service {
        Service {
            namespace: namespace.into(),
            name: name.into(),
            cluster_ip: cluster_ip.map(Ipv4Addr::from),
            external_name: None,
            ports: vec![ServicePort {
                name: "http".into(),
                protocol: Protocol::Tcp,
                port: 80,
                node_port: None,
                endpoints: vec![Endpoint::Pod(([10, 42, 0, 5], 8000).into())],
            }],
            hosts: vec![],
            session_affinity: false,
        }
    }

    fn zone() -> Zone {
        let mut db = service("codex", "db", None);
        db.hosts =
            vec![(Some("db-0".into()), Ipv4Addr::new(10, 42, 0, 5)), (None, Ipv4Addr::new(10, 42, 0, 6))];
        let mut outside = service("codex", "outside", None);
        outside.external_name = Some("example.com".into());
        let empty = service("codex", "empty", None);
        let services = vec![service("codex", "backend", Some([10, 43, 0, 7])), db, outside, empty];
        let networks = vec!["10.43.0.0/16".parse().unwrap(), "10.42.0.0/24".parse().unwrap()];
        Zone::new("cluster.local", networks, services)
    }

    fn check(questions: &str, expected: Expect) {
        let zone = zone();
        let mut out = String::new();
        for line in questions.split_whitespace() {
            let (name, kind) = line.split_once('/').unwrap_or((line, "A"));
            let answer = match zone.find(name, kind.parse().unwrap()) {
                None => "(not ours)".to_string(),
                Some(Found::Nothing) => "(no data)".to_string(),
                Some(Found::NoSuchName) => "(no such name)".to_string(),
                Some(Found::Alias(target)) => format!("alias {target}"),
                Some(Found::Records { answers, additional }) => {
                    let mut text: Vec<String> = answers.iter().map(|r| r.to_string()).collect();
                    text.extend(additional.iter().map(|(name, data)| format!("+ {name} {data}")));
                    text.join(" | ")
                }
            };
            out.push_str(&format!("{line}: {answer}\n"));
        }
        expected.assert_eq(&out);
    }

    #[test]
    fn services_have_addresses() {
        check(
            "backend.codex.svc.cluster.local backend.codex.svc.cluster.local/AAAA backend.other.svc.cluster.local
             db.codex.svc.cluster.local empty.codex.svc.cluster.local outside.codex.svc.cluster.local
             backend.codex.svc.cluster.local/TXT",
            expect![[r#"
                backend.codex.svc.cluster.local: 10.43.0.7
                backend.codex.svc.cluster.local/AAAA: (no data)
                backend.other.svc.cluster.local: (no such name)
                db.codex.svc.cluster.local: 10.42.0.5 | 10.42.0.6
                empty.codex.svc.cluster.local: (no data)
                outside.codex.svc.cluster.local: alias example.com.
                backend.codex.svc.cluster.local/TXT: (no data)
            "#]],
        );
    }

    #[test]
    fn hosts_of_headless_services_and_pods_have_names() {
        check(
            "db-0.db.codex.svc.cluster.local 10-42-0-6.db.codex.svc.cluster.local db-9.db.codex.svc.cluster.local
             10-42-0-9.codex.pod.cluster.local nonsense.codex.pod.cluster.local",
            expect![[r#"
                db-0.db.codex.svc.cluster.local: 10.42.0.5
                10-42-0-6.db.codex.svc.cluster.local: 10.42.0.6
                db-9.db.codex.svc.cluster.local: (no such name)
                10-42-0-9.codex.pod.cluster.local: 10.42.0.9
                nonsense.codex.pod.cluster.local: (no such name)
            "#]],
        );
    }

    #[test]
    fn ports_have_srv_records() {
        check(
            "_http._tcp.backend.codex.svc.cluster.local/SRV backend.codex.svc.cluster.local/SRV
             _http._tcp.db.codex.svc.cluster.local/SRV _http._udp.backend.codex.svc.cluster.local/SRV
             _http._tcp.backend.codex.svc.cluster.local",
            expect![[r#"
                _http._tcp.backend.codex.svc.cluster.local/SRV: 0 100 80 backend.codex.svc.cluster.local. | + backend.codex.svc.cluster.local. 10.43.0.7
                backend.codex.svc.cluster.local/SRV: 0 100 80 backend.codex.svc.cluster.local. | + backend.codex.svc.cluster.local. 10.43.0.7
                _http._tcp.db.codex.svc.cluster.local/SRV: 0 100 8000 db-0.db.codex.svc.cluster.local. | 0 100 80 10-42-0-6.db.codex.svc.cluster.local. | + db-0.db.codex.svc.cluster.local. 10.42.0.5 | + 10-42-0-6.db.codex.svc.cluster.local. 10.42.0.6
                _http._udp.backend.codex.svc.cluster.local/SRV: (no such name)
                _http._tcp.backend.codex.svc.cluster.local: (no data)
            "#]],
        );
    }

    #[test]
    fn addresses_have_names() {
        check(
            "7.0.43.10.in-addr.arpa/PTR 5.0.42.10.in-addr.arpa/PTR 6.0.42.10.in-addr.arpa/PTR
             99.0.42.10.in-addr.arpa/PTR 1.1.1.1.in-addr.arpa/PTR 42.10.in-addr.arpa/PTR 7.0.43.10.in-addr.arpa",
            expect![[r#"
                7.0.43.10.in-addr.arpa/PTR: backend.codex.svc.cluster.local.
                5.0.42.10.in-addr.arpa/PTR: db-0.db.codex.svc.cluster.local.
                6.0.42.10.in-addr.arpa/PTR: 10-42-0-6.db.codex.svc.cluster.local.
                99.0.42.10.in-addr.arpa/PTR: (no such name)
                1.1.1.1.in-addr.arpa/PTR: (not ours)
                42.10.in-addr.arpa/PTR: (not ours)
                7.0.43.10.in-addr.arpa: (no data)
            "#]],
        );
    }

    #[test]
    fn nothing_under_the_domain_leaves_the_cluster() {
        check(
            "cluster.local svc.cluster.local codex.svc.cluster.local other.svc.cluster.local x.cluster.local
             example.com.codex.svc.cluster.local a.b.c.d.e.svc.cluster.local example.com mycluster.local",
            expect![[r#"
                cluster.local: (no data)
                svc.cluster.local: (no data)
                codex.svc.cluster.local: (no data)
                other.svc.cluster.local: (no such name)
                x.cluster.local: (no such name)
                example.com.codex.svc.cluster.local: (no such name)
                a.b.c.d.e.svc.cluster.local: (no such name)
                example.com: (not ours)
                mycluster.local: (not ours)
            "#]],
        );
    }
}
