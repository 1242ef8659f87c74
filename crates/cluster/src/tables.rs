//! Objects become the tables that the network works from: Services with endpoints, Ingress routes.
//!
//! Pure functions of a snapshot; `traffic` hands their results over.

use crate::settings::API_VIP;
use controllers::{at, int_at, list_at, str_at};
use network::{Endpoint, Protocol, Route, Service, ServicePort};
use serde_json::Value;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use store::{Object, View};

/// The controller name that our IngressClass carries; classes of other controllers are not served.
pub const INGRESS_CONTROLLER: &str = "coracle.dev/ingress-nginx";

type SlicesOf = HashMap<(String, String), Vec<Object>>;

fn slices(view: &dyn View) -> SlicesOf {
    let mut map = SlicesOf::new();
    for slice in view.list("discovery.k8s.io/endpointslices", "") {
        let service = str_at(&slice, &["metadata", "labels", "kubernetes.io/service-name"]).to_string();
        let namespace = str_at(&slice, &["metadata", "namespace"]).to_string();
        map.entry((namespace, service)).or_default().push(slice);
    }
    map
}

/// Every Service. `api` is where the API server listens on the host; `dns_ports` are the network's own affair.
pub fn services(view: &dyn View, api: SocketAddr) -> Vec<Service> {
    let slices = slices(view);
    view.list("services", "").iter().map(|service| one_service(service, &slices, api)).collect()
}

fn one_service(service: &Value, slices: &SlicesOf, api: SocketAddr) -> Service {
    let namespace = str_at(service, &["metadata", "namespace"]).to_string();
    let name = str_at(service, &["metadata", "name"]).to_string();
    let cluster_ip: Option<Ipv4Addr> = str_at(service, &["spec", "clusterIP"]).parse().ok();
    let own = own_slices(slices, service);
    let external = str_at(service, &["spec", "externalName"]);
    let ports = list_at(service, &["spec", "ports"]).iter().filter_map(|port| {
        let is_api = cluster_ip == Some(API_VIP) && namespace == "default";
        let endpoints =
            if is_api { vec![Endpoint::Host(api)] } else { endpoints_of(own, str_at(port, &["name"])) };
        Some(ServicePort {
            name: str_at(port, &["name"]).to_string(),
            protocol: if str_at(port, &["protocol"]) == "UDP" { Protocol::Udp } else { Protocol::Tcp },
            port: port_number(at(port, &["port"]))?,
            node_port: port_number(at(port, &["nodePort"])),
            endpoints,
        })
    });
    Service {
        cluster_ip,
        external_name: (!external.is_empty()).then(|| external.to_string()),
        ports: ports.collect(),
        hosts: hosts_of(own),
        session_affinity: str_at(service, &["spec", "sessionAffinity"]) == "ClientIP",
        namespace,
        name,
    }
}

fn port_number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0)
}

fn ready_endpoints(slice: &Value) -> impl Iterator<Item = &Value> {
    list_at(slice, &["endpoints"]).iter().filter(|e| at(e, &["conditions", "ready"]) != &Value::Bool(false))
}

fn endpoints_of(slices: &[Object], port_name: &str) -> Vec<Endpoint> {
    let mut out = Vec::new();
    for slice in slices {
        let port = list_at(slice, &["ports"]).iter().find(|p| str_at(p, &["name"]) == port_name);
        let Some(number) = port.and_then(|p| port_number(at(p, &["port"]))) else { continue };
        for endpoint in ready_endpoints(slice) {
            let addresses = list_at(endpoint, &["addresses"]).iter().filter_map(|a| a.as_str()?.parse().ok());
            out.extend(addresses.map(|ip: Ipv4Addr| Endpoint::Pod(SocketAddr::from((ip, number)))));
        }
    }
    out
}

fn hosts_of(slices: &[Object]) -> Vec<(Option<String>, Ipv4Addr)> {
    let mut out = Vec::new();
    for endpoint in slices.iter().flat_map(|s| ready_endpoints(s)) {
        let hostname = at(endpoint, &["hostname"]).as_str().map(String::from);
        let addresses = list_at(endpoint, &["addresses"]).iter().filter_map(|a| a.as_str()?.parse().ok());
        out.extend(addresses.map(|ip: Ipv4Addr| (hostname.clone(), ip)));
    }
    out
}

/// Whether our ingress serves this Ingress: its class is ours, or it names none and ours is the default.
pub fn is_served(view: &dyn View, ingress: &Value) -> bool {
    let named = match str_at(ingress, &["spec", "ingressClassName"]) {
        "" => str_at(ingress, &["metadata", "annotations", "kubernetes.io/ingress.class"]),
        name => name,
    };
    let classes = view.list("networking.k8s.io/ingressclasses", "");
    classes.iter().any(|class| {
        let ours = str_at(class, &["spec", "controller"]) == INGRESS_CONTROLLER;
        let default =
            str_at(class, &["metadata", "annotations", "ingressclass.kubernetes.io/is-default-class"])
                == "true";
        ours && if named.is_empty() { default } else { str_at(class, &["metadata", "name"]) == named }
    })
}

/// The routes of every Ingress that we serve, in the order of their names.
pub fn routes(view: &dyn View) -> Vec<Route> {
    let slices = slices(view);
    let mut out = Vec::new();
    for ingress in view.list("networking.k8s.io/ingresses", "").iter().filter(|i| is_served(view, i)) {
        let namespace = str_at(ingress, &["metadata", "namespace"]);
        let label = format!("{namespace}/{}", str_at(ingress, &["metadata", "name"]));
        let mut route = |host: Option<&str>, path: &str, exact: bool, backend: &Value| {
            let (backend, endpoints) = backend_of(view, &slices, namespace, backend);
            out.push(Route {
                host: host.map(String::from),
                path: path.to_string(),
                exact,
                ingress: label.clone(),
                backend,
                endpoints,
            });
        };
        for rule in list_at(ingress, &["spec", "rules"]) {
            let host = at(rule, &["host"]).as_str().filter(|h| !h.is_empty());
            for path in list_at(rule, &["http", "paths"]) {
                let text = at(path, &["path"]).as_str().unwrap_or("/");
                route(host, text, str_at(path, &["pathType"]) == "Exact", at(path, &["backend"]));
            }
        }
        let default = at(ingress, &["spec", "defaultBackend"]);
        if !default.is_null() {
            route(None, "/", false, default);
        }
    }
    out
}

fn backend_of(
    view: &dyn View,
    slices: &SlicesOf,
    namespace: &str,
    backend: &Value,
) -> (String, Vec<Endpoint>) {
    let name = str_at(backend, &["service", "name"]);
    let number = int_at(backend, &["service", "port", "number"]);
    let port_name = str_at(backend, &["service", "port", "name"]);
    let shown = number.map_or_else(|| port_name.to_string(), |n| n.to_string());
    let label = format!("{namespace}/{name}:{shown}");
    let Some(service) = view.get("services", namespace, name) else { return (label, Vec::new()) };
    let port = list_at(&service, &["spec", "ports"]).iter().find(|p| match number {
        Some(number) => int_at(p, &["port"]) == Some(number),
        None => str_at(p, &["name"]) == port_name,
    });
    let own = own_slices(slices, &service);
    let endpoints = port.map_or_else(Vec::new, |p| endpoints_of(own, str_at(p, &["name"])));
    (label, endpoints)
}

/// Certificates of TLS Ingresses: (host or None, certificate PEM, key PEM).
pub fn certificates(view: &dyn View) -> Vec<(Option<String>, String, String)> {
    let mut out = Vec::new();
    for ingress in view.list("networking.k8s.io/ingresses", "").iter().filter(|i| is_served(view, i)) {
        for tls in list_at(ingress, &["spec", "tls"]) {
            let namespace = str_at(ingress, &["metadata", "namespace"]);
            let Some(secret) = view.get("secrets", namespace, str_at(tls, &["secretName"])) else { continue };
            let (Some(cert), Some(key)) = (pem_of(&secret, "tls.crt"), pem_of(&secret, "tls.key")) else {
                continue;
            };
            let hosts = list_at(tls, &["hosts"]);
            if hosts.is_empty() {
                out.push((None, cert, key));
            } else {
                out.extend(
                    hosts
                        .iter()
                        .filter_map(|h| Some((Some(h.as_str()?.to_string()), cert.clone(), key.clone()))),
                );
            }
        }
    }
    out
}

fn pem_of(secret: &Value, field: &str) -> Option<String> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(str_at(secret, &["data", field])).ok()?;
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

/// Where each of these cluster ports leads: to a LoadBalancer Service with that port, else to a node port. A port that
/// no Service has is left out.
pub fn mapped_ports(view: &dyn View, ports: impl IntoIterator<Item = u16>) -> HashMap<u16, Vec<Endpoint>> {
    let slices = slices(view);
    let services = view.list("services", "");
    let find = |number: u16, field: &str, kind: Option<&str>| {
        let wanted = services.iter().filter(|s| kind.is_none_or(|kind| str_at(s, &["spec", "type"]) == kind));
        wanted.into_iter().find_map(|service| {
            let mut entries = list_at(service, &["spec", "ports"]).iter();
            let entry = entries.find(|p| int_at(p, &[field]) == Some(number.into()))?;
            Some(endpoints_of(own_slices(&slices, service), str_at(entry, &["name"])))
        })
    };
    let lead = |number| find(number, "port", Some("LoadBalancer")).or_else(|| find(number, "nodePort", None));
    ports.into_iter().filter_map(|number| Some((number, lead(number)?))).collect()
}

fn own_slices<'a>(slices: &'a SlicesOf, service: &Value) -> &'a [Object] {
    let part = |field| str_at(service, &["metadata", field]).to_string();
    slices.get(&(part("namespace"), part("name"))).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use store::Fixture;

    #[test]
    fn a_mapped_port_leads_to_a_load_balancer_or_else_a_node_port() {
        let service = |name: &str, kind: &str, port: u16, node_port: u16| {
            let ports = json!([{"port": port, "nodePort": node_port}]);
            json!({"metadata": {"namespace": "ns", "name": name}, "spec": {"type": kind, "ports": ports}})
        };
        let slice = |service: &str, ip: &str| {
            let labels = json!({"kubernetes.io/service-name": service});
            json!({
                "metadata": {"namespace": "ns", "name": service, "labels": labels},
                "ports": [{"name": "", "port": 9000}], "endpoints": [{"addresses": [ip]}],
            })
        };
        let view = Fixture::default()
            .with("services", service("balanced", "LoadBalancer", 5432, 30001))
            .with("services", service("node", "NodePort", 80, 30002))
            .with("services", service("inside", "ClusterIP", 5433, 0))
            .with("discovery.k8s.io/endpointslices", slice("balanced", "10.42.0.2"))
            .with("discovery.k8s.io/endpointslices", slice("node", "10.42.0.3"));
        let found = mapped_ports(&view, [5432, 30001, 30002, 5433, 80]);
        let pod = |ip: [u8; 4]| vec![Endpoint::Pod(SocketAddr::from((ip, 9000)))];
        let wanted =
            [(5432, pod([10, 42, 0, 2])), (30001, pod([10, 42, 0, 2])), (30002, pod([10, 42, 0, 3]))];
        assert_eq!(found, HashMap::from(wanted));
    }
}
