//! NetworkPolicies.

use super::{Errors, at, list, names, number, selector, text};
use serde_json::Value;
use std::net::IpAddr;

const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

pub(super) fn check(object: &Value, errors: &mut Errors) {
    let spec = &object["spec"];
    selector::check(&spec["podSelector"], "spec.podSelector", errors);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in list(&spec[direction]).iter().enumerate() {
            let path = format!("spec.{direction}[{index}]");
            for (index, port) in list(&rule["ports"]).iter().enumerate() {
                self::port(port, &format!("{path}.ports[{index}]"), errors);
            }
            for (index, peer) in list(&rule[peers]).iter().enumerate() {
                self::peer(peer, &format!("{path}.{peers}[{index}]"), errors);
            }
        }
    }
    let types = list(&spec["policyTypes"]);
    if types.len() > 2 {
        errors.invalid("spec.policyTypes", &spec["policyTypes"], "may not specify more than two policyTypes");
        return;
    }
    for (index, ty) in types.iter().enumerate() {
        errors.one_of(&format!("spec.policyTypes[{index}]"), ty, &["Ingress", "Egress"]);
    }
}

fn port(port: &Value, path: &str, errors: &mut Errors) {
    errors.one_of(&at(path, "protocol"), &port["protocol"], PROTOCOLS);
    let (end, end_path) = (&port["endPort"], at(path, "endPort"));
    match &port["port"] {
        Value::Null => {
            if !end.is_null() {
                errors.invalid(&end_path, end, "may not be specified when `port` is not specified");
            }
        }
        Value::String(_) => {
            if !end.is_null() {
                errors.invalid(&end_path, end, "may not be specified when `port` is non-numeric");
            }
            errors.port(&at(path, "port"), &port["port"]);
        }
        start => {
            errors.port(&at(path, "port"), start);
            if !end.is_null() {
                if number(end) < number(start) {
                    errors.invalid(&end_path, end, "must be greater than or equal to `port`");
                }
                errors.port(&end_path, end);
            }
        }
    }
}

fn peer(peer: &Value, path: &str, errors: &mut Errors) {
    let mut count = 0;
    for kind in ["podSelector", "namespaceSelector"] {
        if peer[kind].is_object() {
            count += 1;
            selector::check(&peer[kind], &at(path, kind), errors);
        }
    }
    let block = &peer["ipBlock"];
    if block.is_object() {
        count += 1;
        ip_block(block, &at(path, "ipBlock"), errors);
    }
    if count == 0 {
        errors.required(path, "must specify a peer");
    } else if count > 1 && block.is_object() {
        errors.forbidden(path, "may not specify both ipBlock and another peer");
    }
}

fn ip_block(block: &Value, path: &str, errors: &mut Errors) {
    if text(&block["cidr"]).is_empty() {
        errors.required(&at(path, "cidr"), "");
        return;
    }
    errors.format(&at(path, "cidr"), &block["cidr"], names::cidr);
    let Some((network, length)) = names::parse_cidr(text(&block["cidr"])) else { return };
    for (index, except) in list(&block["except"]).iter().enumerate() {
        let path = format!("{path}.except[{index}]");
        errors.format(&path, except, names::cidr);
        let Some((inner, inner_length)) = names::parse_cidr(text(except)) else { continue };
        if length >= inner_length || !contains(network, length, inner) {
            errors.invalid(&path, except, "must be a strict subset of `cidr`");
        }
    }
}

fn contains(network: IpAddr, length: u32, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32 - length;
            u32::from(network).checked_shr(shift).unwrap_or(0)
                == u32::from(address).checked_shr(shift).unwrap_or(0)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128 - length;
            u128::from(network).checked_shr(shift).unwrap_or(0)
                == u128::from(address).checked_shr(shift).unwrap_or(0)
        }
        _ => false,
    }
}
