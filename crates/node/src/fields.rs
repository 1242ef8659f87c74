//! The downward API: fields of the pod and resources of its containers as text.

use crate::env::items;
use crate::quantity;
use serde_json::Value;

/// What fields are read from. The status is ours, not the object's, which may be older.
pub(crate) struct Fields<'a> {
    pub(crate) pod: &'a Value,
    pub(crate) pod_ip: String,
    pub(crate) host_ip: String,
    /// CPU (thousandths) and memory (bytes) of the node, for containers without limits.
    pub(crate) allocatable: (u64, u64),
}

impl Fields<'_> {
    pub(crate) fn field(&self, path: &str) -> Result<String, String> {
        let (meta, spec) = (&self.pod["metadata"], &self.pod["spec"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(match path {
            "metadata.name" => text(&meta["name"]),
            "metadata.namespace" => text(&meta["namespace"]),
            "metadata.uid" => text(&meta["uid"]),
            "metadata.labels" => map(&meta["labels"]),
            "metadata.annotations" => map(&meta["annotations"]),
            "spec.nodeName" => text(&spec["nodeName"]),
            "spec.serviceAccountName" => text(&spec["serviceAccountName"]),
            "status.podIP" | "status.podIPs" => self.pod_ip.clone(),
            "status.hostIP" | "status.hostIPs" => self.host_ip.clone(),
            other => {
                let one = ["labels", "annotations"].iter().find_map(|kind| {
                    let key = other.strip_prefix(&format!("metadata.{kind}['"))?.strip_suffix("']")?;
                    Some(text(&meta[*kind][key]))
                });
                one.ok_or_else(|| format!("unsupported fieldPath: {other}"))?
            }
        })
    }

    /// A `resourceFieldRef`; `container` is the one that asks.
    pub(crate) fn resource(&self, reference: &Value, container: &str) -> Result<String, String> {
        let name = reference["containerName"].as_str().filter(|name| !name.is_empty()).unwrap_or(container);
        let lists = [&self.pod["spec"]["containers"], &self.pod["spec"]["initContainers"]];
        let found = lists.into_iter().flat_map(items).find(|c| c["name"] == name);
        let found = found.ok_or_else(|| format!("container {name} not found"))?;
        let path = reference["resource"].as_str().unwrap_or_default();
        let (list, resource) =
            path.split_once('.').ok_or_else(|| format!("unsupported container resource: {path}"))?;
        let own = &found["resources"][list][resource];
        let divisor = quantity::number(&reference["divisor"]).filter(|d| *d > 0.0).unwrap_or(1.0);
        let amount = match (quantity::number(own), list, resource) {
            (Some(amount), ..) => amount,
            (None, "limits", "cpu") => self.allocatable.0 as f64 / 1000.0,
            (None, "limits", "memory") => self.allocatable.1 as f64,
            (None, "requests" | "limits", _) => 0.0,
            _ => return Err(format!("unsupported container resource: {path}")),
        };
        Ok(format!("{:.0}", (amount / divisor - 1e-6).ceil().max(0.0)))
    }
}

/// As files of the downward API have maps: `key="value"` lines, sorted.
fn map(value: &Value) -> String {
    let mut lines: Vec<String> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={:?}", value.as_str().unwrap_or_default()))
        .collect();
    lines.sort();
    lines.join("\n")
}
