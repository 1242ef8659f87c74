//! Names that the host knows without DNS: its `/etc/hosts`, and the names under which pods reach the host.
//!
//! An address of the host's loopback would be the pod's own loopback inside a pod, so pods get the gateway's
//! address for it, where connections lead to the host's loopback.

use super::zone::{Found, addresses};
use hickory_proto::rr::rdata::AAAA;
use hickory_proto::rr::{RData, RecordType};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::SystemTime;

/// Names of the host for pods; Docker and k3d have taught people these.
const HOST: [&str; 2] = ["host.docker.internal", "host.k3d.internal"];

type Names = HashMap<String, Vec<IpAddr>>;

pub(super) struct HostNames {
    file: PathBuf,
    gateway: Ipv4Addr,
    /// The file as it was when it was last changed.
    read: Mutex<(Option<SystemTime>, Names)>,
}

impl HostNames {
    pub(super) fn new(file: PathBuf, gateway: Ipv4Addr) -> HostNames {
        HostNames { file, gateway, read: Mutex::default() }
    }

    /// `None`: the host's resolvers have to be asked.
    pub(super) fn find(&self, name: &str, kind: RecordType) -> Option<Found> {
        if name == "localhost" {
            return Some(addresses(&[Ipv4Addr::LOCALHOST], kind));
        }
        if HOST.contains(&name) {
            return Some(addresses(&[self.gateway], kind));
        }
        let mut read = self.read.lock();
        let changed = std::fs::metadata(&self.file).and_then(|m| m.modified()).ok();
        if read.0 != changed {
            let text = std::fs::read_to_string(&self.file).unwrap_or_default();
            *read = (changed, parse(&text));
        }
        match read.1.get(name) {
            Some(ips) => Some(self.records(ips, kind)),
            None if name.ends_with(".localhost") => Some(addresses(&[self.gateway], kind)),
            None => None,
        }
    }

    fn records(&self, ips: &[IpAddr], kind: RecordType) -> Found {
        let mut answers = Vec::new();
        for ip in ips {
            let data = match ip {
                ip if ip.is_loopback() => RData::A(self.gateway.into()),
                IpAddr::V4(ip) => RData::A((*ip).into()),
                IpAddr::V6(ip) => RData::AAAA(AAAA(*ip)),
            };
            let wanted = kind == RecordType::ANY || data.record_type() == kind;
            if wanted && !answers.contains(&data) {
                answers.push(data);
            }
        }
        if answers.is_empty() { Found::Nothing } else { Found::Records { answers, additional: vec![] } }
    }
}

fn parse(text: &str) -> Names {
    let mut out = Names::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(ip) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        for name in words {
            out.entry(name.trim_end_matches('.').to_ascii_lowercase()).or_default().push(ip);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_host() {
        let file = std::env::temp_dir().join(format!("coracle-hosts-{}", std::process::id()));
        std::fs::write(
            &file,
            "127.0.0.1 localhost laptop # me\n192.0.2.9 NAS nas.lan\nfd00::9 nas\nnonsense\n",
        )
        .unwrap();
        let names = HostNames::new(file.clone(), Ipv4Addr::new(10, 42, 0, 1));
        let of = |name: &str, kind: RecordType| match names.find(name, kind) {
            None => "?".to_string(),
            Some(Found::Records { answers, .. }) => {
                answers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
            Some(other) => format!("{other:?}"),
        };
        assert_eq!(of("nas", RecordType::A), "192.0.2.9");
        assert_eq!(of("nas", RecordType::AAAA), "fd00::9");
        assert_eq!(of("nas.lan", RecordType::AAAA), "Nothing");
        assert_eq!(of("laptop", RecordType::A), "10.42.0.1");
        assert_eq!(of("localhost", RecordType::A), "127.0.0.1");
        assert_eq!(of("registry.localhost", RecordType::A), "10.42.0.1");
        assert_eq!(of("host.docker.internal", RecordType::A), "10.42.0.1");
        assert_eq!(of("host.k3d.internal", RecordType::AAAA), "Nothing");
        assert_eq!(of("example.com", RecordType::A), "?");
        std::fs::remove_file(&file).unwrap();
    }
}
