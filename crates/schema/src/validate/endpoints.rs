//! Endpoints and EndpointSlices.

use super::{Errors, at, list, metadata, names, text};
use serde_json::Value;
use std::collections::HashSet;
use std::net::IpAddr;

const PROTOCOLS: &[&str] = &["SCTP", "TCP", "UDP"];

pub(super) fn endpoints(object: &Value, errors: &mut Errors) {
    for (index, subset) in list(&object["subsets"]).iter().enumerate() {
        let path = format!("subsets[{index}]");
        let (ready, others) = (list(&subset["addresses"]), list(&subset["notReadyAddresses"]));
        if ready.is_empty() && others.is_empty() {
            errors.required(&path, "must specify `addresses` or `notReadyAddresses`");
        }
        for (field, addresses) in [("addresses", ready), ("notReadyAddresses", others)] {
            for (index, address) in addresses.iter().enumerate() {
                self::address(address, &format!("{path}.{field}[{index}]"), errors);
            }
        }
        let ports = list(&subset["ports"]);
        for (index, port) in ports.iter().enumerate() {
            self::port(port, &format!("{path}.ports[{index}]"), ports.len() > 1, errors);
        }
    }
}

fn address(address: &Value, path: &str, errors: &mut Errors) {
    let ip = text(&address["ip"]).into();
    errors.format(&at(path, "ip"), &ip, names::ip);
    errors.optional(&at(path, "hostname"), &address["hostname"], names::label);
    errors.format(&at(path, "nodeName"), &address["nodeName"], names::subdomain);
    errors.format(&at(path, "ip"), &ip, names::non_special_ip);
}

fn port(port: &Value, path: &str, named: bool, errors: &mut Errors) {
    if named {
        errors.required_format(&at(path, "name"), &port["name"], names::label);
    } else {
        errors.optional(&at(path, "name"), &port["name"], names::label);
    }
    let number = if port["port"].is_null() { &Value::from(0) } else { &port["port"] };
    errors.port(&at(path, "port"), number);
    errors.required_one_of(&at(path, "protocol"), &port["protocol"], PROTOCOLS);
    errors.format(&at(path, "appProtocol"), &port["appProtocol"], names::qualified);
}

const MOST_ADDRESSES: usize = 100;
const MOST_PORTS: usize = 20_000;
const MOST_ENDPOINTS: usize = 1000;

pub(super) fn slice(object: &Value, old: Option<&Value>, errors: &mut Errors) {
    let ty = &object["addressType"];
    errors.required_one_of("addressType", ty, &["FQDN", "IPv4", "IPv6"]);
    let endpoints = list(&object["endpoints"]);
    if endpoints.len() > MOST_ENDPOINTS {
        errors.too_many("endpoints", endpoints.len(), MOST_ENDPOINTS);
    } else {
        for (index, endpoint) in endpoints.iter().enumerate() {
            self::endpoint(endpoint, text(ty), &format!("endpoints[{index}]"), errors);
        }
    }
    slice_ports(list(&object["ports"]), errors);
    if let Some(old) = old {
        errors.immutable("addressType", ty, &old["addressType"]);
    }
}

fn endpoint(endpoint: &Value, ty: &str, path: &str, errors: &mut Errors) {
    let (addresses, field) = (list(&endpoint["addresses"]), at(path, "addresses"));
    if addresses.is_empty() {
        errors.required(&field, "must contain at least 1 address");
    } else if addresses.len() > MOST_ADDRESSES {
        errors.too_many(&field, addresses.len(), MOST_ADDRESSES);
    }
    for (index, address) in addresses.iter().enumerate() {
        let field = format!("{field}[{index}]");
        match (ty, text(address).parse::<IpAddr>()) {
            ("IPv4", Ok(IpAddr::V4(_))) | ("IPv6", Ok(IpAddr::V6(_))) => {
                errors.format(&field, address, names::non_special_ip);
            }
            ("IPv4", _) => errors.invalid(&field, address, "must be a valid IPv4 address"),
            ("IPv6", _) => errors.invalid(&field, address, "must be a valid IPv6 address"),
            ("FQDN", _) => errors.format(&field, address, names::domain_name),
            _ => {}
        }
    }
    metadata::labels(&endpoint["deprecatedTopology"], &at(path, "deprecatedTopology"), errors);
    errors.format(&at(path, "hostname"), &endpoint["hostname"], names::label);
    errors.format(&at(path, "nodeName"), &endpoint["nodeName"], names::subdomain);
}

fn slice_ports(ports: &[Value], errors: &mut Errors) {
    if ports.len() > MOST_PORTS {
        errors.too_many("ports", ports.len(), MOST_PORTS);
        return;
    }
    let mut seen = HashSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("ports[{index}]");
        let name = text(&port["name"]);
        errors.optional(&at(&path, "name"), &port["name"], names::label);
        if !seen.insert(name) {
            errors.duplicate(&at(&path, "name"), &name.into());
        }
        errors.required_one_of(&at(&path, "protocol"), &port["protocol"], PROTOCOLS);
        errors.format(&at(&path, "appProtocol"), &port["appProtocol"], names::qualified);
    }
}
