//! Keeps the network in step with the objects: Services, Ingress routes, certificates, mapped ports, load balancer status.

use crate::settings::PortMapping;
use crate::tables;
use api::Api;
use network::{Endpoint, Ingress, Network};
use parking_lot::RwLock;
use serde_json::json;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use store::{Change, Key, Resource, View, Write};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Where each mapped host port leads now; `None`: nowhere yet.
type Targets = Arc<RwLock<HashMap<u16, Vec<Endpoint>>>>;

#[derive(Clone)]
pub(crate) struct Traffic {
    pub(crate) api: Api,
    pub(crate) api_address: SocketAddr,
    pub(crate) network: Network,
    pub(crate) ingress: Arc<Ingress>,
    pub(crate) ports: Vec<PortMapping>,
    pub(crate) ingress_pem: (String, String),
    pub(crate) targets: Targets,
}

fn matters(change: &Change) -> bool {
    matches!(
        &*change.key.resource.0,
        "services"
            | "secrets"
            | "discovery.k8s.io/endpointslices"
            | "networking.k8s.io/ingresses"
            | "networking.k8s.io/ingressclasses"
    )
}

impl Traffic {
    /// Applies the tables now and after each change that matters, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut changes = self.api.changes(self.api.version());
        self.apply();
        loop {
            let next = tokio::select! {
                () = stop.cancelled() => return,
                next = changes.next() => next,
            };
            let mut due = next.as_ref().map_or(true, matters);
            if next.is_err() {
                changes = self.api.changes(self.api.version());
            }
            while let Ok(Some(change)) = changes.try_next() {
                due |= matters(&change);
            }
            if due {
                self.apply();
            }
        }
    }

    fn apply(&self) {
        let view = self.api.view();
        self.network.set_services(tables::services(&view, self.api_address));
        self.ingress.set_routes(tables::routes(&view));
        let mut certificates = tables::certificates(&view);
        certificates.push((None, self.ingress_pem.0.clone(), self.ingress_pem.1.clone()));
        self.ingress.set_certificates(certificates);
        *self.targets.write() = tables::mapped_ports(&view, self.ports.iter().map(|port| port.cluster_port));
        self.publish(&view);
    }

    /// Tells users where an Ingress or a LoadBalancer Service is reached: on this machine.
    fn publish(&self, view: &dyn View) {
        let here = json!({"loadBalancer": {"ingress": [{"ip": Ipv4Addr::LOCALHOST.to_string()}]}});
        let ingresses =
            view.list("networking.k8s.io/ingresses", "").into_iter().filter(|i| tables::is_served(view, i));
        let balancers = view
            .list("services", "")
            .into_iter()
            .filter(|s| controllers::str_at(s, &["spec", "type"]) == "LoadBalancer");
        let all =
            ingresses.map(|i| ("networking.k8s.io/ingresses", i)).chain(balancers.map(|s| ("services", s)));
        for (resource, object) in all {
            if controllers::at(&object, &["status", "loadBalancer"]) == &here["loadBalancer"] {
                continue;
            }
            let key = Key { resource: Resource::new(resource), ..controllers::key_of(resource, &object) };
            let write = Write::Merge { key, subresource: "status", patch: json!({"status": here}) };
            if let Err(error) = self.api.write(write) {
                tracing::warn!(%error, "cannot publish the address of a load balancer");
            }
        }
    }

    /// Serves one mapped port of the host that is not the ingress's alone.
    pub(crate) async fn serve_port(self, listener: TcpListener, cluster_port: u16, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((client, _)) = accepted else { continue };
            let endpoints = self.targets.read().get(&cluster_port).cloned().unwrap_or_default();
            let network = self.network.clone();
            tokio::spawn(async move { forward(client, &endpoints, &network).await });
        }
    }
}

async fn forward(mut client: TcpStream, endpoints: &[Endpoint], network: &Network) {
    for endpoint in endpoints {
        if let Ok(mut server) = network.dial_endpoint(*endpoint).await {
            // Either side closing ends the connection; there is nobody to tell.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
