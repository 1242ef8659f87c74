//! The Node object and its lease.

use crate::shared::Shared;
use crate::{Error, NodeConfig, Result};
use api::{Api, WriteOptions};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::Duration;
use store::{Key, View, Write};

/// As long as upstream's leases are good for, less some.
const RENEW: Duration = Duration::from_secs(30);

/// Creates the Node, or brings an old one up to date.
pub(crate) fn register(api: &Api, config: &NodeConfig, ip: Ipv4Addr, capacity: (u64, u64)) -> Result<()> {
    let failed = |source| Error::Register { name: config.name.clone(), source: Box::new(source) };
    let labels = labels(config);
    let status = status(config, ip, capacity);
    let options = WriteOptions::by("coracle");
    let known = api.view().get("nodes", "", &config.name);
    if known.is_none() {
        let object = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": config.name, "labels": labels },
            "spec": { "providerID": format!("coracle://{}", config.name) },
            "status": status,
        });
        api.create("nodes", object, &options).map_err(failed)?;
        return Ok(());
    }
    let key = Key::new("nodes", "", &config.name);
    let patch = json!({ "metadata": { "labels": labels } });
    api.patch(&key, api::PatchKind::Merge, "", &patch, &options).map_err(failed)?;
    api.patch(&key, api::PatchKind::Merge, "status", &json!({ "status": status }), &options)
        .map_err(failed)?;
    Ok(())
}

fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn labels(config: &NodeConfig) -> Value {
    json!({
        "beta.kubernetes.io/arch": arch(), "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch(), "kubernetes.io/os": "linux", "kubernetes.io/hostname": config.name,
        "node-role.kubernetes.io/control-plane": "true", "node.kubernetes.io/instance-type": "coracle",
    })
}

fn status(config: &NodeConfig, ip: Ipv4Addr, (cpu, memory): (u64, u64)) -> Value {
    let now = now();
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    let resources = json!({
        "cpu": (cpu / 1000).max(1).to_string(), "memory": format!("{}Ki", memory / 1024), "pods": "110",
        "ephemeral-storage": format!("{}Ki", disk_bytes(config) / 1024), "hugepages-2Mi": "0",
    });
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    json!({
        "capacity": resources, "allocatable": resources,
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
        "addresses": [
            { "type": "InternalIP", "address": ip.to_string() }, { "type": "Hostname", "address": config.name },
        ],
        "nodeInfo": {
            "machineID": file("/etc/machine-id"), "systemUUID": file("/etc/machine-id"),
            "bootID": file("/proc/sys/kernel/random/boot_id"), "kernelVersion": file("/proc/sys/kernel/osrelease"),
            "osImage": os_image(), "containerRuntimeVersion": format!("coracle://{}", env!("CARGO_PKG_VERSION")),
            "kubeletVersion": config.version, "kubeProxyVersion": config.version,
            "operatingSystem": "linux", "architecture": arch(),
        },
    })
}

fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

fn os_image() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or("Linux", |name| name.trim_matches('"')).to_owned()
}

fn disk_bytes(config: &NodeConfig) -> u64 {
    rustix::fs::statvfs(&config.root).map_or(0, |stat| stat.f_blocks * stat.f_frsize)
}

/// CPU in thousandths and memory in bytes.
pub(crate) fn capacity() -> (u64, u64) {
    let cpus = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo.lines().find_map(|line| {
        let rest = line.strip_prefix("MemTotal:")?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    });
    (cpus * 1000, total.unwrap_or(0) * 1024)
}

/// Keeps the lease fresh until the node stops.
pub(crate) async fn heartbeat(shared: std::sync::Arc<Shared>) {
    loop {
        let time = format!("{:.6}", jiff::Timestamp::now());
        let name = &shared.config.name;
        let key = Key::new("coordination.k8s.io/leases", "kube-node-lease", name);
        let spec = json!({ "holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": time });
        let write = if shared.api.view().get(key.resource.as_str(), "kube-node-lease", name).is_some() {
            Write::Merge { key, subresource: "", patch: json!({ "spec": spec }) }
        } else {
            let object = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": { "name": name, "namespace": "kube-node-lease" }, "spec": spec,
            });
            Write::Create { resource: key.resource, object }
        };
        if let Err(error) = shared.api.write(write) {
            tracing::warn!(%error, "cannot renew the node's lease");
        }
        tokio::select! {
            () = tokio::time::sleep(RENEW) => {}
            () = shared.stop.cancelled() => return,
        }
    }
}
