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
    let own = slices.get(&(namespace.clone(), name.clone())).map_or(&[][..], Vec::as_slice);
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
    let own = slices.get(&(namespace.to_string(), name.to_string())).map_or(&[][..], Vec::as_slice);
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

/// The endpoints of a LoadBalancer Service with this port, for a port of the host that is mapped to it.
pub fn load_balancer(view: &dyn View, port: u16) -> Option<Vec<Endpoint>> {
    let slices = slices(view);
    view.list("services", "").iter().filter(|s| str_at(s, &["spec", "type"]) == "LoadBalancer").find_map(
        |service| {
            let entry = list_at(service, &["spec", "ports"])
                .iter()
                .find(|p| int_at(p, &["port"]) == Some(port.into()))?;
            let key = (
                str_at(service, &["metadata", "namespace"]).to_string(),
                str_at(service, &["metadata", "name"]).to_string(),
            );
            Some(endpoints_of(slices.get(&key).map_or(&[][..], Vec::as_slice), str_at(entry, &["name"])))
        },
    )
}

/// The endpoints behind a node port.
pub fn node_port(view: &dyn View, port: u16) -> Option<Vec<Endpoint>> {
    let slices = slices(view);
    view.list("services", "").iter().find_map(|service| {
        let entry = list_at(service, &["spec", "ports"])
            .iter()
            .find(|p| int_at(p, &["nodePort"]) == Some(port.into()))?;
        let key = (
            str_at(service, &["metadata", "namespace"]).to_string(),
            str_at(service, &["metadata", "name"]).to_string(),
        );
        Some(endpoints_of(slices.get(&key).map_or(&[][..], Vec::as_slice), str_at(entry, &["name"])))
    })
}
