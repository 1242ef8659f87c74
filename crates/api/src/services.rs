//! Service addresses and node ports. The Services themselves are the record of what is taken.

use crate::OpenError;
use crate::luck::Luck;
use crate::metadata::{default_to, text};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use store::{Snapshot, Term, View};

const NODE_PORTS: std::ops::RangeInclusive<u16> = 30000..=32767;
/// So many places are guessed before a free one is looked for in order.
const GUESSES: usize = 32;
/// So many addresses at the start of the range are only given to who asks for them, as upstream does.
const RESERVED: u32 = 256;

type Causes = Vec<(String, String, String)>;

/// The service range.
#[derive(Debug, Clone)]
pub(crate) struct Range {
    text: String,
    first: u32,
    size: u32,
}

impl Range {
    pub(crate) fn parse(text: &str) -> Result<Self, OpenError> {
        let bad = || OpenError::ServiceCidr { text: text.to_string() };
        let (address, bits) = text.split_once('/').ok_or_else(bad)?;
        let address: Ipv4Addr = address.parse().map_err(|_| bad())?;
        let bits: u32 = bits.parse().map_err(|_| bad())?;
        if !(8..=30).contains(&bits) {
            return Err(bad());
        }
        let size = 1 << (32 - bits);
        Ok(Self { text: text.to_string(), first: u32::from(address) & !(size - 1), size })
    }

    fn address(&self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.first + offset)
    }

    fn holds(&self, address: Ipv4Addr) -> bool {
        let offset = u32::from(address).wrapping_sub(self.first);
        offset > 0 && offset < self.size - 1
    }

    /// A few guesses, and if they are all taken, the next one that is not.
    fn any_free(&self, taken: &Taken<'_>, luck: &Luck) -> Option<Ipv4Addr> {
        let reserved = RESERVED.min(self.size / 16).max(2);
        let count = u64::from(self.size - 1 - reserved);
        let place = |n: u64| reserved + u32::try_from(n % count).unwrap_or_default();
        let is_free = |address: &Ipv4Addr| !taken.has_address(&address.to_string());
        let mut guesses = (0..GUESSES).map(|_| self.address(place(luck.below(count))));
        if let Some(free) = guesses.find(is_free) {
            return Some(free);
        }
        let start = luck.below(count);
        let upper = (0..count).map(|n| place(start + n));
        upper.chain(2..reserved).map(|offset| self.address(offset)).find(is_free)
    }
}

/// What other Services hold.
struct Taken<'a> {
    view: &'a Snapshot,
    namespace: String,
    name: String,
    /// How many Services were looked at.
    looked_at: Cell<usize>,
}

impl<'a> Taken<'a> {
    fn by_others(view: &'a Snapshot, service: &Value) -> Self {
        let (namespace, name) = (text(service, "namespace").to_string(), text(service, "name").to_string());
        Self { view, namespace, name, looked_at: Cell::new(0) }
    }

    fn has_address(&self, address: &str) -> bool {
        self.has(Term::Address(address))
    }

    fn has_port(&self, port: u64) -> bool {
        self.has(Term::NodePort(port))
    }

    fn has(&self, term: Term<'_>) -> bool {
        let holders = self.view.select("services", "", &[term]);
        self.looked_at.set(self.looked_at.get() + holders.len());
        holders
            .iter()
            .any(|other| text(other, "namespace") != self.namespace || text(other, "name") != self.name)
    }
}

/// Fills in what the caller left open and refuses what cannot be had. `previous` is the Service as it is.
pub(crate) fn allocate(
    range: &Range,
    view: &Snapshot,
    service: &mut Value,
    previous: Option<&Value>,
    luck: &Luck,
) -> Result<(), Causes> {
    if let Some(previous) = previous {
        carry_over(service, previous);
    }
    let kind = service["spec"]["type"].as_str().unwrap_or("ClusterIP").to_string();
    if kind == "ExternalName" {
        return Ok(());
    }
    let taken = Taken::by_others(view, service);
    address(range, &taken, service, previous, luck)?;
    families(service);
    ports(&taken, service, &kind, luck)
}

/// What only the old type has goes with it, unless the caller changes it in the same write.
fn forget_what_is_of_the_old_type(
    service: &mut Value,
    was: &serde_json::Map<String, Value>,
    exposes: bool,
    balances: bool,
) {
    let Some(spec) = service["spec"].as_object_mut() else { return };
    let outer = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|ips| !ips.is_empty());
    let checked = balances && spec.get("externalTrafficPolicy").is_some_and(|policy| policy == "Local");
    for (field, keeps) in [
        ("externalTrafficPolicy", exposes || outer),
        ("healthCheckNodePort", checked),
        ("allocateLoadBalancerNodePorts", balances),
        ("loadBalancerClass", balances),
    ] {
        if !keeps && spec.get(field) == was.get(field) {
            spec.shift_remove(field);
        }
    }
}

/// An update that does not mention what was allocated keeps it.
fn carry_over(service: &mut Value, previous: &Value) {
    let Some(was) = previous["spec"].as_object() else { return };
    let was_external = was.get("type").is_some_and(|kind| kind == "ExternalName");
    let kind = service["spec"]["type"].as_str().unwrap_or("ClusterIP").to_string();
    if kind == "ExternalName" {
        if let Some(spec) = service["spec"].as_object_mut()
            && !was_external
        {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]
            {
                if spec.get(field) == was.get(field) {
                    spec.remove(field);
                }
            }
        }
        forget_what_is_of_the_old_type(service, was, false, false);
        return;
    }
    if !was_external && let Some(spec) = service["spec"].as_object_mut() {
        for field in ["clusterIP", "clusterIPs"] {
            let absent = spec
                .get(field)
                .is_none_or(|v| v.is_null() || v == "" || v.as_array().is_some_and(Vec::is_empty));
            if absent && let Some(value) = was.get(field) {
                spec.insert(field.into(), value.clone());
            }
        }
    }
    let exposes = matches!(kind.as_str(), "NodePort" | "LoadBalancer");
    forget_what_is_of_the_old_type(service, was, exposes, kind == "LoadBalancer");
    let old_ports = was.get("ports").and_then(Value::as_array).cloned().unwrap_or_default();
    for port in service["spec"]["ports"].as_array_mut().into_iter().flatten() {
        let same = |old: &&Value| {
            old["port"] == port["port"]
                && old["protocol"].as_str().unwrap_or("TCP") == port["protocol"].as_str().unwrap_or("TCP")
        };
        let held = old_ports.iter().find(same).and_then(|old| old["nodePort"].as_u64());
        match (exposes, held, port["nodePort"].as_u64().filter(|n| *n > 0)) {
            (true, Some(held), None) => port["nodePort"] = held.into(),
            (false, Some(held), Some(now)) if held == now => {
                port.as_object_mut().expect("indexed by name above").remove("nodePort");
            }
            _ => {}
        }
    }
}

fn address(
    range: &Range,
    taken: &Taken<'_>,
    service: &mut Value,
    previous: Option<&Value>,
    luck: &Luck,
) -> Result<(), Causes> {
    let spec = &service["spec"];
    let wanted = spec["clusterIP"].as_str().filter(|ip| !ip.is_empty());
    let wanted = wanted.or_else(|| spec["clusterIPs"][0].as_str()).map(str::to_string);
    let had = previous.and_then(|p| p["spec"]["clusterIP"].as_str()).filter(|ip| !ip.is_empty());
    let address = match wanted {
        Some(ip) if ip == "None" => ip,
        Some(ip) => {
            if let Some(had) = had
                && had != ip
            {
                let text = format!("Invalid value: [{ip:?}]: may not change once set");
                return Err(vec![("spec.clusterIPs[0]".into(), "FieldValueInvalid".into(), text)]);
            }
            let problem = match ip.parse::<Ipv4Addr>() {
                Err(_) => Some("not a valid IP".to_string()),
                Ok(address) if !range.holds(address) => Some(format!(
                    "the provided IP ({ip}) is not in the valid range. The range of valid IPs is {}",
                    range.text
                )),
                Ok(_) if taken.has_address(&ip) => Some("provided IP is already allocated".to_string()),
                Ok(_) => None,
            };
            if let Some(problem) = problem {
                let text = format!("Invalid value: [{ip:?}]: failed to allocate IP {ip}: {problem}");
                return Err(vec![("spec.clusterIPs".into(), "FieldValueInvalid".into(), text)]);
            }
            ip
        }
        None if text(service, "name") == "kubernetes" && text(service, "namespace") == "default" => {
            range.address(1).to_string()
        }
        None => match range.any_free(taken, luck) {
            Some(address) => address.to_string(),
            None => {
                let text = "Internal error: failed to allocate a serviceIP: range is full".to_string();
                return Err(vec![("spec.clusterIPs".into(), "InternalError".into(), text)]);
            }
        },
    };
    service["spec"]["clusterIP"] = address.clone().into();
    service["spec"]["clusterIPs"] = json!([address]);
    Ok(())
}

fn families(service: &mut Value) {
    default_to(&mut service["spec"], "ipFamilies", json!(["IPv4"]));
    default_to(&mut service["spec"], "ipFamilyPolicy", "SingleStack");
}

fn ports(taken: &Taken<'_>, service: &mut Value, kind: &str, luck: &Luck) -> Result<(), Causes> {
    let exposes = match kind {
        "NodePort" => true,
        "LoadBalancer" => service["spec"]["allocateLoadBalancerNodePorts"].as_bool() != Some(false),
        _ => false,
    };
    let mut mine: HashSet<(u64, String)> = HashSet::new();
    let mut held: HashSet<u64> = HashSet::new();
    let protocol = |port: &Value| port["protocol"].as_str().unwrap_or("TCP").to_string();
    let list = service["spec"]["ports"].as_array_mut();
    let mut open = Vec::new();
    for (index, port) in list.into_iter().flatten().enumerate() {
        let Some(wanted) = port["nodePort"].as_u64().filter(|wanted| *wanted > 0) else {
            open.push(index);
            continue;
        };
        let field = format!("spec.ports[{index}].nodePort");
        let problem = if !u16::try_from(wanted).is_ok_and(|wanted| NODE_PORTS.contains(&wanted)) {
            "provided port is not in the valid range. The range of valid ports is 30000-32767"
        } else if taken.has_port(wanted) || !mine.insert((wanted, protocol(port))) {
            "provided port is already allocated"
        } else {
            held.insert(wanted);
            continue;
        };
        return Err(vec![(field, "FieldValueInvalid".into(), format!("Invalid value: {wanted}: {problem}"))]);
    }
    for index in open.into_iter().filter(|_| exposes) {
        let Some(free) = free_port(taken, &held, luck) else {
            let text = "Internal error: failed to allocate a nodePort: range is full".to_string();
            return Err(vec![(format!("spec.ports[{index}].nodePort"), "InternalError".into(), text)]);
        };
        held.insert(free);
        service["spec"]["ports"][index]["nodePort"] = free.into();
    }
    Ok(())
}

fn free_port(taken: &Taken<'_>, held: &HashSet<u64>, luck: &Luck) -> Option<u64> {
    let (first, last) = (u64::from(*NODE_PORTS.start()), u64::from(*NODE_PORTS.end()));
    let count = last - first + 1;
    let is_free = |port: &u64| !held.contains(port) && !taken.has_port(*port);
    let guess = (0..GUESSES).map(|_| first + luck.below(count)).find(is_free);
    let start = luck.below(count);
    guess.or_else(|| (0..count).map(|n| first + (start + n) % count).find(is_free))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{bench, by};

    /// However many Services there are, one more looks at a few.
    #[test]
    fn an_allocation_costs_the_same_among_many() {
        let (api, _dir) = bench();
        for number in 0..500 {
            let service = json!({ "apiVersion": "v1", "kind": "Service",
                "metadata": { "name": format!("s{number}"), "namespace": "default" },
                "spec": { "type": "NodePort", "ports": [{ "port": 80 }] } });
            api.create("services", service, &by()).expect("created");
        }
        let view = api.view();
        let all = view.list("services", "");
        let addresses: HashSet<&str> = all.iter().filter_map(|s| s["spec"]["clusterIP"].as_str()).collect();
        let ports: HashSet<u64> =
            all.iter().filter_map(|s| s["spec"]["ports"][0]["nodePort"].as_u64()).collect();
        assert_eq!((addresses.len(), ports.len()), (all.len(), 500));
        let one = json!({ "metadata": { "name": "one", "namespace": "default" } });
        let taken = Taken::by_others(&view, &one);
        let luck = Luck::new(Some(7));
        for _ in 0..100 {
            let range = Range::parse("10.43.0.0/16").expect("a range");
            let free = range.any_free(&taken, &luck).expect("there are some");
            assert!(!addresses.contains(free.to_string().as_str()));
            let port = free_port(&taken, &HashSet::new(), &luck).expect("there are some");
            assert!(!ports.contains(&port));
        }
        // A guess hits a taken port in a fifth of all cases.
        assert!(taken.looked_at.get() < 100, "{} Services were looked at", taken.looked_at.get());
        assert!(taken.has_port(*ports.iter().next().expect("there are 500")));
        let first = all.iter().find(|s| s["metadata"]["name"] == "s0").expect("it was made");
        let own = Taken::by_others(&view, first);
        assert!(!own.has_address(first["spec"]["clusterIP"].as_str().expect("an address")));
    }

    #[test]
    fn the_last_free_address_is_found() {
        let (api, _dir) = bench();
        let range = Range::parse("10.43.0.0/28").expect("a range");
        for offset in (2..15).filter(|offset| *offset != 9) {
            let service = json!({ "apiVersion": "v1", "kind": "Service",
                "metadata": { "name": format!("s{offset}"), "namespace": "default" },
                "spec": { "clusterIP": format!("10.43.0.{offset}"), "ports": [{ "port": 80 }] } });
            api.create("services", service, &by()).expect("created");
        }
        let view = api.view();
        let taken = Taken::by_others(&view, &json!({}));
        let found = range.any_free(&taken, &Luck::new(Some(7)));
        assert_eq!(found, Some(Ipv4Addr::new(10, 43, 0, 9)));
    }
}
