//! Where a Service's webhook listens.

use serde_json::Value;
use store::View;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// A port of a pod, which the node reaches.
    Pod(String, u16),
    Host(String, u16),
}

/// An endpoint of a Service's port that takes requests.
pub(super) fn find(view: &dyn View, namespace: &str, name: &str, port: u16) -> Result<Endpoint, String> {
    let service =
        view.get("services", namespace, name).ok_or_else(|| format!("service {name:?} not found"))?;
    let spec = &service["spec"];
    if spec["type"] == "ExternalName" {
        return Ok(Endpoint::Host(spec["externalName"].as_str().unwrap_or_default().to_string(), port));
    }
    let mut ports = spec["ports"].as_array().into_iter().flatten();
    let known = ports.find(|known| known["port"].as_u64() == Some(u64::from(port)));
    let known = known.ok_or_else(|| format!("no service port {port} found for service {name:?}"))?;
    let port_name = known["name"].as_str().unwrap_or_default();
    let slices = view.list("discovery.k8s.io/endpointslices", namespace);
    let mut mine =
        slices.iter().filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == name);
    mine.find_map(|slice| in_slice(slice, port_name))
        .ok_or_else(|| format!("no endpoints available for service {name:?}"))
}

fn in_slice(slice: &Value, port_name: &str) -> Option<Endpoint> {
    let mut ports = slice["ports"].as_array()?.iter();
    let port = ports.find(|port| port["name"].as_str().unwrap_or_default() == port_name)?;
    let port = u16::try_from(port["port"].as_u64()?).ok()?;
    let mut ready = slice["endpoints"].as_array()?.iter().filter(|e| e["conditions"]["ready"] != false);
    ready.find_map(|endpoint| match endpoint["targetRef"]["kind"].as_str() {
        Some("Pod") => Some(Endpoint::Pod(endpoint["targetRef"]["name"].as_str()?.to_string(), port)),
        _ => Some(Endpoint::Host(endpoint["addresses"][0].as_str()?.to_string(), port)),
    })
}
