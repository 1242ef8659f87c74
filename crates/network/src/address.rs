//! Which pod has which address, remembered in a file of `ADDRESS POD-ID` lines.
//!
//! Addresses are given out in turn, so that one that has just become free is not given to the next pod.

use crate::{Error, Result};
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

pub(crate) struct Addresses {
    file: PathBuf,
    cidr: Ipv4Net,
    gateway: Ipv4Addr,
    of_pod: HashMap<String, Ipv4Addr>,
    pods: BTreeMap<Ipv4Addr, String>,
    last: Ipv4Addr,
}

impl Addresses {
    pub(crate) fn load(cidr: Ipv4Net, file: &Path) -> Result<Addresses> {
        let gateway = gateway(cidr).ok_or(Error::PoolTooSmall { cidr })?;
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(Error::State { path: file.into(), source }),
        };
        let mut out = Addresses {
            file: file.into(),
            cidr,
            gateway,
            of_pod: HashMap::new(),
            pods: BTreeMap::new(),
            last: gateway,
        };
        for (number, line) in text.lines().enumerate() {
            let bad = || Error::BadState { path: file.into(), line: number + 1 };
            let (ip, pod) = line.split_once(' ').ok_or_else(bad)?;
            let ip: Ipv4Addr = ip.parse().map_err(|_| bad())?;
            if out.is_free(ip) {
                out.insert(ip, pod);
            }
        }
        Ok(out)
    }

    pub(crate) fn get(&self, pod: &str) -> Option<Ipv4Addr> {
        self.of_pod.get(pod).copied()
    }

    /// The pod's address: the one it has, the one that it was seen with, or a new one.
    pub(crate) fn claim(&mut self, pod: &str, seen: Option<Ipv4Addr>) -> Result<Ipv4Addr> {
        if let Some(ip) = self.get(pod) {
            return Ok(ip);
        }
        let ip = match seen.filter(|ip| self.is_free(*ip)) {
            Some(ip) => ip,
            None => self.next_free()?,
        };
        self.insert(ip, pod);
        self.save()?;
        Ok(ip)
    }

    pub(crate) fn release(&mut self, pod: &str) -> Result<Option<Ipv4Addr>> {
        let Some(ip) = self.of_pod.remove(pod) else { return Ok(None) };
        self.pods.remove(&ip);
        self.save()?;
        Ok(Some(ip))
    }

    /// Frees what belongs to none of `alive`.
    pub(crate) fn retain(&mut self, alive: &HashSet<String>) -> Result<()> {
        let before = self.pods.len();
        self.of_pod.retain(|pod, _| alive.contains(pod));
        self.pods.retain(|_, pod| alive.contains(pod));
        if self.pods.len() == before { Ok(()) } else { self.save() }
    }

    fn insert(&mut self, ip: Ipv4Addr, pod: &str) {
        self.of_pod.insert(pod.into(), ip);
        self.pods.insert(ip, pod.into());
        self.last = ip;
    }

    fn is_free(&self, ip: Ipv4Addr) -> bool {
        let usable = self.cidr.contains(&ip) && ip != self.gateway;
        usable && ip != self.cidr.network() && ip != self.cidr.broadcast() && !self.pods.contains_key(&ip)
    }

    fn next_free(&self) -> Result<Ipv4Addr> {
        let (first, end) = (u32::from(self.cidr.network()), u32::from(self.cidr.broadcast()));
        let last = u32::from(self.last).clamp(first, end);
        let mut in_turn = (last + 1..=end).chain(first..=last).map(Ipv4Addr::from);
        in_turn
            .find(|ip| self.is_free(*ip))
            .ok_or(Error::PoolExhausted { cidr: self.cidr, used: self.pods.len() })
    }

    fn save(&self) -> Result<()> {
        let text: String = self.pods.iter().map(|(ip, pod)| format!("{ip} {pod}\n")).collect();
        let scratch = self.file.with_extension("new");
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&scratch, text))
            .and_then(|()| std::fs::rename(&scratch, &self.file))
            .map_err(|source| Error::State { path: self.file.clone(), source })
    }
}

/// The first address of the pod network belongs to the bridge.
pub(crate) fn gateway(cidr: Ipv4Net) -> Option<Ipv4Addr> {
    (cidr.prefix_len() <= 30).then(|| Ipv4Addr::from(u32::from(cidr.network()) + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("coracle-addresses-{}-{name}", std::process::id()))
    }

    #[test]
    fn addresses_are_stable_go_round_and_run_out() {
        let file = scratch("round");
        let cidr: Ipv4Net = "10.42.0.0/29".parse().unwrap();
        let mut all = Addresses::load(cidr, &file).unwrap();
        let a = all.claim("a", None).unwrap();
        assert_eq!(a, Ipv4Addr::new(10, 42, 0, 2));
        assert_eq!(all.claim("a", None).unwrap(), a);
        let b = all.claim("b", None).unwrap();
        all.release("b").unwrap();
        assert_ne!(all.claim("c", None).unwrap(), b, "the address just freed comes last");

        let mut again = Addresses::load(cidr, &file).unwrap();
        assert_eq!(again.get("a"), Some(a));
        for pod in ["d", "e", "f"] {
            again.claim(pod, None).unwrap();
        }
        let error = again.claim("g", None).unwrap_err();
        assert_eq!(error.to_string(), "no free pod address is left in 10.42.0.0/29: all 5 are in use");
        again.retain(&HashSet::from(["a".to_string()])).unwrap();
        assert!(again.claim("g", None).is_ok());
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn an_address_seen_in_a_running_pod_is_adopted_if_free() {
        let file = scratch("seen");
        let mut all = Addresses::load("10.42.0.0/24".parse().unwrap(), &file).unwrap();
        let seen = Ipv4Addr::new(10, 42, 0, 77);
        assert_eq!(all.claim("a", Some(seen)).unwrap(), seen);
        assert_ne!(all.claim("b", Some(seen)).unwrap(), seen);
        assert!(all.claim("c", Some(Ipv4Addr::new(192, 168, 0, 1))).unwrap().octets().starts_with(&[10, 42]));
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_damaged_file_is_reported_by_line() {
        let file = scratch("damaged");
        std::fs::write(&file, "10.42.0.2 a\nnonsense\n").unwrap();
        let error = Addresses::load("10.42.0.0/24".parse().unwrap(), &file).err().unwrap();
        assert!(error.to_string().ends_with(":2 is not an address and a pod id"), "{error}");
        std::fs::remove_file(&file).unwrap();
    }
}
