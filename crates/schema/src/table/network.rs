//! Services, endpoints, ingresses.

use super::format::{NONE, labels, list, number, or, or_none, selector, some_of, text};
use super::{age_of, name_of};
use serde_json::Value;

/// How many addresses or hosts are shown.
const MOST: usize = 3;

pub(super) fn service(object: &Value, now: i64) -> Vec<Value> {
    let spec = &object["spec"];
    let cluster_ip = list(&spec["clusterIPs"]).first().map_or(text(&spec["clusterIP"]), text);
    let ports: Vec<String> = list(&spec["ports"])
        .iter()
        .map(|port| {
            let (number, protocol) = (number(&port["port"]), text(&port["protocol"]));
            match port["nodePort"].as_i64().filter(|port| *port > 0) {
                Some(node) => format!("{number}:{node}/{protocol}"),
                None => format!("{number}/{protocol}"),
            }
        })
        .collect();
    vec![
        name_of(object),
        text(&spec["type"]).into(),
        or_none(cluster_ip).into(),
        external(object).into(),
        or_none(&ports.join(",")).into(),
        age_of(object, now),
        labels(&spec["selector"]).into(),
    ]
}

fn external(object: &Value) -> String {
    let spec = &object["spec"];
    let own: Vec<&str> = list(&spec["externalIPs"]).iter().map(text).collect();
    match text(&spec["type"]) {
        "ExternalName" => text(&spec["externalName"]).to_string(),
        "LoadBalancer" => {
            let balancer = balancer(object);
            let all: Vec<&str> =
                [balancer.as_str()].into_iter().filter(|text| !text.is_empty()).chain(own).collect();
            or(&all.join(","), "<pending>").to_string()
        }
        _ => or_none(&own.join(",")).to_string(),
    }
}

/// The addresses in an object's status.
fn balancer(object: &Value) -> String {
    let points = list(&object["status"]["loadBalancer"]["ingress"]);
    let mut addresses: Vec<&str> = Vec::new();
    for address in points.iter().map(|point| or(text(&point["ip"]), text(&point["hostname"]))) {
        if !address.is_empty() && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses.sort_unstable();
    addresses.join(",")
}

fn host_port(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(super) fn endpoints(object: &Value, now: i64) -> Vec<Value> {
    let mut all = Vec::new();
    for subset in list(&object["subsets"]) {
        let addresses = || list(&subset["addresses"]).iter().map(|address| text(&address["ip"]));
        let ports = list(&subset["ports"]);
        if ports.is_empty() {
            all.extend(addresses().map(String::from));
        }
        for port in ports {
            all.extend(addresses().map(|address| host_port(address, number(&port["port"]))));
        }
    }
    vec![name_of(object), some_of(&all, MOST, NONE).into(), age_of(object, now)]
}

pub(super) fn endpoint_slice(object: &Value, now: i64) -> Vec<Value> {
    let ports: Vec<String> = list(&object["ports"])
        .iter()
        .map(|port| port["port"].as_i64().map_or("*".to_string(), |number| number.to_string()))
        .collect();
    let addresses = list(&object["endpoints"]).iter().flat_map(|endpoint| list(&endpoint["addresses"]));
    let addresses: Vec<String> = addresses.map(|address| text(address).to_string()).collect();
    vec![
        name_of(object),
        text(&object["addressType"]).into(),
        some_of(&ports, MOST, "<unset>").into(),
        some_of(&addresses, MOST, "<unset>").into(),
        age_of(object, now),
    ]
}

pub(super) fn ingress(object: &Value, now: i64) -> Vec<Value> {
    let spec = &object["spec"];
    let by_annotation = text(&object["metadata"]["annotations"]["kubernetes.io/ingress.class"]);
    let class = or(text(&spec["ingressClassName"]), by_annotation);
    let hosts = list(&spec["rules"]).iter().map(|rule| text(&rule["host"])).filter(|host| !host.is_empty());
    let hosts: Vec<String> = hosts.map(String::from).collect();
    let ports = if list(&spec["tls"]).is_empty() { "80" } else { "80, 443" };
    vec![
        name_of(object),
        or_none(class).into(),
        some_of(&hosts, MOST, "*").into(),
        balancer(object).into(),
        ports.into(),
        age_of(object, now),
    ]
}

pub(super) fn ingress_class(object: &Value, now: i64) -> Vec<Value> {
    let parameters = &object["spec"]["parameters"];
    let shown = if parameters.is_object() {
        let group = text(&parameters["apiGroup"]);
        let group = if group.is_empty() { String::new() } else { format!(".{group}") };
        format!("{}{group}/{}", text(&parameters["kind"]), text(&parameters["name"]))
    } else {
        NONE.into()
    };
    vec![name_of(object), text(&object["spec"]["controller"]).into(), shown.into(), age_of(object, now)]
}

pub(super) fn policy(object: &Value, now: i64) -> Vec<Value> {
    vec![name_of(object), selector(&object["spec"]["podSelector"]).into(), age_of(object, now)]
}
